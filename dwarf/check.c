/* What is shown to libdwarf 20210528 must be sound, since it checks too little itself: see
 * module_check_die(). */
#include "dwarf/die.h"
#include "dwarf/module_private.h"

#define DEPTH_MAX 1024

static bool is_string_form(unsigned form) {
    switch (form) {
    case DW_FORM_string:
    case DW_FORM_strp:
    case DW_FORM_line_strp:
    case DW_FORM_strx:
    case DW_FORM_strx1:
    case DW_FORM_strx2:
    case DW_FORM_strx3:
    case DW_FORM_strx4:
    case DW_FORM_GNU_str_index:
        return true;
    default:
        return false;
    }
}

static bool is_reference_form(unsigned form) {
    switch (form) {
    case DW_FORM_ref1:
    case DW_FORM_ref2:
    case DW_FORM_ref4:
    case DW_FORM_ref8:
    case DW_FORM_ref_udata:
    case DW_FORM_ref_addr:
        return true;
    default:
        return false;
    }
}

static bool check_attribute(const struct attribute *attribute, void *context) {
    struct die target;
    (void)context;
    if (is_string_form(attribute->form))
        return attribute_string(attribute) != NULL;
    if (is_reference_form(attribute->form))
        return attribute_reference(attribute, &target);
    return true;
}

static bool check_dies(struct dwarf_unit *unit, uint64_t *ret_at) {
    size_t depth = 0;
    for (uint64_t at = unit->first_die; at < unit->end;) {
        struct die die, next;
        struct attribute attribute;
        *ret_at = at;
        if (!die_read(unit, at, &die) || !(at = die_end(&die)))
            return false;
        if (!die.abbreviation) {
            depth -= depth > 0;
            continue;
        }
        if (!die_attributes(&die, check_attribute, NULL))
            return false;
        /* libdwarf follows it without looking whether it leads forward. */
        if (die_attribute(&die, DW_AT_sibling, &attribute) &&
            (!attribute_reference(&attribute, &next) || next.unit != unit || next.offset < at))
            return false;
        depth += die.abbreviation->children;
        if (depth > DEPTH_MAX)
            return false;
    }
    *ret_at = unit->end;
    return true;
}

struct error *module_check_die(struct module *module, const struct die_place *place) {
    struct dwarf_unit *unit =
        place->file ? debug_file_unit_at((struct debug_file *)place->file, place->in_types, place->offset)
                    : NULL;
    uint64_t at = place->offset;
    if (!unit)
        return error_new(ERROR_BAD_DATA, "%s: no DIE at 0x%llx", module->name, (unsigned long long)at);
    if (!unit->checked)
        unit->checked = unit_read_root(unit) && check_dies(unit, &at) ? 1 : -1;
    return unit->checked > 0 ? NULL : unit_damaged(unit, at);
}
