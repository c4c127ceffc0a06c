/* crash_json: report.json. One member of the outermost object a line, count and times first: they are changed
 * in place when the same crash comes again (crash_folder.c). reel-watch(1) lists the keys. */
#include "tracer/crash_state.h"

#include "base/registers.h"
#include "base/version.h"
#include "trace/event.h"
#include "tracer/syscall.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

void crash_build_id(const struct loaded_module *module, char ret[129]) {
    size_t size = 0;
    const uint8_t *id = module ? module_build_id(module->module->module, &size) : NULL;
    ret[0] = 0;
    for (size_t i = 0; id && i < size && i < 64; i++)
        snprintf(ret + 2 * i, 3, "%02x", id[i]);
}

static void put(struct buffer *ret, const char *text) {
    buffer_put(ret, text, strlen(text));
}

static void put_time(struct buffer *data, const char *key, uint64_t ns) {
    char text[TRACE_TIME_SIZE + 1];
    trace_time_put(ns, text);
    trace_data_text(data, key, text, TRACE_TIME_SIZE);
}

/* ---- stacks ---- */

static void put_variables(struct buffer *data, const struct crash_frame *frame, bool parameters) {
    trace_data_open_object(data, parameters ? "arguments" : "locals");
    for (size_t i = 0; i < frame->variable_count; i++) {
        const struct crash_variable *variable = &frame->variables[i];
        if (variable->parameter != parameters)
            continue;
        trace_data_raw(data, variable->name, variable->value, strlen(variable->value));
    }
    trace_data_close_object(data);
}

static void put_frame(struct buffer *data, const struct crash_frame *frame, size_t number) {
    trace_data_item(data);
    buffer_put_u8(data, '{');
    trace_data_unsigned(data, "frame", number);
    trace_data_address(data, "address", frame->registers.value[FRAME_RIP]);
    if (frame->name)
        trace_data_string(data, "function", frame->name);
    if (frame->file)
        trace_data_string(data, "file", frame->file);
    if (frame->line)
        trace_data_unsigned(data, "line", frame->line);
    if (frame->module) {
        trace_data_string(data, "module", frame->module->module->name);
        trace_data_address(data, "module_offset", frame->pc - frame->module->bias);
    }
    if (frame->function && frame->inlined < 0)
        trace_data_unsigned(data, "function_offset",
                            frame->pc - frame->module->bias - frame->function->entry);
    if (frame->cfa)
        trace_data_address(data, "cfa", frame->cfa);
    if (frame->inlined >= 0)
        trace_data_bool(data, "inlined", true);
    if (frame->signal_frame)
        trace_data_bool(data, "signal_frame", true);
    if (frame->guessed)
        trace_data_bool(data, "guessed", true);
    if (frame->skipped)
        trace_data_unsigned(data, "left_out_before", frame->skipped);
    if (frame->variable_count) {
        put_variables(data, frame, true);
        put_variables(data, frame, false);
    }
    trace_data_close_object(data);
}

static void put_registers(struct buffer *data, const struct user_regs_struct *regs) {
    trace_data_open_object(data, "registers");
    for (size_t i = 0; i < REGISTER_COUNT; i++)
        trace_data_address(data, registers[i].name, register_get(regs, i));
    trace_data_close_object(data);
}

static void put_thread(struct buffer *data, const struct crash_thread *thread, bool crashed) {
    trace_data_item(data);
    buffer_put_u8(data, '{');
    trace_data_signed(data, "tid", thread->tid);
    trace_data_string(data, "name", thread->name);
    trace_data_bool(data, "crashed", crashed);
    if (thread->signo)
        trace_data_string(data, "signal", signal_name(thread->signo));
    trace_data_unsigned(data, "depth", thread->depth);
    if (thread->end)
        trace_data_string(data, "stack_ends", thread->end);
    if (thread->has_registers)
        put_registers(data, &thread->regs);
    trace_data_open_array(data, "frames");
    for (size_t i = 0, skipped = 0; i < thread->frame_count; i++) {
        skipped += thread->frames[i].skipped;
        put_frame(data, &thread->frames[i], i + skipped);
    }
    trace_data_close_array(data);
    trace_data_close_object(data);
}

/* ---- the rest ---- */

static void put_reason(struct buffer *data, const struct crash *crash) {
    const struct crash_reason *reason = &crash->reason;
    trace_data_open_object(data, "reason");
    trace_data_string(data, "summary", reason->summary);
    if (reason->signo) {
        trace_data_string(data, "signal", signal_name(reason->signo));
        trace_data_signed(data, "number", reason->signo);
        trace_data_signed(data, "code", crash->event->info.si_code);
        trace_data_string(data, "code_text", reason->code);
    } else
        trace_data_signed(data, "exit_status", crash->event->exit_status);
    if (reason->has_address) {
        trace_data_address(data, "address", reason->address);
        trace_data_string(data, "access", crash_access_name(reason->access));
        trace_data_string(data, "place", reason->place);
        trace_data_bool(data, "address_computed", reason->address_computed);
    }
    if (reason->has_mapping)
        trace_data_string(data, "mapping", reason->mapping.name);
    trace_data_bool(data, "stack_overflow", reason->stack_overflow);
    if (*reason->sender) {
        trace_data_string(data, "sender", reason->sender);
        trace_data_signed(data, "sender_pid", crash->event->info.si_pid);
    }
    if (reason->message)
        trace_data_string(data, "message", reason->message);
    if (reason->exception)
        trace_data_string(data, "exception", reason->exception);
    if (reason->what)
        trace_data_string(data, "what", reason->what);
    if (*reason->handler)
        trace_data_string(data, "handler", reason->handler);
    trace_data_close_object(data);
}

static void put_list(struct buffer *data, const char *key, const struct crash_list *list) {
    trace_data_open_array(data, key);
    for (size_t i = 0; i < list->count; i++) {
        trace_data_item(data);
        json_put_string(data, list->items[i], strlen(list->items[i]));
    }
    trace_data_close_array(data);
}

static void put_process(struct buffer *data, const struct crash *crash) {
    const struct crash_facts *facts = &crash->facts;
    trace_data_open_object(data, "process");
    trace_data_signed(data, "pid", crash->event->pid);
    trace_data_signed(data, "tid", crash->event->task->tid);
    trace_data_signed(data, "ppid", facts->ppid);
    trace_data_string(data, "name", facts->name);
    trace_data_string(data, "executable", facts->exe);
    trace_data_string(data, "cwd", facts->cwd);
    trace_data_string(data, "root", facts->root);
    trace_data_unsigned(data, "uid", facts->uid);
    if (facts->uptime >= 0)
        trace_data_double(data, "uptime_seconds", facts->uptime);
    trace_data_string(data, "cgroup", facts->cgroup);
    put_list(data, "arguments", &facts->arguments);
    trace_data_close_object(data);
}

static void put_descriptors(struct buffer *data, const struct crash *crash) {
    trace_data_open_array(data, "open_files");
    for (size_t i = 0; i < crash->facts.descriptor_count; i++) {
        const struct crash_descriptor *descriptor = &crash->facts.descriptors[i];
        trace_data_item(data);
        buffer_put_u8(data, '{');
        trace_data_signed(data, "fd", descriptor->fd);
        trace_data_string(data, "target", descriptor->target);
        trace_data_string(data, "flags", descriptor->flags);
        trace_data_unsigned(data, "offset", descriptor->offset);
        trace_data_close_object(data);
    }
    trace_data_close_array(data);
}

static void put_modules(struct buffer *data, const struct crash *crash) {
    trace_data_open_array(data, "modules");
    for (size_t i = 0; i < crash->modules.count && i < CRASH_MODULES; i++) {
        const struct loaded_module *module = &crash->modules.modules[i];
        char id[129];
        crash_build_id(module, id);
        trace_data_item(data);
        buffer_put_u8(data, '{');
        trace_data_string(data, "path", module->module->name);
        trace_data_string(data, "build_id", *id ? id : NULL);
        trace_data_address(data, "start", module->start);
        trace_data_address(data, "end", module->end);
        trace_data_address(data, "bias", module->bias);
        trace_data_string(data, "debug_information", module_debug_path(module->module->module));
        if (module_problem(module->module->module))
            trace_data_string(data, "problem", module_problem(module->module->module));
        trace_data_close_object(data);
    }
    trace_data_close_array(data);
}

/* As a line of /proc/PID/maps. */
static void put_mapping(struct buffer *data, const struct mapping *mapping, struct buffer *line) {
    char text[128];
    snprintf(text, sizeof(text), "%" PRIx64 "-%" PRIx64 " %c%c%c%c %08" PRIx64 " ", mapping->start,
             mapping->end, mapping->protection & PROT_READ ? 'r' : '-',
             mapping->protection & PROT_WRITE ? 'w' : '-', mapping->protection & PROT_EXEC ? 'x' : '-',
             mapping->shared ? 's' : 'p', mapping->offset);
    buffer_clear(line);
    put(line, text);
    put(line, mapping->name);
    data->failed |= line->failed;
    json_put_string(data, (const char *)line->data, line->size);
}

static void put_maps(struct buffer *data, const struct crash *crash) {
    struct buffer line = {0};
    trace_data_open_array(data, "maps");
    for (size_t i = 0; i < crash->maps.count; i++) {
        trace_data_item(data);
        put_mapping(data, &crash->maps.mappings[i], &line);
    }
    trace_data_close_array(data);
    buffer_deinit(&line);
}

static void put_code(struct buffer *data, const struct crash *crash) {
    trace_data_open_array(data, "disassembly");
    for (const char *at = crash->code; at && *at;) {
        size_t size = strcspn(at, "\n");
        trace_data_item(data);
        json_put_string(data, at, size);
        at += size + (at[size] == '\n');
    }
    trace_data_close_array(data);
}

static void put_core(struct buffer *data, const struct crash *crash) {
    trace_data_open_object(data, "core");
    trace_data_string(data, "state", crash->core_state);
    trace_data_unsigned(data, "bytes_on_disk", crash->core_size);
    trace_data_unsigned(data, "bytes_left_out", crash->core_left_out);
    trace_data_close_object(data);
}

/* One member, on a line of its own. */
static void line(struct buffer *ret, struct buffer *data) {
    if (!data->size)
        return;
    put(ret, ",\n  ");
    buffer_put(ret, data->data, data->size);
    ret->failed |= data->failed;
    buffer_clear(data);
}

static void put_head(struct buffer *ret, const struct crash *crash, const struct crash_counts *counts) {
    char text[512], first[TRACE_TIME_SIZE], last[TRACE_TIME_SIZE];
    trace_time_put(counts->first_ns, first);
    trace_time_put(counts->last_ns, last);
    /* of fixed width: crash_folder.c reads these lines, and writes them anew */
    snprintf(text, sizeof(text),
             "{\n  \"format\": \"reel-crash 1\",\n  \"hash\": \"%016" PRIx64 "\",\n  \"count\": %20" PRIu64
             ",\n  \"first_seen\": \"%.*s\",\n  \"last_seen\": \"%.*s\"",
             crash->hash, counts->count, TRACE_TIME_SIZE, first, TRACE_TIME_SIZE, last);
    put(ret, text);
}

struct error *crash_json(const struct crash *crash, const struct crash_counts *counts, struct buffer *ret) {
    struct buffer data = {0};
    void (*const parts[])(struct buffer *, const struct crash *) = {
        put_reason, put_process, put_code, NULL, put_modules, put_maps, put_descriptors, put_core};
    put_head(ret, crash, counts);
    trace_data_string(&data, "reel", REEL_VERSION);
    line(ret, &data);
    put_time(&data, "time", crash->time_ns);
    line(ret, &data);
    trace_data_bool(&data, "complete", crash->analysed && !crash->killed);
    line(ret, &data);
    trace_data_bool(&data, "killed_meanwhile", crash->killed);
    line(ret, &data);
    trace_data_bool(&data, "cut_for_time_or_size", crash->late);
    line(ret, &data);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i]) {
            parts[i](&data, crash);
            line(ret, &data);
            continue;
        }
        trace_data_open_array(&data, "threads");
        for (size_t k = 0; k < crash->thread_count; k++)
            put_thread(&data, &crash->threads[k], k == 0);
        trace_data_close_array(&data);
        line(ret, &data);
    }
    trace_data_unsigned(&data, "threads_left_out", crash->threads_left_out);
    line(ret, &data);
    put_list(&data, "environment", &crash->facts.environment);
    line(ret, &data);
    trace_data_unsigned(&data, "masked", crash->facts.masked);
    line(ret, &data);
    trace_data_string(&data, "limits", crash->facts.limits);
    line(ret, &data);
    put(ret, "\n}\n");
    buffer_deinit(&data);
    return buffer_check(ret);
}
