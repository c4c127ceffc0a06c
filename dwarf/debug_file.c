#include "dwarf/debug_file.h"

#include "dwarf/module_private.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTION_NAME_MAX 48

static const char *const names[DEBUG_SECTION_COUNT] = {
    [DEBUG_INFO] = "info",         [DEBUG_TYPES] = "types",       [DEBUG_ABBREV] = "abbrev",
    [DEBUG_STR] = "str",           [DEBUG_LINE_STR] = "line_str", [DEBUG_STR_OFFSETS] = "str_offsets",
    [DEBUG_ADDR] = "addr",         [DEBUG_LINE] = "line",         [DEBUG_ARANGES] = "aranges",
    [DEBUG_RANGES] = "ranges",     [DEBUG_RNGLISTS] = "rnglists", [DEBUG_LOC] = "loc",
    [DEBUG_LOCLISTS] = "loclists", [DEBUG_CU_INDEX] = "cu_index", [DEBUG_TU_INDEX] = "tu_index",
};

const char *debug_section_name(enum debug_section section) {
    return names[section];
}

struct error *debug_file_open(int fd, const char *path, bool dwo, struct debug_file **ret) {
    struct stat status;
    if (fstat(fd, &status))
        return error_system(errno, "%s", path);
    if (!S_ISREG(status.st_mode) || status.st_size <= 0)
        return error_new(ERROR_BAD_DATA, "%s: not an ELF file", path);
    void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return error_system(errno, "%s: cannot map it", path);
    struct debug_file *file = calloc(1, sizeof(*file));
    struct error *err =
        file ? elf_image_init(&file->image, data, (size_t)status.st_size, path) : &error_no_memory;
    if (err) {
        munmap(data, (size_t)status.st_size);
        free(file);
        return err;
    }
    file->data = data;
    file->size = (size_t)status.st_size;
    file->device = status.st_dev;
    file->inode = status.st_ino;
    file->dwo = dwo;
    file->path = strdup(path);
    if (!file->path) {
        debug_file_close(file);
        return &error_no_memory;
    }
    *ret = file;
    return NULL;
}

struct error *debug_file_open_path(const char *path, bool dwo, struct debug_file **ret) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return error_system(errno, "%s", path);
    struct error *err = debug_file_open(fd, path, dwo, ret);
    close(fd);
    return err;
}

void debug_file_close(struct debug_file *file) {
    if (!file)
        return;
    handle_close(file);
    for (size_t i = 0; i < DEBUG_SECTION_COUNT; i++)
        section_bytes_deinit(&file->sections[i].section);
    array_deinit(&file->abbreviations);
    array_deinit(&file->lines);
    free(file->info.units);
    free(file->types.units);
    elf_image_deinit(&file->image);
    munmap((void *)file->data, file->size);
    free(file->path);
    free(file);
}

static void section_name(const struct debug_file *file, enum debug_section section, const char *prefix,
                         char *ret) {
    bool split = file->dwo && section != DEBUG_CU_INDEX && section != DEBUG_TU_INDEX;
    snprintf(ret, SECTION_NAME_MAX, ".%s_%s%s", prefix, names[section], split ? ".dwo" : "");
}

bool debug_file_has(const struct debug_file *file, enum debug_section section) {
    static const char *const prefixes[] = {"debug", "zdebug"};
    for (size_t i = 0; i < 2; i++) {
        char name[SECTION_NAME_MAX];
        struct elf_section found;
        section_name(file, section, prefixes[i], name);
        if (elf_find_section(&file->image, name, &found))
            return found.type != SHT_NOBITS && found.size;
    }
    return false;
}

struct bytes debug_file_section(struct debug_file *file, enum debug_section section) {
    struct debug_section_state *state = &file->sections[section];
    if (!state->loaded) {
        char name[SECTION_NAME_MAX];
        section_name(file, section, "debug", name);
        struct error *err = section_bytes_init(&state->section, &file->image, name);
        if (error_is(err, ERROR_NOT_FOUND))
            error_free(err);
        else
            module_set_problem(file->module, error_context(err, "%s", file->path));
    }
    state->loaded = true;
    return (struct bytes){state->section.data, state->section.size};
}

/* Find the note among the notes in the bytes: words of name size, description size, type; name; description,
 * each padded to 4 bytes. */
static bool find_build_id(const uint8_t *data, uint64_t size, struct bytes *ret) {
    struct cursor cursor;
    if (!data)
        return false;
    cursor_init(&cursor, data, size, "notes");
    while (cursor_left(&cursor) >= 12) {
        uint32_t name_size = cursor_u32(&cursor), description_size = cursor_u32(&cursor);
        uint32_t type = cursor_u32(&cursor);
        const void *name = cursor_bytes(&cursor, ((size_t)name_size + 3) & ~(size_t)3);
        size_t at = cursor.offset;
        const uint8_t *description = cursor_bytes(&cursor, description_size);
        if (cursor.failed)
            return false;
        if (type == NT_GNU_BUILD_ID && name_size == 4 && !memcmp(name, "GNU", 4) && description_size >= 2 &&
            description_size <= 64) {
            *ret = (struct bytes){description, description_size};
            return true;
        }
        cursor_seek(&cursor, at + (((size_t)description_size + 3) & ~(size_t)3));
    }
    return false;
}

bool elf_build_id(const struct elf_image *image, struct bytes *ret) {
    struct elf_section section;
    if (elf_find_section(image, ".note.gnu.build-id", &section) && section.type == SHT_NOTE &&
        find_build_id(elf_bytes(image, section.offset, section.size), section.size, ret))
        return true;
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        if (segment->type == PT_NOTE &&
            find_build_id(elf_bytes(image, segment->offset, segment->filesz), segment->filesz, ret))
            return true;
    }
    return false;
}
