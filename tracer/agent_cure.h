/* agent_cure: what a reel that was killed has left in a process is taken out, so that another one can begin
 * anew.
 *
 * The jumps in the code are taken back (patch_recover()). Threads may still be in code that was emitted, and
 * signal handlers may return there, so that the agent's code and rings stay mapped, empty; the GS bases are
 * as they were once no thread is in there any more. */
#ifndef REEL_TRACER_AGENT_CURE_H
#define REEL_TRACER_AGENT_CURE_H

#include "tracer/attach.h"

/* After attach(), with its halt, which may hold other stops of the same threads afterwards. Nothing happens
 * to a process that has nothing of ours. *ret (may be NULL): how many places of the code were restored. */
struct error *agent_cure(struct engine *engine, pid_t pid, struct halt *halt, size_t *ret);

#endif
