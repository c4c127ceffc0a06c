#include "dwarf/section.h"

#include "base/cursor.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2
#endif

/* Nothing that these compressions make is larger than this times the input, plus a little; larger sizes are
 * made up (zlib: deflate's limit is 1032; zstd: a block of 128 KiB takes 4 bytes). */
#define RATIO_ZLIB  1032
#define RATIO_ZSTD  32768
#define RATIO_EXTRA 4096

static struct error *damaged(const char *name) {
    return error_new(ERROR_BAD_DATA, "section %s: cannot be uncompressed", name);
}

static bool unpack_zlib(const void *packed, size_t packed_size, void *ret, size_t size) {
    uLongf made = size;
    return uncompress(ret, &made, packed, packed_size) == Z_OK && made == size;
}

static bool unpack_zstd(const void *packed, size_t packed_size, void *ret, size_t size) {
    return ZSTD_decompress(ret, size, packed, packed_size) == size;
}

static struct error *unpack(struct section_bytes *section, uint32_t type, const void *packed,
                            size_t packed_size, uint64_t size, const char *name) {
    if (type != ELFCOMPRESS_ZLIB && type != ELFCOMPRESS_ZSTD)
        return error_new(ERROR_UNSUPPORTED, "section %s: unknown compression %u", name, type);
    size_t ratio = type == ELFCOMPRESS_ZLIB ? RATIO_ZLIB : RATIO_ZSTD;
    if (!packed || size / ratio > packed_size + RATIO_EXTRA)
        return damaged(name);
    void *bytes = malloc(size ? size : 1);
    if (!bytes)
        return &error_no_memory;
    bool done = type == ELFCOMPRESS_ZLIB ? unpack_zlib(packed, packed_size, bytes, size)
                                         : unpack_zstd(packed, packed_size, bytes, size);
    if (!done) {
        free(bytes);
        return damaged(name);
    }
    section->data = section->owned = bytes;
    section->size = size;
    return NULL;
}

/* An Elf64_Chdr and the compressed bytes. */
static struct error *unpack_compressed(struct section_bytes *section, const char *name) {
    struct cursor cursor;
    cursor_init(&cursor, section->data, section->size, name);
    uint32_t type = cursor_u32(&cursor);
    cursor_u32(&cursor); /* reserved */
    uint64_t size = cursor_u64(&cursor);
    cursor_u64(&cursor); /* alignment */
    TRY(cursor_check(&cursor));
    size_t packed_size = cursor_left(&cursor);
    return unpack(section, type, cursor_bytes(&cursor, packed_size), packed_size, size, name);
}

/* "ZLIB", the size as 8 bytes, the highest first, and the compressed bytes. */
static struct error *unpack_gnu(struct section_bytes *section, const char *name) {
    struct cursor cursor;
    cursor_init(&cursor, section->data, section->size, name);
    const void *magic = cursor_bytes(&cursor, 4);
    uint64_t size = __builtin_bswap64(cursor_u64(&cursor));
    TRY(cursor_check(&cursor));
    if (memcmp(magic, "ZLIB", 4) != 0)
        return damaged(name);
    size_t packed_size = cursor_left(&cursor);
    return unpack(section, ELFCOMPRESS_ZLIB, cursor_bytes(&cursor, packed_size), packed_size, size, name);
}

struct error *section_bytes_init(struct section_bytes *section, const struct elf_image *image,
                                 const char *name) {
    struct elf_section found;
    char gnu_name[64];
    bool is_gnu = false;
    if (!elf_find_section(image, name, &found)) {
        snprintf(gnu_name, sizeof(gnu_name), ".z%s", name + 1);
        is_gnu = elf_find_section(image, gnu_name, &found);
        if (!is_gnu)
            return error_new(ERROR_NOT_FOUND, "section %s: there is none", name);
    }
    if (found.type == SHT_NOBITS)
        return error_new(ERROR_NOT_FOUND, "section %s: not in this file", name);
    const void *bytes = elf_bytes(image, found.offset, found.size);
    if (!bytes)
        return error_new(ERROR_BAD_DATA, "section %s: beyond the end of the file", name);
    struct section_bytes made = {.data = bytes, .size = found.size, .vaddr = found.vaddr};
    if (is_gnu)
        TRY(unpack_gnu(&made, name));
    else if (found.flags & SHF_COMPRESSED)
        TRY(unpack_compressed(&made, name));
    *section = made;
    return NULL;
}

void section_bytes_deinit(struct section_bytes *section) {
    free(section->owned);
    memset(section, 0, sizeof(*section));
}
