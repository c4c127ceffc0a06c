#include "trace/intern.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { FIRST_ROOM = 64, COUNT_MAX = 1 << 28 };

void intern_deinit(struct intern *intern) {
    for (uint32_t i = 0; i < intern->count; i++)
        free(intern->rows[i].bytes);
    free(intern->rows);
    free(intern->slots);
    memset(intern, 0, sizeof(*intern));
}

/* The slot where the bytes are, or where they would go. There is always an empty one. */
static uint32_t *find(const struct intern *intern, const void *bytes, size_t size, uint64_t hash) {
    for (uint32_t at = (uint32_t)hash & (intern->slot_count - 1);; at = (at + 1) & (intern->slot_count - 1)) {
        uint32_t *slot = &intern->slots[at];
        if (!*slot)
            return slot;
        const struct intern_row *row = &intern->rows[*slot - 1];
        if (row->hash == hash && row->size == size && !memcmp(row->bytes, bytes, size))
            return slot;
    }
}

/* Twice the rows, and twice as many slots as rows. */
static struct error *grow(struct intern *intern) {
    uint32_t room = intern->room ? intern->room * 2 : FIRST_ROOM;
    if (room > COUNT_MAX)
        return &error_no_memory;
    struct intern_row *rows = realloc(intern->rows, room * sizeof(*rows));
    if (!rows)
        return &error_no_memory;
    intern->rows = rows;
    uint32_t *slots = calloc(2 * (size_t)room, sizeof(*slots));
    if (!slots)
        return &error_no_memory;
    free(intern->slots);
    intern->slots = slots;
    intern->slot_count = 2 * room;
    intern->room = room;
    for (uint32_t i = 0; i < intern->count; i++)
        *find(intern, rows[i].bytes, rows[i].size, rows[i].hash) = i + 1;
    return NULL;
}

struct error *intern_add(struct intern *intern, const void *bytes, size_t size, uint32_t *ret) {
    uint64_t hash = XXH3_64bits(bytes, size);
    if (intern->count == intern->room)
        TRY(grow(intern));
    uint32_t *slot = find(intern, bytes, size, hash);
    if (!*slot) {
        char *copy = malloc(size + 1);
        if (!copy)
            return &error_no_memory;
        memcpy(copy, bytes, size);
        copy[size] = 0;
        intern->rows[intern->count] = (struct intern_row){copy, size, hash};
        *slot = ++intern->count;
        /* cppcheck-suppress memleak ; the copy is the table's now */
    }
    *ret = *slot - 1;
    return NULL;
}
