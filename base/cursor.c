#include "base/cursor.h"

#include <stdlib.h>
#include <string.h>

void cursor_init(struct cursor *cursor, const void *data, size_t size, const char *what) {
    *cursor = (struct cursor){.data = data, .size = size, .what = what};
}

size_t cursor_left(const struct cursor *cursor) {
    return cursor->failed ? 0 : cursor->size - cursor->offset;
}

void cursor_fail(struct cursor *cursor) {
    if (cursor->failed)
        return;
    cursor->failed = true;
    cursor->failed_at = cursor->offset;
}

void cursor_seek(struct cursor *cursor, size_t offset) {
    if (offset > cursor->size)
        cursor_fail(cursor);
    else if (!cursor->failed)
        cursor->offset = offset;
}

const void *cursor_bytes(struct cursor *cursor, size_t count) {
    if (cursor->failed || count > cursor->size - cursor->offset) {
        cursor_fail(cursor);
        return NULL;
    }
    const void *bytes = cursor->data + cursor->offset;
    cursor->offset += count;
    return bytes;
}

#define READ_INTEGER(type)                                                                                   \
    do {                                                                                                     \
        type value = 0;                                                                                      \
        const void *bytes = cursor_bytes(cursor, sizeof(value));                                             \
        if (bytes)                                                                                           \
            memcpy(&value, bytes, sizeof(value));                                                            \
        return value;                                                                                        \
    } while (0)

uint8_t cursor_u8(struct cursor *cursor) {
    READ_INTEGER(uint8_t);
}

uint16_t cursor_u16(struct cursor *cursor) {
    READ_INTEGER(uint16_t);
}

uint32_t cursor_u32(struct cursor *cursor) {
    READ_INTEGER(uint32_t);
}

uint64_t cursor_u64(struct cursor *cursor) {
    READ_INTEGER(uint64_t);
}

uint64_t cursor_varint(struct cursor *cursor) {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = cursor_u8(cursor);
        /* The tenth byte holds the last bit: anything more cannot be a 64-bit number. */
        if (cursor->failed || (shift == 63 && byte > 1)) {
            cursor_fail(cursor);
            return 0;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

int64_t cursor_svarint(struct cursor *cursor) {
    uint64_t value = cursor_varint(cursor);
    return (int64_t)((value >> 1) ^ -(value & 1));
}

const void *cursor_blob(struct cursor *cursor, size_t *ret_size) {
    uint64_t size = cursor_varint(cursor);
    const void *bytes = cursor_bytes(cursor, size);
    *ret_size = bytes ? (size_t)size : 0;
    return bytes;
}

char *cursor_string(struct cursor *cursor) {
    size_t size;
    const char *bytes = cursor_blob(cursor, &size);
    if (!bytes || memchr(bytes, 0, size)) {
        cursor_fail(cursor);
        return NULL;
    }
    char *text = strndup(bytes, size);
    if (!text)
        cursor_fail(cursor);
    return text;
}

struct error *cursor_check(const struct cursor *cursor) {
    if (!cursor->failed)
        return NULL;
    return error_new(ERROR_BAD_DATA, "%s: damaged at byte %zu", cursor->what, cursor->failed_at);
}
