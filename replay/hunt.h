/* hunt: record a program again and again until it shows the bug, and keep that recording.
 *
 * Each run is a process of its own, since a process has one recorder; what its outcome was is read from its
 * recording. Runs that did not show the bug are deleted. */
#ifndef REEL_REPLAY_HUNT_H
#define REEL_REPLAY_HUNT_H

#include "replay/recorder.h"

#include <regex.h>

/* What the hunt is for. */
enum hunt_prey {
    HUNT_CRASH, /* killed by a signal */
    HUNT_EXIT,  /* exited with a status other than 0, or with `status` */
    HUNT_HANG,  /* ran longer than the timeout, and was killed by the hunt */
    HUNT_TEXT,  /* a line of stdout or stderr matches */
};

struct hunt_goal {
    enum hunt_prey prey;
    int status;   /* HUNT_EXIT: the one; -1: any but 0 */
    int fd;       /* HUNT_TEXT: 1 or 2 */
    regex_t line; /* HUNT_TEXT; owned */
};

struct hunt_options {
    struct recorder_options record; /* output may be NULL: PROGRAM-hunt-PID.reel */
    const struct hunt_goal *goals;
    size_t goal_count;
    uint64_t runs;    /* at most; 0: no end */
    unsigned timeout; /* seconds a run; 0: none */
    bool show;        /* the program's output is shown, too */
};

/* Parse `crash`, `exit`, `exit=N`, `hang`, `stdout~REGEX` or `stderr~REGEX` (POSIX extended). ERROR_USAGE. */
struct error *hunt_goal_parse(const char *text, struct hunt_goal *ret);
void hunt_goal_deinit(struct hunt_goal *goal);

/* Hunt. *ret_found says whether a recording was kept; it tells on stderr which, and how it went. */
struct error *hunt_run(const struct hunt_options *options, bool *ret_found);

#endif
