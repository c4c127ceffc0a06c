/* agent: reel's memory inside of a traced process: the agent's code, the rings, and what leads a task to its
 * own.
 *
 * Belongs to one address space. Nothing of it changes what the program does; it is there before code is
 * patched, and every task gets its block before it executes patched code: agent_enter() at the first stop of
 * each new task. A task without a ring of its own (there are too many) gets the sink, where nothing is ever
 * written.
 *
 * Refused with ERROR_UNSUPPORTED: programs that use the GS base, and those with a system call filter, which
 * might not like what is done here. */
#ifndef REEL_TRACER_AGENT_H
#define REEL_TRACER_AGENT_H

#include "tracer/maps.h"
#include "tracer/ring.h"
#include "tracer/task.h"

struct agent {
    struct ring_pool *pool;
    uint64_t instruction; /* of a system call */
    uint64_t code, code_size;
    uint64_t file;       /* where the whole memory file is mapped */
    uint64_t full, text; /* addresses of the agent's functions */
    uint64_t judge, passed;
    uint32_t block;             /* of a puppet (agent_puppet.h): address of its only block; else 0 */
    uint64_t pid;               /* as the process sees itself */
    uint64_t rings[RING_SLOTS]; /* where each is mapped twice, or 0 */
    struct {
        uint64_t start, end;
    } constants[AGENT_CONSTANT_MOST];
};

/* The task is in a stop where calls can be injected; all others of its process stand still. lossless: a task
 * whose ring is full waits. */
struct error *agent_create(struct task *task, bool lossless, struct agent **ret);
/* For the child of a fork, which has inherited the mappings. */
struct error *agent_clone(const struct agent *agent, pid_t child, struct agent **ret);
/* Frees memory of the tracer only. NULL is fine. */
void agent_destroy(struct agent *agent);

/* A ring for a task that stands still; calls are injected into `by`, a stopped task of the address space.
 * Without room the task gets the sink, and *ret stays zeroed; ERROR_UNSUPPORTED: it uses GS itself, and must
 * not run patched code. */
struct error *agent_enter(struct agent *agent, struct task *by, struct task *task, struct ring *ret);
/* The task's GS base is as before. Its ring is not touched. */
struct error *agent_leave(struct task *task);

/* Take everything out of the process: no task's GS base leads there any more. */
struct error *agent_unmap(struct agent *agent, struct task *task);

#endif
