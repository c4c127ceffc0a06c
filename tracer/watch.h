/* watch: processes that run as they would alone until one of them crashes; then tracer/crash.h keeps what can
 * be known. No probes, no stops at system calls: a watched process stops for signals, for new threads and
 * processes, for exec and for ends, each time for as long as it takes to say "go on".
 *
 * Nothing in a watched process depends on reel. Attaching stops nobody. Leaving is nothing but ending: the
 * kernel lets the processes go as they are, and should reel be killed in the middle of anything, the same
 * happens, and a signal that was on its way is delivered (engine_peek()). */
#ifndef REEL_TRACER_WATCH_H
#define REEL_TRACER_WATCH_H

#include "tracer/crash.h"

struct watch_options {
    struct crash_options crash;
    char **argv;             /* the program to launch; or */
    pid_t pid;               /* the process to attach to */
    bool no_follow;          /* not the processes that it makes */
    bool exit_statuses[256]; /* that count as crashes */
    /* Stop at ends, always: for exit_statuses; and to see what a filter of system calls kills that a program
     * has installed itself. Programs that begin with a filter are stopped at their ends anyway. */
    bool exits;
};

/* Watch until all of the processes have ended, or, one that was attached to, until a signal asks reel to
 * stop. *ret_status: as the program exited, 128 + N when signal N killed it; of one that was attached to 0.
 * What fails about a report is said and no error. */
struct error *watch_run(const struct watch_options *options, int *ret_status);

#endif
