/* crash_text: report.txt, the same for people: what one asks first comes first. */
#include "tracer/crash_state.h"

#include "base/registers.h"
#include "base/version.h"
#include "trace/event.h"
#include "tracer/syscall.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

static void put(struct buffer *ret, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct buffer *ret, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buffer_put(ret, text, size < 0 ? 0 : (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1);
}

/* Text of the program's own: no control characters reach a terminal. */
static void put_plain(struct buffer *ret, const char *text) {
    for (; text && *text; text++)
        buffer_put_u8(ret, (unsigned char)*text < ' ' || *text == 127 ? '?' : (uint8_t)*text);
}

static void put_named(struct buffer *ret, const char *name, const char *text) {
    put(ret, "%-12s", name);
    put_plain(ret, text ? text : "unknown");
    put(ret, "\n");
}

static void heading(struct buffer *ret, const char *name) {
    put(ret, "\n---- %s ----\n", name);
}

/* ---- stacks ---- */

static void put_arguments(struct buffer *ret, const struct crash_frame *frame) {
    bool first = true;
    put(ret, "(");
    for (size_t i = 0; i < frame->variable_count; i++) {
        const struct crash_variable *variable = &frame->variables[i];
        if (!variable->parameter)
            continue;
        put(ret, "%s", first ? "" : ", ");
        put_plain(ret, variable->name);
        put(ret, "=");
        put_plain(ret, variable->value);
        first = false;
    }
    put(ret, ")");
}

static void put_frame(struct buffer *ret, const struct crash_frame *frame, size_t number) {
    if (frame->skipped)
        put(ret, "     ... %zu frames left out ...\n", frame->skipped);
    put(ret, "#%-3zu 0x%016" PRIx64 " ", number, frame->registers.value[FRAME_RIP]);
    put_plain(ret, frame->name ? frame->name : "?");
    if (frame->name && !frame->signal_frame)
        put_arguments(ret, frame);
    if (frame->inlined >= 0)
        put(ret, " [inlined]");
    if (frame->file) {
        put(ret, " at ");
        put_plain(ret, frame->file);
        put(ret, ":%u", frame->line);
    } else if (frame->module) {
        put(ret, " in ");
        put_plain(ret, frame->module->module->name);
        put(ret, "+0x%" PRIx64, frame->pc - frame->module->bias);
    }
    put(ret, "%s\n", frame->guessed ? " (its caller is guessed)" : "");
    for (size_t i = 0; i < frame->variable_count; i++) {
        if (frame->variables[i].parameter)
            continue;
        put(ret, "          ");
        put_plain(ret, frame->variables[i].name);
        put(ret, " = ");
        put_plain(ret, frame->variables[i].value);
        put(ret, "\n");
    }
}

static void put_stack(struct buffer *ret, const struct crash_thread *thread) {
    size_t skipped = 0;
    for (size_t i = 0; i < thread->frame_count; i++) {
        skipped += thread->frames[i].skipped;
        put_frame(ret, &thread->frames[i], i + skipped);
    }
    if (thread->end)
        put(ret, "     (%s)\n", thread->end);
}

static void put_thread_name(struct buffer *ret, const struct crash_thread *thread) {
    put(ret, "\n---- thread %d (", thread->tid);
    put_plain(ret, thread->name);
    put(ret, ")%s%s ----\n", thread->signo ? ", about to get " : "",
        thread->signo ? signal_name(thread->signo) : "");
}

static void put_registers(struct buffer *ret, const struct user_regs_struct *regs) {
    for (size_t i = 0; i < REGISTER_COUNT; i++)
        put(ret, "%-9s0x%016" PRIx64 "%s", registers[i].name, register_get(regs, i),
            i % 3 == 2 || i + 1 == REGISTER_COUNT ? "\n" : "   ");
}

/* ---- the rest ---- */

static void put_head(struct buffer *ret, const struct crash *crash, const struct crash_counts *counts) {
    const struct crash_facts *facts = &crash->facts;
    char time[TRACE_TIME_SIZE], last[TRACE_TIME_SIZE];
    trace_time_put(crash->time_ns, time);
    trace_time_put(counts->last_ns, last);
    put_plain(ret, crash->reason.summary);
    put(ret, "\n\n");
    /* the line that crash_folder.c writes anew */
    put(ret, "Seen        %20" PRIu64 " times, last at %.*s UTC\n", counts->count, TRACE_TIME_SIZE, last);
    put(ret, "%-12s%.*s UTC\n", "Time", TRACE_TIME_SIZE, time);
    put(ret, "%-12s%d (%s), thread %d\n", "Process", crash->event->pid, facts->name, crash->event->task->tid);
    put_named(ret, "Executable", facts->exe);
    put(ret, "%-12s", "Command");
    for (size_t i = 0; i < facts->arguments.count; i++) {
        put(ret, "%s", i ? " " : "");
        put_plain(ret, facts->arguments.items[i]);
    }
    put(ret, "\n");
    put_named(ret, "Folder", facts->cwd);
    if (facts->uptime >= 0)
        put(ret, "%-12s%.2f s\n", "Ran for", facts->uptime);
    if (crash->reason.message)
        put_named(ret, "Message", crash->reason.message);
    if (crash->reason.exception)
        put_named(ret, "Exception", crash->reason.exception);
    if (crash->reason.what)
        put_named(ret, "What", crash->reason.what);
    put_named(ret, "Core", crash->core_state);
    put(ret, "%-12sreel %s; stack %016" PRIx64 "\n", "Made by", REEL_VERSION, crash->hash);
    if (crash->killed)
        put(ret, "\nThe process was killed while this was gathered: what follows is not all.\n");
    else if (!crash->analysed)
        put(ret, "\nThis is still being gathered (or reel has been killed): what follows is not all.\n");
    if (crash->late)
        put(ret, "\nSome of this was left out: it would have taken too long, or too much room.\n");
}

static void put_maps(struct buffer *ret, const struct crash *crash) {
    for (size_t i = 0; i < crash->maps.count; i++) {
        const struct mapping *mapping = &crash->maps.mappings[i];
        put(ret, "%012" PRIx64 "-%012" PRIx64 " %c%c%c%c %08" PRIx64 " ", mapping->start, mapping->end,
            mapping->protection & PROT_READ ? 'r' : '-', mapping->protection & PROT_WRITE ? 'w' : '-',
            mapping->protection & PROT_EXEC ? 'x' : '-', mapping->shared ? 's' : 'p', mapping->offset);
        put_plain(ret, mapping->name);
        put(ret, "\n");
    }
}

static void put_descriptors(struct buffer *ret, const struct crash *crash) {
    for (size_t i = 0; i < crash->facts.descriptor_count; i++) {
        const struct crash_descriptor *descriptor = &crash->facts.descriptors[i];
        put(ret, "%5d ", descriptor->fd);
        put_plain(ret, descriptor->target ? descriptor->target : "?");
        put(ret, " (flags %s, offset %" PRIu64 ")\n", descriptor->flags ? descriptor->flags : "?",
            descriptor->offset);
    }
}

static void put_modules(struct buffer *ret, const struct crash *crash) {
    for (size_t i = 0; i < crash->modules.count && i < CRASH_MODULES; i++) {
        const struct loaded_module *module = &crash->modules.modules[i];
        char id[129];
        crash_build_id(module, id);
        put(ret, "0x%012" PRIx64 " ", module->start);
        put_plain(ret, module->module->name);
        put(ret, " build-id %s%s\n", *id ? id : "none",
            module_debug_path(module->module->module) ? "" : ", no debug information");
    }
}

struct error *crash_text(const struct crash *crash, const struct crash_counts *counts, struct buffer *ret) {
    const struct crash_thread *first = crash->threads;
    put_head(ret, crash, counts);
    put_thread_name(ret, first);
    put_stack(ret, first);
    if (crash->code) {
        heading(ret, "instructions");
        buffer_put(ret, crash->code, strlen(crash->code));
    }
    if (first->has_registers) {
        heading(ret, "registers");
        put_registers(ret, &first->regs);
    }
    for (size_t i = 1; i < crash->thread_count; i++) {
        put_thread_name(ret, &crash->threads[i]);
        put_stack(ret, &crash->threads[i]);
    }
    if (crash->threads_left_out)
        put(ret, "\n%zu more threads are left out\n", crash->threads_left_out);
    heading(ret, "modules");
    put_modules(ret, crash);
    heading(ret, "memory map");
    put_maps(ret, crash);
    heading(ret, "open files");
    put_descriptors(ret, crash);
    heading(ret, "environment");
    for (size_t i = 0; i < crash->facts.environment.count; i++) {
        put_plain(ret, crash->facts.environment.items[i]);
        put(ret, "\n");
    }
    heading(ret, "limits");
    if (crash->facts.limits)
        buffer_put(ret, crash->facts.limits, strlen(crash->facts.limits));
    return buffer_check(ret);
}
