/* room: where memory of ours can be mapped in a process, and the instruction to do it with.
 *
 * Code of ours has to lie near the program's, so that both reach each other by 32-bit displacements; and
 * where it is in the way of nothing that grows. */
#ifndef REEL_TRACER_ROOM_H
#define REEL_TRACER_ROOM_H

#include "base/error.h"
#include "tracer/maps.h"
#include "tracer/syscall.h"
#include "tracer/task.h"

/* In this distance, in bytes, everything around the code (operands in the same module) is reached, too. */
#define ROOM_NEAR (1ull << 30)

/* Where the program will need memory, so that nothing of ours may be there: sorted, disjoint; not owned. */
struct room_reserved {
    const struct memory_range *ranges;
    size_t count;
};

/* A place for `size` bytes (whole pages), as near to address as there is, with some pages left free around
 * it; 0 when there is none within ROOM_NEAR. */
uint64_t room_near(const struct maps *maps, const struct room_reserved *reserved, uint64_t size,
                   uint64_t address);

/* The address of a syscall instruction in the task, for inject.h: in the vdso, which is never unmapped, else
 * in any code but the mappings that is_ours(context, start) says are ours. 0: there is none. */
uint64_t room_syscall(struct task *task, const struct maps *maps,
                      bool (*is_ours)(const void *context, uint64_t start), const void *context);
/* Is there (still) one at this address? */
bool room_is_syscall(struct task *task, uint64_t address);

/* Map private anonymous memory: at this address, where nothing may be yet, or anywhere (0). *ret is what the
 * kernel says, -EEXIST when something is there. */
struct error *room_map(struct task *task, uint64_t instruction, uint64_t address, uint64_t size,
                       int protection, int64_t *ret);
/* The error for a result of it, other than -EEXIST. */
struct error *room_map_failed(const struct task *task, int64_t result);
struct error *room_unmap(struct task *task, uint64_t instruction, uint64_t address, uint64_t size);

#endif
