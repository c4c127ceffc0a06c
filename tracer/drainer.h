/* drainer: a thread of reel's that deals with what jump probes have noted, while the program runs.
 *
 * All of calltrace.h is used by one thread at a time: whoever holds the lock. The thread that deals with
 * stops takes it around each of them, and has precedence. */
#ifndef REEL_TRACER_DRAINER_H
#define REEL_TRACER_DRAINER_H

#include "tracer/calltrace.h"

struct drainer;

struct error *drainer_create(struct calltrace *calltrace, struct drainer **ret);
/* Stop and free it; the error is what it met, told once. NULL is fine. */
struct error *drainer_destroy(struct drainer *drainer);

/* NULL is fine for both. */
void drainer_lock(struct drainer *drainer);
void drainer_unlock(struct drainer *drainer);

/* What it has met, the caller's; it goes on all the same. Under the lock. */
struct error *drainer_error(struct drainer *drainer);

#endif
