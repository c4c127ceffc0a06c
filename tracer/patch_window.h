/* patch_window: which bytes of a module are overwritten so that given places are passed through code of ours.
 *
 * A window is a stretch of whole instructions that are moved. It contains no address that control may enter
 * (patch_code.h) but its first, no call but as its last instruction, and nothing but padding behind an instruction that
 * never goes on. A place may stand anywhere in its window. Windows do not overlap.
 *
 * Addresses are as linked. This file knows no process. */
#ifndef REEL_TRACER_PATCH_WINDOW_H
#define REEL_TRACER_PATCH_WINDOW_H

#include "tracer/patch_code.h"

#define PATCH_JUMP       5  /* bytes of jmp rel32 */
#define PATCH_WINDOW_MAX 96 /* bytes of a window */

struct patch_window {
    uint64_t low, high; /* [low, high) is moved; its first 5 bytes become the jump */
};

/* A place that is to be passed through a window. */
struct patch_wish {
    uint64_t vaddr;       /* the first instruction that has to be in a window */
    const char *obstacle; /* why it is in none: static storage */
};

/* The windows of a module so far. */
struct patch_plan {
    const struct patch_code *code;
    struct patch_window *windows; /* by address */
    size_t count, room;
};

void patch_plan_deinit(struct patch_plan *plan);

/* Add windows for wishes, sorted by address. Windows that are there already stay as they are; a wish inside of one of
 * those is refused. */
struct error *patch_plan_add(struct patch_plan *plan, struct patch_wish *wishes, size_t count);

/* The window that covers vaddr, or NULL. */
const struct patch_window *patch_plan_find(const struct patch_plan *plan, uint64_t vaddr);

#endif
