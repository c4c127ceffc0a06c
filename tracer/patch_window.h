/* patch_window: which bytes of a module are overwritten so that given places are passed through code of ours.
 *
 * A window is a stretch of whole instructions that are moved. It contains no address that control may enter
 * (patch_code.h) but its first, no call but as its last instruction, and nothing but padding behind an
 * instruction that never goes on. A place may stand anywhere in its window. Windows do not overlap. There are
 * three shapes:
 *
 *   PATCH_LONG    its first five bytes become a jump
 *   PATCH_SHORT   it has two bytes that can be overwritten, not five: they become a short jump to a hole,
 * five bytes within 128 that hold the long jump. A hole lies in padding that is never executed, or behind the
 *                 jump of a long window (its host), which may be there for that purpose alone
 *   PATCH_COPY    nothing of it is overwritten: all ways that lead to it are known, direct jumps and the
 * instruction in front of it, and these lead to the copy instead. Jumps with a 32-bit displacement get
 * another one; whatever else leads there has been moved by a window of its own
 *
 * Addresses are as linked. This file knows no process. */
#ifndef REEL_TRACER_PATCH_WINDOW_H
#define REEL_TRACER_PATCH_WINDOW_H

#include "tracer/patch_code.h"

#define PATCH_JUMP       5  /* bytes of jmp rel32 */
#define PATCH_SHORT_JUMP 2  /* of jmp rel8 */
#define PATCH_WINDOW_MAX 96 /* bytes of a window */

enum patch_shape { PATCH_LONG, PATCH_SHORT, PATCH_COPY };

struct patch_window {
    uint64_t low, high; /* [low, high) is moved */
    enum patch_shape shape;
    bool is_new;   /* made by the last patch_plan_add() */
    uint64_t hole; /* PATCH_SHORT */
    uint64_t host; /* of a hole in a window: where that begins; else 0 */
};

/* A direct jump with a 32-bit displacement at `place`, which becomes one that leads to the copy of the window
 * at `target`. */
struct patch_redirect {
    uint64_t source, place, target;
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
    struct patch_redirect *redirects; /* by target, once patch_plan_add() is done */
    size_t redirect_count, redirect_room;
    uint64_t *
        taken; /* a bit a byte of the code: it is of a hole, or of a jump that is redirected; NULL: none is */
};

void patch_plan_deinit(struct patch_plan *plan);

/* Add windows for wishes, sorted by address. Windows that are there already stay as they are; a wish inside
 * of one of those is refused. */
struct error *patch_plan_add(struct patch_plan *plan, struct patch_wish *wishes, size_t count);

/* Redirected jumps to the window at target: index of the first, and how many. */
size_t patch_plan_redirects(const struct patch_plan *plan, uint64_t target, size_t *ret_first);

/* The window that covers vaddr, or NULL. */
struct patch_window *patch_plan_find(const struct patch_plan *plan, uint64_t vaddr);

#endif
