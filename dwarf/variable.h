/* variable: parameters and locals of a function, of its lexical blocks and of what is inlined into it;
 * globals; and where they are at an address. */
#ifndef REEL_DWARF_VARIABLE_H
#define REEL_DWARF_VARIABLE_H

#include "dwarf/function.h"

/* An expression that holds for [low, high) as linked. 0 and UINT64_MAX: everywhere in the scope. */
struct variable_location {
    uint64_t low, high;
    const uint8_t *expression; /* DWARF expression; in the bytes of the module */
    size_t size;               /* 0: optimized out here */
};

struct variable {
    const char *name;           /* never NULL; "" for an unnamed parameter */
    const char *file;           /* NULL: unknown */
    unsigned line;              /* 0: unknown */
    bool parameter, artificial; /* artificial: `this` and the like */
    bool is_static;             /* one for all calls: its address is fixed */
    struct die_place type;      /* file NULL: unknown */
    struct die_place place;     /* of the variable itself */
    struct dwarf_unit *unit;    /* that its expressions belong to */
    const struct address_range
        *scope; /* where the name means this variable; none: everywhere in the module */
    size_t scope_count;
    unsigned depth; /* of nested blocks: the same name deeper down hides this one */
    int inlined;    /* index in function_inlined(), or -1: the function's own */
    const struct variable_location *locations; /* none and no constant: optimized out */
    size_t location_count;
    bool has_constant; /* DW_AT_const_value: the bytes themselves, little endian */
    const uint8_t *constant;
    size_t constant_size; /* may be shorter or longer than the type */
    bool constant_is_number,
        constant_is_signed; /* the 8 bytes are an integer, to be cut to the type's size */
};

struct variables {
    const struct variable *variables; /* parameters in order first, then as they stand in the source */
    size_t count;
    bool variadic; /* the function takes more arguments than are listed */
};

/* Variables of a function; owned by the module, read once. None without DWARF. */
struct error *function_variables(struct module *module, const struct function *function,
                                 struct variables *ret);

/* True if the variable is in scope at the address. */
bool variable_in_scope(const struct variable *variable, uint64_t vaddr);
/* The location that holds at the address, or NULL: optimized out there. */
const struct variable_location *variable_location_at(const struct variable *variable, uint64_t vaddr);

/* DW_AT_frame_base of a function at an address; false when it has none there. */
bool function_frame_base(struct module *module, const struct function *function, uint64_t vaddr,
                         struct variable_location *ret);

/* A global or file-static variable by its name, plain ("total") or qualified ("shop::total"). The first that
 * has a location; owned by the module. ERROR_NOT_FOUND. Reads all units. */
struct error *module_global(struct module *module, const char *name, const struct variable **ret);

#endif
