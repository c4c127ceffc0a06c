/* emit_record: machine code that writes one record to the ring of the task that executes it.
 *
 * Position independent; it leaves by its end, with all registers, flags and memory as they were, but for what
 * `place` says is not needed. It uses three words of stack below the red zone, more where it calls the agent.
 * Without GS base of ours (a program that has set its own), with a full ring and no patience, it writes
 * nothing.
 *
 * A puppet's way: not even memory below the stack may change, since the program of the recording may have
 * looked at what calls of old have left there. So all is saved in the block, of which there is one for all
 * threads (one runs at a time), at a fixed address; and where the agent would be called, an int3 stops the
 * puppet (emit_stop_at()). */
#ifndef REEL_TRACER_EMIT_RECORD_H
#define REEL_TRACER_EMIT_RECORD_H

#include "base/buffer.h"
#include "tracer/agent/agent_abi.h"
#include "tracer/record_layout.h"

/* Is it noted at all (tracer/agent/agent_mute.h)? */
enum emit_filter {
    EMIT_ALL,   /* it is; nothing is asked */
    EMIT_JUDGE, /* an entry: rule decides, or what is around it */
    EMIT_PASS,  /* what is around it decides */
    EMIT_LEAVE, /* the same, and the frame is left */
};

struct emit_place {
    enum emit_filter filter;       /* not for a puppet */
    const struct agent_rule *rule; /* EMIT_JUDGE; NULL: none. It becomes part of the code */
    bool flags_are_dead, red_zone_is_dead;
    uint32_t block; /* of a puppet: its address, below 2 GiB; 0: the task's GS base leads to its block */
};

/* What the int3 of a puppet's probe asks for. */
enum emit_stop {
    EMIT_STOP_NONE,
    EMIT_STOP_FULL, /* room in the ring; then it goes on */
    EMIT_STOP_TEXT, /* a string, of which rax has the address and r11 the place in the record, as agent_text()
                     */
};
#define EMIT_STOP_SIZE 4
/* The bytes behind the int3 tell. */
enum emit_stop emit_stop_of(const uint8_t bytes[EMIT_STOP_SIZE]);

/* id is not 0. Precondition: record_layout_place(). */
void emit_record(const struct record_layout *layout, uint32_t id, const struct emit_place *place,
                 struct buffer *code);

#endif
