/* expression: C expressions over what a stopped program knows: conditions (`--when`) and probes (`--at`).
 *
 * The grammar is that of C11 section 6.5, less what changes anything: literals, names (also C++ ones: a::b,
 * ::g, this), . -> [] unary * & + - ! ~, sizeof, casts to basic types, pointers and named types, * / % + - <<
 * >> < > <= >= == != & ^ | && ||
 * ?:. Arithmetic, promotions and result types are those of C on x86-64 Linux (C11 6.3.1). Assignment, ++, --,
 * calls and the comma operator are refused when the text is parsed.
 *
 * Beyond C: true, false, nullptr, NULL; binary literals; references are what they refer to; `.` works through
 * a pointer; a name that is no variable is looked for as a member of *this; `==`, `!=`, `<`... between a
 * string literal and a char pointer, a char array or a std::string compare the contents.
 *
 * `(NAME)x` is a cast when NAME is a basic type (or one of stdint.h and stddef.h), is preceded by struct,
 * union, enum, class or const, ends in `*`, or is followed by something that no operator could follow.
 * `(f)(x)` is a call, and refused.
 *
 * A text that does not parse is ERROR_USAGE with the column, from 1, in bytes. What goes wrong later (no such
 * variable at this place, memory that cannot be read, a value that was optimized out, a division by zero) is
 * no error: the result is "unknown", with the reason. */
#ifndef REEL_DWARF_EXPRESSION_H
#define REEL_DWARF_EXPRESSION_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct type;
struct value_options;

/* Limits of what is parsed: a text is a line somebody wrote, not a program. */
enum { EXPRESSION_TEXT_MOST = 4096, EXPRESSION_DEPTH_MOST = 128 };

struct expression; /* parsed; knows no process and no types, may be evaluated any number of times */

struct error *expression_parse(const char *text, struct expression **ret);
void expression_destroy(struct expression *expression); /* NULL is fine */

/* Several, separated by commas; at least one. *ret is a fresh array, to be freed with
 * expression_list_destroy(). */
struct error *expression_parse_list(const char *text, struct expression ***ret, size_t *ret_count);
void expression_list_destroy(struct expression **expressions, size_t count);

/* The expression as it was written, without blanks around it. */
const char *expression_text(const struct expression *expression);

/* Does its value depend on nothing but the values of variables that is_value() knows: no memory, no other
 * names? */
bool expression_is_of_values(const struct expression *expression,
                             bool (*is_value)(void *context, const char *name), void *context);

/* One of those that must all hold for an expression to be true: a variable against a constant. */
struct expression_comparison {
    const char *name;          /* the expression's own */
    bool less, equal, greater; /* any of these will do */
    bool is_negative;          /* the constant */
    int64_t constant;
};

/* Is the expression nothing but such comparisons, joined by && (also `n`, `!n`)? Fills ret[0..most). C would
 * convert a negative constant to the type of an unsigned variable: that is the caller's to look at. */
bool expression_comparisons(const struct expression *expression, struct expression_comparison *ret,
                            size_t most, size_t *ret_count);

/* ---- evaluation ---- */

enum operand_state {
    OPERAND_OK,
    OPERAND_NOT_FOUND,
    OPERAND_OPTIMIZED_OUT,
    OPERAND_UNREADABLE,
    OPERAND_NOT_ALLOCATED, /* thread-local, and the thread has not used it yet */
};

/* A variable, as the scope resolves it. */
struct expression_operand {
    const struct type *type; /* not owned; lives as long as the evaluation */
    bool in_memory;
    uint64_t address;     /* in_memory: a process address, nothing needs to have been read */
    struct buffer *bytes; /* else the scope appends the value's type->size bytes here; set by the evaluator */
};

/* Where names come from. */
struct expression_scope {
    /* Find variable name ("x", "a::b", "this"; a leading "::" means a global). OPERAND_OK fills *ret. */
    enum operand_state (*resolve)(void *context, const char *name, struct expression_operand *ret);
    /* Find the type called name ("struct point" without the struct: "point"; "shop::Cart"), or NULL. May
     * itself be NULL: no casts to named types then. */
    const struct type *(*find_type)(void *context, const char *name);
    void *context;
    const struct memory_reader *memory;
};

enum expression_cause {
    CAUSE_NOT_FOUND,     /* no such variable, member or type at this place, or not yet */
    CAUSE_OPTIMIZED_OUT, /* a variable that has no value here */
    CAUSE_UNREADABLE,    /* memory that is not there */
    CAUSE_IMPOSSIBLE,    /* the types do not allow it, a division by zero, ... */
};

/* Why a result is unknown. */
struct expression_trouble {
    enum expression_cause cause;
    unsigned column; /* in the text of expression_text(), from 1 */
    char why[160];   /* "no variable 'n' here" */
};

enum expression_truth { EXPRESSION_FALSE, EXPRESSION_TRUE, EXPRESSION_UNKNOWN };

/* Is it true, as in an `if`? ret_trouble (may be NULL) is filled for EXPRESSION_UNKNOWN. */
enum expression_truth expression_test(const struct expression *expression,
                                      const struct expression_scope *scope,
                                      struct expression_trouble *ret_trouble);

/* Append the value as one JSON value (dwarf/value.h), and the name of its type, NUL-terminated, to ret_type
 * (may be NULL). False when it is unknown: then a JSON string has been appended, "<optimized out>",
 * "<unreadable>" or "<WHY>". */
bool expression_render(const struct expression *expression, const struct expression_scope *scope,
                       const struct value_options *options, struct buffer *ret, struct buffer *ret_type,
                       struct expression_trouble *ret_trouble);

#endif
