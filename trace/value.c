/* Values in the data of an event (trace/reader.h). The text is known to be whole JSON on one line, since it
 * was made by trace/json.c or the writer; sizes are checked all the same. */
#include "trace/reader.h"

#include <string.h>

/* The offset behind the string that begins at `at` (its quote). */
static size_t skip_string(const char *text, size_t size, size_t at) {
    for (at++; at < size && text[at] != '"'; at++)
        if (text[at] == '\\')
            at++;
    return at < size ? at + 1 : size;
}

/* The offset behind the value that begins at `at`. */
static size_t skip_value(const char *text, size_t size, size_t at) {
    unsigned nesting = 0;
    while (at < size) {
        char byte = text[at];
        if (byte == '"') {
            at = skip_string(text, size, at);
            continue;
        }
        if (!nesting && (byte == ',' || byte == '}' || byte == ']'))
            break;
        nesting += byte == '{' || byte == '[';
        nesting -= byte == '}' || byte == ']';
        at++;
    }
    return at;
}

bool trace_data_find(const struct trace_event *event, const char *key, struct trace_value *ret) {
    const char *text = (const char *)event->data.data;
    size_t size = event->data.size, length = strlen(key);
    for (size_t at = 0; at < size && text[at] == '"';) {
        size_t name = at + 1, behind = skip_string(text, size, at);
        bool found = behind - name == length + 1 && !memcmp(text + name, key, length);
        size_t value = behind + 2 < size ? behind + 2 : size; /* ": " */
        at = skip_value(text, size, value);
        if (found) {
            *ret = (struct trace_value){text + value, at - value};
            return true;
        }
        at = at + 2 < size ? at + 2 : size; /* ", " */
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
