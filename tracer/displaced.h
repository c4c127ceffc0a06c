/* displaced: one instruction, executed somewhere else than where it stands.
 *
 * Where a breakpoint covers an instruction, it must still be executed, and without lifting the breakpoint:
 * another thread would slip past. There are two ways, and both leave registers, flags and memory as the
 * instruction in its own place would:
 *
 *   emulated  the tracer does it on the registers of the stopped task. Control transfers can be done in no
 * other way (a call must push the address behind its own place), and what functions begin and end with is
 *             done so because it costs no more than writing the registers, which must be done anyway.
 *   in a slot the instruction, with a RIP-relative operand adjusted, is written to a slot in the task's
 *             memory, followed by a jump back behind the original. The task runs through it without any
 *             stop.
 *
 * An emulated instruction that touches memory may fault, or meet a stack that has yet to grow. Then the slot
 * is used, so that the kernel sees a real access: `native` code does the memory accesses of the instruction.
 *
 * A slot holds two copies. The first ends with the jump back. The second ends with int3: through it the
 * tracer makes a task complete the instruction and stop (a signal handler must not find a slot's address in
 * its frame). A call's second copy pushes only, and the tracer does the rest.
 *
 * This file knows no process. Source: Intel SDM volume 2; Zydis decodes. */
#ifndef REEL_TRACER_DISPLACED_H
#define REEL_TRACER_DISPLACED_H

#include "base/error.h"
#include "base/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#define DISPLACED_INSTRUCTION_MAX 15 /* bytes of an x86 instruction */
#define DISPLACED_SLOT_SIZE       64 /* bytes */
#define DISPLACED_SECOND          40 /* offset of the second copy in a slot */

enum displaced_operation {
    DISPLACED_NATIVE,  /* only in a slot */
    DISPLACED_SYSCALL, /* only in a slot, where rcx is put right afterwards */
    DISPLACED_NOP,     /* nop, endbr64 */
    DISPLACED_PUSH,    /* push of a 64-bit register */
    DISPLACED_MOVE,    /* mov between 64-bit registers */
    DISPLACED_SUB_RSP, /* sub of a constant from rsp */
    DISPLACED_LEAVE,
    DISPLACED_RET,
    DISPLACED_CALL,          /* call rel32 */
    DISPLACED_CALL_INDIRECT, /* call r/m64 */
    DISPLACED_JUMP,
    DISPLACED_JUMP_INDIRECT,
    DISPLACED_BRANCH, /* jcc */
    DISPLACED_LOOP,   /* loop, loope, loopne, jrcxz, jecxz */
};

/* A memory or register operand: register numbers are those of the encoding (0 rax ... 7 rdi, 8 r8 ...). */
struct displaced_operand {
    bool is_memory;
    uint8_t reg; /* a register operand */
    /* a memory operand; -1: none */
    int8_t base, index;
    uint8_t scale;
    bool is_rip_relative; /* displacement is then the absolute address */
    bool is_32_bit;       /* address size prefix: the sum is cut to 32 bits */
    uint8_t segment;      /* 0, or 'f' or 'g': fs_base or gs_base is added */
    int64_t displacement;
};

struct displaced {
    uint64_t address; /* where the instruction stands */
    uint8_t bytes[DISPLACED_INSTRUCTION_MAX];
    uint8_t length;
    enum displaced_operation operation;
    /* RIP-relative operand: offset of its 32-bit displacement in bytes, or 0, and what it refers to. */
    uint8_t relative_at;
    uint64_t relative_target;
    /* What the operation needs. */
    struct displaced_operand operand; /* of push, move (source), indirect calls and jumps */
    uint8_t condition;                /* low four bits of the opcode of a branch or loop */
    uint8_t target_register;          /* of move */
    uint8_t modrm_at;                 /* offset of the ModRM byte of an indirect transfer */
    bool is_32_bit_count;             /* jecxz, loop with address size prefix */
    uint64_t target;                  /* of direct transfers */
    uint64_t constant;                /* of sub; bytes that a ret pops besides the address */
};

/* Decode the instruction at the start of bytes[0..size), which stands at `address`. ERROR_UNSUPPORTED, with
 * the reason, for what cannot be displaced: far transfers, software interrupts (the program's own int3 among
 * them), xbegin, branches with an operand size prefix (Intel and AMD differ); ERROR_BAD_DATA for what is no
 * instruction, or is cut short. */
struct error *displaced_decode(const uint8_t *bytes, size_t size, uint64_t address, struct displaced *ret);

/* Must every run of it go through a slot (false: only when emulating it fails)? */
bool displaced_needs_slot(const struct displaced *displaced);
/* Can it do without a slot altogether? */
bool displaced_never_needs_slot(const struct displaced *displaced);

/* Can a slot at this address reach the operand? */
bool displaced_reaches(const struct displaced *displaced, uint64_t slot);

/* Fill a slot that will be at `slot`. Its unused bytes are int3. Precondition: displaced_reaches(). */
void displaced_fill_slot(const struct displaced *displaced, uint64_t slot, uint8_t ret[DISPLACED_SLOT_SIZE]);

/* Memory as the emulation needs it; both return false when it cannot be accessed. */
struct displaced_memory {
    bool (*read)(void *context, uint64_t address, void *ret, size_t size);
    bool (*write)(void *context, uint64_t address, const void *bytes, size_t size);
    void *context;
};

/* Do it on regs: rip becomes that of the next instruction. False, with regs untouched, when it needs a slot,
 * or when memory cannot be accessed. */
bool displaced_emulate(const struct displaced *displaced, struct user_regs_struct *regs,
                       const struct displaced_memory *memory);

/* Where a task stands in a slot. */
enum displaced_progress {
    DISPLACED_BEFORE, /* the instruction has not been completed: rip belongs to its address */
    DISPLACED_AFTER,  /* it has: rip belongs behind it; rcx of DISPLACED_SYSCALL may have to be put right */
    DISPLACED_PUSHED, /* the second copy of a call has pushed: finish with displaced_finish_call() */
};
/* Of rip at this offset into the slot. An int3 of the slot that has been executed counts as not executed. */
enum displaced_progress displaced_progress_at(const struct displaced *displaced, size_t offset);

/* regs.rip is in the slot at `slot`: make them what they would be without it. False, with regs untouched,
 * when a call's memory cannot be accessed. */
bool displaced_settle(const struct displaced *displaced, uint64_t slot, struct user_regs_struct *regs,
                      const struct displaced_memory *memory);

/* Can it be completed through the second copy? False for transfers that need the slot only in order to fault.
 */
bool displaced_can_complete(const struct displaced *displaced);

#endif
