/* line: which source line an address belongs to, and where the code of a line is (DWARF 2 to 5, section 6.2).
 */
#ifndef REEL_DWARF_LINE_H
#define REEL_DWARF_LINE_H

#include "dwarf/function.h"

struct line_row {
    uint64_t address; /* as linked */
    const char *file; /* path, complete where the compiler's directory is known; owned by the module */
    uint32_t line;    /* 0: no line (code of the compiler's own) */
    uint32_t column, discriminator;
    bool is_stmt, prologue_end, epilogue_begin, end_sequence;
};

struct line_rows {
    const struct line_row *rows; /* by address; those of one address in the order of the table */
    size_t count;
};

/* All rows of a function's unit; each sequence ends with a row of end_sequence, whose address is the first
 * that it no longer covers. Owned by the module. */
struct error *function_unit_lines(struct module *module, const struct function *function,
                                  struct line_rows *ret);

/* The rows inside of the ranges of a function, without end_sequence rows: fresh array (free ret->rows). Empty
 * without DWARF. The first is_stmt row of a (file, line) different from the one before it begins a statement.
 */
struct error *function_lines(struct module *module, const struct function *function, struct line_rows *ret);

/* The row that covers the address. ERROR_NOT_FOUND. */
struct error *module_line_at(struct module *module, uint64_t vaddr, struct line_row *ret);

/* Where the body of a function begins, behind its prologue: the row marked prologue_end, else the second line
 * row of the function; the entry itself when nothing is known. */
uint64_t function_body(struct module *module, const struct function *function);

/* Where the statements of file:line begin, for a probe there: fresh sorted array of rows' addresses, one for
 * each instance of the code (several when it is inlined or a template). file matches whole components from
 * the right: "shop.c" and "src/shop.c" match "/home/u/src/shop.c". When no code is at exactly this line the
 * next line that has some is taken, and its number is in *ret_line. ERROR_NOT_FOUND. */
struct error *module_line_addresses(struct module *module, const char *file, unsigned line, uint64_t **ret,
                                    size_t *ret_count, unsigned *ret_line);

/* True if path ends with the components of pattern. */
bool line_file_matches(const char *path, const char *pattern);

#endif
