/* patch_copy: instructions as they are written somewhere else, to be executed there by any number of threads.
 *
 * Like the copies of window.h, but without the word of memory that those use, and within 2 GiB of the code
 * only. Registers, flags and memory become what the original would make of them; a call pushes the original
 * return address. This file knows no process. Source: Intel SDM volume 2. */
#ifndef REEL_TRACER_PATCH_COPY_H
#define REEL_TRACER_PATCH_COPY_H

#include "base/buffer.h"
#include "tracer/displaced.h"

/* Why an instruction cannot be copied: static storage; NULL: it can. */
const char *patch_copy_obstacle(const struct displaced *displaced);

/* Does control never go on behind it (jmp, ret, ud2)? */
bool patch_copy_ends(const struct displaced *displaced);
/* Could an exception or a return lead behind it: is it a call? */
bool patch_copy_is_call(const struct displaced *displaced);

/* Append its copy; the first byte of code lies at `base`. The targets of direct jumps are what
 * displaced->target says. False when something is out of reach (code is then spoilt). */
bool patch_copy_put(const struct displaced *displaced, uint64_t base, struct buffer *code);
/* Append a jump. */
bool patch_copy_put_jump(uint64_t target, uint64_t base, struct buffer *code);
/* Append a conditional jump (DISPLACED_BRANCH, DISPLACED_LOOP) whose target will be set by
 * patch_copy_set_target(code, base, *ret, target). */
void patch_copy_put_branch(const struct displaced *displaced, struct buffer *code, size_t *ret);
bool patch_copy_set_target(struct buffer *code, uint64_t base, size_t place, uint64_t target);

/* What rsp was before the copy of a call, when only `offset` bytes of it have been executed: to be added. */
uint64_t patch_copy_pushed(const struct displaced *displaced, size_t offset);

#endif
