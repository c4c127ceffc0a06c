#include "base/table.h"

#include <stdlib.h>
#include <string.h>

void table_deinit(struct table *table) {
    free(table->slots);
    memset(table, 0, sizeof(*table));
}

/* Where the probing for id begins (Fibonacci hashing). */
static size_t home(const struct table *table, uint32_t id) {
    return (size_t)(id * 0x9e3779b97f4a7c15ull >> 32) & (table->room - 1);
}

/* The slot of id, or the empty one where it would go. */
static size_t find_slot(const struct table *table, uint32_t id) {
    size_t i = home(table, id);
    while (table->slots[i].id && table->slots[i].id != id)
        i = (i + 1) & (table->room - 1);
    return i;
}

void *table_find(const struct table *table, uint32_t id) {
    return table->room && id ? table->slots[find_slot(table, id)].value : NULL;
}

static struct error *grow(struct table *table) {
    struct table grown = {.room = table->room ? table->room * 2 : 16, .count = table->count};
    grown.slots = calloc(grown.room, sizeof(*grown.slots));
    if (!grown.slots)
        return &error_no_memory;
    for (size_t i = 0; i < table->room; i++)
        if (table->slots[i].id)
            grown.slots[find_slot(&grown, table->slots[i].id)] = table->slots[i];
    free(table->slots);
    *table = grown;
    return NULL;
}

struct error *table_put(struct table *table, uint32_t id, void *value) {
    if (2 * (table->count + 1) > table->room)
        TRY(grow(table));
    struct table_slot *slot = &table->slots[find_slot(table, id)];
    table->count += slot->id == 0;
    *slot = (struct table_slot){.id = id, .value = value};
    return NULL;
}

/* What lies behind the removed slot, up to the next empty one, is put in anew where its probing would now
 * stop earlier. */
void table_remove(struct table *table, uint32_t id) {
    if (!table_find(table, id))
        return;
    size_t i = find_slot(table, id);
    table->slots[i] = (struct table_slot){0};
    table->count--;
    for (i = (i + 1) & (table->room - 1); table->slots[i].id; i = (i + 1) & (table->room - 1)) {
        struct table_slot moved = table->slots[i];
        table->slots[i] = (struct table_slot){0};
        table->slots[find_slot(table, moved.id)] = moved;
    }
}
