/* crash: what is kept of a process that is about to die: a folder `crash-NAME-PID-TIME/` (0700) with
 * report.json, report.txt and core (0600). reel-watch(1) has the keys of report.json.
 *
 * The process is stopped meanwhile and only read; it dies as it would have. Everything that is read from it
 * is hostile and bounded: frames, threads, values, text, time (CRASH_SECONDS), the size of the core. What
 * fails is left out, and the report says what and why: a process that is killed meanwhile leaves what was
 * gathered. */
#ifndef REEL_TRACER_CRASH_H
#define REEL_TRACER_CRASH_H

#include "tracer/attach.h"

#include <signal.h>

/* Seconds after which nothing more is analysed; what is missing then is left out. The core is not counted. */
#define CRASH_SECONDS 20

struct crash_options {
    const char *folder; /* that reports are put into; NULL: the current one */
    bool no_core;
    uint64_t core_max; /* bytes that a core may take on disk; 0: any number */
    uint64_t quota;    /* bytes of all reports of the folder; 0: any number */
    /* What is secret: environment variables whose name contains one of these, in any case. Those of
     * crash_masks come in addition. */
    const char *const *masks;
    size_t mask_count;
};

/* PASS, SECRET, TOKEN, ...; ends with NULL. */
extern const char *const crash_masks[];

/* What a handler has to do with a fatal signal. */
enum crash_handler {
    HANDLER_NONE,
    HANDLER_NOT_RUN, /* the signal comes because the handler of `first` could not be run (no stack for it) */
    HANDLER_RAISED,  /* the handler of `first` has raised it again, and has returned */
    HANDLER_BEFORE,  /* `first` had a handler, which may still be running */
};

struct crash_event {
    pid_t pid;
    struct task *task; /* the thread that it happens to, which is stopped */
    siginfo_t info;    /* si_signo 0: an exit */
    int exit_status;
    enum crash_handler handler;
    siginfo_t first; /* the signal of the handler */
    bool unseen; /* the kernel has let no stop happen (seccomp): the signal is known by the thread's end only
                  */
};

/* How it went. */
struct crash_outcome {
    char *folder;   /* of the report, fresh, NULL when there is none */
    uint64_t count; /* of crashes like this one: 1 when this is the first */
    char *summary;  /* what happened, in one line; fresh */
    char *problem;  /* why there is no core, or what else is missing; fresh, or NULL */
};
void crash_outcome_deinit(struct crash_outcome *outcome);

/* Capture. halt holds the process's stopped threads, that of the event among them. An error is reel's own
 * (nothing can be written there); the process is not to blame and is as it was. */
struct error *crash_capture(const struct crash_options *options, const struct crash_event *event,
                            const struct halt *halt, struct crash_outcome *ret);

#endif
