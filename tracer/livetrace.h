/* livetrace: traces a program that runs: launched, or attached to. The host of calltrace.h for these. */
#ifndef REEL_TRACER_LIVETRACE_H
#define REEL_TRACER_LIVETRACE_H

#include "config/option.h"

#include <sys/types.h>

struct livetrace_options {
    const struct trace_options *trace;
    char *const *argv; /* the program to launch, or NULL */
    pid_t pid;         /* the process to attach to, when argv is NULL */
};

/* Trace to the end of the program and of all its descendants, or, when attached, until SIGINT or SIGTERM.
 * *ret_status is what reel exits with: as the program did, 0 after a detach. When the trace is full
 * (max_trace_size_mb) the program is left alone and runs on. */
struct error *livetrace_run(const struct livetrace_options *options, int *ret_status);

#endif
