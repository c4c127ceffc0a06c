#include "dwarf/die.h"
#include "dwarf/module_private.h"

#include <stdlib.h>
#include <string.h>

struct error *unit_damaged(const struct dwarf_unit *unit, uint64_t offset) {
    return error_new(ERROR_BAD_DATA, "%s: damaged .debug_%s near 0x%llx", unit->file->path,
                     unit->in_types ? "types" : "info", (unsigned long long)offset);
}

/* Read a header (DWARF 5 section 7.5.1); the cursor is then at the first DIE. */
static bool read_header(struct cursor *cursor, struct dwarf_unit *unit) {
    uint64_t length = cursor_u32(cursor);
    unit->offset_size = 4;
    if (length == 0xffffffff) {
        length = cursor_u64(cursor);
        unit->offset_size = 8;
    } else if (length >= 0xfffffff0)
        return false;
    if (cursor->failed || length > cursor_left(cursor))
        return false;
    unit->end = cursor->offset + length;
    unit->version = cursor_u16(cursor);
    if (unit->version < 2 || unit->version > 5)
        return false;
    unit->type = unit->in_types ? DW_UT_type : DW_UT_compile;
    if (unit->version == 5) {
        unit->type = cursor_u8(cursor);
        unit->address_size = cursor_u8(cursor);
    }
    unit->abbreviation_offset = unit->offset_size == 8 ? cursor_u64(cursor) : cursor_u32(cursor);
    if (unit->version < 5)
        unit->address_size = cursor_u8(cursor);
    if (unit->type == DW_UT_type || unit->type == DW_UT_split_type) {
        unit->signature = cursor_u64(cursor);
        unit->type_die = unit->offset_size == 8 ? cursor_u64(cursor) : cursor_u32(cursor);
    } else if (unit->type == DW_UT_skeleton || unit->type == DW_UT_split_compile)
        unit->dwo_id = cursor_u64(cursor);
    unit->first_die = cursor->offset;
    return !cursor->failed && unit->address_size == 8 && unit->first_die <= unit->end;
}

static struct error *read_units(struct debug_file *file, bool types, struct array *ret) {
    struct bytes section = debug_file_section(file, types ? DEBUG_TYPES : DEBUG_INFO);
    bool package = debug_file_has(file, DEBUG_CU_INDEX) || debug_file_has(file, DEBUG_TU_INDEX);
    struct cursor cursor;
    cursor_init(&cursor, section.data, section.size, "units");
    while (cursor_left(&cursor)) {
        struct dwarf_unit *unit = arena_alloc(&file->module->arena, sizeof(*unit));
        struct dwarf_unit **item = array_add(ret, sizeof(*item));
        if (!unit || !item)
            return &error_no_memory;
        unit->file = file;
        unit->info = section;
        unit->in_types = types;
        unit->offset = cursor.offset;
        if (!read_header(&cursor, unit)) {
            ret->count--;
            module_set_problem(file->module, unit_damaged(unit, unit->offset));
            break;
        }
        if (package)
            package_bases(file, types, unit);
        *item = unit;
        cursor_seek(&cursor, unit->end);
    }
    return NULL;
}

struct error *debug_file_units(struct debug_file *file, bool types, const struct unit_list **ret) {
    struct unit_list *list = types ? &file->types : &file->info;
    if (!list->loaded) {
        struct array units = {0};
        struct error *err = read_units(file, types, &units);
        if (err) {
            array_deinit(&units);
            return err;
        }
        list->units = units.items;
        list->count = units.count;
        list->loaded = true;
    }
    *ret = list;
    return NULL;
}

struct dwarf_unit *debug_file_unit_at(struct debug_file *file, bool types, uint64_t offset) {
    const struct unit_list *list;
    struct error *err = debug_file_units(file, types, &list);
    if (err) {
        error_free(err);
        return NULL;
    }
    size_t low = 0, high = list->count;
    while (low < high) { /* the first unit that ends behind the offset */
        size_t middle = (low + high) / 2;
        if (list->units[middle]->end <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->count && list->units[low]->offset <= offset ? list->units[low] : NULL;
}

struct dwarf_unit *unit_addresses(struct dwarf_unit *unit) {
    return unit->skeleton ? unit->skeleton : unit;
}

/* What other attributes need to be read. */
static void read_bases(const struct die *root, struct dwarf_unit *unit) {
    struct attribute attribute;
    /* Where these say nothing, the unit's part begins with the header of its section (DWARF 5 section 3.1.3).
     */
    uint64_t header = unit->offset_size == 8 ? 16 : 8;
    bool five = unit->version >= 5;
    unit->str_offsets_base = unit->base.str_offsets + (five ? header : 0);
    unit->rnglists_base = unit->base.rnglists + header + 4;
    unit->loclists_base = unit->base.loc + (five ? header + 4 : 0);
    unit->addr_base = five ? header : 0;
    if (die_attribute(root, DW_AT_str_offsets_base, &attribute))
        attribute_offset(&attribute, &unit->str_offsets_base);
    if (die_attribute(root, DW_AT_rnglists_base, &attribute))
        attribute_offset(&attribute, &unit->rnglists_base);
    if (die_attribute(root, DW_AT_loclists_base, &attribute))
        attribute_offset(&attribute, &unit->loclists_base);
    if (die_attribute(root, DW_AT_addr_base, &attribute) ||
        die_attribute(root, DW_AT_GNU_addr_base, &attribute))
        attribute_offset(&attribute, &unit->addr_base);
    if (die_attribute(root, DW_AT_GNU_ranges_base, &attribute))
        attribute_offset(&attribute, &unit->ranges_base);
}

static void read_root_attributes(const struct die *root, struct dwarf_unit *unit) {
    struct attribute attribute;
    uint64_t number = 0;
    unit->name = die_attribute(root, DW_AT_name, &attribute) ? attribute_string(&attribute) : NULL;
    unit->directory = die_attribute(root, DW_AT_comp_dir, &attribute) ? attribute_string(&attribute) : NULL;
    unit->producer = die_attribute(root, DW_AT_producer, &attribute) ? attribute_string(&attribute) : NULL;
    if (die_attribute(root, DW_AT_dwo_name, &attribute) ||
        die_attribute(root, DW_AT_GNU_dwo_name, &attribute))
        unit->dwo_name = attribute_string(&attribute);
    if (die_attribute(root, DW_AT_GNU_dwo_id, &attribute))
        attribute_number(&attribute, &unit->dwo_id);
    if (die_attribute(root, DW_AT_language, &attribute) && attribute_number(&attribute, &number))
        unit->language = (unsigned)number;
    if (die_attribute(root, DW_AT_stmt_list, &attribute))
        unit->has_lines = attribute_offset(&attribute, &unit->line_offset);
    unit->line_offset += unit->base.line;
    if (die_attribute(root, DW_AT_low_pc, &attribute))
        unit->has_low_pc = attribute_address(&attribute, &unit->low_pc);
}

bool unit_read_root(struct dwarf_unit *unit) {
    if (unit->root_read)
        return unit->abbreviations != NULL;
    unit->root_read = true;
    unit->abbreviations = abbreviations_read(unit->file, unit->abbreviation_offset + unit->base.abbrev, unit);
    struct die root;
    if (!unit->abbreviations || !die_read(unit, unit->first_die, &root) || !root.abbreviation) {
        unit->abbreviations = NULL;
        module_set_problem(unit->file->module, unit_damaged(unit, unit->offset));
        return false;
    }
    read_bases(&root, unit);
    read_root_attributes(&root, unit);
    return true;
}

bool unit_root(struct dwarf_unit *unit, struct die *ret) {
    return unit_read_root(unit) && die_read(unit, unit->first_die, ret) && ret->abbreviation;
}
