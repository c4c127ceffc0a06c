#include "tracer/ring_mover.h"

#include "base/thread.h"
#include "tracer/backlog.h"

#include <stdlib.h>
#include <time.h>

/* Nanoseconds of sleep: longer each time when there was nothing. At its fastest a program fills a ring in
 * some 300 microseconds. */
#define SLEEP_LEAST  20000
#define SLEEP_MOST   300000
#define SPARES_LEAST 4 /* chunks */

struct ring_mover {
    pthread_t thread;
    pthread_mutex_t lock;
    uint64_t limit, used;
    struct backlog_spares spares;
    struct ring **rings;
    size_t count, room;
    bool has_thread, ends;
};

static uint64_t move_all(struct ring_mover *mover) {
    uint64_t moved = 0;
    pthread_mutex_lock(&mover->lock);
    for (size_t i = 0; i < mover->count; i++)
        moved += ring_move(mover->rings[i]);
    pthread_mutex_unlock(&mover->lock);
    return moved;
}

/* While there is nothing else to do, one at a time. */
static void provide_chunk(struct ring_mover *mover) {
    if (__atomic_load_n(&mover->spares.count, __ATOMIC_RELAXED) >= SPARES_LEAST)
        return;
    struct backlog_chunk *chunk = backlog_chunk_create();
    if (!chunk)
        return;
    pthread_mutex_lock(&mover->lock);
    backlog_spares_add(&mover->spares, chunk);
    pthread_mutex_unlock(&mover->lock);
}

static void *run(void *context) {
    struct ring_mover *mover = context;
    struct timespec sleep = {.tv_nsec = SLEEP_LEAST};
    thread_hurry();
    while (!__atomic_load_n(&mover->ends, __ATOMIC_ACQUIRE)) {
        uint64_t moved = move_all(mover);
        if (!moved)
            provide_chunk(mover);
        sleep.tv_nsec = moved ? SLEEP_LEAST : sleep.tv_nsec * 2 > SLEEP_MOST ? SLEEP_MOST : sleep.tv_nsec * 2;
        if (moved < AGENT_RING_SIZE / 4)
            nanosleep(&sleep, NULL);
    }
    return NULL;
}

struct error *ring_mover_create(uint64_t limit, struct ring_mover **ret) {
    struct ring_mover *mover = calloc(1, sizeof(*mover));
    if (!mover)
        return &error_no_memory;
    mover->limit = limit;
    pthread_mutex_init(&mover->lock, NULL);
    int errnum = thread_start(&mover->thread, run, mover);
    mover->has_thread = !errnum;
    if (errnum) {
        ring_mover_destroy(mover);
        return error_system(errnum, "a thread for the trace");
    }
    *ret = mover;
    return NULL;
}

void ring_mover_destroy(struct ring_mover *mover) {
    if (!mover)
        return;
    __atomic_store_n(&mover->ends, true, __ATOMIC_RELEASE);
    if (mover->has_thread)
        pthread_join(mover->thread, NULL);
    pthread_mutex_destroy(&mover->lock);
    backlog_spares_deinit(&mover->spares);
    free(mover->rings);
    free(mover);
}

static struct error *grow(struct ring_mover *mover) {
    if (mover->count < mover->room)
        return NULL;
    size_t room = mover->room ? 2 * mover->room : 16;
    struct ring **rings = reallocarray(mover->rings, room, sizeof(struct ring *));
    if (!rings)
        return &error_no_memory;
    mover->rings = rings;
    mover->room = room;
    return NULL;
}

struct error *ring_mover_add(struct ring_mover *mover, struct ring *ring) {
    if (!(ring->backlog = calloc(1, sizeof(*ring->backlog))))
        return &error_no_memory;
    pthread_mutex_lock(&mover->lock);
    struct error *err = grow(mover);
    if (!err) {
        ring->mover = mover;
        ring->moved = ring->tail;
        mover->rings[mover->count++] = ring;
    }
    pthread_mutex_unlock(&mover->lock);
    if (!err)
        return NULL;
    free(ring->backlog);
    ring->backlog = NULL;
    return err;
}

void ring_mover_remove(struct ring_mover *mover, struct ring *ring) {
    pthread_mutex_lock(&mover->lock);
    for (size_t i = 0; i < mover->count; i++)
        if (mover->rings[i] == ring) {
            mover->rings[i] = mover->rings[--mover->count];
            break;
        }
    pthread_mutex_unlock(&mover->lock);
}

void ring_mover_lock(struct ring_mover *mover) {
    pthread_mutex_lock(&mover->lock);
}

void ring_mover_unlock(struct ring_mover *mover) {
    pthread_mutex_unlock(&mover->lock);
}

struct backlog_spares *ring_mover_spares(struct ring_mover *mover) {
    return &mover->spares;
}

uint64_t ring_mover_room(const struct ring_mover *mover) {
    uint64_t used = __atomic_load_n(&mover->used, __ATOMIC_RELAXED);
    return used < mover->limit ? mover->limit - used : 0;
}

void ring_mover_count(struct ring_mover *mover, int64_t bytes) {
    __atomic_fetch_add(&mover->used, (uint64_t)bytes, __ATOMIC_RELAXED);
}
