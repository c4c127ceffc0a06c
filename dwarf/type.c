/* The table of loaded types, and what can be asked of a type. Reading it from its DIE: type_load.c. */
#include "dwarf/type.h"

#include "dwarf/type_load.h"
#include "dwarf/type_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct error *types_create(Dwarf_Debug dwarf, struct types **ret) {
    struct types *types = calloc(1, sizeof(*types));
    if (!types)
        return &error_no_memory;
    types->dwarf = dwarf;
    types->void_type = type_new(types, TYPE_VOID, "void");
    types->elsewhere = type_new(types, TYPE_UNSPECIFIED, "<in another file>");
    if (!types->void_type || !types->elsewhere) {
        types_destroy(types);
        return &error_no_memory;
    }
    *ret = types;
    return NULL;
}

void types_set_check(struct types *types, struct error *(*check)(void *, uint64_t), void *context) {
    types->check = check;
    types->check_context = context;
}

void types_destroy(struct types *types) {
    if (!types)
        return;
    for (size_t i = 0; i < types->room; i++)
        if (types->slots[i].type && !types->slots[i].alias)
            type_free(types->slots[i].type);
    free(types->slots);
    type_free(types->void_type);
    type_free(types->elsewhere);
    type_scopes_destroy(types->scopes);
    type_index_destroy(types->index);
    free(types);
}

const struct type *type_void(struct types *types) {
    return types->void_type;
}

/* ---- the table ---- */

static struct type_slot *slot_of(struct type_slot *slots, size_t room, uint64_t die) {
    size_t at = (size_t)((die + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (room - 1);
    while (slots[at].used && slots[at].die != die)
        at = (at + 1) & (room - 1);
    return &slots[at];
}

static bool grow(struct types *types) {
    if (types->room && types->count < types->room / 2)
        return true;
    size_t room = types->room ? types->room * 2 : 256;
    struct type_slot *slots = calloc(room, sizeof(*slots));
    if (!slots)
        return false;
    for (size_t i = 0; i < types->room; i++)
        if (types->slots[i].used)
            *slot_of(slots, room, types->slots[i].die) = types->slots[i];
    free(types->slots);
    types->slots = slots;
    types->room = room;
    return true;
}

/* What is loading already is reached again: a type that contains itself without a struct between. */
static struct error *cycle(uint64_t die) {
    return error_new(ERROR_BAD_DATA, "debug information: the type at 0x%" PRIx64 " is made of itself",
                     die & ~TYPE_DIE_IN_TYPES);
}

struct error *type_load(struct types *types, uint64_t die, const struct type **ret) {
    if (!grow(types))
        return &error_no_memory;
    struct type_slot *slot = slot_of(types->slots, types->room, die);
    if (slot->used && slot->loading)
        return cycle(die);
    if (slot->used && slot->type) {
        *ret = slot->type;
        return NULL;
    }
    if (types->depth >= TYPE_DEPTH_MAX)
        return error_new(ERROR_BAD_DATA, "debug information: the type at 0x%" PRIx64 " is nested too deeply",
                         die & ~TYPE_DIE_IN_TYPES);
    types->count += !slot->used;
    *slot = (struct type_slot){.die = die, .used = true, .loading = true};
    types->depth++;
    struct type *type = NULL;
    bool alias = false;
    struct error *err = type_read(types, die, &type, &alias);
    types->depth--;
    slot = slot_of(types->slots, types->room, die); /* the table may have grown */
    slot->loading = false;
    if (err)
        return err; /* the slot stays, empty: the next one to ask gets the error again */
    slot->type = type;
    slot->alias = alias;
    *ret = type;
    return NULL;
}

/* ---- what can be asked ---- */

const struct type *type_strip(const struct type *type) {
    while (type->kind == TYPE_TYPEDEF || type->kind == TYPE_QUALIFIED)
        type = type->target; /* no cycles: type_load() refuses them */
    return type;
}

static bool has_parts(const struct type *type) {
    return type->kind == TYPE_STRUCT || type->kind == TYPE_CLASS || type->kind == TYPE_UNION;
}

struct error *type_complete(const struct type *type) {
    struct type *mutable = (struct type *)type; /* lazily read: part of what the header promises */
    struct type_die die;
    if (type->completed || (!has_parts(type) && type->kind != TYPE_ENUM))
        return NULL;
    TRY(type_die_open(type->owner, type->die, &die));
    struct error *err =
        has_parts(type) ? type_complete_members(mutable, &die) : type_complete_enumerators(mutable, &die);
    type_die_close(&die);
    if (err)
        type_forget_parts(mutable);
    else
        mutable->completed = true;
    return err;
}

struct error *type_resolve(const struct type *type, const struct type **ret) {
    type = type_strip(type);
    if (type->is_declaration && (has_parts(type) || type->kind == TYPE_ENUM)) {
        struct type *declaration = (struct type *)type;
        if (!declaration->definition_sought) {
            uint64_t die = 0;
            bool found = false;
            TRY(type_find_definition(type->owner, type, &found, &die));
            if (found)
                TRY(type_load(type->owner, die, &declaration->definition));
            declaration->definition_sought = true;
        }
        if (declaration->definition)
            type = declaration->definition;
    }
    TRY(type_complete(type));
    *ret = type;
    return NULL;
}

bool type_counted_init(struct type_counted *ret, const struct type *array, const uint64_t *counts,
                       size_t count) {
    if (array->kind != TYPE_ARRAY || count != array->dimension_count || count > TYPE_DIMENSIONS_MAX ||
        !array->target->has_size)
        return false;
    uint64_t size = array->target->size;
    ret->type = *array;
    ret->type.dimensions = ret->dimensions;
    for (size_t i = 0; i < count; i++) {
        ret->dimensions[i] = array->dimensions[i];
        ret->dimensions[i].known = true;
        ret->dimensions[i].count = counts[i];
        if (__builtin_mul_overflow(size, counts[i], &size) || size > TYPE_SIZE_MAX)
            return false;
    }
    ret->type.size = size;
    ret->type.has_size = true;
    return true;
}

static uint64_t alignment_at(const struct type *type, unsigned depth);

static uint64_t alignment_of_members(const struct type *type, unsigned depth) {
    uint64_t most = 1;
    const struct type *whole;
    struct error *err = type_resolve(type, &whole);
    if (err) {
        error_free(err);
        return most;
    }
    if (whole->alignment)
        most = whole->alignment;
    if (whole->has_vptr)
        most = most < 8 ? 8 : most;
    for (size_t i = 0; i < whole->member_count; i++) {
        uint64_t alignment = alignment_at(whole->members[i].type, depth + 1);
        most = alignment > most ? alignment : most;
    }
    for (size_t i = 0; i < whole->variant_count; i++)
        for (size_t k = 0; k < whole->variants[i].member_count; k++) {
            uint64_t alignment = alignment_at(whole->variants[i].members[k].type, depth + 1);
            most = alignment > most ? alignment : most;
        }
    return most;
}

static uint64_t alignment_at(const struct type *type, unsigned depth) {
    uint64_t natural = 1;
    if (depth > TYPE_DEPTH_MAX)
        return 1;
    for (; type->kind == TYPE_TYPEDEF || type->kind == TYPE_QUALIFIED; type = type->target)
        if (type->alignment)
            return type->alignment;
    if (has_parts(type))
        natural = alignment_of_members(type, depth);
    else if (type->kind == TYPE_ARRAY && !type->is_vector)
        natural = alignment_at(type->target, depth + 1);
    else if (type->kind == TYPE_COMPLEX)
        natural = type->size / 2;
    else if (type->kind != TYPE_STRING && type->has_size)
        natural = type->size;
    natural = type->alignment > natural ? type->alignment : natural;
    while (natural & (natural - 1)) /* sizes that are no power of two: the next lower one */
        natural &= natural - 1;
    return natural < 1 ? 1 : natural > 64 ? 64 : natural;
}

uint64_t type_alignment(const struct type *type) {
    return alignment_at(type, 0);
}
