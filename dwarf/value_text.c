/* JSON text: strings, numbers, lists. */
#include "dwarf/value_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- strings ---- */

/* Length of the UTF-8 sequence at text (RFC 3629: no surrogates, nothing overlong), or 0 when there is none.
 */
static size_t utf8_length(const uint8_t *text, size_t size) {
    uint8_t first = text[0];
    size_t length = first < 0x80                    ? 1
                    : first >= 0xc2 && first < 0xe0 ? 2
                    : first >= 0xe0 && first < 0xf0 ? 3
                    : first >= 0xf0 && first < 0xf5 ? 4
                                                    : 0;
    if (!length || length > size)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((first == 0xe0 && text[1] < 0xa0) || (first == 0xed && text[1] > 0x9f) ||
        (first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

static void put_escape(struct buffer *ret, unsigned unit) {
    char text[8];
    snprintf(text, sizeof(text), "\\u%04x", unit & 0xffff);
    buffer_put(ret, text, 6);
}

static void put_control(struct buffer *ret, uint8_t byte) {
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    if (byte < sizeof(letters) && letters[byte]) {
        buffer_put_u8(ret, '\\');
        buffer_put_u8(ret, (uint8_t)letters[byte]);
    } else {
        put_escape(ret, byte);
    }
}

/* Put what text begins with; returns its length. */
static size_t put_one(struct buffer *ret, const uint8_t *text, size_t size) {
    size_t length = utf8_length(text, size);
    if (!length) {
        put_escape(ret, text[0]);
        return 1;
    }
    if (text[0] < 0x20) {
        put_control(ret, text[0]);
    } else {
        if (text[0] == '"' || text[0] == '\\')
            buffer_put_u8(ret, '\\');
        buffer_put(ret, text, length);
    }
    return length;
}

static void put_text(struct buffer *ret, const uint8_t *text, size_t size, bool cut) {
    buffer_put_u8(ret, '"');
    for (size_t at = 0; at < size;)
        at += put_one(ret, text + at, size - at);
    if (cut)
        buffer_put(ret, "...", 3);
    buffer_put_u8(ret, '"');
}

/* A cut must not go through a character: at most three bytes less. */
static size_t cut_size(const uint8_t *text, size_t size, size_t max) {
    size_t at = max;
    while (at && max - at < 3 && (text[at] & 0xc0) == 0x80)
        at--;
    return utf8_length(text + at, size - at) > 1 ? at : max;
}

void value_put_string(struct buffer *ret, const void *text, size_t size, size_t max) {
    bool cut = size > max;
    put_text(ret, text, cut ? cut_size(text, size, max) : size, cut);
}

/* One code point; what is none (a lone surrogate, beyond U+10FFFF) becomes U+FFFD. */
static void put_code_point(struct buffer *ret, uint32_t code) {
    uint8_t bytes[4];
    size_t size;
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        code = 0xfffd;
    if (code < 0x80) {
        bytes[0] = (uint8_t)code;
        size = 1;
    } else if (code < 0x800) {
        bytes[0] = (uint8_t)(0xc0 | code >> 6);
        size = 2;
    } else if (code < 0x10000) {
        bytes[0] = (uint8_t)(0xe0 | code >> 12);
        size = 3;
    } else {
        bytes[0] = (uint8_t)(0xf0 | code >> 18);
        size = 4;
    }
    for (size_t i = 1; i < size; i++)
        bytes[i] = (uint8_t)(0x80 | (code >> (6 * (size - 1 - i)) & 0x3f));
    put_one(ret, bytes, size);
}

static uint32_t code_unit(const uint8_t *bytes, size_t index, size_t width) {
    uint32_t unit = 0;
    memcpy(&unit, bytes + index * width, width);
    return unit;
}

void value_put_characters(struct value_context *context, const uint8_t *bytes, size_t count, size_t width,
                          bool cut) {
    if (width == 1) {
        size_t size = count;
        if (cut && size) { /* the last character may be half of one */
            size_t at = size - 1;
            while (at && size - at < 4 && (bytes[at] & 0xc0) == 0x80)
                at--;
            if (bytes[at] >= 0xc0 && !utf8_length(bytes + at, size - at))
                size = at;
        }
        put_text(context->ret, bytes, size, cut);
        return;
    }
    buffer_put_u8(context->ret, '"');
    for (size_t i = 0; i < count; i++) {
        uint32_t unit = code_unit(bytes, i, width);
        if (width == 2 && unit >= 0xd800 && unit < 0xdc00 && i + 1 < count) {
            uint32_t low = code_unit(bytes, i + 1, width);
            if (low >= 0xdc00 && low < 0xe000) {
                unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                i++;
            }
        }
        put_code_point(context->ret, unit);
    }
    value_put(context, cut ? "...\"" : "\"");
}

void value_put(struct value_context *context, const char *text) {
    buffer_put(context->ret, text, strlen(text));
}

void value_put_quoted(struct value_context *context, const char *text) {
    value_put_string(context->ret, text, strlen(text), VALUE_NAME_MAX);
}

/* ---- numbers ---- */

void value_put_address(struct value_context *context, uint64_t address) {
    char text[32];
    snprintf(text, sizeof(text), "\"0x%llx\"", (unsigned long long)address);
    value_put(context, text);
}

void value_put_hex(struct value_context *context, const uint8_t *bytes, size_t size) {
    char digits[3];
    value_put(context, "\"0x");
    size_t shown = size < 64 ? size : 64;
    for (size_t i = shown; i-- > 0;) {
        snprintf(digits, sizeof(digits), "%02x", bytes[i]);
        value_put(context, digits);
    }
    value_put(context, "\"");
}

void value_put_integer(struct value_context *context, unsigned __int128 value, bool is_signed) {
    char text[48], *at = text + sizeof(text) - 1;
    bool negative = is_signed && (__int128)value < 0;
    if (negative)
        value = -value;
    *at = '\0';
    do {
        *--at = (char)('0' + (unsigned)(value % 10));
        value /= 10;
    } while (value);
    if (negative)
        *--at = '-';
    value_put(context, at);
}

/* "8" becomes "8.0": a reader sees that it is no integer. */
static void put_float_text(struct value_context *context, const char *text) {
    value_put(context, text);
    if (!strpbrk(text, ".e"))
        value_put(context, ".0");
}

static bool put_special(struct value_context *context, long double value) {
    if (isnan(value))
        value_put(context, "\"nan\"");
    else if (isinf(value))
        value_put(context, value < 0 ? "\"-inf\"" : "\"inf\"");
    else
        return false;
    return true;
}

/* The shortest digits that read back as the same value; least significant digits of the type. */
static void put_shortest(struct value_context *context, long double value, unsigned size) {
    char text[64];
    int most = size <= 4 ? 9 : size == 8 ? 17 : 21;
    for (int digits = size <= 4 ? 6 : size == 8 ? 15 : 18; digits <= most; digits++) {
        snprintf(text, sizeof(text), "%.*Lg", digits, value);
        if (size <= 4   ? strtof(text, NULL) == (float)value
            : size == 8 ? strtod(text, NULL) == (double)value
                        : strtold(text, NULL) == value)
            break;
    }
    put_float_text(context, text);
}

/* IEEE 754 binary16: 5 bits of exponent, 10 of fraction. */
static float half(uint16_t bits) {
    int exponent = bits >> 10 & 31;
    float fraction = (float)(bits & 1023), value;
    if (exponent == 31)
        value = bits & 1023 ? NAN : INFINITY;
    else
        value = exponent ? ldexpf(1024 + fraction, exponent - 25) : ldexpf(fraction, -24);
    return bits & 0x8000 ? -value : value;
}

static float brain_half(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof(value));
    return value;
}

/* Both long double (80 bits) and __float128 have 16 bytes; the name tells. */
static bool is_quad(const struct type *type) {
    return strstr(type->base_name, "128") || strstr(type->base_name, "(kind=16)") ||
           strstr(type->base_name, "quad");
}

/* binary128 has 64 bits of fraction more than long double, which is what is printed. */
static long double quad(const uint8_t *bytes) {
    uint64_t low, high;
    memcpy(&low, bytes, 8);
    memcpy(&high, bytes + 8, 8);
    int exponent = (int)(high >> 48 & 0x7fff);
    uint64_t top = high & 0xffffffffffff;
    long double fraction = ldexpl((long double)top, 64) + (long double)low, value;
    if (exponent == 0x7fff)
        value = top || low ? NAN : INFINITY;
    else if (exponent)
        value = ldexpl(ldexpl(1, 112) + fraction, exponent - 16383 - 112);
    else
        value = ldexpl(fraction, -16382 - 112);
    return high >> 63 ? -value : value;
}

/* A bit pattern that the processor does not take for a number (its integer bit is clear) is nan. */
static long double extended(const uint8_t *bytes) {
    long double value = 0;
    uint16_t exponent;
    memcpy(&exponent, bytes + 8, 2);
    if ((exponent & 0x7fff) && !(bytes[7] & 0x80))
        return NAN;
    memcpy(&value, bytes, 10);
    return value;
}

void value_put_float(struct value_context *context, const struct type *type, const uint8_t *bytes,
                     size_t size) {
    long double value;
    float single;
    double twofold;
    uint16_t bits;
    switch (size) {
    case 2:
        memcpy(&bits, bytes, 2);
        value = strstr(type->base_name, "bf16") || strstr(type->base_name, "bfloat") ? brain_half(bits)
                                                                                     : half(bits);
        break;
    case 4:
        memcpy(&single, bytes, 4);
        value = single;
        break;
    case 8:
        memcpy(&twofold, bytes, 8);
        value = twofold;
        break;
    case 10:
    case 12:
    case 16:
        value = size == 16 && is_quad(type) ? quad(bytes) : extended(bytes);
        break;
    default:
        value_put_hex(context, bytes, size);
        return;
    }
    if (!put_special(context, value))
        put_shortest(context, value, (unsigned)size);
}

/* ---- lists ---- */

bool value_list_begin(struct value_list *list, struct value_context *context, bool object) {
    if (context->depth >= context->options.max_depth) {
        value_put(context, "\"...\"");
        return false;
    }
    *list = (struct value_list){.context = context, .object = object};
    context->depth++;
    value_put(context, object ? "{" : "[");
    return true;
}

bool value_list_next(struct value_list *list) {
    struct value_context *context = list->context;
    if (list->cut)
        return false;
    if (list->count)
        value_put(context, ", ");
    list->cut = value_is_full(context) || (!list->unlimited && list->count >= context->options.max_elements);
    list->count++;
    if (list->cut)
        value_put(context, list->object ? "\"...\": \"...\"" : "\"...\"");
    return !list->cut;
}

void value_list_key(struct value_list *list, const char *name) {
    value_put_quoted(list->context, name);
    value_put(list->context, ": ");
}

void value_list_end(struct value_list *list) {
    list->context->depth--;
    value_put(list->context, list->object ? "}" : "]");
}
