/* What the values of attributes mean (DWARF 5 section 7.5.5). */
#include "dwarf/die.h"
#include "dwarf/module_private.h"

#include <string.h>

const char *section_string(struct bytes section, uint64_t offset) {
    if (offset >= section.size || !memchr(section.data + offset, 0, section.size - offset))
        return NULL;
    return (const char *)section.data + offset;
}

bool section_number(struct bytes section, uint64_t offset, unsigned size, uint64_t *ret) {
    if (offset > section.size || size > section.size - offset)
        return false;
    uint64_t value = 0;
    memcpy(&value, section.data + offset, size);
    *ret = value;
    return true;
}

/* base + index * size without overflow; a number that lies outside everything when it does. */
static uint64_t entry_offset(uint64_t base, uint64_t index, unsigned size) {
    uint64_t offset;
    if (__builtin_mul_overflow(index, (uint64_t)size, &offset) ||
        __builtin_add_overflow(base, offset, &offset))
        return UINT64_MAX;
    return offset;
}

bool unit_address(struct dwarf_unit *unit, uint64_t index, uint64_t *ret) {
    struct dwarf_unit *owner = unit_addresses(unit);
    struct bytes section = debug_file_section(owner->file, DEBUG_ADDR);
    return section_number(section, entry_offset(owner->addr_base, index, 8), 8, ret);
}

bool attribute_address(const struct attribute *attribute, uint64_t *ret) {
    switch (attribute->form) {
    case DW_FORM_addr:
        *ret = attribute->value;
        return true;
    case DW_FORM_addrx:
    case DW_FORM_addrx1:
    case DW_FORM_addrx2:
    case DW_FORM_addrx3:
    case DW_FORM_addrx4:
    case DW_FORM_GNU_addr_index:
        return unit_address(attribute->unit, attribute->value, ret);
    default:
        return false;
    }
}

bool attribute_number(const struct attribute *attribute, uint64_t *ret) {
    switch (attribute->form) {
    case DW_FORM_data1:
    case DW_FORM_data2:
    case DW_FORM_data4:
    case DW_FORM_data8:
    case DW_FORM_sdata:
    case DW_FORM_udata:
    case DW_FORM_implicit_const:
    case DW_FORM_flag:
    case DW_FORM_flag_present:
        *ret = attribute->value;
        return true;
    default:
        return false;
    }
}

bool attribute_offset(const struct attribute *attribute, uint64_t *ret) {
    bool old = attribute->unit->version < 4;
    if (attribute->form != DW_FORM_sec_offset &&
        !(old && (attribute->form == DW_FORM_data4 || attribute->form == DW_FORM_data8)))
        return false;
    *ret = attribute->value;
    return true;
}

static const char *indexed_string(const struct attribute *attribute) {
    struct dwarf_unit *unit = attribute->unit;
    struct bytes offsets = debug_file_section(unit->file, DEBUG_STR_OFFSETS);
    uint64_t at = entry_offset(unit->str_offsets_base, attribute->value, unit->offset_size), offset;
    if (!section_number(offsets, at, unit->offset_size, &offset))
        return NULL;
    return section_string(debug_file_section(unit->file, DEBUG_STR), offset);
}

const char *attribute_string(const struct attribute *attribute) {
    struct debug_file *file = attribute->unit->file;
    switch (attribute->form) {
    case DW_FORM_string:
        return (const char *)attribute->block.data;
    case DW_FORM_strp:
        return section_string(debug_file_section(file, DEBUG_STR), attribute->value);
    case DW_FORM_line_strp:
        return section_string(debug_file_section(file, DEBUG_LINE_STR), attribute->value);
    case DW_FORM_strp_sup:
    case DW_FORM_GNU_strp_alt:
        file = debug_file_alternate(file);
        return file ? section_string(debug_file_section(file, DEBUG_STR), attribute->value) : NULL;
    case DW_FORM_strx:
    case DW_FORM_strx1:
    case DW_FORM_strx2:
    case DW_FORM_strx3:
    case DW_FORM_strx4:
    case DW_FORM_GNU_str_index:
        return indexed_string(attribute);
    default:
        return NULL;
    }
}

bool attribute_expression(const struct attribute *attribute, struct bytes *ret) {
    switch (attribute->form) {
    case DW_FORM_exprloc:
    case DW_FORM_block1:
    case DW_FORM_block2:
    case DW_FORM_block4:
    case DW_FORM_block:
        *ret = attribute->block;
        return true;
    default:
        return false;
    }
}

/* The type unit with this signature; it stands beside the unit that refers to it. */
static bool find_type_unit(struct debug_file *file, uint64_t signature, struct die_place *ret) {
    for (int types = 0; types < 2; types++) {
        const struct unit_list *list;
        struct error *err = debug_file_units(file, types, &list);
        if (err) {
            error_free(err);
            return false;
        }
        for (size_t i = 0; i < list->count; i++) {
            const struct dwarf_unit *unit = list->units[i];
            if ((unit->type == DW_UT_type || unit->type == DW_UT_split_type) &&
                unit->signature == signature && unit->type_die < unit->end - unit->offset) {
                *ret = (struct die_place){file, unit->offset + unit->type_die, types};
                return true;
            }
        }
    }
    return false;
}

bool attribute_place(const struct attribute *attribute, struct die_place *ret) {
    struct dwarf_unit *unit = attribute->unit;
    struct debug_file *file = unit->file;
    switch (attribute->form) {
    case DW_FORM_ref1:
    case DW_FORM_ref2:
    case DW_FORM_ref4:
    case DW_FORM_ref8:
    case DW_FORM_ref_udata:
        if (attribute->value >= unit->end - unit->offset)
            return false;
        *ret = (struct die_place){file, unit->offset + attribute->value, unit->in_types};
        return true;
    case DW_FORM_ref_addr:
        *ret = (struct die_place){file, attribute->value, false};
        return true;
    case DW_FORM_GNU_ref_alt:
    case DW_FORM_ref_sup4:
    case DW_FORM_ref_sup8:
        file = debug_file_alternate(file);
        if (!file)
            return false;
        *ret = (struct die_place){file, attribute->value, false};
        return true;
    case DW_FORM_ref_sig8:
        return find_type_unit(file, attribute->value, ret);
    default:
        return false;
    }
}

bool attribute_reference(const struct attribute *attribute, struct die *ret) {
    struct die_place place;
    struct dwarf_unit *unit = attribute->unit;
    if (!attribute_place(attribute, &place))
        return false;
    if (place.file == unit->file && place.in_types == unit->in_types && place.offset >= unit->first_die &&
        place.offset < unit->end) /* mostly */
        return die_read(unit, place.offset, ret) && ret->abbreviation;
    return die_at(&place, ret);
}
