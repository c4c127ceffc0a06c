#include "base/cursor.h"
#include "dwarf/elf.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_NAME ".eh_frame"

/* DW_EH_PE_*: how a pointer in .eh_frame and .eh_frame_hdr is stored (LSB Core, section 10.5). */
#define ENCODING_ABSPTR         0x00
#define ENCODING_OMIT           0xff
#define ENCODING_DATAREL_SDATA4 0x3b
#define ENCODING_FORMAT(byte)   ((byte)&0x0f)
#define ENCODING_BASE(byte)     ((byte)&0xf0)
#define BASE_ABSOLUTE           0x00
#define BASE_PCREL              0x10
#define FORMAT_SDATA4           0x0b

/* More letters than an augmentation has; a bound, so that many frames of one long CIE take no long time. */
#define AUGMENTATION_MAX 8

struct starts {
    uint64_t *values;
    size_t count, room;
};

static struct error *starts_add(struct starts *starts, uint64_t value) {
    if (starts->count == starts->room) {
        size_t room = starts->room ? starts->room * 2 : 64;
        uint64_t *grown = realloc(starts->values, room * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        starts->values = grown;
        starts->room = room;
    }
    starts->values[starts->count++] = value;
    return NULL;
}

/* Read a number in one of the formats of DW_EH_PE_*; what it is relative to does not matter here. */
static uint64_t read_encoded(struct cursor *cursor, uint8_t encoding) {
    if (encoding == ENCODING_OMIT)
        return 0;
    switch (ENCODING_FORMAT(encoding)) {
    case 0x1: /* uleb128 */
    case 0x9: /* sleb128 */
        return cursor_varint(cursor);
    case 0x2: /* udata2 */
    case 0xa: /* sdata2 */
        return cursor_u16(cursor);
    case 0x3: /* udata4 */
        return cursor_u32(cursor);
    case FORMAT_SDATA4:
        return (uint64_t)(int32_t)cursor_u32(cursor);
    case 0x0: /* absptr */
    case 0x4: /* udata8 */
    case 0xc: /* sdata8 */
        return cursor_u64(cursor);
    default:
        cursor_fail(cursor);
        return 0;
    }
}

/* The table of .eh_frame_hdr */

/* Read the table header up to its first row; returns the number of rows, 0 if there is no table that can be
 * used. */
static size_t read_table_header(struct cursor *cursor) {
    uint8_t version = cursor_u8(cursor);
    uint8_t frame_encoding = cursor_u8(cursor);
    uint8_t count_encoding = cursor_u8(cursor);
    uint8_t table_encoding = cursor_u8(cursor);
    if (version != 1 || count_encoding == ENCODING_OMIT || table_encoding != ENCODING_DATAREL_SDATA4)
        return 0;
    read_encoded(cursor, frame_encoding);
    uint64_t count = read_encoded(cursor, count_encoding);
    /* A row is two 4-byte numbers. */
    return count <= cursor_left(cursor) / 8 ? count : 0;
}

static struct error *add_table(struct starts *starts, const struct elf_image *image) {
    const struct elf_segment *segment = elf_find_segment(image, PT_GNU_EH_FRAME);
    const void *bytes = segment ? elf_bytes(image, segment->offset, segment->filesz) : NULL;
    if (!bytes)
        return NULL;
    struct cursor cursor;
    cursor_init(&cursor, bytes, segment->filesz, FRAMES_NAME "_hdr");
    size_t count = read_table_header(&cursor);
    int64_t last = INT32_MIN;
    for (size_t i = 0; i < count; i++) {
        int32_t start = (int32_t)cursor_u32(&cursor);
        cursor_u32(&cursor); /* where its FDE is */
        /* The unwinder searches this table by bisection: unsorted, it is damaged. */
        if (start < last) {
            starts->count = 0;
            return NULL;
        }
        TRY(starts_add(starts, segment->vaddr + (uint64_t)(int64_t)start));
        last = start;
    }
    return NULL;
}

/* The records of .eh_frame (LSB Core, section 10.6.1): CIEs, and FDEs that refer to them */

/* Find in the data of a CIE how its FDEs store where their functions are; false when it is of no known kind.
 */
static bool read_augmentation(struct cursor *cursor, const char *letters, uint8_t *ret_encoding) {
    cursor_varint(cursor); /* size of the data */
    for (; *letters; letters++)
        switch (*letters) {
        case 'R':
            *ret_encoding = cursor_u8(cursor);
            break;
        case 'L': /* encoding of language specific data */
            cursor_u8(cursor);
            break;
        case 'P': /* personality routine */
            read_encoded(cursor, cursor_u8(cursor));
            break;
        case 'S': /* signal frame */
        case 'B': /* signed return addresses */
            break;
        default:
            return false;
        }
    return !cursor->failed;
}

/* The same for the CIE at this offset; the cursor is a copy. */
static bool read_cie(struct cursor cursor, size_t offset, uint8_t *ret_encoding) {
    char letters[AUGMENTATION_MAX];
    size_t count = 0;
    cursor_seek(&cursor, offset);
    cursor_u32(&cursor); /* length */
    uint32_t id = cursor_u32(&cursor);
    uint8_t version = cursor_u8(&cursor);
    if (cursor.failed || id != 0 || (version != 1 && version != 3))
        return false;
    do {
        if (count == sizeof(letters))
            return false;
        letters[count] = (char)cursor_u8(&cursor);
    } while (letters[count++]);
    cursor_varint(&cursor); /* factors of code and data */
    cursor_varint(&cursor);
    if (version == 1) /* register of the return address */
        cursor_u8(&cursor);
    else
        cursor_varint(&cursor);
    *ret_encoding = ENCODING_ABSPTR;
    if (letters[0] == 'z')
        return read_augmentation(&cursor, letters + 1, ret_encoding);
    return !cursor.failed && !letters[0];
}

/* Read a pointer; vaddr is where the cursor's data begins. False when it is stored in a way that is not used
 * for functions. */
static bool read_pointer(struct cursor *cursor, uint8_t encoding, uint64_t vaddr, uint64_t *ret) {
    uint64_t here = vaddr + cursor->offset;
    switch (ENCODING_FORMAT(encoding)) {
    case 0x0: /* absptr, udata4, udata8, sdata4, sdata8 */
    case 0x3:
    case 0x4:
    case FORMAT_SDATA4:
    case 0xc:
        break;
    default:
        return false;
    }
    if (ENCODING_BASE(encoding) != BASE_ABSOLUTE && ENCODING_BASE(encoding) != BASE_PCREL)
        return false;
    *ret = read_encoded(cursor, encoding) + (ENCODING_BASE(encoding) == BASE_PCREL ? here : 0);
    return !cursor->failed;
}

static struct error *add_frames(struct starts *starts, const struct elf_image *image) {
    struct elf_section section;
    const void *bytes = NULL;
    if (elf_find_section(image, FRAMES_NAME, &section) && section.type != SHT_NOBITS)
        bytes = elf_bytes(image, section.offset, section.size);
    if (!bytes)
        return NULL;
    struct cursor cursor;
    cursor_init(&cursor, bytes, section.size, FRAMES_NAME);
    size_t last_cie = SIZE_MAX;
    uint8_t encoding = ENCODING_OMIT;
    for (;;) {
        uint32_t length = cursor_u32(&cursor);
        size_t begin = cursor.offset; /* what lengths and distances are counted from */
        /* 0 is the end; UINT32_MAX, which says that 64 bits of length follow, never fits. */
        if (length < 4 || length > cursor_left(&cursor))
            return NULL;
        uint32_t distance = cursor_u32(&cursor); /* back to the CIE; 0: this is one */
        if (distance) {
            uint64_t start;
            size_t cie = begin - distance;
            if (distance > begin || (cie != last_cie && !read_cie(cursor, cie, &encoding)) ||
                !read_pointer(&cursor, encoding, section.vaddr, &start))
                return NULL;
            last_cie = cie;
            TRY(starts_add(starts, start));
        }
        cursor_seek(&cursor, begin + length);
    }
}

/* Symbols */

static struct error *add_symbol(struct starts *starts, unsigned type, uint64_t value) {
    bool is_function = type == STT_FUNC || type == STT_GNU_IFUNC;
    return is_function && value ? starts_add(starts, value) : NULL;
}

/* The first section of this type: there may be one at most, and more would multiply the work. */
static struct error *add_section_symbols(struct starts *starts, const struct elf_image *image,
                                         uint32_t type) {
    struct elf_section section;
    size_t index = 0;
    do {
        if (!elf_section(image, index++, &section))
            return NULL;
    } while (section.type != type);
    const uint8_t *symbols = elf_bytes(image, section.offset, section.size);
    for (size_t i = 0; symbols && i < section.size / sizeof(Elf64_Sym); i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, symbols + i * sizeof(symbol), sizeof(symbol));
        TRY(add_symbol(starts, ELF64_ST_TYPE(symbol.st_info), symbol.st_value));
    }
    return NULL;
}

/* These are found without a section table, too. */
static struct error *add_dynamic_symbols(struct starts *starts, const struct elf_image *image) {
    struct elf_symbol *symbols;
    size_t count;
    struct error *err = elf_dynamic_symbols(image, &symbols, &count);
    if (error_is(err, ERROR_NOT_FOUND) || error_is(err, ERROR_BAD_DATA)) {
        error_free(err);
        return add_section_symbols(starts, image, SHT_DYNSYM);
    }
    if (err)
        return err;
    for (size_t i = 0; !err && i < count; i++)
        err = add_symbol(starts, symbols[i].type, symbols[i].value);
    free(symbols);
    return err;
}

/* Putting it together */

static int compare_values(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static int compare_ranges(const void *a, const void *b) {
    return compare_values(&((const struct elf_range *)a)->vaddr, &((const struct elf_range *)b)->vaddr);
}

/* Sort the starts, and leave one of each that lies in code. */
static struct error *starts_tidy(struct starts *starts, const struct elf_image *image) {
    struct elf_range *ranges;
    size_t range_count, next = 0, count = 0;
    TRY(elf_code_ranges(image, &ranges, &range_count));
    qsort(ranges, range_count, sizeof(*ranges), compare_ranges);
    if (starts->count)
        qsort(starts->values, starts->count, sizeof(*starts->values), compare_values);
    uint64_t end = 0; /* the furthest of those ranges that begin at or before the start */
    for (size_t i = 0; i < starts->count; i++) {
        uint64_t start = starts->values[i];
        for (; next < range_count && ranges[next].vaddr <= start; next++)
            if (ranges[next].vaddr + ranges[next].size > end)
                end = ranges[next].vaddr + ranges[next].size;
        if (start < end && !(count && starts->values[count - 1] == start))
            starts->values[count++] = start;
    }
    starts->count = count;
    free(ranges);
    return NULL;
}

static struct error *collect(struct starts *starts, const struct elf_image *image) {
    TRY(add_table(starts, image));
    if (!starts->count)
        TRY(add_frames(starts, image));
    TRY(add_section_symbols(starts, image, SHT_SYMTAB));
    TRY(add_dynamic_symbols(starts, image));
    TRY(starts_add(starts, image->entry));
    return starts_tidy(starts, image);
}

struct error *elf_function_starts(const struct elf_image *image, uint64_t **ret, size_t *ret_count) {
    struct starts starts = {0};
    *ret = NULL;
    *ret_count = 0;
    struct error *err = collect(&starts, image);
    if (err) {
        free(starts.values);
        return err;
    }
    *ret = starts.values;
    *ret_count = starts.count;
    return NULL;
}
