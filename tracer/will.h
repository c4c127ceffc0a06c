/* will: tasks that are to be killed should this process die.
 *
 * PTRACE_O_EXITKILL does that for tasks that are traced; this is for the moments in which one is not. A
 * process of its own waits for the end of this one, at the reading end of a pipe, and reads the list in
 * shared memory. */
#ifndef REEL_TRACER_WILL_H
#define REEL_TRACER_WILL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define WILL_MOST 256

struct will;

/* Owned by the caller: will_destroy(), which accepts NULL. It ends the other process, which does nothing then
 * if the list is empty. */
struct error *will_create(struct will **ret);
void will_destroy(struct will *will);

/* One thread at a time. False when the list is full. */
bool will_add(struct will *will, pid_t tid, size_t *ret_slot);
void will_remove(struct will *will, size_t slot);

#endif
