/* patch_state: what the files of patch.h share. Nobody else includes it.
 *
 *   patch.c         the set: sites, finding, cloning
 *   patch_build.c   from sites to windows and trampolines
 *   patch_arena.c   memory in the task that holds trampolines
 *   patch_arm.c     writing and restoring the program's code; threads that stand in the way
 *   patch_scan.c    what lies on stacks
 *   patch_stop.c    threads in trampolines, signals
 *   patch_retire.c  windows that are given up while the program runs
 *   patch_ledger.c  what a later tracer needs to take patches back */
#ifndef REEL_TRACER_PATCH_STATE_H
#define REEL_TRACER_PATCH_STATE_H

#include "tracer/maps.h"
#include "tracer/patch.h"
#include "tracer/patch_window.h"
#include "tracer/room.h"

#define PATCH_PAGE 4096ull

/* A module of the process. */
struct patch_module {
    const struct patch_code *code;
    uint64_t bias;
    struct patch_plan plan;
};

struct patch_record {
    struct patch_site site;
    uint32_t module;
    bool is_pending; /* for the next patch_build() */
    uint64_t where;  /* process address of the instruction that the emitted code stands in front of */
};

/* A part of a trampoline: what was emitted in front of a moved instruction, and its copy; or what was emitted
 * for an edge, and the jump back to the program. */
struct patch_step {
    uint32_t emitted, copy; /* offsets in the trampoline of the two */
    uint64_t original;      /* the address that the copy stands for */
    bool leads;             /* it jumps to other code of ours */
};

struct patch_trampoline {
    uint64_t at, low; /* of it, and of the window: process addresses */
    uint32_t size;
    uint32_t first_step,
        step_count; /* by address; the first `moved` are instructions, the others jumps back */
    uint8_t moved;
    uint32_t bytes;  /* of the window, in set->bytes */
    uint8_t length;  /* of the window */
    bool is_gone;    /* forgotten: its window is no more */
    bool is_blocked; /* may not be armed for now */
};

#define PATCH_NO_HOST UINT32_MAX

/* Bytes of the program's code. Those of one trampoline are written all or none. */
struct patch_write {
    uint64_t address;
    uint32_t trampoline;
    uint32_t host; /* the trampoline of the window that this lies in, or PATCH_NO_HOST */
    uint8_t length;
    bool is_armed;
    uint8_t original[PATCH_JUMP], patched[PATCH_JUMP];
};

/* Pages with trampolines. */
struct patch_arena {
    uint64_t start, size, used;
    size_t first, count; /* trampolines in it, by address */
};

/* A signal that was taken from a task, and sent again. */
struct patch_held {
    pid_t tid;
    siginfo_t info;
};

struct patch_extent {
    uint64_t start, end;
};

struct patch_set {
    struct patch_record **records; /* by address, once sorted */
    size_t record_count, record_room;
    bool is_sorted;
    struct patch_record **table; /* open addressing by address; room is a power of two */
    size_t table_room;
    struct patch_module *modules;
    size_t module_count, module_room;
    struct patch_trampoline *trampolines;
    size_t trampoline_count, trampoline_room;
    struct patch_step *steps;
    size_t step_count, step_room;
    struct buffer bytes;
    struct patch_write *writes; /* by address */
    size_t write_count, write_room;
    struct patch_arena *arenas;
    size_t arena_count, arena_room;
    struct patch_extent *others; /* code of the agent */
    size_t other_count, other_room;
    struct patch_held *held;
    size_t held_count, held_room;
    size_t armed;
    bool has_gone; /* some trampoline is_gone */
    struct maps maps;
    uint64_t instruction; /* of a system call, or 0 */
    struct room_reserved reserved;
    bool is_puppet, checked;
};

/* Make room for one more element of `size` bytes in an array that has `count`. */
struct error *patch_grow(void *array, size_t count, size_t *room, size_t size);

struct error *patch_read_maps(struct patch_set *set, struct task *task);
struct error *patch_find_instruction(struct patch_set *set, struct task *task);

/* patch_arena.c */

/* For room_syscall(): does an arena of the patch_set begin there? */
bool patch_is_arena(const void *set, uint64_t start);

/* An arena near `address` with room for `size` bytes; made when there is none, of `estimate` bytes at least.
 */
struct error *patch_arena_get(struct patch_set *set, struct task *task, uint64_t address, uint64_t size,
                              uint64_t estimate, struct patch_arena **ret);
/* The trampoline that rip is in, or NULL. */
const struct patch_trampoline *patch_trampoline_at(const struct patch_set *set, uint64_t rip);

/* patch_arm.c */

/* The write that covers address, or NULL. */
struct patch_write *patch_write_at(const struct patch_set *set, uint64_t address);
/* The trampoline that a hole at rip, which is armed, leads to: a thread is on its way there. Or NULL. */
const struct patch_trampoline *patch_hole_at(const struct patch_set *set, uint64_t rip);
/* A write (one that is armed, or one that is not) that keeps a thread at rip from executing the original
 * code: rip is behind its first byte, or in a window with a hole that it would run into. NULL: none does. */
struct patch_write *patch_in_the_way(const struct patch_set *set, uint64_t rip, bool is_armed);

/* patch_scan.c */

/* Bytes of a stack, beginning at a multiple of 8; false: that is enough. Pieces overlap, so that a signal
 * frame's registers are whole in one of them. */
typedef bool patch_scan(void *context, const uint8_t *bytes, size_t size);
#define PATCH_SCAN_OVERLAP 512
/* The stacks that the stopped tasks are on, from rsp up. */
struct error *patch_scan_stacks(const struct maps *maps, const struct halt *halt, patch_scan *visit,
                                void *context);

/* patch_retire.c */

/* Give up the window of this trampoline: any task of the address space, which must not be in the window's
 * code. */
struct error *patch_retire(struct patch_set *set, struct task *task, uint32_t index);
/* The trampoline of a window that began at address and was given up, or NULL. */
const struct patch_trampoline *patch_retired_at(const struct patch_set *set, uint64_t address);

/* patch_ledger.c */

/* Note writes [first, first + count) in the task's memory. */
struct error *patch_ledger_write(struct patch_set *set, struct task *task, const struct patch_write *writes,
                                 size_t count);

#endif
