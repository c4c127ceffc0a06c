/* name: what functions and variables are called: demangled, qualified, and the parts of that. */
#ifndef REEL_DWARF_NAME_H
#define REEL_DWARF_NAME_H

#include "dwarf/scan.h"

/* As in struct function; all in one arena. */
struct names {
    const char *name, *base, *display, *linkage;
};

/* Names from a symbol: C++ (Itanium), Rust (legacy and v0); any other name is itself. Versions (@...) are cut
 * off, suffixes of the compiler (.isra.0, .cold) stay in linkage only. With display false display is left
 * NULL, which is faster. False when memory is out. */
bool names_from_symbol(struct arena *arena, const char *symbol, bool display, struct names *ret);

/* Names from DWARF: the linkage name where there is one, else DW_AT_name within its scopes. linkage is NULL
 * when there is none; name is NULL when it has no name. False when memory is out. */
bool names_from_die(struct arena *arena, const struct die *die, bool display, struct names *ret);

/* The last component of a qualified name, without template arguments: of "a::b<c::d>" it is "b". */
char *name_base(struct arena *arena, const char *qualified);

/* Demangle; NULL when it is no mangled name, or memory is out (*ret_no_memory). */
char *name_demangle(struct arena *arena, const char *mangled, bool parameters, bool *ret_no_memory);

#endif
