/* patch_window_state: what patch_window.c (long windows) and patch_reach.c (the other shapes) share. */
#ifndef REEL_TRACER_PATCH_WINDOW_STATE_H
#define REEL_TRACER_PATCH_WINDOW_STATE_H

#include "tracer/displaced.h"
#include "tracer/patch_window.h"

/* Decode the instruction at vaddr; its length, or 0 with the reason why it cannot be moved. */
size_t patch_decode(const struct patch_code *code, uint64_t vaddr, struct displaced *ret,
                    const char **ret_obstacle);
/* The length of one instruction of padding at vaddr, or 0. */
size_t patch_padding(const struct patch_code *code, uint64_t vaddr);
/* Can instructions from low on be moved, up to `least` at least? NULL: yes, and *ret_high is the end of the
 * last one; else why not. */
const char *patch_stretch(const struct patch_code *code, uint64_t low, uint64_t least, uint64_t *ret_high);

/* Index of the first window that ends behind vaddr. */
size_t patch_plan_index(const struct patch_plan *plan, uint64_t vaddr);
/* No two windows overlap: the caller's word. */
struct error *patch_plan_insert(struct patch_plan *plan, const struct patch_window *window);
/* Is there no hole and no redirected jump in [low, high)? */
bool patch_plan_is_free(const struct patch_plan *plan, uint64_t low, uint64_t high);
struct error *patch_plan_take(struct patch_plan *plan, uint64_t low, uint64_t high);
void patch_plan_give(struct patch_plan *plan, uint64_t low, uint64_t high);
/* Why nothing there can be patched, or NULL. */
const char *patch_plan_check(const struct patch_plan *plan, uint64_t vaddr);
/* A long window for vaddr, when it is in none yet. */
struct error *patch_plan_grant(struct patch_plan *plan, uint64_t vaddr, const char **ret_obstacle);

/* patch_reach.c: a window of another shape. *ret_obstacle becomes NULL, or stays. */
struct error *patch_plan_reach(struct patch_plan *plan, uint64_t vaddr, const char **ret_obstacle);

#endif
