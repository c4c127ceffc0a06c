#include "dwarf/location_machine.h"

#include "dwarf/location_value.h"

#include <libdwarf/dwarf.h>
#include <stdlib.h>
#include <string.h>

struct error *location_bad(const char *what) {
    return error_new(ERROR_BAD_DATA, "DWARF expression: %s", what);
}

struct error *location_no_context(const char *what) {
    return error_new(ERROR_UNSUPPORTED, "DWARF expression: needs %s, which there is not", what);
}

void location_machine_init(struct location_machine *machine, const struct location_context *context) {
    /* The stack is left as it is: nothing above depth is read. */
    machine->context = context;
    machine->depth = machine->steps = 0;
    machine->calls = 0;
    machine->fresh = true;
    machine->has_simple = machine->gone = machine->simple_is_value = false;
    machine->data = NULL;
    machine->data_size = 0;
    machine->location = (struct location){.pieces = NULL};
    machine->room = 0;
}

/* ---- the stack ---- */

struct error *location_push(struct location_machine *machine, const struct location_value *value) {
    if (machine->depth == LOCATION_STACK_MAX)
        return location_bad("too many values on the stack");
    machine->stack[machine->depth++] = *value;
    return NULL;
}

struct error *location_push_u64(struct location_machine *machine, uint64_t value) {
    struct location_value generic;
    location_value_from_u64(value, &generic);
    return location_push(machine, &generic);
}

struct error *location_pop(struct location_machine *machine, struct location_value *ret) {
    if (!machine->depth)
        return location_bad("a value is needed and none is on the stack");
    *ret = machine->stack[--machine->depth];
    return NULL;
}

struct error *location_pop_u64(struct location_machine *machine, uint64_t *ret) {
    struct location_value value;
    TRY(location_pop(machine, &value));
    if (!location_value_to_u64(&value, ret))
        return location_bad("an integer is needed and something else is on the stack");
    return NULL;
}

struct error *location_read_memory(const struct location_machine *machine, uint64_t address, void *ret,
                                   size_t size) {
    const struct memory_reader *memory = machine->context->memory;
    if (!memory || !memory_read_exact(memory, address, ret, size))
        return error_new(ERROR_NOT_FOUND, "DWARF expression: memory at 0x%llx cannot be read",
                         (unsigned long long)address);
    return NULL;
}

/* ---- pieces ---- */

static struct error *piece_own_bytes(const struct location_machine *machine, struct location_piece *piece) {
    const uint8_t *bytes = machine->simple_is_value ? machine->value.bytes : machine->data;
    size_t size = machine->simple_is_value ? machine->value.type.size : machine->data_size;
    piece->bytes = malloc(size ? size : 1);
    if (!piece->bytes)
        return &error_no_memory;
    if (size)
        memcpy(piece->bytes, bytes, size);
    piece->byte_count = size;
    return NULL;
}

static struct error *make_room(struct location_machine *machine) {
    if (machine->location.count < machine->room)
        return NULL;
    size_t room = machine->room ? machine->room * 2 : 1; /* nearly all have one piece */
    struct location_piece *grown = realloc(machine->location.pieces, room * sizeof(*grown));
    if (!grown)
        return &error_no_memory;
    machine->location.pieces = grown;
    machine->room = room;
    return NULL;
}

struct error *location_machine_piece(struct location_machine *machine, uint64_t bit_size,
                                     uint64_t bit_offset) {
    struct location_piece piece = {.kind = PIECE_OPTIMIZED_OUT};
    TRY(make_room(machine));
    if (machine->has_simple) {
        piece = machine->simple;
        if (piece.kind == PIECE_BYTES)
            TRY(piece_own_bytes(machine, &piece));
    } else if (!machine->fresh) {
        TRY(location_pop_u64(machine, &piece.address));
        piece.kind = PIECE_MEMORY;
    }
    piece.bit_size = bit_size;
    piece.bit_offset = bit_offset;
    machine->location.pieces[machine->location.count++] = piece;
    machine->has_simple = false;
    machine->fresh = true;
    return NULL;
}

struct error *location_machine_skip_piece(struct location_machine *machine) {
    struct location_value address;
    if (!machine->has_simple && !machine->fresh)
        TRY(location_pop(machine, &address));
    machine->has_simple = false;
    machine->fresh = true;
    return NULL;
}

/* ---- running ---- */

/* What may stand behind a location that is complete, and what changes nothing. */
static bool is_piece(uint8_t opcode) {
    return opcode == DW_OP_piece || opcode == DW_OP_bit_piece;
}

static bool is_neutral(uint8_t opcode) {
    return opcode == DW_OP_nop || opcode == DW_OP_GNU_uninit;
}

static struct error *step(struct location_machine *machine, struct cursor *cursor) {
    uint8_t opcode = cursor_u8(cursor);
    const struct location_operator *row = &location_operators[opcode];
    if (!row->run)
        return error_new(ERROR_UNSUPPORTED, "DWARF expression: operator 0x%x (%s) is not supported", opcode,
                         row->name ? row->name : "unknown");
    if (++machine->steps > LOCATION_STEPS_MAX)
        return location_bad("too many steps");
    if (machine->has_simple && !is_piece(opcode) && !is_neutral(opcode))
        return location_bad("it goes on behind a location that is complete");
    if (!is_piece(opcode) && !is_neutral(opcode))
        machine->fresh = false;
    TRY(row->run(machine, cursor, opcode));
    return cursor_check(cursor);
}

struct error *location_machine_run(struct location_machine *machine, const uint8_t *expression, size_t size) {
    struct cursor cursor;
    cursor_init(&cursor, expression, size, "DWARF expression");
    while (!machine->gone && cursor_left(&cursor))
        TRY(step(machine, &cursor));
    return NULL;
}
