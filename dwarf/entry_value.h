/* entry_value: what a register or parameter was when a function was entered, as its caller knows it (DWARF 5
 * section 3.4: call sites and their parameters). For dwarf/evaluation.c. */
#ifndef REEL_DWARF_ENTRY_VALUE_H
#define REEL_DWARF_ENTRY_VALUE_H

#include "dwarf/die.h"
#include "dwarf/evaluation.h"

/* The callbacks of struct location_context of the same names; context is the struct evaluation. */
struct error *entry_value(void *context, const uint8_t *expression, size_t size, struct location_value *ret);
struct error *entry_parameter(void *context, uint64_t unit_offset, struct location_value *ret);

/* (dwarf/evaluation.c) */
void evaluation_set_unit(struct evaluation *evaluation, struct dwarf_unit *unit);

#endif
