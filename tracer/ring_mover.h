/* ring_mover: a thread of reel's that does nothing but move what is in rings to where there is more room,
 * until somebody gets round to looking at it. Looking at a record takes a thousand times as long as writing
 * one; a program that calls much for a while is so not kept waiting, and nothing of it is lost. */
#ifndef REEL_TRACER_RING_MOVER_H
#define REEL_TRACER_RING_MOVER_H

#include "tracer/ring.h"

struct ring_mover;

/* limit: bytes in all backlogs together. */
struct error *ring_mover_create(uint64_t limit, struct ring_mover **ret);
/* No ring has it any more. NULL is fine. */
void ring_mover_destroy(struct ring_mover *mover);

/* From now on the ring has a backlog, and must stay where it is until ring_close(). */
struct error *ring_mover_add(struct ring_mover *mover, struct ring *ring);

/* ---- for ring.c ---- */

/* Without the ring's backlog. */
void ring_mover_remove(struct ring_mover *mover, struct ring *ring);
/* Nothing is moved in between. */
void ring_mover_lock(struct ring_mover *mover);
void ring_mover_unlock(struct ring_mover *mover);
struct backlog_spares *ring_mover_spares(struct ring_mover *mover);
/* How many bytes more may wait. */
uint64_t ring_mover_room(const struct ring_mover *mover);
/* So many more, or fewer, wait. */
void ring_mover_count(struct ring_mover *mover, int64_t bytes);

#endif
