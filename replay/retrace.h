/* retrace: traces the program of a recording while it is replayed. The host of tracer/calltrace.h for the
 * puppet. */
#ifndef REEL_REPLAY_RETRACE_H
#define REEL_REPLAY_RETRACE_H

#include "base/error.h"
#include "config/option.h"

/* Replay one process of the recording at path, without showing its output again, and trace it. *ret_status is
 * what it exited with, as for replayer_run(). */
struct error *retrace_run(const char *path, uint32_t domain, const struct trace_options *options,
                          int *ret_status);

/* All of them, one after the other, each into a file of its own. *ret_status is that of the first. */
struct error *retrace_run_all(const char *path, const struct trace_options *options, int *ret_status);

#endif
