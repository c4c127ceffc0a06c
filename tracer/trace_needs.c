/* trace_needs: what looking at a site will ask for, found out by looking at it before it is ever passed.
 *
 * All registers hold values of which no two are near each other, and memory answers with more of these. So
 * each read tells by its address what it is relative to: to rsp or rbp, to where a module lies, or to a
 * pointer that came out of a register or of memory, which is fine when a string is read there. Two passes
 * with different values must ask for the same; and only types whose rendering depends on nothing else are let
 * through (value_is_plain()).
 *
 * Memory is copied by machine code that nobody protects from faults. So relative to rbp is only allowed where
 * the call frame information says that rbp holds the frame. */
#include "tracer/calltrace_state.h"

#include "dwarf/cfi.h"

#include <stdlib.h>
#include <string.h>

#define READS_MOST  256
#define NEAR_MOST   (1 << 20) /* bytes from rsp */
#define RAX         0
#define R11         11 /* emit_record.c needs it itself */
#define ODD         255 /* pointers are so far into 256 bytes: the first step of reading a string is one byte */
#define STRING_MOST 4096u

/* Registers are at (n + 1) << 44, words of memory at 1 << 56 plus their number << 32. */
#define REGISTER_SHIFT 44
#define WORD_BASE      (UINT64_C(1) << 56)
#define WORD_SHIFT     32

/* The registers of arguments, which are kept from the entry on; other entry values depend on the caller's
 * registers. */
#define ENTRY_REGISTERS (1u << 1 | 1u << 2 | 1u << 4 | 1u << 5 | 1u << 8 | 1u << 9)

struct read {
    enum layout_base base;
    unsigned reg; /* LAYOUT_REGISTER */
    size_t word;  /* LAYOUT_TEXT: index of the word that holds the pointer, or SIZE_MAX: register reg does */
    int64_t offset; /* from the register, absolute, or from the pointer */
    uint64_t size;
};

/* A word that memory answered. */
struct word {
    enum layout_base base;
    unsigned reg;
    int64_t offset;
};

struct needs {
    struct hit_context context;
    struct traced_process process; /* a copy, which writes nothing */
    struct traced_thread thread;
    struct frame_log log;
    uint8_t xstate[512];
    struct entry_registers entry;
    uint64_t salt;
    uint8_t filling; /* what is behind pointers */
    struct read reads[READS_MOST];
    size_t read_count;
    struct word words[READS_MOST];
    size_t word_count;
    bool is_stranger;          /* something was read that is none of these */
    bool has_result_in_memory; /* rax leads to where the caller has made room for it */
};

/* ---- memory that answers ---- */

static uint64_t register_value(const struct needs *needs, unsigned reg) {
    return ((uint64_t)(reg + 1) << REGISTER_SHIFT) + (UINT64_C(0x70000000) + needs->salt * 0x10000) + ODD;
}

static bool is_near(uint64_t address, uint64_t to, int64_t *ret) {
    *ret = (int64_t)(address - to);
    return *ret >= -(INT64_C(1) << 30) && *ret < INT64_C(1) << 30;
}

static struct read *add_read(struct needs *needs, const struct read *read) {
    if (needs->read_count == READS_MOST) {
        needs->is_stranger = true;
        return NULL;
    }
    needs->reads[needs->read_count] = *read;
    return &needs->reads[needs->read_count++];
}

/* Fill ret with words, each a pointer that is known again. */
static void answer(struct needs *needs, const struct read *read, uint8_t *ret, size_t size) {
    memset(ret, (int)(0x11 + needs->salt), size);
    for (size_t at = 0; at + 8 <= size && needs->word_count < READS_MOST; at += 8) {
        uint64_t word =
            WORD_BASE + ((uint64_t)needs->word_count << WORD_SHIFT) + 0x1000000 + needs->salt * 0x10000 + ODD;
        needs->words[needs->word_count++] =
            (struct word){.base = read->base, .reg = read->reg, .offset = read->offset + (int64_t)at};
        memcpy(ret + at, &word, sizeof(word));
    }
}

static size_t read_behind(struct needs *needs, struct read *read, uint64_t size, uint8_t *ret) {
    read->base = LAYOUT_TEXT;
    read->size = size;
    if (!add_read(needs, read))
        return 0;
    memset(ret, needs->filling, size);
    return size;
}

static bool is_in_module(const struct needs *needs, uint64_t address, size_t size) {
    uint8_t *bytes = size <= LAYOUT_MEMORY_MOST ? malloc(size) : NULL;
    bool found = bytes && process_modules_find(&needs->process.modules, address) &&
                 task_read(needs->thread.task, address, bytes, size) == size;
    free(bytes);
    return found;
}

/* Does rbp hold the frame there, or are its offsets from something else? */
static bool rbp_is_frame(const struct site *site) {
    struct cfi_row row;
    struct error *err = unwind_row(site->module->unwind, site->vaddr, &row);
    error_free(err);
    return !err && row.cfa.kind == CFI_VAL_OFFSET && row.cfa.reg == FRAME_RBP;
}

/* What the jump itself is about to read: where it leads. The program would fault there, too. */
static bool is_operand(const struct needs *needs, unsigned reg, int64_t offset, size_t size) {
    const struct displaced *displaced = needs->context.displaced;
    if (!(needs->context.kinds & SITE_JUMP) || !displaced || displaced->operation != DISPLACED_JUMP_INDIRECT)
        return false;
    const struct displaced_operand *operand = &displaced->operand;
    return operand->is_memory && operand->index < 0 && operand->base >= 0 && !operand->segment &&
           !operand->is_32_bit && trace_dwarf_number((unsigned)operand->base) == reg &&
           operand->base != R11 && offset == operand->displacement && size == sizeof(uint64_t);
}

static size_t read_answer(void *context, uint64_t address, void *ret, size_t size) {
    struct needs *needs = context;
    struct read read = {.size = size, .word = SIZE_MAX};
    for (unsigned reg = 0; reg < 16; reg++) {
        if (!is_near(address, register_value(needs, reg), &read.offset))
            continue;
        read.reg = reg;
        bool is_frame = reg == FRAME_RSP || (reg == FRAME_RBP && rbp_is_frame(needs->context.site));
        if (!is_frame && !(reg == RAX && needs->has_result_in_memory) &&
            !is_operand(needs, reg, read.offset, size)) {
            needs->log.asked |= UINT64_C(1) << reg;
            return read_behind(needs, &read, size, ret);
        }
        read.base = LAYOUT_REGISTER;
        if (add_read(needs, &read))
            answer(needs, &read, ret, size);
        return size;
    }
    size_t word = (size_t)((address - WORD_BASE) >> WORD_SHIFT);
    if (address >= WORD_BASE && word < needs->word_count) {
        read.word = word;
        read.offset = (int64_t)(address - (WORD_BASE + ((uint64_t)word << WORD_SHIFT) + 0x1000000 +
                                           needs->salt * 0x10000 + ODD));
        return read_behind(needs, &read, size, ret);
    }
    if (is_in_module(needs, address, size)) {
        read.base = LAYOUT_ABSOLUTE;
        read.offset = (int64_t)address;
        if (add_read(needs, &read))
            answer(needs, &read, ret, size);
        return size;
    }
    needs->is_stranger = true;
    return 0;
}

/* ---- looking ---- */

static void begin(struct needs *needs, uint64_t salt, uint8_t filling) {
    needs->salt = salt;
    needs->filling = filling;
    needs->read_count = needs->word_count = 0;
    needs->is_stranger = false;
    needs->log = (struct frame_log){0};
    needs->context.registers = (struct frame_registers){
        .xstate = needs->xstate, .xstate_size = sizeof(needs->xstate), .log = &needs->log};
    memset(needs->xstate, (int)(0x21 + salt), sizeof(needs->xstate));
    for (unsigned reg = 0; reg < 16; reg++)
        frame_set_register(&needs->context.registers, reg, register_value(needs, reg));
    frame_set_register(&needs->context.registers, FRAME_RIP,
                       needs->context.site->vaddr + needs->context.bias);
    needs->context.rsp = register_value(needs, FRAME_RSP);
    needs->entry = (struct entry_registers){.known = ENTRY_REGISTERS};
    for (unsigned reg = 0; reg < 16; reg++) /* what is behind these pointers is nothing that is known */
        needs->entry.value[reg] = (UINT64_C(1) << 53) + ((uint64_t)reg << 32) + salt * 0x10000;
    needs->context.fs_base = UINT64_C(1) << 52; /* what is read there is nothing that is known */
}

/* Entry values other than those. (A false alarm does no harm.) */
bool trace_wants_caller(const struct variable *variable, uint64_t vaddr) {
    enum { OP_REG0 = 0x50, OP_ENTRY_VALUE = 0xa3, OP_GNU_ENTRY_VALUE = 0xf3 };
    const struct variable_location *location = variable_location_at(variable, vaddr);
    for (size_t i = 0; location && i < location->size; i++) {
        const uint8_t *op = location->expression + i;
        if (*op != OP_ENTRY_VALUE && *op != OP_GNU_ENTRY_VALUE)
            continue;
        bool is_kept = location->size - i >= 3 && op[1] == 1 && op[2] >= OP_REG0 && op[2] < OP_REG0 + 16 &&
                       ENTRY_REGISTERS >> (op[2] - OP_REG0) & 1;
        if (!is_kept)
            return true;
    }
    return false;
}

static const char *look_at_arguments(struct hit_context *context) {
    const struct traced_function *function = context->site->function;
    for (unsigned reg = 0; function->asks_for_entry && reg < 16; reg++) {
        uint64_t value;
        if (ENTRY_REGISTERS >> reg & 1)
            frame_register(&context->registers, reg, &value);
    }
    for (size_t k = 0; k < function->argument_count; k++) {
        size_t i = function->arguments[k];
        uint32_t size = traced_look_size(function, i);
        enum plan_state state;
        if (!function->variable_types[i])
            continue;
        if (!trace_argument_is_plain(function, i))
            return "an argument that only a stopped program shows";
        uint8_t *bytes = malloc(size + 16u);
        struct buffer text = {0};
        if (bytes && trace_argument_bytes(context, function, i, bytes, size, &state))
            trace_render(context, function, i, bytes, size, &text);
        buffer_deinit(&text);
        free(bytes);
    }
    return NULL;
}

static bool asks_too_much(const struct site *site) {
    const struct traced_function *function = site->function;
    for (size_t i = 0; i < site->plan.count; i++) {
        const struct plan_step *step = &site->plan.steps[i];
        if (step->operation == PLAN_ASK &&
            (traced_variable_is_counted(function, step->item) ||
             trace_wants_caller(&function->variables.variables[step->item], site->vaddr)))
            return true;
    }
    return false;
}

static enum plan_state ask(void *context, uint32_t item, void *ret, size_t size) {
    struct hit_context *hit = context;
    return trace_variable_bytes(hit, hit->site->function, item, hit->site->vaddr, ret, size);
}

static const char *look_at_variables(struct hit_context *context) {
    const struct traced_function *function = context->site->function;
    struct plan_notes *notes = &context->calltrace->notes;
    const struct plan_target target = {.registers = &context->registers,
                                       .memory = &context->memory,
                                       .bias = context->bias,
                                       .ask = ask,
                                       .context = context};
    if (asks_too_much(context->site))
        return "a variable that only a stopped program shows";
    for (size_t i = 0; i < context->site->plan.count; i++)
        if (context->site->plan.steps[i].operation != PLAN_END &&
            !value_is_plain(function->variable_types[context->site->plan.steps[i].item]))
            return "a variable whose value leads further";
    struct error *err = plan_run(&context->site->plan, &target, notes);
    for (size_t i = 0; !err && i < notes->count; i++) {
        struct buffer text = {0};
        if (notes->notes[i].state == NOTE_OK)
            trace_render(context, function, notes->notes[i].item, notes->bytes + notes->notes[i].offset,
                         notes->notes[i].size, &text);
        buffer_deinit(&text);
    }
    error_free(err);
    return err ? "out of memory" : NULL;
}

static const char *look_at_result(struct hit_context *context) {
    const struct traced_function *function = context->site->function;
    const struct abi_place *place = &function->abi.result;
    const struct type *type = function->return_type;
    if (!type || type_strip(type)->kind == TYPE_VOID || function->is_private || !function->has_abi ||
        !place->known)
        return NULL;
    if (!value_is_plain(type))
        return "a return value that leads further";
    uint8_t *bytes = malloc(place->size + 16);
    struct buffer text = {0};
    if (bytes && abi_fetch(place, &context->registers, &context->memory, bytes, place->size))
        value_render(type, bytes, place->size, &context->memory, &context->calltrace->values, &text);
    buffer_deinit(&text);
    free(bytes);
    return NULL;
}

static const char *look(struct needs *needs) {
    struct hit_context *context = &needs->context;
    const struct trace_options *options = context->calltrace->options;
    const char *obstacle = NULL;
    uint64_t destination, rsp;
    frame_register(&context->registers, FRAME_RSP, &rsp);
    if (context->kinds & SITE_ENTRY &&
        (options->trace_functions || options->trace_variables || context->site->function->condition_count))
        obstacle = look_at_arguments(context);
    if (!obstacle && context->kinds & (SITE_STATEMENT | SITE_EXIT | SITE_JUMP) && context->site->plan.count)
        obstacle = look_at_variables(context);
    if (!obstacle && context->kinds & SITE_EXIT && options->trace_functions)
        obstacle = look_at_result(context);
    if (!obstacle && context->kinds & (SITE_JUMP | SITE_BRANCH))
        trace_destination(context, &destination);
    return obstacle;
}

/* ---- from what was asked to a layout ---- */

static bool same_reads(const struct read *a, const struct read *b, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (a[i].base != b[i].base || a[i].reg != b[i].reg || a[i].word != b[i].word ||
            a[i].offset != b[i].offset || a[i].size != b[i].size)
            return false;
    return true;
}

static const char *check_place(const struct read *read) {
    if (read->size > LAYOUT_MEMORY_MOST)
        return "its values are too large";
    if (read->base == LAYOUT_REGISTER && (read->offset < -NEAR_MOST || read->offset > NEAR_MOST))
        return "a value that is far from the stack pointer";
    return NULL;
}

/* All reads behind one pointer, from the front: how many bytes; 0 when they are not in a row. */
static uint64_t extent_of(const struct needs *needs, size_t first, bool *done) {
    const struct read *read = &needs->reads[first];
    uint64_t end = 0;
    for (size_t i = first; i < needs->read_count; i++) {
        const struct read *other = &needs->reads[i];
        if (other->base != LAYOUT_TEXT || other->word != read->word || other->reg != read->reg)
            continue;
        done[i] = true;
        if (other->offset == 0)
            end = 0; /* looked at once more */
        if ((uint64_t)other->offset != end)
            return 0;
        end += other->size;
    }
    return end;
}

static struct error *add_text(const struct needs *needs, size_t first, uint64_t size,
                              struct record_layout *ret) {
    const struct read *read = &needs->reads[first];
    if (read->word == SIZE_MAX)
        return record_layout_add_text(ret, SIZE_MAX, read->reg, 0, (uint32_t)size);
    const struct word *word = &needs->words[read->word];
    for (size_t i = 0; i < ret->memory_count; i++) {
        const struct layout_memory *piece = &ret->memory[i];
        if (piece->base == word->base && piece->reg == word->reg && word->offset >= piece->offset &&
            word->offset + 8 <= piece->offset + piece->size)
            return record_layout_add_text(ret, i, 0, (uint32_t)(word->offset - piece->offset),
                                          (uint32_t)size);
    }
    return error_new(ERROR_UNSUPPORTED, "a string whose address is not noted");
}

static struct error *make_layout(const struct needs *needs, struct record_layout *ret) {
    bool done[READS_MOST] = {false};
    uint64_t most = needs->context.calltrace->options->max_string_length + 1;
    ret->registers = needs->log.asked & ~(UINT64_C(1) << FRAME_RIP);
    if (needs->log.too_large || ret->registers >> LAYOUT_REGISTERS)
        return error_new(ERROR_UNSUPPORTED, "a value in registers of another kind");
    for (size_t i = 0; i < needs->read_count; i++) {
        const struct read *read = &needs->reads[i];
        const char *obstacle = read->base == LAYOUT_TEXT ? NULL : check_place(read);
        if (obstacle)
            return error_new(ERROR_UNSUPPORTED, "%s", obstacle);
        if (read->base == LAYOUT_TEXT)
            continue;
        if (read->base == LAYOUT_REGISTER)
            ret->registers |= UINT64_C(1) << read->reg;
        TRY(record_layout_add(ret, read->base, read->base == LAYOUT_REGISTER ? read->reg : 0, read->offset,
                              (uint32_t)read->size));
    }
    for (size_t i = 0; i < needs->read_count; i++) {
        if (needs->reads[i].base != LAYOUT_TEXT || done[i])
            continue;
        uint64_t size = extent_of(needs, i, done);
        if (size != most || size > STRING_MOST)
            return error_new(ERROR_UNSUPPORTED, "a value behind a pointer");
        TRY(add_text(needs, i, size, ret));
    }
    return NULL;
}

/* All but how strings go on behind their first byte. */
static size_t without_strings(const struct needs *needs, struct read *ret) {
    size_t count = 0;
    for (size_t i = 0; i < needs->read_count; i++)
        if (needs->reads[i].base != LAYOUT_TEXT || needs->reads[i].offset == 0)
            ret[count++] = needs->reads[i];
    return count;
}

static struct error *find_out(struct needs *needs, struct record_layout *ret) {
    struct read *first = calloc(2 * READS_MOST, sizeof(*first));
    if (!first)
        return &error_no_memory;
    struct read *second = first + READS_MOST;
    begin(needs, 1, 0); /* strings are empty */
    const char *obstacle = look(needs);
    bool is_stranger = needs->is_stranger;
    struct frame_log log = needs->log;
    size_t count = without_strings(needs, first);
    bool is_same = count == needs->read_count; /* what goes on behind a NUL is no string */
    begin(needs, 2, 'x');                      /* they never end */
    if (!obstacle)
        obstacle = look(needs);
    is_same = is_same && count == without_strings(needs, second) && same_reads(first, second, count) &&
              log.asked == needs->log.asked;
    free(first);
    if (obstacle)
        return error_new(ERROR_UNSUPPORTED, "%s", obstacle);
    if (is_stranger || needs->is_stranger)
        return error_new(ERROR_UNSUPPORTED, "a value that is not found by the stack");
    if (!is_same)
        return error_new(ERROR_UNSUPPORTED, "a value that is found in various ways");
    return make_layout(needs, ret);
}

struct error *trace_needs(struct traced_thread *thread, const struct emission *emission,
                          struct record_layout *ret) {
    struct needs *needs = calloc(1, sizeof(*needs));
    if (!needs)
        return &error_no_memory;
    needs->process = *thread->process;
    needs->process.writer = NULL;
    needs->thread =
        (struct traced_thread){.process = &needs->process, .task = thread->task, .tid = thread->tid};
    needs->context = (struct hit_context){.calltrace = thread->process->calltrace,
                                          .thread = &needs->thread,
                                          .site = emission->site,
                                          .kinds = emission->kinds,
                                          .memory = {.read = read_answer, .context = needs},
                                          .bias = emission->bias,
                                          .entry = &needs->entry,
                                          .displaced = emission->has_displaced ? &emission->displaced : NULL,
                                          .has_destination = emission->has_destination,
                                          .destination = emission->destination};
    const struct abi_place *result = &emission->site->function->abi.result;
    needs->has_result_in_memory = emission->kinds & SITE_EXIT && emission->site->function->has_abi &&
                                  !emission->site->function->is_private && result->piece_count &&
                                  result->pieces[0].kind == ABI_MEMORY;
    struct error *err = find_out(needs, ret);
    trace_counted_deinit(&needs->context);
    free(needs);
    return err;
}
