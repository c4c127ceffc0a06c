#include "dwarf/die.h"
#include "dwarf/module_private.h"

#include <stdlib.h>
#include <string.h>

/* Real abbreviations have a dozen or two. */
#define ATTRIBUTES_MAX 256

int form_size(unsigned form, unsigned version, unsigned address_size, unsigned offset_size) {
    switch (form) {
    case DW_FORM_flag_present:
    case DW_FORM_implicit_const:
        return 0;
    case DW_FORM_data1:
    case DW_FORM_ref1:
    case DW_FORM_flag:
    case DW_FORM_strx1:
    case DW_FORM_addrx1:
        return 1;
    case DW_FORM_data2:
    case DW_FORM_ref2:
    case DW_FORM_strx2:
    case DW_FORM_addrx2:
        return 2;
    case DW_FORM_strx3:
    case DW_FORM_addrx3:
        return 3;
    case DW_FORM_data4:
    case DW_FORM_ref4:
    case DW_FORM_strx4:
    case DW_FORM_addrx4:
    case DW_FORM_ref_sup4:
        return 4;
    case DW_FORM_data8:
    case DW_FORM_ref8:
    case DW_FORM_ref_sig8:
    case DW_FORM_ref_sup8:
        return 8;
    case DW_FORM_data16:
        return 16;
    case DW_FORM_addr:
        return (int)address_size;
    case DW_FORM_ref_addr:
        return (int)(version <= 2 ? address_size : offset_size);
    case DW_FORM_strp:
    case DW_FORM_line_strp:
    case DW_FORM_strp_sup:
    case DW_FORM_sec_offset:
    case DW_FORM_GNU_ref_alt:
    case DW_FORM_GNU_strp_alt:
        return (int)offset_size;
    default:
        return -1;
    }
}

static void measure(struct abbreviation *item, const struct abbreviations *table) {
    int64_t size = 0;
    for (uint32_t i = 0; i < item->attribute_count; i++) {
        const struct abbreviation_attribute *attribute = &item->attributes[i];
        int one = form_size(attribute->form, table->version, table->address_size, table->offset_size);
        size = one < 0 || size < 0 ? -1 : size + one;
        item->has_code |= attribute->name == DW_AT_low_pc || attribute->name == DW_AT_ranges;
    }
    item->fixed_size = (int32_t)size;
}

/* Read one abbreviation behind its code; the attributes are appended. */
static bool read_item(struct cursor *cursor, struct array *attributes, struct abbreviation *item) {
    uint64_t tag = cursor_varint(cursor);
    item->children = cursor_u8(cursor) != 0;
    item->tag = (uint16_t)tag;
    while (!cursor->failed && tag <= UINT16_MAX) {
        uint64_t name = cursor_varint(cursor), form = cursor_varint(cursor);
        int64_t constant = 0;
        if (form == DW_FORM_implicit_const) { /* SLEB128, which is not the zigzag of cursor_svarint() */
            unsigned shift = 0;
            uint8_t byte;
            do {
                byte = cursor_u8(cursor);
                if (shift < 64)
                    constant |= (int64_t)((uint64_t)(byte & 0x7f) << shift);
                shift += 7;
            } while (byte & 0x80 && !cursor->failed);
            if (shift < 64 && byte & 0x40)
                constant |= (int64_t)(UINT64_MAX << shift);
        }
        if (cursor->failed || (!name && !form))
            return !cursor->failed;
        if (name > UINT16_MAX || form > UINT16_MAX || item->attribute_count == ATTRIBUTES_MAX)
            return false;
        struct abbreviation_attribute *attribute = array_add(attributes, sizeof(*attribute));
        if (!attribute)
            return false;
        *attribute = (struct abbreviation_attribute){(uint16_t)name, (uint16_t)form, constant};
        item->attribute_count++;
    }
    return false;
}

static int compare_codes(const void *a, const void *b) {
    uint64_t left = ((const struct abbreviation *)a)->code, right = ((const struct abbreviation *)b)->code;
    return (left > right) - (left < right);
}

/* Put what was read into the arena; true on success. */
static bool finish(struct abbreviations *table, struct arena *arena, const struct array *items,
                   const struct array *attributes) {
    const struct abbreviation_attribute *all =
        arena_copy(arena, attributes->items, attributes->count * sizeof(*all));
    struct abbreviation *copy = arena_copy(arena, items->items, items->count * sizeof(*copy));
    if (!all || !copy)
        return false;
    table->dense = true;
    for (size_t i = 0; i < items->count; i++) {
        copy[i].attributes = all;
        all += copy[i].attribute_count;
        measure(&copy[i], table);
        table->dense &= copy[i].code == i + 1;
    }
    if (!table->dense)
        qsort(copy, items->count, sizeof(*copy), compare_codes);
    table->items = copy;
    table->count = items->count;
    return true;
}

static bool read_table(struct abbreviations *table, struct debug_file *file) {
    struct bytes section = debug_file_section(file, DEBUG_ABBREV);
    struct array items = {0}, attributes = {0};
    struct cursor cursor;
    cursor_init(&cursor, section.data, section.size, ".debug_abbrev");
    cursor_seek(&cursor, table->offset);
    bool good = true;
    while (good) {
        uint64_t code = cursor_varint(&cursor);
        if (cursor.failed || !code)
            break;
        struct abbreviation *item = array_add(&items, sizeof(*item));
        if (item)
            item->code = code;
        good = item && read_item(&cursor, &attributes, item);
    }
    good = good && !cursor.failed && finish(table, &file->module->arena, &items, &attributes);
    array_deinit(&items);
    array_deinit(&attributes);
    return good;
}

const struct abbreviations *abbreviations_read(struct debug_file *file, uint64_t offset,
                                               const struct dwarf_unit *unit) {
    struct abbreviations **tables = file->abbreviations.items;
    size_t low = 0, high = file->abbreviations.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (tables[middle]->offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = low; i < file->abbreviations.count && tables[i]->offset == offset; i++)
        if (tables[i]->version == unit->version && tables[i]->address_size == unit->address_size &&
            tables[i]->offset_size == unit->offset_size)
            return tables[i]->damaged ? NULL : tables[i];
    struct abbreviations *table = arena_alloc(&file->module->arena, sizeof(*table));
    if (!table || !array_add(&file->abbreviations, sizeof(table)))
        return NULL;
    *table = (struct abbreviations){.offset = offset,
                                    .version = unit->version,
                                    .address_size = unit->address_size,
                                    .offset_size = unit->offset_size};
    tables = file->abbreviations.items;
    memmove(tables + low + 1, tables + low, (file->abbreviations.count - 1 - low) * sizeof(*tables));
    tables[low] = table;
    table->damaged = !read_table(table, file);
    return table->damaged ? NULL : table;
}
