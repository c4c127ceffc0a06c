/* process: what /proc/PID/status and its neighbours tell of a process that need not be traced (proc(5)). */
#ifndef REEL_TRACER_PROCESS_H
#define REEL_TRACER_PROCESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process_status {
    char name[64];   /* at most 15 bytes, or more of a kernel worker; escaped by the kernel */
    char state;      /* 'R', 'S', 'D', 'T', 't', 'Z', 'X', 'I' */
    pid_t tgid;      /* the process that this task is a thread of */
    pid_t tracer;    /* 0: not traced */
    uid_t uid;       /* real */
    bool has_memory; /* kernel threads and zombies have none */
    uint64_t caught, ignored, pending; /* signals, bit signo-1; pending: for this thread */
    size_t threads;
    bool has_filter; /* of system calls (seccomp) */
    bool has_shadow_stack;
    pid_t inner_tid; /* in the innermost PID namespace */
    bool is_init;    /* the first process of a PID namespace */
};

/* Of a process or thread. ERROR_NOT_FOUND when there is none. */
struct error *process_status(pid_t pid, struct process_status *ret);

/* What a signal would do. Init is spared what it has no handler for, but not by who is outside (SIGKILL and
 * SIGSTOP). */
enum disposition { DISPOSITION_HANDLED, DISPOSITION_IGNORED, DISPOSITION_STOPS, DISPOSITION_FATAL };
enum disposition process_disposition(const struct process_status *status, int signo);

/* The state alone, of a task: cheaper. 0 when there is none. */
char process_state(pid_t tid);

/* Is it gone, or a zombie? */
bool process_is_ended(pid_t pid);

/* The number that the task has for itself, in the innermost PID namespace. 0 when there is none. */
pid_t process_inner_tid(pid_t tid);
/* Are two tasks in the same namespace of this kind ("pid", "time", ...)? True when that cannot be told. */
bool process_same_namespace(pid_t one, pid_t other, const char *kind);

/* Is its program a 32-bit one? False when that cannot be told. */
bool process_is_32_bit(pid_t pid);

#endif
