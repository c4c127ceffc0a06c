/* patch_code_state: what patch_code.c (instructions) and patch_data.c (data that leads into code) share. */
#ifndef REEL_TRACER_PATCH_CODE_STATE_H
#define REEL_TRACER_PATCH_CODE_STATE_H

#include "tracer/patch_code.h"

#include <Zydis/Zydis.h>

/* An address that an instruction of a function takes: of a table, as it may be, or of a label of its own. */
struct patch_address {
    uint64_t vaddr;
    uint32_t function; /* index */
    bool is_label;
};

/* One pass over a module. */
struct patch_code_walk {
    struct patch_code *code;
    const struct unwind_table *unwind;
    ZydisDecoder decoder; /* minimal mode */
    struct patch_function *function;
    uint64_t decoded_to;
    bool has_added;     /* the instruction before is an addition to a register: an address is computed */
    uint64_t called;    /* by the instruction before, directly; or 0 */
    uint64_t looked_at; /* words and entries of tables: damaged files may ask for any number */
    struct patch_address *addresses;
    size_t address_count, address_room;
};

/* Mark a target; false when it is not in the code. */
bool patch_code_mark(struct patch_code *code, uint64_t vaddr);
struct patch_function *patch_code_function_of(struct patch_code *code, uint64_t vaddr);

/* patch_data.c */

struct error *patch_code_note_address(struct patch_code_walk *walk, uint64_t vaddr, bool is_label);
/* Could the indirect jump at vaddr leave its function: is the stack as at its entry? */
bool patch_code_is_tail_call(const struct patch_code_walk *walk, uint64_t vaddr);
/* When all instructions are known: jump tables, words that hold addresses, relocations. */
struct error *patch_code_read_data(struct patch_code_walk *walk);

#endif
