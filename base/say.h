/* say: reel's own words. They go to stderr, each line beginning with "reel: ", never to stdout. */
#ifndef REEL_BASE_SAY_H
#define REEL_BASE_SAY_H

#include "base/error.h"

enum say_level {
    SAY_QUIET,   /* failures only */
    SAY_NORMAL,  /* failures, warnings, and the line that says what came out */
    SAY_VERBOSE, /* what is being done */
};

/* Set once by cmd/ from --quiet and --verbose. */
extern enum say_level say_level;

/* Failures and what the user must know; printed even when quiet. */
void say_always(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ordinary news and warnings. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Details. */
void say_verbose(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print err as the one line `reel: WHAT: WHY (HINT)` and free it. NULL prints nothing. */
void say_error(struct error *err);

#endif
