/* scan: one pass over all DIEs of a unit, which finds its functions, its globals, and what encloses them. */
#ifndef REEL_DWARF_SCAN_H
#define REEL_DWARF_SCAN_H

#include "dwarf/die.h"

/* A DIE that gives names to what is in it: namespace, class, function, module, ... */
struct scope {
    uint64_t offset, end;
    uint32_t parent; /* index, or SCOPE_NONE */
    uint16_t tag;
};
#define SCOPE_NONE UINT32_MAX

/* An out-of-line instance of a function. */
struct scanned_function {
    uint64_t entry, die;
};

struct scanned_range {
    uint64_t low, high;
    uint32_t function; /* index */
};

struct unit_scan {
    struct scope *scopes; /* by offset */
    size_t scope_count;
    struct scanned_function *functions; /* as they stand in the unit */
    size_t function_count;
    struct scanned_range *ranges; /* of the functions, by low */
    size_t range_count;
    uint64_t *globals; /* offsets of variables outside of functions */
    size_t global_count;
    bool damaged; /* everything before damaged_at was read */
    uint64_t damaged_at;
};

/* Scan a unit (not a skeleton: unit_contents()), once. Damage is no error: see unit_scan.damaged. */
struct error *unit_scan(struct dwarf_unit *unit, const struct unit_scan **ret);
/* The innermost scope around an offset, not the DIE at it itself; SCOPE_NONE. */
uint32_t unit_scope(const struct unit_scan *scan, uint64_t offset);
/* The function whose ranges hold the address, or NULL. */
const struct scanned_function *unit_function_at(const struct unit_scan *scan, uint64_t vaddr);

/* All contents of units of the module's debug file, in order. (dwarf/unit_index.c) */
struct error *module_units(struct module *module, const struct unit_list **ret);
/* The unit whose code is at the address: its contents, or NULL. Reads .debug_aranges, or root DIEs. */
struct error *module_unit_at(struct module *module, uint64_t vaddr, struct dwarf_unit **ret);

#endif
