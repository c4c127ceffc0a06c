/* trace_adopt: the calls that a thread is in already when tracing begins (attach). They get frames without
 * an entry event, so that their statements, branches and exits are told as those of other calls are. */
#include "tracer/calltrace_state.h"

#include <stdlib.h>

enum { DEPTH_MOST = 100000 }; /* frames that are looked at: a damaged stack may go round in circles */

/* A traced function that the thread is in. */
struct active {
    const struct traced_function *function;
    uint64_t address; /* of the return address */
    uint64_t vaddr;   /* where it is, as linked */
};

struct actives {
    struct active *items; /* the innermost first */
    size_t count, room;
};

static struct error *add(struct actives *actives, const struct active *active) {
    if (actives->count == actives->room) {
        size_t room = actives->room ? 2 * actives->room : 32;
        struct active *grown = realloc(actives->items, room * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        actives->items = grown;
        actives->room = room;
    }
    actives->items[actives->count++] = *active;
    return NULL;
}

static const struct traced_function *traced_at(const struct loaded_module *loaded, uint64_t vaddr) {
    const struct module_sites *sites = loaded->module->user;
    const struct function *function;
    if (!sites || !sites->function_count)
        return NULL;
    struct error *err = module_function_at(loaded->module->module, vaddr, &function);
    if (err) {
        error_free(err);
        return NULL;
    }
    for (size_t i = 0; i < sites->function_count; i++)
        if (sites->functions[i]->function == function)
            return sites->functions[i];
    return NULL;
}

/* One frame, and on to its caller; false when there is none, or it cannot be found. One that stands at its
 * entry will tell of itself. */
static bool look_at(const struct traced_thread *thread, const struct memory_reader *memory,
                    struct frame_registers *frame, struct actives *actives, struct error **ret_error) {
    struct frame_registers caller;
    uint64_t pc, cfa;
    bool signal_frame;
    const struct loaded_module *loaded =
        frame_pc(frame, &pc) ? process_modules_find(&thread->process->modules, pc) : NULL;
    if (!loaded || !loaded->module->unwind)
        return false;
    struct error *err =
        unwind_step(loaded->module->unwind, loaded->bias, frame, memory, &cfa, &caller, &signal_frame);
    if (err) { /* nothing can be said of the frames beyond: their exits go untold */
        error_free(err);
        return false;
    }
    struct active active = {
        .function = traced_at(loaded, pc - loaded->bias), .address = cfa - 8, .vaddr = pc - loaded->bias};
    bool begins =
        active.function && active.function->function->entry == active.vaddr && !frame->is_return_address;
    if (active.function && !begins && !signal_frame)
        *ret_error = add(actives, &active);
    *frame = caller;
    return !*ret_error;
}

/* The statement that is being executed: the last one that begins at or before vaddr. */
static const struct site *statement_at(const struct traced_function *function, uint64_t vaddr) {
    const struct site *found = NULL;
    for (size_t i = 0; i < function->site_count && function->sites[i].vaddr <= vaddr; i++)
        if (function->sites[i].kinds & SITE_STATEMENT)
            found = &function->sites[i];
    return found;
}

/* Whether its condition was true nobody knows any more. */
static struct error *push(struct traced_thread *thread, const struct active *active) {
    const struct trace_options *options = thread->process->calltrace->options;
    struct frame_stack *stack;
    struct frame *frame;
    uint32_t depth = thread_depth(thread);
    TRY(thread_frames_stack(&thread->frames, thread->tid, active->address, &stack));
    const struct frame *top = frame_stack_top(stack);
    bool muted = top && top->subtree_silent;
    TRY(frame_stack_push(stack, active->address, &frame));
    frame->function = active->function;
    frame->depth = depth;
    frame->statement = statement_at(active->function, active->vaddr);
    frame->silent = frame->subtree_silent = muted || active->function->condition_count ||
                                            (options->max_call_depth && depth >= options->max_call_depth);
    return NULL;
}

struct error *trace_adopt(struct traced_thread *thread) {
    struct user_regs_struct regs;
    struct frame_registers frame;
    struct process_memory context = {.process = thread->process};
    const struct memory_reader memory = process_memory_reader(&context, thread->task);
    struct actives actives = {0};
    struct error *err = NULL;
    TRY(trace_get_registers(thread->tid, &regs));
    if (thread->process->jumps)
        regs.rip = patch_original_address(thread->process->jumps->patches, regs.rip);
    frame_from_user_regs(&regs, &frame);
    for (int i = 0; i < DEPTH_MOST && look_at(thread, &memory, &frame, &actives, &err); i++)
        ;
    for (size_t i = actives.count; !err && i-- > 0;)
        err = push(thread, &actives.items[i]);
    free(actives.items);
    return err;
}
