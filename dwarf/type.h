/* type: the types of a program, as plain data, from the DIEs of its debug information (DWARF 2 to 5 of gcc,
 * clang, rustc and gfortran, read through libdwarf).
 *
 * A type is loaded by the offset of its DIE and stays loaded, at the same address, until types_destroy().
 * Loading is lazy: a type knows its name, size and target; members, enumerators and parameters are read by
 * type_complete() when somebody asks, so that a pointer to a struct does not pull in all that the struct
 * reaches. Everything that is said here is checked: a cycle, an absurd depth or size, a reference to nowhere
 * is ERROR_BAD_DATA, each time it is asked for. Not for several threads at once (nor is libdwarf).
 *
 * Split DWARF: one struct types per Dwarf_Debug. References into a supplementary file (dwz,
 * DW_FORM_GNU_ref_alt) cannot be followed with libdwarf 20210528; such a type is TYPE_UNSPECIFIED, named "<in
 * another file>", of unknown size. */
#ifndef REEL_DWARF_TYPE_H
#define REEL_DWARF_TYPE_H

#include "base/error.h"

#include <libdwarf/libdwarf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum type_kind {
    TYPE_VOID,
    TYPE_INTEGER,
    TYPE_BOOL,
    TYPE_CHARACTER, /* char, wchar_t, char8_t, char16_t, char32_t, Rust's char; not signed/unsigned char */
    TYPE_FLOAT,
    TYPE_COMPLEX, /* two floats, each half as large */
    TYPE_ENUM,
    TYPE_POINTER,
    TYPE_REFERENCE, /* C++ &, Rust & and Box: shown as what it refers to */
    TYPE_RVALUE_REFERENCE,
    TYPE_MEMBER_POINTER, /* int S::*, void (S::*)() */
    TYPE_STRUCT,
    TYPE_UNION,
    TYPE_CLASS,
    TYPE_ARRAY,  /* vectors, too */
    TYPE_STRING, /* Fortran character(len=n): no NUL at the end */
    TYPE_FUNCTION,
    TYPE_TYPEDEF,
    TYPE_QUALIFIED, /* const, volatile, restrict, _Atomic */
    TYPE_NULLPTR,   /* decltype(nullptr) */
    TYPE_UNSPECIFIED,
};

enum type_language { LANGUAGE_C, LANGUAGE_CXX, LANGUAGE_RUST, LANGUAGE_FORTRAN, LANGUAGE_OTHER };

enum { QUALIFIER_CONST = 1, QUALIFIER_VOLATILE = 2, QUALIFIER_RESTRICT = 4, QUALIFIER_ATOMIC = 8 };

/* No argument of a constant size: sizes of types that are larger are refused. 2^40 bytes. */
#define TYPE_SIZE_MAX (UINT64_C(1) << 40)

/* Most dimensions of an array. Fortran allows 15. */
#define TYPE_DIMENSIONS_MAX 16

struct type;

/* A DWARF expression, in the bytes of the section; not owned. size 0: there is none. */
struct type_expression {
    const uint8_t *bytes;
    size_t size;
};

/* A field, a base class, or an anonymous struct or union inside another. */
struct type_member {
    const char *name; /* NULL: anonymous (its members count as the parent's), or a base class */
    const struct type *type;
    uint64_t offset;     /* bytes from the start of the parent; of the storage unit for bit fields: 0 */
    uint64_t bit_offset; /* bit fields: bits from the start of the parent (little endian); else offset * 8 */
    uint64_t bit_size;   /* bit fields: bits; else 0 */
    bool base;           /* a base class */
    bool artificial;     /* made by the compiler: vptr, discriminant */
    struct type_expression
        location; /* virtual base class: where it is, with the object's address pushed first */
};

/* One form that a variant part can take (Rust enums). */
struct type_variant {
    bool is_default; /* taken when no other one matches */
    struct type_discriminant_range {
        unsigned __int128 low,
            high; /* both included; the lowest bits, as many as the discriminant has, count */
    } * ranges;
    size_t range_count;
    struct type_member *members;
    size_t member_count;
};

struct type_enumerator {
    const char *name;
    int64_t value; /* unsigned enums: the same bits */
};

/* A bound of an array: a constant, or the DIE of a variable, or an expression. */
struct type_bound {
    enum { BOUND_NONE, BOUND_CONSTANT, BOUND_VARIABLE, BOUND_EXPRESSION } kind;
    int64_t value;                     /* BOUND_CONSTANT */
    uint64_t die;                      /* BOUND_VARIABLE: its DIE in the same section, as in type_load() */
    struct type_expression expression; /* BOUND_EXPRESSION */
};

struct type_dimension {
    bool known;          /* count is right */
    uint64_t count;      /* elements; 0 when not known */
    int64_t lower;       /* index of the first; 0 in C */
    uint64_t stride;     /* bytes from one element to the next in this dimension; 0: they are adjacent */
    bool upper_is_count; /* upper holds the number of elements, not the last index */
    struct type_bound lower_bound, upper; /* what the debug information says, for who can evaluate it */
    struct type_expression stride_expression;
};

struct type_parameter {
    const char *name; /* NULL: none given */
    const struct type *type;
    bool artificial;     /* this, hidden lengths */
    bool by_reference;   /* Fortran: what is passed is the address, as the location expression shows */
    bool location_known; /* Fortran: by_reference is right */
};

struct type {
    enum type_kind kind;
    enum type_language language;
    /* As the source writes it: "const char *", "int [3][4]", "void (*)(int)", "shop::Cart",
     * "std::vector<int>": arguments that std:: containers have by default, inline namespaces and Rust's
     * allocator are left out. Anonymous ones are "struct {...}". */
    char *name;
    char *base_name;   /* the name in the DIE alone, without scope; "" when it has none */
    size_t declarator; /* where in name a declarator goes: "int [3]" is "int " "x" "[3]" */
    uint64_t size;     /* bytes; of a Fortran descriptor for arrays that have one */
    bool has_size;     /* false: incomplete, dynamic, or a function */
    bool is_signed;    /* integers, characters, enums */
    bool is_declaration;
    bool is_vector;      /* DW_AT_GNU_vector: passed in SSE registers */
    bool is_enum_class;  /* enumerators are scoped */
    bool column_major;   /* Fortran: the first dimension varies fastest */
    unsigned encoding;   /* DW_ATE_* of base types */
    unsigned qualifiers; /* QUALIFIER_* of TYPE_QUALIFIED */
    unsigned convention; /* DW_AT_calling_convention; 0: not said */
    uint64_t alignment;  /* DW_AT_alignment; 0: not said */
    uint64_t die;        /* as in type_load(); 0 for void */
    /* What pointers, references, typedefs and qualified types are about; the element of arrays (of the
     * innermost dimension); the base of enums (NULL: not said); what functions return (void: TYPE_VOID); the
     * type that a member pointer leads to. Never NULL for those kinds but enums. */
    const struct type *target;
    const struct type *containing; /* TYPE_MEMBER_POINTER: the class */

    /* Arrays; dimensions in the order of the source. */
    struct type_dimension *dimensions;
    size_t dimension_count;
    struct type_expression
        data_location;                /* Fortran: the object is a descriptor, the elements are elsewhere */
    struct type_expression allocated; /* Fortran: yields 0 when there are no elements (or not associated) */
    struct type_bound string_length;  /* TYPE_STRING: where the length stands when size is not known */

    /* From here on after type_complete() only. */
    bool completed;
    struct type_member *members; /* structs, classes, unions: in the order of the source, no static ones */
    size_t member_count;
    struct type_member *discriminant; /* variants: which one it is; NULL when there is a single one */
    struct type_variant *variants;    /* Rust enums */
    size_t variant_count;
    const struct type **template_types; /* template type arguments, in order */
    size_t template_type_count;
    struct type_enumerator *enumerators;
    size_t enumerator_count;
    struct type_parameter *parameters; /* functions */
    size_t parameter_count;
    bool variadic;
    bool prototyped;
    bool has_vptr;   /* classes: a virtual function or a virtual base, here or in a base */
    bool nontrivial; /* classes: a copy or move constructor or a destructor that the user wrote */

    /* Private. */
    struct types *owner;
    const struct type *definition; /* of a declaration, once found */
    bool definition_sought;
};

struct types;

/* dwarf is not owned and must outlive the types. */
struct error *types_create(Dwarf_Debug dwarf, struct types **ret);
void types_destroy(struct types *types);

/* libdwarf trusts what it reads. check is asked before the DIE at this offset is read (as in type_load()),
 * and so can refuse a unit that is damaged. Called often: it should remember. */
void types_set_check(struct types *types, struct error *(*check)(void *context, uint64_t die), void *context);

/* Set in the offset of a DIE that is in .debug_types (DWARF 4's type units) instead of .debug_info. */
#define TYPE_DIE_IN_TYPES (UINT64_C(1) << 63)

/* The type whose DIE is at this offset of .debug_info. A DW_TAG_subprogram gives its function type. The
 * result is owned by types. ERROR_BAD_DATA: there is no sound type. */
struct error *type_load(struct types *types, uint64_t die, const struct type **ret);

/* void: for what has no DW_AT_type. */
const struct type *type_void(struct types *types);

/* Read the members, enumerators, parameters of a type. Cheap when done before. */
struct error *type_complete(const struct type *type);

/* The type behind typedefs and qualifiers; it is not completed, and may be a declaration. Never NULL. */
const struct type *type_strip(const struct type *type);

/* Like type_strip(), but a declaration is replaced by its definition where there is one (by type signature or
 * by name), and the result is completed. */
struct error *type_resolve(const struct type *type, const struct type **ret);

/* An array type with given numbers of elements, for one whose bounds only the running program knows. */
struct type_counted {
    struct type type; /* use this; valid as long as the struct is where it is */
    struct type_dimension dimensions[TYPE_DIMENSIONS_MAX];
};

/* Copy array with these counts in the order of its dimensions; sets size. False when it is no array, when
 * count is not the number of its dimensions, or when it would be larger than TYPE_SIZE_MAX. Nothing needs to
 * be freed. */
bool type_counted_init(struct type_counted *ret, const struct type *array, const uint64_t *counts,
                       size_t count);

/* Bytes that an object of this type is aligned to, as the x86-64 psABI has it: 1 to 64. */
uint64_t type_alignment(const struct type *type);

#endif
