/* buffer: a growing array of bytes, and the writing half of reel's binary encoding.
 *
 * Encoding: integers are little endian; a varint is unsigned LEB128 (7 bits a byte, low bits first, DWARF 5
 * section 7.6); a signed varint is zigzag-coded first; a blob is a varint length and its bytes. base/cursor.h
 * reads the same back. */
#ifndef REEL_BASE_BUFFER_H
#define REEL_BASE_BUFFER_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* data holds size valid bytes, room of them are allocated. A zeroed struct is an empty buffer. Allocation
 * failures are remembered in `failed` (appending then does nothing) so that a long encoding checks once, with
 * buffer_check(). */
struct buffer {
    uint8_t *data;
    size_t size;
    size_t room;
    bool failed;
};

void buffer_deinit(struct buffer *buffer);

/* Forget the contents, keep the allocation, clear `failed`. */
void buffer_clear(struct buffer *buffer);

/* Make room for count more bytes and return where they start, or NULL when memory is out; size is not
 * changed. */
void *buffer_reserve(struct buffer *buffer, size_t count);

void buffer_put(struct buffer *buffer, const void *bytes, size_t count);
void buffer_put_u8(struct buffer *buffer, uint8_t value);
void buffer_put_u32(struct buffer *buffer, uint32_t value);
void buffer_put_u64(struct buffer *buffer, uint64_t value);
void buffer_put_varint(struct buffer *buffer, uint64_t value);
void buffer_put_svarint(struct buffer *buffer, int64_t value);
void buffer_put_blob(struct buffer *buffer, const void *bytes, size_t count);
void buffer_put_string(struct buffer *buffer, const char *text); /* a blob without the NUL */

/* error_no_memory if an append failed since the buffer was last cleared. */
struct error *buffer_check(const struct buffer *buffer);

#endif
