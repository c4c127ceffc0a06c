#include "dwarf/abi_class.h"

#include <libdwarf/dwarf.h>
#include <string.h>

#define DEPTH_MAX 32
/* Classes larger than two eightbytes are in memory: nothing beyond is ever looked at. */
#define SIZE_MAX_IN_REGISTERS 16

static bool is_record(const struct type *type) {
    return type->kind == TYPE_STRUCT || type->kind == TYPE_CLASS || type->kind == TYPE_UNION;
}

/* ---- merging ---- */

static enum abi_class merge(enum abi_class left, enum abi_class right) {
    if (left == right || right == CLASS_NONE)
        return left;
    if (left == CLASS_NONE)
        return right;
    if (left == CLASS_MEMORY || right == CLASS_MEMORY)
        return CLASS_MEMORY;
    if (left == CLASS_INTEGER || right == CLASS_INTEGER)
        return CLASS_INTEGER;
    if (left >= CLASS_X87 || right >= CLASS_X87) /* X87, X87UP, COMPLEX_X87 */
        return CLASS_MEMORY;
    return CLASS_SSE;
}

static void put(struct abi_classes *classes, uint64_t offset, enum abi_class class) {
    if (offset / 8 >= ABI_EIGHTBYTES)
        classes->eightbytes[0] = CLASS_MEMORY;
    else
        classes->eightbytes[offset / 8] = merge(classes->eightbytes[offset / 8], class);
}

static void put_range(struct abi_classes *classes, uint64_t offset, uint64_t size, enum abi_class class) {
    for (uint64_t at = offset / 8 * 8; at < offset + size; at += 8)
        put(classes, at, class);
}

/* ---- scalars ---- */

static bool is_quad(const struct type *type) {
    return strstr(type->base_name, "128") || strstr(type->base_name, "(kind=16)") ||
           strstr(type->base_name, "quad");
}

static void put_float(struct abi_classes *classes, const struct type *type, uint64_t offset, uint64_t size) {
    if (size <= 8) {
        put_range(classes, offset, size, CLASS_SSE);
    } else if (is_quad(type)) {
        put(classes, offset, CLASS_SSE);
        put(classes, offset + 8, CLASS_SSEUP);
    } else {
        put(classes, offset, CLASS_X87);
        put(classes, offset + 8, CLASS_X87UP);
    }
}

static void put_complex(struct abi_classes *classes, const struct type *type, uint64_t offset) {
    uint64_t half = type->size / 2;
    if (type->encoding == DW_ATE_lo_user) {
        put_range(classes, offset, type->size, CLASS_INTEGER);
    } else if (half <= 8) {
        put_range(classes, offset, half, CLASS_SSE);
        put_range(classes, offset + half, half, CLASS_SSE);
    } else if (is_quad(type)) {
        classes->eightbytes[0] = CLASS_MEMORY; /* four eightbytes */
    } else {
        classes->eightbytes[0] = CLASS_COMPLEX_X87;
        classes->eightbytes[1] = CLASS_COMPLEX_X87;
    }
}

/* Vectors of 8 and 16 bytes are in SSE registers. Larger ones are there only when the function was compiled
 * for AVX, which the debug information does not say; for those of one element, or less than 8 bytes,
 * compilers differ. */
static void put_vector(struct abi_classes *classes, const struct type *type, uint64_t offset) {
    if (type->size == 8 && type->dimension_count && type->dimensions[0].count > 1) {
        put(classes, offset, CLASS_SSE);
    } else if (type->size == 16) {
        put(classes, offset, CLASS_SSE);
        put(classes, offset + 8, CLASS_SSEUP);
    } else {
        classes->unknown = "a vector whose place depends on how the function was compiled";
    }
}

/* ---- C++ classes (Itanium C++ ABI 1.1, "non-trivial for the purposes of calls") ---- */

static bool is_nontrivial(const struct type *type, unsigned depth) {
    const struct type *whole;
    struct error *err = type_resolve(type, &whole);
    if (err || depth > DEPTH_MAX) {
        error_free(err);
        return false;
    }
    if (whole->kind == TYPE_ARRAY)
        return is_nontrivial(whole->target, depth + 1);
    if (!is_record(whole) || whole->language != LANGUAGE_CXX)
        return false;
    if (whole->convention == DW_CC_pass_by_value)
        return false;
    if (whole->convention == DW_CC_pass_by_reference || whole->nontrivial || whole->has_vptr)
        return true;
    for (size_t i = 0; i < whole->member_count; i++)
        if (is_nontrivial(whole->members[i].type, depth + 1))
            return true;
    return false;
}

/* ---- aggregates ---- */

static struct error *classify_at(const struct type *type, uint64_t offset, unsigned depth,
                                 struct abi_classes *ret);

/* Bit fields belong to the eightbytes that their bits are in. */
static struct error *classify_member(const struct type_member *member, uint64_t offset, unsigned depth,
                                     struct abi_classes *ret) {
    if (member->location.size) {
        ret->eightbytes[0] = CLASS_MEMORY; /* a virtual base; such a class is passed by reference anyway */
        return NULL;
    }
    if (!member->bit_size)
        return classify_at(member->type, offset + member->offset, depth + 1, ret);
    uint64_t first = offset * 8 + member->bit_offset;
    put(ret, first / 8, CLASS_INTEGER);
    put(ret, (first + member->bit_size - 1) / 8, CLASS_INTEGER);
    return NULL;
}

static struct error *classify_record(const struct type *type, uint64_t offset, unsigned depth,
                                     struct abi_classes *ret) {
    if (type->variant_count)
        ret->unknown = "an enum of Rust";
    for (size_t i = 0; i < type->member_count && ret->eightbytes[0] != CLASS_MEMORY; i++)
        TRY(classify_member(&type->members[i], offset, depth, ret));
    return NULL;
}

static struct error *classify_array(const struct type *type, uint64_t offset, unsigned depth,
                                    struct abi_classes *ret) {
    uint64_t step = type_strip(type->target)->size;
    if (type->is_vector) {
        put_vector(ret, type, offset);
        return NULL;
    }
    if (!type->has_size || !step)
        return NULL; /* a flexible member: no part of the value */
    for (uint64_t at = 0; at < type->size && ret->eightbytes[0] != CLASS_MEMORY; at += step)
        TRY(classify_at(type->target, offset + at, depth + 1, ret));
    return NULL;
}

/* "If it has unaligned fields, it has class MEMORY." */
static bool is_unaligned(const struct type *type, uint64_t offset) {
    uint64_t alignment = type->kind == TYPE_ARRAY || is_record(type) ? 1 : type_alignment(type);
    return offset % alignment != 0;
}

static struct error *classify_at(const struct type *type, uint64_t offset, unsigned depth,
                                 struct abi_classes *ret) {
    TRY(type_resolve(type, &type));
    if (depth > DEPTH_MAX)
        return error_new(ERROR_BAD_DATA, "debug information: %s is nested too deeply", type->name);
    if (type->has_size && (offset + type->size > SIZE_MAX_IN_REGISTERS || is_unaligned(type, offset)) &&
        !(type->kind == TYPE_COMPLEX && !offset)) {
        ret->eightbytes[0] = CLASS_MEMORY;
        return NULL;
    }
    switch (type->kind) {
    case TYPE_FLOAT:
        put_float(ret, type, offset, type->size);
        return NULL;
    case TYPE_COMPLEX:
        put_complex(ret, type, offset);
        return NULL;
    case TYPE_STRUCT:
    case TYPE_CLASS:
    case TYPE_UNION:
        return classify_record(type, offset, depth, ret);
    case TYPE_ARRAY:
        return classify_array(type, offset, depth, ret);
    case TYPE_UNSPECIFIED:
    case TYPE_STRING:
    case TYPE_FUNCTION:
        ret->unknown = "of a type whose place is not known";
        return NULL;
    default:
        put_range(ret, offset, type->size, CLASS_INTEGER);
        return NULL;
    }
}

/* The cleanup after merging (psABI 3.2.3, step 5). */
static void clean_up(struct abi_classes *classes) {
    enum abi_class *parts = classes->eightbytes;
    bool memory = parts[0] == CLASS_MEMORY || parts[1] == CLASS_MEMORY ||
                  (parts[1] == CLASS_X87UP && parts[0] != CLASS_X87) || parts[0] == CLASS_X87UP;
    if (memory) {
        parts[0] = CLASS_MEMORY;
        parts[1] = CLASS_NONE;
    }
    if (parts[0] == CLASS_SSEUP)
        parts[0] = CLASS_SSE;
    if (parts[1] == CLASS_SSEUP && parts[0] != CLASS_SSE)
        parts[1] = CLASS_SSE;
}

struct error *abi_classify(const struct type *type, struct abi_classes *ret) {
    const struct type *whole;
    struct abi_classes classes = {.eightbytes = {CLASS_NONE}};
    TRY(type_resolve(type, &whole));
    classes.size = whole->size;
    classes.alignment = type_alignment(type);
    while (classes.size % classes.alignment) /* a packed struct: its members' alignment does not count */
        classes.alignment /= 2;
    if (whole->kind == TYPE_VOID) {
        *ret = classes;
        return NULL;
    }
    if (!whole->has_size) {
        classes.unknown = "of an incomplete type";
    } else if (is_nontrivial(whole, 0)) {
        classes.by_reference = true;
        classes.eightbytes[0] = CLASS_MEMORY;
    } else if (whole->is_vector && whole->size > SIZE_MAX_IN_REGISTERS) {
        put_vector(&classes, whole, 0);
    } else {
        TRY(classify_at(whole, 0, 0, &classes));
        clean_up(&classes);
    }
    *ret = classes;
    return NULL;
}
