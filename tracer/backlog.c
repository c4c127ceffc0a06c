#include "tracer/backlog.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SPARES_MOST 16
#define PAGE        4096u

struct backlog_chunk {
    struct backlog_chunk *next;
    uint8_t *bytes;
    uint64_t used;
};

/* ---- chunks ---- */

static uint8_t *map_aligned(void) {
    uint8_t *bytes = mmap(NULL, 2 * BACKLOG_CHUNK, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED)
        return NULL;
    uint64_t before = -(uint64_t)(uintptr_t)bytes % BACKLOG_CHUNK;
    if (before)
        munmap(bytes, before);
    munmap(bytes + before + BACKLOG_CHUNK, BACKLOG_CHUNK - before);
    madvise(bytes + before, BACKLOG_CHUNK, MADV_HUGEPAGE);
    return bytes + before;
}

static struct backlog_chunk *chunk_create(void) {
    struct backlog_chunk *chunk = calloc(1, sizeof(*chunk));
    if (chunk && !(chunk->bytes = map_aligned())) {
        free(chunk);
        return NULL;
    }
    return chunk;
}

static void chunk_destroy(struct backlog_chunk *chunk) {
    munmap(chunk->bytes, BACKLOG_CHUNK);
    free(chunk);
}

void backlog_spares_add(struct backlog_spares *spares, struct backlog_chunk *chunk) {
    if (spares->count >= SPARES_MOST) {
        chunk_destroy(chunk);
        return;
    }
    chunk->next = spares->first;
    spares->first = chunk;
    spares->count++;
}

static struct backlog_chunk *get(struct backlog_spares *spares) {
    struct backlog_chunk *chunk = spares->first;
    if (!chunk)
        return chunk_create();
    spares->first = chunk->next;
    spares->count--;
    chunk->next = NULL;
    chunk->used = 0;
    return chunk;
}

struct backlog_chunk *backlog_chunk_create(void) {
    struct backlog_chunk *chunk = chunk_create();
    for (uint64_t at = 0; chunk && at < BACKLOG_CHUNK; at += PAGE)
        ((volatile uint8_t *)chunk->bytes)[at] = 0;
    return chunk;
}

void backlog_spares_deinit(struct backlog_spares *spares) {
    for (struct backlog_chunk *chunk = spares->first, *next; chunk; chunk = next) {
        next = chunk->next;
        chunk_destroy(chunk);
    }
    *spares = (struct backlog_spares){0};
}

/* ---- the queue ---- */

static bool add_chunk(struct backlog *backlog, struct backlog_spares *spares) {
    struct backlog_chunk *chunk = get(spares);
    if (!chunk)
        return false;
    if (backlog->last)
        __atomic_store_n(&backlog->last->next, chunk, __ATOMIC_RELEASE);
    else
        __atomic_store_n(&backlog->first, chunk, __ATOMIC_RELEASE);
    backlog->last = chunk;
    return true;
}

bool backlog_put(struct backlog *backlog, struct backlog_spares *spares, const void *bytes, size_t size) {
    if ((!backlog->last || BACKLOG_CHUNK - backlog->last->used < size) && !add_chunk(backlog, spares))
        return false;
    struct backlog_chunk *chunk = backlog->last;
    memcpy(chunk->bytes + chunk->used, bytes, size);
    __atomic_store_n(&chunk->used, chunk->used + size, __ATOMIC_RELEASE);
    return true;
}

const uint8_t *backlog_first(const struct backlog *backlog) {
    const struct backlog_chunk *chunk = __atomic_load_n(&backlog->first, __ATOMIC_ACQUIRE);
    bool has_some = chunk && backlog->at < __atomic_load_n(&chunk->used, __ATOMIC_ACQUIRE);
    return has_some ? chunk->bytes + backlog->at : NULL;
}

void backlog_take(struct backlog *backlog, size_t size) {
    backlog->at += size;
}

void backlog_tidy(struct backlog *backlog, struct backlog_spares *spares) {
    while (backlog->first && backlog->first->next && backlog->at >= backlog->first->used) {
        struct backlog_chunk *chunk = backlog->first;
        backlog->first = chunk->next;
        backlog->at = 0;
        backlog_spares_add(spares, chunk);
    }
    if (backlog->first && backlog->at == backlog->first->used) /* the same pages again */
        backlog->at = backlog->first->used = 0;
}

void backlog_clear(struct backlog *backlog, struct backlog_spares *spares) {
    for (struct backlog_chunk *chunk = backlog->first, *next; chunk; chunk = next) {
        next = chunk->next;
        backlog_spares_add(spares, chunk);
    }
    *backlog = (struct backlog){0};
}
