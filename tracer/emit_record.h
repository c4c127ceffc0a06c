/* emit_record: machine code that writes one record to the ring of the task that executes it.
 *
 * Position independent; it leaves by its end, with all registers, flags and memory as they were, but for what
 * `place` says is not needed. It uses three words of stack below the red zone, more where it calls the agent.
 * Without GS base of ours (a program that has set its own), with a full ring and no patience, it writes
 * nothing. */
#ifndef REEL_TRACER_EMIT_RECORD_H
#define REEL_TRACER_EMIT_RECORD_H

#include "base/buffer.h"
#include "tracer/record_layout.h"

struct emit_place {
    bool flags_are_dead, red_zone_is_dead;
};

/* id is not 0. Precondition: record_layout_place(). */
void emit_record(const struct record_layout *layout, uint32_t id, const struct emit_place *place,
                 struct buffer *code);

#endif
