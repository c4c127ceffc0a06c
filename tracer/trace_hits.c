/* trace_hits: from stops to what is noted of them: each hit of a trap goes to what its site is for, then
 * signals. */
#include "tracer/calltrace_state.h"
#include "tracer/process.h"
#include "tracer/trace_rules.h"

#include <stdlib.h>

static void read_xstate(struct hit_context *context, uint8_t *xstate) {
    size_t size;
    if (!xstate)
        return;
    struct error *err = trace_get_xstate(context->thread->task->tid, xstate, &size);
    if (!err) {
        context->registers.xstate = xstate;
        context->registers.xstate_size = size;
    }
    error_free(err);
}

/* A statement of a function whose entry was met. */
static struct error *on_statement(struct hit_context *context) {
    struct frame *frame = trace_current_frame(context);
    if (!frame || frame->silent)
        return NULL;
    TRY(trace_variables(context, frame));
    frame->statement = context->site;
    return NULL;
}

static struct error *on_branch(struct hit_context *context) {
    struct branch_outcome outcome;
    uint64_t destination;
    struct frame *frame = trace_current_frame(context);
    const struct site *site = context->site;
    if (!frame || frame->silent || !site->branch || !trace_destination(context, &destination) ||
        !branches_outcome(&site->function->branches, site->branch, destination - context->bias, &outcome))
        return NULL;
    struct trace_event *event = calltrace_event(context->calltrace, context->thread, TRACE_CONTROL_FLOW,
                                                context->now, frame->depth + 1);
    trace_data_string(&event->data, "kind", outcome.kind);
    trace_data_bool(&event->data, "taken", outcome.taken);
    trace_data_unsigned(&event->data, "line", outcome.line);
    trace_data_unsigned(&event->data, "to_line", outcome.to_line);
    calltrace_put_inlined(event, site->function, site->inlined, NULL);
    return calltrace_write(context->calltrace, context->thread->process);
}

/* In the order in which things happen: what was before this instruction, then what it does. */
static struct error *dispatch(struct hit_context *context) {
    if (context->kinds & SITE_ENTRY)
        TRY(trace_entry(context));
    else
        TRY(trace_unwound(context->calltrace, context->thread, context->stack, context->rsp, true,
                          context->now));
    if (context->kinds & SITE_STATEMENT)
        TRY(on_statement(context));
    if (context->kinds & SITE_PLACE)
        TRY(trace_places(context));
    if (context->kinds & SITE_SPECIAL)
        TRY(trace_special(context));
    if (context->kinds & SITE_BRANCH)
        TRY(on_branch(context));
    if (context->kinds & SITE_EXIT)
        return trace_exit(context);
    return context->kinds & SITE_JUMP ? trace_jump(context) : NULL;
}

struct error *trace_observe(struct hit_context *context) {
    struct traced_thread *thread = context->thread;
    struct error *err = thread_frames_stack(&thread->frames, thread->tid, context->rsp, &context->stack);
    if (!err)
        err = dispatch(context);
    trace_counted_deinit(context);
    return err;
}

static struct error *on_hit(struct traced_thread *thread, const struct trap_hit *hit) {
    struct site *site = hit->trap->user;
    if (!site)
        return NULL;
    struct process_memory memory = {.process = thread->process};
    struct hit_context context = {.calltrace = thread->process->calltrace,
                                  .thread = thread,
                                  .site = site,
                                  .kinds = site->kinds,
                                  .memory = process_memory_reader(&memory, thread->task),
                                  .rsp = hit->regs.rsp,
                                  .fs_base = hit->regs.fs_base,
                                  .bias = hit->regs.rip - site->vaddr,
                                  .now = calltrace_now(thread->process->calltrace),
                                  .displaced = &hit->trap->displaced,
                                  .regs = &hit->regs};
    bool has_values = site->kinds & ~(unsigned)(SITE_SPECIAL | SITE_BRANCH);
    uint8_t *xstate = has_values ? malloc(XSTATE_MAX) : NULL;
    frame_from_user_regs(&hit->regs, &context.registers);
    read_xstate(&context, xstate);
    if (!trace_rules_trapped(&context)) { /* --at, and the loader */
        context.is_muted = true;
        context.kinds &= (unsigned)(SITE_PLACE | SITE_SPECIAL);
    }
    struct error *err = context.kinds ? trace_observe(&context) : NULL;
    free(xstate);
    return err;
}

struct memory_reader process_memory_reader(struct process_memory *memory, struct task *task) {
    const struct traced_process *process = memory->process;
    memory->traps = (struct trap_memory){.set = process->traps, .task = task};
    if (!process->jumps)
        return trap_memory_reader(&memory->traps);
    memory->patches =
        (struct patch_memory){.set = process->jumps->patches, .memory = trap_memory_reader(&memory->traps)};
    return patch_memory_reader(&memory->patches);
}

struct error *calltrace_settle(struct calltrace *calltrace, struct stop *stop) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, stop->task->tid);
    if (!thread || !thread->process->jumps || stop->kind != STOP_SIGNAL)
        return NULL;
    /* or it would be found waiting for room each time it is looked at */
    ring_set_unbound(&thread->ring, true);
    struct error *err = patch_handle(thread->process->jumps->patches, stop);
    ring_set_unbound(&thread->ring, false);
    return err;
}

struct error *calltrace_signal(struct calltrace *calltrace, pid_t tid, const siginfo_t *info, bool handled,
                               bool fatal) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, tid);
    if (thread)
        TRY(trace_rings_drain(calltrace, thread));
    return thread && (handled || fatal) ? trace_signal_event(thread, info, handled, fatal) : NULL;
}

struct error *calltrace_trap(struct calltrace *calltrace, struct stop *stop, bool *ret_done) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, stop->task->tid);
    struct trap_hit hit;
    *ret_done = false;
    if (!thread || !thread->process->traps)
        return NULL;
    TRY(trace_jumps_stop(thread, stop, ret_done));
    if (*ret_done)
        return NULL;
    TRY(trap_handle(thread->process->traps, stop, &hit));
    *ret_done = hit.event != TRAP_NONE;
    if (hit.event != TRAP_HIT)
        return NULL;
    struct error *err = trace_rings_drain(calltrace, thread);
    if (!err)
        err = on_hit(thread, &hit);
    struct error *step_err = trap_step_past(thread->process->traps, stop->task, &hit);
    if (!err)
        return step_err;
    error_free(step_err);
    return err;
}

struct error *calltrace_signal_stop(struct calltrace *calltrace, struct stop *stop, bool *ret_done) {
    siginfo_t info;
    struct process_status status = {0};
    TRY(calltrace_trap(calltrace, stop, ret_done));
    if (*ret_done || !calltrace->options->trace_exceptions)
        return NULL;
    TRY(trace_get_siginfo(stop->task->tid, &info));
    error_free(process_status(stop->task->tid, &status));
    enum disposition disposition = process_disposition(&status, stop->signo);
    return calltrace_signal(calltrace, stop->task->tid, &info, disposition == DISPOSITION_HANDLED,
                            disposition == DISPOSITION_FATAL);
}
