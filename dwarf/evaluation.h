/* evaluation: where the variables of one stack frame are. Joins functions and variables with location
 * expressions and unwinding. */
#ifndef REEL_DWARF_EVALUATION_H
#define REEL_DWARF_EVALUATION_H

#include "dwarf/location.h"
#include "dwarf/variable.h"

/* What a frame alone does not know. Any callback may be NULL; what needs it is then optimized out, or
 * ERROR_UNSUPPORTED for thread-local variables. */
struct evaluation_callbacks {
    void *context;
    /* The module that is loaded at a process address, and its bias; NULL when none is. For entry values,
     * which come from the caller. */
    struct module *(*module_at)(void *context, uint64_t address, uint64_t *ret_bias);
    /* Process address of this offset in the thread's block of the module. */
    struct error *(*tls_address)(void *context, struct module *module, uint64_t offset, uint64_t *ret);
    /* What a general register was when the innermost frame's function was entered, when somebody has seen it;
     * NULL, or false: the caller is asked. */
    bool (*entry_register)(void *context, unsigned reg, uint64_t *ret);
};

/* One frame. Do not copy it: its context points to itself. Nothing in it needs to be freed. */
struct evaluation {
    struct module *module;
    const struct function *function;
    struct dwarf_unit *unit; /* of the expression that is being evaluated */
    uint64_t bias, vaddr;    /* vaddr: the instruction, as linked; of a caller one within the call */
    const struct frame_registers *registers;
    const struct memory_reader *memory;
    const struct evaluation_callbacks *callbacks;
    unsigned depth;  /* of callers that were asked for entry values */
    bool unwound;    /* evaluation_unwind() was called: the next two are right */
    bool has_caller; /* caller */
    struct frame_registers caller;
    bool asked_base;
    struct location_context context; /* for location_read() and type sizes */
};

/* Prepare for a frame; function NULL: for globals only. All pointers must stay valid while it is used;
 * callbacks may be NULL. The canonical frame address and frame base are worked out when an expression asks
 * for them, if they can be; without them only what needs them fails. ERROR_NOT_FOUND: the frame has no pc. */
struct error *evaluation_init(struct evaluation *ret, struct module *module, const struct function *function,
                              uint64_t bias, const struct frame_registers *registers,
                              const struct memory_reader *memory,
                              const struct evaluation_callbacks *callbacks);

/* The canonical frame address and the caller's registers; what is not known stays so. */
void evaluation_unwind(struct evaluation *evaluation);

/* Where the variable is in this frame; read it with location_read(&location, &evaluation->context, ...).
 * "Optimized out" is a piece, not an error. Errors as location_evaluate(). The caller frees ret with
 * location_deinit(). */
struct error *variable_locate(struct evaluation *evaluation, const struct variable *variable,
                              struct location *ret);

/* The number that an expression of the variable's unit gives in this frame, such as a bound of its type.
 * Errors as location_evaluate_address(). */
struct error *variable_number(struct evaluation *evaluation, const struct variable *variable,
                              const uint8_t *expression, size_t size, uint64_t *ret);

#endif
