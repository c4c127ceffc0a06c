/* The definitions of types by name, for types that a unit only declares. Read when first asked for: all
 * units, but of each only what stands in namespaces and classes. */
#include "dwarf/type_private.h"

#include <stdlib.h>
#include <string.h>

#define INDEX_DEPTH_MAX 32

/* The name is kept as a hash: what is found is compared by its real name. */
struct index_entry {
    uint64_t hash;
    uint64_t die;
};

struct type_index {
    struct index_entry *entries; /* by hash */
    size_t count;
};

void type_index_destroy(struct type_index *index) {
    if (!index)
        return;
    free(index->entries);
    free(index);
}

/* FNV-1a, 64 bits. */
#define HASH_START UINT64_C(0xcbf29ce484222325)

static uint64_t hash_text(uint64_t hash, const char *text) {
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return hash;
}

static bool is_class_tag(unsigned tag) {
    return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type ||
           tag == DW_TAG_interface_type;
}

static bool is_inline(const struct type_die *die, const char *name) {
    return type_die_flag(die, DW_AT_export_symbols) || !strcmp(name, "__cxx11") || !strcmp(name, "__1");
}

static struct error *index_children(struct type_index *index, const struct type_die *die, uint64_t prefix,
                                    unsigned depth);

static struct error *index_namespace(struct type_index *index, const struct type_die *die, uint64_t prefix,
                                     unsigned depth) {
    const char *name = type_die_string(die, DW_AT_name);
    if (!name) /* its types are nobody else's, but lookups are by the same words */
        name = "(anonymous namespace)";
    if (!is_inline(die, name))
        prefix = hash_text(hash_text(prefix, name), "::");
    return index_children(index, die, prefix, depth + 1);
}

static struct error *index_class(struct type_index *index, const struct type_die *die, uint64_t prefix,
                                 unsigned depth, bool has_inside) {
    const char *name = type_die_string(die, DW_AT_name);
    if (!name)
        return NULL;
    uint64_t hash = hash_text(prefix, name);
    if (!type_die_flag(die, DW_AT_declaration)) {
        struct index_entry *entry = type_array_add(&index->entries, &index->count, sizeof(*entry));
        if (!entry)
            return &error_no_memory;
        *entry = (struct index_entry){hash, type_die_offset(die)};
    }
    return has_inside ? index_children(index, die, hash_text(hash, "::"), depth + 1) : NULL;
}

static struct error *index_one(struct type_index *index, const struct type_die *die, uint64_t prefix,
                               unsigned depth) {
    unsigned tag = type_die_tag(die);
    if (depth >= INDEX_DEPTH_MAX)
        return NULL;
    if (tag == DW_TAG_namespace || tag == DW_TAG_module)
        return index_namespace(index, die, prefix, depth);
    if (is_class_tag(tag) || tag == DW_TAG_enumeration_type)
        return index_class(index, die, prefix, depth, is_class_tag(tag));
    return NULL;
}

static struct error *index_children(struct type_index *index, const struct type_die *die, uint64_t prefix,
                                    unsigned depth) {
    struct type_die child;
    struct error *err = type_die_child(die, &child);
    while (!err && child.handle) {
        err = index_one(index, &child, prefix, depth);
        if (!err)
            err = type_die_advance(&child);
    }
    type_die_close(&child);
    return err;
}

/* A unit that is damaged adds nothing. */
static struct error *index_unit(struct types *types, struct type_index *index, Dwarf_Off header) {
    Dwarf_Off offset = 0;
    Dwarf_Error failure = NULL;
    struct type_die die;
    if (dwarf_get_cu_die_offset_given_cu_header_offset_b(types->dwarf, header, true, &offset, &failure) !=
        DW_DLV_OK) {
        if (failure)
            dwarf_dealloc_error(types->dwarf, failure);
        return NULL;
    }
    struct error *err = type_die_open(types, offset, &die);
    if (!err) {
        err = index_children(index, &die, HASH_START, 0);
        type_die_close(&die);
    }
    if (error_is(err, ERROR_BAD_DATA)) {
        error_free(err);
        err = NULL;
    }
    return err;
}

static int by_hash(const void *a, const void *b) {
    const struct index_entry *left = a, *right = b;
    return left->hash < right->hash ? -1 : left->hash > right->hash;
}

/* libdwarf walks the unit headers with a state of its own: it must be walked to the end. */
static struct error *read_index(struct types *types, struct type_index *index) {
    struct error *err = NULL;
    Dwarf_Off header = 0;
    for (;;) {
        Dwarf_Unsigned next = 0;
        Dwarf_Error failure = NULL;
        int result = dwarf_next_cu_header_d(types->dwarf, true, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                            NULL, &next, NULL, &failure);
        if (failure)
            dwarf_dealloc_error(types->dwarf, failure);
        if (result != DW_DLV_OK)
            break;
        if (!err)
            err = index_unit(types, index, header);
        if (next <= header)
            break;
        header = next;
    }
    if (index->count)
        qsort(index->entries, index->count, sizeof(*index->entries), by_hash);
    return err;
}

static struct error *get_index(struct types *types, struct type_index **ret) {
    if (!types->index) {
        struct type_index *index = calloc(1, sizeof(*index));
        if (!index)
            return &error_no_memory;
        struct error *err = read_index(types, index);
        if (err) {
            type_index_destroy(index);
            return err;
        }
        types->index = index;
    }
    *ret = types->index;
    return NULL;
}

static struct error *name_of(struct types *types, const struct type *type, struct buffer *ret) {
    struct type_die die;
    TRY(type_die_open(types, type->die, &die));
    struct error *err = NULL;
    if (type->language != LANGUAGE_C)
        err = type_scope_name(types, &die, ret);
    buffer_put(ret, type->base_name, strlen(type->base_name) + 1);
    type_die_close(&die);
    return err ? err : buffer_check(ret);
}

static size_t first_of(const struct type_index *index, uint64_t hash) {
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->entries[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct error *type_find_definition(struct types *types, const struct type *declaration, bool *ret_found,
                                   uint64_t *ret) {
    struct type_index *index;
    struct buffer name = {0};
    *ret_found = false;
    if (!*declaration->base_name)
        return NULL;
    TRY(get_index(types, &index));
    struct error *err = name_of(types, declaration, &name);
    uint64_t hash = err ? 0 : hash_text(HASH_START, (const char *)name.data);
    buffer_deinit(&name);
    for (size_t i = err ? index->count : first_of(index, hash);
         i < index->count && index->entries[i].hash == hash && !*ret_found; i++) {
        const struct type *type;
        struct error *bad = type_load(types, index->entries[i].die, &type);
        if (!bad && !type->is_declaration && !strcmp(type->name, declaration->name) &&
            type->language == declaration->language) {
            *ret_found = true;
            *ret = index->entries[i].die;
        }
        error_free(bad);
    }
    return err;
}
