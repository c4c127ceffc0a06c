/* type_private: what the files of the type loader (type*.c) share. */
#ifndef REEL_DWARF_TYPE_PRIVATE_H
#define REEL_DWARF_TYPE_PRIVATE_H

#include "base/buffer.h"
#include "dwarf/type.h"
#include "dwarf/type_die.h"

/* Types in types: pointer to array of pointers ... Real programs stay below 20. */
#define TYPE_DEPTH_MAX 64
/* A derived name is not made longer than this: function types in function types could double it at each
 * level. */
#define TYPE_NAME_MAX ((size_t)1 << 14)

struct type_scopes;
struct type_index;

/* An entry of the table of types. It stays when loading failed, without a type. */
struct type_slot {
    uint64_t die;
    struct type *type;
    bool used, loading;
    bool alias; /* type belongs to another entry */
};

struct types {
    Dwarf_Debug dwarf;
    struct error *(*check)(void *context, uint64_t die);
    void *check_context;
    struct type_slot *slots; /* hash table by DIE, open addressing; room is a power of two */
    size_t count, room;
    unsigned depth; /* of type_load() in itself */
    struct type *void_type;
    struct type *elsewhere; /* what is in another file */
    uint64_t language_unit; /* the unit that language is of */
    enum type_language language;
    struct type_scopes *scopes;
    struct type_index *index;
};

/* ---- type_load.c ---- */

/* The type that attribute refers to; void when there is no such attribute. */
struct error *type_of_attribute(struct types *types, const struct type_die *die, unsigned attribute,
                                const struct type **ret);
enum type_language type_language_of(const struct type_die *die, struct types *types);

/* ---- type_array.c ---- */

/* Dimensions and dynamic properties of a DW_TAG_array_type, length of a DW_TAG_string_type. target is set. */
struct error *type_load_array(struct types *types, const struct type_die *die, struct type *type);
struct error *type_load_string(const struct type_die *die, struct type *type);
/* True if a constant or expression was found for a bound. */
bool type_load_bound(const struct type_die *die, unsigned attribute, struct type_bound *ret);

/* ---- type_members.c ---- */

/* Each fills in its part of what is read by type_complete(). */
struct error *type_complete_members(struct type *type, const struct type_die *die);
struct error *type_complete_enumerators(struct type *type, const struct type_die *die);
/* Of DW_TAG_subroutine_type and DW_TAG_subprogram; loaded with the type, since its name needs them. */
struct error *type_load_parameters(struct types *types, const struct type_die *die, struct type *type);
void type_members_free(struct type_member *members);

/* ---- type_name.c ---- */

/* Set type->name of arrays, functions, derived types and type->declarator from the target and the rest;
 * struct names get scope and tag. die is the type's. */
struct error *type_make_name(struct types *types, const struct type_die *die, struct type *type);
/* Leave out default template arguments and inline namespaces; fresh, or NULL without memory. */
char *type_simplify_name(const char *name);

/* ---- type_scope.c ---- */

/* Append "shop::Cart::" for a DIE inside of these. */
struct error *type_scope_name(struct types *types, const struct type_die *die, struct buffer *ret);
void type_scopes_destroy(struct type_scopes *scopes);

/* ---- type_index.c ---- */

/* DIE of the definition of a declared struct, class, union or enum with this qualified name; false: none. The
 * first call reads the names of all units. */
struct error *type_find_definition(struct types *types, const struct type *declaration, bool *ret_found,
                                   uint64_t *ret);
void type_index_destroy(struct type_index *index);

/* ---- helpers ---- */

/* Grow *array (count elements of size bytes each) by one zeroed element and return it; NULL: out of memory.
 */
void *type_array_add(void *array, size_t *count, size_t size);

#endif
