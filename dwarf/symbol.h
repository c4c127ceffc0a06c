/* symbol: the function symbols of a module: .symtab and .dynsym of the file, .symtab of its debug file. */
#ifndef REEL_DWARF_SYMBOL_H
#define REEL_DWARF_SYMBOL_H

#include "dwarf/module.h"

struct symbol {
    const char *name;   /* as it stands in the file, perhaps with @VERSION; in the bytes of a module's file */
    uint64_t low, high; /* as linked; an unknown size reaches to the next symbol */
    uint8_t type, binding; /* STT_*, STB_* */
};

struct symbols {
    const struct symbol
        *symbols; /* by address; of one address the best first: functions, globals, short names */
    size_t count;
    const struct symbol *parts; /* those of symbol_is_part(), by name */
    size_t part_count;
};

/* Owned by the module, read once. Damaged tables yield what can be read of them. */
struct error *module_symbols(struct module *module, struct symbols *ret);
/* The symbols at exactly this address: the first one and how many; NULL and 0. */
const struct symbol *symbols_at(const struct symbols *symbols, uint64_t vaddr, size_t *ret_count);
/* The best symbol that covers the address, or NULL. */
const struct symbol *symbols_covering(const struct symbols *symbols, uint64_t vaddr);
/* True for the name of a part that was split off a function and is no function itself: "foo.cold". */
bool symbol_is_part(const char *name);

#endif
