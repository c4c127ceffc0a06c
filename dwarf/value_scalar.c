/* Values without parts: numbers, characters, enums, pointers; and the strings that pointers lead to. */
#include "dwarf/value_private.h"

#include <libdwarf/dwarf.h>

#include <stdlib.h>
#include <string.h>

/* ---- characters and strings ---- */

static bool is_character_typedef(const struct type *type) {
    static const char *const names[] = {"wchar_t", "char8_t", "char16_t", "char32_t"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcmp(type->base_name, names[i]))
            return true;
    return false;
}

size_t value_character_width(const struct type *type) {
    bool named = false;
    for (; type->kind == TYPE_TYPEDEF || type->kind == TYPE_QUALIFIED; type = type->target)
        named |= type->kind == TYPE_TYPEDEF && is_character_typedef(type);
    if (type->kind != TYPE_CHARACTER && !(named && type->kind == TYPE_INTEGER))
        return 0;
    return type->size == 1 || type->size == 2 || type->size == 4 ? (size_t)type->size : 0;
}

/* Number of characters before the first NUL. */
static size_t characters_before_nul(const uint8_t *bytes, size_t count, size_t width) {
    static const uint8_t nul[4];
    for (size_t i = 0; i < count; i++)
        if (!memcmp(bytes + i * width, nul, width))
            return i;
    return count;
}

/* Read up to size bytes; a short count says that memory ends there. */
static size_t read_some(struct value_context *context, uint64_t address, uint8_t *ret, size_t size) {
    if (!context->memory || size > context->read_left)
        return 0;
    context->read_left -= size;
    return memory_read(context->memory, address, ret, size);
}

/* In small steps, so that a short string costs little: up to the end of a page of 256 bytes. */
static size_t read_until_nul(struct value_context *context, uint64_t address, uint8_t *ret, size_t size,
                             size_t width) {
    size_t done = 0;
    while (done < size) {
        size_t step = 256 - (size_t)((address + done) % 256);
        step = step < size - done ? step : size - done;
        size_t got = read_some(context, address + done, ret + done, step);
        got = got < step ? got : step;
        size_t start = done - done % width;
        done += got;
        if (got < step ||
            characters_before_nul(ret + start, (done - start) / width, width) < (done - start) / width)
            break;
    }
    return done;
}

void value_write_string_at(struct value_context *context, uint64_t address, size_t width) {
    size_t max = context->options.max_string / width, room = (max + 1) * width;
    uint8_t *bytes = malloc(room);
    size_t size = bytes ? read_until_nul(context, address, bytes, room, width) : 0;
    size_t count = size / width;
    if (!count) {
        value_put(context, VALUE_UNREADABLE);
    } else {
        size_t length = characters_before_nul(bytes, count, width);
        bool cut = length == count;
        value_put_characters(context, bytes, length < max ? length : max, width, cut);
    }
    free(bytes);
}

void value_write_counted_string(struct value_context *context, uint64_t address, uint64_t length,
                                size_t width) {
    size_t max = context->options.max_string / width;
    bool cut = length > max;
    size_t count = cut ? max : (size_t)length;
    uint8_t *bytes = malloc(count * width + 1);
    size_t got = bytes && count ? read_some(context, address, bytes, count * width) : 0;
    if (!bytes || (count && got < width))
        value_put(context, VALUE_UNREADABLE);
    else
        value_put_characters(context, bytes, got / width < count ? got / width : count, width,
                             cut || got / width < count);
    free(bytes);
}

/* ---- numbers ---- */

static unsigned __int128 load(const uint8_t *bytes, size_t size, bool is_signed) {
    unsigned __int128 value = 0;
    if (size)
        memcpy(&value, bytes, size < 16 ? size : 16);
    unsigned bits = (unsigned)(size < 16 ? size : 16) * 8;
    if (is_signed && bits && bits < 128 && (value >> (bits - 1) & 1))
        value |= ~(unsigned __int128)0 << bits;
    return value;
}

static void write_integer(struct value_context *context, const struct value_object *object) {
    size_t size = (size_t)object->type->size;
    if (!size)
        value_put(context, "null"); /* Rust's () */
    else if (size > 16)
        value_put_hex(context, object->bytes, size);
    else
        value_put_integer(context, load(object->bytes, size, object->type->is_signed),
                          object->type->is_signed);
}

/* gfortran's .true. is 1, other compilers' may be -1; in C a byte other than 0 and 1 is worth to be seen. */
static void write_bool(struct value_context *context, const struct value_object *object) {
    unsigned __int128 value = load(object->bytes, object->size, false);
    if (value > 1)
        value_put_integer(context, value, false);
    else
        value_put(context, value ? "true" : "false");
}

static void write_complex(struct value_context *context, const struct value_object *object) {
    size_t half = (size_t)object->type->size / 2;
    static const char *const names[] = {"{\"real\": ", ", \"imag\": "};
    for (size_t i = 0; i < 2; i++) {
        value_put(context, names[i]);
        if (object->type->encoding == DW_ATE_lo_user)
            value_put_integer(context, load(object->bytes + i * half, half, true), true);
        else
            value_put_float(context, object->type, object->bytes + i * half, half);
    }
    value_put(context, "}");
}

/* ---- enums ---- */

static bool is_single_bit(uint64_t value) {
    return value && !(value & (value - 1));
}

/* An enum of flags: every value is a bit, or made of the bits that have names, and there is one beyond 2, so
 * that 0, 1, 2 is not taken for flags. */
static bool is_flags(const struct type *type) {
    uint64_t bits = 0;
    for (size_t i = 0; i < type->enumerator_count; i++)
        if (is_single_bit((uint64_t)type->enumerators[i].value))
            bits |= (uint64_t)type->enumerators[i].value;
    for (size_t i = 0; i < type->enumerator_count; i++)
        if ((uint64_t)type->enumerators[i].value & ~bits)
            return false;
    return bits > 3;
}

static void put_flag_name(struct buffer *text, const char *name) {
    if (text->size)
        buffer_put(text, " | ", 3);
    buffer_put(text, name, strnlen(name, VALUE_NAME_MAX));
}

static void write_flags(struct value_context *context, const struct type *type, uint64_t value) {
    struct buffer text = {0};
    char rest[24];
    for (size_t i = 0; i < type->enumerator_count && value && text.size < VALUE_NAME_MAX; i++) {
        uint64_t flag = (uint64_t)type->enumerators[i].value;
        if (is_single_bit(flag) && (value & flag)) {
            put_flag_name(&text, type->enumerators[i].name);
            value &= ~flag;
        }
    }
    if (value) {
        int length = 0;
        for (uint64_t left = value; left; left >>= 4)
            length++;
        rest[0] = '0';
        rest[1] = 'x';
        for (int i = 0; i < length; i++)
            rest[2 + i] = "0123456789abcdef"[value >> (4 * (length - 1 - i)) & 15];
        rest[2 + length] = '\0';
        put_flag_name(&text, rest);
    }
    value_put_string(context->ret, text.data, text.size, 2 * VALUE_NAME_MAX);
    buffer_deinit(&text);
}

static void write_enum(struct value_context *context, const struct value_object *object) {
    const struct type *type = object->type;
    size_t size = object->size;
    if (!size) {
        value_put(context, "\"<incomplete>\"");
        return;
    }
    unsigned __int128 value = load(object->bytes, size, type->is_signed);
    uint64_t mask = size >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
    for (size_t i = 0; i < type->enumerator_count; i++)
        if ((((uint64_t)type->enumerators[i].value ^ (uint64_t)value) & mask) == 0) {
            value_put_quoted(context, type->enumerators[i].name);
            return;
        }
    if ((uint64_t)value && is_flags(type))
        write_flags(context, type, (uint64_t)value & mask);
    else
        value_put_integer(context, value, type->is_signed);
}

/* ---- pointers ---- */

static void write_reference(struct value_context *context, const struct type *type, uint64_t address) {
    const struct type *target = type_strip(type->target);
    struct error *err = type_resolve(type->target, &target);
    bool shown = !err && target->has_size && context->depth < context->options.max_depth &&
                 target->kind != TYPE_FUNCTION && target->kind != TYPE_VOID;
    error_free(err);
    if (!shown) {
        value_put_address(context, address);
        return;
    }
    context->depth++; /* a reference to what holds it would go on for ever */
    value_write_at(context, address, type->target);
    context->depth--;
}

/* A Fortran pointer or allocatable is used as if it were its target. */
static bool shows_target(const struct type *type) {
    return type->kind != TYPE_POINTER || type->language == LANGUAGE_FORTRAN;
}

static void write_pointer(struct value_context *context, const struct value_object *object) {
    const struct type *type = object->type;
    uint64_t address = (uint64_t)load(object->bytes, object->size < 8 ? object->size : 8, false);
    size_t width = value_character_width(type->target);
    if (!address)
        value_put(context, "null");
    else if (width && type->kind == TYPE_POINTER && type->language != LANGUAGE_RUST)
        value_write_string_at(context, address, width);
    else if (shows_target(type))
        write_reference(context, type, address);
    else
        value_put_address(context, address);
}

/* Itanium C++ ABI 2.3: an offset, -1 for null; or a function (or 1 + offset in the vtable) and an adjustment.
 */
static void write_member_pointer(struct value_context *context, const struct value_object *object) {
    uint64_t first = (uint64_t)load(object->bytes, object->size < 8 ? object->size : 8, false);
    if (type_strip(object->type->target)->kind != TYPE_FUNCTION) {
        if (first == UINT64_MAX)
            value_put(context, "null");
        else
            value_put_integer(context, first, false);
    } else if (!first) {
        value_put(context, "null");
    } else {
        value_put_address(context, first);
    }
}

/* ---- all of them ---- */

void value_write_scalar(struct value_context *context, const struct value_object *object) {
    const struct type *type = object->type;
    if (type->kind == TYPE_VOID || type->kind == TYPE_NULLPTR) {
        value_put(context, "null");
        return;
    }
    if (type->kind == TYPE_FUNCTION) {
        value_put(context, "\"<function>\"");
        return;
    }
    if (type->has_size && object->size < type->size) {
        value_put(context, VALUE_UNREADABLE);
        return;
    }
    switch (type->kind) {
    case TYPE_INTEGER:
    case TYPE_CHARACTER: /* of an odd width */
        write_integer(context, object);
        break;
    case TYPE_BOOL:
        write_bool(context, object);
        break;
    case TYPE_FLOAT:
        value_put_float(context, type, object->bytes, object->size);
        break;
    case TYPE_COMPLEX:
        write_complex(context, object);
        break;
    case TYPE_ENUM:
        write_enum(context, object);
        break;
    case TYPE_POINTER:
    case TYPE_REFERENCE:
    case TYPE_RVALUE_REFERENCE:
        write_pointer(context, object);
        break;
    case TYPE_MEMBER_POINTER:
        write_member_pointer(context, object);
        break;
    default:
        if (type->has_size && object->size)
            value_put_hex(context, object->bytes, object->size);
        else
            value_put(context, "\"<unknown size>\"");
    }
}
