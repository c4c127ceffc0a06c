#include "dwarf/expression_scalar.h"

#include <libdwarf/dwarf.h>
#include <math.h>
#include <string.h>

typedef unsigned __int128 uint128;

#define BASIC(index, text, of_kind, bytes, with_sign, dwarf_encoding)                                        \
    [index] = {.kind = of_kind,                                                                              \
               .language = LANGUAGE_C,                                                                       \
               .name = (char[]){text},                                                                       \
               .base_name = (char[]){text},                                                                  \
               .size = bytes,                                                                                \
               .has_size = bytes > 0,                                                                        \
               .is_signed = with_sign,                                                                       \
               .encoding = dwarf_encoding,                                                                   \
               .completed = true}

/* Named as gcc names them in debug information. */
static const struct type basic_types[BASIC_NONE] = {
    BASIC(BASIC_VOID, "void", TYPE_VOID, 0, false, 0),
    BASIC(BASIC_BOOL, "bool", TYPE_BOOL, 1, false, DW_ATE_boolean),
    BASIC(BASIC_CHAR, "char", TYPE_CHARACTER, 1, true, DW_ATE_signed_char),
    BASIC(BASIC_SIGNED_CHAR, "signed char", TYPE_INTEGER, 1, true, DW_ATE_signed_char),
    BASIC(BASIC_UNSIGNED_CHAR, "unsigned char", TYPE_INTEGER, 1, false, DW_ATE_unsigned_char),
    BASIC(BASIC_SHORT, "short int", TYPE_INTEGER, 2, true, DW_ATE_signed),
    BASIC(BASIC_UNSIGNED_SHORT, "short unsigned int", TYPE_INTEGER, 2, false, DW_ATE_unsigned),
    BASIC(BASIC_INT, "int", TYPE_INTEGER, 4, true, DW_ATE_signed),
    BASIC(BASIC_UNSIGNED_INT, "unsigned int", TYPE_INTEGER, 4, false, DW_ATE_unsigned),
    BASIC(BASIC_LONG, "long int", TYPE_INTEGER, 8, true, DW_ATE_signed),
    BASIC(BASIC_UNSIGNED_LONG, "long unsigned int", TYPE_INTEGER, 8, false, DW_ATE_unsigned),
    BASIC(BASIC_LONG_LONG, "long long int", TYPE_INTEGER, 8, true, DW_ATE_signed),
    BASIC(BASIC_UNSIGNED_LONG_LONG, "long long unsigned int", TYPE_INTEGER, 8, false, DW_ATE_unsigned),
    BASIC(BASIC_INT128, "__int128", TYPE_INTEGER, 16, true, DW_ATE_signed),
    BASIC(BASIC_UNSIGNED_INT128, "unsigned __int128", TYPE_INTEGER, 16, false, DW_ATE_unsigned),
    BASIC(BASIC_FLOAT, "float", TYPE_FLOAT, 4, true, DW_ATE_float),
    BASIC(BASIC_DOUBLE, "double", TYPE_FLOAT, 8, true, DW_ATE_float),
    BASIC(BASIC_LONG_DOUBLE, "long double", TYPE_FLOAT, 16, true, DW_ATE_float),
    BASIC(BASIC_NULLPTR, "nullptr_t", TYPE_NULLPTR, 8, false, 0),
};

const struct type *basic_type(enum basic_type basic) {
    return &basic_types[basic];
}

bool basic_is_float(enum basic_type basic) {
    return basic >= BASIC_FLOAT && basic <= BASIC_LONG_DOUBLE;
}

/* ---- which type computes as which ---- */

static enum basic_type float_of_size(const struct type *type) {
    if (type->size == 4)
        return BASIC_FLOAT;
    if (type->size == 8)
        return BASIC_DOUBLE;
    /* The 80-bit type of the x87, not IEEE's quadruple precision. */
    bool quadruple = strstr(type->name, "128") != NULL;
    return type->size == 16 && !quadruple ? BASIC_LONG_DOUBLE : BASIC_NONE;
}

static enum basic_type integer_of_size(const struct type *type) {
    bool is_unsigned = !type->is_signed;
    switch (type->size) {
    case 1:
        return BASIC_SIGNED_CHAR + is_unsigned;
    case 2:
        return BASIC_SHORT + is_unsigned;
    case 4:
        return BASIC_INT + is_unsigned;
    case 8:
        return (strstr(type->name, "long long") ? BASIC_LONG_LONG : BASIC_LONG) + is_unsigned;
    case 16:
        return BASIC_INT128 + is_unsigned;
    default:
        return BASIC_NONE;
    }
}

enum basic_type basic_of(const struct type *type) {
    if (!type->has_size)
        return BASIC_NONE;
    switch (type->kind) {
    case TYPE_INTEGER:
    case TYPE_CHARACTER:
    case TYPE_ENUM:
        return integer_of_size(type);
    case TYPE_BOOL:
        return type->size == 1 ? BASIC_BOOL : integer_of_size(type);
    case TYPE_FLOAT:
        return float_of_size(type);
    default:
        return BASIC_NONE;
    }
}

/* ---- making ---- */

/* The value that is left of bits when only those of an integer of this many bits are kept. */
static __int128 cut(uint128 bits, unsigned width, bool is_signed) {
    if (width >= 128)
        return (__int128)bits;
    bits &= ((uint128)1 << width) - 1;
    if (is_signed && bits >> (width - 1) & 1)
        bits |= ~(uint128)0 << width;
    return (__int128)bits;
}

static __int128 wrap(enum basic_type basic, uint128 bits) {
    return cut(bits, (unsigned)basic_types[basic].size * 8, basic_types[basic].is_signed);
}

struct scalar scalar_integer(enum basic_type basic, __int128 value) {
    return (struct scalar){.kind = SCALAR_INTEGER,
                           .type = basic_type(basic),
                           .basic = basic,
                           .integer = wrap(basic, (uint128)value)};
}

struct scalar scalar_float(enum basic_type basic, long double value) {
    return (struct scalar){.kind = SCALAR_FLOAT, .type = basic_type(basic), .basic = basic, .real = value};
}

struct scalar scalar_pointer(const struct type *type, uint64_t address) {
    return (struct scalar){.kind = SCALAR_POINTER, .type = type, .basic = BASIC_NONE, .integer = address};
}

static long double float_from_bytes(enum basic_type basic, const void *bytes) {
    float single;
    double twice;
    long double extended = 0;
    switch (basic) {
    case BASIC_FLOAT:
        memcpy(&single, bytes, sizeof(single));
        return single;
    case BASIC_DOUBLE:
        memcpy(&twice, bytes, sizeof(twice));
        return twice;
    default:
        memcpy(&extended, bytes, 10);
        return extended;
    }
}

void scalar_from_bytes(const struct type *type, enum basic_type basic, const void *bytes,
                       struct scalar *ret) {
    *ret = (struct scalar){.type = type, .basic = basic};
    uint128 bits = 0;
    if (basic_is_float(basic)) {
        ret->kind = SCALAR_FLOAT;
        ret->real = float_from_bytes(basic, bytes);
        return;
    }
    memcpy(&bits, bytes, basic_types[basic].size);
    ret->integer = basic == BASIC_BOOL ? bits != 0 : wrap(basic, bits);
}

void scalar_from_bits(const struct type *type, enum basic_type basic, const void *bytes, unsigned bit_offset,
                      unsigned bit_size, struct scalar *ret) {
    const uint8_t *from = bytes;
    uint128 bits = 0;
    for (unsigned i = 0; i < bit_size; i++) {
        unsigned at = bit_offset + i;
        bits |= (uint128)(from[at / 8] >> at % 8 & 1) << i;
    }
    /* An int can hold all values of a narrower field (C11 6.3.1.1, 2). */
    bool narrow = bit_size < 32 && basic <= BASIC_UNSIGNED_INT;
    *ret = (struct scalar){.type = type, .basic = narrow ? BASIC_INT : basic};
    ret->integer = cut(bits, bit_size, basic_types[basic].is_signed);
}

size_t scalar_to_bytes(const struct scalar *scalar, uint8_t ret[SCALAR_BYTES_MOST]) {
    size_t size = scalar->type->has_size ? scalar->type->size : 0;
    float single = (float)scalar->real;
    double twice = (double)scalar->real;
    memset(ret, 0, SCALAR_BYTES_MOST);
    if (size > SCALAR_BYTES_MOST)
        return 0;
    if (scalar->kind != SCALAR_FLOAT)
        memcpy(ret, &scalar->integer, size);
    else if (size == sizeof(single))
        memcpy(ret, &single, sizeof(single));
    else if (size == sizeof(twice))
        memcpy(ret, &twice, sizeof(twice));
    else
        memcpy(ret, &scalar->real, size < 10 ? size : 10); /* the rest of its 16 bytes is padding */
    return size;
}

bool scalar_is_true(const struct scalar *scalar) {
    return scalar->kind == SCALAR_FLOAT ? scalar->real != 0 : scalar->integer != 0;
}

/* ---- conversions ---- */

static long double round_to(enum basic_type basic, long double value) {
    return basic == BASIC_FLOAT    ? (long double)(float)value
           : basic == BASIC_DOUBLE ? (long double)(double)value
                                   : value;
}

/* Straight to the type, so that it is rounded once. */
static long double integer_to_float(enum basic_type basic, const struct scalar *from) {
    bool is_unsigned = from->kind == SCALAR_POINTER || !basic_types[from->basic].is_signed;
    uint128 bits = (uint128)from->integer;
    if (is_unsigned)
        return basic == BASIC_FLOAT    ? (long double)(float)bits
               : basic == BASIC_DOUBLE ? (long double)(double)bits
                                       : (long double)bits;
    return basic == BASIC_FLOAT    ? (long double)(float)from->integer
           : basic == BASIC_DOUBLE ? (long double)(double)from->integer
                                   : (long double)from->integer;
}

/* C leaves open what comes of a float that does not fit (C11 6.3.1.4): here nothing does. */
static const char *float_to_integer(enum basic_type basic, long double value, struct scalar *ret) {
    int bits = (int)basic_types[basic].size * 8 - basic_types[basic].is_signed;
    long double least = basic_types[basic].is_signed ? -ldexpl(1, bits) : 0, whole = truncl(value);
    if (!(whole >= least && whole < ldexpl(1, bits)))
        return "the float does not fit into the integer";
    ret->integer = basic_types[basic].is_signed ? (__int128)whole : (__int128)(uint128)whole;
    return NULL;
}

const char *scalar_convert(const struct scalar *from, const struct type *type, enum basic_type basic,
                           struct scalar *ret) {
    struct scalar result = {.type = type, .basic = basic};
    if (basic_is_float(basic)) {
        result.kind = SCALAR_FLOAT;
        result.real =
            from->kind == SCALAR_FLOAT ? round_to(basic, from->real) : integer_to_float(basic, from);
    } else if (basic == BASIC_BOOL)
        result.integer = scalar_is_true(from);
    else if (from->kind == SCALAR_FLOAT) {
        const char *why = float_to_integer(basic, from->real, &result);
        if (why)
            return why;
    } else
        result.integer = wrap(basic, (uint128)from->integer);
    *ret = result;
    return NULL;
}

/* Integer promotion (C11 6.3.1.1): whatever is narrower than an int becomes one. */
static enum basic_type promoted(enum basic_type basic) {
    return basic < BASIC_INT ? BASIC_INT : basic;
}

static enum basic_type common(enum basic_type a, enum basic_type b) {
    if (basic_is_float(a) || basic_is_float(b))
        return a > b ? a : b; /* in the enum floats are the highest, in their order */
    a = promoted(a);
    b = promoted(b);
    enum basic_type high = a > b ? a : b, low = a > b ? b : a;
    const struct type *high_type = &basic_types[high], *low_type = &basic_types[low];
    /* In the enum an unsigned type is right above its signed one: high is unsigned, or wider, or has the same
     * sign, but for long long and unsigned long. */
    if (high_type->is_signed && !low_type->is_signed && high_type->size == low_type->size)
        return high + 1;
    return high;
}

static void convert_in_place(struct scalar *scalar, enum basic_type basic) {
    struct scalar result = *scalar;
    scalar_convert(scalar, basic_type(basic), basic,
                   &result); /* to a float or between integers: cannot fail */
    *scalar = result;
}

void scalar_usual_conversions(struct scalar *left, struct scalar *right) {
    enum basic_type basic = common(left->basic, right->basic);
    convert_in_place(left, basic);
    convert_in_place(right, basic);
}

/* ---- operators ---- */

const char *scalar_unary(enum node_operator operation, const struct scalar *operand, struct scalar *ret) {
    struct scalar value = *operand;
    if (value.kind == SCALAR_FLOAT) {
        if (operation == OPERATOR_COMPLEMENT)
            return "'~' needs an integer";
        *ret = scalar_float(value.basic, operation == OPERATOR_SUBTRACT ? -value.real : value.real);
        return NULL;
    }
    convert_in_place(&value, promoted(value.basic));
    uint128 bits = (uint128)value.integer;
    if (operation == OPERATOR_SUBTRACT)
        bits = -bits;
    else if (operation == OPERATOR_COMPLEMENT)
        bits = ~bits;
    *ret = scalar_integer(value.basic, (__int128)bits);
    return NULL;
}

bool comparison_holds(enum node_operator operation, int outcome) {
    switch (operation) {
    case OPERATOR_LESS:
        return outcome < 0;
    case OPERATOR_GREATER:
        return outcome > 0;
    case OPERATOR_LESS_EQUAL:
        return outcome <= 0;
    case OPERATOR_GREATER_EQUAL:
        return outcome >= 0;
    case OPERATOR_EQUAL:
        return outcome == 0;
    default:
        return outcome != 0;
    }
}

static bool is_comparison(enum node_operator operation) {
    return operation >= OPERATOR_LESS && operation <= OPERATOR_NOT_EQUAL;
}

/* A NaN is neither less nor greater nor equal. */
static bool compare_floats(enum node_operator operation, long double a, long double b) {
    if (isnan(a) || isnan(b))
        return operation == OPERATOR_NOT_EQUAL;
    return comparison_holds(operation, a < b ? -1 : a > b);
}

static const char *float_operation(enum node_operator operation, enum basic_type basic, long double a,
                                   long double b, struct scalar *ret) {
    bool is_float = basic == BASIC_FLOAT, is_double = basic == BASIC_DOUBLE;
    long double result;
    switch (operation) { /* each in its own type: that is where it is rounded */
    case OPERATOR_ADD:
        result = is_float ? (float)a + (float)b : is_double ? (double)a + (double)b : a + b;
        break;
    case OPERATOR_SUBTRACT:
        result = is_float ? (float)a - (float)b : is_double ? (double)a - (double)b : a - b;
        break;
    case OPERATOR_MULTIPLY:
        result = is_float ? (float)a * (float)b : is_double ? (double)a * (double)b : a * b;
        break;
    case OPERATOR_DIVIDE:
        result = is_float ? (float)a / (float)b : is_double ? (double)a / (double)b : a / b;
        break;
    default:
        return "the operator needs integers";
    }
    *ret = scalar_float(basic, result);
    return NULL;
}

static const char *divide(enum node_operator operation, enum basic_type basic, __int128 a, __int128 b,
                          uint128 *ret) {
    bool quotient = operation == OPERATOR_DIVIDE;
    if (!b)
        return "division by zero";
    if (!basic_types[basic].is_signed)
        *ret = quotient ? (uint128)a / (uint128)b : (uint128)a % (uint128)b;
    else if (b == -1) /* the least integer has no counterpart: it wraps */
        *ret = quotient ? -(uint128)a : 0;
    else
        *ret = (uint128)(quotient ? a / b : a % b);
    return NULL;
}

static const char *integer_operation(enum node_operator operation, enum basic_type basic, __int128 left,
                                     __int128 right, struct scalar *ret) {
    uint128 a = (uint128)left, b = (uint128)right, result = 0;
    const char *why = NULL;
    switch (operation) {
    case OPERATOR_ADD:
        result = a + b;
        break;
    case OPERATOR_SUBTRACT:
        result = a - b;
        break;
    case OPERATOR_MULTIPLY:
        result = a * b;
        break;
    case OPERATOR_DIVIDE:
    case OPERATOR_REMAINDER:
        why = divide(operation, basic, left, right, &result);
        break;
    case OPERATOR_AND:
        result = a & b;
        break;
    case OPERATOR_XOR:
        result = a ^ b;
        break;
    case OPERATOR_OR:
        result = a | b;
        break;
    default:
        why = "the operator does not go with integers";
    }
    if (!why)
        *ret = scalar_integer(basic, (__int128)result);
    return why;
}

static const char *shift(enum node_operator operation, struct scalar left, struct scalar right,
                         struct scalar *ret) {
    if (left.kind == SCALAR_FLOAT || right.kind == SCALAR_FLOAT)
        return "a shift needs integers";
    convert_in_place(&left, promoted(left.basic));
    const struct type *type = &basic_types[left.basic];
    if (right.integer < 0 || right.integer >= (__int128)type->size * 8)
        return "the shift is negative or as wide as the type";
    unsigned count = (unsigned)right.integer;
    uint128 bits = (uint128)left.integer;
    if (operation == OPERATOR_SHIFT_LEFT)
        bits <<= count;
    else
        bits = type->is_signed ? (uint128)(left.integer >> count) : bits >> count;
    *ret = scalar_integer(left.basic, (__int128)bits);
    return NULL;
}

const char *scalar_binary(enum node_operator operation, struct scalar left, struct scalar right,
                          struct scalar *ret) {
    if (operation == OPERATOR_SHIFT_LEFT || operation == OPERATOR_SHIFT_RIGHT)
        return shift(operation, left, right, ret);
    scalar_usual_conversions(&left, &right);
    enum basic_type basic = left.basic;
    if (is_comparison(operation)) {
        bool holds = basic_is_float(basic) ? compare_floats(operation, left.real, right.real)
                     : basic_types[basic].is_signed
                         ? comparison_holds(operation,
                                            left.integer < right.integer ? -1 : left.integer > right.integer)
                         : comparison_holds(operation, (uint128)left.integer < (uint128)right.integer
                                                           ? -1
                                                           : (uint128)left.integer > (uint128)right.integer);
        *ret = scalar_integer(BASIC_INT, holds);
        return NULL;
    }
    if (basic_is_float(basic))
        return float_operation(operation, basic, left.real, right.real, ret);
    return integer_operation(operation, basic, left.integer, right.integer, ret);
}
