#include "trace/event.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROW(text)                                                                                            \
    { text, sizeof(text) - 1 }

const struct trace_type_row trace_types[TRACE_TYPE_COUNT] = {
    [TRACE_FUNCTION_ENTRY] = ROW("function_entry"),
    [TRACE_FUNCTION_EXIT] = ROW("function_exit"),
    [TRACE_VARIABLE_ASSIGNMENT] = ROW("variable_assignment"),
    [TRACE_CONTROL_FLOW] = ROW("control_flow"),
    [TRACE_EXCEPTION] = ROW("exception"),
    [TRACE_SYSCALL] = ROW("syscall"),
    [TRACE_THREAD_START] = ROW("thread_start"),
    [TRACE_THREAD_EXIT] = ROW("thread_exit"),
    [TRACE_PROCESS_START] = ROW("process_start"),
    [TRACE_PROCESS_EXIT] = ROW("process_exit"),
    [TRACE_NOTE] = ROW("note"),
};

bool trace_type_find(const char *name, size_t size, enum trace_type *ret) {
    for (enum trace_type type = 0; type < TRACE_TYPE_COUNT; type++)
        if (trace_types[type].size == size && !memcmp(trace_types[type].name, name, size)) {
            *ret = type;
            return true;
        }
    return false;
}

void trace_event_deinit(struct trace_event *event) {
    buffer_deinit(&event->data);
    buffer_deinit(&event->extra);
}

void trace_event_reset(struct trace_event *event) {
    struct buffer data = event->data, extra = event->extra;
    buffer_clear(&data);
    buffer_clear(&extra);
    *event = (struct trace_event){.data = data, .extra = extra};
}

/* ---- single values ---- */

/* Whether count continuation bytes (10xxxxxx) follow the first byte. */
static bool continued(const uint8_t *bytes, size_t size, size_t count) {
    if (size <= count)
        return false;
    for (size_t i = 1; i <= count; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return false;
    return true;
}

/* The table of RFC 3629, section 4. */
size_t utf8_sequence(const char *text, size_t size) {
    const uint8_t *bytes = (const uint8_t *)text;
    uint8_t first = bytes[0];
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    size_t more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    if (!continued(bytes, size, more))
        return 0;
    uint8_t second = bytes[1];
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
        (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
        return 0;
    return 1 + more;
}

static void put_text(struct buffer *buffer, const char *text) {
    buffer_put(buffer, text, strlen(text));
}

/* A byte that may not stand in a JSON string as it is. DEL may, but is not for terminals. */
static void put_escape(struct buffer *buffer, uint8_t byte) {
    static const char letters[] = "btn\0fr"; /* of 8 to 13; 11 has none */
    char text[8] = {'\\', (char)byte, 0};
    if (byte >= 8 && byte <= 13 && letters[byte - 8])
        text[1] = letters[byte - 8];
    else if (byte != '"' && byte != '\\')
        snprintf(text, sizeof(text), "\\u%04x", byte);
    put_text(buffer, text);
}

void json_put_string(struct buffer *buffer, const char *text, size_t size) {
    buffer_put_u8(buffer, '"');
    size_t plain = 0; /* where the stretch that needs no change begins */
    for (size_t at = 0; at < size;) {
        uint8_t byte = (uint8_t)text[at];
        if (byte >= ' ' && byte < 127 && byte != '"' && byte != '\\') {
            at++;
            continue;
        }
        size_t sequence = byte < 0x80 ? 0 : utf8_sequence(text + at, size - at);
        if (sequence) {
            at += sequence;
            continue;
        }
        buffer_put(buffer, text + plain, at - plain);
        if (byte < 0x80)
            put_escape(buffer, byte);
        else
            put_text(buffer, "\xef\xbf\xbd");
        plain = ++at;
    }
    buffer_put(buffer, text + plain, size - plain);
    buffer_put_u8(buffer, '"');
}

void json_put_unsigned(struct buffer *buffer, uint64_t value) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buffer_put(buffer, digits + at, sizeof(digits) - at);
}

void json_put_signed(struct buffer *buffer, int64_t value) {
    if (value < 0)
        buffer_put_u8(buffer, '-');
    json_put_unsigned(buffer, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

/* The shortest of two precisions that reads back as the same number; always recognisable as not whole. */
void json_put_double(struct buffer *buffer, double value) {
    char text[40];
    double again;
    if (!isfinite(value)) {
        put_text(buffer, isnan(value) ? "\"nan\"" : value < 0 ? "\"-inf\"" : "\"inf\"");
        return;
    }
    snprintf(text, sizeof(text), "%.15g", value);
    if (sscanf(text, "%lf", &again) != 1 || again < value || again > value)
        snprintf(text, sizeof(text), "%.17g", value);
    put_text(buffer, text);
    if (!strpbrk(text, ".e"))
        put_text(buffer, ".0");
}

/* ---- members ---- */

/* What was appended before ends in '{' or '[' only if it is open: values end in a digit, letter, quote or
 * bracket. */
static void put_separator(struct buffer *data) {
    if (data->size && data->data[data->size - 1] != '{' && data->data[data->size - 1] != '[')
        buffer_put(data, ", ", 2);
}

void trace_data_key(struct buffer *data, const char *key) {
    put_separator(data);
    json_put_string(data, key, strlen(key));
    buffer_put(data, ": ", 2);
}

void trace_data_text(struct buffer *data, const char *key, const char *text, size_t size) {
    trace_data_key(data, key);
    json_put_string(data, text, size);
}

void trace_data_string(struct buffer *data, const char *key, const char *text) {
    if (text)
        trace_data_text(data, key, text, strlen(text));
    else
        trace_data_raw(data, key, "null", 4);
}

void trace_data_unsigned(struct buffer *data, const char *key, uint64_t value) {
    trace_data_key(data, key);
    json_put_unsigned(data, value);
}

void trace_data_signed(struct buffer *data, const char *key, int64_t value) {
    trace_data_key(data, key);
    json_put_signed(data, value);
}

void trace_data_double(struct buffer *data, const char *key, double value) {
    trace_data_key(data, key);
    json_put_double(data, value);
}

void trace_data_bool(struct buffer *data, const char *key, bool value) {
    trace_data_key(data, key);
    put_text(data, value ? "true" : "false");
}

void trace_data_address(struct buffer *data, const char *key, uint64_t value) {
    char text[24];
    snprintf(text, sizeof(text), "\"0x%llx\"", (unsigned long long)value);
    trace_data_key(data, key);
    put_text(data, text);
}

void trace_data_raw(struct buffer *data, const char *key, const char *json, size_t size) {
    trace_data_key(data, key);
    buffer_put(data, json, size);
}

void trace_data_open_object(struct buffer *data, const char *key) {
    trace_data_key(data, key);
    buffer_put_u8(data, '{');
}

void trace_data_close_object(struct buffer *data) {
    buffer_put_u8(data, '}');
}

void trace_data_open_array(struct buffer *data, const char *key) {
    trace_data_key(data, key);
    buffer_put_u8(data, '[');
}

void trace_data_item(struct buffer *data) {
    put_separator(data);
}

void trace_data_close_array(struct buffer *data) {
    buffer_put_u8(data, ']');
}
