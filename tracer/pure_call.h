/* pure_call: what a small function returns, worked out without running it.
 *
 * For functions such as what() of an exception or __cxa_get_globals() in a process that is about to die:
 * plain moves, additions, comparisons with zero and with each other, calls and returns are imitated; what
 * they write is kept aside and the process never changes. Anything else ends it without a result. */
#ifndef REEL_TRACER_PURE_CALL_H
#define REEL_TRACER_PURE_CALL_H

#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>

struct pure_call {
    const struct memory_reader *memory;
    uint64_t argument; /* the first (rdi) */
    uint64_t stack;    /* an address for its stack, which need not be there */
    uint64_t fs_base;
    /* A function that is answered here: its argument and what it returns; false: it is none of these. */
    bool (*answer)(void *context, uint64_t function, uint64_t argument, uint64_t *ret);
    void *context;
};

/* The value of rax at its return; false when it cannot be told. */
bool pure_call(const struct pure_call *call, uint64_t function, uint64_t *ret);

#endif
