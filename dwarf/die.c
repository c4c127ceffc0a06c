#include "dwarf/die.h"

#include "dwarf/module_private.h"

#include <string.h>

/* Origins of origins; real chains are of two or three. */
#define ORIGINS_MAX 8

static const struct abbreviation *find_abbreviation(const struct abbreviations *table, uint64_t code) {
    if (table->dense)
        return code <= table->count ? &table->items[code - 1] : NULL;
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (table->items[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < table->count && table->items[low].code == code ? &table->items[low] : NULL;
}

/* A cursor that ends with the unit; offsets are those of the section. */
static void unit_cursor(struct cursor *cursor, const struct dwarf_unit *unit, uint64_t offset) {
    *cursor = (struct cursor){.data = unit->info.data, .size = unit->end, .offset = offset, .what = "DIE"};
}

bool die_read(struct dwarf_unit *unit, uint64_t offset, struct die *ret) {
    if (!unit_read_root(unit) || offset < unit->first_die || offset >= unit->end)
        return false;
    uint64_t code = unit->info.data[offset], at = offset + 1;
    if (code & 0x80) {
        struct cursor cursor;
        unit_cursor(&cursor, unit, offset);
        code = cursor_varint(&cursor);
        at = cursor.offset;
        if (cursor.failed)
            return false;
    }
    const struct abbreviation *abbreviation = code ? find_abbreviation(unit->abbreviations, code) : NULL;
    if (code && !abbreviation)
        return false;
    *ret = (struct die){unit, offset, at, abbreviation};
    return true;
}

bool die_at(const struct die_place *place, struct die *ret) {
    if (!place->file)
        return false;
    struct dwarf_unit *unit =
        debug_file_unit_at((struct debug_file *)place->file, place->in_types, place->offset);
    return unit && die_read(unit, place->offset, ret) && ret->abbreviation;
}

struct die_place die_place(const struct die *die) {
    return (struct die_place){die->unit->file, die->offset, die->unit->in_types};
}

static uint64_t read_sized(struct cursor *cursor, int size) {
    uint64_t value = 0;
    const uint8_t *bytes = cursor_bytes(cursor, (size_t)size);
    if (bytes)
        memcpy(&value, bytes, (size_t)size);
    return value;
}

static uint64_t read_sleb(struct cursor *cursor) {
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = cursor_u8(cursor);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80 && !cursor->failed);
    return shift < 64 && byte & 0x40 ? value | UINT64_MAX << shift : value;
}

static struct bytes read_block(struct cursor *cursor, uint64_t size) {
    const uint8_t *data = cursor_bytes(cursor, size);
    return data ? (struct bytes){data, size} : (struct bytes){0};
}

static struct bytes read_inline_string(struct cursor *cursor) {
    size_t left = cursor_left(cursor);
    const uint8_t *data = cursor->data + cursor->offset;
    const uint8_t *end = left ? memchr(data, 0, left) : NULL;
    if (!end) {
        cursor_fail(cursor);
        return (struct bytes){0};
    }
    return read_block(cursor, (size_t)(end - data) + 1);
}

bool form_read(struct dwarf_unit *unit, struct cursor *cursor, unsigned form, int64_t constant,
               struct attribute *ret) {
    if (form == DW_FORM_indirect) {
        form = (unsigned)cursor_varint(cursor);
        if (form == DW_FORM_indirect || form == DW_FORM_implicit_const)
            return false;
    }
    ret->unit = unit;
    ret->form = (uint16_t)form;
    ret->block = (struct bytes){0};
    ret->value = 0;
    int size = form_size(form, unit->version, unit->address_size, unit->offset_size);
    switch (form) {
    case DW_FORM_flag_present:
        ret->value = 1;
        break;
    case DW_FORM_implicit_const:
        ret->value = (uint64_t)constant;
        break;
    case DW_FORM_data16:
        ret->block = read_block(cursor, 16);
        break;
    case DW_FORM_sdata:
        ret->value = read_sleb(cursor);
        break;
    case DW_FORM_udata:
    case DW_FORM_ref_udata:
    case DW_FORM_strx:
    case DW_FORM_addrx:
    case DW_FORM_loclistx:
    case DW_FORM_rnglistx:
    case DW_FORM_GNU_addr_index:
    case DW_FORM_GNU_str_index:
        ret->value = cursor_varint(cursor);
        break;
    case DW_FORM_string:
        ret->block = read_inline_string(cursor);
        break;
    case DW_FORM_block1:
        ret->block = read_block(cursor, cursor_u8(cursor));
        break;
    case DW_FORM_block2:
        ret->block = read_block(cursor, cursor_u16(cursor));
        break;
    case DW_FORM_block4:
        ret->block = read_block(cursor, cursor_u32(cursor));
        break;
    case DW_FORM_block:
    case DW_FORM_exprloc:
        ret->block = read_block(cursor, cursor_varint(cursor));
        break;
    default:
        if (size < 0)
            return false;
        ret->value = read_sized(cursor, size);
    }
    return !cursor->failed;
}

bool die_attributes(const struct die *die, bool (*visit)(const struct attribute *, void *), void *context) {
    struct cursor cursor;
    unit_cursor(&cursor, die->unit, die->values);
    for (uint32_t i = 0; die->abbreviation && i < die->abbreviation->attribute_count; i++) {
        const struct abbreviation_attribute *item = &die->abbreviation->attributes[i];
        struct attribute attribute = {.name = item->name};
        if (!form_read(die->unit, &cursor, item->form, item->constant, &attribute) ||
            !visit(&attribute, context))
            return false;
    }
    return true;
}

uint64_t die_end(const struct die *die) {
    if (!die->abbreviation)
        return die->values;
    if (die->abbreviation->fixed_size >= 0) {
        uint64_t end = die->values + (uint64_t)die->abbreviation->fixed_size;
        return end <= die->unit->end ? end : 0;
    }
    struct cursor cursor;
    unit_cursor(&cursor, die->unit, die->values);
    for (uint32_t i = 0; i < die->abbreviation->attribute_count; i++) {
        struct attribute attribute;
        const struct abbreviation_attribute *item = &die->abbreviation->attributes[i];
        if (!form_read(die->unit, &cursor, item->form, item->constant, &attribute))
            return 0;
    }
    return cursor.offset;
}

uint64_t die_sibling(const struct die *die) {
    struct attribute attribute;
    struct die next;
    uint64_t at = die_end(die);
    if (!at || !die->abbreviation || !die->abbreviation->children)
        return at;
    if (die_attribute(die, DW_AT_sibling, &attribute) && attribute_reference(&attribute, &next) &&
        next.unit == die->unit && next.offset >= at)
        return next.offset;
    for (size_t depth = 1; depth;) {
        if (at >= die->unit->end)
            return die->unit->end; /* compilers leave out the last ends */
        if (!die_read(die->unit, at, &next) || !(at = die_end(&next)))
            return 0;
        if (!next.abbreviation)
            depth--;
        else if (next.abbreviation->children)
            depth++;
    }
    return at;
}

bool die_attribute(const struct die *die, unsigned name, struct attribute *ret) {
    const struct abbreviation *abbreviation = die->abbreviation;
    uint32_t wanted = 0;
    if (!abbreviation)
        return false;
    while (wanted < abbreviation->attribute_count && abbreviation->attributes[wanted].name != name)
        wanted++;
    if (wanted == abbreviation->attribute_count)
        return false;
    struct cursor cursor;
    unit_cursor(&cursor, die->unit, die->values);
    struct attribute attribute = {.name = (uint16_t)name};
    for (uint32_t i = 0; i <= wanted; i++)
        if (!form_read(die->unit, &cursor, abbreviation->attributes[i].form,
                       abbreviation->attributes[i].constant, &attribute))
            return false;
    *ret = attribute;
    return true;
}

bool die_origin(const struct die *die, struct die *ret) {
    struct attribute attribute;
    return (die_attribute(die, DW_AT_abstract_origin, &attribute) ||
            die_attribute(die, DW_AT_specification, &attribute)) &&
           attribute_reference(&attribute, ret);
}

bool die_find_attribute(const struct die *die, unsigned name, struct attribute *ret) {
    struct die at = *die;
    for (unsigned i = 0; i < ORIGINS_MAX; i++) {
        if (die_attribute(&at, name, ret))
            return true;
        struct die next;
        if (!die_origin(&at, &next))
            return false;
        at = next;
    }
    return false;
}

const char *die_string(const struct die *die, unsigned name) {
    struct attribute attribute;
    return die_find_attribute(die, name, &attribute) ? attribute_string(&attribute) : NULL;
}

bool die_flag(const struct die *die, unsigned name) {
    return die_unsigned(die, name, 0) != 0;
}

uint64_t die_unsigned(const struct die *die, unsigned name, uint64_t otherwise) {
    struct attribute attribute;
    uint64_t value;
    return die_find_attribute(die, name, &attribute) && attribute_number(&attribute, &value) ? value
                                                                                             : otherwise;
}

struct die_place die_type(const struct die *die) {
    struct attribute attribute;
    struct die_place place = {0};
    if (die_find_attribute(die, DW_AT_type, &attribute))
        attribute_place(&attribute, &place);
    return place;
}
