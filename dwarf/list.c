#include "dwarf/list.h"

#include "dwarf/module_private.h"

#include <string.h>

/* One list may not have more entries: it is damaged, or made to keep us busy. */
#define ENTRIES_MAX (1u << 20)

/* What is being read. Version 5 has one encoding for both kinds, with the same numbers up to
 * DW_LLE_offset_pair; GNU's split version 4 has another for locations; the old one is pairs of addresses. */
struct reader {
    struct dwarf_unit *unit;
    struct cursor cursor;
    uint64_t base;
    bool locations;
    bool split_four;
    list_visit *visit;
    void *context;
};

enum step { STEP_ENTRY, STEP_NONE, STEP_END };

static uint64_t indexed(struct reader *reader, uint64_t index) {
    uint64_t address = 0;
    if (!unit_address(reader->unit, index, &address))
        cursor_fail(&reader->cursor);
    return address;
}

static struct bytes counted(struct cursor *cursor, uint64_t size) {
    const uint8_t *data = cursor_bytes(cursor, size);
    return data ? (struct bytes){data, size} : (struct bytes){0};
}

/* GNU's kinds: an index or two, or an index and a length of 4 bytes. */
static enum step read_split_four(struct reader *reader, struct list_entry *entry) {
    struct cursor *cursor = &reader->cursor;
    switch (cursor_u8(cursor)) {
    case 0:
        return STEP_END;
    case 1:
        reader->base = indexed(reader, cursor_varint(cursor));
        return STEP_NONE;
    case 2:
        entry->low = indexed(reader, cursor_varint(cursor));
        entry->high = indexed(reader, cursor_varint(cursor));
        break;
    case 3:
        entry->low = indexed(reader, cursor_varint(cursor));
        entry->high = entry->low + cursor_u32(cursor);
        break;
    case 4:
        entry->low = reader->base + cursor_u32(cursor);
        entry->high = reader->base + cursor_u32(cursor);
        break;
    default:
        cursor_fail(cursor);
        return STEP_END;
    }
    entry->expression = counted(cursor, cursor_u16(cursor));
    return STEP_ENTRY;
}

/* Pairs of addresses relative to the base; (0, 0) ends, (-1, x) makes x the base. */
static enum step read_old(struct reader *reader, struct list_entry *entry) {
    struct cursor *cursor = &reader->cursor;
    uint64_t low = cursor_u64(cursor), high = cursor_u64(cursor);
    if (!low && !high)
        return STEP_END;
    if (low == UINT64_MAX) {
        reader->base = high;
        return STEP_NONE;
    }
    entry->low = reader->base + low;
    entry->high = reader->base + high;
    if (reader->locations)
        entry->expression = counted(cursor, cursor_u16(cursor));
    return STEP_ENTRY;
}

/* DW_RLE_* where it is not a DW_LLE_*: the number of the same meaning. */
static unsigned common_kind(unsigned kind, bool locations) {
    if (locations || kind < DW_RLE_base_address)
        return kind;
    switch (kind) {
    case DW_RLE_base_address:
        return DW_LLE_base_address;
    case DW_RLE_start_end:
        return DW_LLE_start_end;
    case DW_RLE_start_length:
        return DW_LLE_start_length;
    default:
        return 0xff;
    }
}

static enum step read_five(struct reader *reader, struct list_entry *entry) {
    struct cursor *cursor = &reader->cursor;
    switch (common_kind(cursor_u8(cursor), reader->locations)) {
    case DW_LLE_end_of_list:
        return STEP_END;
    case DW_LLE_base_addressx:
        reader->base = indexed(reader, cursor_varint(cursor));
        return STEP_NONE;
    case DW_LLE_startx_endx:
        entry->low = indexed(reader, cursor_varint(cursor));
        entry->high = indexed(reader, cursor_varint(cursor));
        break;
    case DW_LLE_startx_length:
        entry->low = indexed(reader, cursor_varint(cursor));
        entry->high = entry->low + cursor_varint(cursor);
        break;
    case DW_LLE_offset_pair:
        entry->low = reader->base + cursor_varint(cursor);
        entry->high = reader->base + cursor_varint(cursor);
        break;
    case DW_LLE_default_location:
        entry->low = 0;
        entry->high = UINT64_MAX;
        break;
    case DW_LLE_base_address:
        reader->base = cursor_u64(cursor);
        return STEP_NONE;
    case DW_LLE_start_end:
        entry->low = cursor_u64(cursor);
        entry->high = cursor_u64(cursor);
        break;
    case DW_LLE_start_length:
        entry->low = cursor_u64(cursor);
        entry->high = entry->low + cursor_varint(cursor);
        break;
    case 9: /* DW_LLE_GNU_view_pair: views are of no use to us */
        cursor_varint(cursor);
        cursor_varint(cursor);
        return STEP_NONE;
    default:
        cursor_fail(cursor);
        return STEP_END;
    }
    if (reader->locations)
        entry->expression = counted(cursor, cursor_varint(cursor));
    return STEP_ENTRY;
}

static bool read_entries(struct reader *reader) {
    for (unsigned i = 0; i < ENTRIES_MAX; i++) {
        struct list_entry entry = {0};
        enum step step = reader->unit->version >= 5 ? read_five(reader, &entry)
                         : reader->split_four       ? read_split_four(reader, &entry)
                                                    : read_old(reader, &entry);
        if (reader->cursor.failed)
            return false;
        if (step == STEP_END)
            return true;
        if (step == STEP_ENTRY && entry.low < entry.high && !reader->visit(&entry, reader->context))
            return true;
    }
    return false;
}

/* The offset of list number index: an entry of the table at the base, which it is relative to. */
static bool list_by_index(struct bytes section, uint64_t base, uint64_t index, unsigned size, uint64_t *ret) {
    uint64_t at, offset;
    if (__builtin_mul_overflow(index, (uint64_t)size, &at) || __builtin_add_overflow(at, base, &at))
        return false;
    return section_number(section, at, size, &offset) && !__builtin_add_overflow(base, offset, ret);
}

static void start(struct reader *reader, const struct attribute *attribute, bool locations, list_visit *visit,
                  void *context) {
    struct dwarf_unit *owner = unit_addresses(attribute->unit);
    unit_read_root(owner);
    *reader =
        (struct reader){.unit = attribute->unit,
                        .locations = locations,
                        .base = owner->low_pc,
                        .split_four = locations && attribute->unit->file->dwo && attribute->unit->version < 5,
                        .visit = visit,
                        .context = context};
}

static bool read_at(struct reader *reader, struct bytes section, uint64_t offset) {
    if (offset >= section.size)
        return false;
    cursor_init(&reader->cursor, section.data, section.size, "list");
    cursor_seek(&reader->cursor, offset);
    return read_entries(reader);
}

bool range_list(const struct attribute *attribute, list_visit *visit, void *context) {
    struct dwarf_unit *unit = attribute->unit;
    struct reader reader;
    uint64_t offset;
    start(&reader, attribute, false, visit, context);
    if (unit->version >= 5) {
        struct bytes section = debug_file_section(unit->file, DEBUG_RNGLISTS);
        if (attribute->form == DW_FORM_rnglistx) {
            if (!list_by_index(section, unit->rnglists_base, attribute->value, unit->offset_size, &offset))
                return false;
        } else if (!attribute_offset(attribute, &offset))
            return false;
        return read_at(&reader, section, offset);
    }
    /* In split version 4 the ranges stay with the skeleton. */
    struct dwarf_unit *owner = unit_addresses(unit);
    if (!attribute_offset(attribute, &offset))
        return false;
    if (owner != unit)
        offset += owner->ranges_base;
    return read_at(&reader, debug_file_section(owner->file, DEBUG_RANGES), offset);
}

bool location_list(const struct attribute *attribute, list_visit *visit, void *context) {
    struct dwarf_unit *unit = attribute->unit;
    struct reader reader;
    uint64_t offset;
    start(&reader, attribute, true, visit, context);
    struct bytes section = debug_file_section(unit->file, unit->version >= 5 ? DEBUG_LOCLISTS : DEBUG_LOC);
    if (attribute->form == DW_FORM_loclistx) {
        if (!list_by_index(section, unit->loclists_base, attribute->value, unit->offset_size, &offset))
            return false;
    } else if (!attribute_offset(attribute, &offset))
        return false;
    else if (unit->version < 5)
        offset += unit->base.loc;
    return read_at(&reader, section, offset);
}

struct ranges {
    struct array *array;
    const struct module *module;
    bool failed;
};

/* Code that was thrown away has an address of 0 or so, or near the end (lld: -1, -2). */
static bool add_range(const struct list_entry *entry, void *context) {
    struct ranges *ranges = context;
    if (!module_is_code(ranges->module, entry->low))
        return true;
    struct address_range *range = array_add(ranges->array, sizeof(*range));
    ranges->failed = !range;
    if (range)
        *range = (struct address_range){entry->low, entry->high};
    return range != NULL;
}

static bool low_high(const struct die *die, struct list_entry *ret) {
    struct attribute attribute;
    if (!die_attribute(die, DW_AT_low_pc, &attribute) || !attribute_address(&attribute, &ret->low) ||
        !die_attribute(die, DW_AT_high_pc, &attribute))
        return false;
    if (attribute_address(&attribute, &ret->high))
        return ret->low < ret->high;
    uint64_t size;
    return attribute_number(&attribute, &size) && size && !__builtin_add_overflow(ret->low, size, &ret->high);
}

bool die_ranges(const struct die *die, struct array *ret) {
    struct ranges ranges = {ret, die->unit->file->module, false};
    struct attribute attribute;
    struct list_entry entry = {0};
    if (low_high(die, &entry))
        add_range(&entry, &ranges);
    else if (die_attribute(die, DW_AT_ranges, &attribute))
        range_list(&attribute, add_range, &ranges);
    return !ranges.failed;
}

static bool take_first(const struct list_entry *entry, void *context) {
    *(uint64_t *)context = entry->low;
    return false;
}

bool die_entry(const struct die *die, uint64_t *ret) {
    struct attribute attribute;
    uint64_t low = 0, offset, address = 0;
    if (die_attribute(die, DW_AT_low_pc, &attribute) && !attribute_address(&attribute, &low))
        return false;
    bool has_low = low != 0;
    if (!has_low && die_attribute(die, DW_AT_ranges, &attribute)) {
        range_list(&attribute, take_first, &low);
        has_low = low != 0;
    }
    if (die_attribute(die, DW_AT_entry_pc, &attribute)) {
        if (attribute_address(&attribute, &address)) {
            *ret = address;
            return true;
        }
        if (has_low && attribute_number(&attribute, &offset) && !__builtin_add_overflow(low, offset, ret))
            return true; /* DWARF 5 section 2.18: relative to the low address */
    }
    *ret = low;
    return has_low;
}
