/* stop: why a tracee stopped, as one documented value. */
#ifndef REEL_TRACER_STOP_H
#define REEL_TRACER_STOP_H

#include "tracer/task.h"

enum stop_kind {
    STOP_SYSCALL_ENTRY, /* about to run a call (or, under RESUME_SYSEMU, to skip it) */
    STOP_SYSCALL_EXIT,  /* the call has returned; rax is its result */
    STOP_SECCOMP,       /* about to run a call that a seccomp filter sends to the tracer; `message` is the
                           filter's, read only if task->filtered */
    STOP_NEW_TASK,      /* fork, vfork or clone made the task `message`, which is traced too */
    STOP_VFORK_DONE,    /* the vfork child has exec'ed or exited, the parent goes on */
    STOP_EXEC,          /* a new program has been loaded; the exit stop of execve follows */
    STOP_BORN,          /* the first stop of a new task, or the answer to trace_interrupt() */
    STOP_SIGNAL,        /* a signal `signo` is about to be delivered: resume with it, or without */
    STOP_GROUP,         /* job control stopped the process with `signo`: RESUME_LISTEN, or it runs on */
    STOP_EXITING,       /* about to end, with its memory still there; `message` is its wait status */
    STOP_EXITED,        /* gone: exited with `status` */
    STOP_KILLED,        /* gone: killed by signal `status`; `core` says whether a core was dumped */
    STOP_TICK,          /* no task: the timer of engine_set_tick() fired */
    STOP_NONE,          /* no task: there are no tracees left */
};

struct stop {
    enum stop_kind kind;
    struct task
        *task; /* owned by the engine; after STOP_EXITED and STOP_KILLED valid until the next engine_next() */
    int signo;
    int status;
    bool core;
    bool vfork; /* of STOP_NEW_TASK: the task will wait in the kernel for the exec or end of the new one */
    unsigned long message;
};

/* "syscall entry", ... Static storage. */
const char *stop_name(enum stop_kind kind);

/* Classify what waitpid() said about task and note it there (stopped, in_syscall). */
struct stop stop_classify(struct task *task, int status);

#endif
