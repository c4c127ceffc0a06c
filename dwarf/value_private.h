/* value_private: what the files of the renderer (value*.c) share.
 *
 * A printer writes one JSON value for a type that it knows, or writes nothing and returns false; then the
 * value is shown plainly. Printers find members by name, so that they hold for more than one version of a
 * library. */
#ifndef REEL_DWARF_VALUE_PRIVATE_H
#define REEL_DWARF_VALUE_PRIVATE_H

#include "dwarf/value.h"

/* At most so much of one object is read. */
#define VALUE_READ_MAX ((size_t)1 << 16)
/* And so much for one value in all. */
#define VALUE_READ_ALL ((size_t)1 << 24)
/* Options are cut to these. */
#define VALUE_DEPTH_MAX  64
#define VALUE_STRING_MAX ((size_t)1 << 24)
/* Keys and names come from the debug information, and can be of any length. */
#define VALUE_NAME_MAX 512

struct value_context {
    const struct memory_reader *memory;
    struct value_options options;
    struct buffer *ret;
    size_t limit;     /* ret->size beyond which nothing more is begun */
    size_t read_left; /* of VALUE_READ_ALL */
    struct value_window {
        const uint8_t *bytes;
        size_t size;
    } window; /* the whole object that is being shown: a base class may have its virtual base further on in it
               */
    unsigned depth;
};

/* A value and the bytes of it that are there: fewer than its type's size when it was cut. */
struct value_object {
    const struct type *type;
    const uint8_t *bytes;
    size_t size;
};

/* ---- value.c ---- */

void value_write(struct value_context *context, const struct value_object *object);
/* True if no more should be written but the end. */
bool value_is_full(const struct value_context *context);

/* Read an object of the process; value_release() it. False: not even one byte could be read (of an empty
 * type: none needs to). */
bool value_fetch(struct value_context *context, uint64_t address, const struct type *type,
                 struct value_object *ret);
void value_release(struct value_object *object);
/* All or nothing, for small things. */
bool value_read(struct value_context *context, uint64_t address, void *ret, size_t size);
/* Fetch and write, or "<unreadable>". */
void value_write_at(struct value_context *context, uint64_t address, const struct type *type);

/* ---- value_text.c ---- */

void value_put(struct value_context *context, const char *text);        /* as it is */
void value_put_quoted(struct value_context *context, const char *text); /* a name, as a JSON string */
void value_put_hex(struct value_context *context, const uint8_t *bytes,
                   size_t size); /* "0x..", little endian */
void value_put_address(struct value_context *context, uint64_t address);
void value_put_integer(struct value_context *context, unsigned __int128 value, bool is_signed);
void value_put_float(struct value_context *context, const struct type *type, const uint8_t *bytes,
                     size_t size);
/* Characters of 1, 2 or 4 bytes as a JSON string; cut: there are more than these. */
void value_put_characters(struct value_context *context, const uint8_t *bytes, size_t count, size_t width,
                          bool cut);

/* Elements of a JSON array or object. begin writes the opening bracket; next writes the comma and returns
 * false when no more elements are to come, having written the "..." that says so. */
struct value_list {
    struct value_context *context;
    bool object;    /* {} */
    bool unlimited; /* members of structs: as many as there are */
    unsigned count;
    bool cut;
};
/* False: too deep; the value has been written as "...". */
bool value_list_begin(struct value_list *list, struct value_context *context, bool object);
bool value_list_next(struct value_list *list);
void value_list_key(struct value_list *list, const char *name); /* behind next */
void value_list_end(struct value_list *list);

/* ---- value_scalar.c ---- */

/* 1, 2 or 4 when values of this type are shown as characters (typedefs such as wchar_t count), else 0. */
size_t value_character_width(const struct type *type);
void value_write_scalar(struct value_context *context, const struct value_object *object);
/* The string at an address, up to its NUL. */
void value_write_string_at(struct value_context *context, uint64_t address, size_t width);
/* A string of known length. length is in characters, and may be anything. */
void value_write_counted_string(struct value_context *context, uint64_t address, uint64_t length,
                                size_t width);

/* ---- value_aggregate.c ---- */

void value_write_struct(struct value_context *context, const struct value_object *object);
void value_write_array(struct value_context *context, const struct value_object *object);
/* Elements that lie side by side in memory. */
void value_write_elements(struct value_context *context, const struct type *element, uint64_t address,
                          uint64_t count);
/* The members of a struct into a list that is open. */
void value_write_members(struct value_list *list, const struct value_object *object);

/* ---- value_member.c ---- */

/* The member at "a.b.c": each name is looked for among the members, then in bases and anonymous members. */
bool value_path(const struct value_object *object, const char *path, struct value_object *ret);
/* The first member of this name anywhere inside, however deep. */
bool value_find(const struct value_object *object, const char *name, struct value_object *ret);
/* The first pointer anywhere inside. */
bool value_find_pointer(const struct value_object *object, struct value_object *ret);
/* The object of one member. */
bool value_member(const struct value_object *object, const struct type_member *member,
                  struct value_object *ret);
/* An integer, bool or pointer of at most 8 bytes. */
bool value_number(const struct value_object *object, uint64_t *ret);
bool value_path_number(const struct value_object *object, const char *path, uint64_t *ret);
/* The number at a path to a pointer, and what it points to. */
bool value_path_pointer(const struct value_object *object, const char *path, uint64_t *ret_address,
                        const struct type **ret_target);
/* Template type argument of a class; NULL: it has no such one. */
const struct type *value_template_type(const struct value_object *object, size_t index);

/* ---- value_expression.c ---- */

/* Evaluate an expression about an object whose address is not known: DWARF's address of the object is an
 * invented one, and what is fetched from there comes from the object's bytes. push: it is on the stack at the
 * start. The result: *ret_inside: it is an offset in the object, else an address or number. False: an
 * operator that has no business here, or memory that cannot be read. */
bool value_evaluate(struct value_context *context, struct type_expression expression,
                    const struct value_object *object, bool push, uint64_t *ret, bool *ret_inside);

/* ---- the printers ---- */

struct value_printer {
    const char *pattern; /* how the type's name begins; with '$' at its end: the whole name */
    bool (*print)(struct value_context *context, const struct value_object *object);
};
/* Tables end with a NULL pattern. */
extern const struct value_printer value_cxx_printers[];      /* value_cxx.c */
extern const struct value_printer value_cxx_node_printers[]; /* value_cxx_node.c: lists, maps, sets */
extern const struct value_printer value_rust_printers[];     /* value_rust.c */

/* A pair of a map into a list that is open as an object: key and value as they are. */
void value_write_pair(struct value_list *list, const struct value_object *key,
                      const struct value_object *value);

/* Rust's tuples and enums. */
bool value_write_rust_struct(struct value_context *context, const struct value_object *object);

/* Fortran arrays with a descriptor (value_fortran.c). */
void value_write_descriptor(struct value_context *context, const struct value_object *object);
/* An array of which the bytes, the counts and the strides are known. strides in bytes, in order of the
 * dimensions; memory: elements are fetched from address instead of from bytes. */
struct value_grid {
    const struct type *element;
    size_t dimensions;
    uint64_t counts[TYPE_DIMENSIONS_MAX];
    int64_t strides[TYPE_DIMENSIONS_MAX];
    const struct value_object *object; /* NULL: in memory at address */
    uint64_t address;
};
void value_write_grid(struct value_context *context, const struct value_grid *grid);

#endif
