#include "dwarf/type_load.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#ifndef DW_TAG_atomic_type
#define DW_TAG_atomic_type 0x47
#endif
/* GNU and LLVM extensions that newer compilers write. */
#define TAG_LLVM_PTRAUTH 0x4300

void *type_array_add(void *array, size_t *count, size_t size) {
    char **data = array;
    size_t n = *count;
    if (!(n & (n - 1))) { /* room is the next power of two */
        char *bigger = realloc(*data, (n ? n * 2 : 1) * size);
        if (!bigger)
            return NULL;
        *data = bigger;
    }
    *count = n + 1;
    return memset(*data + n * size, 0, size);
}

struct type *type_new(struct types *types, enum type_kind kind, const char *name) {
    struct type *type = calloc(1, sizeof(*type));
    if (!type)
        return NULL;
    type->kind = kind;
    type->owner = types;
    type->name = strdup(name);
    type->base_name = strdup(name);
    type->declarator = strlen(name);
    if (!type->name || !type->base_name) {
        type_free(type);
        return NULL;
    }
    return type;
}

void type_forget_parts(struct type *type) {
    for (size_t i = 0; i < type->variant_count; i++) {
        free(type->variants[i].ranges);
        free(type->variants[i].members);
    }
    free(type->variants);
    free(type->members);
    free(type->discriminant);
    free(type->template_types);
    free(type->enumerators);
    type->variants = NULL;
    type->members = NULL;
    type->discriminant = NULL;
    type->template_types = NULL;
    type->enumerators = NULL;
    type->variant_count = type->member_count = type->template_type_count = type->enumerator_count = 0;
}

void type_free(struct type *type) {
    if (!type)
        return;
    type_forget_parts(type);
    free(type->parameters);
    free(type->dimensions);
    free(type->name);
    free(type->base_name);
    free(type);
}

/* ---- language ---- */

static enum type_language language_of_code(int64_t code) {
    switch (code) {
    case DW_LANG_C:
    case DW_LANG_C89:
    case DW_LANG_C99:
    case 0x1d: /* C11 */
    case 0x2c: /* C17 */
    case 0x3e: /* C23 */
        return LANGUAGE_C;
    case DW_LANG_C_plus_plus:
    case 0x1a: /* C++11 */
    case 0x21: /* C++14 */
    case 0x2b: /* C++17 */
    case 0x2d: /* C++20 */
    case 0x3a: /* C++23 */
        return LANGUAGE_CXX;
    case 0x1c:
        return LANGUAGE_RUST;
    case DW_LANG_Fortran77:
    case DW_LANG_Fortran90:
    case DW_LANG_Fortran95:
    case 0x22: /* Fortran 2003 */
    case 0x23: /* 2008 */
    case 0x2e: /* 2018 */
        return LANGUAGE_FORTRAN;
    default:
        return LANGUAGE_OTHER;
    }
}

/* Partial units of dwz do not say: they take what the last unit that did has said. */
enum type_language type_language_of(const struct type_die *die, struct types *types) {
    uint64_t unit = type_die_unit(die);
    struct type_die opened;
    int64_t code = 0;
    if (unit == types->language_unit && unit)
        return types->language;
    struct error *err = type_die_open(types, unit, &opened);
    if (!err) {
        if (type_die_constant(&opened, DW_AT_language, &code))
            types->language = language_of_code(code);
        type_die_close(&opened);
    }
    error_free(err);
    types->language_unit = unit;
    return types->language;
}

/* ---- kinds ---- */

static enum type_kind kind_of_tag(unsigned tag) {
    switch (tag) {
    case DW_TAG_base_type:
        return TYPE_INTEGER;
    case DW_TAG_typedef:
    case DW_TAG_template_alias:
        return TYPE_TYPEDEF;
    case DW_TAG_const_type:
    case DW_TAG_volatile_type:
    case DW_TAG_restrict_type:
    case DW_TAG_atomic_type:
    case DW_TAG_immutable_type:
    case DW_TAG_packed_type:
    case DW_TAG_shared_type:
    case TAG_LLVM_PTRAUTH:
        return TYPE_QUALIFIED;
    case DW_TAG_pointer_type:
        return TYPE_POINTER;
    case DW_TAG_reference_type:
        return TYPE_REFERENCE;
    case DW_TAG_rvalue_reference_type:
        return TYPE_RVALUE_REFERENCE;
    case DW_TAG_ptr_to_member_type:
        return TYPE_MEMBER_POINTER;
    case DW_TAG_enumeration_type:
        return TYPE_ENUM;
    case DW_TAG_structure_type:
        return TYPE_STRUCT;
    case DW_TAG_class_type:
    case DW_TAG_interface_type:
        return TYPE_CLASS;
    case DW_TAG_union_type:
        return TYPE_UNION;
    case DW_TAG_array_type:
        return TYPE_ARRAY;
    case DW_TAG_string_type:
        return TYPE_STRING;
    case DW_TAG_subroutine_type:
    case DW_TAG_subprogram:
        return TYPE_FUNCTION;
    default:
        return TYPE_UNSPECIFIED;
    }
}

static bool is_type_tag(unsigned tag) {
    return kind_of_tag(tag) != TYPE_UNSPECIFIED || tag == DW_TAG_unspecified_type ||
           tag == DW_TAG_subrange_type || tag == DW_TAG_set_type || tag == DW_TAG_file_type ||
           tag == DW_TAG_dynamic_type || tag == DW_TAG_coarray_type;
}

static unsigned qualifier_of_tag(unsigned tag) {
    switch (tag) {
    case DW_TAG_const_type:
        return QUALIFIER_CONST;
    case DW_TAG_volatile_type:
        return QUALIFIER_VOLATILE;
    case DW_TAG_restrict_type:
        return QUALIFIER_RESTRICT;
    case DW_TAG_atomic_type:
        return QUALIFIER_ATOMIC;
    default:
        return 0;
    }
}

static bool is_character_name(const char *name) {
    static const char *const names[] = {"char",     "wchar_t", "char8_t",  "char16_t",
                                        "char32_t", "char8",   "character"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcmp(name, names[i]))
            return true;
    return !strncmp(name, "character(", 10);
}

/* DW_ATE_* (DWARF 5, table 7.11). */
static void read_base(struct type *type, const struct type_die *die) {
    int64_t encoding = 0;
    type_die_constant(die, DW_AT_encoding, &encoding);
    type->encoding = (unsigned)encoding;
    type->is_signed = encoding == DW_ATE_signed || encoding == DW_ATE_signed_char;
    switch (encoding) {
    case DW_ATE_boolean:
        type->kind = TYPE_BOOL;
        break;
    case DW_ATE_float:
        type->kind = TYPE_FLOAT;
        break;
    case DW_ATE_complex_float:
    case DW_ATE_lo_user: /* GNU: complex integers */
        type->kind = TYPE_COMPLEX;
        break;
    case DW_ATE_UTF:
    case DW_ATE_UCS:
    case DW_ATE_ASCII:
        type->kind = TYPE_CHARACTER;
        break;
    case DW_ATE_signed:
    case DW_ATE_unsigned:
    case DW_ATE_signed_char:
    case DW_ATE_unsigned_char:
        /* int8_t is signed char, a number; wchar_t of C++ is DW_ATE_signed, a character. */
        type->kind = is_character_name(type->base_name) ? TYPE_CHARACTER : TYPE_INTEGER;
        break;
    case DW_ATE_address:
        type->kind = TYPE_INTEGER;
        break;
    default: /* decimal floats, fixed point, ... */
        type->kind = TYPE_UNSPECIFIED;
    }
}

static struct error *read_enum(struct types *types, const struct type_die *die, struct type *type) {
    type->is_enum_class = type_die_flag(die, DW_AT_enum_class);
    if (!type_die_has(die, DW_AT_type))
        return NULL;
    TRY(type_of_attribute(types, die, DW_AT_type, &type->target));
    type->is_signed = type_strip(type->target)->is_signed;
    if (!type->has_size && type->target->has_size && !type->is_declaration) {
        type->size = type->target->size;
        type->has_size = true;
    }
    return NULL;
}

static bool is_pointing(enum type_kind kind) {
    return kind == TYPE_POINTER || kind == TYPE_REFERENCE || kind == TYPE_RVALUE_REFERENCE;
}

/* A Rust reference is a pointer whose name says that it is one. */
static void read_rust_pointer(struct type *type) {
    if (type->language == LANGUAGE_RUST && type->kind == TYPE_POINTER &&
        (type->base_name[0] == '&' || !strncmp(type->base_name, "alloc::boxed::Box<", 18)))
        type->kind = TYPE_REFERENCE;
}

static struct error *read_pointing(struct types *types, const struct type_die *die, struct type *type) {
    TRY(type_of_attribute(types, die, DW_AT_type, &type->target));
    read_rust_pointer(type);
    if (type->kind == TYPE_MEMBER_POINTER) {
        TRY(type_of_attribute(types, die, DW_AT_containing_type, &type->containing));
        if (!type->has_size) /* Itanium C++ ABI 2.3: an offset; or function and adjustment */
            type->size = type_strip(type->target)->kind == TYPE_FUNCTION ? 16 : 8;
    } else if (!type->has_size) {
        type->size = 8;
    }
    type->has_size = true;
    return NULL;
}

static struct error *read_alias(struct types *types, const struct type_die *die, struct type *type) {
    TRY(type_of_attribute(types, die, DW_AT_type, &type->target));
    type->size = type->target->size;
    type->has_size = type->target->has_size;
    return NULL;
}

static struct error *read_by_kind(struct types *types, const struct type_die *die, struct type *type) {
    if (is_pointing(type->kind) || type->kind == TYPE_MEMBER_POINTER)
        return read_pointing(types, die, type);
    switch (type->kind) {
    case TYPE_TYPEDEF:
    case TYPE_QUALIFIED:
        type->qualifiers = qualifier_of_tag(type_die_tag(die));
        return read_alias(types, die, type);
    case TYPE_ENUM:
        return read_enum(types, die, type);
    case TYPE_ARRAY:
        TRY(type_of_attribute(types, die, DW_AT_type, &type->target));
        return type_load_array(types, die, type);
    case TYPE_STRING:
        return type_load_string(die, type);
    case TYPE_FUNCTION:
        return type_load_parameters(types, die, type);
    case TYPE_INTEGER:
        read_base(type, die);
        return NULL;
    case TYPE_UNSPECIFIED:
        if (type_die_tag(die) == DW_TAG_subrange_type) { /* a range of integers: as its base */
            type->kind = TYPE_TYPEDEF;
            return read_alias(types, die, type);
        }
        if (strstr(type->base_name, "nullptr")) {
            type->kind = TYPE_NULLPTR;
            type->size = 8;
            type->has_size = true;
        }
        return NULL;
    default:
        return NULL;
    }
}

static struct error *read_size(const struct type_die *die, struct type *type) {
    int64_t size;
    if (!type_die_constant(die, DW_AT_byte_size, &size))
        return NULL;
    /* all ones: gcc's way to say that it does not know (Fortran strings of any length) */
    if (size == -1 || (uint64_t)size == UINT32_MAX)
        return NULL;
    if (size < 0 || (uint64_t)size > TYPE_SIZE_MAX)
        return error_new(ERROR_BAD_DATA, "debug information: a type of %" PRIu64 " bytes at 0x%" PRIx64,
                         (uint64_t)size, type->die & ~TYPE_DIE_IN_TYPES);
    type->size = (uint64_t)size;
    type->has_size = true;
    return NULL;
}

/* clang describes std::string by a declaration only, libstdc++ being where its definition is. Its size is
 * fixed by libstdc++'s ABI, and the printer knows its form. */
static void size_std_string(struct type *type) {
    if (type->is_declaration && type->language == LANGUAGE_CXX && !type->has_size &&
        !strcmp(type->name, "std::string") && strstr(type->base_name, "basic_string<char")) {
        type->size = 32;
        type->has_size = true;
    }
}

static struct error *fill(struct types *types, const struct type_die *die, struct type *type) {
    int64_t value;
    type->die = type_die_offset(die);
    type->language = type_language_of(die, types);
    type->is_declaration = type_die_flag(die, DW_AT_declaration);
    TRY(read_size(die, type));
    if (type_die_constant(die, DW_AT_calling_convention, &value))
        type->convention = (unsigned)value;
    if (type_die_constant(die, DW_AT_alignment, &value) && value > 0 && value <= 1 << 20)
        type->alignment = (uint64_t)value;
    TRY(read_by_kind(types, die, type));
    TRY(type_make_name(types, die, type));
    size_std_string(type);
    return NULL;
}

/* A declaration that names its definition by signature stands for it. */
static struct error *follow_signature(struct types *types, const struct type_die *die, struct type **ret,
                                      bool *ret_alias) {
    uint64_t definition;
    const struct type *type = NULL;
    if (!type_die_has(die, DW_AT_signature) ||
        type_die_reference(die, DW_AT_signature, &definition) != REFERENCE_DIE)
        return NULL;
    TRY(type_load(types, definition, &type));
    *ret = (struct type *)type;
    *ret_alias = true;
    return NULL;
}

/* Its own, or that of what it completes. Lives as long as the Dwarf_Debug. */
static const char *name_of(struct types *types, const struct type_die *die) {
    const char *name = type_die_string(die, DW_AT_name);
    uint64_t offset;
    struct type_die declaration;
    if (name || type_die_reference(die, DW_AT_specification, &offset) != REFERENCE_DIE)
        return name;
    struct error *err = type_die_open(types, offset, &declaration);
    if (!err) {
        name = type_die_string(&declaration, DW_AT_name);
        type_die_close(&declaration);
    }
    error_free(err);
    return name;
}

static struct error *read_open(struct types *types, const struct type_die *die, struct type **ret,
                               bool *ret_alias) {
    unsigned tag = type_die_tag(die);
    if (!is_type_tag(tag))
        return error_new(ERROR_BAD_DATA, "debug information: the DIE at 0x%" PRIx64 " is no type (tag 0x%x)",
                         type_die_offset(die) & ~TYPE_DIE_IN_TYPES, tag);
    TRY(follow_signature(types, die, ret, ret_alias));
    if (*ret)
        return NULL;
    const char *name = name_of(types, die);
    struct type *type = type_new(types, kind_of_tag(tag), name ? name : "");
    if (!type)
        return &error_no_memory;
    struct error *err = fill(types, die, type);
    if (err) {
        type_free(type);
        return err;
    }
    *ret = type;
    return NULL;
}

struct error *type_read(struct types *types, uint64_t offset, struct type **ret, bool *ret_alias) {
    struct type_die die;
    TRY(type_die_open(types, offset, &die));
    struct error *err = read_open(types, &die, ret, ret_alias);
    type_die_close(&die);
    return err;
}

struct error *type_of_attribute(struct types *types, const struct type_die *die, unsigned attribute,
                                const struct type **ret) {
    uint64_t offset;
    switch (type_die_reference(die, attribute, &offset)) {
    case REFERENCE_DIE:
        return type_load(types, offset, ret);
    case REFERENCE_NONE:
        *ret = types->void_type;
        return NULL;
    case REFERENCE_OTHER_FILE:
        *ret = types->elsewhere;
        return NULL;
    default:
        return error_new(ERROR_BAD_DATA, "debug information: the DIE at 0x%" PRIx64 " refers to no type",
                         type_die_offset(die) & ~TYPE_DIE_IN_TYPES);
    }
}
