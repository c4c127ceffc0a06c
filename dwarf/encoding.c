#include "dwarf/encoding.h"

#include <libdwarf/dwarf.h>
#include <stdbool.h>

#define FORMAT_MASK  0x0f
#define BASE_MASK    0x70
#define ADDRESS_SIZE 8

int64_t encoding_sleb128(struct cursor *cursor) {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = cursor_u8(cursor);
        /* The tenth byte holds bit 63; the six above it can only repeat that. */
        if (cursor->failed || (shift == 63 && byte != 0 && byte != 0x7f)) {
            cursor_fail(cursor);
            return 0;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        bool negative = byte & 0x40;
        return (int64_t)(negative && shift + 7 < 64 ? value | UINT64_MAX << (shift + 7) : value);
    }
}

uint64_t encoding_unsigned(struct cursor *cursor, unsigned size) {
    switch (size) {
    case 1:
        return cursor_u8(cursor);
    case 2:
        return cursor_u16(cursor);
    case 4:
        return cursor_u32(cursor);
    case 8:
        return cursor_u64(cursor);
    default:
        cursor_fail(cursor);
        return 0;
    }
}

static uint64_t read_format(struct cursor *cursor, uint8_t format) {
    switch (format) {
    case DW_EH_PE_absptr:
    case DW_EH_PE_udata8:
    case DW_EH_PE_sdata8:
        return cursor_u64(cursor);
    case DW_EH_PE_uleb128:
        return cursor_varint(cursor);
    case DW_EH_PE_sleb128:
        return (uint64_t)encoding_sleb128(cursor);
    case DW_EH_PE_udata2:
        return cursor_u16(cursor);
    case DW_EH_PE_sdata2:
        return (uint64_t)(int16_t)cursor_u16(cursor);
    case DW_EH_PE_udata4:
        return cursor_u32(cursor);
    case DW_EH_PE_sdata4:
        return (uint64_t)(int32_t)cursor_u32(cursor);
    default:
        cursor_fail(cursor);
        return 0;
    }
}

uint64_t encoding_pointer(struct cursor *cursor, uint8_t encoding, uint64_t vaddr, uint64_t data_vaddr) {
    if (encoding == DW_EH_PE_omit)
        return 0;
    uint64_t here = vaddr + cursor->offset, base = 0;
    switch (encoding & BASE_MASK) {
    case 0:
        break;
    case DW_EH_PE_pcrel:
        base = here;
        break;
    case DW_EH_PE_datarel:
        base = data_vaddr;
        break;
    case DW_EH_PE_aligned: /* the next aligned word, whatever the format says */
        cursor_bytes(cursor, -here % ADDRESS_SIZE);
        return cursor_u64(cursor);
    default:
        cursor_fail(cursor);
        return 0;
    }
    uint64_t value = read_format(cursor, encoding & FORMAT_MASK);
    /* A null pointer is stored as 0, relative or not. */
    return value ? value + base : 0;
}
