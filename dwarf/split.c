/* Split DWARF: a skeleton unit in the module, its contents in a .dwo file or in a .dwp package (DWARF 5
 * section 7.3; for version 4 https://gcc.gnu.org/wiki/DebugFission and DebugFissionDWP). */
#include "dwarf/die.h"
#include "dwarf/module_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A .debug_cu_index or .debug_tu_index: a row a unit, a column a section. */
struct package_index {
    uint32_t version, columns, rows;
    struct bytes section;
    uint64_t ids, offsets; /* where the section ids and the rows begin */
};

/* DW_SECT_*: 1 to 6 are alike in both versions but for LOC, which is LOCLISTS in version 5. */
enum {
    SECT_INFO = 1,
    SECT_TYPES,
    SECT_ABBREV,
    SECT_LINE,
    SECT_LOC,
    SECT_STR_OFFSETS,
    SECT_MACRO,
    SECT_RNGLISTS
};

static bool read_index(struct debug_file *file, enum debug_section section, struct package_index *ret) {
    struct cursor cursor;
    ret->section = debug_file_section(file, section);
    cursor_init(&cursor, ret->section.data, ret->section.size, "package index");
    ret->version = cursor_u32(&cursor) & 0xffff; /* version 5: 16 bits and padding */
    ret->columns = cursor_u32(&cursor);
    ret->rows = cursor_u32(&cursor);
    uint64_t slots = cursor_u32(&cursor);
    cursor_bytes(&cursor, slots * 12); /* signatures, and row numbers: units are looked for by offset */
    ret->ids = cursor.offset;
    cursor_bytes(&cursor, (size_t)ret->columns * 4);
    ret->offsets = cursor.offset;
    uint64_t cells = (uint64_t)ret->columns * ret->rows;
    return !cursor.failed && ret->columns <= 16 && cells <= cursor_left(&cursor) / 8;
}

static uint64_t index_cell(const struct package_index *index, uint64_t at) {
    uint64_t value = 0;
    section_number(index->section, at, 4, &value);
    return value;
}

static void set_bases(const struct package_index *index, uint32_t row, struct unit_base *ret) {
    for (uint32_t column = 0; column < index->columns; column++) {
        uint64_t offset = index_cell(index, index->offsets + 4 * ((uint64_t)row * index->columns + column));
        switch (index_cell(index, index->ids + 4 * (uint64_t)column)) {
        case SECT_ABBREV:
            ret->abbrev = offset;
            break;
        case SECT_LINE:
            ret->line = offset;
            break;
        case SECT_LOC:
            ret->loc = offset;
            break;
        case SECT_STR_OFFSETS:
            ret->str_offsets = offset;
            break;
        case SECT_RNGLISTS:
            if (index->version >= 5)
                ret->rnglists = offset;
            break;
        }
    }
}

void package_bases(struct debug_file *file, bool types, struct dwarf_unit *unit) {
    bool type_unit = types || unit->type == DW_UT_split_type;
    struct package_index index;
    if (!read_index(file, type_unit ? DEBUG_TU_INDEX : DEBUG_CU_INDEX, &index))
        return;
    for (uint32_t column = 0; column < index.columns; column++) {
        uint64_t id = index_cell(&index, index.ids + 4 * (uint64_t)column);
        if (id != (types ? SECT_TYPES : SECT_INFO))
            continue;
        for (uint32_t row = 0; row < index.rows; row++)
            if (index_cell(&index, index.offsets + 4 * ((uint64_t)row * index.columns + column)) ==
                unit->offset) {
                set_bases(&index, row, &unit->base);
                return;
            }
    }
}

static bool is_split(const struct dwarf_unit *unit) {
    return unit->dwo_name != NULL && !unit->file->dwo;
}

/* The unit in the file that belongs to the skeleton: by dwo_id. */
static struct dwarf_unit *find_contents(struct debug_file *file, const struct dwarf_unit *skeleton) {
    const struct unit_list *list;
    struct error *err = debug_file_units(file, false, &list);
    if (err) {
        module_set_problem(file->module, err);
        return NULL;
    }
    for (size_t i = 0; i < list->count; i++) {
        struct dwarf_unit *unit = list->units[i];
        if (unit->type == DW_UT_split_type || unit->type == DW_UT_type)
            continue;
        if (unit->version < 5 ? unit_read_root(unit) && unit->dwo_id == skeleton->dwo_id
                              : unit->dwo_id == skeleton->dwo_id)
            return unit;
    }
    return NULL;
}

static struct debug_file *open_dwo(struct module *module, const char *path) {
    struct debug_file *file = NULL;
    for (file = module->files; file; file = file->next)
        if (file->dwo && !strcmp(file->path, path))
            return file;
    if (access(path, R_OK))
        return NULL;
    struct error *err = debug_file_open_path(path, true, &file);
    if (err) {
        module_set_problem(module, err);
        return NULL;
    }
    module_add_file(module, file);
    return file;
}

static struct dwarf_unit *try_dwo(const struct dwarf_unit *skeleton, const char *folder, const char *name) {
    struct module *module = skeleton->file->module;
    char *path = NULL;
    if (asprintf(&path, "%s%s%s", folder ? folder : "", folder ? "/" : "", name) < 0)
        return NULL;
    struct debug_file *file = open_dwo(module, path);
    struct dwarf_unit *unit = file ? find_contents(file, skeleton) : NULL;
    if (file && !unit)
        module_set_problem(module, error_new(ERROR_BAD_DATA, "%s: belongs to another build", path));
    free(path);
    return unit;
}

static struct dwarf_unit *try_package(const struct dwarf_unit *skeleton) {
    struct module *module = skeleton->file->module;
    if (!module->package_tried) {
        module->package_tried = true;
        const char *names[] = {module->own->path, module->debug->path};
        for (size_t i = 0; i < 2 && !module->package; i++) {
            char *path = NULL;
            if (asprintf(&path, "%s.dwp", names[i]) < 0)
                continue;
            module->package = open_dwo(module, path);
            free(path);
        }
    }
    return module->package ? find_contents(module->package, skeleton) : NULL;
}

static struct dwarf_unit *find_split(const struct dwarf_unit *skeleton) {
    const struct module *module = skeleton->file->module;
    const char *name = skeleton->dwo_name, *slash = strrchr(name, '/');
    struct dwarf_unit *unit = try_package(skeleton);
    if (!unit && *name == '/')
        unit = try_dwo(skeleton, NULL, name);
    if (!unit && *name != '/' && skeleton->directory)
        unit = try_dwo(skeleton, skeleton->directory, name);
    /* Beside the program: builds are moved. */
    char *real = unit ? NULL : realpath(module->own->path, NULL);
    char *end = real ? strrchr(real, '/') : NULL;
    if (end) {
        *end = 0;
        if (*name != '/')
            unit = try_dwo(skeleton, real, name);
        if (!unit && slash)
            unit = try_dwo(skeleton, real, slash + 1);
    }
    free(real);
    if (!unit && module->debug_dir)
        unit = try_dwo(skeleton, module->debug_dir, slash ? slash + 1 : name);
    return unit;
}

struct dwarf_unit *unit_contents(struct dwarf_unit *unit) {
    if (!unit_read_root(unit) || !is_split(unit))
        return unit;
    if (!unit->split_tried) {
        unit->split_tried = true;
        struct dwarf_unit *split = find_split(unit);
        if (split && !split->skeleton) {
            split->skeleton = unit;
            unit->split = split;
        } else if (!split)
            module_set_problem(unit->file->module,
                               error_new(ERROR_NOT_FOUND, "%s: split debug information %s is not there",
                                         unit->file->path, unit->dwo_name));
    }
    return unit->split ? unit->split : unit;
}
