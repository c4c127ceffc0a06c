#include "dwarf/cfi_index.h"

#include "base/cursor.h"
#include "dwarf/encoding.h"

#include <elf.h>
#include <libdwarf/dwarf.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_VERSION  1
#define HEADER_ENCODING (DW_EH_PE_datarel | DW_EH_PE_sdata4) /* the only one that linkers make */
#define HEADER_ROW      8                                    /* bytes */

/* ---- where the sections are ---- */

static void use_bytes(struct cfi_index *index, bool is_eh_frame) {
    index->section = (struct cfi_section){.data = index->bytes.data,
                                          .size = index->bytes.size,
                                          .vaddr = index->bytes.vaddr,
                                          .is_eh_frame = is_eh_frame};
}

/* Read .eh_frame_hdr: note its table, and say where .eh_frame begins. */
static bool read_header(struct cfi_index *index, const struct elf_image *image, uint64_t *ret_frames) {
    const struct elf_segment *segment = elf_find_segment(image, PT_GNU_EH_FRAME);
    const void *bytes = segment ? elf_bytes(image, segment->offset, segment->filesz) : NULL;
    if (!bytes)
        return false;
    struct cursor cursor;
    cursor_init(&cursor, bytes, segment->filesz, ".eh_frame_hdr");
    uint8_t version = cursor_u8(&cursor), frames_encoding = cursor_u8(&cursor);
    uint8_t count_encoding = cursor_u8(&cursor), row_encoding = cursor_u8(&cursor);
    uint64_t frames = encoding_pointer(&cursor, frames_encoding, segment->vaddr, segment->vaddr);
    if (cursor.failed || version != HEADER_VERSION || frames_encoding & ENCODING_INDIRECT || !frames)
        return false;
    *ret_frames = frames;
    uint64_t count = encoding_pointer(&cursor, count_encoding, segment->vaddr, segment->vaddr);
    if (cursor.failed || count_encoding == DW_EH_PE_omit || row_encoding != HEADER_ENCODING ||
        count > cursor_left(&cursor) / HEADER_ROW)
        return true;
    index->header_rows = cursor_bytes(&cursor, count * HEADER_ROW);
    index->header_row_count = count;
    index->header_vaddr = segment->vaddr;
    return true;
}

/* Without a section table: .eh_frame goes on to the end of its segment at most. */
static bool find_by_header(struct section_bytes *ret, const struct elf_image *image, uint64_t vaddr) {
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        if (segment->type != PT_LOAD || vaddr < segment->vaddr || vaddr - segment->vaddr >= segment->filesz)
            continue;
        const uint8_t *bytes = elf_bytes(image, segment->offset, segment->filesz);
        if (!bytes)
            return false;
        uint64_t skip = vaddr - segment->vaddr;
        *ret = (struct section_bytes){.data = bytes + skip, .size = segment->filesz - skip, .vaddr = vaddr};
        return true;
    }
    return false;
}

struct error *cfi_index_init_eh_frame(struct cfi_index *index, const struct elf_image *image) {
    struct cfi_index made = {.header_rows = NULL};
    uint64_t frames = 0;
    bool has_header = read_header(&made, image, &frames);
    struct error *err = section_bytes_init(&made.bytes, image, ".eh_frame");
    if (error_is(err, ERROR_NOT_FOUND) && has_header && find_by_header(&made.bytes, image, frames)) {
        error_free(err);
        err = NULL;
    }
    TRY(err);
    /* A table that belongs to another section, as after a strange objcopy, is none. */
    if (made.bytes.vaddr != frames)
        made.header_rows = NULL;
    use_bytes(&made, true);
    *index = made;
    return NULL;
}

struct error *cfi_index_init_debug_frame(struct cfi_index *index, const struct elf_image *image) {
    struct cfi_index made = {.header_rows = NULL};
    TRY(section_bytes_init(&made.bytes, image, ".debug_frame"));
    use_bytes(&made, false);
    *index = made;
    return NULL;
}

void cfi_index_deinit(struct cfi_index *index) {
    section_bytes_deinit(&index->bytes);
    free(index->entries);
    memset(index, 0, sizeof(*index));
}

/* ---- the index of our own ---- */

static struct error *add_entry(struct cfi_index *index, size_t *room, const struct cfi_index_entry *entry) {
    if (index->count == *room) {
        size_t grown_room = *room ? *room * 2 : 64;
        struct cfi_index_entry *grown = realloc(index->entries, grown_room * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        index->entries = grown;
        *room = grown_room;
    }
    index->entries[index->count++] = *entry;
    return NULL;
}

/* By address; of those that begin at the same, the first in the section. */
static int compare_entries(const void *a, const void *b) {
    const struct cfi_index_entry *left = a, *right = b;
    if (left->low != right->low)
        return left->low < right->low ? -1 : 1;
    return (left->fde > right->fde) - (left->fde < right->fde);
}

static struct error *add_fde(struct cfi_index *index, size_t *room, struct cfi_cie *cie, size_t offset) {
    struct cfi_fde fde;
    struct error *err = cfi_read_fde(&index->section, offset, cie, &fde);
    if (error_is(err, ERROR_BAD_DATA) || error_is(err, ERROR_UNSUPPORTED)) {
        error_free(err); /* the others may be fine */
        return NULL;
    }
    TRY(err);
    if (!fde.low || fde.low == fde.high)
        return NULL;
    struct cfi_index_entry entry = {.low = fde.low, .high = fde.high, .fde = offset};
    return add_entry(index, room, &entry);
}

static struct error *add_all(struct cfi_index *index) {
    struct cfi_cie cie = {.end = 0};
    enum cfi_record kind = CFI_RECORD_PADDING;
    size_t room = 0, next = 0;
    while (kind != CFI_RECORD_END) {
        size_t offset = next;
        struct error *err = cfi_read_record(&index->section, offset, &kind, &next);
        if (error_is(err, ERROR_BAD_DATA)) {
            error_free(err);
            return NULL;
        }
        TRY(err);
        if (kind == CFI_RECORD_FDE)
            TRY(add_fde(index, &room, &cie, offset));
    }
    return NULL;
}

struct error *cfi_index_scan(struct cfi_index *index) {
    if (index->scanned)
        return NULL;
    struct error *err = add_all(index);
    if (err) {
        free(index->entries);
        index->entries = NULL;
        index->count = 0;
        return err;
    }
    if (index->count)
        qsort(index->entries, index->count, sizeof(*index->entries), compare_entries);
    index->scanned = true;
    return NULL;
}

/* Offset of the FDE that begins last at or before vaddr. */
static bool find_by_entries(const struct cfi_index *index, uint64_t vaddr, size_t *ret) {
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->entries[middle].low <= vaddr)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return false;
    for (low--; low && index->entries[low - 1].low == index->entries[low].low;)
        low--;
    *ret = index->entries[low].fde;
    return true;
}

/* ---- the linker's table ---- */

static uint64_t header_number(const struct cfi_index *index, size_t row, size_t column) {
    int32_t number;
    memcpy(&number, index->header_rows + row * HEADER_ROW + column * sizeof(number), sizeof(number));
    return index->header_vaddr + (uint64_t)(int64_t)number;
}

static bool find_by_header_rows(const struct cfi_index *index, uint64_t vaddr, size_t *ret) {
    size_t low = 0, high = index->header_row_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (header_number(index, middle, 0) <= vaddr)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return false;
    *ret = header_number(index, low - 1, 1) - index->section.vaddr;
    return true;
}

struct error *cfi_index_find(struct cfi_index *index, uint64_t vaddr, struct cfi_cie *ret_cie,
                             struct cfi_fde *ret_fde) {
    struct cfi_cie cie = {.end = 0};
    struct cfi_fde fde;
    size_t offset;
    if (!index->header_rows)
        TRY(cfi_index_scan(index));
    bool found = index->header_rows ? find_by_header_rows(index, vaddr, &offset)
                                    : find_by_entries(index, vaddr, &offset);
    if (found)
        TRY(cfi_read_fde(&index->section, offset, &cie, &fde));
    if (!found || vaddr < fde.low || vaddr >= fde.high)
        return error_new(ERROR_NOT_FOUND, "unwinding: no call frame information for 0x%llx",
                         (unsigned long long)vaddr);
    *ret_cie = cie;
    *ret_fde = fde;
    return NULL;
}
