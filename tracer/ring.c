#include "tracer/ring.h"

#include "tracer/backlog.h"
#include "tracer/ring_mover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Room is given back when so many bytes have been taken. */
#define GIVE_BACK (AGENT_RING_SIZE / 8)
/* Is moved to the backlog at a time. */
#define PIECE 65536u

/* ---- the file ---- */

static struct error *map_blocks(struct ring_pool *pool) {
    if (ftruncate(pool->fd, (off_t)RING_FILE_SIZE))
        return error_system(errno, "probes: memory for rings");
    void *blocks = mmap(NULL, RING_START, PROT_READ | PROT_WRITE, MAP_SHARED, pool->fd, 0);
    if (blocks == MAP_FAILED)
        return error_system(errno, "probes: mapping rings");
    pool->blocks = blocks;
    return NULL;
}

struct error *ring_pool_create(int fd, struct ring_pool **ret) {
    struct ring_pool *pool = calloc(1, sizeof(*pool));
    if (!pool) {
        close(fd);
        return &error_no_memory;
    }
    pool->fd = fd;
    pool->users = 1;
    struct error *err = map_blocks(pool);
    if (err) {
        ring_pool_release(pool);
        return err;
    }
    *ret = pool;
    return NULL;
}

struct ring_pool *ring_pool_share(struct ring_pool *pool) {
    pool->users++;
    return pool;
}

void ring_pool_release(struct ring_pool *pool) {
    if (!pool || --pool->users)
        return;
    if (pool->blocks)
        munmap(pool->blocks, RING_START);
    close(pool->fd);
    free(pool);
}

uint64_t ring_offset(unsigned slot) {
    return RING_START + (uint64_t)slot * AGENT_RING_SIZE;
}

uint64_t ring_block_offset(unsigned slot) {
    return (uint64_t)slot * AGENT_BLOCK_SIZE;
}

uint64_t ring_frames_offset(unsigned slot) {
    return RING_FRAMES + slot * RING_FRAMES_SIZE;
}

uint64_t *ring_frames(const struct ring_pool *pool, unsigned slot) {
    return (uint64_t *)(void *)((uint8_t *)pool->blocks + ring_frames_offset(slot));
}

uint64_t *ring_counters(const struct ring_pool *pool) {
    return (uint64_t *)(void *)((uint8_t *)pool->blocks + RING_COUNTERS);
}

/* ---- one ring ---- */

static struct error *map_twice(int fd, uint64_t offset, uint8_t **ret) {
    uint8_t *bytes = mmap(NULL, 2ull * AGENT_RING_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return error_system(errno, "probes: mapping a ring");
    for (unsigned i = 0; i < 2; i++)
        if (mmap(bytes + (size_t)i * AGENT_RING_SIZE, AGENT_RING_SIZE, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED, fd, (off_t)offset) == MAP_FAILED) {
            int errnum = errno;
            munmap(bytes, 2ull * AGENT_RING_SIZE);
            return error_system(errnum, "probes: mapping a ring");
        }
    *ret = bytes;
    return NULL;
}

struct error *ring_open(struct ring_pool *pool, struct ring *ret) {
    unsigned slot = 0;
    while (slot < RING_SLOTS && pool->used[slot])
        slot++;
    if (slot == RING_SLOTS)
        return error_new(ERROR_LIMIT, "probes: more than %u threads at a time", RING_SLOTS);
    struct ring ring = {.pool = pool, .slot = slot, .block = &pool->blocks[slot]};
    TRY(map_twice(pool->fd, ring_offset(slot), &ring.bytes));
    pool->used[slot] = true;
    *ring.block =
        (struct agent_block){.limit = AGENT_RING_SIZE - AGENT_SLACK, .check = AGENT_MAGIC, .beat = 1};
    *ret = ring;
    return NULL;
}

void ring_close(struct ring *ring) {
    if (!ring->block)
        return;
    if (ring->mover)
        ring_mover_remove(ring->mover, ring);
    ring_reset(ring);
    free(ring->backlog);
    munmap(ring->bytes, 2ull * AGENT_RING_SIZE);
    ring->block->check = 0;
    ring->pool->used[ring->slot] = false;
    *ring = (struct ring){0};
}

static uint64_t head_of(const struct ring *ring) {
    return __atomic_load_n(&ring->block->head, __ATOMIC_ACQUIRE);
}

uint64_t ring_used(const struct ring *ring) {
    return ring->block ? head_of(ring) - ring->tail : 0;
}

static uint8_t *at(const struct ring *ring, uint64_t offset) {
    return ring->bytes + offset % AGENT_RING_SIZE;
}

static void allow(struct ring *ring, uint64_t taken) {
    __atomic_fetch_add(&ring->block->beat, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&ring->block->limit, taken + AGENT_RING_SIZE - AGENT_SLACK, __ATOMIC_RELEASE);
}

/* ---- moving to the backlog ---- */

/* Bytes of the record that begins there; 0: it is not finished, or none. */
static uint64_t record_size(struct ring *ring, uint64_t offset, uint64_t used) {
    uint64_t word = __atomic_load_n((const uint64_t *)(const void *)at(ring, offset), __ATOMIC_ACQUIRE);
    uint64_t size = word >> 32;
    if (!(uint32_t)word)
        return 0;
    ring->is_broken = size < AGENT_RECORD_DATA || size % 8 || size > AGENT_RECORD_MOST || size > used;
    return ring->is_broken ? 0 : size;
}

/* Finished records at the front, no more than fit in one piece. */
static uint64_t finished(struct ring *ring, uint64_t used, uint64_t most) {
    uint64_t done = 0, size;
    while (done < used && (size = record_size(ring, ring->moved + done, used - done)) && done + size <= most)
        done += size;
    return done;
}

static bool move_piece(struct ring *ring, uint64_t size) {
    if (!size || !backlog_put(ring->backlog, ring_mover_spares(ring->mover), at(ring, ring->moved), size))
        return false;
    memset(at(ring, ring->moved), 0, size);
    ring->moved += size;
    ring_mover_count(ring->mover, (int64_t)size);
    return true;
}

uint64_t ring_move(struct ring *ring) {
    uint64_t used = head_of(ring) - ring->moved, done = 0, size;
    if (used > AGENT_RING_SIZE) { /* the program has written to the block */
        ring->is_broken = true;
        used = 0;
    }
    do {
        uint64_t room = ring->is_unbound ? PIECE : ring_mover_room(ring->mover);
        size = finished(ring, used - done, room < PIECE ? room : PIECE);
        done += size;
    } while (move_piece(ring, size));
    allow(ring, ring->moved);
    return done;
}

void ring_set_unbound(struct ring *ring, bool is_unbound) {
    if (!ring->backlog)
        return;
    ring_mover_lock(ring->mover);
    ring->is_unbound = is_unbound;
    ring_move(ring);
    ring_mover_unlock(ring->mover);
}

static const uint8_t *peek_backlog(struct ring *ring, bool *ret_begun) {
    const uint8_t *first = backlog_first(ring->backlog);
    if (first)
        return first;
    ring_mover_lock(ring->mover);
    backlog_tidy(ring->backlog, ring_mover_spares(ring->mover));
    if (!(first = backlog_first(ring->backlog))) {
        ring_move(ring);
        first = backlog_first(ring->backlog);
    }
    ring_mover_unlock(ring->mover);
    *ret_begun = !first && ring_used(ring) && !ring->is_broken;
    return first;
}

/* ---- taking ---- */

const uint8_t *ring_peek(struct ring *ring, bool *ret_begun) {
    *ret_begun = false;
    if (!ring_used(ring))
        return NULL;
    if (ring->backlog)
        return peek_backlog(ring, ret_begun);
    const uint8_t *record = at(ring, ring->tail);
    if (__atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE))
        return record;
    *ret_begun = true;
    return NULL;
}

void ring_give_back(struct ring *ring) {
    if (!ring->backlog) /* else it is the mover's to say */
        allow(ring, ring->tail);
}

void ring_take(struct ring *ring, uint32_t size) {
    ring->tail += size;
    if (ring->backlog) {
        backlog_take(ring->backlog, size);
        ring_mover_count(ring->mover, -(int64_t)size);
        return;
    }
    memset(at(ring, ring->tail - size), 0, size);
    if (ring->tail + AGENT_RING_SIZE - AGENT_SLACK - ring->block->limit >= GIVE_BACK)
        ring_give_back(ring);
}

void ring_reset(struct ring *ring) {
    if (ring->mover)
        ring_mover_lock(ring->mover);
    if (ring->backlog) {
        ring_mover_count(ring->mover, -(int64_t)(ring->moved - ring->tail));
        backlog_clear(ring->backlog, ring_mover_spares(ring->mover));
    }
    ring->tail = ring->moved = head_of(ring);
    ring->is_broken = false;
    memset(ring->bytes, 0, AGENT_RING_SIZE);
    allow(ring, ring->tail);
    if (ring->mover)
        ring_mover_unlock(ring->mover);
}
