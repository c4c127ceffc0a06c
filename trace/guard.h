/* guard: a small process of its own that repairs a trace when reel is killed while it writes to it.
 *
 * A write(2) of several pages that is hit by SIGKILL stops between two of them. The tail that closed the file
 * is then overwritten and the new one is not there. Nothing in the dying process can help, so somebody else
 * must: a process that waits for the end of a pipe, which comes when reel has ended in whatever way, and then
 * puts the last tail that was complete back to where it belonged. In an ordinary end it finds nothing to do.
 *
 * It is nobody's child (init's), has a session of its own, blocks all signals, holds no descriptor but the
 * file and the pipe, and no signal tells of its end. The pages of reel that it shares with it are copied when
 * reel changes them: so it is made before reel has grown large. */
#ifndef REEL_TRACE_GUARD_H
#define REEL_TRACE_GUARD_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { GUARD_TAIL_MAX = 1 << 20 }; /* longer tails cannot be put back: then the guard does nothing */

struct guard;

/* Watch over the file, a regular one that is open for writing. */
struct error *guard_create(int fd, struct guard **ret);

/* The file is whole with this tail at this offset. What is told is seen by the guard in whole or not at all.
 */
void guard_tell(struct guard *guard, uint64_t offset, const void *tail, size_t size);

/* The file needs no guard any more. NULL is fine. */
void guard_destroy(struct guard *guard);

#endif
