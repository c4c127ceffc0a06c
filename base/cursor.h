/* cursor: reads untrusted bytes and never beyond them.
 *
 * Every byte that comes from outside (a recording, an ELF file, /proc) goes through a cursor. The first read
 * that does not fit puts the cursor into a failed state: it and all later reads yield zeros, and
 * cursor_check() then says where it went wrong. So a parser reads a whole record and checks once. */
#ifndef REEL_BASE_CURSOR_H
#define REEL_BASE_CURSOR_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct cursor {
    const uint8_t *data; /* not owned */
    size_t size;
    size_t offset;
    bool failed;
    size_t failed_at; /* offset of the read that did not fit */
    const char *what; /* name of what is read, for the error; not owned */
};

void cursor_init(struct cursor *cursor, const void *data, size_t size, const char *what);

/* Bytes that are left. */
size_t cursor_left(const struct cursor *cursor);

/* Move to an absolute offset; beyond the end fails the cursor. */
void cursor_seek(struct cursor *cursor, size_t offset);

uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);
uint64_t cursor_varint(struct cursor *cursor);
int64_t cursor_svarint(struct cursor *cursor);

/* Pointer to count bytes inside the data (valid as long as the data is), or NULL when they do not fit. */
const void *cursor_bytes(struct cursor *cursor, size_t count);

/* Read a blob: sets *ret_size and returns a pointer into the data; NULL and 0 on failure. */
const void *cursor_blob(struct cursor *cursor, size_t *ret_size);

/* Read a blob as a fresh NUL-terminated string (the caller frees it); NULL when it does not fit, holds a NUL,
 * or memory is out; all three fail the cursor. */
char *cursor_string(struct cursor *cursor);

/* Mark the data as bad at the current offset: for values that are read but make no sense. */
void cursor_fail(struct cursor *cursor);

/* ERROR_BAD_DATA with the name and the offset if any read failed. */
struct error *cursor_check(const struct cursor *cursor);

#endif
