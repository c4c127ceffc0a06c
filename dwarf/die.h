/* die: debugging information entries, read straight from checked bytes (DWARF 5 chapters 2 and 7, and
 * versions 2 to 4; GNU's extensions for split DWARF and dwz).
 *
 * This is reel's own reader and not libdwarf, for two reasons: libdwarf 20210528 reads beyond damaged data,
 * and it allocates each DIE, which takes seconds where this takes fractions.
 *
 * Nothing is believed: each offset is checked when it is followed. What does not make sense reads as "not
 * there" (false, NULL); a walk over a damaged unit ends early, and then unit_damaged() makes the error. */
#ifndef REEL_DWARF_DIE_H
#define REEL_DWARF_DIE_H

#include "dwarf/debug_file.h"
#include "dwarf/module.h"

#include <libdwarf/dwarf.h>

struct abbreviation_attribute {
    uint16_t name, form; /* DW_AT_*, DW_FORM_* */
    int64_t constant;    /* of DW_FORM_implicit_const */
};

struct abbreviation {
    uint64_t code;
    const struct abbreviation_attribute *attributes;
    uint32_t attribute_count;
    int32_t fixed_size; /* bytes of all attributes together, or -1: they vary */
    uint16_t tag;       /* DW_TAG_* */
    bool children;
    bool has_code; /* has DW_AT_low_pc or DW_AT_ranges */
};

/* A table of abbreviations; sizes of forms depend on the units that use it. */
struct abbreviations {
    uint64_t offset;
    uint16_t version;
    uint8_t address_size, offset_size;
    const struct abbreviation *items; /* by code */
    size_t count;
    bool dense; /* item i has the code i + 1 */
    bool damaged;
};

/* Sections of a .dwp package are shared: where this unit's part begins, by section. Zeros elsewhere. */
struct unit_base {
    uint64_t abbrev, line, loc, str_offsets, rnglists;
};

struct unit_scan;

struct dwarf_unit {
    struct debug_file *file;
    struct bytes info; /* the whole section that the unit is in */
    bool in_types;
    uint64_t offset, first_die, end; /* in the section */
    uint16_t version;
    uint8_t type, address_size, offset_size; /* type: DW_UT_* */
    uint64_t signature, type_die;            /* of a type unit; or the dwo_id */
    uint64_t abbreviation_offset;
    struct unit_base base;
    const struct abbreviations *abbreviations; /* NULL: not read yet */
    /* From the root DIE, once root_read: */
    bool root_read, has_lines, has_low_pc;
    uint64_t low_pc, line_offset;
    uint64_t addr_base, str_offsets_base, rnglists_base, loclists_base, ranges_base;
    uint64_t dwo_id;
    const char *name, *directory, *producer, *dwo_name;
    unsigned language;
    /* Split DWARF (dwarf/split.c) */
    struct dwarf_unit *skeleton, *split;
    bool split_tried;
    struct unit_scan *scan; /* (dwarf/scan.c) */
    int checked;            /* 0: not yet, 1: sound, -1: damaged (dwarf/check.c) */
};

struct attribute {
    struct dwarf_unit *unit; /* that it was read from */
    uint16_t name, form;
    uint64_t value;     /* number, offset, index; sign-extended where the form has a sign */
    struct bytes block; /* of blocks, expressions, data16 and DW_FORM_string (with its NUL) */
};

struct die {
    struct dwarf_unit *unit;
    uint64_t offset;                         /* in the section */
    uint64_t values;                         /* where its attributes begin */
    const struct abbreviation *abbreviation; /* NULL: the entry that ends a list of children */
};

/* ---- units (dwarf/unit.c) ---- */

/* All units of the file's .debug_info or .debug_types, by offset. A damaged header ends the list, and the
 * module is told. NULL list members never occur. */
struct error *debug_file_units(struct debug_file *file, bool types, const struct unit_list **ret);
/* The unit around an offset, or NULL. */
struct dwarf_unit *debug_file_unit_at(struct debug_file *file, bool types, uint64_t offset);
/* Read abbreviations and root DIE; false when they are damaged. */
bool unit_read_root(struct dwarf_unit *unit);
bool unit_root(struct dwarf_unit *unit, struct die *ret);
/* The unit with the contents: of a skeleton its split unit when that can be found, else the unit itself. */
struct dwarf_unit *unit_contents(struct dwarf_unit *unit); /* (dwarf/split.c) */
/* The unit that addresses and line tables come from: its skeleton, or itself. */
struct dwarf_unit *unit_addresses(struct dwarf_unit *unit);
/* For dwarf/unit.c: the parts of a .dwp package that belong to the unit at info_offset. (dwarf/split.c) */
void package_bases(struct debug_file *file, bool types, struct dwarf_unit *unit);
struct error *unit_damaged(const struct dwarf_unit *unit, uint64_t offset);

/* ---- DIEs ---- */

/* Read the entry at an offset; false when there is none or it is damaged. */
bool die_read(struct dwarf_unit *unit, uint64_t offset, struct die *ret);
bool die_at(const struct die_place *place, struct die *ret);
struct die_place die_place(const struct die *die);
/* The offset behind its attributes: its first child, or what follows; 0 when it is damaged. */
uint64_t die_end(const struct die *die);
/* The offset of what follows the DIE and all its children; 0 when it is damaged. */
uint64_t die_sibling(const struct die *die);
static inline unsigned die_tag(const struct die *die) {
    return die->abbreviation ? die->abbreviation->tag : 0;
}

bool die_attribute(const struct die *die, unsigned name, struct attribute *ret);
/* Also from what DW_AT_abstract_origin and DW_AT_specification lead to. */
bool die_find_attribute(const struct die *die, unsigned name, struct attribute *ret);
/* One step along DW_AT_abstract_origin, else DW_AT_specification. */
bool die_origin(const struct die *die, struct die *ret);
/* Call visit for each attribute until it says false; false then, or when the DIE is damaged. */
bool die_attributes(const struct die *die, bool (*visit)(const struct attribute *, void *context),
                    void *context);

const char *die_string(const struct die *die, unsigned name);                    /* with origins; NULL */
bool die_flag(const struct die *die, unsigned name);                             /* with origins */
uint64_t die_unsigned(const struct die *die, unsigned name, uint64_t otherwise); /* with origins */
struct die_place die_type(const struct die *die); /* DW_AT_type with origins; file NULL: none */

/* ---- attributes ---- */

bool attribute_address(const struct attribute *attribute, uint64_t *ret);
bool attribute_number(const struct attribute *attribute, uint64_t *ret);
/* A section offset: also data4 and data8, as DWARF 2 and 3 have it. */
bool attribute_offset(const struct attribute *attribute, uint64_t *ret);
const char *attribute_string(const struct attribute *attribute); /* NULL */
bool attribute_expression(const struct attribute *attribute, struct bytes *ret);
bool attribute_reference(const struct attribute *attribute, struct die *ret);
bool attribute_place(const struct attribute *attribute, struct die_place *ret);

/* Entry of .debug_addr. */
bool unit_address(struct dwarf_unit *unit, uint64_t index, uint64_t *ret);
/* NUL-terminated string in a section, or NULL. */
const char *section_string(struct bytes section, uint64_t offset);
/* Little-endian number of 1 to 8 bytes; false when it is not all there. */
bool section_number(struct bytes section, uint64_t offset, unsigned size, uint64_t *ret);

/* The reading of one attribute's value, for dwarf/check.c and dwarf/line_table.c; false when it does not fit.
 */
bool form_read(struct dwarf_unit *unit, struct cursor *cursor, unsigned form, int64_t constant,
               struct attribute *ret);
const struct abbreviations *abbreviations_read(struct debug_file *file, uint64_t offset,
                                               const struct dwarf_unit *unit); /* (dwarf/abbreviation.c) */
/* Bytes that a form takes in the unit, or -1: it varies. */
int form_size(unsigned form, unsigned version, unsigned address_size, unsigned offset_size);

#endif
