/* crash_locals: arguments and locals of the frames of a stack. */
#include "tracer/crash_state.h"

#include "dwarf/line.h"
#include "dwarf/value.h"
#include "dwarf/variable.h"
#include "tracer/locate.h"

#include <stdlib.h>
#include <string.h>

enum { VALUE_BYTES = 1 << 16 };

static const struct value_options options = {
    .max_string = 256, .max_depth = 6, .max_elements = 32, .max_size = 1 << 14};

/* What is asked about one frame. */
struct scope {
    struct crash *crash;
    const struct crash_thread *thread;
    struct crash_frame *frame;
    struct variables variables;
    uint64_t vaddr;
};

static struct locate_request request_of(const struct scope *scope, const struct variable *variable) {
    return (struct locate_request){
        .module = scope->frame->module->module,
        .function = scope->frame->function,
        .variable = variable,
        .vaddr = scope->vaddr,
        .bias = scope->frame->module->bias,
        .registers = &scope->frame->registers,
        .memory = &scope->crash->reader,
        .modules = &scope->crash->modules,
        .program_entry = scope->crash->entry,
        .thread_pointer = scope->thread->regs.fs_base,
    };
}

static const struct type *type_of(const struct scope *scope, const struct variable *variable) {
    const struct type *type = NULL;
    if (!variable->type.file)
        return NULL;
    struct error *err = traced_module_type(scope->frame->module->module, &variable->type, &type);
    if (!err)
        return type;
    error_free(err);
    return NULL;
}

/* ---- arrays whose size is known now only ---- */

static bool number_of(const struct scope *scope, const struct variable *variable, int64_t *ret) {
    const struct type *type = type_of(scope, variable);
    uint8_t bytes[8] = {0};
    type = type ? type_strip(type) : NULL;
    if (!type || !type->has_size || !type->size || type->size > sizeof(bytes))
        return false;
    struct locate_request request = request_of(scope, variable);
    if (locate_bytes(&request, bytes, type->size) != NOTE_OK)
        return false;
    bool negative = type->is_signed && bytes[type->size - 1] & 0x80;
    memset(bytes + type->size, negative ? 0xff : 0, sizeof(bytes) - type->size);
    memcpy(ret, bytes, sizeof(bytes));
    return true;
}

static bool bound_value(const struct scope *scope, const struct variable *variable,
                        const struct type_bound *bound, int64_t *ret) {
    struct locate_request request = request_of(scope, variable);
    switch (bound->kind) {
    case BOUND_CONSTANT:
        *ret = bound->value;
        return true;
    case BOUND_EXPRESSION:
        return locate_number(&request, bound->expression.bytes, bound->expression.size, ret) == NOTE_OK;
    case BOUND_VARIABLE:
        for (size_t i = 0; i < scope->variables.count; i++) {
            const struct variable *other = &scope->variables.variables[i];
            if (other->place.file == variable->type.file &&
                other->place.offset == (bound->die & ~TYPE_DIE_IN_TYPES))
                return number_of(scope, other, ret);
        }
        return false;
    default:
        return false;
    }
}

/* The array with the sizes that it has at this moment; false when they cannot be told. */
static bool count_array(const struct scope *scope, const struct variable *variable, const struct type *type,
                        struct type_counted *ret) {
    uint64_t counts[TYPE_DIMENSIONS_MAX] = {0};
    if (type->kind != TYPE_ARRAY || !type->dimension_count || type->dimension_count > TYPE_DIMENSIONS_MAX ||
        type->data_location.size)
        return false;
    for (size_t i = 0; i < type->dimension_count; i++) {
        const struct type_dimension *dimension = &type->dimensions[i];
        int64_t lower = dimension->lower, upper, count;
        counts[i] = dimension->count;
        if (dimension->known)
            continue;
        if (!bound_value(scope, variable, &dimension->upper, &upper) ||
            (!dimension->upper_is_count && dimension->lower_bound.kind != BOUND_NONE &&
             !bound_value(scope, variable, &dimension->lower_bound, &lower)))
            return false;
        if (dimension->upper_is_count)
            count = upper;
        else if (__builtin_sub_overflow(upper, lower, &count) || __builtin_add_overflow(count, 1, &count))
            return false;
        counts[i] = count > 0 ? (uint64_t)count : 0;
    }
    return type_counted_init(ret, type, counts, type->dimension_count);
}

/* ---- values ---- */

static void put_text(struct buffer *ret, const char *text) {
    buffer_put(ret, text, strlen(text));
}

static void put_value(const struct scope *scope, const struct variable *variable, const struct type *type,
                      struct buffer *ret) {
    const struct type *stripped = type ? type_strip(type) : NULL;
    struct type_counted counted;
    uint8_t *bytes = NULL;
    if (stripped && !stripped->has_size && count_array(scope, variable, stripped, &counted))
        type = stripped = &counted.type;
    if (!stripped || !stripped->has_size) {
        put_text(ret, variable->location_count || variable->has_constant ? "\"<unknown size>\""
                                                                         : VALUE_OPTIMIZED_OUT);
        return;
    }
    size_t size = stripped->size < VALUE_BYTES ? (size_t)stripped->size : VALUE_BYTES;
    struct locate_request request = request_of(scope, variable);
    bytes = calloc(1, size + 16);
    enum plan_state state = bytes ? locate_bytes(&request, bytes, size) : NOTE_UNREADABLE;
    if (state == NOTE_OK || state == NOTE_NOT_ALLOCATED)
        value_render(type, bytes, size, &scope->crash->reader, &options, ret);
    else
        put_text(ret, state == NOTE_OPTIMIZED_OUT ? VALUE_OPTIMIZED_OUT : VALUE_UNREADABLE);
    free(bytes);
}

/* A variable of an inner block hides those of its name. */
static bool is_hidden(const struct scope *scope, size_t index) {
    const struct variable *variable = &scope->variables.variables[index];
    for (size_t i = 0; i < scope->variables.count; i++) {
        const struct variable *other = &scope->variables.variables[i];
        if (i != index && other->inlined == variable->inlined && other->depth > variable->depth &&
            strcmp(other->name, variable->name) == 0 && variable_in_scope(other, scope->vaddr))
            return true;
    }
    return false;
}

static struct error *add_variable(struct scope *scope, const struct variable *variable) {
    struct crash_frame *frame = scope->frame;
    struct buffer text = {0};
    const struct type *type = type_of(scope, variable);
    put_value(scope, variable, type, &text);
    buffer_put_u8(&text, 0);
    struct error *err = buffer_check(&text);
    struct crash_variable *grown =
        err ? NULL : realloc(frame->variables, (frame->variable_count + 1) * sizeof(*grown));
    if (!grown) {
        buffer_deinit(&text);
        return &error_no_memory;
    }
    scope->crash->text_left -= text.size < scope->crash->text_left ? text.size : scope->crash->text_left;
    frame->variables = grown;
    grown[frame->variable_count++] = (struct crash_variable){.name = variable->name,
                                                             .type = type ? type->name : NULL,
                                                             .parameter = variable->parameter,
                                                             .value = (char *)text.data};
    return NULL;
}

/* A function that has not come behind its prologue has no variables yet: what debug information says of their
 * places without optimisation holds behind it only. */
static bool is_in_prologue(const struct crash_frame *frame, uint64_t vaddr) {
    return !frame->registers.is_return_address && !frame->function->optimized && frame->inlined < 0 &&
           vaddr >= frame->function->entry &&
           vaddr < function_body(frame->module->module->module, frame->function);
}

static bool has_list(const struct variable *variable) {
    const struct variable_location *first = variable->locations;
    return variable->location_count > 1 || (first && (first->low || first->high != UINT64_MAX));
}

static struct error *add_variables(struct crash *crash, const struct crash_thread *thread,
                                   struct crash_frame *frame) {
    struct scope scope = {.crash = crash, .thread = thread, .frame = frame};
    if (!frame->module || !frame->function || frame->signal_frame)
        return NULL;
    scope.vaddr = frame->pc - frame->module->bias;
    struct error *err = function_variables(frame->module->module->module, frame->function, &scope.variables);
    if (err && !error_is(err, ERROR_NO_MEMORY)) {
        error_free(err); /* damaged: the frame has none */
        return NULL;
    }
    TRY(err);
    bool early = is_in_prologue(frame, scope.vaddr);
    for (size_t i = 0; i < scope.variables.count && frame->variable_count < CRASH_VARIABLES; i++) {
        const struct variable *variable = &scope.variables.variables[i];
        if (variable->inlined != frame->inlined || !*variable->name ||
            !variable_in_scope(variable, scope.vaddr) || is_hidden(&scope, i) ||
            (early && !variable->is_static && !has_list(variable)))
            continue;
        if (!crash_has_time(crash))
            return NULL;
        TRY(add_variable(&scope, variable));
    }
    return NULL;
}

struct error *crash_locals(struct crash *crash, struct crash_thread *thread, size_t most) {
    for (size_t i = 0; i < thread->frame_count && i < most; i++)
        TRY(add_variables(crash, thread, &thread->frames[i]));
    return NULL;
}
