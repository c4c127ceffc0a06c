/* Values in the data of an event (trace/reader.h). The text is known to be whole JSON on one line, since it
 * was made by trace/json.c or the writer; sizes are checked all the same. */
#include "trace/plain.h"
#include "trace/reader.h"

#include <string.h>

/* The offset behind the string that begins at `at` (its quote). */
static size_t skip_string(const char *text, size_t size, size_t at) {
    const uint8_t *bytes = (const uint8_t *)text;
    for (at++; at < size; at++) {
        at += plain_bytes(bytes + at, bytes + size);
        if (at < size && text[at] == '"')
            return at + 1;
        at += at < size && text[at] == '\\';
    }
    return size;
}

/* The offset behind the number or word that begins at `at`. */
static size_t skip_word(const char *text, size_t size, size_t at) {
    while (at < size && text[at] != ',' && text[at] != '}' && text[at] != ']')
        at++;
    return at;
}

/* The offset behind the object or array that begins at `at`. */
static size_t skip_nested(const char *text, size_t size, size_t at) {
    unsigned nesting = 0;
    while (at < size) {
        char byte = text[at];
        if (byte == '"') {
            at = skip_string(text, size, at);
            continue;
        }
        at++;
        nesting += byte == '{' || byte == '[';
        if ((byte == '}' || byte == ']') && --nesting == 0)
            break;
    }
    return at;
}

static size_t skip_value(const char *text, size_t size, size_t at) {
    if (at == size)
        return size;
    if (text[at] == '"')
        return skip_string(text, size, at);
    return text[at] == '{' || text[at] == '[' ? skip_nested(text, size, at) : skip_word(text, size, at);
}

bool trace_data_next(const struct trace_event *event, size_t *at, struct trace_value *ret_key,
                     struct trace_value *ret_value) {
    const char *text = (const char *)event->data.data;
    size_t size = event->data.size, start = *at;
    if (start >= size || text[start] != '"')
        return false;
    size_t behind = skip_string(text, size, start);
    size_t value = behind + 2 < size ? behind + 2 : size; /* ": " */
    size_t end = skip_value(text, size, value);
    *ret_key = (struct trace_value){text + start + 1, behind - start > 2 ? behind - start - 2 : 0};
    *ret_value = (struct trace_value){text + value, end - value};
    *at = end + 2; /* ", " */
    return true;
}

bool trace_value_is(const struct trace_value *value, const char *text) {
    size_t size = strlen(text);
    return value->size == size && !memcmp(value->text, text, size);
}

bool trace_data_find(const struct trace_event *event, const char *key, struct trace_value *ret) {
    struct trace_value found, value;
    for (size_t at = 0; trace_data_next(event, &at, &found, &value);)
        if (trace_value_is(&found, key)) {
            *ret = value;
            return true;
        }
    return false;
}

/* ---- strings ---- */

static void put_character(struct buffer *ret, uint32_t code) {
    if (code < 0x80) {
        buffer_put_u8(ret, (uint8_t)code);
        return;
    }
    if (code < 0x800) {
        buffer_put_u8(ret, (uint8_t)(0xc0 | code >> 6));
    } else {
        if (code < 0x10000) {
            buffer_put_u8(ret, (uint8_t)(0xe0 | code >> 12));
        } else {
            buffer_put_u8(ret, (uint8_t)(0xf0 | code >> 18));
            buffer_put_u8(ret, (uint8_t)(0x80 | (code >> 12 & 0x3f)));
        }
        buffer_put_u8(ret, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
    }
    buffer_put_u8(ret, (uint8_t)(0x80 | (code & 0x3f)));
}

/* The four digits behind "\u" at text, or UINT32_MAX. */
static uint32_t hexadecimal(const char *text, size_t size) {
    static const char digits[] = "0123456789abcdefABCDEF";
    uint32_t value = 0;
    if (size < 6 || text[0] != '\\' || text[1] != 'u')
        return UINT32_MAX;
    for (size_t i = 2; i < 6; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit)
            return UINT32_MAX;
        size_t number = (size_t)(digit - digits);
        value = value << 4 | (uint32_t)(number < 16 ? number : number - 6);
    }
    return value;
}

/* "\uXXXX", or two of them that are a surrogate pair; a surrogate alone is U+FFFD. Bytes used. */
static size_t put_unicode(struct buffer *ret, const char *text, size_t size) {
    uint32_t code = hexadecimal(text, size);
    if (code == UINT32_MAX)
        return size;
    if (code < 0xd800 || code > 0xdfff) {
        put_character(ret, code);
        return 6;
    }
    uint32_t low = hexadecimal(text + 6, size - 6);
    if (code > 0xdbff || low < 0xdc00 || low > 0xdfff) {
        put_character(ret, 0xfffd);
        return 6;
    }
    put_character(ret, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
    return 12;
}

bool trace_value_string(const struct trace_value *value, struct buffer *ret) {
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *text = value->text;
    buffer_clear(ret);
    if (value->size < 2 || text[0] != '"')
        return false;
    for (size_t at = 1, end = value->size - 1; at < end;) {
        size_t plain = at;
        while (at < end && text[at] != '\\')
            at++;
        buffer_put(ret, text + plain, at - plain);
        if (at + 1 >= end)
            break;
        if (text[at + 1] == 'u') {
            at += put_unicode(ret, text + at, end - at);
            continue;
        }
        const char *letter = strchr(from, text[at + 1]);
        buffer_put_u8(ret, (uint8_t)(letter ? to[letter - from] : text[at + 1]));
        at += 2;
    }
    return true;
}

bool trace_value_unsigned(const struct trace_value *value, uint64_t *ret) {
    uint64_t number = 0;
    if (!value->size)
        return false;
    for (size_t i = 0; i < value->size; i++) {
        unsigned digit = (unsigned)value->text[i] - '0';
        if (digit > 9 || number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret = number;
    return true;
}
