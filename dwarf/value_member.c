/* Finding members by name, for the printers. */
#include "dwarf/value_private.h"

#include <string.h>

/* Bases and anonymous members in each other. */
#define NESTING_MAX 24
/* Members looked at in one search. */
#define VISITS_MAX 4096

bool value_member(const struct value_object *object, const struct type_member *member,
                  struct value_object *ret) {
    uint64_t size = type_strip(member->type)->size;
    const struct type *whole;
    if (member->bit_size || member->location.size || member->offset > object->size)
        return false;
    if (!type_strip(member->type)->has_size) {
        struct error *err = type_resolve(member->type, &whole);
        size = err ? 0 : whole->size;
        error_free(err);
    }
    uint64_t left = object->size - member->offset;
    *ret = (struct value_object){member->type, object->bytes + member->offset,
                                 (size_t)(left < size ? left : size)};
    return left > 0 || !size;
}

static bool resolve(const struct value_object *object, struct value_object *ret) {
    *ret = *object;
    struct error *err = type_resolve(object->type, &ret->type);
    bool ok = !err;
    error_free(err);
    return ok;
}

struct search {
    const char *name; /* NULL: any pointer */
    size_t length;
    bool deep; /* into named members, too */
    unsigned visits;
};

static bool is_wanted(const struct search *search, const struct type_member *member) {
    if (!search->name)
        return type_strip(member->type)->kind == TYPE_POINTER && !member->artificial;
    return member->name && strlen(member->name) == search->length &&
           !memcmp(member->name, search->name, search->length);
}

static bool is_record(const struct type *type) {
    return type->kind == TYPE_STRUCT || type->kind == TYPE_CLASS || type->kind == TYPE_UNION;
}

/* First all members of an object, then what is inside of them. */
static bool search_in(struct search *search, const struct value_object *object, unsigned depth,
                      struct value_object *ret) {
    struct value_object whole, inner;
    if (depth > NESTING_MAX || !resolve(object, &whole) || !is_record(whole.type))
        return false;
    for (size_t i = 0; i < whole.type->member_count; i++) {
        if (search->visits++ > VISITS_MAX)
            return false;
        if (is_wanted(search, &whole.type->members[i]) && value_member(&whole, &whole.type->members[i], ret))
            return true;
    }
    for (size_t i = 0; i < whole.type->member_count; i++) {
        const struct type_member *member = &whole.type->members[i];
        if ((search->deep || member->base || !member->name) && value_member(&whole, member, &inner) &&
            search_in(search, &inner, depth + 1, ret))
            return true;
    }
    return false;
}

bool value_path(const struct value_object *object, const char *path, struct value_object *ret) {
    struct value_object at = *object;
    while (*path) {
        size_t length = strcspn(path, ".");
        struct search search = {.name = path, .length = length};
        struct value_object next;
        if (!search_in(&search, &at, 0, &next))
            return false;
        at = next;
        path += length + (path[length] == '.');
    }
    *ret = at;
    return true;
}

bool value_find(const struct value_object *object, const char *name, struct value_object *ret) {
    struct search search = {.name = name, .length = strlen(name), .deep = true};
    return search_in(&search, object, 0, ret);
}

bool value_find_pointer(const struct value_object *object, struct value_object *ret) {
    struct search search = {.deep = true};
    return search_in(&search, object, 0, ret);
}

static bool is_number(const struct type *type) {
    return type->kind == TYPE_INTEGER || type->kind == TYPE_BOOL || type->kind == TYPE_ENUM ||
           type->kind == TYPE_POINTER || type->kind == TYPE_REFERENCE || type->kind == TYPE_CHARACTER;
}

bool value_number(const struct value_object *object, uint64_t *ret) {
    const struct type *type = type_strip(object->type);
    uint64_t value = 0;
    if (!is_number(type) || !type->size || type->size > 8 || object->size < type->size)
        return false;
    memcpy(&value, object->bytes, (size_t)type->size);
    *ret = value;
    return true;
}

bool value_path_number(const struct value_object *object, const char *path, uint64_t *ret) {
    struct value_object member;
    return value_path(object, path, &member) && value_number(&member, ret);
}

bool value_path_pointer(const struct value_object *object, const char *path, uint64_t *ret_address,
                        const struct type **ret_target) {
    struct value_object member;
    if (!value_path(object, path, &member) || !value_number(&member, ret_address))
        return false;
    const struct type *type = type_strip(member.type);
    if (type->kind != TYPE_POINTER && type->kind != TYPE_REFERENCE)
        return false;
    *ret_target = type->target;
    return true;
}

const struct type *value_template_type(const struct value_object *object, size_t index) {
    struct value_object whole;
    if (!resolve(object, &whole) || index >= whole.type->template_type_count)
        return NULL;
    return whole.type->template_types[index];
}
