/* The namespaces and classes around a DIE.
 *
 * A DIE does not know its parent. So the namespaces of its unit, and what classes stand in them, are listed
 * once with the range of offsets that they cover. */
#include "dwarf/type_private.h"

#include <stdlib.h>
#include <string.h>

/* Namespaces in each other. */
#define SCOPE_DEPTH_MAX 32

struct scope {
    uint64_t low, high; /* offsets of the DIEs inside: [low, high) */
    const char *name;   /* NULL: adds nothing to the name (inline namespaces) */
    size_t parent;      /* index, or SIZE_MAX */
    bool is_class;      /* its inside is not listed */
};

struct scope_unit {
    uint64_t die;
    struct scope *scopes; /* by low */
    size_t count;
};

struct type_scopes {
    struct scope_unit *units;
    size_t count;
};

void type_scopes_destroy(struct type_scopes *scopes) {
    if (!scopes)
        return;
    for (size_t i = 0; i < scopes->count; i++)
        free(scopes->units[i].scopes);
    free(scopes->units);
    free(scopes);
}

static bool is_class_tag(unsigned tag) {
    return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type ||
           tag == DW_TAG_interface_type;
}

static bool is_namespace_tag(unsigned tag) {
    return tag == DW_TAG_namespace || tag == DW_TAG_module;
}

/* libstdc++'s and libc++'s inline namespaces, also where DW_AT_export_symbols does not say so (DWARF 4). */
static bool is_inline(const struct type_die *die, const char *name) {
    return type_die_flag(die, DW_AT_export_symbols) || !strcmp(name, "__cxx11") || !strcmp(name, "__1");
}

static const char *scope_part(const struct type_die *die) {
    const char *name = type_die_string(die, DW_AT_name);
    if (!is_namespace_tag(type_die_tag(die)))
        return name;
    if (!name)
        return "(anonymous namespace)";
    return is_inline(die, name) ? NULL : name;
}

static struct error *list_children(struct scope_unit *unit, const struct type_die *die, size_t parent,
                                   unsigned depth);

static struct error *list_one(struct scope_unit *unit, const struct type_die *die, size_t parent,
                              unsigned depth, size_t *ret_open) {
    unsigned tag = type_die_tag(die);
    if (!is_namespace_tag(tag) && !is_class_tag(tag))
        return NULL;
    struct scope *scope = type_array_add(&unit->scopes, &unit->count, sizeof(*scope));
    if (!scope)
        return &error_no_memory;
    size_t own = unit->count - 1;
    *scope = (struct scope){type_die_offset(die) + 1, UINT64_MAX, scope_part(die), parent, is_class_tag(tag)};
    *ret_open = own;
    if (is_namespace_tag(tag) && depth < SCOPE_DEPTH_MAX)
        TRY(list_children(unit, die, own, depth + 1));
    return NULL;
}

/* A scope ends where its next sibling begins; the last one, with its parent (close_scopes()). */
static struct error *list_children(struct scope_unit *unit, const struct type_die *die, size_t parent,
                                   unsigned depth) {
    struct type_die child;
    size_t open = SIZE_MAX;
    struct error *err = type_die_child(die, &child);
    while (!err && child.handle) {
        if (open != SIZE_MAX)
            unit->scopes[open].high = type_die_offset(&child);
        open = SIZE_MAX;
        err = list_one(unit, &child, parent, depth, &open);
        if (!err)
            err = type_die_advance(&child);
    }
    type_die_close(&child);
    return err;
}

static void close_scopes(struct scope_unit *unit) {
    for (size_t i = 0; i < unit->count; i++) { /* parents come first */
        const struct scope *scope = &unit->scopes[i];
        if (scope->parent != SIZE_MAX && unit->scopes[scope->parent].high < scope->high)
            unit->scopes[i].high = unit->scopes[scope->parent].high;
    }
}

static struct error *unit_of(struct types *types, uint64_t die, struct scope_unit **ret) {
    if (!types->scopes)
        types->scopes = calloc(1, sizeof(*types->scopes));
    if (!types->scopes)
        return &error_no_memory;
    struct type_scopes *scopes = types->scopes;
    for (size_t i = scopes->count; i-- > 0;) /* the last one is the likely one */
        if (scopes->units[i].die == die) {
            *ret = &scopes->units[i];
            return NULL;
        }
    struct scope_unit unit = {.die = die};
    struct type_die opened;
    TRY(type_die_open(types, die, &opened));
    struct error *err = list_children(&unit, &opened, SIZE_MAX, 0);
    type_die_close(&opened);
    struct scope_unit *place = err ? NULL : type_array_add(&scopes->units, &scopes->count, sizeof(*place));
    if (!place) {
        free(unit.scopes);
        return err ? err : &error_no_memory;
    }
    close_scopes(&unit);
    *place = unit;
    *ret = place;
    return NULL;
}

/* The innermost listed scope around an offset, or SIZE_MAX. */
static size_t innermost(const struct scope_unit *unit, uint64_t offset) {
    size_t low = 0, high = unit->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (unit->scopes[middle].low <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    size_t at = low ? low - 1 : SIZE_MAX;
    while (at != SIZE_MAX && offset >= unit->scopes[at].high)
        at = unit->scopes[at].parent;
    return at;
}

static void put_part(struct buffer *ret, const char *name) {
    if (!name || !*name)
        return;
    buffer_put(ret, name, strlen(name));
    buffer_put(ret, "::", 2);
}

static void put_listed(const struct scope_unit *unit, size_t at, struct buffer *ret) {
    size_t chain[SCOPE_DEPTH_MAX + 2], count = 0;
    for (; at != SIZE_MAX && count < SCOPE_DEPTH_MAX + 2; at = unit->scopes[at].parent)
        chain[count++] = at;
    while (count--)
        put_part(ret, unit->scopes[chain[count]].name);
}

/* Look among the children of a class for the DIE at offset. *ret_inside: the class among them that it is in;
 * 0: it is one of them itself, or in none. */
static struct error *find_child(const struct type_die *class, uint64_t offset, uint64_t *ret_inside) {
    struct type_die child;
    struct error *err = type_die_child(class, &child);
    *ret_inside = 0;
    while (!err && child.handle) {
        uint64_t at = type_die_offset(&child);
        if (at >= offset) {
            *ret_inside = at == offset ? 0 : *ret_inside;
            break;
        }
        *ret_inside = is_class_tag(type_die_tag(&child)) ? at : 0;
        err = type_die_advance(&child);
    }
    type_die_close(&child);
    return err;
}

/* Names of the classes in a class on the way to offset. */
static struct error *put_nested(struct types *types, uint64_t class, uint64_t offset, struct buffer *ret) {
    for (unsigned depth = 0; class && depth < SCOPE_DEPTH_MAX; depth++) {
        struct type_die die;
        TRY(type_die_open(types, class, &die));
        if (depth)
            put_part(ret, type_die_string(&die, DW_AT_name));
        struct error *err = find_child(&die, offset, &class);
        type_die_close(&die);
        TRY(err);
    }
    return NULL;
}

static struct error *put_scope(struct types *types, const struct type_die *die, struct buffer *ret) {
    struct scope_unit *unit;
    uint64_t root = type_die_unit(die), offset = type_die_offset(die);
    if (!root)
        return NULL;
    TRY(unit_of(types, root, &unit));
    size_t at = innermost(unit, offset);
    put_listed(unit, at, ret);
    if (at != SIZE_MAX && unit->scopes[at].is_class)
        return put_nested(types, unit->scopes[at].low - 1, offset, ret);
    return NULL;
}

/* A definition may stand outside, and refer to the declaration inside of its scope (gcc's type units). */
struct error *type_scope_name(struct types *types, const struct type_die *die, struct buffer *ret) {
    uint64_t offset;
    struct type_die declaration;
    if (!die)
        return NULL;
    if (type_die_reference(die, DW_AT_specification, &offset) != REFERENCE_DIE)
        return put_scope(types, die, ret);
    TRY(type_die_open(types, offset, &declaration));
    struct error *err = put_scope(types, &declaration, ret);
    type_die_close(&declaration);
    return err;
}
