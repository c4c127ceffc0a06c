/* patch_code: where in the code of one module instructions begin, and where control may come from elsewhere.
 *
 * Before code can be overwritten by a jump, it must be known that nothing enters the overwritten bytes in
 * their middle. So a module is decoded whole, once, and everything is collected that control could be
 * transferred to:
 *
 *   direct jumps and calls        of all functions (frame descriptions, symbols); where no function is known,
 * each byte is taken for the start of a jump jump tables                   32-bit offsets in read-only data
 * whose address a function takes, relative to the table or to a label; words that hold the address of code,
 * relocated or not labels, function pointers     whose address an instruction takes functions by symbols and
 * frame descriptions
 *
 * It errs on the side of more. A function with an indirect jump that none of these explains, and that is no
 * tail call, is opaque: each of its instructions may be jumped to. What a call returns to, and landing pads
 * of exceptions, are not in here: no window contains a call that is not its last instruction, or anything but
 * padding behind an instruction that never goes on.
 *
 * Addresses are as linked. This file knows no process. */
#ifndef REEL_TRACER_PATCH_CODE_H
#define REEL_TRACER_PATCH_CODE_H

#include "dwarf/elf.h"
#include "dwarf/unwind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A direct jump, conditional or not (not a call). */
struct patch_branch {
    uint32_t target, source; /* from `low` of the code */
};

struct patch_function {
    uint32_t low, high;   /* from `low` of the code */
    bool has_frame;       /* a frame description covers it */
    bool has_jump;        /* an indirect jump, not through a word of the module's */
    bool has_inner_jump;  /* one where the stack is not as at the entry: it is no tail call */
    bool has_table;       /* a jump table, or a relocated address of one of its labels, leads into it */
    bool has_label;       /* it takes the address of one of its own instructions */
    bool has_label_table; /* a table is relative to that */
    bool is_signal_return;
    bool returns_flags;   /* a caller looks at the flags behind the call (hand-written code does that) */
    const char *obstacle; /* why it cannot be patched: static storage; NULL: it can */
};

struct patch_code {
    const struct elf_image *image; /* not owned */
    uint64_t low, high;            /* all code lies in [low, high) */
    struct elf_range *ranges;      /* of it, in the file */
    size_t range_count;
    /* A bit a byte, from low: an instruction begins there; control may enter there; not by direct jumps
     * alone. */
    uint64_t *starts, *targets, *entered;
    struct patch_branch *branches; /* by target, then source */
    size_t branch_count, branch_room;
    struct patch_function *functions; /* by address, disjoint */
    size_t function_count;
};

/* Both must outlive ret. ERROR_UNSUPPORTED when it has no code, or more than 1 GiB of it. */
struct error *patch_code_create(const struct elf_image *image, const struct unwind_table *unwind,
                                struct patch_code **ret);
void patch_code_destroy(struct patch_code *code); /* NULL is fine */

/* Bytes of the file from vaddr to the end of its range; NULL when there is no code. */
const uint8_t *patch_code_bytes(const struct patch_code *code, uint64_t vaddr, size_t *ret_size);
bool patch_code_is_start(const struct patch_code *code, uint64_t vaddr);
bool patch_code_is_target(const struct patch_code *code, uint64_t vaddr);
/* Is it a target, and of direct jumps alone (`branches` has them all)? */
bool patch_code_is_block(const struct patch_code *code, uint64_t vaddr);
/* Is one of [low, high) a target? */
bool patch_code_has_target(const struct patch_code *code, uint64_t low, uint64_t high);
/* The instruction that ends where the one at vaddr begins, if it is of the same function; 0: none. */
uint64_t patch_code_before(const struct patch_code *code, uint64_t vaddr);
/* The function around vaddr, or NULL. */
const struct patch_function *patch_code_function(const struct patch_code *code, uint64_t vaddr);
/* Where code for a site at vaddr goes: behind an endbr64, which stays where indirect calls lead to. NULL, or
 * why that cannot be done. */
const char *patch_code_where(const struct patch_code *code, uint64_t vaddr, uint64_t *ret);
/* Direct jumps to vaddr: index of the first in `branches`, and how many. */
size_t patch_code_branches_to(const struct patch_code *code, uint64_t vaddr, size_t *ret_first);

#endif
