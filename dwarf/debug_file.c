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
#include <zlib.h>
#include <zstd.h>

#define COMPRESS_ZLIB 1 /* ELFCOMPRESS_*, gABI "Section compression"; <elf.h> may lack the second */
#define COMPRESS_ZSTD 2
/* Deflate packs no better than 1032:1; zstd can, but debug information does not. */
#define EXPANSION_MAX 1100
#define UNPACKED_MAX  ((uint64_t)16 << 30)

static const char *const names[DEBUG_SECTION_COUNT] = {
    [DEBUG_INFO] = "info",
    [DEBUG_TYPES] = "types",
    [DEBUG_ABBREV] = "abbrev",
    [DEBUG_STR] = "str",
    [DEBUG_LINE_STR] = "line_str",
    [DEBUG_STR_OFFSETS] = "str_offsets",
    [DEBUG_ADDR] = "addr",
    [DEBUG_LINE] = "line",
    [DEBUG_ARANGES] = "aranges",
    [DEBUG_RANGES] = "ranges",
    [DEBUG_RNGLISTS] = "rnglists",
    [DEBUG_LOC] = "loc",
    [DEBUG_LOCLISTS] = "loclists",
    [DEBUG_CU_INDEX] = "cu_index",
    [DEBUG_TU_INDEX] = "tu_index",
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
    struct error *err = file ? elf_image_init(&file->image, data, (size_t)status.st_size, path) : &error_no_memory;
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
        free(file->sections[i].unpacked);
    array_deinit(&file->abbreviations);
    array_deinit(&file->lines);
    free(file->info.units);
    free(file->types.units);
    elf_image_deinit(&file->image);
    munmap((void *)file->data, file->size);
    free(file->path);
    free(file);
}

static bool find_section(const struct debug_file *file, enum debug_section section, struct elf_section *ret,
                         bool *ret_old_packed) {
    char name[48];
    const char *suffix = file->dwo && section != DEBUG_CU_INDEX && section != DEBUG_TU_INDEX ? ".dwo" : "";
    snprintf(name, sizeof(name), ".debug_%s%s", names[section], suffix);
    *ret_old_packed = false;
    if (elf_find_section(&file->image, name, ret))
        return true;
    snprintf(name, sizeof(name), ".zdebug_%s%s", names[section], suffix);
    *ret_old_packed = true;
    return elf_find_section(&file->image, name, ret);
}

bool debug_file_has(const struct debug_file *file, enum debug_section section) {
    struct elf_section found;
    bool old_packed;
    return find_section(file, section, &found, &old_packed) && found.type != SHT_NOBITS && found.size;
}

static bool unpack_zlib(const uint8_t *data, size_t size, uint8_t *ret, size_t ret_size) {
    z_stream stream = {.next_in = (Bytef *)data, .next_out = ret};
    if (inflateInit(&stream) != Z_OK)
        return false;
    int status = Z_OK;
    size_t in = size, out = ret_size; /* zlib counts in 32 bits */
    while (status == Z_OK) {
        stream.avail_in = in > UINT32_MAX ? UINT32_MAX : (uInt)in;
        stream.avail_out = out > UINT32_MAX ? UINT32_MAX : (uInt)out;
        size_t in_before = stream.avail_in, out_before = stream.avail_out;
        status = inflate(&stream, Z_NO_FLUSH);
        in -= in_before - stream.avail_in;
        out -= out_before - stream.avail_out;
    }
    inflateEnd(&stream);
    return status == Z_STREAM_END && out == 0;
}

static bool unpack_zstd(const uint8_t *data, size_t size, uint8_t *ret, size_t ret_size) {
    return ZSTD_decompress(ret, ret_size, data, size) == ret_size;
}

/* Unpack; on failure *why says what is wrong. */
static bool unpack(struct debug_section_state *state, unsigned kind, struct bytes packed, uint64_t size,
                   const char **why) {
    *why = "compressed in an unknown way";
    if (kind != COMPRESS_ZLIB && kind != COMPRESS_ZSTD)
        return false;
    *why = "impossible size of compressed data";
    if (size > UNPACKED_MAX || size / EXPANSION_MAX > packed.size)
        return false;
    *why = "out of memory";
    uint8_t *data = malloc(size ? size : 1);
    if (!data)
        return false;
    *why = "damaged compressed data";
    if (!(kind == COMPRESS_ZLIB ? unpack_zlib : unpack_zstd)(packed.data, packed.size, data, size)) {
        free(data);
        return false;
    }
    state->unpacked = data;
    state->bytes = (struct bytes){data, size};
    return true;
}

/* GNU's old form, .zdebug_*: "ZLIB" and the size in big endian. */
static bool unpack_old(struct debug_section_state *state, struct bytes packed, const char **why) {
    uint64_t size = 0;
    *why = "damaged compressed data";
    if (packed.size < 12 || memcmp(packed.data, "ZLIB", 4))
        return false;
    for (size_t i = 4; i < 12; i++)
        size = size << 8 | packed.data[i];
    return unpack(state, COMPRESS_ZLIB, (struct bytes){packed.data + 12, packed.size - 12}, size, why);
}

static bool unpack_new(struct debug_section_state *state, struct bytes packed, const char **why) {
    Elf64_Chdr header;
    *why = "damaged compressed data";
    if (packed.size < sizeof(header))
        return false;
    memcpy(&header, packed.data, sizeof(header));
    packed = (struct bytes){packed.data + sizeof(header), packed.size - sizeof(header)};
    return unpack(state, header.ch_type, packed, header.ch_size, why);
}

static bool load(struct debug_file *file, enum debug_section section, struct debug_section_state *state,
                 const char **why) {
    struct elf_section found;
    bool old_packed;
    if (!find_section(file, section, &found, &old_packed) || found.type == SHT_NOBITS || !found.size)
        return true;
    const uint8_t *data = elf_bytes(&file->image, found.offset, found.size);
    *why = "section is not all there";
    if (!data)
        return false;
    struct bytes bytes = {data, found.size};
    if (old_packed)
        return unpack_old(state, bytes, why);
    if (found.flags & SHF_COMPRESSED)
        return unpack_new(state, bytes, why);
    state->bytes = bytes;
    return true;
}

struct bytes debug_file_section(struct debug_file *file, enum debug_section section) {
    struct debug_section_state *state = &file->sections[section];
    const char *why = NULL;
    if (!state->loaded && !load(file, section, state, &why))
        module_set_problem(file->module, error_new(ERROR_BAD_DATA, "%s: .debug_%s: %s", file->path, names[section], why));
    state->loaded = true;
    return state->bytes;
}

/* Find the note among the notes in the bytes: words of name size, description size, type; name; description, each
 * padded to 4 bytes. */
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
