/* expression_operand: the objects that an expression walks through: places in memory or bytes with a type,
 * their members and elements, and the scalars in them. Private to dwarf/expression*.
 *
 * Functions return false when the result is unknown; then evaluation->trouble says why. */
#ifndef REEL_DWARF_EXPRESSION_OPERAND_H
#define REEL_DWARF_EXPRESSION_OPERAND_H

#include "dwarf/expression_scalar.h"

/* One evaluation. What it makes on the way (types of pointers, bytes) lives as long as it does. */
struct evaluation {
    const struct expression_scope *scope;
    struct expression_trouble *trouble;
    struct kept *kept;      /* allocations */
    unsigned not_evaluated; /* > 0: only the type matters (sizeof): nothing is read */
};

enum place { PLACE_SCALAR, PLACE_MEMORY, PLACE_BYTES, PLACE_TEXT };

struct operand {
    enum place place;
    const struct type *type; /* NULL for PLACE_TEXT */
    struct scalar scalar;    /* PLACE_SCALAR */
    uint64_t address;        /* PLACE_MEMORY */
    const uint8_t *bytes;    /* PLACE_BYTES: size of them; lives as long as the evaluation */
    size_t size;
    unsigned bit_offset, bit_size; /* a bit field, when bit_size is not 0: 0 to 7, into the place */
    const struct node *text;       /* PLACE_TEXT: a NODE_STRING */
};

void evaluation_deinit(struct evaluation *evaluation);

/* Zeroed memory that lives as long as the evaluation; NULL: none is left, trouble says so. */
void *evaluation_keep(struct evaluation *evaluation, const struct node *node, size_t size);

/* Always false: note why the result is unknown. */
bool unknown(struct evaluation *evaluation, const struct node *node, enum expression_cause cause,
             const char *format, ...) __attribute__((format(printf, 4, 5)));

struct operand operand_of_scalar(struct scalar scalar);

/* "T *" for a T. NULL: no memory. */
const struct type *pointer_to(struct evaluation *evaluation, const struct node *node,
                              const struct type *target);

/* What a cast or a sizeof names. */
bool named_type(struct evaluation *evaluation, const struct node *node, const struct type_name *name,
                const struct type **ret);

/* Size of an object of this type; unknown for incomplete ones. */
bool size_of_type(struct evaluation *evaluation, const struct node *node, const struct type *type,
                  uint64_t *ret);

/* Copy size bytes of the object from offset on. */
bool operand_read(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                  uint64_t offset, void *ret, size_t size);

/* Replace a C++ or Rust reference by what it refers to. */
bool operand_follow(struct evaluation *evaluation, const struct node *node, struct operand *operand);

/* The number or pointer in the operand; arrays and functions become pointers. */
bool operand_scalar(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                    struct scalar *ret);

/* What a pointer points to. */
bool operand_dereference(struct evaluation *evaluation, const struct node *node,
                         const struct operand *operand, struct operand *ret);

/* A member of a struct, class or union, also an inherited one or one of an anonymous struct; not yet
 * followed. *ret_found is false when there is none of this name (and that is no trouble). */
bool operand_member(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                    const char *name, struct operand *ret, bool *ret_found);

/* Element index of an array or of what a pointer points into. */
bool operand_index(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                   __int128 index, struct operand *ret);

/* Pointer + count elements. */
bool pointer_add(struct evaluation *evaluation, const struct node *node, const struct scalar *pointer,
                 __int128 count, struct scalar *ret);

/* Walk over a node and all beneath it. */
bool evaluate_node(struct evaluation *evaluation, const struct node *node, struct operand *ret);
bool evaluate_truth(struct evaluation *evaluation, const struct node *node, bool *ret);

/* Compare with a string literal by contents; one of the operands is PLACE_TEXT. */
bool compare_texts(struct evaluation *evaluation, const struct node *node, const struct operand *left,
                   const struct operand *right, bool *ret);

#endif
