/* The line number state machine (DWARF 5 section 6.2.5). */
#include "dwarf/line_table.h"

#include "dwarf/module_private.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_MAX (1u << 24)

struct machine {
    const struct line_table *table;
    const struct module *module;
    struct cursor cursor;
    struct array rows, sequences; /* struct line_row, struct sequence */
    struct line_row row;
    uint64_t file;
    size_t first; /* row of the sequence */
    bool no_memory;
};

struct sequence {
    uint64_t low;
    size_t first, count;
};

static void begin(struct machine *machine) {
    machine->row = (struct line_row){.line = 1, .is_stmt = machine->table->default_is_stmt};
    machine->file = 1;
    machine->first = machine->rows.count;
}

static void append(struct machine *machine) {
    const struct line_table *table = machine->table;
    struct line_row *row = machine->rows.count < ROWS_MAX ? array_add(&machine->rows, sizeof(*row)) : NULL;
    if (!row) {
        machine->no_memory = machine->rows.count < ROWS_MAX;
        cursor_fail(&machine->cursor);
        return;
    }
    *row = machine->row;
    row->file = machine->file < table->file_count ? table->files[machine->file].path : NULL;
    machine->row.discriminator = 0;
    machine->row.prologue_end = machine->row.epilogue_begin = false;
}

static void end_sequence(struct machine *machine) {
    machine->row.end_sequence = true;
    append(machine);
    const struct line_row *rows = machine->rows.items;
    size_t count = machine->rows.count - machine->first;
    /* Sequences of code that was thrown away are of no use. */
    if (count >= 2 && module_is_code(machine->module, rows[machine->first].address)) {
        struct sequence *sequence = array_add(&machine->sequences, sizeof(*sequence));
        machine->no_memory |= !sequence;
        if (sequence)
            *sequence = (struct sequence){rows[machine->first].address, machine->first, count};
    }
    begin(machine);
}

static void extended(struct machine *machine) {
    struct cursor *cursor = &machine->cursor;
    uint64_t size = cursor_varint(cursor);
    if (cursor->failed || !size || size > cursor_left(cursor)) {
        cursor_fail(cursor);
        return;
    }
    size_t end = cursor->offset + size;
    switch (cursor_u8(cursor)) {
    case DW_LNE_end_sequence:
        end_sequence(machine);
        break;
    case DW_LNE_set_address:
        machine->row.address = size == 9 ? cursor_u64(cursor) : 0;
        break;
    case DW_LNE_set_discriminator:
        machine->row.discriminator = (uint32_t)cursor_varint(cursor);
        break;
    }
    if (!cursor->failed)
        cursor_seek(cursor, end);
}

static int64_t read_signed(struct cursor *cursor) {
    struct attribute attribute;
    static struct dwarf_unit unit = {.version = 5, .address_size = 8, .offset_size = 4};
    return form_read(&unit, cursor, DW_FORM_sdata, 0, &attribute) ? (int64_t)attribute.value : 0;
}

static void advance(struct machine *machine, uint64_t operations) {
    machine->row.address += operations * machine->table->instruction_size;
}

static void standard(struct machine *machine, unsigned opcode) {
    struct cursor *cursor = &machine->cursor;
    const struct line_table *table = machine->table;
    switch (opcode) {
    case DW_LNS_copy:
        append(machine);
        break;
    case DW_LNS_advance_pc:
        advance(machine, cursor_varint(cursor));
        break;
    case DW_LNS_advance_line:
        machine->row.line += (uint32_t)read_signed(cursor);
        break;
    case DW_LNS_set_file:
        machine->file = cursor_varint(cursor);
        break;
    case DW_LNS_set_column:
        machine->row.column = (uint32_t)cursor_varint(cursor);
        break;
    case DW_LNS_negate_stmt:
        machine->row.is_stmt = !machine->row.is_stmt;
        break;
    case DW_LNS_set_basic_block:
        break;
    case DW_LNS_const_add_pc:
        advance(machine, (255u - table->opcode_base) / table->line_range);
        break;
    case DW_LNS_fixed_advance_pc:
        machine->row.address += cursor_u16(cursor);
        break;
    case DW_LNS_set_prologue_end:
        machine->row.prologue_end = true;
        break;
    case DW_LNS_set_epilogue_begin:
        machine->row.epilogue_begin = true;
        break;
    default: /* set_isa, and those that are not known: with so many operands */
        for (unsigned i = 0; i < table->opcode_lengths[opcode - 1]; i++)
            cursor_varint(cursor);
    }
}

static void special(struct machine *machine, unsigned opcode) {
    const struct line_table *table = machine->table;
    unsigned adjusted = opcode - table->opcode_base;
    advance(machine, adjusted / table->line_range);
    machine->row.line += (uint32_t)(table->line_base + (int)(adjusted % table->line_range));
    append(machine);
}

static int compare(const void *a, const void *b) {
    const struct sequence *left = a, *right = b;
    if (left->low != right->low)
        return left->low < right->low ? -1 : 1;
    return (left->first > right->first) - (left->first < right->first);
}

/* Lay the sequences out by address. */
static bool finish(struct machine *machine, struct arena *arena, struct line_rows *ret) {
    struct sequence *sequences = machine->sequences.items;
    const struct line_row *rows = machine->rows.items;
    size_t total = 0;
    if (machine->sequences.count)
        qsort(sequences, machine->sequences.count, sizeof(*sequences), compare);
    for (size_t i = 0; i < machine->sequences.count; i++)
        total += sequences[i].count;
    struct line_row *copy = arena_alloc(arena, total * sizeof(*copy));
    if (!copy)
        return false;
    *ret = (struct line_rows){copy, total};
    for (size_t i = 0; i < machine->sequences.count; i++) {
        memcpy(copy, rows + sequences[i].first, sequences[i].count * sizeof(*copy));
        copy += sequences[i].count;
    }
    return true;
}

bool line_table_run(struct module *module, struct line_table *table) {
    if (table->rows_read)
        return true;
    struct machine machine = {.table = table, .module = module};
    cursor_init(&machine.cursor, table->program.data, table->program.size, ".debug_line");
    begin(&machine);
    while (cursor_left(&machine.cursor) && !machine.cursor.failed) {
        unsigned opcode = cursor_u8(&machine.cursor);
        if (opcode >= table->opcode_base)
            special(&machine, opcode);
        else if (opcode)
            standard(&machine, opcode);
        else
            extended(&machine);
    }
    bool good = !machine.no_memory && finish(&machine, &module->arena, &table->rows);
    array_deinit(&machine.rows);
    array_deinit(&machine.sequences);
    table->rows_read = good;
    return good;
}
