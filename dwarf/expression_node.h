/* expression_node: the tree that expression_parse.c makes and expression_evaluate.c walks. Private to
 * dwarf/expression*. */
#ifndef REEL_DWARF_EXPRESSION_NODE_H
#define REEL_DWARF_EXPRESSION_NODE_H

#include "dwarf/expression.h"

/* The types that C has without any declaration, in the order of their rank (C11 6.3.1.1) from BASIC_INT on.
 */
enum basic_type {
    BASIC_VOID,
    BASIC_BOOL,
    BASIC_CHAR,
    BASIC_SIGNED_CHAR,
    BASIC_UNSIGNED_CHAR,
    BASIC_SHORT,
    BASIC_UNSIGNED_SHORT,
    BASIC_INT,
    BASIC_UNSIGNED_INT,
    BASIC_LONG,
    BASIC_UNSIGNED_LONG,
    BASIC_LONG_LONG,
    BASIC_UNSIGNED_LONG_LONG,
    BASIC_INT128,
    BASIC_UNSIGNED_INT128,
    BASIC_FLOAT,
    BASIC_DOUBLE,
    BASIC_LONG_DOUBLE,
    BASIC_NULLPTR,
    BASIC_NONE, /* a type with a name */
};

/* The type of a cast or a sizeof: a basic or named one, and so many times a pointer to it. */
struct type_name {
    enum basic_type basic;
    char *name; /* of BASIC_NONE; owned by the node */
    unsigned pointers;
};

enum node_kind {
    NODE_INTEGER,     /* integer and basic: literals, characters, true, false, nullptr */
    NODE_FLOAT,       /* real and basic */
    NODE_STRING,      /* text and text_size */
    NODE_NAME,        /* text: a qualified name */
    NODE_UNARY,       /* operator, left */
    NODE_BINARY,      /* operator, left, right */
    NODE_CONDITIONAL, /* left ? right : third */
    NODE_MEMBER,      /* left, text */
    NODE_ARROW,       /* left, text */
    NODE_INDEX,       /* left[right] */
    NODE_CAST,        /* type, left */
    NODE_SIZEOF,      /* left */
    NODE_SIZEOF_TYPE, /* type */
};

enum node_operator {
    OPERATOR_NONE,
    OPERATOR_MULTIPLY, /* unary: what a pointer points to */
    OPERATOR_DIVIDE,
    OPERATOR_REMAINDER,
    OPERATOR_ADD,      /* unary: plus */
    OPERATOR_SUBTRACT, /* unary: minus */
    OPERATOR_SHIFT_LEFT,
    OPERATOR_SHIFT_RIGHT,
    OPERATOR_LESS,
    OPERATOR_GREATER,
    OPERATOR_LESS_EQUAL,
    OPERATOR_GREATER_EQUAL,
    OPERATOR_EQUAL,
    OPERATOR_NOT_EQUAL,
    OPERATOR_AND, /* unary: address */
    OPERATOR_XOR,
    OPERATOR_OR,
    OPERATOR_LOGICAL_AND,
    OPERATOR_LOGICAL_OR,
    OPERATOR_NOT,        /* unary ! */
    OPERATOR_COMPLEMENT, /* unary ~ */
};

struct node {
    enum node_kind kind;
    enum node_operator operation;
    unsigned column; /* from 1: of the operator, or of what it is about */
    unsigned depth;  /* 1 more than that of its deepest operand */
    struct node *left, *right, *third;
    enum basic_type basic;
    uint64_t integer;
    long double real;
    char *text;
    size_t text_size;
    struct type_name type;
    struct node *next; /* all nodes of an expression, to free them */
};

struct expression {
    char *text;
    struct node *root;
    struct node *nodes;
};

#endif
