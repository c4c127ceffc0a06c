#include "dwarf/value.h"

#include "dwarf/value_private.h"

#include <stdlib.h>
#include <string.h>

const struct value_options value_default_options = {.max_string = 200, .max_depth = 8, .max_elements = 32};

bool value_is_full(const struct value_context *context) {
    return context->ret->size >= context->limit || context->ret->failed;
}

/* ---- memory ---- */

bool value_read(struct value_context *context, uint64_t address, void *ret, size_t size) {
    if (size > context->read_left || !context->memory)
        return false;
    context->read_left -= size;
    return memory_read_exact(context->memory, address, ret, size);
}

bool value_fetch(struct value_context *context, uint64_t address, const struct type *type,
                 struct value_object *ret) {
    const struct type *whole;
    struct error *err = type_resolve(type, &whole);
    if (err) {
        error_free(err);
        whole = type_strip(type);
    }
    size_t size = whole->size < VALUE_READ_MAX ? (size_t)whole->size : VALUE_READ_MAX;
    uint8_t *bytes = malloc(size ? size : 1);
    size_t count = 0;
    if (bytes && size <= context->read_left && context->memory) {
        context->read_left -= size;
        count = size ? memory_read(context->memory, address, bytes, size) : 0;
    }
    if (!bytes || (size && !count)) {
        free(bytes);
        return false;
    }
    *ret = (struct value_object){type, bytes, count < size ? count : size};
    return true;
}

void value_release(struct value_object *object) {
    free((void *)object->bytes);
    object->bytes = NULL;
}

void value_write_at(struct value_context *context, uint64_t address, const struct type *type) {
    struct value_object object;
    if (!value_fetch(context, address, type, &object)) {
        value_put(context, VALUE_UNREADABLE);
        return;
    }
    struct value_window outer = context->window;
    context->window = (struct value_window){object.bytes, object.size};
    value_write(context, &object);
    context->window = outer;
    value_release(&object);
}

/* ---- which way ---- */

static bool matches(const char *pattern, const char *name) {
    size_t length = strlen(pattern);
    if (pattern[length - 1] == '$')
        return strlen(name) == length - 1 && !memcmp(pattern, name, length - 1);
    return !strncmp(pattern, name, length);
}

/* A printer that gave up has written nothing, or what it has written is taken back. */
static bool print_from(const struct value_printer *table, struct value_context *context,
                       const struct value_object *object) {
    for (const struct value_printer *printer = table; printer->pattern; printer++) {
        size_t size = context->ret->size;
        unsigned depth = context->depth;
        if (!matches(printer->pattern, object->type->name))
            continue;
        if (printer->print(context, object))
            return true;
        context->ret->size = size;
        context->depth = depth;
    }
    return false;
}

static bool print(struct value_context *context, const struct value_object *object) {
    switch (object->type->language) {
    case LANGUAGE_CXX:
        return print_from(value_cxx_printers, context, object) ||
               print_from(value_cxx_node_printers, context, object);
    case LANGUAGE_RUST:
        return print_from(value_rust_printers, context, object) || value_write_rust_struct(context, object);
    default:
        return false;
    }
}

static void write_record(struct value_context *context, const struct value_object *object) {
    if (print(context, object))
        return;
    if (object->type->is_declaration)
        value_put(context, "\"<incomplete>\"");
    else
        value_write_struct(context, object);
}

/* Fortran strings have no end of their own. */
static void write_fortran_string(struct value_context *context, const struct value_object *object) {
    size_t max = context->options.max_string;
    bool cut = object->size > max;
    value_put_characters(context, object->bytes, cut ? max : object->size, 1, cut);
}

static void write_resolved(struct value_context *context, const struct value_object *object) {
    const struct type *type = object->type;
    switch (type->kind) {
    case TYPE_STRUCT:
    case TYPE_CLASS:
    case TYPE_UNION:
        write_record(context, object);
        return;
    case TYPE_ARRAY:
        if (type->data_location.size)
            value_write_descriptor(context, object);
        else
            value_write_array(context, object);
        return;
    case TYPE_STRING:
        if (type->has_size || object->size)
            write_fortran_string(context, object);
        else
            value_put(context, "\"<unknown size>\"");
        return;
    default:
        value_write_scalar(context, object);
    }
}

void value_write(struct value_context *context, const struct value_object *object) {
    struct value_object resolved = *object;
    if (value_is_full(context)) {
        value_put(context, "\"...\"");
        return;
    }
    size_t width = value_character_width(object->type);
    if (width && object->size >= width && type_strip(object->type)->kind != TYPE_ARRAY) {
        value_put_characters(context, object->bytes, 1, width, false);
        return;
    }
    struct error *err = type_resolve(object->type, &resolved.type);
    if (err) {
        error_free(err);
        value_put(context, "\"<bad type>\"");
        return;
    }
    if (resolved.type->has_size && resolved.size > resolved.type->size)
        resolved.size = (size_t)resolved.type->size;
    write_resolved(context, &resolved);
}

/* ---- what takes no more than its own bytes ---- */

#define PLAIN_DEPTH 16 /* levels of values in values that are looked at */

static bool has_printer(const struct value_printer *table, const struct type *type) {
    for (const struct value_printer *printer = table; printer->pattern; printer++)
        if (matches(printer->pattern, type->name))
            return true;
    return false;
}

static bool is_plain(const struct type *type, unsigned depth);

static bool is_plain_record(const struct type *type, unsigned depth) {
    if (type->language == LANGUAGE_RUST || type->language == LANGUAGE_FORTRAN || type->is_declaration ||
        type->variant_count ||
        (type->language == LANGUAGE_CXX &&
         (has_printer(value_cxx_printers, type) || has_printer(value_cxx_node_printers, type))))
        return false;
    for (size_t i = 0; i < type->member_count; i++)
        if (type->members[i].location.size || !is_plain(type->members[i].type, depth + 1))
            return false;
    return true;
}

static bool is_plain(const struct type *type, unsigned depth) {
    const struct type *whole;
    struct error *err = depth < PLAIN_DEPTH ? type_resolve(type, &whole) : NULL;
    if (err || depth >= PLAIN_DEPTH) {
        error_free(err);
        return false;
    }
    switch (whole->kind) {
    case TYPE_STRUCT:
    case TYPE_CLASS:
    case TYPE_UNION:
        return is_plain_record(whole, depth);
    case TYPE_ARRAY:
        return whole->has_size && !whole->data_location.size && is_plain(whole->target, depth + 1);
    case TYPE_VOID:
    case TYPE_INTEGER:
    case TYPE_BOOL:
    case TYPE_CHARACTER:
    case TYPE_FLOAT:
    case TYPE_COMPLEX:
    case TYPE_ENUM:
    case TYPE_MEMBER_POINTER:
    case TYPE_NULLPTR:
        return true;
    case TYPE_POINTER:
        return whole->language != LANGUAGE_FORTRAN;
    default:
        return false;
    }
}

bool value_is_plain(const struct type *type) {
    return is_plain(type, 0);
}

void value_render(const struct type *type, const void *bytes, size_t size, const struct memory_reader *memory,
                  const struct value_options *options, struct buffer *ret) {
    struct value_context context = {
        .memory = memory, .options = *options, .ret = ret, .read_left = VALUE_READ_ALL};
    struct value_object object = {type, bytes, bytes ? size : 0};
    size_t most = options->max_size ? options->max_size : VALUE_SIZE_MAX;
    if (context.options.max_depth > VALUE_DEPTH_MAX)
        context.options.max_depth = VALUE_DEPTH_MAX;
    if (context.options.max_string > VALUE_STRING_MAX)
        context.options.max_string = VALUE_STRING_MAX;
    context.limit = ret->size + most;
    context.window = (struct value_window){object.bytes, object.size};
    if (!bytes && type->has_size && type->size)
        value_put(&context, VALUE_UNREADABLE);
    else
        value_write(&context, &object);
}
