/* intern: gives each different string of bytes a number, from 0 on in the order in which they came. */
#ifndef REEL_TRACE_INTERN_H
#define REEL_TRACE_INTERN_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* A zeroed struct is empty. */
struct intern {
    struct intern_row {
        char *bytes; /* with a NUL behind them, owned */
        size_t size;
        uint64_t hash;
    } * rows;
    uint32_t count, room;
    uint32_t *slots; /* open addressing; number + 1, or 0 */
    uint32_t slot_count;
};

void intern_deinit(struct intern *intern);

/* The number of these bytes, new or known. ERROR_NO_MEMORY. */
struct error *intern_add(struct intern *intern, const void *bytes, size_t size, uint32_t *ret);

#endif
