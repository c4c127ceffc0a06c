#include "replay/gdb_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct gdb_text gdb_text_of(const char *text, size_t size) {
    return (struct gdb_text){.at = text, .end = text + size};
}

size_t gdb_text_left(const struct gdb_text *text) {
    return (size_t)(text->end - text->at);
}

char gdb_text_take(struct gdb_text *text) {
    return text->at < text->end ? *text->at++ : '\0';
}

bool gdb_text_accept(struct gdb_text *text, char wanted) {
    if (text->at == text->end || *text->at != wanted)
        return false;
    text->at++;
    return true;
}

static int digit(char character) {
    if (character >= '0' && character <= '9')
        return character - '0';
    if (character >= 'a' && character <= 'f')
        return character - 'a' + 10;
    return character >= 'A' && character <= 'F' ? character - 'A' + 10 : -1;
}

bool gdb_text_number(struct gdb_text *text, uint64_t *ret) {
    uint64_t value = 0;
    size_t digits = 0;
    for (; text->at < text->end && digit(*text->at) >= 0; text->at++, digits++)
        value = value << 4 | (uint64_t)digit(*text->at);
    *ret = value;
    return digits && digits <= 16;
}

bool gdb_text_thread(struct gdb_text *text, int32_t *ret) {
    uint64_t value;
    if (gdb_text_left(text) >= 2 && text->at[0] == '-' && text->at[1] == '1') {
        text->at += 2;
        *ret = -1;
        return true;
    }
    if (!gdb_text_number(text, &value) || value > INT32_MAX)
        return false;
    *ret = (int32_t)value;
    return true;
}

bool gdb_text_bytes(struct gdb_text *text, uint8_t *ret, size_t count) {
    if (gdb_text_left(text) / 2 < count)
        return false;
    for (size_t i = 0; i < count; i++, text->at += 2) {
        int high = digit(text->at[0]), low = digit(text->at[1]);
        if (high < 0 || low < 0)
            return false;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void gdb_text_put(struct buffer *buffer, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buffer_put(buffer, text, length < (int)sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

void gdb_text_put_hex(struct buffer *buffer, const void *bytes, size_t size) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        buffer_put_u8(buffer, (uint8_t)digits[((const uint8_t *)bytes)[i] >> 4]);
        buffer_put_u8(buffer, (uint8_t)digits[((const uint8_t *)bytes)[i] & 15]);
    }
}
