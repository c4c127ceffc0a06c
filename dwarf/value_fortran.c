/* Fortran arrays whose bounds are known only at run time: the object is a descriptor, and the type's
 * expressions say where in it the address, the bounds and the strides are (DWARF 5 section 5.18). So this
 * holds for gfortran's descriptors and for others. */
#include "dwarf/value_private.h"

static bool number(struct value_context *context, struct type_expression expression,
                   const struct value_object *object, uint64_t *ret) {
    bool inside;
    return value_evaluate(context, expression, object, false, ret, &inside) && !inside;
}

static bool bound(struct value_context *context, const struct type_bound *bound,
                  const struct value_object *object, int64_t otherwise, int64_t *ret) {
    uint64_t value;
    *ret = otherwise;
    if (bound->kind == BOUND_CONSTANT)
        *ret = bound->value;
    else if (bound->kind == BOUND_EXPRESSION) {
        if (!number(context, bound->expression, object, &value))
            return false;
        *ret = (int64_t)value;
    }
    return bound->kind != BOUND_VARIABLE;
}

/* Count and stride of one dimension; adjacent: the stride when none is said. */
static bool measure(struct value_context *context, const struct type_dimension *dimension,
                    const struct value_object *object, uint64_t adjacent, uint64_t *ret_count,
                    int64_t *ret_stride) {
    int64_t lower, upper, count;
    uint64_t stride = dimension->stride ? dimension->stride : adjacent;
    if (dimension->upper.kind == BOUND_NONE || !bound(context, &dimension->lower_bound, object, 1, &lower) ||
        !bound(context, &dimension->upper, object, 0, &upper))
        return false;
    if (dimension->upper_is_count)
        count = upper;
    else if (__builtin_sub_overflow(upper, lower, &count) || __builtin_add_overflow(count, 1, &count))
        return false;
    if (dimension->stride_expression.size && !number(context, dimension->stride_expression, object, &stride))
        return false;
    *ret_count = count > 0 ? (uint64_t)count : 0;
    *ret_stride = (int64_t)stride;
    return true;
}

void value_write_descriptor(struct value_context *context, const struct value_object *object) {
    const struct type *array = object->type;
    struct value_grid grid = {.element = array->target, .dimensions = array->dimension_count};
    uint64_t allocated = 1;
    if (array->allocated.size && number(context, array->allocated, object, &allocated) && !allocated) {
        value_put(context, "null");
        return;
    }
    if (!number(context, array->data_location, object, &grid.address)) {
        value_put(context, VALUE_UNREADABLE);
        return;
    }
    uint64_t adjacent = array->target->size;
    bool known = array->target->has_size && array->dimension_count;
    for (size_t i = 0; i < array->dimension_count && known; i++) {
        known = measure(context, &array->dimensions[i], object, adjacent, &grid.counts[i], &grid.strides[i]);
        adjacent *= grid.counts[i];
    }
    if (!known)
        value_put(context, "\"<unknown size>\"");
    else if (!grid.address)
        value_put(context, "null");
    else
        value_write_grid(context, &grid);
}
