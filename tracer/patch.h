/* patch: code of a running program replaced by jumps to code of ours, which goes on as the original would.
 *
 * The fast twin of trap.h: a hit costs no stop. What is noted at a hit, and how, is the business of who emits
 * it (patch_emit); here is everything about the code bytes: which can be overwritten, the copies of what they
 * held, where these lie, threads that stand in the way, and how all of it is taken back.
 *
 *     patch_add()    once for each site: an address, and what it is
 *     patch_build()  decides, allocates, writes trampolines; the program's code is still untouched. A site
 * that cannot be done has an obstacle, and is left to the trap back end patch_arm()    with all threads
 * stopped: the jumps are written patch_disarm() with all threads stopped: the original bytes are there again,
 * exactly
 *
 * A window (patch_window.h) is a stretch of whole instructions at the site. Its first five bytes become `jmp
 * rel32` to a trampoline: the site's emitted code, the moved instructions, a jump behind the window. A window
 * may hold several sites. Other shapes: short `ret` blocks are copied and the direct branches to them
 * redirected; two bytes may jump to a hole nearby that holds the long jump.
 *
 * The program goes on rightly when the tracer has died at any moment while windows are armed: nothing that it
 * can reach traps, and no return address is changed. patch_recover() of a later reel takes the patches back:
 * what was overwritten is also kept in the program's memory.
 *
 * A set belongs to one address space, like a trap_set:
 *
 *     fork    the child has the bytes and the trampolines: patch_set_clone()
 *     vfork, clone   the same set serves the child
 *     exec    patch_set_destroy()
 *     munmap of patched code (dlclose)   patch_forget_range()
 *
 * Signals. patch_handle() sees each STOP_SIGNAL before it is delivered (after trap_handle()). A thread that
 * is in a trampoline is let out of it first, so no signal frame holds such an address; a fault of a moved
 * instruction gets the address of the original.
 *
 * Refused: shared mappings of code, shadow stacks (CET), code that differs from its file, __restore_rt.
 * Not hidden: a program that reads its own code finds the jumps (patch_memory_reader() does not).
 * The bytes of a window behind its jump stay as they were; nothing leads there. */
#ifndef REEL_TRACER_PATCH_H
#define REEL_TRACER_PATCH_H

#include "base/buffer.h"
#include "base/memory.h"
#include "tracer/attach.h"
#include "tracer/patch_code.h"

/* What a site is; several may be true. */
enum patch_kind {
    PATCH_ENTRY = 1,     /* the first instruction of a function */
    PATCH_EXIT = 2,      /* a ret */
    PATCH_TAIL = 4,      /* a jump that leaves its function */
    PATCH_STATEMENT = 8, /* any instruction */
    PATCH_BRANCH = 16,   /* a conditional jump: both of its outcomes */
};

struct patch_site {
    uint64_t address;     /* process address */
    unsigned kinds;       /* enum patch_kind */
    void *user;           /* the consumer's own */
    bool is_built;        /* it has a trampoline */
    const char *obstacle; /* built in vain: why; static storage */
};

/* The obstacle of a site that was built, and whose window was given up: a moved instruction has faulted, and
 * the program may return to its original place. To be probed by other means from now on. */
extern const char PATCH_RETIRED[];

enum patch_edge {
    PATCH_BEFORE, /* about to execute the site's instruction; rip is the site's (behind endbr64 at an entry)
                   */
    PATCH_TAKEN,  /* PATCH_BRANCH: it was taken, and nothing else has been executed */
    PATCH_NOT_TAKEN,
};

/* Where a piece of emitted code will run. */
struct patch_place {
    const struct patch_site *site;
    enum patch_edge edge;
    /* What the program does not need there any more. All else must be as before when the emitted code ends.
     */
    bool flags_are_dead, red_zone_is_dead; /* the 128 bytes below rsp */
};

/* Append machine code to `code`: its first byte will be at process address `at`, and control leaves it at its
 * end. Nothing appended: nothing is noted there. It must not depend on how often it is called for one place
 * (a site may be copied to several places, and a trampoline may have to be laid elsewhere). An error ends
 * patch_build(). */
typedef struct error *patch_emit(void *context, const struct patch_place *place, uint64_t at,
                                 struct buffer *code);

struct patch_set;

struct error *patch_set_create(struct patch_set **ret);
void patch_set_destroy(struct patch_set *set); /* frees memory of the tracer only; NULL is fine */
/* As trap_set_reserve(), for the puppet of a replay. */
void patch_set_reserve(struct patch_set *set, const struct memory_range *reserved, size_t count,
                       uint64_t instruction);
/* The set of a fork child, which has inherited bytes and trampolines. Users are copied. */
struct error *patch_set_clone(const struct patch_set *set, struct patch_set **ret);

/* A site of the module `code`, which lies at `bias` in the process; vaddr is as linked. A site that is there
 * already becomes of these kinds, too, unless it was built. code must outlive the next patch_build(). *ret
 * (may be NULL) belongs to the set. */
struct error *patch_add(struct patch_set *set, const struct patch_code *code, uint64_t bias, uint64_t vaddr,
                        unsigned kinds, void *user, struct patch_site **ret);

/* No window that is built from now on may hold the instruction at vaddr: it is going to have an int3. */
struct error *patch_avoid(struct patch_set *set, const struct patch_code *code, uint64_t bias,
                          uint64_t vaddr);

/* Do what can be done for all sites that were added since the last time. The task is in a stop where calls
 * can be injected (inject.h). Other threads may run. After an error the program is as it was, but for mapped
 * memory. */
struct error *patch_build(struct patch_set *set, struct task *task, patch_emit *emit, void *context);

/* The site at this process address, or NULL. */
struct patch_site *patch_find(const struct patch_set *set, uint64_t address);
/* For each site, in order of address. */
size_t patch_site_count(const struct patch_set *set);
struct patch_site *patch_site_at(const struct patch_set *set, size_t index);

/* Does a window that was built cover this address? Then no int3 may be put there. */
bool patch_covers(const struct patch_set *set, uint64_t address);

/* Write the jumps. halt holds the stops of all threads of the address space (attach.h). A thread in the
 * middle of a window goes on in the trampoline. Windows are left out where a suspended signal handler would
 * return into the middle (*ret_waiting, may be NULL, counts them: try again later), and where the code has
 * changed since. */
struct error *patch_arm(struct patch_set *set, const struct halt *halt, size_t *ret_waiting);
/* Write the original bytes. Threads may be in trampolines afterwards; they come out by themselves. When other
 * bytes than the patch are found somewhere, the program has changed the code: they are left, and counted
 * (*ret_patched_away, may be NULL). */
struct error *patch_disarm(struct patch_set *set, const struct halt *halt, size_t *ret_patched_away);
bool patch_is_armed(const struct patch_set *set);

/* The code in [start, end) is gone: forget its windows and sites, touch nothing. */
void patch_forget_range(struct patch_set *set, uint64_t start, uint64_t end);

/* Before a STOP_SIGNAL is delivered. The task may be made to run on for some microseconds: *stop may be
 * another one afterwards, of any kind, which is to be dealt with as if it had come by itself; signals that
 * were held back come again. stop->signo 0: there is nothing to deliver. */
struct error *patch_handle(struct patch_set *set, struct stop *stop);

/* The original address for a rip that may be in a trampoline, or in code that was emitted. */
uint64_t patch_original_address(const struct patch_set *set, uint64_t rip);
bool patch_is_trampoline(const struct patch_set *set, uint64_t rip);
/* More code that trampolines call, and that a thread has to be let out of: the agent's. */
struct error *patch_add_code(struct patch_set *set, uint64_t start, uint64_t end);

/* For detaching, after patch_disarm(): get a stopped task out of trampolines. *stop may be another one
 * afterwards, as with patch_handle(). */
struct error *patch_vacate(struct patch_set *set, struct stop *stop);

/* Unmap the trampolines, after patch_disarm() and patch_vacate() of all tasks: a stop where calls can be
 * injected. The set can only be destroyed then. */
struct error *patch_set_unmap(struct patch_set *set, struct task *task);

/* The task's memory as it would be without the patches. *context must outlive the reader. */
struct patch_memory {
    const struct patch_set *set;
    struct memory_reader memory;
};
struct memory_reader patch_memory_reader(struct patch_memory *context);

/* Take back what a tracer that has died left in the memory of a process: all threads are stopped. *ret (may
 * be NULL): how many places were restored. Trampolines are unmapped when no thread can be in them, and a task
 * stands at a stop where calls can be injected. */
struct error *patch_recover(const struct halt *halt, size_t *ret);

#endif
