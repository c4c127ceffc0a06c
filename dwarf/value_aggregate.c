/* Structs and arrays. */
#include "dwarf/value_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- structs ---- */

static void write_member(struct value_list *list, const struct value_object *object,
                         const struct type_member *member);

/* A bit field: its bits as an integer of the member's own type. */
static void write_bit_field(struct value_context *context, const struct value_object *object,
                            const struct type_member *member) {
    const struct type *type = type_strip(member->type);
    uint8_t bytes[16] = {0};
    uint64_t last = member->bit_offset + member->bit_size;
    if (last > object->size * 8 || !member->bit_size || !type->has_size || type->size > sizeof(bytes)) {
        value_put(context, VALUE_UNREADABLE);
        return;
    }
    for (uint64_t i = 0; i < member->bit_size; i++) {
        uint64_t from = member->bit_offset + i;
        if (object->bytes[from / 8] >> (from % 8) & 1)
            bytes[i / 8] |= (uint8_t)(1 << (i % 8));
    }
    bool negative =
        type->is_signed && (bytes[(member->bit_size - 1) / 8] >> ((member->bit_size - 1) % 8) & 1);
    for (uint64_t i = member->bit_size; negative && i < 8 * sizeof(bytes); i++)
        bytes[i / 8] |= (uint8_t)(1 << (i % 8));
    struct value_object value = {member->type, bytes, (size_t)type->size};
    value_write(context, &value);
}

/* A virtual base is where the vtable says: behind the members of the most derived class, so maybe beyond this
 * object, which is a base itself. */
static bool virtual_base(struct value_context *context, const struct value_object *object,
                         const struct type_member *member, struct value_object *ret) {
    uint64_t where;
    bool inside;
    size_t reach = object->size;
    uintptr_t from = (uintptr_t)context->window.bytes, at = (uintptr_t)object->bytes;
    if (context->window.bytes && at >= from && at - from <= context->window.size)
        reach = context->window.size - (at - from);
    if (!value_evaluate(context, member->location, object, true, &where, &inside) || !inside ||
        where >= reach)
        return false;
    *ret = (struct value_object){member->type, object->bytes + where, reach - (size_t)where};
    return true;
}

static void write_value_of(struct value_context *context, const struct value_object *object,
                           const struct type_member *member) {
    struct value_object value;
    if (member->bit_size)
        write_bit_field(context, object, member);
    else if (member->location.size ? virtual_base(context, object, member, &value)
                                   : value_member(object, member, &value))
        value_write(context, &value);
    else
        value_put(context, VALUE_UNREADABLE);
}

static bool is_record(const struct type *type) {
    return type->kind == TYPE_STRUCT || type->kind == TYPE_CLASS || type->kind == TYPE_UNION;
}

/* An anonymous struct's or union's members belong to the parent. */
static bool write_anonymous(struct value_list *list, const struct value_object *object,
                            const struct type_member *member) {
    struct value_object inner;
    const struct type *whole;
    struct value_context *context = list->context;
    if (member->name || member->base || member->bit_size || !is_record(type_strip(member->type)) ||
        context->depth >= context->options.max_depth || !value_member(object, member, &inner))
        return false;
    struct error *err = type_resolve(inner.type, &whole);
    if (err) {
        error_free(err);
        return false;
    }
    inner.type = whole;
    context->depth++;
    value_write_members(list, &inner);
    context->depth--;
    return true;
}

/* A class without anything to show; std::pair derives from one. */
static bool is_empty(const struct type *type, unsigned depth) {
    const struct type *whole;
    struct error *err = type_resolve(type, &whole);
    bool empty = !err && is_record(whole) && !whole->is_declaration && depth < 8 && !whole->variant_count;
    error_free(err);
    for (size_t i = 0; empty && i < whole->member_count; i++) {
        const struct type_member *member = &whole->members[i];
        empty = member->base ? is_empty(member->type, depth + 1) : member->artificial;
    }
    return empty;
}

static void write_member(struct value_list *list, const struct value_object *object,
                         const struct type_member *member) {
    if (member->base ? is_empty(member->type, 0) : member->artificial)
        return;
    if (write_anonymous(list, object, member) || !value_list_next(list))
        return;
    value_list_key(list, member->base ? member->type->name : member->name ? member->name : "");
    write_value_of(list->context, object, member);
}

void value_write_members(struct value_list *list, const struct value_object *object) {
    for (size_t i = 0; i < object->type->member_count && !list->cut; i++)
        write_member(list, object, &object->type->members[i]);
}

void value_write_struct(struct value_context *context, const struct value_object *object) {
    struct value_list list;
    if (!value_list_begin(&list, context, true))
        return;
    list.unlimited = true; /* as many as there are */
    value_write_members(&list, object);
    value_list_end(&list);
}

/* ---- arrays ---- */

/* The element at an offset; in memory, or of the bytes that are there. */
static void write_element(struct value_context *context, const struct value_grid *grid, int64_t offset) {
    const struct value_object *object = grid->object;
    if (!object) {
        value_write_at(context, grid->address + (uint64_t)offset, grid->element);
        return;
    }
    uint64_t size = type_strip(grid->element)->size;
    if (offset < 0 || (uint64_t)offset > object->size || (size && (uint64_t)offset == object->size)) {
        value_put(context, VALUE_UNREADABLE);
        return;
    }
    uint64_t left = object->size - (uint64_t)offset;
    struct value_object value = {grid->element, object->bytes + offset, (size_t)(left < size ? left : size)};
    value_write(context, &value);
}

/* The innermost dimension of characters in C is a string. */
static bool write_characters(struct value_context *context, const struct value_grid *grid, size_t dimension,
                             int64_t offset) {
    size_t width = value_character_width(grid->element), max = context->options.max_string;
    uint64_t count = grid->counts[dimension];
    const struct value_object *object = grid->object;
    if (dimension + 1 != grid->dimensions || !width || grid->strides[dimension] != (int64_t)width ||
        !object || offset < 0 || (uint64_t)offset > object->size || grid->element->language == LANGUAGE_RUST)
        return false;
    uint64_t there = (object->size - (uint64_t)offset) / width, length = 0;
    const uint8_t *bytes = object->bytes + offset;
    static const uint8_t nul[4];
    if (!there && count)
        return false;
    uint64_t most = count < there ? count : there;
    while (length < most && memcmp(bytes + length * width, nul, width))
        length++;
    bool cut = length > max / width || (length == there && there < count);
    value_put_characters(context, bytes, (size_t)(length > max / width ? max / width : length), width, cut);
    return true;
}

static void write_dimension(struct value_context *context, const struct value_grid *grid, size_t dimension,
                            int64_t offset) {
    struct value_list list;
    if (dimension == grid->dimensions) {
        write_element(context, grid, offset);
        return;
    }
    if (write_characters(context, grid, dimension, offset) || !value_list_begin(&list, context, false))
        return;
    for (uint64_t i = 0; i < grid->counts[dimension] && value_list_next(&list); i++) {
        int64_t step =
            (int64_t)((uint64_t)grid->strides[dimension] * i); /* may wrap: then nothing is there */
        write_dimension(context, grid, dimension + 1, (int64_t)((uint64_t)offset + (uint64_t)step));
    }
    value_list_end(&list);
}

void value_write_grid(struct value_context *context, const struct value_grid *grid) {
    write_dimension(context, grid, 0, 0);
}

/* Distances between the elements of each dimension: C's last one is adjacent, Fortran's first. */
static void lay_out(const struct type *array, struct value_grid *grid, uint64_t element_size) {
    uint64_t stride = element_size;
    for (size_t i = 0; i < grid->dimensions; i++) {
        size_t dimension = array->column_major ? i : grid->dimensions - 1 - i;
        if (array->dimensions[dimension].stride)
            stride = array->dimensions[dimension].stride;
        grid->strides[dimension] = (int64_t)stride;
        stride *= grid->counts[dimension];
    }
}

void value_write_array(struct value_context *context, const struct value_object *object) {
    const struct type *array = object->type, *element;
    struct value_grid grid = {
        .element = array->target, .dimensions = array->dimension_count, .object = object};
    struct error *err = type_resolve(array->target, &element);
    bool known = !err && element->has_size && array->dimension_count;
    error_free(err);
    for (size_t i = 0; i < array->dimension_count; i++) {
        const struct type_dimension *dimension = &array->dimensions[i];
        bool fits =
            dimension->known || (array->dimension_count == 1 && object->size && known && element->size);
        grid.counts[i] = dimension->known ? dimension->count : fits ? object->size / element->size : 0;
        known = known && fits;
    }
    if (!known) {
        value_put(context, "\"<unknown size>\"");
        return;
    }
    lay_out(array, &grid, element->size);
    value_write_grid(context, &grid);
}

/* One read for all that will be shown, where that is not too much. */
void value_write_elements(struct value_context *context, const struct type *element, uint64_t address,
                          uint64_t count) {
    const struct type *whole = type_strip(element);
    struct error *err = type_resolve(element, &whole);
    bool known = !err && whole->has_size;
    error_free(err);
    if (!known) {
        value_put(context, "\"<incomplete>\"");
        return;
    }
    struct value_grid grid = {.element = element, .dimensions = 1, .counts = {count}, .address = address};
    grid.strides[0] = (int64_t)whole->size;
    uint64_t shown = count < context->options.max_elements ? count : context->options.max_elements, size;
    struct value_object block = {element, NULL, 0};
    if (!__builtin_mul_overflow(shown, whole->size, &size) && size && size <= VALUE_READ_MAX &&
        size <= context->read_left && context->memory) {
        uint8_t *bytes = malloc((size_t)size);
        context->read_left -= (size_t)size;
        block.size = bytes ? memory_read(context->memory, address, bytes, (size_t)size) : 0;
        block.size = block.size < size ? block.size : (size_t)size;
        block.bytes = bytes;
        grid.object = bytes ? &block : NULL;
    }
    struct value_list list;
    if (count && grid.object && !block.size) { /* the first element cannot be read: nor can the others */
        value_put(context, VALUE_UNREADABLE);
    } else if (value_list_begin(&list, context, false)) {
        for (uint64_t i = 0; i < count && value_list_next(&list); i++)
            write_element(context, &grid, (int64_t)(i * whole->size));
        value_list_end(&list);
    }
    free((void *)block.bytes);
}
