#include "tracer/calltrace.h"

#include "base/say.h"
#include "tracer/calltrace_state.h"
#include "tracer/ring_mover.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- beginning and end ---- */

struct error *calltrace_create(const struct trace_options *options, const struct calltrace_host *host,
                               struct calltrace **ret) {
    struct calltrace *calltrace = calloc(1, sizeof(*calltrace));
    if (!calltrace)
        return &error_no_memory;
    calltrace->options = options;
    calltrace->host = *host;
    calltrace->values = value_default_options;
    calltrace->values.max_string = options->max_string_length;
    calltrace->values.max_depth = (unsigned)options->max_value_depth;
    calltrace->values.max_elements = (unsigned)options->max_elements;
    const struct module_search search = {.debug_dir = options->debug_dir, .debuginfod = options->debuginfod};
    module_cache_init(&calltrace->cache, &search);
    struct error *err = selection_create(options, &calltrace->selection);
    if (err) {
        calltrace_destroy(calltrace);
        return err;
    }
    *ret = calltrace;
    return NULL;
}

/* What the user asked for and nothing had. */
static void warn_unmatched(const struct calltrace *calltrace) {
    const struct selection *selection = calltrace->selection;
    const struct trace_options *options = calltrace->options;
    if ((options->trace_functions || options->trace_variables || options->trace_control_flow) &&
        !calltrace->totals.functions && !selection->probe_count)
        say("no function was traced: none is selected by --function, --module and the like (or the program "
            "has none that can be found)");
    for (size_t i = 0; i < selection->probe_count; i++)
        if (!selection->probes[i].found)
            say("--at '%s': no traced module has code at %s:%u", selection->probes[i].text,
                selection->probes[i].file, selection->probes[i].line);
    for (size_t i = 0; i < selection->condition_count; i++)
        if (!selection->conditions[i].matched)
            say("--when '%s': no traced function has this name", selection->options->conditions.items[i]);
}

struct error *calltrace_finish(struct calltrace *calltrace) {
    struct error *kept = trace_rings_drain(calltrace, NULL);
    while (calltrace->process_count)
        keep_first(&kept, traced_process_drop(calltrace->processes[0]));
    if (calltrace->any_selected)
        warn_unmatched(calltrace);
    calltrace->any_selected = false;
    return kept;
}

void calltrace_destroy(struct calltrace *calltrace) {
    if (!calltrace)
        return;
    error_free(calltrace_finish(calltrace));
    ring_mover_destroy(calltrace->mover);
    for (struct module_sites *sites = calltrace->sites, *next; sites; sites = next) {
        next = sites->next;
        module_sites_destroy(sites);
    }
    module_cache_deinit(&calltrace->cache);
    selection_destroy(calltrace->selection);
    trace_event_deinit(&calltrace->event);
    plan_notes_deinit(&calltrace->notes);
    buffer_deinit(&calltrace->text);
    free(calltrace->threads);
    free(calltrace->processes);
    free(calltrace->path);
    buffer_deinit(&calltrace->held);
    free(calltrace);
}

struct calltrace_totals calltrace_totals(const struct calltrace *calltrace) {
    struct calltrace_totals totals = calltrace->totals;
    totals.path = calltrace->path;
    return totals;
}

bool calltrace_full(const struct calltrace *calltrace) {
    return calltrace->full;
}

struct error *calltrace_flush(struct calltrace *calltrace) {
    struct error *kept = NULL;
    for (size_t i = 0; i < calltrace->process_count; i++)
        if (calltrace->processes[i]->writer)
            keep_first(&kept, trace_writer_flush(calltrace->processes[i]->writer));
    return kept;
}

/* ---- events ---- */

uint64_t calltrace_now(const struct calltrace *calltrace) {
    return calltrace->host.now(calltrace->host.context);
}

/* Recorded frames of all stacks: those of the stack in use lie on top of the others. */
uint32_t thread_depth(const struct traced_thread *thread) {
    uint32_t depth = 0;
    for (size_t i = 0; i < thread->frames.count; i++) {
        const struct frame_stack *stack = &thread->frames.stacks[i];
        for (size_t k = stack->count; k > 0; k--)
            if (!stack->frames[k - 1].silent) {
                if (stack->frames[k - 1].depth + 1 > depth)
                    depth = stack->frames[k - 1].depth + 1;
                break;
            }
    }
    return depth;
}

struct trace_event *calltrace_event(struct calltrace *calltrace, const struct traced_thread *thread,
                                    enum trace_type type, uint64_t now, uint32_t depth) {
    struct trace_event *event = &calltrace->event;
    trace_event_reset(event);
    event->type = type;
    event->timestamp_ns = now;
    event->depth = depth;
    event->pid = thread->process->shown_pid;
    event->tid = thread->shown_tid;
    return event;
}

void calltrace_put_inlined(struct trace_event *event, const struct traced_function *function, int inlined,
                           const char *file) {
    const char *name = traced_inlined_name(function, inlined), *slash = file ? strrchr(file, '/') : NULL;
    if (!name)
        return;
    trace_data_string(&event->data, "inlined", name);
    if (file)
        trace_data_string(&event->data, "file", slash ? slash + 1 : file);
}

struct error *calltrace_write(struct calltrace *calltrace, struct traced_process *process) {
    if (!process->writer)
        return NULL;
    struct error *err = trace_writer_write(process->writer, &calltrace->event);
    if (trace_writer_full(process->writer))
        calltrace->full = true;
    return err;
}

struct error *calltrace_note(struct calltrace *calltrace, struct traced_process *process, const char *format,
                             ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (calltrace->is_preparing) {
        buffer_put(&calltrace->held, text, strlen(text) + 1);
        return buffer_check(&calltrace->held);
    }
    say_verbose("%s", text);
    struct trace_event *event = &calltrace->event;
    trace_event_reset(event);
    event->type = TRACE_NOTE;
    event->timestamp_ns = calltrace_now(calltrace);
    event->pid = event->tid = process->shown_pid;
    trace_data_string(&event->data, "kind", "not_traced");
    trace_data_string(&event->data, "text", text);
    return calltrace_write(calltrace, process);
}

struct error *calltrace_tell_held(struct calltrace *calltrace, struct traced_process *process) {
    struct buffer held = calltrace->held;
    struct error *err = NULL;
    calltrace->held = (struct buffer){0};
    for (size_t at = 0; !err && at < held.size; at += strlen((const char *)held.data + at) + 1)
        err = calltrace_note(calltrace, process, "%s", (const char *)held.data + at);
    buffer_deinit(&held);
    return err;
}

/* ---- other events ---- */

struct error *calltrace_call(struct calltrace *calltrace, pid_t tid, const struct syscall_call *call,
                             const struct memory_reader *memory) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, tid);
    const struct syscall_row *row = syscall_find(call->number);
    if (!thread || !calltrace->options->trace_syscalls)
        return NULL;
    TRY(trace_rings_drain(calltrace, thread));
    struct trace_event *event =
        calltrace_event(calltrace, thread, TRACE_SYSCALL, calltrace_now(calltrace), thread_depth(thread));
    if (row)
        trace_data_string(&event->data, "name", row->name);
    trace_data_unsigned(&event->data, "number", call->number);
    buffer_clear(&calltrace->text);
    syscall_print(call, memory, calltrace->options->max_string_length, &calltrace->text);
    TRY(buffer_check(&calltrace->text));
    trace_data_string(&event->data, "call", (const char *)calltrace->text.data);
    trace_data_signed(&event->data, "result", call->result);
    return calltrace_write(calltrace, thread->process);
}

struct error *calltrace_mappings_changed(struct calltrace *calltrace, pid_t tid) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, tid);
    return thread && thread->process->traps ? plant_process(thread->process, thread->task) : NULL;
}

void calltrace_unmapped(struct calltrace *calltrace, pid_t tid, uint64_t start, uint64_t end) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, tid);
    if (thread && thread->process->traps)
        trap_forget_range(thread->process->traps, start, end);
    if (thread && thread->process->jumps)
        patch_forget_range(thread->process->jumps->patches, start, end);
}
