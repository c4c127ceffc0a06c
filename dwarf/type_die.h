/* type_die: DIEs for the type loader: libdwarf behind a few calls that cannot fail in odd ways.
 *
 * An attribute that is missing, or has a form that makes no sense for it, is not there: false. Only what
 * makes a type impossible is an error. Offsets of DIEs carry TYPE_DIE_IN_TYPES, see type.h. */
#ifndef REEL_DWARF_TYPE_DIE_H
#define REEL_DWARF_TYPE_DIE_H

#include "dwarf/type.h"

#include <libdwarf/dwarf.h>

/* Newer than libdwarf's list, or GNU's. */
#ifndef DW_FORM_GNU_ref_alt
#define DW_FORM_GNU_ref_alt 0x1f20
#endif

/* A DIE that is open; type_die_close() it. Zeroed: none. */
struct type_die {
    Dwarf_Debug dwarf;
    Dwarf_Die handle;
    bool in_types;
};

struct error *type_die_open(struct types *types, uint64_t offset, struct type_die *ret);
void type_die_close(struct type_die *die);

unsigned type_die_tag(const struct type_die *die);
uint64_t type_die_offset(const struct type_die *die);
/* Of the DIE of the unit it is in; 0 when there is none. */
uint64_t type_die_unit(const struct type_die *die);

/* The first child; ret is empty (ret->handle NULL) when there is none. */
struct error *type_die_child(const struct type_die *die, struct type_die *ret);
/* Close *die and make it the next sibling, or empty behind the last. */
struct error *type_die_advance(struct type_die *die);

bool type_die_has(const struct type_die *die, unsigned attribute);
/* Not owned; lives as long as the Dwarf_Debug. NULL when not there. */
const char *type_die_string(const struct type_die *die, unsigned attribute);
/* A constant of whatever form; signed forms are sign extended. */
bool type_die_constant(const struct type_die *die, unsigned attribute, int64_t *ret);
bool type_die_flag(const struct type_die *die, unsigned attribute);
/* An expression or block. */
bool type_die_expression(const struct type_die *die, unsigned attribute, struct type_expression *ret);

/* Where a reference leads; type signatures are looked up. */
enum type_die_reference {
    REFERENCE_NONE,
    REFERENCE_DIE,
    REFERENCE_OTHER_FILE, /* into a supplementary file, or by a signature that no unit here has */
    REFERENCE_MISSING,    /* nonsense */
};
enum type_die_reference type_die_reference(const struct type_die *die, unsigned attribute, uint64_t *ret);

#endif
