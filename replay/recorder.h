/* recorder: runs a program and writes down all that it cannot compute for itself.
 *
 * The twin of replay/replayer.h; record_syscall.c, record_signal.c and record_map.c stand beside their
 * counterparts replay_syscall.c and replay_event.c. */
#ifndef REEL_REPLAY_RECORDER_H
#define REEL_REPLAY_RECORDER_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct recorder_options {
    const char *output; /* directory to make, or NULL: PROGRAM-PID.reel in the current folder */
    uint64_t max_size;  /* bytes of the recording, 0: no limit */
    bool serial;        /* all processes share one processor */
    bool buffer;        /* calls may do without stops */
    bool chaos;         /* vary the schedule, from chaos_seed */
    uint64_t chaos_seed;
    bool check_memory; /* keep all writable memory at the end of each segment */
    char *const *argv; /* NULL-terminated */
};

/* Record argv until it and all its descendants have ended. *ret_status is what reel exits with: the program's
 * status, or 128 + its signal. An error means that nothing was run, or that the engine failed; a recording
 * that had to end early while the program ran on to its end is no error (it says so on stderr and in
 * recording.json). */
struct error *recorder_run(const struct recorder_options *options, int *ret_status);

#endif
