/* backlog: a queue of records, in reel's own memory, between one thread that puts and one that takes.
 *
 * It is a list of chunks of memory; what was put in one piece lies in one piece. Chunks are large pages where
 * the kernel has them, and are used again: a page fault costs as much as a hundred records. Neither function
 * locks anything: those that say so are called under a lock that all users of the chunks share. */
#ifndef REEL_TRACER_BACKLOG_H
#define REEL_TRACER_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BACKLOG_CHUNK (UINT64_C(2) << 20) /* bytes: a large page */

struct backlog_chunk;

/* Chunks that are in no use. Zeroed: none. */
struct backlog_spares {
    struct backlog_chunk *first;
    unsigned count;
};

/* One whose pages are there, which takes a while; NULL: no memory. Without the lock. */
struct backlog_chunk *backlog_chunk_create(void);
/* It is one of them. Under the lock. */
void backlog_spares_add(struct backlog_spares *spares, struct backlog_chunk *chunk);
void backlog_spares_deinit(struct backlog_spares *spares);

struct backlog {
    struct backlog_chunk *first, *last; /* NULL: nothing was put yet */
    uint64_t at;                        /* bytes of `first` that were taken */
};

/* size: at most BACKLOG_CHUNK. False: no memory. Under the lock. */
bool backlog_put(struct backlog *backlog, struct backlog_spares *spares, const void *bytes, size_t size);
/* What is to be taken next, or NULL: nothing, or backlog_tidy() has to lead on first. */
const uint8_t *backlog_first(const struct backlog *backlog);
/* The first `size` bytes of that are done with. */
void backlog_take(struct backlog *backlog, size_t size);
/* Chunks that are done with become spares. Under the lock, by the thread that takes. */
void backlog_tidy(struct backlog *backlog, struct backlog_spares *spares);
/* Forget all. Under the lock, by the thread that takes. */
void backlog_clear(struct backlog *backlog, struct backlog_spares *spares);

#endif
