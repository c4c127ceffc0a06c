#include "tracer/plan.h"

#include <stdlib.h>
#include <string.h>

struct error *plan_add(struct plan *plan, const struct plan_step *step) {
    struct plan_step *grown = realloc(plan->steps, (plan->count + 1) * sizeof(*grown));
    if (!grown)
        return &error_no_memory;
    plan->steps = grown;
    grown[plan->count++] = *step;
    return NULL;
}

void plan_deinit(struct plan *plan) {
    free(plan->steps);
    *plan = (struct plan){0};
}

void plan_notes_deinit(struct plan_notes *notes) {
    free(notes->notes);
    free(notes->bytes);
    *notes = (struct plan_notes){0};
}

/* The note of this item, a new one unless it is that of the step before. */
static struct plan_note *note_of(struct plan_notes *notes, uint32_t item) {
    if (notes->count && notes->notes[notes->count - 1].item == item)
        return &notes->notes[notes->count - 1];
    if (notes->count == notes->room) {
        size_t room = notes->room ? 2 * notes->room : 32;
        struct plan_note *grown = realloc(notes->notes, room * sizeof(*grown));
        if (!grown)
            return NULL;
        notes->notes = grown;
        notes->room = room;
    }
    struct plan_note *note = &notes->notes[notes->count++];
    *note = (struct plan_note){.item = item, .offset = notes->size};
    return note;
}

static uint8_t *reserve(struct plan_notes *notes, size_t size) {
    if (notes->size + size > notes->bytes_room) {
        size_t room = 2 * (notes->size + size) + 256;
        uint8_t *grown = realloc(notes->bytes, room);
        if (!grown)
            return NULL;
        notes->bytes = grown;
        notes->bytes_room = room;
    }
    return notes->bytes + notes->size;
}

static enum plan_state execute(const struct plan_step *step, const struct plan_target *target, uint8_t *ret) {
    uint64_t base;
    switch (step->operation) {
    case PLAN_REGISTER:
        return frame_register_bytes(target->registers, step->reg, ret, step->size) ? NOTE_OK
                                                                                   : NOTE_UNREADABLE;
    case PLAN_MEMORY:
        return frame_register(target->registers, step->reg, &base) &&
                       memory_read_exact(target->memory, base + (uint64_t)step->offset, ret, step->size)
                   ? NOTE_OK
                   : NOTE_UNREADABLE;
    case PLAN_ABSOLUTE:
        return memory_read_exact(target->memory, (uint64_t)step->offset + target->bias, ret, step->size)
                   ? NOTE_OK
                   : NOTE_UNREADABLE;
    case PLAN_CONSTANT:
        memcpy(ret, step->value, step->size);
        return NOTE_OK;
    case PLAN_ASK:
        return target->ask ? target->ask(target->context, step->item, ret, step->size) : NOTE_UNREADABLE;
    case PLAN_NOTHING:
    case PLAN_END:
        break;
    }
    return NOTE_OPTIMIZED_OUT;
}

struct error *plan_run(const struct plan *plan, const struct plan_target *target, struct plan_notes *ret) {
    ret->count = 0;
    ret->size = 0;
    for (size_t i = 0; i < plan->count && plan->steps[i].operation != PLAN_END; i++) {
        const struct plan_step *step = &plan->steps[i];
        struct plan_note *note = note_of(ret, step->item);
        uint8_t *bytes = reserve(ret, step->size);
        if (!note || !bytes)
            return &error_no_memory;
        memset(bytes, 0, step->size);
        enum plan_state state = execute(step, target, bytes);
        if (state != NOTE_OK)
            note->state = state;
        note->size += step->size;
        ret->size += step->size;
    }
    return NULL;
}
