/* code: a function's instructions, as far as tracing is concerned: where it ends and where it branches.
 *
 * Decoded with Zydis from the ELF file, range by range, from the first instruction on: compilers put nothing
 * but instructions and padding there. Addresses are as linked. */
#ifndef REEL_TRACER_CODE_H
#define REEL_TRACER_CODE_H

#include "base/error.h"
#include "dwarf/elf.h"
#include "dwarf/module.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum code_kind {
    CODE_RETURN,        /* ret */
    CODE_JUMP,          /* jmp to a known address */
    CODE_JUMP_INDIRECT, /* jmp through a register or memory: a switch, or a tail call */
    CODE_BRANCH,        /* conditional jump */
};

struct code_transfer {
    uint64_t vaddr, next; /* the instruction, and the one behind it */
    enum code_kind kind;
    uint64_t target; /* CODE_JUMP, CODE_BRANCH */
    uint64_t table;  /* CODE_JUMP_INDIRECT: the address is read there, at an index of 8 bytes each; or 0 */
    bool after_pop;  /* the instruction before it takes something from the stack (pop, leave, add to rsp) */
};

/* An instruction that writes to memory at a register + offset. */
struct code_store {
    uint64_t vaddr;
    unsigned reg; /* DWARF number */
    int64_t offset;
    uint32_t size; /* bytes */
};

struct function_code {
    struct code_transfer *transfers; /* by address */
    size_t count;
    uint64_t *starts; /* of all instructions, sorted */
    size_t start_count;
    struct code_store *stores; /* by address */
    size_t store_count;
};

/* Decode the code in the ranges. ERROR_BAD_DATA names the address where it cannot be decoded, or that is not
 * in the file. */
struct error *function_code_read(const struct elf_image *image, const struct address_range *ranges,
                                 size_t count, struct function_code *ret);
void function_code_deinit(struct function_code *code);

/* Does an instruction begin there? */
bool function_code_is_start(const struct function_code *code, uint64_t vaddr);
/* The index of the first transfer, and of the first store, at or behind the address; their count if there is
 * none. */
size_t function_code_transfer_from(const struct function_code *code, uint64_t vaddr);
size_t function_code_store_from(const struct function_code *code, uint64_t vaddr);
/* The last transfer before the address, or NULL. */
const struct code_transfer *function_code_before(const struct function_code *code, uint64_t vaddr);

bool ranges_contain(const struct address_range *ranges, size_t count, uint64_t vaddr);

#endif
