#include "replay/effects.h"

#include <stdlib.h>
#include <string.h>

void effects_deinit(struct effects *effects) {
    free(effects->list);
    free(effects->offsets);
    buffer_deinit(&effects->bytes);
    memset(effects, 0, sizeof(*effects));
}

void effects_clear(struct effects *effects) {
    effects->count = 0;
    buffer_clear(&effects->bytes);
}

/* A place for one more effect whose bytes begin at the buffer's end. */
static struct effect *grow(struct effects *effects) {
    if (effects->count == effects->room) {
        size_t room = effects->room ? effects->room * 2 : 16;
        struct effect *list = realloc(effects->list, room * sizeof(*list));
        if (list)
            effects->list = list;
        size_t *offsets = realloc(effects->offsets, room * sizeof(*offsets));
        if (offsets)
            effects->offsets = offsets;
        if (!list || !offsets)
            return NULL;
        effects->room = room;
    }
    effects->offsets[effects->count] = effects->bytes.size;
    return &effects->list[effects->count];
}

struct error *effects_add(struct effects *effects, enum effect_kind kind, uint64_t address, uint32_t file,
                          const void *bytes, size_t size) {
    struct effect *effect = grow(effects);
    if (!effect || size > UINT32_MAX)
        return &error_no_memory;
    buffer_put(&effects->bytes, bytes, size);
    TRY(buffer_check(&effects->bytes));
    *effect = (struct effect){.kind = kind, .address = address, .file = file, .size = (uint32_t)size};
    effects->count++;
    return NULL;
}

/* An effect's size is 32 bits; a range that is larger becomes several. */
#define PIECE (1u << 30)

struct error *effects_add_memory(struct effects *effects, struct task *task, uint64_t address,
                                 uint64_t size) {
    while (size) {
        size_t piece = size < PIECE ? size : PIECE;
        struct effect *effect = grow(effects);
        void *place = buffer_reserve(&effects->bytes, piece);
        if (!effect || !place)
            return &error_no_memory;
        size_t got = task_read(task, address, place, piece);
        if (got == 0)
            return NULL;
        effects->bytes.size += got;
        *effect = (struct effect){.kind = EFFECT_MEMORY, .address = address, .size = (uint32_t)got};
        effects->count++;
        if (got < piece)
            return NULL;
        address += piece;
        size -= piece;
    }
    return NULL;
}

struct error *effects_add_registers(struct effects *effects, const struct user_regs_struct *regs) {
    return effects_add(effects, EFFECT_REGISTERS, 0, 0, regs, sizeof(*regs));
}

struct error *effects_add_xstate(struct effects *effects, struct task *task) {
    static uint8_t xstate[XSTATE_MAX]; /* too large for a small stack */
    size_t size;
    TRY(trace_get_xstate(task->tid, xstate, &size));
    return effects_add(effects, EFFECT_XSTATE, 0, 0, xstate, size);
}

void effects_finish(struct effects *effects, struct event *event) {
    for (size_t i = 0; i < effects->count; i++)
        effects->list[i].bytes = effects->bytes.data + effects->offsets[i];
    event->effects = effects->list;
    event->effect_count = (uint32_t)effects->count;
}
