/* abi: where arguments and return values are at a call, by the System V x86-64 psABI (version 1.0,
 * section 3.2.3) and, for C++ classes, the Itanium C++ ABI (section 3.1).
 *
 * This is for the two moments at which debug information says nothing reliable: the first instruction of a
 * function, where -O0 location expressions are not valid yet, and its `ret`, for which there is no expression
 * at all.
 *
 * What is unknown is said, never guessed: aggregates of Rust functions (Rust's own ABI is not specified;
 * integers, pointers, floats and fat pointers are passed as C does), Fortran arguments whose debug
 * information does not show whether they are passed by reference, types that are incomplete. A function that
 * the compiler cloned and changed (its symbol ends in .isra.N, .constprop.N, .part.N) does not follow the
 * ABI: ask the caller of this, who has the symbol. */
#ifndef REEL_DWARF_ABI_H
#define REEL_DWARF_ABI_H

#include "base/memory.h"
#include "dwarf/frame.h"
#include "dwarf/type.h"

/* Registers by DWARF number (psABI figure 3.36): 0 rax, 1 rdx, 2 rcx, 3 rbx, 4 rsi, 5 rdi, 8 r8, 9 r9, 7 rsp,
 * 17 xmm0, 33 st0. */
enum abi_piece_kind {
    ABI_REGISTER, /* bytes of a register from its lowest on */
    ABI_STACK, /* in memory at rsp + offset, rsp as at the function's first instruction: offset 8 is the first
                */
    ABI_MEMORY,   /* in memory at the address that a register holds (at the ret: always rax) */
    ABI_INDIRECT, /* in memory at the address that stands at rsp + offset */
};

struct abi_piece {
    enum abi_piece_kind kind;
    unsigned reg;          /* ABI_REGISTER, ABI_MEMORY */
    uint64_t offset;       /* ABI_STACK, ABI_INDIRECT: from rsp, bytes */
    uint64_t value_offset; /* where in the value these bytes belong */
    uint64_t size;         /* bytes */
};

#define ABI_PIECES_MAX 4

/* Where one value is: the pieces cover it from front to back but for padding. No pieces and known: the value
 * has no bytes (an empty class, void). */
struct abi_place {
    bool known;
    const char *why; /* not known: the reason, a static text. A piece of size 0: it begins there */
    struct abi_piece pieces[ABI_PIECES_MAX];
    size_t piece_count;
    uint64_t size; /* of the value, bytes */
};

struct abi_call {
    struct abi_place *arguments; /* one for each parameter of the function type, in order */
    size_t argument_count;
    struct abi_place result; /* at the ret */
    bool hidden_result;      /* the caller passes in rdi where the result shall go */
};

/* Classify a function type (TYPE_FUNCTION; type_load() of a DW_TAG_subprogram gives one). ERROR_BAD_DATA when
 * its debug information is damaged, ERROR_USAGE when it is no function. The caller frees it with
 * abi_call_deinit(). */
struct error *abi_call_init(struct abi_call *call, const struct type *function);
void abi_call_deinit(struct abi_call *call);

/* Fetch the bytes of a value: place->size of them. registers: as at the first instruction (arguments), or as
 * at the `ret` (result). False when the place is not known, or a register or memory cannot be read. size is
 * that of the buffer. */
bool abi_fetch(const struct abi_place *place, const struct frame_registers *registers,
               const struct memory_reader *memory, void *ret, size_t size);

#endif
