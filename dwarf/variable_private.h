/* variable_private: what dwarf/variable*.c share. */
#ifndef REEL_DWARF_VARIABLE_PRIVATE_H
#define REEL_DWARF_VARIABLE_PRIVATE_H

#include "dwarf/die.h"
#include "dwarf/variable.h"

/* A variable or parameter from its DIE, without its scope; false when memory is out. */
bool variable_read(struct arena *arena, const struct die *die, struct variable *ret);

/* The expression of an attribute that holds at an address: of an expression itself, or out of its list. */
bool attribute_location_at(const struct attribute *attribute, uint64_t vaddr, struct variable_location *ret);

#endif
