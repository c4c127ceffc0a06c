/* list: range lists and location lists (DWARF 5 sections 2.6.2, 2.17.3, 7.25, 7.28, 7.29; 2 to 4; GNU's for
 * split version 4). */
#ifndef REEL_DWARF_LIST_H
#define REEL_DWARF_LIST_H

#include "dwarf/die.h"

struct list_entry {
    uint64_t low, high;      /* as linked; 0 and UINT64_MAX for a default location */
    struct bytes expression; /* of location lists */
};

/* The entries of a list; return false to end it. */
typedef bool list_visit(const struct list_entry *entry, void *context);

/* The list that an attribute (DW_AT_ranges, DW_AT_location, ...) points to. False when it points to none, or
 * to something damaged: entries before the damage have been seen then. */
bool range_list(const struct attribute *attribute, list_visit *visit, void *context);
bool location_list(const struct attribute *attribute, list_visit *visit, void *context);

/* The addresses of a DIE: DW_AT_low_pc with DW_AT_high_pc, or DW_AT_ranges; empty ranges and those that
 * linkers have thrown away are left out. Appended to an array of struct address_range. False only when memory
 * is out. */
bool die_ranges(const struct die *die, struct array *ret);
/* The address where the code of a DIE is entered: DW_AT_entry_pc, else its low_pc or first range. */
bool die_entry(const struct die *die, uint64_t *ret);

#endif
