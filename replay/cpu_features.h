/* cpu_features: what a processor can do that a program may go by.
 *
 * A replay executes the recorded program's own instructions, and what it was told of the processor (cpuid) is
 * in the recording. So a machine can replay what was recorded on one that could do no more. */
#ifndef REEL_REPLAY_CPU_FEATURES_H
#define REEL_REPLAY_CPU_FEATURES_H

#include "base/error.h"

/* Names of this machine's features, as /proc/cpuinfo has them, NULL-terminated and fresh (free with
 * recording_texts_free()); only those that the system lets programs use. NULL: no memory. */
char **cpu_features_here(void);

/* ERROR_UNSUPPORTED, with the names, when this machine lacks some of them, unless REEL_ANY_CPU=1 is in the
 * environment; names that are not known count as lacking. features may be NULL: nothing is known. `what`
 * names the recording. */
struct error *cpu_features_check(char *const *features, const char *what);

#endif
