/* replay_sysbuf: system calls that are answered in the puppet itself, without a stop. Private to
 * replay/replay*.c; the twin of record_sysbuf.h.
 *
 * The puppet gets the same blob, and its call sites the same patches, whether or not the recording was made
 * so: a log does not tell. Events that are nothing but an answer are put into the ring ahead; the hook
 * compares each call with the next one and answers it. A call that comes from a place that is not patched, or
 * differs, stops as ever, and is dealt with (or told of) as ever.
 *
 * For recordings with threads or points, and where somebody looks at each event, all of this does nothing. */
#ifndef REEL_REPLAY_REPLAY_SYSBUF_H
#define REEL_REPLAY_REPLAY_SYSBUF_H

#include "replay/replayer_state.h"

/* A segment begins in a fresh puppet, or the replay ends. */
void replay_sysbuf_reset(struct replayer *replayer);

/* May the event wait in the ring? *ret_taken: it does, and nothing more is to be done about it. */
struct error *replay_sysbuf_take(struct replayer *replayer, const struct event *event, bool *ret_taken);
/* Run the puppet until all that waits has happened. `next`, or NULL, is the event that follows: when that is
 * one to which the puppet runs by itself, it may be there already, and replay_run() gives that stop. */
struct error *replay_sysbuf_finish(struct replayer *replayer, const struct event *next);
/* The event has happened by a stop: its place may be worth a patch. */
struct error *replay_sysbuf_met(struct replayer *replayer, const struct event *event);

/* The puppet is resumed with replayer->regs, or has stopped with them. */
struct error *replay_sysbuf_resume(struct replayer *replayer);
struct error *replay_sysbuf_stopped(struct replayer *replayer);

/* The puppet's memory in [address, address + size) is going to change otherwise than by the program. */
struct error *replay_sysbuf_shape(struct replayer *replayer, uint64_t address, uint64_t size);
/* The end of what an image of the puppet leaves out, from PUPPET_STUB. */
uint64_t replay_sysbuf_end(const struct replayer *replayer);

#endif
