/* ring: reel's end of the rings that traced tasks write records to; tracer/agent/agent_abi.h says how.
 *
 * All rings of a family (a process and its forked children) are in one memory file: first the blocks of all
 * slots, then their frames, the counters of all, and the rings. Pages that nobody has touched cost nothing.
 */
#ifndef REEL_TRACER_RING_H
#define REEL_TRACER_RING_H

#include "base/error.h"
#include "tracer/agent/agent_abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tasks that can have a ring at a time. One slot more is for all others: it has no room ever. */
#define RING_SLOTS       256u
#define RING_SINK        RING_SLOTS
#define RING_BLOCKS_SIZE (((RING_SLOTS + 1) * AGENT_BLOCK_SIZE + 4095) & ~4095u)
#define RING_FRAMES      ((uint64_t)RING_BLOCKS_SIZE)
#define RING_FRAMES_SIZE ((uint64_t)AGENT_FRAMES_MOST * 8)
#define RING_COUNTERS    (RING_FRAMES + (RING_SLOTS + 1) * RING_FRAMES_SIZE)
#define RING_START       (RING_COUNTERS + AGENT_COUNTERS_MOST * 8)
#define RING_FILE_SIZE   (RING_START + (uint64_t)RING_SLOTS * AGENT_RING_SIZE)

struct backlog;
struct ring_mover;

struct ring_pool {
    int fd;
    struct agent_block *blocks;
    bool used[RING_SLOTS];
    unsigned users; /* processes */
};

/* Takes the descriptor over, which is that of an empty memory file; also on failure. */
struct error *ring_pool_create(int fd, struct ring_pool **ret);
/* One user more; the last to release it frees it. */
struct ring_pool *ring_pool_share(struct ring_pool *pool);
void ring_pool_release(struct ring_pool *pool);

/* Offset of a slot's ring, its block, and its frames, in the file. */
uint64_t ring_offset(unsigned slot);
uint64_t ring_block_offset(unsigned slot);
uint64_t ring_frames_offset(unsigned slot);
/* The frames of a slot and the counters of all, in reel's memory. */
uint64_t *ring_frames(const struct ring_pool *pool, unsigned slot);
uint64_t *ring_counters(const struct ring_pool *pool);

struct ring {
    struct ring_pool *pool; /* not owned */
    unsigned slot;
    struct agent_block *block; /* NULL: no ring */
    uint8_t *bytes;            /* mapped twice in a row */
    uint64_t tail;             /* bytes taken out since the beginning */
    uint64_t dropped;          /* as seen last */
    bool is_broken;            /* something is in it that is no record */
    /* With a backlog (ring_mover.h): */
    struct backlog *backlog; /* what was moved out of the ring, and not taken yet; NULL: none */
    struct ring_mover *mover;
    uint64_t moved;  /* bytes moved since the beginning */
    bool is_unbound; /* no limit counts */
};

/* A free slot, with an empty ring. The block's addresses (ring, full, text) are left for the caller to set.
 * ERROR_LIMIT when all are in use. */
struct error *ring_open(struct ring_pool *pool, struct ring *ret);
/* The slot is free again: no task may write to it any more. A zeroed one is fine. */
void ring_close(struct ring *ring);

/* The first record that was written, or NULL: there is none, or it is not finished (*ret_begun), or the ring
 * is_broken. Valid until ring_take(). */
const uint8_t *ring_peek(struct ring *ring, bool *ret_begun);
/* Done with a record of this size. Room is given back with ring_give_back(), or when a part of the ring has
 * become free. */
void ring_take(struct ring *ring, uint32_t size);
void ring_give_back(struct ring *ring);

/* Bytes reserved and not taken. */
uint64_t ring_used(const struct ring *ring);

/* Move finished records to the backlog, as many as there is room for, and tell the task that reel lives.
 * Under the mover's lock. Returns the bytes. */
uint64_t ring_move(struct ring *ring);

/* While it is so, the mover moves whatever comes: the task is being led out of the code of probes, and would
 * be found waiting for room each time it is looked at. Without a backlog nothing happens. */
void ring_set_unbound(struct ring *ring, bool is_unbound);

/* Leave out everything that is in it: after something that cannot be understood. */
void ring_reset(struct ring *ring);

#endif
