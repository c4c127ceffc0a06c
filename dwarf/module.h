/* module: one ELF file together with its debug information. Knows no process: all addresses are as linked.
 *
 * Debug information is looked for, in this order: in the file itself; by build-id (DEBUG_DIR and
 * /usr/lib/debug, .build-id/xx/yyyy.debug); by .gnu_debuglink, whose CRC must match (beside the file, .debug/
 * beside it, and its directory below /usr/lib/debug and DEBUG_DIR); from debuginfod. What dwz has moved out
 * is found by .gnu_debugaltlink, split DWARF as .dwo or .dwp files.
 *
 * A debug file is as untrusted as any other. One that is damaged is left out, and module_problem() says why;
 * damage that shows only later is ERROR_BAD_DATA from whatever is read then.
 *
 * Files are mapped. A file that is cut short while it is mapped raises SIGBUS, as for any debugger.
 *
 * A module is not to be used by two threads at once. */
#ifndef REEL_DWARF_MODULE_H
#define REEL_DWARF_MODULE_H

#include "base/error.h"
#include "dwarf/elf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* libdwarf's handle (libdwarf.h: Dwarf_Debug), declared here so that most need not include libdwarf.h. */
struct Dwarf_Debug_s;
struct debug_file;
struct unwind_table;

struct module_search {
    const char *debug_dir; /* looked into before /usr/lib/debug; NULL: none */
    bool debuginfod;       /* ask the servers in $DEBUGINFOD_URLS, when it is set */
};

struct module;

/* Addresses [low, high) as linked. */
struct address_range {
    uint64_t low, high;
};

/* Open the ELF file behind fd (mapped: the caller may close fd at once). name is how the user knows it, and
 * the path that debug links are relative to. That there is no debug information is no error. ERROR_BAD_DATA
 * when the file itself is no sound ELF file, ERROR_UNSUPPORTED when it is for another machine. search may be
 * NULL. */
struct error *module_open(int fd, const char *name, const struct module_search *search, struct module **ret);
void module_close(struct module *module);

const char *module_name(const struct module *module);
const struct elf_image *module_image(const struct module *module);
/* The file with the debug information when it is another one, else NULL. */
const struct elf_image *module_debug_image(const struct module *module);
/* Path of the file with the debug information (the module's own name when it is in itself); NULL: there is
 * none.
 */
const char *module_debug_path(const struct module *module);
/* Why there is no debug information, or what of it could not be used: "WHAT: WHY"; NULL when all is well. */
const char *module_problem(const struct module *module);
/* The build-id, or NULL and 0. */
const uint8_t *module_build_id(const struct module *module, size_t *ret_size);

/* True if the address is in the code of the module. */
bool module_is_code(const struct module *module, uint64_t vaddr);

/* The call frame information of the module and its debug file (dwarf/unwind.h); owned by the module. */
struct error *module_unwind_table(struct module *module, const struct unwind_table **ret);

/* A DIE that code outside of this folder's reader may want to look at: its file and offset. Split DWARF, dwz
 * and type units spread the DIEs of a module over several files and sections. offset is from the start of
 * .debug_info (of .debug_types: in_types) in this file; file is NULL: no DIE. */
struct die_place {
    const struct debug_file *file;
    uint64_t offset;
    bool in_types;
};

/* libdwarf's handle for the module's main debug information; NULL when there is none, or when libdwarf
 * refuses it. Owned by the module. It is given the sections that types need, as checked bytes: it never
 * parses the ELF file, and has no lines, ranges and location lists. */
struct Dwarf_Debug_s *module_dwarf(struct module *module);
/* The same for another file of the module, such as a .dwo or what dwz moved out. */
struct Dwarf_Debug_s *module_file_dwarf(struct module *module, const struct debug_file *file);
/* libdwarf 20210528 trusts what it reads. This walks the unit around a DIE with reel's own reader, which does
 * not: abbreviations, forms, strings, references. ERROR_BAD_DATA when it is not sound: do not show it to
 * libdwarf. Remembered, so that it costs once a unit. */
struct error *module_check_die(struct module *module, const struct die_place *place);

#endif
