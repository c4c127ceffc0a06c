/* expression_scalar: numbers and pointers as expressions compute with them, by the rules of C11 6.3 and 6.5
 * on x86-64 Linux. Private to dwarf/expression*. Knows no memory.
 *
 * Functions that can go wrong return what is wrong, a static text, or NULL. */
#ifndef REEL_DWARF_EXPRESSION_SCALAR_H
#define REEL_DWARF_EXPRESSION_SCALAR_H

#include "dwarf/expression_node.h"
#include "dwarf/type.h"

#define SCALAR_BYTES_MOST 16

enum scalar_kind { SCALAR_INTEGER, SCALAR_FLOAT, SCALAR_POINTER };

struct scalar {
    enum scalar_kind kind;
    const struct type *type; /* how it shows, and what a pointer points to */
    enum basic_type basic;   /* what it computes as, unless it is a pointer */
    __int128 integer;        /* sign or zero extended from its type; a pointer's address */
    long double real;
};

/* The static struct type of a basic type. */
const struct type *basic_type(enum basic_type basic);

/* The basic type that an arithmetic type computes as; BASIC_NONE for all others. type is stripped. */
enum basic_type basic_of(const struct type *type);

bool basic_is_float(enum basic_type basic);

/* From the bytes of an object of an arithmetic type; basic is basic_of() its type. */
void scalar_from_bytes(const struct type *type, enum basic_type basic, const void *bytes, struct scalar *ret);

/* From a bit field of up to 128 bits that starts bit_offset (0 to 7) into bytes. */
void scalar_from_bits(const struct type *type, enum basic_type basic, const void *bytes, unsigned bit_offset,
                      unsigned bit_size, struct scalar *ret);

struct scalar scalar_integer(enum basic_type basic, __int128 value);
struct scalar scalar_float(enum basic_type basic, long double value);
struct scalar scalar_pointer(const struct type *type, uint64_t address);

/* The bytes of the value in its own type; how many. */
size_t scalar_to_bytes(const struct scalar *scalar, uint8_t ret[SCALAR_BYTES_MOST]);

bool scalar_is_true(const struct scalar *scalar);

/* Convert a number (or an address) to an arithmetic type; type is how it shows then. */
const char *scalar_convert(const struct scalar *from, const struct type *type, enum basic_type basic,
                           struct scalar *ret);

/* Bring two numbers to their common type (C11 6.3.1.8). */
void scalar_usual_conversions(struct scalar *left, struct scalar *right);

/* + - ~ of a number. */
const char *scalar_unary(enum node_operator operation, const struct scalar *operand, struct scalar *ret);

/* An operator of two numbers, but && and ||. */
const char *scalar_binary(enum node_operator operation, struct scalar left, struct scalar right,
                          struct scalar *ret);

/* Does a comparison of this outcome (negative, 0, positive) fulfil the operator? */
bool comparison_holds(enum node_operator operation, int outcome);

#endif
