/* trap: breakpoints (int3) at code addresses of a running program, which no thread ever slips past.
 *
 * A set belongs to one address space: to all threads of a process, and to a vfork child until it executes a
 * program. Any stopped task of the address space will do where a function takes a task. Others may run
 * meanwhile: a probe becomes live, and ceases to be, by the write of one byte.
 *
 * The byte stays while the program runs. The instruction under it is emulated, or executed in a slot
 * (displaced.h) of pages that are mapped into the program near the code. What is noted at a hit is the
 * consumer's concern.
 *
 * A consumer shows every STOP_SIGNAL of a task to trap_handle() first:
 *
 *     struct trap_hit hit;
 *     switch (trap_handle(set, &stop, &hit)) ...
 *         TRAP_HIT      look at hit.regs, then trap_step_past(), resume with signal 0
 *         TRAP_HANDLED  resume with signal 0
 *         TRAP_NONE     not ours: deliver it, engine_pass(&stop)
 *
 * and deals with the life of address spaces:
 *
 *     fork    the child has the int3 bytes: trap_set_clone() when it is to be probed, else
 * trap_set_withdraw() with the child's first stop; the parent's set is not concerned clone, vfork  the same
 * set serves the child; trap_shares_memory() tells exec    trap_set_destroy() (for a vfork child: not, the
 * set is its parent's) munmap, mmap over probed code (dlclose)   trap_forget_range()
 *
 * Signals. A hit is known by SI_KERNEL and rip: the program's own int3 and raise(SIGTRAP) reach it. A
 * signal that arrives while a task is in a slot: when the probed instruction raised it (SIGSEGV, SIGFPE,
 * ...), rip and si_addr are made those of the original, and the handler may return to it (and hits again, as
 * the instruction is executed again). Any other: the instruction is run out first, and the handler returns
 * behind it. So no frame ever holds the address of a slot. A probed `syscall` that is restarted after a
 * signal hits again, since it is executed again; and so it does when the signal came between the hit and the
 * call.
 *
 * When a thread hits while it blocks SIGTRAP, the kernel unblocks it and resets a handler. A handler of the
 * program's own is put back (trap_action.c), and then the mask, too. The bit in the mask of a program without
 * one is not, since nothing tells of it; and SIGTRAP ignored becomes the default action. Both matter only
 * when somebody sends the program a SIGTRAP.
 *
 * Not hidden: a program that reads its own code finds int3; the x87 instruction pointer of a probed FPU
 * instruction is that of the slot; a program that changes the operand of an instruction while that is probed
 * goes on with the old one. Programs with user shadow stacks (CET) are refused.
 *
 * Cost of a hit: one stop, and some five system calls. */
#ifndef REEL_TRACER_TRAP_H
#define REEL_TRACER_TRAP_H

#include "tracer/displaced.h"
#include "tracer/stop.h"
#include "tracer/syscall.h"
#include "tracer/task.h"

struct trap {
    uint64_t address;
    void *user;    /* the consumer's own; NULL at first. trap_set_clone() copies the pointer. */
    unsigned uses; /* how often it was added and not removed; 0: removed, but a stop may still come */
    uint64_t slot; /* its address, or 0 */
    struct displaced displaced;
};

struct trap_set;

struct error *trap_set_create(struct trap_set **ret);
/* For the puppet of a replay: map pages outside of `reserved` (sorted, disjoint; not owned) only, since the
 * program will need these at their addresses, and do it through the syscall instruction at `instruction`.
 * Instructions that make system calls cannot be probed then. */
void trap_set_reserve(struct trap_set *set, const struct memory_range *reserved, size_t count,
                      uint64_t instruction);
/* Frees memory of the tracer only; NULL is fine. */
void trap_set_destroy(struct trap_set *set);
/* The set of a fork child, which has inherited bytes and slots. */
struct error *trap_set_clone(const struct trap_set *set, struct trap_set **ret);

/* Probe the instruction that begins at this address (process address; that an instruction begins there is the
 * caller's word). The trap that is there already gets one more use. *ret belongs to the set and stays valid,
 * after its removal too, until the set is destroyed. ERROR_UNSUPPORTED with the reason: an instruction that
 * cannot be displaced, code of a shared mapping, no room near the code. ERROR_NOT_FOUND: no executable memory
 * there. May map pages in the task (remote.h: it must not be in the stop of a syscall entry). */
struct error *trap_add(struct trap_set *set, struct task *task, uint64_t address, struct trap **ret);

/* Take back one use; with the last one the original byte is restored. When another byte than int3 is found
 * there, or no memory, the program has changed the code meanwhile: it is left as it is, and *ret_patched_away
 * (may be NULL) is true. */
struct error *trap_remove(struct trap_set *set, struct task *task, struct trap *trap, bool *ret_patched_away);

/* Remove all, whatever their uses; how many had been patched away (may be NULL). The slots stay mapped. */
struct error *trap_set_withdraw(struct trap_set *set, struct task *task, size_t *ret_patched_away);

/* The code in [start, end) is gone: forget its traps, touch nothing. */
void trap_forget_range(struct trap_set *set, uint64_t start, uint64_t end);

/* Live trap at this address, or NULL. */
struct trap *trap_find(const struct trap_set *set, uint64_t address);
size_t trap_count(const struct trap_set *set);

enum trap_event {
    TRAP_NONE,    /* not a matter of traps. rip and siginfo may have been put right. */
    TRAP_HIT,     /* a task is about to execute a probed instruction */
    TRAP_HANDLED, /* a matter of traps that concerns nobody: resume with signal 0 */
};

struct trap_hit {
    enum trap_event event;
    struct trap *trap;            /* at a hit */
    struct user_regs_struct regs; /* at a hit: as before the instruction, rip = its address */
};

/* What a STOP_SIGNAL means; other stops are TRAP_NONE. stop->signo may become another signal: one that is to
 * be delivered first (the other one is queued again). ERROR_TASK_GONE as everywhere. */
struct error *trap_handle(struct trap_set *set, struct stop *stop, struct trap_hit *ret);

/* After a hit: make the task go on behind the instruction when it is resumed. hit->regs are written, so the
 * consumer may have changed them. */
struct error *trap_step_past(struct trap_set *set, struct task *task, const struct trap_hit *hit);

/* After a hit instead: make the task execute the instruction anew when it is resumed (it hits again while the
 * trap lives). */
struct error *trap_rewind(struct task *task, const struct trap_hit *hit);

/* Learn the program's action for SIGTRAP, which hits may reset and trap_handle() puts back. Done by itself
 * with the first trap, and when a SIGTRAP of the program's own is seen; to be called by who sees the program
 * set it (rt_sigaction). */
struct error *trap_action_changed(struct trap_set *set, struct task *task);

/* The original address for a rip that may be in a slot. At stops that are no signal stops rip can be there.
 */
uint64_t trap_original_address(const struct trap_set *set, uint64_t rip);

/* For detaching: get a stopped task out of its slot, if it is in one, and the stop it stands at out of the
 * way of traps. *signo is the signal of a STOP_SIGNAL that the caller holds, else 0; set to 0 when it was a
 * hit (which is taken back: rip is the probed address again). */
struct error *trap_vacate(struct trap_set *set, struct task *task, int *signo);

/* Unmap the slots. No task of the address space may be in one: trap_set_withdraw(), and trap_vacate() of all.
 * The set is empty afterwards. */
struct error *trap_set_unmap(struct trap_set *set, struct task *task);

/* Do two tasks share their memory (threads, vfork)? */
bool trap_shares_memory(pid_t one, pid_t other);

/* The task's memory as it would be without the traps, for disassembling and comparing. *ret_context must
 * outlive the reader. */
struct trap_memory {
    const struct trap_set *set;
    struct task *task;
};
struct memory_reader trap_memory_reader(struct trap_memory *context);

#endif
