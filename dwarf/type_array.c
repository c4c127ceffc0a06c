/* Arrays (DWARF 5 section 5.5, 5.13), Fortran's strings (5.11). */
#include "dwarf/type_private.h"

#include <inttypes.h>
#include <stdlib.h>

bool type_load_bound(const struct type_die *die, unsigned attribute, struct type_bound *ret) {
    uint64_t offset;
    *ret = (struct type_bound){0};
    if (type_die_constant(die, attribute, &ret->value))
        ret->kind = BOUND_CONSTANT;
    else if (type_die_expression(die, attribute, &ret->expression))
        ret->kind = BOUND_EXPRESSION;
    else if (type_die_reference(die, attribute, &offset) == REFERENCE_DIE) {
        ret->kind = BOUND_VARIABLE;
        ret->die = offset;
    }
    return ret->kind != BOUND_NONE;
}

/* The number of elements from the bounds, when they are constants. An upper bound of all ones is older gcc's
 * "int a[0]". */
static void count_elements(struct type_dimension *dimension) {
    const struct type_bound *upper = &dimension->upper;
    if (upper->kind != BOUND_CONSTANT || dimension->lower_bound.kind > BOUND_CONSTANT)
        return;
    if (dimension->upper_is_count) {
        dimension->known = upper->value >= 0;
        dimension->count = upper->value >= 0 ? (uint64_t)upper->value : 0;
        return;
    }
    dimension->known = true;
    if (dimension->lower == 0 && upper->value == UINT32_MAX)
        return;
    int64_t count;
    if (__builtin_sub_overflow(upper->value, dimension->lower, &count) ||
        __builtin_add_overflow(count, 1, &count))
        dimension->known = false;
    else
        dimension->count = count > 0 ? (uint64_t)count : 0;
}

/* The number of an enum's constants is the size of an array that it is the index of; nobody of ours does
 * that. */
static void read_dimension(const struct type_die *die, const struct type *type, struct type_dimension *ret) {
    int64_t stride;
    if (type_load_bound(die, DW_AT_lower_bound, &ret->lower_bound))
        ret->lower = ret->lower_bound.kind == BOUND_CONSTANT ? ret->lower_bound.value : 0;
    else
        ret->lower = type->language == LANGUAGE_FORTRAN ? 1 : 0;
    if (type_load_bound(die, DW_AT_count, &ret->upper))
        ret->upper_is_count = true;
    else
        type_load_bound(die, DW_AT_upper_bound, &ret->upper);
    if (type_die_constant(die, DW_AT_byte_stride, &stride) && stride > 0)
        ret->stride = (uint64_t)stride;
    else
        type_die_expression(die, DW_AT_byte_stride, &ret->stride_expression);
    count_elements(ret);
}

static struct error *add_dimension(const struct type_die *die, struct type *type) {
    if (type->dimension_count == TYPE_DIMENSIONS_MAX)
        return error_new(ERROR_BAD_DATA,
                         "debug information: the array at 0x%" PRIx64 " has too many dimensions",
                         type->die & ~TYPE_DIE_IN_TYPES);
    struct type_dimension *dimension =
        type_array_add(&type->dimensions, &type->dimension_count, sizeof(*dimension));
    if (!dimension)
        return &error_no_memory;
    read_dimension(die, type, dimension);
    return NULL;
}

static struct error *read_dimensions(const struct type_die *die, struct type *type) {
    struct type_die child;
    struct error *err = type_die_child(die, &child);
    while (!err && child.handle) {
        unsigned tag = type_die_tag(&child);
        if (tag == DW_TAG_subrange_type || tag == DW_TAG_enumeration_type || tag == DW_TAG_generic_subrange)
            err = add_dimension(&child, type);
        if (!err)
            err = type_die_advance(&child);
    }
    type_die_close(&child);
    return err;
}

/* How many bytes of a descriptor its expressions look at: they add constants to the object's address
 * (DW_OP_push_object_address 0x97, DW_OP_plus_uconst 0x23) and fetch 8 bytes there. */
static uint64_t descriptor_reach(struct type_expression expression) {
    uint64_t reach = 0;
    for (size_t i = 0; i < expression.size; i++) {
        if (expression.bytes[i] != DW_OP_push_object_address)
            continue;
        uint64_t offset = 0;
        if (i + 2 < expression.size && expression.bytes[i + 1] == DW_OP_plus_uconst) {
            unsigned shift = 0;
            for (size_t at = i + 2; at < expression.size && shift < 21; at++, shift += 7) {
                offset |= (uint64_t)(expression.bytes[at] & 0x7f) << shift;
                if (!(expression.bytes[at] & 0x80))
                    break;
            }
        }
        reach = offset + 8 > reach ? offset + 8 : reach;
    }
    return reach;
}

static void size_descriptor(struct type *type) {
    uint64_t size = descriptor_reach(type->data_location), reach = descriptor_reach(type->allocated);
    size = reach > size ? reach : size;
    for (size_t i = 0; i < type->dimension_count; i++) {
        const struct type_dimension *dimension = &type->dimensions[i];
        const struct type_expression expressions[] = {
            dimension->lower_bound.expression, dimension->upper.expression, dimension->stride_expression};
        for (size_t k = 0; k < 3; k++) {
            reach = descriptor_reach(expressions[k]);
            size = reach > size ? reach : size;
        }
    }
    type->size = size;
    type->has_size = size > 0;
}

/* Product of counts and element size. An array of a type without size, or with a bound that is not known, has
 * none. */
static struct error *size_array(struct type *type) {
    uint64_t size = type->target->size;
    if (type->has_size && type->dimension_count)
        return NULL; /* said by DW_AT_byte_size */
    bool known = type->target->has_size && type->dimension_count;
    for (size_t i = 0; i < type->dimension_count && known; i++) {
        known = type->dimensions[i].known;
        if (known && (__builtin_mul_overflow(size, type->dimensions[i].count, &size) || size > TYPE_SIZE_MAX))
            return error_new(ERROR_BAD_DATA, "debug information: the array at 0x%" PRIx64 " is too large",
                             type->die & ~TYPE_DIE_IN_TYPES);
    }
    type->has_size = known;
    type->size = known ? size : 0;
    return NULL;
}

/* Elements of a dimension that is not the last (C) are as far apart as all of an inner array. Only a stride
 * that is said for the whole array matters here. */
static void read_array_stride(const struct type_die *die, struct type *type) {
    int64_t stride;
    if (type->dimension_count != 1 || type->dimensions[0].stride)
        return;
    if (type_die_constant(die, DW_AT_byte_stride, &stride) && stride > 0)
        type->dimensions[0].stride = (uint64_t)stride;
}

struct error *type_load_array(struct types *types, const struct type_die *die, struct type *type) {
    int64_t ordering = 0;
    (void)types;
    type->is_vector = type_die_flag(die, DW_AT_GNU_vector);
    type_die_expression(die, DW_AT_data_location, &type->data_location);
    if (!type_die_expression(die, DW_AT_allocated, &type->allocated))
        type_die_expression(die, DW_AT_associated, &type->allocated);
    TRY(read_dimensions(die, type));
    if (type_die_constant(die, DW_AT_ordering, &ordering))
        type->column_major = ordering == DW_ORD_col_major;
    else
        type->column_major = type->language == LANGUAGE_FORTRAN;
    read_array_stride(die, type);
    if (type->data_location.size) {
        size_descriptor(type);
        return NULL;
    }
    return size_array(type);
}

struct error *type_load_string(const struct type_die *die, struct type *type) {
    if (!type->has_size)
        type_load_bound(die, DW_AT_string_length, &type->string_length);
    else if (type_die_has(die, DW_AT_string_length)) {
        /* DWARF 2: byte_size is that of the length, not of the string */
        type->has_size = false;
        type->size = 0;
        type_load_bound(die, DW_AT_string_length, &type->string_length);
    }
    return NULL;
}
