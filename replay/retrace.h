/* retrace: traces the program of a recording while it is replayed. The host of tracer/calltrace.h for the
 * puppet. */
#ifndef REEL_REPLAY_RETRACE_H
#define REEL_REPLAY_RETRACE_H

#include "base/error.h"
#include "config/option.h"

/* Replay the recording at path, without showing its output again, and trace it. *ret_status is what the
 * recorded program exited with, as for replayer_run(). */
struct error *retrace_run(const char *path, const struct trace_options *options, int *ret_status);

#endif
