/* frames: the calls that a thread is in, as far as they are traced.
 *
 * A frame is known by the address of its return address: rsp at the function's entry, and again at its `ret`.
 * A thread has a stack of frames for each memory stack that it uses (its own, a signal stack, coroutines). */
#ifndef REEL_TRACER_FRAMES_H
#define REEL_TRACER_FRAMES_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct traced_function; /* tracer/function_sites.h */
struct site;

/* What a variable was when it was looked at last. */
struct shadow {
    bool seen;    /* bytes hold the base that changes are told from */
    bool told;    /* an event has told its value */
    bool missing; /* it had no value at the last look */
    uint8_t *bytes;
    size_t size;
};

/* General registers when a function was entered, by DWARF number; bit n of known: register n. */
struct entry_registers {
    uint16_t known;
    uint64_t value[16];
};

struct frame {
    const struct traced_function *function;
    uint64_t address;              /* of its return address */
    uint64_t entered_ns;           /* timestamp of its entry */
    uint32_t depth;                /* of recorded calls around it */
    bool silent;                   /* not recorded: sampling, a condition, the depth limit */
    bool subtree_silent;           /* nor is what it calls */
    bool sampled;                  /* recorded as the Nth call: what it calls is recorded whole */
    struct entry_registers *entry; /* NULL: not seen, or nobody will ask */
    const struct site *statement;  /* that is being executed; NULL before the first */
    struct shadow *shadows;        /* one for each variable of the function, or NULL */
};

struct frame_stack {
    uint64_t low, high; /* the memory stack: [low, high) */
    struct frame *frames;
    size_t count, room;
};

struct thread_frames {
    struct frame_stack *stacks;
    size_t count;
    size_t current; /* index of the stack used last */
};

void thread_frames_deinit(struct thread_frames *frames);

/* The frame stack for a stack pointer, made when it is new; pid is for looking up the mapping. It becomes the
 * current one. Pointers to stacks are valid until the next call. */
struct error *thread_frames_stack(struct thread_frames *frames, pid_t pid, uint64_t rsp,
                                  struct frame_stack **ret);

/* The innermost frame, or NULL. */
struct frame *frame_stack_top(struct frame_stack *stack);
/* A new innermost frame, zeroed but for its address. */
struct error *frame_stack_push(struct frame_stack *stack, uint64_t address, struct frame **ret);
/* Free the innermost frame. */
void frame_stack_pop(struct frame_stack *stack);

#endif
