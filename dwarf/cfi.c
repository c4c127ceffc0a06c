#include "dwarf/cfi.h"

#include "dwarf/encoding.h"

#include <libdwarf/dwarf.h>
#include <string.h>

/* More letters than an augmentation has. */
#define AUGMENTATION_MAX 16
#define ADDRESS_SIZE     8
#define LENGTH_64_BIT    UINT32_MAX /* 8 bytes of length follow (DWARF 5, section 7.4) */

/* The beginning of a record. */
struct head {
    enum cfi_record kind;
    size_t cie;       /* an FDE: offset of its CIE */
    size_t body, end; /* offsets: behind length and id, behind the record */
};

const char *cfi_section_name(const struct cfi_section *section) {
    return section->is_eh_frame ? ".eh_frame" : ".debug_frame";
}

static struct error *bad(const struct cfi_section *section, size_t offset, const char *what) {
    return error_new(ERROR_BAD_DATA, "%s: %s at byte %zu", cfi_section_name(section), what, offset);
}

static struct error *unsupported(const struct cfi_section *section, size_t offset, const char *what) {
    return error_new(ERROR_UNSUPPORTED, "%s: %s at byte %zu", cfi_section_name(section), what, offset);
}

/* Tell CIE and FDE apart. .eh_frame: 0, or the distance back from the id to the CIE, in 4 bytes always.
 * .debug_frame: all ones, or the offset of the CIE. */
static void read_id(const struct cfi_section *section, struct cursor *cursor, bool is_64_bit,
                    struct head *head) {
    size_t here = cursor->offset;
    if (section->is_eh_frame) {
        uint32_t distance = cursor_u32(cursor);
        head->kind = distance ? CFI_RECORD_FDE : CFI_RECORD_CIE;
        head->cie = here - distance;
        if (distance > here)
            cursor_fail(cursor);
    } else {
        uint64_t id = is_64_bit ? cursor_u64(cursor) : cursor_u32(cursor);
        bool is_cie = id == (is_64_bit ? UINT64_MAX : UINT32_MAX);
        head->kind = is_cie ? CFI_RECORD_CIE : CFI_RECORD_FDE;
        head->cie = id;
    }
}

static struct error *read_head(const struct cfi_section *section, size_t offset, struct head *ret) {
    struct cursor cursor;
    cursor_init(&cursor, section->data, section->size, cfi_section_name(section));
    cursor_seek(&cursor, offset);
    uint64_t length = cursor_u32(&cursor);
    bool is_64_bit = length == LENGTH_64_BIT;
    if (is_64_bit)
        length = cursor_u64(&cursor);
    TRY(cursor_check(&cursor));
    if (!length) {
        *ret = (struct head){.kind = CFI_RECORD_PADDING, .body = cursor.offset, .end = cursor.offset};
        return NULL;
    }
    if (length > cursor_left(&cursor))
        return bad(section, offset, "a record that is longer than the section");
    struct head head = {.end = cursor.offset + length};
    cursor.size = head.end;
    read_id(section, &cursor, is_64_bit, &head);
    TRY(cursor_check(&cursor));
    head.body = cursor.offset;
    *ret = head;
    return NULL;
}

struct error *cfi_read_record(const struct cfi_section *section, size_t offset, enum cfi_record *ret,
                              size_t *ret_next) {
    struct head head;
    if (offset >= section->size) {
        *ret = CFI_RECORD_END;
        *ret_next = section->size;
        return NULL;
    }
    TRY(read_head(section, offset, &head));
    *ret = head.kind;
    *ret_next = head.end;
    return NULL;
}

/* A cursor over the body of a record; offsets stay those in the section. */
static void body_cursor(const struct cfi_section *section, const struct head *head, struct cursor *ret) {
    cursor_init(ret, section->data, head->end, cfi_section_name(section));
    cursor_seek(ret, head->body);
}

static void read_augmentation_string(struct cursor *cursor, char ret[AUGMENTATION_MAX]) {
    for (size_t i = 0; i < AUGMENTATION_MAX; i++)
        if (!(ret[i] = (char)cursor_u8(cursor)))
            return;
    ret[0] = 0;
    cursor_fail(cursor);
}

/* What the letters behind 'z' say. Those behind an unknown one are skipped with it: the size of the data is
 * known. */
static void read_augmentation_data(const struct cfi_section *section, struct cursor *cursor,
                                   const char *letters, struct cfi_cie *cie) {
    uint64_t size = cursor_varint(cursor);
    size_t end = cursor->offset + size;
    if (size > cursor_left(cursor)) {
        cursor_fail(cursor);
        return;
    }
    bool known = true;
    for (; *letters && known; letters++)
        switch (*letters) {
        case 'R':
            cie->pointer_encoding = cursor_u8(cursor);
            break;
        case 'L': /* encoding of the language specific data */
            cursor_u8(cursor);
            break;
        case 'P': /* personality routine */
            encoding_pointer(cursor, cursor_u8(cursor), section->vaddr, 0);
            break;
        case 'S':
            cie->signal_frame = true;
            break;
        case 'B': /* how AArch64 signs return addresses */
            break;
        default:
            known = false;
        }
    if (cursor->offset > end)
        cursor_fail(cursor);
    cursor_seek(cursor, end);
}

static struct error *read_augmentation(const struct cfi_section *section, struct cursor *cursor,
                                       const char *letters, struct cfi_cie *cie) {
    if (letters[0] == 'z') {
        cie->has_augmentation_data = true;
        read_augmentation_data(section, cursor, letters + 1, cie);
    } else if (letters[0]) {
        return unsupported(section, cie->offset, "an augmentation that reel does not know");
    }
    return cursor_check(cursor);
}

/* Address sizes, which .debug_frame says since version 4. */
static struct error *read_sizes(const struct cfi_section *section, struct cursor *cursor,
                                struct cfi_cie *cie) {
    uint8_t address_size = cursor_u8(cursor);
    cie->segment_size = cursor_u8(cursor);
    if (!cursor->failed && address_size != ADDRESS_SIZE)
        return unsupported(section, cie->offset, "addresses that are not of 8 bytes");
    return NULL;
}

static struct error *read_cie(const struct cfi_section *section, size_t offset, struct cfi_cie *ret) {
    struct head head;
    struct cursor cursor;
    char letters[AUGMENTATION_MAX];
    TRY(read_head(section, offset, &head));
    if (head.kind != CFI_RECORD_CIE)
        return bad(section, offset, "no CIE where one should be");
    body_cursor(section, &head, &cursor);
    struct cfi_cie cie = {.offset = offset, .pointer_encoding = DW_EH_PE_absptr, .end = head.end};
    uint8_t version = cursor_u8(&cursor);
    if (version != 1 && version != 3 && version != 4)
        return unsupported(section, offset, "a CIE of a version that reel does not know");
    read_augmentation_string(&cursor, letters);
    if (!strcmp(letters, "eh")) { /* GCC 2: a pointer to exception data */
        cursor_u64(&cursor);
        letters[0] = 0;
    }
    if (version == 4)
        TRY(read_sizes(section, &cursor, &cie));
    cie.code_factor = cursor_varint(&cursor);
    cie.data_factor = encoding_sleb128(&cursor);
    cie.return_register = version == 1 ? cursor_u8(&cursor) : cursor_varint(&cursor);
    TRY(read_augmentation(section, &cursor, letters, &cie));
    cie.begin = cursor.offset;
    *ret = cie;
    return NULL;
}

/* Low and high of an FDE. */
static struct error *read_range(const struct cfi_section *section, struct cursor *cursor,
                                const struct cfi_cie *cie, struct cfi_fde *fde) {
    size_t offset = cursor->offset;
    if (cie->pointer_encoding & ENCODING_INDIRECT)
        return unsupported(section, cie->offset, "indirect addresses of functions");
    cursor_bytes(cursor, cie->segment_size);
    fde->low = encoding_pointer(cursor, cie->pointer_encoding, section->vaddr, 0);
    uint64_t size = encoding_pointer(cursor, cie->pointer_encoding & 0xf, 0, 0);
    TRY(cursor_check(cursor));
    if (__builtin_add_overflow(fde->low, size, &fde->high))
        return bad(section, offset, "a function beyond the end of memory");
    return NULL;
}

struct error *cfi_read_fde(const struct cfi_section *section, size_t offset, struct cfi_cie *cie,
                           struct cfi_fde *ret) {
    struct head head;
    struct cursor cursor;
    TRY(read_head(section, offset, &head));
    if (head.kind != CFI_RECORD_FDE)
        return bad(section, offset, "no FDE where one should be");
    if (!cie->end || cie->offset != head.cie) {
        cie->end = 0;
        TRY(read_cie(section, head.cie, cie));
    }
    body_cursor(section, &head, &cursor);
    struct cfi_fde fde = {.end = head.end};
    TRY(read_range(section, &cursor, cie, &fde));
    if (cie->has_augmentation_data)
        cursor_bytes(&cursor, cursor_varint(&cursor));
    TRY(cursor_check(&cursor));
    fde.begin = cursor.offset;
    *ret = fde;
    return NULL;
}
