/* line_table: one line number program (DWARF 5 section 6.2; versions 2 to 5). */
#ifndef REEL_DWARF_LINE_TABLE_H
#define REEL_DWARF_LINE_TABLE_H

#include "dwarf/die.h"
#include "dwarf/line.h"

struct line_file {
    const char *path; /* complete where that is known; NULL: not there */
};

struct line_table {
    uint64_t offset;
    struct line_file *files; /* by the index that programs and DW_AT_decl_file use */
    size_t file_count;
    struct bytes program;
    uint16_t version;
    uint8_t offset_size, instruction_size, line_range, opcode_base;
    int8_t line_base;
    bool default_is_stmt;
    const uint8_t *opcode_lengths; /* opcode_base - 1 of them */
    struct line_rows rows;
    bool header_bad, rows_read;
};

/* The table of a unit, its files read; NULL when it has none, or it is damaged (the module knows then). */
struct line_table *unit_line_table(struct dwarf_unit *unit);
/* Run the program, once; false when memory is out. Damage ends the rows early. */
bool line_table_run(struct module *module, struct line_table *table);

#endif
