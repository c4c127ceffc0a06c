/* Which unit the code at an address belongs to: from .debug_aranges (DWARF 5 section 6.1.2), and from root
 * DIEs for units that it says nothing about (clang writes none). */
#include "dwarf/list.h"
#include "dwarf/module_private.h"
#include "dwarf/scan.h"

#include <stdlib.h>

struct unit_range {
    uint64_t low, high;
    struct dwarf_unit *unit;
};

struct unit_index {
    struct array ranges;  /* struct unit_range, by low */
    struct array unknown; /* struct dwarf_unit *: units that may have code anywhere */
};

void unit_index_destroy(struct unit_index *index) {
    if (!index)
        return;
    array_deinit(&index->ranges);
    array_deinit(&index->unknown);
    free(index);
}

struct error *module_units(struct module *module, const struct unit_list **ret) {
    static const struct unit_list none;
    *ret = &none;
    return module->debug && debug_file_has(module->debug, DEBUG_INFO)
               ? debug_file_units(module->debug, false, ret)
               : NULL;
}

static bool add_range(struct unit_index *index, uint64_t low, uint64_t high, struct dwarf_unit *unit) {
    struct unit_range *range = array_add(&index->ranges, sizeof(*range));
    if (range)
        *range = (struct unit_range){low, high, unit};
    return range != NULL;
}

/* One table: of one unit. Returns the number of its ranges, negative when memory is out. */
static int read_table(struct unit_index *index, struct cursor *cursor, struct dwarf_unit *unit) {
    const struct module *module = unit->file->module;
    int count = 0;
    while (cursor_left(cursor) >= 16) {
        uint64_t low = cursor_u64(cursor), size = cursor_u64(cursor), high;
        if (!low && !size)
            break;
        if (!size || !module_is_code(module, low) || __builtin_add_overflow(low, size, &high))
            continue;
        if (!add_range(index, low, high, unit))
            return -1;
        count++;
    }
    return count;
}

struct table_head {
    uint64_t end, unit;
    unsigned address_size;
};

static bool read_head(struct cursor *cursor, struct table_head *ret) {
    size_t begin = cursor->offset;
    uint64_t length = cursor_u32(cursor);
    bool wide = length == 0xffffffff;
    if (wide)
        length = cursor_u64(cursor);
    if (cursor->failed || length > cursor_left(cursor))
        return false;
    ret->end = cursor->offset + length;
    unsigned version = cursor_u16(cursor);
    ret->unit = wide ? cursor_u64(cursor) : cursor_u32(cursor);
    ret->address_size = cursor_u8(cursor);
    unsigned segment_size = cursor_u8(cursor);
    size_t used = (cursor->offset - begin) % 16; /* tuples are aligned to their size */
    if (used)
        cursor_bytes(cursor, 16 - used);
    return !cursor->failed && cursor->offset <= ret->end && version == 2 && ret->address_size == 8 &&
           !segment_size;
}

/* Mark the units that .debug_aranges tells about, by their number in the list. */
static struct error *read_aranges(struct unit_index *index, struct debug_file *file, bool *known,
                                  const struct unit_list *list) {
    struct bytes section = debug_file_section(file, DEBUG_ARANGES);
    struct cursor cursor;
    struct table_head head;
    cursor_init(&cursor, section.data, section.size, ".debug_aranges");
    while (cursor_left(&cursor) && read_head(&cursor, &head)) {
        struct dwarf_unit *unit = debug_file_unit_at(file, false, head.unit);
        struct cursor table = cursor;
        table.size = head.end;
        int count = unit && unit->offset == head.unit ? read_table(index, &table, unit) : 0;
        if (count < 0)
            return &error_no_memory;
        size_t low = 0, high = list->count;
        while (low < high && unit) {
            size_t middle = (low + high) / 2;
            if (list->units[middle]->offset < unit->offset)
                low = middle + 1;
            else
                high = middle;
        }
        if (count && low < list->count)
            known[low] = true;
        cursor_seek(&cursor, head.end);
    }
    return NULL;
}

static bool add_unknown(struct unit_index *index, struct dwarf_unit *unit) {
    struct dwarf_unit **item = array_add(&index->unknown, sizeof(*item));
    if (item)
        *item = unit;
    return item != NULL;
}

static struct error *read_root_ranges(struct unit_index *index, struct dwarf_unit *unit) {
    struct die root;
    struct attribute attribute;
    struct array ranges = {0};
    if (!unit_root(unit, &root) || die_tag(&root) == DW_TAG_partial_unit ||
        die_tag(&root) == DW_TAG_type_unit)
        return NULL;
    bool good = die_ranges(&root, &ranges);
    for (size_t i = 0; good && i < ranges.count; i++) {
        const struct address_range *range = (struct address_range *)ranges.items + i;
        good = add_range(index, range->low, range->high, unit);
    }
    /* No ranges at all: the producer does not tell. An empty list: no code is left. */
    if (good && !ranges.count && !die_attribute(&root, DW_AT_ranges, &attribute) &&
        !die_attribute(&root, DW_AT_high_pc, &attribute) && (root.abbreviation->children || unit->dwo_name))
        good = add_unknown(index, unit);
    array_deinit(&ranges);
    return good ? NULL : &error_no_memory;
}

static int compare(const void *a, const void *b) {
    const struct unit_range *left = a, *right = b;
    if (left->low != right->low)
        return left->low < right->low ? -1 : 1;
    return (left->high > right->high) - (left->high < right->high);
}

static struct error *build(struct unit_index *index, struct module *module) {
    const struct unit_list *list;
    TRY(module_units(module, &list));
    if (!list->count)
        return NULL;
    bool *known = calloc(list->count, sizeof(*known));
    if (!known)
        return &error_no_memory;
    struct error *err = read_aranges(index, module->debug, known, list);
    for (size_t i = 0; !err && i < list->count; i++)
        if (!known[i])
            err = read_root_ranges(index, list->units[i]);
    free(known);
    if (index->ranges.count)
        qsort(index->ranges.items, index->ranges.count, sizeof(struct unit_range), compare);
    return err;
}

static struct error *get_index(struct module *module, const struct unit_index **ret) {
    if (!module->unit_index) {
        struct unit_index *index = calloc(1, sizeof(*index));
        if (!index)
            return &error_no_memory;
        struct error *err = build(index, module);
        if (err) {
            unit_index_destroy(index);
            return err;
        }
        module->unit_index = index;
    }
    *ret = module->unit_index;
    return NULL;
}

/* Does the unit have a function there? */
static struct error *has_function(struct dwarf_unit *unit, uint64_t vaddr, struct dwarf_unit **ret) {
    const struct unit_scan *scan;
    unit = unit_contents(unit);
    TRY(unit_scan(unit, &scan));
    if (unit_function_at(scan, vaddr))
        *ret = unit;
    return NULL;
}

struct error *module_unit_at(struct module *module, uint64_t vaddr, struct dwarf_unit **ret) {
    const struct unit_index *index;
    TRY(get_index(module, &index));
    const struct unit_range *ranges = index->ranges.items;
    struct dwarf_unit *found = NULL, *covering = NULL;
    size_t low = 0, high = index->ranges.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges[middle].low <= vaddr)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t tries = 0; low-- && tries < 4 && !found; tries++)
        if (vaddr < ranges[low].high) {
            TRY(has_function(ranges[low].unit, vaddr, &found));
            if (!covering)
                covering = unit_contents(ranges[low].unit);
        }
    struct dwarf_unit *const *unknown = index->unknown.items;
    for (size_t i = 0; i < index->unknown.count && !found; i++)
        TRY(has_function(unknown[i], vaddr, &found));
    *ret = found ? found : covering;
    return NULL;
}
