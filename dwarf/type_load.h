/* type_load: reading a type from its DIE, for the table in type.c. */
#ifndef REEL_DWARF_TYPE_LOAD_H
#define REEL_DWARF_TYPE_LOAD_H

#include "dwarf/type_private.h"

/* A fresh type with a copy of name; NULL: out of memory. */
struct type *type_new(struct types *types, enum type_kind kind, const char *name);
void type_free(struct type *type);
/* Free what type_complete() has read. */
void type_forget_parts(struct type *type);

/* Read the type at die. *ret_alias: it is another DIE's type (a type unit's), and owned by that one's entry.
 */
struct error *type_read(struct types *types, uint64_t die, struct type **ret, bool *ret_alias);

#endif
