/* plan: what to note at a site, as plain data.
 *
 * A plan is made once for a site (from location expressions, at a fixed address) and executed at each hit:
 * today by plan_run() on a stopped task, later by the agent inside the process. So it names no DWARF and no
 * pointers of the tracer: registers, offsets, sizes. What cannot be said like that is PLAN_ASK: only the
 * tracer can do it, and does so at the stop.
 *
 * What comes out is one piece of bytes for each item, in order. */
#ifndef REEL_TRACER_PLAN_H
#define REEL_TRACER_PLAN_H

#include "base/error.h"
#include "base/memory.h"
#include "dwarf/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum plan_operation {
    PLAN_REGISTER, /* the lowest `size` bytes of DWARF register `reg` */
    PLAN_MEMORY,   /* `size` bytes at register `reg` + `offset` */
    PLAN_ABSOLUTE, /* `size` bytes at the address as linked `offset` + bias */
    PLAN_CONSTANT, /* `size` bytes that are always the same: value */
    PLAN_NOTHING,  /* the item has no value here (optimized out) */
    PLAN_ASK,      /* by the tracer: plan_ask() */
    PLAN_END,
};

struct plan_step {
    enum plan_operation operation;
    uint32_t item; /* which item this is (a part of): several steps may follow each other */
    unsigned reg;
    int64_t offset;
    uint32_t size;     /* bytes */
    uint8_t value[16]; /* PLAN_CONSTANT */
};

/* Values larger than this are noted as far as this. */
#define PLAN_VALUE_MOST 65536u

struct plan {
    struct plan_step *steps; /* the last one is PLAN_END */
    size_t count;
};

struct error *plan_add(struct plan *plan, const struct plan_step *step);
void plan_deinit(struct plan *plan);

enum plan_state {
    NOTE_OK,
    NOTE_OPTIMIZED_OUT,
    NOTE_UNREADABLE,
    NOTE_NOT_ALLOCATED, /* thread-local, and the thread has not used it yet */
};

/* The value of one item. */
struct plan_note {
    uint32_t item;
    enum plan_state state;
    size_t offset, size; /* in the bytes of struct plan_notes */
};

/* What was noted; reused from hit to hit. A zeroed struct is empty. */
struct plan_notes {
    struct plan_note *notes;
    size_t count, room;
    uint8_t *bytes;
    size_t size, bytes_room;
};

void plan_notes_deinit(struct plan_notes *notes);

/* What plan_run() works on. */
struct plan_target {
    const struct frame_registers *registers;
    const struct memory_reader *memory;
    uint64_t bias;
    /* PLAN_ASK: put size bytes of the item to ret. */
    enum plan_state (*ask)(void *context, uint32_t item, void *ret, size_t size);
    void *context;
};

struct error *plan_run(const struct plan *plan, const struct plan_target *target, struct plan_notes *ret);

#endif
