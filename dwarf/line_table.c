#include "dwarf/line_table.h"

#include "dwarf/function_private.h"
#include "dwarf/module_private.h"

#include <stdlib.h>
#include <string.h>

#define FORMATS_MAX 16

struct entry_format {
    unsigned content, form;
};

/* What is read of a directory or a file. */
struct entry {
    const char *name;
    uint64_t directory;
};

struct header_reader {
    struct arena *arena;
    struct cursor cursor;
    struct dwarf_unit unit; /* a copy, with the sizes of the table */
    struct line_table *table;
    struct array directories, files; /* const char *, struct entry */
};

static bool add_directory(struct header_reader *reader, const char *name) {
    const char **item = array_add(&reader->directories, sizeof(*item));
    if (item)
        *item = name;
    return item != NULL;
}

static bool add_file(struct header_reader *reader, const char *name, uint64_t directory) {
    struct entry *item = array_add(&reader->files, sizeof(*item));
    if (item)
        *item = (struct entry){name, directory};
    return item != NULL;
}

static const char *read_text(struct header_reader *reader) {
    struct attribute attribute;
    return form_read(&reader->unit, &reader->cursor, DW_FORM_string, 0, &attribute)
               ? attribute_string(&attribute)
               : NULL;
}

/* Versions 2 to 4: lists that end with an empty name. Number 0 is the unit's own, in both. */
static bool read_old_lists(struct header_reader *reader) {
    struct cursor *cursor = &reader->cursor;
    const char *name;
    if (!add_directory(reader, reader->unit.directory) || !add_file(reader, reader->unit.name, 0))
        return false;
    while ((name = read_text(reader)) && *name)
        if (!add_directory(reader, name))
            return false;
    while (name && (name = read_text(reader)) && *name) {
        uint64_t directory = cursor_varint(cursor);
        cursor_varint(cursor); /* time */
        cursor_varint(cursor); /* length */
        if (!add_file(reader, name, directory))
            return false;
    }
    return !cursor->failed;
}

static size_t read_formats(struct header_reader *reader, struct entry_format *formats) {
    size_t count = cursor_u8(&reader->cursor);
    for (size_t i = 0; i < count; i++) {
        struct entry_format format = {(unsigned)cursor_varint(&reader->cursor),
                                      (unsigned)cursor_varint(&reader->cursor)};
        if (i < FORMATS_MAX)
            formats[i] = format;
    }
    if (count > FORMATS_MAX)
        cursor_fail(&reader->cursor);
    return count;
}

static bool read_entry(struct header_reader *reader, const struct entry_format *formats, size_t count,
                       struct entry *ret) {
    for (size_t i = 0; i < count; i++) {
        struct attribute attribute;
        if (!form_read(&reader->unit, &reader->cursor, formats[i].form, 0, &attribute))
            return false;
        if (formats[i].content == DW_LNCT_path)
            ret->name = attribute_string(&attribute);
        else if (formats[i].content == DW_LNCT_directory_index)
            ret->directory = attribute.value;
    }
    return true;
}

static bool read_new_list(struct header_reader *reader, bool files) {
    struct entry_format formats[FORMATS_MAX];
    size_t format_count = read_formats(reader, formats);
    uint64_t count = cursor_varint(&reader->cursor);
    if (reader->cursor.failed || (count && !format_count))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        struct entry entry = {0};
        size_t before = reader->cursor.offset;
        if (!read_entry(reader, formats, format_count, &entry) || reader->cursor.offset == before)
            return false;
        if (!(files ? add_file(reader, entry.name, entry.directory) : add_directory(reader, entry.name)))
            return false;
    }
    return true;
}

/* Everything up to the lists; the cursor then ends with the header, and the program is known. */
static bool read_head(struct header_reader *reader) {
    struct cursor *cursor = &reader->cursor;
    struct line_table *table = reader->table;
    uint64_t length = cursor_u32(cursor);
    table->offset_size = 4;
    if (length == 0xffffffff) {
        length = cursor_u64(cursor);
        table->offset_size = 8;
    }
    if (cursor->failed || length > cursor_left(cursor))
        return false;
    size_t end = cursor->offset + length;
    table->version = cursor_u16(cursor);
    if (table->version < 2 || table->version > 5)
        return false;
    if (table->version == 5 && (cursor_u8(cursor) != 8 || cursor_u8(cursor) != 0))
        return false;
    uint64_t header_length = table->offset_size == 8 ? cursor_u64(cursor) : cursor_u32(cursor);
    if (cursor->failed || cursor->offset > end || header_length > end - cursor->offset)
        return false;
    size_t program = cursor->offset + header_length;
    table->program = (struct bytes){cursor->data + program, end - program};
    cursor->size = program;
    table->instruction_size = cursor_u8(cursor);
    if (table->version >= 4)
        cursor_u8(cursor); /* operations per instruction: 1 on this machine */
    table->default_is_stmt = cursor_u8(cursor) != 0;
    table->line_base = (int8_t)cursor_u8(cursor);
    table->line_range = cursor_u8(cursor);
    table->opcode_base = cursor_u8(cursor);
    table->opcode_lengths = cursor_bytes(cursor, table->opcode_base ? table->opcode_base - 1u : 0);
    return !cursor->failed && table->line_range && table->opcode_base;
}

static const char *join(struct arena *arena, const char *folder, const char *name) {
    if (*name == '/' || !folder || !*folder)
        return name;
    return arena_printf(arena, "%s/%s", folder, name);
}

static bool finish_header(struct header_reader *reader) {
    struct line_table *table = reader->table;
    const char *const *directories = reader->directories.items;
    const struct entry *files = reader->files.items;
    table->files = arena_alloc(reader->arena, reader->files.count * sizeof(*table->files));
    if (!table->files)
        return false;
    for (size_t i = 0; i < reader->files.count; i++) {
        const char *folder =
            files[i].directory < reader->directories.count ? directories[files[i].directory] : NULL;
        if (!files[i].name)
            continue;
        if (folder)
            folder = join(reader->arena, reader->unit.directory, folder);
        table->files[i].path = join(reader->arena, folder, files[i].name);
    }
    table->file_count = reader->files.count;
    return true;
}

static bool read_header(struct line_table *table, struct dwarf_unit *unit, struct bytes section) {
    struct header_reader reader = {.arena = &unit->file->module->arena, .table = table, .unit = *unit};
    cursor_init(&reader.cursor, section.data, section.size, ".debug_line");
    cursor_seek(&reader.cursor, table->offset);
    bool good = read_head(&reader);
    reader.unit.offset_size = table->offset_size;
    reader.unit.version = table->version;
    if (good)
        good = table->version == 5 ? read_new_list(&reader, false) && read_new_list(&reader, true)
                                   : read_old_lists(&reader);
    good = finish_header(&reader) && good; /* what was read is used */
    array_deinit(&reader.directories);
    array_deinit(&reader.files);
    return good;
}

static struct line_table *add_table(struct debug_file *file, size_t index, uint64_t offset) {
    struct line_table *table = arena_alloc(&file->module->arena, sizeof(*table));
    if (!table || !array_add(&file->lines, sizeof(table)))
        return NULL;
    struct line_table **tables = file->lines.items;
    memmove(tables + index + 1, tables + index, (file->lines.count - 1 - index) * sizeof(*tables));
    tables[index] = table;
    table->offset = offset;
    return table;
}

struct line_table *unit_line_table(struct dwarf_unit *unit) {
    unit = unit_addresses(unit);
    struct debug_file *file = unit->file;
    if (!unit_read_root(unit) || !unit->has_lines)
        return NULL;
    struct line_table **tables = file->lines.items;
    size_t low = 0, high = file->lines.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (tables[middle]->offset < unit->line_offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < file->lines.count && tables[low]->offset == unit->line_offset)
        return tables[low]->header_bad ? NULL : tables[low];
    struct line_table *table = add_table(file, low, unit->line_offset);
    if (!table)
        return NULL;
    table->header_bad = !read_header(table, unit, debug_file_section(file, DEBUG_LINE));
    if (!table->header_bad)
        return table;
    module_set_problem(file->module, error_new(ERROR_BAD_DATA, "%s: damaged .debug_line near 0x%llx",
                                               file->path, (unsigned long long)table->offset));
    return NULL;
}

const char *unit_file_name(struct dwarf_unit *unit, uint64_t index) {
    const struct line_table *table = unit_line_table(unit);
    if (!table || index >= table->file_count || (index == 0 && table->version < 5))
        return NULL;
    return table->files[index].path;
}
