/* json: a tokenizer that reads JSON (RFC 8259) from a file of any size through a window of fixed size.
 *
 * Works like base/cursor.h: the first thing that is wrong puts it into a failed state, in which everything
 * reads as the end; json_check() then says what was wrong and where. So a parser reads on and checks now and
 * then. */
#ifndef REEL_TRACE_JSON_H
#define REEL_TRACE_JSON_H

#include "base/buffer.h"

struct json {
    int fd;           /* not owned */
    const char *name; /* for errors; not owned */
    uint8_t *window;
    size_t at, end;  /* what is left of the window */
    uint64_t before; /* offset in the file of the window's first byte */
    unsigned nesting, nesting_max;
    size_t value_max; /* bytes that a buffer may grow to */
    struct error *error;
    bool cut; /* the error is that the file ended too early */
};

struct error *json_init(struct json *json, int fd, const char *name, unsigned nesting_max, size_t value_max);
void json_deinit(struct json *json);

/* The next byte that is not white space, which is not taken; -1 at the end, or after a failure. */
int json_peek(struct json *json);

/* Take the next byte that is not white space if it is this one. */
bool json_take(struct json *json, char byte);

/* The same, but it is a failure if it is not. */
void json_expect(struct json *json, char byte);

/* Take the next value if it lies whole in the window and is on one line, with ", " and ": " between, as the
 * writer writes it: nearly all are. Its bytes hold until anything else is read. If it is not, or is wrong,
 * nothing but white space is taken: json_copy() reads it, or says what is wrong with it. */
bool json_take_whole(struct json *json, const char **ret, size_t *ret_size);

/* Take these very bytes if they come next and lie in the window. */
bool json_take_text(struct json *json, const char *text, size_t size);

/* Append the next value to ret: on one line, with ", " and ": " between; strings and numbers as they are. */
void json_copy(struct json *json, struct buffer *ret);

/* The same for a value that must be a string, such as a key. */
void json_copy_string(struct json *json, struct buffer *ret);

/* Fail at the current offset: "NAME: damaged at byte N: WHY". */
void json_fail(struct json *json, const char *why);

bool json_failed(const struct json *json);

/* The error, once; NULL before and after. */
struct error *json_check(struct json *json);

#endif
