/* locate: the value of a variable at a stopped task, by its DWARF location, whatever that takes. */
#ifndef REEL_TRACER_LOCATE_H
#define REEL_TRACER_LOCATE_H

#include "dwarf/variable.h"
#include "tracer/frames.h"
#include "tracer/modules.h"
#include "tracer/plan.h"

struct locate_request {
    struct traced_module *module;
    const struct function *function; /* NULL: a global */
    const struct variable *variable;
    uint64_t vaddr; /* where the task stands, as linked in module */
    uint64_t bias;
    const struct frame_registers *registers;
    const struct memory_reader *memory;
    struct process_modules *modules;        /* for the caller's frame and thread-local storage */
    const struct entry_registers *entry;    /* of the frame, or NULL */
    uint64_t program_entry, thread_pointer; /* for thread-local storage: tracer/tls.h */
};

/* Put the first `size` bytes of the value to ret; with NOTE_NOT_ALLOCATED, too: those that it will have
 * first. */
enum plan_state locate_bytes(const struct locate_request *request, void *ret, size_t size);
/* The number that an expression of the variable's unit gives: a bound. */
enum plan_state locate_number(const struct locate_request *request, const uint8_t *expression, size_t size,
                              int64_t *ret);
/* Where it is; NOTE_OPTIMIZED_OUT when it is not in memory. */
enum plan_state locate_address(const struct locate_request *request, uint64_t *ret);

#endif
