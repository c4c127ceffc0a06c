/* effects: gathers the effects of one event while it is recorded. */
#ifndef REEL_REPLAY_EFFECTS_H
#define REEL_REPLAY_EFFECTS_H

#include "replay/event.h"
#include "tracer/task.h"

/* A zeroed struct is empty. Bytes are kept in one buffer, so `list[i].bytes` is only valid after
 * effects_finish(). */
struct effects {
    struct effect *list;
    size_t count, room;
    struct buffer bytes;
    size_t *offsets; /* of each effect's bytes in the buffer; room entries */
};

void effects_deinit(struct effects *effects);
void effects_clear(struct effects *effects);

/* Append an effect with a copy of its bytes (bytes may be NULL when size is 0). */
struct error *effects_add(struct effects *effects, enum effect_kind kind, uint64_t address, uint32_t file,
                          const void *bytes, size_t size);
/* Append EFFECT_MEMORY with what the task has at address now; what cannot be read is left out. */
struct error *effects_add_memory(struct effects *effects, struct task *task, uint64_t address, uint64_t size);
/* Append EFFECT_REGISTERS or EFFECT_XSTATE of the task as it is now. */
struct error *effects_add_registers(struct effects *effects, const struct user_regs_struct *regs);
struct error *effects_add_xstate(struct effects *effects, struct task *task);

/* Make the list's bytes pointers valid, until the next change, and put list and count into event. */
void effects_finish(struct effects *effects, struct event *event);

#endif
