/* table: finds what belongs to a number, such as a thread to its tid, however many there are. */
#ifndef REEL_BASE_TABLE_H
#define REEL_BASE_TABLE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct table_slot {
    uint32_t id; /* 0: empty */
    void *value;
};

/* Open addressing with linear probing; a zeroed struct is an empty table. It owns no values. */
struct table {
    struct table_slot *slots;
    size_t room, count; /* room is a power of two */
};

void table_deinit(struct table *table);

/* The value of id, or NULL. id 0 has none. */
void *table_find(const struct table *table, uint32_t id);

/* id (not 0) now has this value (not NULL). */
struct error *table_put(struct table *table, uint32_t id, void *value);

/* id has no value any more; it need not have had one. */
void table_remove(struct table *table, uint32_t id);

#endif
