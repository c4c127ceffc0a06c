#include "trace/json.h"

#include "trace/event.h"
#include "trace/plain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WINDOW = 64 << 10 };

struct error *json_init(struct json *json, int fd, const char *name, unsigned nesting_max, size_t value_max) {
    *json = (struct json){.fd = fd, .name = name, .nesting_max = nesting_max, .value_max = value_max};
    json->window = malloc(WINDOW);
    return json->window ? NULL : &error_no_memory;
}

void json_deinit(struct json *json) {
    free(json->window);
    error_free(json->error);
    memset(json, 0, sizeof(*json));
}

/* ---- failures ---- */

/* Nothing is left to be read after a failure. `end` 0 marks it: the error itself may have been taken. */
static void set_error(struct json *json, struct error *err) {
    if (json_failed(json))
        error_free(err);
    else
        json->error = err;
    json->at = json->end = 0;
    json->fd = -1;
}

static uint64_t offset(const struct json *json) {
    return json->before + json->at;
}

void json_fail(struct json *json, const char *why) {
    if (!json_failed(json))
        set_error(json, error_new(ERROR_BAD_DATA, "%s: damaged at byte %" PRIu64 ": %s", json->name,
                                  offset(json), why));
}

static void fail_cut(struct json *json) {
    if (json_failed(json))
        return;
    set_error(json, error_new(ERROR_BAD_DATA, "%s: cut off at byte %" PRIu64 ", in the middle of the trace",
                              json->name, offset(json)));
    json->cut = true;
}

/* The byte that comes next is not what it should be. */
static void fail_here(struct json *json, int byte, const char *why) {
    if (byte < 0)
        fail_cut(json);
    else
        json_fail(json, why);
}

bool json_failed(const struct json *json) {
    return json->fd < 0;
}

struct error *json_check(struct json *json) {
    struct error *err = json->error;
    json->error = NULL;
    return err;
}

/* ---- bytes ---- */

/* Read more into the empty window; false at the end. */
static bool refill(struct json *json) {
    ssize_t count;
    if (json_failed(json))
        return false;
    do
        count = read(json->fd, json->window, WINDOW);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        set_error(json, error_system(errno, "%s", json->name));
    if (count <= 0)
        return false;
    json->before += json->end;
    json->at = 0;
    json->end = (size_t)count;
    return true;
}

/* The next byte, white space or not; -1 at the end. */
static inline int peek_byte(struct json *json) {
    if (json->at == json->end && !refill(json))
        return -1;
    return json->window[json->at];
}

int json_peek(struct json *json) {
    for (int byte;;) {
        byte = peek_byte(json);
        if (byte != ' ' && byte != '\n' && byte != '\t' && byte != '\r')
            return byte;
        json->at++;
    }
}

bool json_take(struct json *json, char byte) {
    if (json_peek(json) != byte)
        return false;
    json->at++;
    return true;
}

void json_expect(struct json *json, char byte) {
    char why[] = "expected 'x'";
    if (json_take(json, byte))
        return;
    why[sizeof(why) - 3] = byte;
    fail_here(json, json_peek(json), why);
}

static void put(struct json *json, struct buffer *ret, const void *bytes, size_t size) {
    buffer_put(ret, bytes, size);
    if (ret->failed)
        set_error(json, &error_no_memory);
    else if (ret->size > json->value_max)
        json_fail(json, "larger than any event is");
}

static void put_byte(struct json *json, struct buffer *ret, int byte) {
    uint8_t as_byte = (uint8_t)byte;
    put(json, ret, &as_byte, 1);
}

/* ---- strings ---- */

#define ESCAPES "\"\\/bfnrtu"

/* Bytes that stand for themselves, as many as the window has. */
static void copy_plain(struct json *json, struct buffer *ret) {
    size_t start = json->at, size = plain_bytes(json->window + start, json->window + json->end);
    json->at += size;
    if (size)
        put(json, ret, json->window + start, size);
}

static bool is_hex(int byte) {
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool is_digit(int byte) {
    return byte >= '0' && byte <= '9';
}

/* Behind the backslash, which is not yet copied. */
static void copy_escape(struct json *json, struct buffer *ret) {
    int byte = peek_byte(json);
    if (byte <= 0 || !strchr(ESCAPES, byte)) {
        fail_here(json, byte, "unknown escape in a string");
        return;
    }
    put_byte(json, ret, '\\');
    put_byte(json, ret, byte);
    json->at += !json_failed(json);
    for (int digits = byte == 'u' ? 4 : 0; digits && !json_failed(json); digits--) {
        byte = peek_byte(json);
        if (!is_hex(byte)) {
            fail_here(json, byte, "expected four hexadecimal digits");
            return;
        }
        put_byte(json, ret, byte);
        json->at += !json_failed(json);
    }
}

/* A character beyond ASCII; it may straddle the windows. */
static void copy_sequence(struct json *json, struct buffer *ret) {
    char bytes[4];
    int first = peek_byte(json);
    size_t size = 0, wanted = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    while (size < wanted) {
        int byte = peek_byte(json);
        if (byte < 0) {
            fail_cut(json);
            return;
        }
        bytes[size++] = (char)byte;
        json->at++;
    }
    if (utf8_sequence(bytes, size) != size)
        json_fail(json, "a string that is not UTF-8");
    else
        put(json, ret, bytes, size);
}

void json_copy_string(struct json *json, struct buffer *ret) {
    json_expect(json, '"');
    put_byte(json, ret, '"');
    while (!json_failed(json)) {
        copy_plain(json, ret);
        int byte = peek_byte(json);
        if (byte >= 0x80) {
            copy_sequence(json, ret);
        } else if (byte < ' ') {
            fail_here(json, byte, "a control character in a string");
        } else if (byte == '"' || byte == '\\') {
            json->at++;
            if (byte == '"')
                break;
            copy_escape(json, ret);
        }
    }
    put_byte(json, ret, '"');
}

/* ---- values that lie whole in the window ----
 *
 * Most values do, and stand as they are to be copied: then one look at each byte and one copy are enough.
 * Each of these returns where the value ends, or NULL when it is not whole, not in this form, or wrong: which
 * of them, and where, is for the functions of the other sections to say. */

static const uint8_t *whole_escape(const uint8_t *at, const uint8_t *end) {
    if (end - at < 2 || !at[1] || !strchr(ESCAPES, at[1]))
        return NULL;
    if (at[1] != 'u')
        return at + 2;
    if (end - at < 6 || !is_hex(at[2]) || !is_hex(at[3]) || !is_hex(at[4]) || !is_hex(at[5]))
        return NULL;
    return at + 6;
}

static const uint8_t *whole_string(const uint8_t *at, const uint8_t *end) {
    for (at++; at;) {
        at += plain_bytes(at, end);
        if (at == end || *at < ' ')
            return NULL;
        if (*at == '"')
            return at + 1;
        if (*at == '\\') {
            at = whole_escape(at, end);
        } else {
            size_t size = utf8_sequence((const char *)at, (size_t)(end - at));
            at = size ? at + size : NULL;
        }
    }
    return NULL;
}

/* The digits of which there must be one; NULL when there is none. */
static const uint8_t *whole_digits(const uint8_t *at, const uint8_t *end) {
    const uint8_t *first = at;
    while (at < end && is_digit(*at))
        at++;
    return at > first ? at : NULL;
}

/* A number ends where a byte behind it says so. */
static const uint8_t *whole_number(const uint8_t *at, const uint8_t *end) {
    at += *at == '-';
    bool zero = at < end && *at == '0';
    const uint8_t *first = at;
    at = whole_digits(at, end);
    if (at && at < end && *at == '.')
        at = whole_digits(at + 1, end);
    if (at && at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at = whole_digits(at + (at < end && (*at == '+' || *at == '-')), end);
    }
    return !at || at == end || (zero && is_digit(first[1])) ? NULL : at;
}

static const uint8_t *whole_text(const uint8_t *at, const uint8_t *end, const char *text, size_t size) {
    return at && (size_t)(end - at) >= size && !memcmp(at, text, size) ? at + size : NULL;
}

static const uint8_t *whole_value(const uint8_t *at, const uint8_t *end, unsigned nesting);

static const uint8_t *whole_members(const uint8_t *at, const uint8_t *end, uint8_t close, unsigned nesting) {
    if (at < end && *at == close)
        return at + 1;
    while (at && at < end) {
        if (close == '}')
            at = *at == '"' ? whole_text(whole_string(at, end), end, ": ", 2) : NULL;
        at = at ? whole_value(at, end, nesting) : NULL;
        if (at && at < end && *at == close)
            return at + 1;
        at = whole_text(at, end, ", ", 2);
    }
    return NULL;
}

/* Recursion is bounded by nesting, the levels that are left. */
static const uint8_t *whole_value(const uint8_t *at, const uint8_t *end, unsigned nesting) {
    if (at == end)
        return NULL;
    switch (*at) {
    case '{':
    case '[':
        return nesting ? whole_members(at + 1, end, *at == '{' ? '}' : ']', nesting - 1) : NULL;
    case '"':
        return whole_string(at, end);
    case 't':
        return whole_text(at, end, "true", 4);
    case 'f':
        return whole_text(at, end, "false", 5);
    case 'n':
        return whole_text(at, end, "null", 4);
    default:
        return *at == '-' || is_digit(*at) ? whole_number(at, end) : NULL;
    }
}

bool json_take_whole(struct json *json, const char **ret, size_t *ret_size) {
    if (json_peek(json) < 0)
        return false;
    const uint8_t *at = json->window + json->at;
    const uint8_t *end = whole_value(at, json->window + json->end, json->nesting_max - json->nesting);
    if (!end || (size_t)(end - at) > json->value_max)
        return false;
    *ret = (const char *)at;
    *ret_size = (size_t)(end - at);
    json->at += *ret_size;
    return true;
}

bool json_take_text(struct json *json, const char *text, size_t size) {
    if (!whole_text(json->window + json->at, json->window + json->end, text, size))
        return false;
    json->at += size;
    return true;
}

/* ---- other values ---- */

static void copy_digits(struct json *json, struct buffer *ret) {
    int byte = peek_byte(json);
    if (!is_digit(byte))
        fail_here(json, byte, "expected a digit");
    while (is_digit(byte = peek_byte(json))) {
        put_byte(json, ret, byte);
        json->at += !json_failed(json);
    }
}

/* Take the next byte if it is one of two. */
static bool copy_one_of(struct json *json, struct buffer *ret, char first, char second) {
    int byte = peek_byte(json);
    if (byte != first && byte != second)
        return false;
    put_byte(json, ret, byte);
    json->at += !json_failed(json);
    return true;
}

static void copy_number(struct json *json, struct buffer *ret) {
    copy_one_of(json, ret, '-', '-');
    if (copy_one_of(json, ret, '0', '0')) {
        if (is_digit(peek_byte(json)))
            json_fail(json, "a number that begins with 0");
    } else {
        copy_digits(json, ret);
    }
    if (copy_one_of(json, ret, '.', '.'))
        copy_digits(json, ret);
    if (copy_one_of(json, ret, 'e', 'E')) {
        copy_one_of(json, ret, '+', '-');
        copy_digits(json, ret);
    }
}

static void copy_word(struct json *json, struct buffer *ret, const char *word) {
    for (const char *letter = word; *letter; letter++, json->at++)
        if (peek_byte(json) != *letter) {
            fail_here(json, peek_byte(json), "expected a value");
            return;
        }
    put(json, ret, word, strlen(word));
}

static void copy_members(struct json *json, struct buffer *ret, char close) {
    for (bool first = true; !json_take(json, close); first = false) {
        if (!first) {
            json_expect(json, ',');
            put(json, ret, ", ", 2);
        }
        if (close == '}') {
            json_copy_string(json, ret);
            json_expect(json, ':');
            put(json, ret, ": ", 2);
        }
        json_copy(json, ret);
        if (json_failed(json))
            return;
    }
}

/* Recursion is bounded by nesting_max. */
static void copy_nested(struct json *json, struct buffer *ret, char open) {
    char close = open == '{' ? '}' : ']';
    if (json->nesting == json->nesting_max) {
        json_fail(json, "nested too deep");
        return;
    }
    json->nesting++;
    json->at++;
    put_byte(json, ret, open);
    copy_members(json, ret, close);
    put_byte(json, ret, close);
    json->nesting--;
}

void json_copy(struct json *json, struct buffer *ret) {
    int byte = json_peek(json);
    switch (byte) {
    case '{':
    case '[':
        copy_nested(json, ret, (char)byte);
        break;
    case '"':
        json_copy_string(json, ret);
        break;
    case 't':
        copy_word(json, ret, "true");
        break;
    case 'f':
        copy_word(json, ret, "false");
        break;
    case 'n':
        copy_word(json, ret, "null");
        break;
    default:
        if (byte == '-' || is_digit(byte))
            copy_number(json, ret);
        else
            fail_here(json, byte, "expected a value");
    }
}
