/* trace_calls: entries and exits. frames.h says how they are paired. */
#include "tracer/calltrace_state.h"

#include "base/registers.h"
#include "tracer/trace_rules.h"

#include <stdlib.h>
#include <string.h>

/* ---- events ---- */

static void put_function(struct buffer *data, const struct function *function) {
    trace_data_string(data, "function",
                      function->source == FUNCTION_DWARF ? function->name : function->display);
}

static void put_place(struct buffer *data, const struct function *function) {
    const char *slash = function->file ? strrchr(function->file, '/') : NULL;
    if (function->file)
        trace_data_string(data, "file", slash ? slash + 1 : function->file);
    if (function->line)
        trace_data_unsigned(data, "line", function->line);
}

static void put_duration(struct buffer *data, const struct frame *frame, uint64_t now) {
    if (frame->entered_ns)
        trace_data_unsigned(data, "duration_ns", now > frame->entered_ns ? now - frame->entered_ns : 0);
}

static struct error *exit_event(struct calltrace *calltrace, struct traced_thread *thread,
                                const struct frame *frame, uint64_t now, const char *how) {
    struct trace_event *event = calltrace_event(calltrace, thread, TRACE_FUNCTION_EXIT, now, frame->depth);
    put_function(&event->data, frame->function->function);
    put_duration(&event->data, frame, now);
    trace_data_bool(&event->data, how, true);
    return calltrace_write(calltrace, thread->process);
}

struct error *trace_unwound(struct calltrace *calltrace, struct traced_thread *thread,
                            struct frame_stack *stack, uint64_t rsp, bool keep_equal, uint64_t now) {
    for (struct frame *top; (top = frame_stack_top(stack));) {
        if (top->address > rsp || (keep_equal && top->address == rsp))
            break;
        if (!top->silent)
            TRY(exit_event(calltrace, thread, top, now, thread->has_gap ? "lost" : "unwound"));
        frame_stack_pop(stack);
    }
    return NULL;
}

struct frame *trace_current_frame(struct hit_context *context) {
    struct frame *top = frame_stack_top(context->stack);
    return top && top->function == context->site->function ? top : NULL;
}

/* ---- arguments ---- */

static void put_arguments(struct hit_context *context) {
    const struct traced_function *function = context->site->function;
    struct buffer *data = &context->calltrace->event.data;
    trace_data_open_object(data, "arguments");
    for (size_t k = 0; k < function->argument_count; k++) {
        size_t i = function->arguments[k];
        const struct variable *variable = &function->variables.variables[i];
        if (!*variable->name)
            continue;
        trace_data_key(data, variable->name);
        const struct type *type = function->variable_types[i];
        uint32_t size = traced_look_size(function, i);
        uint8_t few[64], *bytes = size + 16u <= sizeof(few) ? few : malloc(size + 16u);
        enum plan_state state = NOTE_UNREADABLE;
        if (bytes && type && trace_argument_bytes(context, function, i, bytes, size, &state))
            trace_render(context, function, i, bytes, size, data);
        else
            buffer_put(data, state == NOTE_OPTIMIZED_OUT ? VALUE_OPTIMIZED_OUT : VALUE_UNREADABLE,
                       strlen(state == NOTE_OPTIMIZED_OUT ? VALUE_OPTIMIZED_OUT : VALUE_UNREADABLE));
        if (bytes != few)
            free(bytes);
    }
    trace_data_close_object(data);
}

/* ---- which calls are recorded ---- */

/* The innermost frame below which nothing is recorded, or that decides otherwise for what it calls. */
static bool is_muted(const struct frame_stack *stack) {
    return stack->count && stack->frames[stack->count - 1].subtree_silent;
}

static bool in_sample(const struct frame_stack *stack) {
    for (size_t i = 0; i < stack->count; i++)
        if (stack->frames[i].sampled)
            return true;
    return false;
}

/* main() is called once: as the Nth call of itself it would bring everything along. */
bool trace_is_sampled(const struct traced_function *function) {
    return strcmp(function->function->name, "main") != 0;
}

static bool conditions_hold(struct hit_context *context) {
    const struct traced_function *function = context->site->function;
    struct name_scope scope;
    if (!function->condition_count)
        return true;
    name_scope_init(&scope, context, function, context->site->vaddr, true);
    for (size_t i = 0; i < function->condition_count; i++)
        if (expression_test(function->conditions[i], &scope.scope, NULL) != EXPRESSION_TRUE)
            return false;
    return true;
}

static void decide(struct hit_context *context, struct frame *frame, bool muted, bool sampled_before) {
    const struct trace_options *options = context->calltrace->options;
    struct traced_function *function = context->site->function;
    if (muted) {
        frame->silent = frame->subtree_silent = true;
        return;
    }
    if (options->sample > 1 && !sampled_before && trace_is_sampled(function)) {
        frame->sampled = trace_rules_is_nth(context, function);
        frame->silent = frame->subtree_silent = !frame->sampled;
    }
    if (!frame->silent && !conditions_hold(context))
        frame->silent = frame->subtree_silent = true;
    if (options->max_call_depth && frame->depth > options->max_call_depth)
        frame->silent = frame->subtree_silent = true;
}

/* What the debug information of some variables asks for later. Only what a record holds is there. */
static struct error *keep_entry(const struct hit_context *context, struct frame *frame) {
    if (!frame->function->asks_for_entry || !context->registers.known)
        return NULL;
    frame->entry = malloc(sizeof(*frame->entry));
    if (!frame->entry)
        return &error_no_memory;
    frame->entry->known = context->registers.known & 0xffff;
    memcpy(frame->entry->value, context->registers.value, sizeof(frame->entry->value));
    return NULL;
}

struct error *trace_entry(struct hit_context *context) {
    struct calltrace *calltrace = context->calltrace;
    struct traced_function *function = context->site->function;
    uint64_t rsp = context->rsp;
    struct frame *frame;
    TRY(trace_unwound(calltrace, context->thread, context->stack, rsp, false, context->now));
    uint32_t depth = thread_depth(context->thread);
    bool muted = is_muted(context->stack), sampled = in_sample(context->stack);
    TRY(frame_stack_push(context->stack, rsp, &frame));
    frame->function = function;
    frame->entered_ns = context->now;
    frame->depth = depth;
    TRY(keep_entry(context, frame));
    decide(context, frame, muted, sampled);
    trace_rules_tell(context, frame);
    if (frame->silent)
        return NULL;
    if (calltrace->options->trace_functions) {
        struct trace_event *event =
            calltrace_event(calltrace, context->thread, TRACE_FUNCTION_ENTRY, context->now, depth);
        put_function(&event->data, function->function);
        put_arguments(context);
        put_place(&event->data, function->function);
        TRY(calltrace_write(calltrace, context->thread->process));
    }
    return trace_variables_begin(context, frame);
}

/* ---- exits ---- */

static void put_return_value(struct hit_context *context) {
    const struct traced_function *function = context->site->function;
    struct buffer *data = &context->calltrace->event.data;
    const struct type *type = function->return_type;
    if (!type || type_strip(type)->kind == TYPE_VOID)
        return;
    const struct abi_place *place = &function->abi.result;
    if (function->is_private) { /* a result that no caller uses is not made, and nothing says so */
        trace_data_key(data, "return_value");
        buffer_put(data, VALUE_OPTIMIZED_OUT, strlen(VALUE_OPTIMIZED_OUT));
        return;
    }
    uint8_t *bytes = function->has_abi && place->known ? malloc(place->size + 16) : NULL;
    trace_data_key(data, "return_value");
    if (bytes && abi_fetch(place, &context->registers, &context->memory, bytes, place->size))
        value_render(type, bytes, place->size, &context->memory, &context->calltrace->values, data);
    else
        buffer_put(data, VALUE_UNREADABLE, strlen(VALUE_UNREADABLE));
    free(bytes);
}

struct error *trace_exit(struct hit_context *context) {
    struct calltrace *calltrace = context->calltrace;
    struct frame *frame = trace_current_frame(context);
    if (!frame || frame->address != context->rsp)
        return NULL; /* entered before the tracer came, or by another way */
    if (!frame->silent) {
        TRY(trace_variables(context, frame));
        if (calltrace->options->trace_functions) {
            struct trace_event *event =
                calltrace_event(calltrace, context->thread, TRACE_FUNCTION_EXIT, context->now, frame->depth);
            put_function(&event->data, frame->function->function);
            put_return_value(context);
            put_duration(&event->data, frame, context->now);
            TRY(calltrace_write(calltrace, context->thread->process));
        }
    }
    frame_stack_pop(context->stack);
    return NULL;
}

/* ---- jumps ---- */

static bool read_memory(void *context, uint64_t address, void *ret, size_t size) {
    return memory_read_exact(context, address, ret, size);
}

/* Emulation is only asked where it leads. */
static bool write_nothing(void *context, uint64_t address, const void *bytes, size_t size) {
    (void)context;
    (void)address;
    (void)bytes;
    (void)size;
    return true;
}

unsigned trace_dwarf_number(unsigned encoding) {
    static const uint8_t numbers[16] = {0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15};
    return numbers[encoding & 15];
}

/* What an indirect jump takes its target from, and no more. */
static bool registers_of_operand(struct hit_context *context, const struct displaced_operand *operand,
                                 struct user_regs_struct *ret) {
    const int numbers[] = {operand->is_memory ? operand->base : operand->reg,
                           operand->is_memory ? operand->index : -1};
    if (operand->is_memory && operand->segment)
        return false;
    for (size_t i = 0; i < 2; i++) {
        uint64_t value;
        if (numbers[i] < 0)
            continue;
        int dwarf = (int)trace_dwarf_number((unsigned)numbers[i]);
        if (!frame_register(&context->registers, (unsigned)dwarf, &value))
            return false;
        for (size_t row = 0; row < REGISTER_COUNT; row++)
            if (registers[row].dwarf == dwarf)
                register_set(ret, row, value);
    }
    return true;
}

bool trace_destination(struct hit_context *context, uint64_t *ret) {
    struct user_regs_struct regs = {0};
    const struct displaced_memory memory = {
        .read = read_memory, .write = write_nothing, .context = &context->memory};
    if (context->has_destination) {
        *ret = context->destination;
        return true;
    }
    if (!context->displaced)
        return false;
    if (context->regs)
        regs = *context->regs;
    else if (!registers_of_operand(context, &context->displaced->operand, &regs))
        return false;
    if (!displaced_emulate(context->displaced, &regs, &memory))
        return false;
    *ret = regs.rip;
    return true;
}

/* A jump into the middle of another traced function: they share a tail, whose `ret` is the exit. */
static bool is_shared_tail(const struct traced_process *process, uint64_t destination) {
    const struct loaded_module *loaded = process_modules_find(&process->modules, destination);
    const struct function *function;
    if (!loaded)
        return false;
    struct error *err = module_function_at(loaded->module->module, destination - loaded->bias, &function);
    error_free(err);
    const struct module_sites *sites = loaded->module->user;
    if (err || destination - loaded->bias == function->entry || !sites)
        return false;
    for (size_t i = 0; i < sites->function_count; i++)
        if (sites->functions[i]->function == function)
            return true;
    return false;
}

bool trace_destination_leaves(const struct traced_process *process, const struct site *site, uint64_t bias,
                              uint64_t destination) {
    const struct function *function = site->function->function;
    uint64_t vaddr = destination - bias;
    bool stays = vaddr != function->entry && ranges_contain(function->ranges, function->range_count, vaddr);
    return !stays && !is_shared_tail(process, destination);
}

struct error *trace_jump(struct hit_context *context) {
    struct frame *frame = trace_current_frame(context);
    uint64_t destination;
    if (!frame || frame->address != context->rsp || !trace_destination(context, &destination))
        return NULL;
    if (!trace_destination_leaves(context->thread->process, context->site, context->bias, destination))
        return NULL;
    if (!frame->silent) {
        TRY(trace_variables(context, frame));
        if (context->calltrace->options->trace_functions)
            TRY(exit_event(context->calltrace, context->thread, frame, context->now, "tail_call"));
    }
    frame_stack_pop(context->stack);
    return NULL;
}
