/* record_view: a record of a ring read as what a stopped task would show: registers and memory.
 *
 * Only what the record's layout noted is there. Whatever else is asked for is a mistake of who made the
 * layout, and is counted: such a record must not be taken for the truth. */
#ifndef REEL_TRACER_RECORD_VIEW_H
#define REEL_TRACER_RECORD_VIEW_H

#include "base/memory.h"
#include "dwarf/frame.h"
#include "tracer/record_layout.h"

/* An area as fxsave writes it. */
#define RECORD_XSTATE_SIZE 512

struct record_view {
    const struct record_layout *layout;
    const uint8_t *record;
    struct frame_registers registers; /* rip is unknown; the caller may set it */
    struct memory_reader memory;
    struct frame_log log; /* registers that were asked for */
    unsigned missed;      /* reads of memory that was not noted */
    uint8_t xstate[RECORD_XSTATE_SIZE];
};

/* The record must outlive the view, which must stay where it is. */
void record_view_init(struct record_view *view, const struct record_layout *layout, const uint8_t *record);

/* Was something asked for that is not in the record? */
bool record_view_is_incomplete(const struct record_view *view);

uint64_t record_view_time(const struct record_view *view);

#endif
