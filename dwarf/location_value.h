/* location_value: arithmetic on the values of the DWARF expression stack (DWARF 5, section 2.5.1.4, 2.5.1.6).
 *
 * Values of the generic type are 64-bit integers that wrap around; they are divided, compared, converted and
 * shifted arithmetically as signed, and their remainder is unsigned, as the standard says (and gdb does where
 * it does not). Values of base types are what their encoding says; floats of 16 bytes are x87's, as nothing
 * tells them from
 * __float128. Encodings that are neither integers nor floats (complex, decimal) can be moved about only. */
#ifndef REEL_DWARF_LOCATION_VALUE_H
#define REEL_DWARF_LOCATION_VALUE_H

#include "base/error.h"
#include "dwarf/location.h"

#include <stdbool.h>
#include <stdint.h>

/* Operations are named by their operator, DW_OP_*. All give ERROR_BAD_DATA for operands that do not fit
 * together or to the operation, division by zero, and numbers that do not fit into their new type. ret may be
 * an operand. */

/* DW_OP_abs, neg, not */
struct error *location_value_unary(uint8_t operation, const struct location_value *operand,
                                   struct location_value *ret);
/* DW_OP_and, div, minus, mod, mul, or, plus, shl, shr, shra, xor, eq, ge, gt, le, lt, ne; first was pushed
 * first. */
struct error *location_value_binary(uint8_t operation, const struct location_value *first,
                                    const struct location_value *second, struct location_value *ret);
/* The same number in another type. ERROR_UNSUPPORTED for encodings that are neither integer nor float. */
struct error *location_value_convert(const struct location_value *value, const struct location_type *type,
                                     struct location_value *ret);
/* The same bits as another type of the same size. */
struct error *location_value_reinterpret(const struct location_value *value, const struct location_type *type,
                                         struct location_value *ret);
/* The lowest 64 bits of an integer, its sign extended; false when it is none. */
bool location_value_to_u64(const struct location_value *value, uint64_t *ret);

extern const struct location_type location_generic_type;

#endif
