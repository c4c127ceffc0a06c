/* probes: what the rows of capability.c try, each a function, and what these share.
 *
 * Private to capability.c, probes.c and probes_machine.c. A probe runs in the worker, a process forked for
 * it, which it may change and crash as it likes. Where it is about another process, that is the subject, one
 * child of the worker. */
#ifndef REEL_TRACER_PROBES_H
#define REEL_TRACER_PROBES_H

#include "base/error.h"
#include "tracer/capability.h"
#include "tracer/ptrace.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- results ---- */

static inline struct capability_result result(enum capability state, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline struct capability_result result(enum capability state, const char *format, ...) {
    struct capability_result ret = {.state = state};
    va_list args;
    va_start(args, format);
    vsnprintf(ret.detail, sizeof(ret.detail), format, args);
    va_end(args);
    return ret;
}

static inline struct capability_result works(void) {
    return result(CAPABILITY_WORKS, "%s", "");
}

/* By errno. */
static inline struct capability_result missing(const char *what) {
    return result(CAPABILITY_MISSING, "%s: %s", what, strerror(errno));
}

static inline struct capability_result broken(const char *what) {
    return result(CAPABILITY_BROKEN, "%s", what);
}

/* By an error, which is freed. Its own words name the pid of the moment, so only what failed is kept. */
static inline struct capability_result failed(const char *what, struct error *err) {
    errno = err->errnum;
    error_free(err);
    return missing(what);
}

/* Like TRY() of base/error.h. */
#define ATTEMPT(what, expression)                                                                            \
    do {                                                                                                     \
        struct error *attempt_error_ = (expression);                                                         \
        if (attempt_error_)                                                                                  \
            return failed(what, attempt_error_);                                                             \
    } while (0)

/* Of a worker or a subject that has ended without a word: what waitpid(2) says. */
static inline struct capability_result died(int status) {
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return result(CAPABILITY_MISSING, "forbidden by a seccomp filter");
    if (WIFSIGNALED(status))
        return result(CAPABILITY_BROKEN, "the probe was killed by signal %d", WTERMSIG(status));
    return broken("the probe ended without a result");
}

/* ---- the worker (capability.c) ---- */

/* Where the worker writes its result; the subject closes it. -1 in reel itself. */
extern int worker_result_fd;

/* ---- the subject (probes.c) ---- */

/* What a probe of this process has made: one subject at most. 0 when there is none. */
extern pid_t subject_pid;

/* Fork the subject, which runs body. */
bool subject_spawn(void (*body)(int channel));

/* Run body in a subject that is seized, up to its stop_here(). Body waits for its channel first. */
struct capability_result subject_start(void (*body)(int channel));

#define START_TRACED(body)                                                                                   \
    do {                                                                                                     \
        struct capability_result start_result_ = subject_start(body);                                        \
        if (start_result_.state != CAPABILITY_WORKS)                                                         \
            return start_result_;                                                                            \
    } while (0)

/* The next stop or end of the subject, as waitpid(2) puts it; 0 when there is none. */
int subject_wait(void);

/* Go on to the next stop; its status goes to *ret. */
struct error *subject_resume(enum resume how, int *ret);

/* Kill the subject, if there is one, and wait for its end. */
void subject_end(void);

static inline bool stopped_by(int status, int signo) {
    return WIFSTOPPED(status) && status >> 16 == 0 && WSTOPSIG(status) == signo;
}

/* One byte from the other side; false when it is gone. */
static inline bool await(int channel) {
    char byte;
    return read(channel, &byte, 1) == 1;
}

/* In a subject: stop for the tracer. */
static inline void stop_here(void) {
    __asm__ volatile("int3" ::: "memory");
}

/* ---- the probes ---- */

/* probes.c */
struct capability_result probe_ptrace(void);
struct capability_result probe_yama(void);
struct capability_result probe_cap_sys_ptrace(void);
struct capability_result probe_sysemu(void);
struct capability_result probe_syscall_info(void);
struct capability_result probe_seccomp(void);
struct capability_result probe_seccomp_privileged(void);

/* probes_machine.c */
struct capability_result probe_process_vm(void);
struct capability_result probe_proc_mem(void);
struct capability_result probe_pagemap(void);
struct capability_result probe_pagemap_scan(void);
struct capability_result probe_userfaultfd(void);
struct capability_result probe_kcmp(void);
struct capability_result probe_pidfd_getfd(void);
struct capability_result probe_reflink(void);
struct capability_result probe_tsc(void);
struct capability_result probe_cpuid(void);
struct capability_result probe_perf(void);
struct capability_result probe_debug_registers(void);
struct capability_result probe_user_dispatch(void);
struct capability_result probe_stub_page(void);
struct capability_result probe_vdso(void);

#endif
