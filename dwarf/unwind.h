/* unwind: from a frame to its caller, by the call frame information of one module (.eh_frame, .debug_frame).
 *
 * .eh_frame is asked first: it is what the program itself unwinds by. For addresses that it does not cover,
 * .debug_frame of the module or of its debug file is (C code built with -fno-asynchronous-unwind-tables).
 * There is no guessing by rbp here.
 *
 * Addresses are as linked, but for unwind_step(). The sections are untrusted. How they are read: dwarf/cfi.h.
 *
 * A table is read when it is first needed, so a `const` table still changes inside: use one from one thread
 * at a time. */
#ifndef REEL_DWARF_UNWIND_H
#define REEL_DWARF_UNWIND_H

#include "base/error.h"
#include "base/memory.h"
#include "dwarf/elf.h"
#include "dwarf/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unwind_table; /* of one module */
struct cfi_row;      /* dwarf/cfi.h */

/* image is the module; debug is its separate debug file, or NULL. Both must outlive the table. A module
 * without call frame information, or with damaged one, gives an empty table and no error. ERROR_NO_MEMORY
 * only. */
struct error *unwind_table_create(const struct elf_image *image, const struct elf_image *debug,
                                  struct unwind_table **ret);
void unwind_table_destroy(struct unwind_table *table); /* NULL is fine */

/* The canonical frame address of a frame, and the registers of its caller. bias: process address - address as
 * linked.
 *
 * ret_caller: callee-saved registers that the function has not saved keep their values; the others are
 * unknown unless the table says where they are. When the frame is the outermost one, rip (FRAME_RIP) is
 * unknown in it. ret_signal_frame: this frame is the kernel's signal trampoline: its caller is what the
 * signal interrupted, with all registers.
 *
 * ERROR_NOT_FOUND: no call frame information covers the frame's address (see frame_pc()), or that is unknown.
 * ERROR_BAD_DATA: it is damaged, or the stack is: the return address cannot be read. ERROR_UNSUPPORTED: it
 * uses what reel does not know. A register whose saved value cannot be read is just unknown. */
struct error *unwind_step(const struct unwind_table *table, uint64_t bias,
                          const struct frame_registers *frame, const struct memory_reader *memory,
                          uint64_t *ret_cfa, struct frame_registers *ret_caller, bool *ret_signal_frame);

/* How to find CFA and registers at the instruction at vaddr. ERROR_NOT_FOUND, ERROR_BAD_DATA,
 * ERROR_UNSUPPORTED. */
struct error *unwind_row(const struct unwind_table *table, uint64_t vaddr, struct cfi_row *ret);

/* [low, high) of the frame description around vaddr: a function, or a part of one (cold code has its own);
 * false when there is none. */
bool unwind_function_range(const struct unwind_table *table, uint64_t vaddr, uint64_t *ret_low,
                           uint64_t *ret_high);

struct unwind_range {
    uint64_t low, high; /* [low, high) */
};

/* The ranges of all frame descriptions of both sections, sorted, each `low` once: the functions of a module
 * without symbols. Fresh array for the caller to free. Nothing there is count 0 and no error. */
struct error *unwind_ranges(const struct unwind_table *table, struct unwind_range **ret, size_t *ret_count);

#endif
