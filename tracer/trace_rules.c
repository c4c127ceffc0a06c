#include "tracer/trace_rules.h"

#include "dwarf/expression.h"
#include "tracer/agent/agent_mute.h"

#include <stdlib.h>
#include <string.h>

static bool has_depth(const struct trace_options *options) {
    return options->max_call_depth && options->max_call_depth < AGENT_FRAMES_MOST;
}

static bool are_wanted(const struct trace_options *options) {
    return options->conditions.count || options->sample > 1 || has_depth(options);
}

/* ---- comparisons ---- */

/* DWARF numbers of rdi, rsi, rdx, rcx, r8, r9. */
static const uint8_t argument_registers[] = {5, 4, 1, 2, 8, 9};

static bool set_register(unsigned reg, struct agent_comparison *ret) {
    for (size_t i = 0; i < sizeof(argument_registers); i++)
        if (argument_registers[i] == reg)
            ret->source = (uint8_t)(i + 1);
    return ret->source != 0;
}

/* As trace_argument_bytes() has it, when that is simple. */
static bool set_source(const struct traced_function *function, size_t position,
                       struct agent_comparison *ret) {
    enum { OP_REG0 = 0x50 };
    const struct variable *variable = &function->variables.variables[function->arguments[position]];
    const struct variable_location *location = variable_location_at(variable, function->function->entry);
    bool list = variable->location_count > 1 || (location && (location->low || location->high != UINT64_MAX));
    if (!location || (!list && function->is_private))
        return false;
    if (list)
        return location->size == 1 && location->expression[0] >= OP_REG0 &&
               location->expression[0] < OP_REG0 + 16 && set_register(location->expression[0] - OP_REG0, ret);
    const struct abi_place *place = function->has_abi && position < function->abi.argument_count
                                        ? &function->abi.arguments[position]
                                        : NULL;
    if (!place || !place->known || place->piece_count != 1 || place->pieces[0].value_offset)
        return false;
    const struct abi_piece *piece = &place->pieces[0];
    if (piece->kind == ABI_REGISTER)
        return set_register(piece->reg, ret);
    ret->offset = (int32_t)piece->offset;
    return piece->kind == ABI_STACK && piece->offset <= INT16_MAX;
}

static bool set_type(const struct type *type, const struct expression_comparison *from,
                     struct agent_comparison *ret) {
    if (!type)
        return false;
    type = type_strip(type);
    bool is_number = type->kind == TYPE_INTEGER || type->kind == TYPE_BOOL || type->kind == TYPE_CHARACTER ||
                     type->kind == TYPE_ENUM || type->kind == TYPE_POINTER;
    bool fits = type->has_size && (type->size == 1 || type->size == 2 || type->size == 4 || type->size == 8);
    if (!is_number || !fits || type->is_enum_class)
        return false;
    bool is_signed = type->is_signed && type->kind != TYPE_POINTER && type->kind != TYPE_BOOL;
    ret->size = (uint8_t)type->size;
    ret->is_signed = is_signed;
    /* what is smaller than an int is made one, and keeps its value */
    if (from->is_negative && !is_signed && type->size < 4)
        return false;
    return is_signed || !from->is_negative;
}

static bool set_comparison(const struct traced_function *function, const struct expression_comparison *from,
                           struct agent_comparison *ret) {
    *ret = (struct agent_comparison){.constant = from->constant,
                                     .relation = (uint8_t)((from->less ? AGENT_LESS : 0) |
                                                           (from->equal ? AGENT_EQUAL : 0) |
                                                           (from->greater ? AGENT_GREATER : 0))};
    for (size_t i = 0; i < function->argument_count; i++) {
        size_t index = function->arguments[i];
        if (strcmp(function->variables.variables[index].name, from->name) == 0)
            return set_type(function->variable_types[index], from, ret) && set_source(function, i, ret);
    }
    return false;
}

/* All of them, or none. */
static void set_conditions(const struct traced_function *function, struct agent_rule *rule) {
    struct expression_comparison comparisons[AGENT_COMPARES_MOST];
    uint32_t done = 0;
    for (size_t i = 0; i < function->condition_count; i++) {
        size_t count;
        if (!expression_comparisons(function->conditions[i], comparisons, AGENT_COMPARES_MOST - done, &count))
            return;
        for (size_t k = 0; k < count; k++)
            if (!set_comparison(function, &comparisons[k], &rule->comparisons[done++]))
                return;
    }
    rule->count = done;
}

/* ---- rules ---- */

/* A jump of which only the program knows where it leads: out of the function, perhaps. */
static bool jumps_anywhere(const struct traced_function *function, const struct patch_code *code) {
    for (size_t i = 0; i < function->site_count; i++) {
        const struct site *site = &function->sites[i];
        struct displaced displaced;
        size_t size;
        const uint8_t *bytes = site->kinds & SITE_JUMP ? patch_code_bytes(code, site->vaddr, &size) : NULL;
        if (!bytes)
            continue;
        struct error *err = displaced_decode(bytes, size, site->vaddr, &displaced);
        bool is_indirect = err || displaced.operation == DISPLACED_JUMP_INDIRECT;
        error_free(err);
        if (is_indirect)
            return true;
    }
    return false;
}

/* --sample: the place of the function's counter, from 1; 0: there are no more. */
static uint32_t counter_of(struct calltrace *calltrace, struct traced_function *function) {
    if (!function->counter && calltrace->counters < AGENT_COUNTERS_MOST)
        function->counter = ++calltrace->counters;
    return function->counter;
}

static struct error *make_rule(struct traced_process *process, struct emission *emission) {
    struct calltrace *calltrace = process->calltrace;
    const struct trace_options *options = calltrace->options;
    struct traced_function *function = emission->site->function;
    const struct module_sites *sites = function->module->user;
    struct agent_rule rule = {.depth = AGENT_NO_DEPTH};
    bool anywhere = jumps_anywhere(function, sites->code);
    if (has_depth(options)) {
        rule.depth = (uint32_t)options->max_call_depth;
        rule.is_open = anywhere;
    }
    if (options->sample > 1 && trace_is_sampled(function) && counter_of(calltrace, function)) {
        rule.sample = options->sample;
        rule.counter = function->counter - 1;
    }
    if (!anywhere)
        set_conditions(function, &rule);
    if (!rule.count && !rule.sample && rule.depth == AGENT_NO_DEPTH)
        return NULL;
    if (!(emission->rule = malloc(sizeof(rule))))
        return &error_no_memory;
    *emission->rule = rule;
    return NULL;
}

static bool leaves(const struct traced_process *process, const struct emission *emission) {
    if (emission->kinds & SITE_EXIT)
        return true;
    if (!(emission->kinds & SITE_JUMP))
        return false;
    return !emission->has_destination ||
           trace_destination_leaves(process, emission->site, emission->bias, emission->destination);
}

struct error *trace_rules_set(struct traced_process *process, struct emission *emission) {
    emission->filter = EMIT_ALL;
    if (!are_wanted(process->calltrace->options) || process->jumps->agent->block)
        return NULL;
    if (!(emission->kinds & SITE_ENTRY)) {
        emission->filter = leaves(process, emission) ? EMIT_LEAVE : EMIT_PASS;
        return NULL;
    }
    emission->filter = EMIT_JUDGE;
    /* one that is left at once has nothing to mute */
    return emission->kinds & (SITE_EXIT | SITE_JUMP) ? NULL : make_rule(process, emission);
}

/* ---- beside traps ---- */

static struct agent_block *block_of(const struct hit_context *context) {
    const struct traced_thread *thread = context->thread;
    struct agent_block *block = thread->ring.block;
    bool is_asked = block && thread->process->jumps && !thread->process->jumps->agent->block &&
                    are_wanted(context->calltrace->options) && block->depth <= AGENT_FRAMES_MOST;
    return is_asked && agent_mute_in_stack(block, context->rsp) ? block : NULL;
}

static uint64_t *frames_of(const struct hit_context *context) {
    return ring_frames(context->thread->ring.pool, context->thread->ring.slot);
}

bool trace_rules_trapped(struct hit_context *context) {
    struct agent_block *block = block_of(context);
    uint64_t destination;
    if (!block)
        return true;
    if (context->kinds & (SITE_ENTRY | SITE_SPECIAL))
        return agent_mute_enter(block, frames_of(context), context->rsp);
    bool left =
        context->kinds & SITE_EXIT ||
        (context->kinds & SITE_JUMP && trace_destination(context, &destination) &&
         trace_destination_leaves(context->thread->process, context->site, context->bias, destination));
    return agent_mute_pass(block, frames_of(context), context->rsp, left);
}

void trace_rules_tell(const struct hit_context *context, const struct frame *frame) {
    struct agent_block *block = context->regs ? block_of(context) : NULL;
    if (!block || context->kinds & (SITE_EXIT | SITE_JUMP))
        return;
    if (frame->sampled)
        block->sampled = context->rsp;
    if (frame->silent)
        block->muted = context->rsp;
    else if (has_depth(context->calltrace->options) && block->depth < AGENT_FRAMES_MOST)
        frames_of(context)[block->depth++] = context->rsp;
}

bool trace_rules_is_nth(const struct hit_context *context, struct traced_function *function) {
    const struct jump_probes *jumps = context->thread->process->jumps;
    uint64_t sample = context->calltrace->options->sample;
    if (context->is_judged)
        return true;
    if (!function->counter || !jumps || jumps->agent->block)
        return function->calls++ % sample == 0;
    uint64_t *counter = &ring_counters(jumps->agent->pool)[function->counter - 1];
    return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED) % sample == 0;
}
