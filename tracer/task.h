/* task: a thread that reel traces. Knows only what every user of the engine needs; recorder, call tracer and
 * others keep tables of their own, keyed by tid. */
#ifndef REEL_TRACER_TASK_H
#define REEL_TRACER_TASK_H

#include "base/error.h"
#include "base/memory.h"
#include "tracer/ptrace.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct task {
    pid_t tid;
    bool stopped;           /* in a ptrace stop: it may be inspected and must be resumed */
    bool in_syscall;        /* its next syscall stop is an exit */
    enum resume resumed_by; /* how it was last let go */
    bool filtered;          /* it has a seccomp filter of its own: stops of reel's bear LAUNCH_FILTER_DATA */
    bool strict;            /* it asked for seccomp's strict mode, which reel imitates */
    bool watched;           /* RESUME_CONT is RESUME_SYSCALL for it */
    size_t index;           /* the engine's own, */
    struct engine *engine;  /* and these: see task_resume_later() */
    bool pending;
    enum resume pending_how;
    int pending_signo;
    struct task *next_pending;
    int memfd; /* /proc/TID/mem, or -1; task_memory_reset() after an exec */
};

/* A task that is (about to be) traced. Not stopped, nothing open. */
void task_init(struct task *task, pid_t tid);
void task_deinit(struct task *task);

/* Let a stopped task go on, delivering signo unless it is 0. */
struct error *task_resume(struct task *task, enum resume how, int signo);

/* Copy size bytes out of the task's memory; how many could be read before the first that could not. Ignores
 * protections that the task itself would meet. */
size_t task_read(struct task *task, uint64_t address, void *ret, size_t size);
/* All of it, or an error that names the address. */
struct error *task_read_exact(struct task *task, uint64_t address, void *ret, size_t size);
/* Write, read-only pages included (they become private copies). All or an error. */
struct error *task_write(struct task *task, uint64_t address, const void *bytes, size_t size);
/* Forget descriptors of an address space that is gone (after exec). */
void task_memory_reset(struct task *task);

/* The task's memory for code that knows no process; valid as long as the task. */
struct memory_reader task_memory(struct task *task);

#endif
