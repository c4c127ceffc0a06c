/* What is inside of a type: members, bases, variants, template arguments, enumerators, parameters. */
#include "dwarf/type_load.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct error *bad_member(const struct type_die *die, const char *why) {
    return error_new(ERROR_BAD_DATA, "debug information: the member at 0x%" PRIx64 " %s",
                     type_die_offset(die) & ~TYPE_DIE_IN_TYPES, why);
}

/* ---- where a member is ---- */

/* DWARF 2 says an offset as DW_OP_plus_uconst N. */
static bool plain_offset(struct type_expression expression, uint64_t *ret) {
    if (expression.size < 2 ||
        (expression.bytes[0] != DW_OP_plus_uconst && expression.bytes[0] != DW_OP_constu))
        return false;
    uint64_t value = 0;
    size_t at = 1;
    for (unsigned shift = 0; at < expression.size && shift < 63; shift += 7, at++) {
        value |= (uint64_t)(expression.bytes[at] & 0x7f) << shift;
        if (!(expression.bytes[at] & 0x80)) {
            *ret = value;
            return at + 1 == expression.size;
        }
    }
    return false;
}

static struct error *read_offset(const struct type_die *die, struct type_member *member) {
    int64_t offset;
    if (type_die_constant(die, DW_AT_data_member_location, &offset)) {
        if (offset < 0 || (uint64_t)offset > TYPE_SIZE_MAX)
            return bad_member(die, "is nowhere in its parent");
        member->offset = (uint64_t)offset;
    } else if (type_die_expression(die, DW_AT_data_member_location, &member->location)) {
        if (plain_offset(member->location, &member->offset))
            member->location = (struct type_expression){0};
        if (member->offset > TYPE_SIZE_MAX)
            return bad_member(die, "is nowhere in its parent");
    }
    member->bit_offset = member->offset * 8;
    return NULL;
}

/* DWARF 4 and later count bits from the start of the parent. Before, DW_AT_bit_offset counted from the
 * highest bit of a storage unit (DWARF 3 section 5.5.6). */
static struct error *read_bit_field(const struct type_die *die, struct type_member *member) {
    int64_t bits, offset;
    if (!type_die_constant(die, DW_AT_bit_size, &bits))
        return NULL;
    if (bits < 0 || bits > 128)
        return bad_member(die, "has an impossible number of bits");
    member->bit_size = (uint64_t)bits;
    if (type_die_constant(die, DW_AT_data_bit_offset, &offset)) {
        member->bit_offset = (uint64_t)offset;
    } else if (type_die_constant(die, DW_AT_bit_offset, &offset)) {
        int64_t storage;
        if (!type_die_constant(die, DW_AT_byte_size, &storage))
            storage = (int64_t)type_strip(member->type)->size;
        member->bit_offset += (uint64_t)(storage * 8 - offset - bits);
    }
    if (member->bit_offset > TYPE_SIZE_MAX * 8)
        return bad_member(die, "is nowhere in its parent");
    member->offset = 0;
    return NULL;
}

static struct error *read_member(struct types *types, const struct type_die *die, struct type_member *ret) {
    ret->name = type_die_string(die, DW_AT_name);
    ret->base = type_die_tag(die) == DW_TAG_inheritance;
    ret->artificial = type_die_flag(die, DW_AT_artificial);
    if (ret->base)
        ret->name = NULL;
    /* gcc does not always mark the table of virtual functions as its own */
    if (ret->name && (!strncmp(ret->name, "_vptr", 5)))
        ret->artificial = true;
    TRY(type_of_attribute(types, die, DW_AT_type, &ret->type));
    TRY(read_offset(die, ret));
    return read_bit_field(die, ret);
}

/* clang says alignas of a member with the member only. */
static void align_to_member(const struct type_die *die, struct type *type) {
    int64_t alignment;
    if (type_die_constant(die, DW_AT_alignment, &alignment) && alignment > (int64_t)type->alignment &&
        alignment <= 1 << 20)
        type->alignment = (uint64_t)alignment;
}

static struct error *add_member(struct types *types, const struct type_die *die, struct type_member **members,
                                size_t *count) {
    struct type_member *member = type_array_add(members, count, sizeof(*member));
    return member ? read_member(types, die, member) : &error_no_memory;
}

/* A static member is a variable; DWARF 4 lists it among the members. */
static bool is_static(const struct type_die *die) {
    return type_die_flag(die, DW_AT_external) || type_die_flag(die, DW_AT_declaration);
}

/* ---- Rust's variants (DWARF 5 section 5.7.10) ---- */

static struct error *add_range(struct type_variant *variant, unsigned __int128 low, unsigned __int128 high) {
    struct type_discriminant_range *range =
        type_array_add(&variant->ranges, &variant->range_count, sizeof(*range));
    if (!range)
        return &error_no_memory;
    *range = (struct type_discriminant_range){low, high};
    return NULL;
}

static uint64_t read_leb(const struct type_expression *list, size_t *at) {
    uint64_t value = 0;
    for (unsigned shift = 0; *at < list->size; shift += 7) {
        uint8_t byte = list->bytes[(*at)++];
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return value;
}

/* DW_AT_discr_list: labels and ranges, as LEB128. */
static struct error *read_ranges(const struct type_expression *list, struct type_variant *variant) {
    for (size_t at = 0; at < list->size;) {
        uint8_t kind = list->bytes[at++];
        uint64_t low = read_leb(list, &at);
        TRY(add_range(variant, low, kind == DW_DSC_range ? read_leb(list, &at) : low));
    }
    return NULL;
}

/* A discriminant of 16 bytes is a block: no form for constants of DWARF 4 is that large. */
static bool wide_discriminant(const struct type_die *die, unsigned __int128 *ret) {
    struct type_expression block;
    if (!type_die_expression(die, DW_AT_discr_value, &block) || block.size > sizeof(*ret))
        return false;
    *ret = 0;
    memcpy(ret, block.bytes, block.size);
    return true;
}

static struct error *read_variant(struct types *types, const struct type_die *die,
                                  struct type_variant *variant) {
    int64_t value;
    unsigned __int128 wide;
    struct type_expression list;
    if (type_die_constant(die, DW_AT_discr_value, &value))
        TRY(add_range(variant, (unsigned __int128)value, (unsigned __int128)value));
    else if (wide_discriminant(die, &wide))
        TRY(add_range(variant, wide, wide));
    else if (type_die_expression(die, DW_AT_discr_list, &list))
        TRY(read_ranges(&list, variant));
    else
        variant->is_default = true;
    struct type_die child;
    struct error *err = type_die_child(die, &child);
    while (!err && child.handle) {
        if (type_die_tag(&child) == DW_TAG_member)
            err = add_member(types, &child, &variant->members, &variant->member_count);
        if (!err)
            err = type_die_advance(&child);
    }
    type_die_close(&child);
    return err;
}

static struct error *read_discriminant(struct types *types, const struct type_die *part, struct type *type) {
    uint64_t offset;
    struct type_die die;
    if (type_die_reference(part, DW_AT_discr, &offset) != REFERENCE_DIE || type->discriminant)
        return NULL;
    type->discriminant = calloc(1, sizeof(*type->discriminant));
    if (!type->discriminant)
        return &error_no_memory;
    TRY(type_die_open(types, offset, &die));
    struct error *err = read_member(types, &die, type->discriminant);
    type_die_close(&die);
    return err;
}

static struct error *read_variant_part(struct types *types, const struct type_die *part, struct type *type) {
    struct type_die child;
    TRY(read_discriminant(types, part, type));
    struct error *err = type_die_child(part, &child);
    while (!err && child.handle) {
        if (type_die_tag(&child) == DW_TAG_variant) {
            struct type_variant *variant =
                type_array_add(&type->variants, &type->variant_count, sizeof(*variant));
            err = variant ? read_variant(types, &child, variant) : &error_no_memory;
        }
        if (!err)
            err = type_die_advance(&child);
    }
    type_die_close(&child);
    return err;
}

/* ---- classes ---- */

static struct error *add_template_type(struct types *types, const struct type_die *die, struct type *type) {
    const struct type **place =
        type_array_add(&type->template_types, &type->template_type_count, sizeof(*place));
    if (!place)
        return &error_no_memory;
    *place = types->void_type; /* also what it is when the argument has no type: vector<void> */
    return type_of_attribute(types, die, DW_AT_type, place);
}

static struct error *add_template_pack(struct types *types, const struct type_die *die, struct type *type) {
    struct type_die child;
    struct error *err = type_die_child(die, &child);
    while (!err && child.handle) {
        if (type_die_tag(&child) == DW_TAG_template_type_parameter)
            err = add_template_type(types, &child, type);
        if (!err)
            err = type_die_advance(&child);
    }
    type_die_close(&child);
    return err;
}

/* "Cart" of "Cart<int>". */
static bool is_constructor_name(const char *name, const char *of) {
    size_t length = strcspn(of, "<");
    return length && !strncmp(name, of, length) && (name[length] == '\0' || name[length] == '<');
}

/* True if the second parameter (after this) is a reference to the class itself. */
static bool copies_its_class(const struct type_die *function, const struct type *type) {
    struct type_die child;
    unsigned number = 0;
    bool copies = false;
    struct error *err = type_die_child(function, &child);
    while (!err && child.handle) {
        if (type_die_tag(&child) == DW_TAG_formal_parameter && number++ == 1) {
            const struct type *parameter;
            err = type_of_attribute(type->owner, &child, DW_AT_type, &parameter);
            if (!err) {
                parameter = type_strip(parameter);
                copies = (parameter->kind == TYPE_REFERENCE || parameter->kind == TYPE_RVALUE_REFERENCE) &&
                         type_strip(parameter->target) == type;
            }
            break;
        }
        err = type_die_advance(&child);
    }
    type_die_close(&child);
    error_free(err);
    return copies;
}

/* Itanium C++ ABI: a class is passed in memory when its destructor, or a copy or move constructor, does
 * something. Made by the compiler or defaulted in the class it does what the members' do, which abi.c looks
 * at; deleted ones cannot do anything. */
static void read_method(const struct type_die *die, struct type *type) {
    const char *name = type_die_string(die, DW_AT_name);
    int64_t virtuality = 0, defaulted = 0;
    if (type_die_constant(die, DW_AT_virtuality, &virtuality) && virtuality)
        type->has_vptr = true;
    type_die_constant(die, DW_AT_defaulted, &defaulted);
    if (!name || type_die_flag(die, DW_AT_artificial) || defaulted == DW_DEFAULTED_in_class ||
        type_die_flag(die, DW_AT_deleted))
        return;
    if (name[0] == '~' || (is_constructor_name(name, type->base_name) && copies_its_class(die, type)))
        type->nontrivial = true;
}

static struct error *read_part(struct types *types, const struct type_die *die, struct type *type) {
    int64_t virtuality = 0;
    switch (type_die_tag(die)) {
    case DW_TAG_inheritance:
        if (type_die_constant(die, DW_AT_virtuality, &virtuality) && virtuality)
            type->has_vptr = true;
        return add_member(types, die, &type->members, &type->member_count);
    case DW_TAG_member:
        if (is_static(die))
            return NULL;
        align_to_member(die, type);
        return add_member(types, die, &type->members, &type->member_count);
    case DW_TAG_variant_part:
        return read_variant_part(types, die, type);
    case DW_TAG_template_type_parameter:
        return add_template_type(types, die, type);
    case DW_TAG_GNU_template_parameter_pack:
        return add_template_pack(types, die, type);
    case DW_TAG_subprogram:
        if (type->language == LANGUAGE_CXX)
            read_method(die, type);
        return NULL;
    default:
        return NULL;
    }
}

static void inherit_vptr(struct type *type) {
    for (size_t i = 0; i < type->member_count; i++) {
        const struct type_member *member = &type->members[i];
        if (member->artificial && member->name && !strncmp(member->name, "_vptr", 5))
            type->has_vptr = true;
    }
}

struct error *type_complete_members(struct type *type, const struct type_die *die) {
    struct type_die child;
    struct error *err = type_die_child(die, &child);
    while (!err && child.handle) {
        err = read_part(type->owner, &child, type);
        if (!err)
            err = type_die_advance(&child);
    }
    type_die_close(&child);
    if (!err)
        inherit_vptr(type);
    return err;
}

/* ---- enumerators ---- */

struct error *type_complete_enumerators(struct type *type, const struct type_die *die) {
    struct type_die child;
    struct error *err = type_die_child(die, &child);
    while (!err && child.handle) {
        if (type_die_tag(&child) == DW_TAG_enumerator) {
            int64_t value = 0;
            struct type_enumerator *enumerator =
                type_array_add(&type->enumerators, &type->enumerator_count, sizeof(*enumerator));
            if (!enumerator) {
                err = &error_no_memory;
                break;
            }
            enumerator->name = type_die_string(&child, DW_AT_name);
            enumerator->name = enumerator->name ? enumerator->name : "";
            if (type_die_constant(&child, DW_AT_const_value, &value) && value < 0 && !type->target)
                type->is_signed = true; /* no base type is said (DWARF 2) */
            enumerator->value = value;
        }
        err = type_die_advance(&child);
    }
    type_die_close(&child);
    return err;
}

/* ---- parameters ---- */

/* gfortran gives a dummy argument its plain type, whether its address is passed or not; the location tells:
 * "in the frame" or "in this register", or "fetch from the frame, then from there" or "where this register
 * points to". Of any other one nothing is said. */
static void read_reference(const struct type_die *die, struct type_parameter *parameter) {
    struct type_expression location;
    if (!type_die_expression(die, DW_AT_location, &location) || !location.size)
        return;
    uint8_t operation = location.bytes[0];
    size_t at = 1;
    if (operation >= DW_OP_reg0 && operation <= DW_OP_reg31) {
        parameter->location_known = location.size == 1;
        return;
    }
    bool points = operation >= DW_OP_breg0 && operation <= DW_OP_breg31;
    if (operation != DW_OP_fbreg && !points)
        return;
    uint64_t offset = read_leb(&location, &at);
    if (points) {
        parameter->by_reference = true;
        parameter->location_known = !offset && at == location.size;
    } else {
        parameter->by_reference = at + 1 == location.size && location.bytes[at] == DW_OP_deref;
        parameter->location_known = parameter->by_reference || at == location.size;
    }
}

/* The type of a parameter may stand with the abstract instance of an inlined function. */
static struct error *read_parameter(struct types *types, const struct type_die *die, unsigned depth,
                                    struct type_parameter *ret) {
    uint64_t origin;
    struct type_die abstract;
    const char *name = type_die_string(die, DW_AT_name);
    ret->name = name ? name : ret->name;
    ret->artificial |= type_die_flag(die, DW_AT_artificial);
    if (type_die_has(die, DW_AT_type) || depth == 4 ||
        type_die_reference(die, DW_AT_abstract_origin, &origin) != REFERENCE_DIE)
        return type_of_attribute(types, die, DW_AT_type, &ret->type);
    TRY(type_die_open(types, origin, &abstract));
    struct error *err = read_parameter(types, &abstract, depth + 1, ret);
    type_die_close(&abstract);
    return err;
}

static struct error *add_parameter(struct types *types, const struct type_die *die, struct type *type) {
    struct type_parameter *parameter =
        type_array_add(&type->parameters, &type->parameter_count, sizeof(*parameter));
    if (!parameter)
        return &error_no_memory;
    read_reference(die, parameter);
    return read_parameter(types, die, 0, parameter);
}

/* The result, the prototype, and parameters of one of: the DIE, what it is a concrete instance of, what
 * declares it. */
static struct error *read_signature(struct types *types, const struct type_die *die, unsigned depth,
                                    struct type *type) {
    struct type_die child, origin;
    uint64_t offset;
    bool has_own = type->parameter_count;
    if (!type->target && type_die_has(die, DW_AT_type))
        TRY(type_of_attribute(types, die, DW_AT_type, &type->target));
    type->prototyped |= type_die_flag(die, DW_AT_prototyped);
    struct error *err = type_die_child(die, &child);
    while (!err && child.handle) {
        if (type_die_tag(&child) == DW_TAG_formal_parameter && !has_own)
            err = add_parameter(types, &child, type);
        else if (type_die_tag(&child) == DW_TAG_unspecified_parameters)
            type->variadic = true;
        if (!err)
            err = type_die_advance(&child);
    }
    type_die_close(&child);
    if (err || depth == 4)
        return err;
    if (type_die_reference(die, DW_AT_abstract_origin, &offset) != REFERENCE_DIE &&
        type_die_reference(die, DW_AT_specification, &offset) != REFERENCE_DIE)
        return NULL;
    TRY(type_die_open(types, offset, &origin));
    err = read_signature(types, &origin, depth + 1, type);
    type_die_close(&origin);
    return err;
}

struct error *type_load_parameters(struct types *types, const struct type_die *die, struct type *type) {
    TRY(read_signature(types, die, 0, type));
    if (!type->target)
        type->target = types->void_type;
    return NULL;
}
