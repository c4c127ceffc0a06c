#include "tracer/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Room is given back when so many bytes have been taken. */
#define GIVE_BACK (AGENT_RING_SIZE / 8)

/* ---- the file ---- */

static struct error *map_blocks(struct ring_pool *pool) {
    if (ftruncate(pool->fd, (off_t)RING_FILE_SIZE))
        return error_system(errno, "probes: memory for rings");
    void *blocks = mmap(NULL, RING_BLOCKS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, pool->fd, 0);
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
        munmap(pool->blocks, RING_BLOCKS_SIZE);
    close(pool->fd);
    free(pool);
}

uint64_t ring_offset(unsigned slot) {
    return RING_BLOCKS_SIZE + (uint64_t)slot * AGENT_RING_SIZE;
}

uint64_t ring_block_offset(unsigned slot) {
    return (uint64_t)slot * AGENT_BLOCK_SIZE;
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
    ring_reset(ring);
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

static uint8_t *at_tail(const struct ring *ring) {
    return ring->bytes + ring->tail % AGENT_RING_SIZE;
}

const uint8_t *ring_peek(struct ring *ring, bool *ret_begun) {
    *ret_begun = false;
    if (!ring_used(ring))
        return NULL;
    const uint8_t *record = at_tail(ring);
    if (__atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE))
        return record;
    *ret_begun = true;
    return NULL;
}

void ring_give_back(struct ring *ring) {
    __atomic_fetch_add(&ring->block->beat, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&ring->block->limit, ring->tail + AGENT_RING_SIZE - AGENT_SLACK, __ATOMIC_RELEASE);
}

void ring_take(struct ring *ring, uint32_t size) {
    memset(at_tail(ring), 0, size);
    ring->tail += size;
    if (ring->tail + AGENT_RING_SIZE - AGENT_SLACK - ring->block->limit >= GIVE_BACK)
        ring_give_back(ring);
}

void ring_reset(struct ring *ring) {
    uint64_t used = ring_used(ring);
    memset(ring->bytes, 0, AGENT_RING_SIZE);
    ring->tail += used;
    ring_give_back(ring);
}
