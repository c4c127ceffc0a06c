/* function_private: the making of functions, for dwarf/function*.c. */
#ifndef REEL_DWARF_FUNCTION_PRIVATE_H
#define REEL_DWARF_FUNCTION_PRIVATE_H

#include "dwarf/function.h"
#include "dwarf/module_private.h"
#include "dwarf/name.h"
#include "dwarf/symbol.h"

#include "dwarf/variable.h"

/* What has been read of the inside of a function. */
struct function_details {
    const struct inlined *inlined;
    size_t inlined_count;
    const struct call_site *sites;
    size_t site_count;
    bool variables_read;
    struct variables variables;
};
/* (dwarf/inlined.c) Read but for the variables. */
struct error *function_details(struct module *module, const struct function *function,
                               struct function_details **ret);

/* (dwarf/function_make.c) Make a function that is in nobody's table yet; in the module's arena. *ret is NULL
 * when there is none. */
struct error *function_from_die(struct module *module, struct dwarf_unit *unit,
                                const struct scanned_function *scanned, struct function **ret);
struct error *function_from_symbol(struct module *module, const struct symbol *symbol, struct function **ret);
struct error *function_from_start(struct module *module, uint64_t entry, uint64_t end, struct function **ret);

/* (dwarf/function.c) The one function that is entered at this address: DWARF's, else the symbol's. *ret is
 * NULL when no function is: the symbol lies inside of another. */
struct error *function_at_entry(struct module *module, uint64_t entry, const struct function **ret);
/* The same when the unit is known. */
struct error *function_of_die(struct module *module, struct dwarf_unit *unit,
                              const struct scanned_function *scanned, const struct function **ret);
/* The function that only .eh_frame knows at the address, or NULL. */
struct error *function_by_frame(struct module *module, uint64_t vaddr, const struct function **ret);
/* All starts of functions that the file tells of, sorted. Owned by the module. */
struct error *module_starts(struct module *module, const uint64_t **ret, size_t *ret_count);
/* True in the sections that hold stubs of the linker (.plt and the like). */
bool module_is_stub(const struct module *module, uint64_t vaddr);

/* (dwarf/line.c) Name of file number index in the unit's line table, or NULL. */
const char *unit_file_name(struct dwarf_unit *unit, uint64_t index);

#endif
