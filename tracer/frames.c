#include "tracer/frames.h"

#include "tracer/maps.h"

#include <stdlib.h>
#include <string.h>

/* The main stack may grow down from its mapping by so much. */
#define GROWTH (64ull << 20)

static void drop_shadows(struct frame *frame, size_t count) {
    for (size_t i = 0; frame->shadows && i < count; i++)
        free(frame->shadows[i].bytes);
    free(frame->shadows);
    frame->shadows = NULL;
}

/* shadows end with one whose size is SIZE_MAX: frames do not know functions */
static size_t shadow_count(const struct frame *frame) {
    size_t count = 0;
    while (frame->shadows && frame->shadows[count].size != SIZE_MAX)
        count++;
    return count;
}

void thread_frames_deinit(struct thread_frames *frames) {
    for (size_t i = 0; i < frames->count; i++) {
        while (frames->stacks[i].count)
            frame_stack_pop(&frames->stacks[i]);
        free(frames->stacks[i].frames);
    }
    free(frames->stacks);
    *frames = (struct thread_frames){0};
}

/* The mapping around rsp. A stack that grows down is known as far as it may grow. */
static void find_bounds(pid_t pid, uint64_t rsp, uint64_t *ret_low, uint64_t *ret_high) {
    struct maps maps;
    *ret_low = rsp & ~0xfffull;
    *ret_high = *ret_low + 4096;
    struct error *err = maps_read(pid, &maps);
    if (err) {
        error_free(err);
        return;
    }
    const struct mapping *mapping = maps_find(&maps, rsp);
    if (mapping) {
        *ret_low = mapping->start;
        *ret_high = mapping->end;
        bool grows = strcmp(mapping->name, "[stack]") == 0;
        if (grows && mapping->start > GROWTH) {
            uint64_t below = mapping->start - GROWTH;
            for (size_t i = 0; i < maps.count && maps.mappings[i].start < mapping->start; i++)
                if (maps.mappings[i].end > below)
                    below = maps.mappings[i].end;
            *ret_low = below;
        }
    }
    maps_deinit(&maps);
}

struct error *thread_frames_stack(struct thread_frames *frames, pid_t pid, uint64_t rsp,
                                  struct frame_stack **ret) {
    for (size_t k = 0; k < frames->count; k++) {
        size_t i = (frames->current + k) % frames->count;
        struct frame_stack *stack = &frames->stacks[i];
        if (rsp >= stack->low && rsp < stack->high) {
            frames->current = i;
            *ret = stack;
            return NULL;
        }
    }
    struct frame_stack *grown = realloc(frames->stacks, (frames->count + 1) * sizeof(*grown));
    if (!grown)
        return &error_no_memory;
    frames->stacks = grown;
    *ret = &grown[frames->count];
    **ret = (struct frame_stack){0};
    find_bounds(pid, rsp, &(*ret)->low, &(*ret)->high);
    frames->current = frames->count++;
    return NULL;
}

struct frame *frame_stack_top(struct frame_stack *stack) {
    return stack->count ? &stack->frames[stack->count - 1] : NULL;
}

struct error *frame_stack_push(struct frame_stack *stack, uint64_t address, struct frame **ret) {
    if (stack->count == stack->room) {
        size_t room = stack->room ? 2 * stack->room : 16;
        struct frame *grown = realloc(stack->frames, room * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        stack->frames = grown;
        stack->room = room;
    }
    *ret = &stack->frames[stack->count++];
    **ret = (struct frame){.address = address};
    return NULL;
}

void frame_stack_pop(struct frame_stack *stack) {
    struct frame *frame = frame_stack_top(stack);
    if (!frame)
        return;
    drop_shadows(frame, shadow_count(frame));
    free(frame->entry);
    stack->count--;
}
