/* trap_state: what the files of trap.h share. Nobody else includes it.
 *
 *   trap.c         the set: adding, removing, finding
 *   trap_slot.c    pages in the task that hold the slots
 *   trap_stop.c    what stops mean; going on
 *   trap_action.c  the program's action for SIGTRAP, which hits may reset */
#ifndef REEL_TRACER_TRAP_STATE_H
#define REEL_TRACER_TRAP_STATE_H

#include "tracer/maps.h"
#include "tracer/room.h"
#include "tracer/trap.h"

#define TRAP_AREA_SIZE  65536ull
#define TRAP_AREA_SLOTS (TRAP_AREA_SIZE / DISPLACED_SLOT_SIZE)

/* Pages of slots in the task. */
struct trap_area {
    uint64_t start;
    size_t used; /* slots; none is ever used again while the set lives, since a task may be in it */
    struct displaced displaced[TRAP_AREA_SLOTS];
};

/* The kernel's struct sigaction. */
struct trap_action {
    uint64_t handler, flags, restorer, mask;
};

struct trap_set {
    /* Open addressing by address; room is a power of two. Removed traps stay, with uses == 0, since a stop at
     * them may still be under way. */
    struct trap **table;
    size_t count, room;
    size_t live;
    struct trap_area **areas;
    size_t area_count, area_room;
    struct maps maps;              /* as last read; may be stale */
    uint64_t instruction;          /* of a system call (remote.h), or 0 */
    uint64_t data;                 /* a writable page in the task, or 0 */
    struct room_reserved reserved; /* no page of ours may be there */
    bool is_puppet;
    bool checked;              /* the process is one that traps can be used in */
    bool has_action;           /* the program catches SIGTRAP, */
    struct trap_action action; /* this way */
};

/* The trap at this address, live or not, or NULL. */
struct trap *trap_lookup(const struct trap_set *set, uint64_t address);

/* Memory as the task itself may access it: for the emulation. */
struct displaced_memory trap_task_memory(struct task *task);

/* trap_slot.c */

/* Give trap a slot that its operand can be reached from, and write it. */
struct error *trap_slot_make(struct trap_set *set, struct task *task, struct trap *trap);
/* The instruction in whose slot rip is, and the slot's address; or NULL. */
const struct displaced *trap_slot_owner(const struct trap_set *set, uint64_t rip, uint64_t *ret_slot);
/* Make sure that there is a syscall instruction, and a writable page. */
struct error *trap_find_instruction(struct trap_set *set, struct task *task);
struct error *trap_map_data(struct trap_set *set, struct task *task);
/* Read the mappings anew. */
struct error *trap_read_maps(struct trap_set *set, struct task *task);

/* trap_action.c */

/* At a hit: put it back if the kernel has just reset it. */
struct error *trap_action_restore(struct trap_set *set, struct task *task);

#endif
