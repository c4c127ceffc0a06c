/* module_private: what the files that make up modules share. Not for other rooms. */
#ifndef REEL_DWARF_MODULE_PRIVATE_H
#define REEL_DWARF_MODULE_PRIVATE_H

#include "dwarf/arena.h"
#include "dwarf/debug_file.h"
#include "dwarf/module.h"

struct symbol_index;
struct function_index;
struct unit_index;
struct global_index;

struct module {
    char *name, *debug_dir;
    bool debuginfod;
    char *problem;
    struct debug_file *own;   /* the file that was opened */
    struct debug_file *debug; /* the one with the debug information: own, another, or NULL */
    struct debug_file *files; /* all that are open, own included */
    struct debug_file *package;
    bool package_tried; /* .dwp */
    struct bytes build_id;
    struct elf_range *code;
    size_t code_count;
    struct arena arena; /* for what lives as long as the module */
    struct unwind_table *unwind_table;
    struct symbol_index *symbols;     /* (dwarf/symbol.c) */
    struct unit_index *unit_index;    /* (dwarf/unit_index.c) */
    struct function_index *functions; /* (dwarf/function.c) */
};

/* Remember the first problem; takes the error. */
void module_set_problem(struct module *module, struct error *err);
/* Put an opened file into the module, which then owns it. */
void module_add_file(struct module *module, struct debug_file *file);

/* (dwarf/search.c) Find the debug information of module->own; sets module->debug or module->problem. */
void module_find_debug(struct module *module);
/* The file that .gnu_debugaltlink of this one names, or NULL. */
struct debug_file *debug_file_alternate(struct debug_file *file);
/* CRC of .gnu_debuglink (as zlib's). */
uint32_t debug_file_crc(const struct debug_file *file);

/* (dwarf/handle.c) */
void handle_close(struct debug_file *file);

/* (dwarf/symbol.c, dwarf/function.c, dwarf/unit_index.c) */
void symbol_index_destroy(struct symbol_index *index);
void function_index_destroy(struct function_index *index);
void unit_index_destroy(struct unit_index *index);

#endif
