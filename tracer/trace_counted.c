/* trace_counted: variables whose size only the running program knows: arrays of variable length (C, Fortran)
 * and Fortran's character(len=*). Their bounds are expressions, or other variables.
 *
 * The bytes that are noted of one are a struct counted_note: the counts, and as many of its bytes as it has
 * room for. The rest is zeros, so that notes can be compared. */
#include "tracer/calltrace_state.h"

#include "tracer/locate.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct counted_note {
    uint64_t counts[TYPE_DIMENSIONS_MAX]; /* of a string: [0], its length */
    uint8_t bytes[4096];
};

/* What a note says, as a type. */
struct counted_types {
    struct counted_types *next;
    struct type_counted counted;
};

uint32_t traced_look_size(const struct traced_function *function, size_t index) {
    return traced_variable_is_counted(function, index) ? (uint32_t)sizeof(struct counted_note)
                                                       : traced_variable_size(function, index);
}

/* Notes lie at any address. */
static void counts_of(const uint8_t *note, uint64_t *ret) {
    memcpy(ret, note + offsetof(struct counted_note, counts), sizeof(((struct counted_note *)0)->counts));
}

static bool set_type(const struct type *type, const uint64_t *counts, struct type_counted *ret) {
    type = type_strip(type);
    if (type->kind == TYPE_ARRAY)
        return type_counted_init(ret, type, counts, type->dimension_count);
    ret->type = *type;
    ret->type.size = counts[0];
    ret->type.has_size = counts[0] <= TYPE_SIZE_MAX;
    return ret->type.has_size;
}

/* ---- bounds ---- */

/* Where bounds are worked out. */
struct bound_scope {
    struct hit_context *context;
    const struct traced_function *function;
    const struct variable *variable; /* whose bounds they are */
    uint64_t vaddr;
    bool at_entry; /* nothing but what the caller has passed is known */
};

static bool number_of(const struct bound_scope *scope, size_t index, int64_t *ret) {
    const struct traced_function *function = scope->function;
    uint32_t size = traced_variable_size(function, index);
    uint8_t bytes[8] = {0};
    enum plan_state state;
    if (!size || size > sizeof(bytes))
        return false;
    if (scope->at_entry
            ? !function->variables.variables[index].parameter ||
                  !trace_argument_bytes(scope->context, function, index, bytes, size, &state)
            : trace_variable_bytes(scope->context, function, index, scope->vaddr, bytes, size) != NOTE_OK)
        return false;
    bool negative = type_strip(function->variable_types[index])->is_signed && bytes[size - 1] & 0x80;
    memset(bytes + size, negative ? 0xff : 0, sizeof(bytes) - size);
    memcpy(ret, bytes, sizeof(bytes));
    return true;
}

/* The variable whose DIE a bound names. */
static bool number_of_die(const struct bound_scope *scope, uint64_t die, int64_t *ret) {
    const struct variables *variables = &scope->function->variables;
    const struct die_place place = {.file = scope->variable->type.file,
                                    .offset = die & ~TYPE_DIE_IN_TYPES,
                                    .in_types = (die & TYPE_DIE_IN_TYPES) != 0};
    for (size_t i = 0; i < variables->count; i++) {
        const struct die_place *other = &variables->variables[i].place;
        if (other->file == place.file && other->offset == place.offset && other->in_types == place.in_types)
            return number_of(scope, i, ret);
    }
    return false;
}

static bool bound_value(const struct bound_scope *scope, const struct type_bound *bound, int64_t *ret) {
    struct locate_request request;
    switch (bound->kind) {
    case BOUND_CONSTANT:
        *ret = bound->value;
        return true;
    case BOUND_VARIABLE:
        return number_of_die(scope, bound->die, ret);
    case BOUND_EXPRESSION:
        if (scope->at_entry)
            return false;
        request =
            trace_locate_request(scope->context, scope->function->module, scope->variable, scope->vaddr);
        request.function = scope->function->function;
        return locate_number(&request, bound->expression.bytes, bound->expression.size, ret) == NOTE_OK;
    default:
        return false;
    }
}

static bool dimension_count(const struct bound_scope *scope, const struct type_dimension *dimension,
                            uint64_t *ret) {
    int64_t lower = dimension->lower, upper, count;
    if (dimension->known) {
        *ret = dimension->count;
        return true;
    }
    if (!bound_value(scope, &dimension->upper, &upper) ||
        (!dimension->upper_is_count && dimension->lower_bound.kind != BOUND_NONE &&
         !bound_value(scope, &dimension->lower_bound, &lower)))
        return false;
    if (dimension->upper_is_count)
        count = upper;
    else if (__builtin_sub_overflow(upper, lower, &count) || __builtin_add_overflow(count, 1, &count))
        return false;
    *ret = count > 0 ? (uint64_t)count : 0;
    return true;
}

static bool find_counts(const struct bound_scope *scope, const struct type *type, uint64_t *ret) {
    int64_t length;
    if (type->kind == TYPE_STRING) {
        if (!bound_value(scope, &type->string_length, &length))
            return false;
        *ret = length > 0 ? (uint64_t)length : 0;
        return true;
    }
    for (size_t i = 0; i < type->dimension_count; i++)
        if (!dimension_count(scope, &type->dimensions[i], &ret[i]))
            return false;
    return true;
}

/* ---- notes ---- */

static size_t kept_bytes(const struct type_counted *counted) {
    enum { MOST = sizeof(((struct counted_note *)0)->bytes) };
    return counted->type.size < MOST ? (size_t)counted->type.size : MOST;
}

enum plan_state trace_counted_bytes(struct hit_context *context, const struct traced_function *function,
                                    size_t index, uint64_t vaddr, void *ret) {
    const struct bound_scope scope = {.context = context,
                                      .function = function,
                                      .variable = &function->variables.variables[index],
                                      .vaddr = vaddr};
    const struct type *type = type_strip(function->variable_types[index]);
    uint8_t *note = ret;
    uint64_t counts[TYPE_DIMENSIONS_MAX] = {0};
    struct type_counted counted;
    memset(note, 0, sizeof(struct counted_note));
    if (!find_counts(&scope, type, counts) || !set_type(type, counts, &counted))
        return NOTE_UNREADABLE;
    struct locate_request request = trace_locate_request(context, function->module, scope.variable, vaddr);
    request.function = function->function;
    memcpy(note, counts, sizeof(counts));
    return locate_bytes(&request, note + offsetof(struct counted_note, bytes), kept_bytes(&counted));
}

bool trace_counted_argument(struct hit_context *context, const struct traced_function *function, size_t index,
                            const struct abi_place *place, void *ret) {
    const struct bound_scope scope = {.context = context,
                                      .function = function,
                                      .variable = &function->variables.variables[index],
                                      .vaddr = function->function->entry,
                                      .at_entry = true};
    const struct type *type = type_strip(function->variable_types[index]);
    struct counted_note *note = ret;
    struct type_counted counted;
    memset(note, 0, sizeof(*note));
    if (place->piece_count != 1 || !find_counts(&scope, type, note->counts) ||
        !set_type(type, note->counts, &counted))
        return false;
    struct abi_place whole = *place;
    whole.known = true;
    whole.size = whole.pieces[0].size = kept_bytes(&counted);
    return abi_fetch(&whole, &context->registers, &context->memory, note->bytes, sizeof(note->bytes));
}

void trace_render(struct hit_context *context, const struct traced_function *function, size_t index,
                  const uint8_t *bytes, size_t size, struct buffer *ret) {
    const struct value_options *options = &context->calltrace->values;
    const struct type *type = function->variable_types[index];
    const uint8_t *value = bytes + offsetof(struct counted_note, bytes);
    uint64_t counts[TYPE_DIMENSIONS_MAX];
    struct type_counted counted;
    if (!traced_variable_is_counted(function, index))
        value_render(type, bytes, size, &context->memory, options, ret);
    else if (size == sizeof(struct counted_note) &&
             (counts_of(bytes, counts), set_type(type, counts, &counted)))
        value_render(&counted.type, value, kept_bytes(&counted), &context->memory, options, ret);
    else
        buffer_put(ret, VALUE_UNREADABLE, strlen(VALUE_UNREADABLE));
}

const struct type *trace_counted_type(struct hit_context *context, const struct traced_function *function,
                                      size_t index, const uint8_t *bytes, const uint8_t **ret_bytes,
                                      size_t *ret_size) {
    struct counted_types *types = malloc(sizeof(*types));
    uint64_t counts[TYPE_DIMENSIONS_MAX];
    counts_of(bytes, counts);
    if (!types || !set_type(function->variable_types[index], counts, &types->counted)) {
        free(types);
        return NULL;
    }
    types->next = context->counted;
    context->counted = types;
    *ret_bytes = bytes + offsetof(struct counted_note, bytes);
    *ret_size = kept_bytes(&types->counted);
    return &types->counted.type;
}

void trace_counted_deinit(struct hit_context *context) {
    for (struct counted_types *types = context->counted, *next; types; types = next) {
        next = types->next;
        free(types);
    }
}
