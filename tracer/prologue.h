/* prologue: what a function's prologue does with its arguments, worked out at its first instruction without
 * running anything. Unoptimised code first puts all arguments where the debug information then finds them; so
 * arguments can be read at the entry whatever the convention is that they are passed by. */
#ifndef REEL_TRACER_PROLOGUE_H
#define REEL_TRACER_PROLOGUE_H

#include "base/memory.h"
#include "dwarf/elf.h"
#include "dwarf/frame.h"

enum { PROLOGUE_STORES_MOST = 64, PROLOGUE_INSTRUCTIONS_MOST = 256 };

/* The process as it will be behind the prologue. Do not copy it: its parts point to itself. */
struct prologue {
    struct frame_registers registers; /* with an xstate of its own */
    struct memory_reader memory;      /* what was stored lies over what is there */
    const struct memory_reader *beneath;
    uint64_t fs_base;
    struct prologue_store {
        uint64_t address;
        uint8_t bytes[16];
        size_t size;
    } stores[PROLOGUE_STORES_MOST];
    size_t store_count;
    uint8_t xstate[576]; /* the legacy area and the header: xmm registers */
};

/* Work out what the instructions [entry, body), as linked, do. False when one of them is none that moves
 * values about and makes the frame: then nothing is said. registers are those at the entry, all known. */
bool prologue_init(struct prologue *ret, const struct elf_image *image, uint64_t entry, uint64_t body,
                   uint64_t bias, const struct frame_registers *registers, uint64_t fs_base,
                   const struct memory_reader *memory);

#endif
