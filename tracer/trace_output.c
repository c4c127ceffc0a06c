/* trace_output: the file that the events of a process go to. */
#include "tracer/calltrace_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "trace.json", "trace.PID.json" for the others. */
static struct error *output_path(struct calltrace *calltrace, const struct traced_process *process,
                                 bool first, char **ret) {
    const struct trace_options *options = calltrace->options;
    const char *name = options->output                   ? options->output
                       : options->format == FORMAT_JSONL ? "trace.jsonl"
                                                         : "trace.json";
    const char *slash = strrchr(name, '/'), *dot = strrchr(slash ? slash : name, '.');
    int stem = dot && dot != name ? (int)(dot - name) : (int)strlen(name);
    int done = first || strcmp(name, "-") == 0
                   ? asprintf(ret, "%s", name)
                   : asprintf(ret, "%.*s.%d%s", stem, name, (int)process->shown_pid, name + stem);
    return done < 0 ? &error_no_memory : NULL;
}

static const char *level_name(const struct trace_options *options) {
    if (options->trace_control_flow)
        return "full";
    return options->trace_variables ? "standard" : "minimal";
}

struct error *trace_output_open(struct traced_process *process) {
    struct calltrace *calltrace = process->calltrace;
    const struct trace_options *options = calltrace->options;
    bool first = calltrace->totals.files == 0 && !calltrace->host.one_of_many;
    char *path, *extra = NULL;
    if (options->list_probes)
        return NULL;
    TRY(output_path(calltrace, process, first, &path));
    if (asprintf(&extra, "\"source\": \"%s\"", calltrace->host.source) < 0)
        extra = NULL;
    const struct trace_writer_options writer = {
        .path = path,
        .format = options->format == FORMAT_JSONL ? TRACE_JSONL : TRACE_JSON,
        .buffer_size = options->buffer_size,
        .async_write = options->async_write,
        .guard = true,
        .max_size = options->max_trace_size_mb << 20,
        .facts = {.program = process->program,
                  .arguments = first ? calltrace->host.arguments : NULL,
                  .pid = process->shown_pid,
                  .level = level_name(options),
                  .extra_json = extra},
    };
    struct error *err = trace_writer_create(&writer, &process->writer);
    free(extra);
    if (err || calltrace->totals.files) {
        free(path);
    } else {
        free(calltrace->path);
        calltrace->path = path;
    }
    calltrace->totals.files += !err;
    return err;
}

struct error *trace_output_close(struct traced_process *process) {
    struct calltrace *calltrace = process->calltrace;
    if (!process->writer)
        return NULL;
    const struct trace_totals totals = trace_writer_totals(process->writer);
    calltrace->totals.events += totals.events;
    calltrace->totals.dropped += totals.dropped;
    struct error *err = trace_writer_close(process->writer);
    process->writer = NULL;
    return err;
}
