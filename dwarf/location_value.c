#include "dwarf/location_value.h"

#include <libdwarf/dwarf.h>
#include <string.h>

typedef __int128 wide;
typedef unsigned __int128 unsigned_wide;

#define WIDE_BITS 128
#define X87_BYTES 10

const struct location_type location_generic_type = {.size = 8, .encoding = DW_ATE_unsigned};

enum kind { KIND_UNSIGNED, KIND_SIGNED, KIND_FLOAT, KIND_OTHER };

static bool is_generic(const struct location_type *type) {
    return type->die == 0;
}

static bool is_float_size(unsigned size) {
    return size == sizeof(float) || size == sizeof(double) || size == X87_BYTES || size == 12 || size == 16;
}

static enum kind kind_of(const struct location_type *type) {
    switch (type->encoding) {
    case DW_ATE_address:
    case DW_ATE_boolean:
    case DW_ATE_unsigned:
    case DW_ATE_unsigned_char:
    case DW_ATE_UTF:
    case DW_ATE_UCS:
    case DW_ATE_ASCII:
        return KIND_UNSIGNED;
    case DW_ATE_signed:
    case DW_ATE_signed_char:
        return KIND_SIGNED;
    case DW_ATE_float:
        return is_float_size(type->size) ? KIND_FLOAT : KIND_OTHER;
    default:
        return KIND_OTHER;
    }
}

static bool is_integer(const struct location_type *type) {
    return kind_of(type) == KIND_UNSIGNED || kind_of(type) == KIND_SIGNED;
}

static struct error *bad(const char *what) {
    return error_new(ERROR_BAD_DATA, "DWARF expression: %s", what);
}

/* ---- integers ---- */

/* An integer, or any bits, zero extended. */
static unsigned_wide load_bits(const struct location_value *value) {
    unsigned_wide bits = 0;
    memcpy(&bits, value->bytes, value->type.size);
    return bits;
}

static unsigned_wide sign_extend(unsigned_wide bits, unsigned size) {
    unsigned unused = WIDE_BITS - size * 8;
    return (unsigned_wide)((wide)(bits << unused) >> unused);
}

/* An integer as its type says; the generic type is signed. */
static unsigned_wide load_integer(const struct location_value *value) {
    bool is_signed = is_generic(&value->type) || kind_of(&value->type) == KIND_SIGNED;
    return is_signed ? sign_extend(load_bits(value), value->type.size) : load_bits(value);
}

/* Bits beyond the size of the type are dropped: numbers wrap around. */
static void store_integer(unsigned_wide bits, const struct location_type *type, struct location_value *ret) {
    struct location_value made = {.type = *type};
    memcpy(made.bytes, &bits, type->size);
    *ret = made;
}

void location_value_from_u64(uint64_t value, struct location_value *ret) {
    store_integer(value, &location_generic_type, ret);
}

bool location_value_to_u64(const struct location_value *value, uint64_t *ret) {
    if (!is_integer(&value->type))
        return false;
    *ret = (uint64_t)load_integer(value);
    return true;
}

static unsigned_wide shift(uint8_t operation, unsigned_wide bits, unsigned size, unsigned_wide count) {
    bool all = count >= size * 8u; /* nothing of the number is left */
    switch (operation) {
    case DW_OP_shl:
        return all ? 0 : bits << (unsigned)count;
    case DW_OP_shr:
        return all ? 0 : bits >> (unsigned)count;
    default: { /* DW_OP_shra */
        wide number = (wide)sign_extend(bits, size);
        return (unsigned_wide)(number >> (all ? WIDE_BITS - 1 : (unsigned)count));
    }
    }
}

static struct error *divide(const struct location_value *first, const struct location_value *second,
                            unsigned_wide *ret) {
    unsigned_wide left = load_integer(first), right = load_integer(second);
    if (!right)
        return bad("a division by zero");
    bool is_signed = is_generic(&first->type) || kind_of(&first->type) == KIND_SIGNED;
    if (!is_signed)
        *ret = left / right;
    else if (right == (unsigned_wide)-1)
        *ret = -left; /* the least number has no opposite: it wraps around to itself */
    else
        *ret = (unsigned_wide)((wide)left / (wide)right);
    return NULL;
}

static struct error *remainder_of(const struct location_value *first, const struct location_value *second,
                                  unsigned_wide *ret) {
    bool is_signed = !is_generic(&first->type) && kind_of(&first->type) == KIND_SIGNED;
    unsigned_wide left = is_signed ? load_integer(first) : load_bits(first);
    unsigned_wide right = is_signed ? load_integer(second) : load_bits(second);
    if (!right)
        return bad("a division by zero");
    if (!is_signed)
        *ret = left % right;
    else
        *ret = right == (unsigned_wide)-1 ? 0 : (unsigned_wide)((wide)left % (wide)right);
    return NULL;
}

static struct error *integer_binary(uint8_t operation, const struct location_value *first,
                                    const struct location_value *second, unsigned_wide *ret) {
    unsigned_wide left = load_bits(first), right = load_bits(second);
    switch (operation) {
    case DW_OP_and:
        *ret = left & right;
        break;
    case DW_OP_or:
        *ret = left | right;
        break;
    case DW_OP_xor:
        *ret = left ^ right;
        break;
    case DW_OP_plus:
        *ret = left + right;
        break;
    case DW_OP_minus:
        *ret = left - right;
        break;
    case DW_OP_mul:
        *ret = left * right;
        break;
    case DW_OP_div:
        return divide(first, second, ret);
    case DW_OP_mod:
        return remainder_of(first, second, ret);
    default:
        *ret = shift(operation, left, first->type.size, right);
    }
    return NULL;
}

/* -1, 0 or 1. */
static int integer_compare(const struct location_value *first, const struct location_value *second) {
    unsigned_wide left = load_integer(first), right = load_integer(second);
    if (left == right)
        return 0;
    bool is_signed = is_generic(&first->type) || kind_of(&first->type) == KIND_SIGNED;
    bool less = is_signed ? (wide)left < (wide)right : left < right;
    return less ? -1 : 1;
}

/* ---- floats ---- */

static long double load_float(const struct location_value *value) {
    float single;
    double twice;
    long double extended = 0;
    switch (value->type.size) {
    case sizeof(single):
        memcpy(&single, value->bytes, sizeof(single));
        return single;
    case sizeof(twice):
        memcpy(&twice, value->bytes, sizeof(twice));
        return twice;
    default:
        memcpy(&extended, value->bytes, X87_BYTES);
        return extended;
    }
}

static void store_float(long double number, const struct location_type *type, struct location_value *ret) {
    struct location_value made = {.type = *type};
    float single = (float)number;
    double twice = (double)number;
    if (type->size == sizeof(single))
        memcpy(made.bytes, &single, sizeof(single));
    else if (type->size == sizeof(twice))
        memcpy(made.bytes, &twice, sizeof(twice));
    else
        memcpy(made.bytes, &number, X87_BYTES);
    *ret = made;
}

/* Each size is calculated in its own precision: rounding twice gives other results. */
#define CALCULATE(type)                                                                                      \
    static type calculate_##type(uint8_t operation, type left, type right) {                                 \
        switch (operation) {                                                                                 \
        case DW_OP_plus:                                                                                     \
            return left + right;                                                                             \
        case DW_OP_minus:                                                                                    \
            return left - right;                                                                             \
        case DW_OP_mul:                                                                                      \
            return left * right;                                                                             \
        default:                                                                                             \
            return left / right;                                                                             \
        }                                                                                                    \
    }

typedef long double extended;
CALCULATE(float)
CALCULATE(double)
CALCULATE(extended)

static struct error *float_binary(uint8_t operation, const struct location_value *first,
                                  const struct location_value *second, struct location_value *ret) {
    if (operation != DW_OP_plus && operation != DW_OP_minus && operation != DW_OP_mul &&
        operation != DW_OP_div)
        return bad("an operation that floats do not have");
    long double left = load_float(first), right = load_float(second), result;
    if (first->type.size == sizeof(float))
        result = calculate_float(operation, (float)left, (float)right);
    else if (first->type.size == sizeof(double))
        result = calculate_double(operation, (double)left, (double)right);
    else
        result = calculate_extended(operation, left, right);
    store_float(result, &first->type, ret);
    return NULL;
}

/* ---- both ---- */

static bool is_comparison(uint8_t operation) {
    return operation >= DW_OP_eq && operation <= DW_OP_ne;
}

static bool is_shift(uint8_t operation) {
    return operation == DW_OP_shl || operation == DW_OP_shr || operation == DW_OP_shra;
}

/* less, equal: neither is true for NaN. */
static bool holds(uint8_t operation, bool less, bool equal, bool greater) {
    switch (operation) {
    case DW_OP_eq:
        return equal;
    case DW_OP_ge:
        return greater || equal;
    case DW_OP_gt:
        return greater;
    case DW_OP_le:
        return less || equal;
    case DW_OP_lt:
        return less;
    default:
        return !equal;
    }
}

static void compare(uint8_t operation, const struct location_value *first,
                    const struct location_value *second, struct location_value *ret) {
    bool result;
    if (kind_of(&first->type) == KIND_FLOAT) {
        long double left = load_float(first), right = load_float(second);
        result = holds(operation, left<right, left == right, left> right);
    } else {
        int order = integer_compare(first, second);
        result = holds(operation, order<0, order == 0, order> 0);
    }
    location_value_from_u64(result, ret);
}

/* Types that are the same in all that matters: compilers name one of several equal base types. The generic
 * type goes with every integer of its size, as gdb has it. */
static bool types_fit(const struct location_type *first, const struct location_type *second) {
    if (first->size != second->size)
        return false;
    if (is_integer(first) && is_integer(second) && (is_generic(first) || is_generic(second)))
        return true;
    return kind_of(first) == kind_of(second) && kind_of(first) != KIND_OTHER;
}

struct error *location_value_binary(uint8_t operation, const struct location_value *first,
                                    const struct location_value *second, struct location_value *ret) {
    bool fit = is_shift(operation) ? is_integer(&first->type) && is_integer(&second->type)
                                   : types_fit(&first->type, &second->type);
    if (!fit)
        return bad("an operation on operands of different types");
    if (is_comparison(operation)) {
        compare(operation, first, second, ret);
        return NULL;
    }
    if (kind_of(&first->type) == KIND_FLOAT)
        return float_binary(operation, first, second, ret);
    unsigned_wide bits;
    TRY(integer_binary(operation, first, second, &bits));
    /* The named type is the better description of the two; a shift has the type of what is shifted. */
    const struct location_type type =
        is_generic(&first->type) && !is_shift(operation) ? second->type : first->type;
    store_integer(bits, &type, ret);
    return NULL;
}

struct error *location_value_unary(uint8_t operation, const struct location_value *operand,
                                   struct location_value *ret) {
    const struct location_type type = operand->type;
    enum kind kind = kind_of(&type);
    if (kind == KIND_OTHER || (kind == KIND_FLOAT && operation == DW_OP_not))
        return bad("an operation that this type does not have");
    if (kind == KIND_FLOAT) {
        long double number = load_float(operand);
        bool negate = operation == DW_OP_neg || __builtin_signbitl(number);
        store_float(negate ? -number : number, &type, ret);
        return NULL;
    }
    unsigned_wide bits = load_integer(operand);
    if (operation == DW_OP_not)
        bits = ~bits;
    else if (operation == DW_OP_neg || (wide)bits < 0)
        bits = kind == KIND_UNSIGNED && !is_generic(&type) && operation == DW_OP_abs ? bits : -bits;
    store_integer(bits, &type, ret);
    return NULL;
}

/* Does the whole part of number fit into an integer type? The generic one takes signed and unsigned numbers.
 */
static bool float_fits(long double number, const struct location_type *type) {
    long double half = (long double)((unsigned_wide)1 << (type->size * 8 - 1));
    bool is_signed = kind_of(type) == KIND_SIGNED;
    long double end = is_signed ? half : half * 2;
    long double least = is_signed || is_generic(type) ? -half : 0;
    /* The first is rounded to equality for 16 bytes. Both are false for NaN. */
    return (number > least - 1 || number == least) && number < end;
}

struct error *location_value_convert(const struct location_value *value, const struct location_type *type,
                                     struct location_value *ret) {
    enum kind from = kind_of(&value->type), to = kind_of(type);
    if (from == KIND_OTHER || to == KIND_OTHER)
        return error_new(ERROR_UNSUPPORTED,
                         "DWARF expression: conversion between base types with encodings 0x%x and 0x%x",
                         value->type.encoding, type->encoding);
    if (from == KIND_FLOAT && to == KIND_FLOAT) {
        store_float(load_float(value), type, ret);
    } else if (from == KIND_FLOAT) {
        long double number = load_float(value);
        if (!float_fits(number, type))
            return bad("a conversion of a number that does not fit");
        store_integer(number < 0 ? (unsigned_wide)(wide)number : (unsigned_wide)number, type, ret);
    } else if (to == KIND_FLOAT) {
        unsigned_wide bits = load_integer(value);
        bool is_signed = from == KIND_SIGNED || is_generic(&value->type);
        if (type->size == sizeof(float)) /* one rounding only */
            store_float(is_signed ? (float)(wide)bits : (float)bits, type, ret);
        else if (type->size == sizeof(double))
            store_float(is_signed ? (double)(wide)bits : (double)bits, type, ret);
        else
            store_float(is_signed ? (long double)(wide)bits : (long double)bits, type, ret);
    } else {
        store_integer(load_integer(value), type, ret);
    }
    return NULL;
}

struct error *location_value_reinterpret(const struct location_value *value, const struct location_type *type,
                                         struct location_value *ret) {
    if (value->type.size != type->size)
        return bad("a value is taken for one of another size");
    struct location_value made = *value;
    made.type = *type;
    *ret = made;
    return NULL;
}
