/* record_layout: what one record of a ring holds, and where in it.
 *
 * A layout is made for a site before anything is patched, out of what looking at that site would ask for
 * (tracer/trace_needs.h); machine code is made from it (tracer/emit_record.h), and by it reel reads the
 * record again as registers and memory (tracer/record_view.h). It knows no DWARF and no process. */
#ifndef REEL_TRACER_RECORD_LAYOUT_H
#define REEL_TRACER_RECORD_LAYOUT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of memory that one record takes along at most, as the code copies them word by word. */
#define LAYOUT_MEMORY_MOST 512u

/* Registers by DWARF number: 0-15 general, 17-32 xmm0-15. */
#define LAYOUT_FIRST_VECTOR 17
#define LAYOUT_REGISTERS    33

enum record_time {
    RECORD_TIME_NONE,
    RECORD_TIME_COARSE, /* as reel has seen it last */
    RECORD_TIME_FULL,
};

enum layout_base {
    LAYOUT_REGISTER, /* at register + offset */
    LAYOUT_ABSOLUTE, /* at this process address: offset */
    LAYOUT_TEXT,     /* a string of at most `size` bytes, whose address is noted: 8 bytes at `pointer` in the
                        record */
};

struct layout_memory {
    enum layout_base base;
    unsigned reg;
    int64_t offset;
    uint32_t size;    /* bytes */
    uint32_t pointer; /* LAYOUT_TEXT */
    uint32_t at;      /* in the record */
};

struct record_layout {
    uint64_t registers; /* bit n: DWARF register n is noted, whole (8 bytes; of a vector register 16) */
    struct layout_memory *memory;
    size_t memory_count;
    /* Set by record_layout_place(). */
    uint16_t register_at[LAYOUT_REGISTERS];
    uint32_t size; /* of the record, a multiple of 8 */
    enum record_time time;
};

void record_layout_deinit(struct record_layout *layout);

/* Note this stretch of memory, too; joined with what is there when they touch. */
struct error *record_layout_add(struct record_layout *layout, enum layout_base base, unsigned reg,
                                int64_t offset, uint32_t size);
/* Note a string of at most size bytes, whose address is what stands at `offset` in memory piece `piece`, or,
 * with piece SIZE_MAX, in the general register reg. The pieces may not change any more. */
struct error *record_layout_add_text(struct record_layout *layout, size_t piece, unsigned reg,
                                     uint32_t offset, uint32_t size);

/* Decide where everything is. ERROR_UNSUPPORTED when it is too much for a record. */
struct error *record_layout_place(struct record_layout *layout, enum record_time time);

#endif
