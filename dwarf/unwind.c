#include "dwarf/unwind.h"

#include "dwarf/cfi.h"
#include "dwarf/cfi_index.h"
#include "dwarf/location.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One section's index; read when it is first asked. */
struct source {
    const struct elf_image *images[2]; /* where to look for it: the first that has it; NULL at the end */
    struct error *(*init)(struct cfi_index *, const struct elf_image *);
    bool ready;
    struct cfi_index index;
};

#define SOURCE_COUNT 2 /* .eh_frame, .debug_frame: in this order */

struct unwind_table {
    struct source *sources; /* apart, so that a const table can still read them when they are needed */
};

struct error *unwind_table_create(const struct elf_image *image, const struct elf_image *debug,
                                  struct unwind_table **ret) {
    struct unwind_table *table = calloc(1, sizeof(*table));
    struct source *sources = calloc(SOURCE_COUNT, sizeof(*sources));
    if (!table || !sources) {
        free(table);
        free(sources);
        return &error_no_memory;
    }
    sources[0] = (struct source){.images = {image}, .init = cfi_index_init_eh_frame};
    sources[1] = (struct source){.images = {image, debug}, .init = cfi_index_init_debug_frame};
    table->sources = sources;
    *ret = table;
    return NULL;
}

void unwind_table_destroy(struct unwind_table *table) {
    if (!table)
        return;
    for (size_t i = 0; i < SOURCE_COUNT; i++)
        cfi_index_deinit(&table->sources[i].index);
    free(table->sources);
    free(table);
}

/* A section that is missing or damaged is an empty one. */
static struct error *source_open(struct source *source) {
    for (size_t i = 0; i < 2 && !source->ready && source->images[i]; i++) {
        struct error *err = source->init(&source->index, source->images[i]);
        if (error_is(err, ERROR_NO_MEMORY))
            return err;
        source->ready = !err;
        error_free(err);
    }
    source->ready = true;
    return NULL;
}

/* The FDE around vaddr, its CIE and the section that has them. */
static struct error *find(const struct unwind_table *table, uint64_t vaddr, struct cfi_cie *ret_cie,
                          struct cfi_fde *ret_fde, const struct cfi_section **ret_section) {
    struct error *err = NULL;
    for (size_t i = 0; i < SOURCE_COUNT; i++) {
        struct source *source = &table->sources[i];
        error_free(err);
        TRY(source_open(source));
        err = cfi_index_find(&source->index, vaddr, ret_cie, ret_fde);
        *ret_section = &source->index.section;
        if (!error_is(err, ERROR_NOT_FOUND))
            break;
    }
    return err;
}

struct error *unwind_row(const struct unwind_table *table, uint64_t vaddr, struct cfi_row *ret) {
    const struct cfi_section *section;
    struct cfi_cie cie;
    struct cfi_fde fde;
    TRY(find(table, vaddr, &cie, &fde, &section));
    return cfi_execute(section, &cie, &fde, vaddr, ret);
}

bool unwind_function_range(const struct unwind_table *table, uint64_t vaddr, uint64_t *ret_low,
                           uint64_t *ret_high) {
    const struct cfi_section *section;
    struct cfi_cie cie;
    struct cfi_fde fde;
    struct error *err = find(table, vaddr, &cie, &fde, &section);
    if (err) {
        error_free(err);
        return false;
    }
    *ret_low = fde.low;
    *ret_high = fde.high;
    return true;
}

/* ---- all functions ---- */

static int compare_ranges(const void *a, const void *b) {
    const struct unwind_range *left = a, *right = b;
    return (left->low > right->low) - (left->low < right->low);
}

struct error *unwind_ranges(const struct unwind_table *table, struct unwind_range **ret, size_t *ret_count) {
    size_t room = 0, count = 0, unique = 0;
    for (size_t i = 0; i < SOURCE_COUNT; i++) {
        TRY(source_open(&table->sources[i]));
        TRY(cfi_index_scan(&table->sources[i].index));
        room += table->sources[i].index.count;
    }
    struct unwind_range *ranges = calloc(room ? room : 1, sizeof(*ranges));
    if (!ranges)
        return &error_no_memory;
    for (size_t i = 0; i < SOURCE_COUNT; i++) {
        const struct cfi_index *index = &table->sources[i].index;
        for (size_t n = 0; n < index->count; n++)
            ranges[count++] = (struct unwind_range){index->entries[n].low, index->entries[n].high};
    }
    qsort(ranges, count, sizeof(*ranges), compare_ranges);
    for (size_t i = 0; i < count; i++)
        if (!unique || ranges[unique - 1].low != ranges[i].low)
            ranges[unique++] = ranges[i];
    *ret = ranges;
    *ret_count = unique;
    return NULL;
}

/* ---- from a frame to its caller ---- */

struct step {
    const struct cfi_row *row;
    const struct frame_registers *frame;
    const struct memory_reader *memory;
    uint64_t bias, cfa;
};

/* initial: the CFA, or NULL for the expression that computes it. */
static struct error *evaluate(const struct step *step, const struct cfi_rule *rule, const uint64_t *initial,
                              uint64_t *ret) {
    const struct location_context context = {.registers = step->frame,
                                             .memory = step->memory,
                                             .bias = step->bias,
                                             .address_size = sizeof(uint64_t),
                                             .offset_size = 4,
                                             .dwarf_version = 5};
    struct error *err =
        location_evaluate_address(rule->expression, rule->expression_size, &context, initial, ret);
    if (error_is(err, ERROR_NOT_FOUND)) /* means something else here; and it is the stack that is broken */
        err->code = ERROR_BAD_DATA;
    return error_context(err, "unwinding");
}

static struct error *find_cfa(const struct step *step, uint64_t *ret) {
    const struct cfi_rule *rule = &step->row->cfa;
    uint64_t value;
    switch (rule->kind) {
    case CFI_VAL_OFFSET:
        if (rule->reg >= FRAME_REGISTERS || !frame_register(step->frame, (unsigned)rule->reg, &value))
            return error_new(ERROR_BAD_DATA,
                             "unwinding: the frame's address is in register %" PRIu64 ", which is lost",
                             rule->reg);
        *ret = value + (uint64_t)rule->offset;
        return NULL;
    case CFI_VAL_EXPRESSION:
        return evaluate(step, rule, NULL, ret);
    default:
        return error_new(ERROR_BAD_DATA, "unwinding: nothing says what the frame's address is");
    }
}

static struct error *read_word(const struct step *step, uint64_t address, uint64_t *ret) {
    if (!step->memory || !memory_read_exact(step->memory, address, ret, sizeof(*ret)))
        return error_new(ERROR_BAD_DATA, "unwinding: the stack at 0x%" PRIx64 " cannot be read", address);
    return NULL;
}

/* psABI 3.2.1: what belongs to the caller. The stack pointer of the caller is the CFA, by its definition
 * there. */
static bool is_callee_saved(unsigned number) {
    return number == FRAME_RBX || number == FRAME_RBP || (number >= 12 && number <= 15);
}

static void restore_unspecified(const struct step *step, unsigned number, struct frame_registers *caller) {
    uint64_t value;
    if (number == FRAME_RSP)
        frame_set_register(caller, number, step->cfa);
    else if (is_callee_saved(number) && frame_register(step->frame, number, &value))
        frame_set_register(caller, number, value);
}

/* What the rule gives for register number, as `target` of the caller; unknown stays unknown. */
static struct error *restore_register(const struct step *step, unsigned number, unsigned target,
                                      struct frame_registers *caller) {
    const struct cfi_rule *rule = &step->row->rules[number];
    uint64_t value = 0, address = step->cfa + (uint64_t)rule->offset;
    switch (rule->kind) {
    case CFI_UNSPECIFIED:
        if (number == target)
            restore_unspecified(step, number, caller);
        return NULL;
    case CFI_UNDEFINED:
        return NULL;
    case CFI_SAME_VALUE:
    case CFI_REGISTER: {
        uint64_t source = rule->kind == CFI_REGISTER ? rule->reg : number;
        if (source < FRAME_REGISTERS && frame_register(step->frame, (unsigned)source, &value))
            frame_set_register(caller, target, value);
        return NULL;
    }
    case CFI_OFFSET:
        TRY(read_word(step, address, &value));
        break;
    case CFI_VAL_OFFSET:
        value = address;
        break;
    case CFI_EXPRESSION:
        TRY(evaluate(step, rule, &step->cfa, &address));
        TRY(read_word(step, address, &value));
        break;
    case CFI_VAL_EXPRESSION:
        TRY(evaluate(step, rule, &step->cfa, &value));
        break;
    }
    frame_set_register(caller, target, value);
    return NULL;
}

/* All but the return address may be lost. */
static struct error *restore_all(const struct step *step, struct frame_registers *ret) {
    struct frame_registers caller = {.is_return_address = !step->row->signal_frame};
    for (unsigned number = 0; number < FRAME_RIP; number++) {
        struct error *err = restore_register(step, number, number, &caller);
        if (error_is(err, ERROR_NO_MEMORY))
            return err;
        error_free(err);
    }
    if (step->row->return_register >= FRAME_REGISTERS)
        return error_new(ERROR_UNSUPPORTED, "unwinding: the return address is in register %" PRIu64,
                         step->row->return_register);
    TRY(restore_register(step, (unsigned)step->row->return_register, FRAME_RIP, &caller));
    if (!caller.value[FRAME_RIP]) /* nobody returns there: the outermost frame of a hand-made stack */
        caller.known &= ~(1u << FRAME_RIP);
    *ret = caller;
    return NULL;
}

struct error *unwind_step(const struct unwind_table *table, uint64_t bias,
                          const struct frame_registers *frame, const struct memory_reader *memory,
                          uint64_t *ret_cfa, struct frame_registers *ret_caller, bool *ret_signal_frame) {
    struct cfi_row row;
    uint64_t pc;
    if (!frame_pc(frame, &pc))
        return error_new(ERROR_NOT_FOUND, "unwinding: where the frame is executing is not known");
    TRY(unwind_row(table, pc - bias, &row));
    struct step step = {.row = &row, .frame = frame, .memory = memory, .bias = bias};
    struct frame_registers caller;
    TRY(find_cfa(&step, &step.cfa));
    TRY(restore_all(&step, &caller));
    *ret_cfa = step.cfa;
    *ret_caller = caller;
    *ret_signal_frame = row.signal_frame;
    return NULL;
}
