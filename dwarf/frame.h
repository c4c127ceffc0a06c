/* frame: the registers of one stack frame, by DWARF register number (System V ABI for x86-64, figure 3.36).
 *
 * Those of the innermost frame are what the processor holds; those of its callers are what unwind_step()
 * worked out, and only some of them are known. */
#ifndef REEL_DWARF_FRAME_H
#define REEL_DWARF_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#define FRAME_RBX       3
#define FRAME_RBP       6
#define FRAME_RSP       7
#define FRAME_RIP       16 /* the "return address" column of the ABI */
#define FRAME_REGISTERS 17 /* 0-15 general (DWARF order: rax rdx rcx rbx rsi rdi rbp rsp r8..r15), 16 rip */

/* Which registers somebody has asked for: for who wants to know what looking at a frame takes. */
struct frame_log {
    uint64_t asked; /* bit n: register n */
    bool too_large; /* more than 16 bytes of one, or one of more than 63 */
};

struct frame_registers {
    uint64_t value[FRAME_REGISTERS];
    uint32_t known; /* bit n: value[n] is known */
    /* rip is where a call will return to, so the instruction that this frame is executing lies before it: the
     * one after may belong to another function or scope. False for the innermost frame and for what a signal
     * interrupted. See frame_pc(). */
    bool is_return_address;
    /* The NT_X86_XSTATE (or NT_FPREGSET) area for xmm, ymm and st, or NULL; not owned. Only the innermost
     * frame has it: these registers do not outlive calls. */
    const void *xstate;
    size_t xstate_size;    /* bytes */
    struct frame_log *log; /* or NULL; not owned */
};

/* All general registers and rip are known, no xstate. */
void frame_from_user_regs(const struct user_regs_struct *regs, struct frame_registers *ret);

/* Value of general register number (or FRAME_RIP); false when it is unknown, also for larger numbers. */
bool frame_register(const struct frame_registers *frame, unsigned number, uint64_t *ret);
/* number is below FRAME_REGISTERS. */
void frame_set_register(struct frame_registers *frame, unsigned number, uint64_t value);

/* Process address to look up in line tables, scopes and CFI: of the instruction that the frame is executing,
 * or of a byte inside the call. False when rip is unknown: there is no such frame, its callee was the
 * outermost. */
bool frame_pc(const struct frame_registers *frame, uint64_t *ret);

/* Copy the lowest size bytes of DWARF register number: 0-16 general (8 bytes), 17-32 xmm0-15 (16 bytes, 32
 * when the area holds the AVX state), 33-40 st0-7 (10 bytes, and up to 16 with zeros, as a long double is
 * stored), 41-48 mm0-7 (8 bytes). False when it is unknown or has fewer bytes; ret is then untouched. */
bool frame_register_bytes(const struct frame_registers *frame, unsigned number, void *ret, size_t size);

#endif
