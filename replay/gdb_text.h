/* gdb_text: the numbers and bytes in packets of gdb's remote protocol: hexadecimal, from a side that is not
 * trusted. */
#ifndef REEL_REPLAY_GDB_TEXT_H
#define REEL_REPLAY_GDB_TEXT_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gdb_text {
    const char *at, *end; /* not owned */
};

struct gdb_text gdb_text_of(const char *text, size_t size);
size_t gdb_text_left(const struct gdb_text *text);
/* The next character, '\0' at the end. */
char gdb_text_take(struct gdb_text *text);
/* Take this character if it is the next. */
bool gdb_text_accept(struct gdb_text *text, char wanted);
/* A number of 1 to 16 digits. */
bool gdb_text_number(struct gdb_text *text, uint64_t *ret);
/* A thread: its ID, 0 any, -1 all. */
bool gdb_text_thread(struct gdb_text *text, int32_t *ret);
/* Bytes of two digits each. */
bool gdb_text_bytes(struct gdb_text *text, uint8_t *ret, size_t count);

void gdb_text_put(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void gdb_text_put_hex(struct buffer *buffer, const void *bytes, size_t size);

#endif
