/* The names of types as the source would write them.
 *
 * A C declarator grows from the inside: "int (*)[3]" is what a pointer does to "int [3]" at the place where a
 * name would stand. So each name knows that place (type->declarator), and a derived type inserts its part
 * there. */
#include "dwarf/type_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_text(struct buffer *buffer, const char *text) {
    buffer_put(buffer, text, strlen(text));
}

static void put_number(struct buffer *buffer, int64_t number) {
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    put_text(buffer, text);
}

/* Make the buffer the name; a declarator goes to its place, which is the end by default. Takes the buffer. */
static struct error *take_name(struct type *type, struct buffer *buffer, size_t declarator) {
    if (buffer->size > TYPE_NAME_MAX) {
        buffer->size = TYPE_NAME_MAX;
        put_text(buffer, "...");
        declarator = buffer->size;
    }
    buffer_put_u8(buffer, 0);
    struct error *err = buffer_check(buffer);
    if (err) {
        buffer_deinit(buffer);
        return err;
    }
    free(type->name);
    type->name = (char *)buffer->data;
    type->declarator = declarator < buffer->size ? declarator : buffer->size - 1;
    return NULL;
}

/* The name of target with text put at its declarator; inside: where in text the new declarator is. space: one
 * goes before the text unless there is a declarator already ("char *" + "*"). */
static struct error *insert(struct type *type, const struct type *target, const char *text, size_t inside,
                            bool space) {
    struct buffer buffer = {0};
    size_t at = target->declarator;
    char before = at ? target->name[at - 1] : '\0';
    buffer_put(&buffer, target->name, at);
    if (space && before && !strchr("*&( ", before))
        put_text(&buffer, " ");
    size_t declarator = buffer.size + inside;
    put_text(&buffer, text);
    put_text(&buffer, target->name + at);
    return take_name(type, &buffer, declarator);
}

/* ---- pointers ---- */

static struct error *name_pointer(struct type *type) {
    static const char *const signs[] = {
        [TYPE_POINTER] = "*", [TYPE_REFERENCE] = "&", [TYPE_RVALUE_REFERENCE] = "&&"};
    const struct type *target = type->target;
    const char *sign = signs[type->kind];
    char text[8];
    bool brackets = target->kind == TYPE_ARRAY || target->kind == TYPE_FUNCTION;
    snprintf(text, sizeof(text), brackets ? "(%s)" : "%s", sign);
    return insert(type, target, text, strlen(sign) + brackets, true);
}

static struct error *name_member_pointer(struct type *type) {
    struct buffer text = {0};
    bool brackets = type->target->kind == TYPE_ARRAY || type->target->kind == TYPE_FUNCTION;
    put_text(&text, brackets ? "(" : "");
    put_text(&text, type->containing->name);
    put_text(&text, "::*");
    size_t inside = text.size;
    put_text(&text, brackets ? ")" : "");
    buffer_put_u8(&text, 0);
    struct error *err = buffer_check(&text);
    if (!err)
        err = insert(type, type->target, (const char *)text.data, inside, true);
    buffer_deinit(&text);
    return err;
}

static bool is_pointing(const struct type *type) {
    return type->kind == TYPE_POINTER || type->kind == TYPE_REFERENCE ||
           type->kind == TYPE_RVALUE_REFERENCE || type->kind == TYPE_MEMBER_POINTER;
}

/* "const char" but "char *const". */
static struct error *name_qualified(struct type *type) {
    const char *word = type->qualifiers == QUALIFIER_CONST      ? "const"
                       : type->qualifiers == QUALIFIER_VOLATILE ? "volatile"
                       : type->qualifiers == QUALIFIER_RESTRICT ? "restrict"
                       : type->qualifiers == QUALIFIER_ATOMIC   ? "_Atomic"
                                                                : "";
    const struct type *inner = type->target;
    struct buffer buffer = {0};
    while (inner->kind == TYPE_QUALIFIED)
        inner = inner->target;
    if (!*word || type->language == LANGUAGE_RUST) {
        put_text(&buffer, type->target->name);
        return take_name(type, &buffer, type->target->declarator);
    }
    if (is_pointing(inner)) {
        char text[16];
        snprintf(text, sizeof(text), "%s%s", inner == type->target ? "" : " ", word);
        return insert(type, type->target, text, strlen(text), false);
    }
    put_text(&buffer, word);
    put_text(&buffer, " ");
    size_t declarator = buffer.size + type->target->declarator;
    put_text(&buffer, type->target->name);
    return take_name(type, &buffer, declarator);
}

/* ---- arrays, strings, functions ---- */

static void put_dimension(struct buffer *text, const struct type_dimension *dimension) {
    if (dimension->known)
        put_number(text, (int64_t)dimension->count);
}

static struct error *name_rust_array(struct type *type) {
    struct buffer buffer = {0};
    put_text(&buffer, "[");
    put_text(&buffer, type->target->name);
    put_text(&buffer, "; ");
    put_dimension(&buffer, &type->dimensions[0]);
    put_text(&buffer, "]");
    return take_name(type, &buffer, buffer.size);
}

/* "(3,0:4,:)": a dimension as Fortran declares it. */
static void put_fortran_dimensions(struct buffer *text, const struct type *type) {
    put_text(text, "(");
    for (size_t i = 0; i < type->dimension_count; i++) {
        const struct type_dimension *dimension = &type->dimensions[i];
        put_text(text, i ? "," : "");
        if (!dimension->known) {
            put_text(text, ":");
            continue;
        }
        if (dimension->lower != 1) {
            put_number(text, dimension->lower);
            put_text(text, ":");
        }
        put_number(text, (int64_t)((uint64_t)dimension->lower + dimension->count - 1));
    }
    put_text(text, ")");
}

static struct error *name_array(struct type *type) {
    struct buffer text = {0};
    if (type->language == LANGUAGE_RUST && type->dimension_count)
        return name_rust_array(type);
    if (type->language == LANGUAGE_FORTRAN) {
        put_fortran_dimensions(&text, type);
    } else {
        for (size_t i = 0; i < type->dimension_count; i++) {
            put_text(&text, "[");
            put_dimension(&text, &type->dimensions[i]);
            put_text(&text, "]");
        }
        if (!type->dimension_count)
            put_text(&text, "[]");
    }
    buffer_put_u8(&text, 0);
    struct error *err = buffer_check(&text);
    if (!err)
        err = insert(type, type->target, (const char *)text.data, 0, true);
    buffer_deinit(&text);
    return err;
}

static struct error *name_string(struct type *type) {
    struct buffer buffer = {0};
    put_text(&buffer, "character(len=");
    if (type->has_size)
        put_number(&buffer, (int64_t)type->size);
    else
        put_text(&buffer, "*");
    put_text(&buffer, ")");
    return take_name(type, &buffer, buffer.size);
}

static struct error *name_function(struct type *type) {
    struct buffer text = {0};
    put_text(&text, "(");
    for (size_t i = 0; i < type->parameter_count && text.size < TYPE_NAME_MAX; i++) {
        put_text(&text, i ? ", " : "");
        put_text(&text, type->parameters[i].type->name);
    }
    if (type->variadic)
        put_text(&text, type->parameter_count ? ", ..." : "...");
    else if (!type->parameter_count && type->prototyped && type->language == LANGUAGE_C)
        put_text(&text, "void");
    put_text(&text, ")");
    buffer_put_u8(&text, 0);
    struct error *err = buffer_check(&text);
    if (!err)
        err = insert(type, type->target, (const char *)text.data, 0, true);
    buffer_deinit(&text);
    return err;
}

/* ---- names of their own ---- */

static const char *tag_word(const struct type *type) {
    switch (type->kind) {
    case TYPE_STRUCT:
        return "struct";
    case TYPE_CLASS:
        return "class";
    case TYPE_UNION:
        return "union";
    case TYPE_ENUM:
        return "enum";
    default:
        return "";
    }
}

static struct error *name_tagged(struct types *types, const struct type_die *die, struct type *type) {
    struct buffer full = {0};
    struct error *err = NULL;
    if (type->language == LANGUAGE_C || !*type->base_name) {
        put_text(&full, tag_word(type));
        put_text(&full, " ");
    } else if (type->language != LANGUAGE_FORTRAN) {
        err = type_scope_name(types, die, &full);
    }
    put_text(&full, *type->base_name ? type->base_name : "{...}");
    buffer_put_u8(&full, 0);
    err = err ? err : buffer_check(&full);
    char *simple = err ? NULL : type_simplify_name((const char *)full.data);
    buffer_deinit(&full);
    if (!simple)
        return err ? err : &error_no_memory;
    free(type->name);
    type->name = simple;
    type->declarator = strlen(simple);
    return NULL;
}

static bool has_scope(const struct type *type) {
    return type->language != LANGUAGE_C && type->language != LANGUAGE_FORTRAN;
}

struct error *type_make_name(struct types *types, const struct type_die *die, struct type *type) {
    if (*type->base_name && type->language == LANGUAGE_RUST && is_pointing(type))
        return name_tagged(types, NULL, type); /* Rust's pointers have whole names: "*const shop::Cart" */
    switch (type->kind) {
    case TYPE_POINTER:
    case TYPE_REFERENCE:
    case TYPE_RVALUE_REFERENCE:
        return name_pointer(type);
    case TYPE_MEMBER_POINTER:
        return name_member_pointer(type);
    case TYPE_QUALIFIED:
        return name_qualified(type);
    case TYPE_ARRAY:
        return name_array(type);
    case TYPE_STRING:
        return name_string(type);
    case TYPE_FUNCTION:
        return name_function(type);
    case TYPE_STRUCT:
    case TYPE_CLASS:
    case TYPE_UNION:
    case TYPE_ENUM:
        return name_tagged(types, die, type);
    case TYPE_TYPEDEF:
        return has_scope(type) ? name_tagged(types, die, type) : NULL;
    default:
        return NULL;
    }
}
