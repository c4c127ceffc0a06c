/* reel summary: what a trace, or the calls of a recording, amount to. */
#include "trace/summary.h"
#include "base/say.h"
#include "cmd/verb.h"
#include "config/option.h"
#include "replay/processes.h"
#include "replay/retrace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOP_MAX = 1000000 };

static struct error *print(const struct summary *summary, const char *path, uint64_t top, bool json) {
    struct buffer text = {0};
    const struct summary_options options = {.name = path, .top = (unsigned)top};
    if (json)
        summary_print_json(summary, &options, &text);
    else
        summary_print(summary, &options, &text);
    struct error *err = buffer_check(&text);
    if (!err)
        fwrite(text.data, 1, text.size, stdout);
    buffer_deinit(&text);
    return err;
}

/* A trace that is damaged, or cut off, is summed up to there; that it is comes after. */
static struct error *summarize(const char *path, const char *name, uint64_t top, bool json) {
    struct trace_reader *reader;
    struct summary *summary;
    TRY(summary_create(&summary));
    struct error *err = trace_reader_open(path, &reader);
    if (err) {
        summary_destroy(summary);
        return err;
    }
    err = summary_read(summary, reader);
    if (!err || (error_is(err, ERROR_BAD_DATA) && !summary_empty(summary))) {
        struct error *printed = print(summary, name, top, json);
        if (!err)
            err = printed;
        else
            error_free(printed);
    }
    trace_reader_close(reader);
    summary_destroy(summary);
    return err;
}

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Trace the calls of a recording into a file that goes away. */
static struct error *summarize_recording(const char *path, const char *who, uint64_t top, bool json) {
    const char *folder = getenv("TMPDIR");
    struct trace_options options;
    char *file = NULL;
    int status;
    struct process_place place;
    TRY(processes_find(path, who, &place));
    if (asprintf(&file, "%s/reel-summary-XXXXXX", folder && *folder ? folder : "/tmp") < 0)
        return &error_no_memory;
    int fd = mkstemp(file);
    if (fd < 0) {
        struct error *err = error_system(errno, "%s", file);
        free(file);
        return err;
    }
    close(fd);
    trace_options_init(&options);
    options.trace_variables = false;
    options.output = file; /* owned by the options from here on */
    enum say_level before = say_level;
    if (say_level == SAY_NORMAL) /* where the trace went is of no interest */
        say_level = SAY_QUIET;
    struct error *err = retrace_run(path, place.domain, &options, &status);
    say_level = before;
    if (!err)
        err = summarize(file, path, top, json);
    unlink(file);
    trace_options_deinit(&options);
    return err;
}

static struct error *run(int argc, char **argv, int *ret_status) {
    int first;
    bool help, json = false;
    const char *top_text = NULL, *who = NULL;
    uint64_t top = 0;
    const struct verb_option rows[] = {
        {"json", 'j', VERB_FLAG, &json}, {"top", 'n', VERB_VALUE, &top_text}, {"pid", 'p', VERB_VALUE, &who}};
    TRY(verb_options(&verb_summary, argc, argv, rows, sizeof(rows) / sizeof(rows[0]), false, &first, &help));
    if (help)
        return NULL;
    if (top_text)
        TRY(verb_number(top_text, "--top", TOP_MAX, &top));
    if (argc - first != 1)
        return error_hint(
            error_new(ERROR_USAGE, "summary: one trace is needed, and %d are named", argc - first),
            "reel summary trace.json");
    *ret_status = 0;
    if (is_folder(argv[first]))
        return summarize_recording(argv[first], who, top, json);
    return summarize(argv[first], argv[first], top, json);
}

const struct verb verb_summary = {
    .name = "summary",
    .arguments = "[--json] [--top N] [--pid PID] {TRACE | RECORDING}",
    .summary = "sum a trace or recording up: calls, times, exceptions",
    .help =
        "Prints what TRACE amounts to: events by type, functions by calls and by time, the call tree, the\n"
        "deepest stack, exceptions, threads. A trace that was cut off is summed up as far as it goes.\n"
        "A recording is replayed, and its calls are traced for it; times are then those of the replay.\n"
        "\n"
        "  -j, --json         one JSON object, with everything in it\n"
        "  -n, --top N        at most N rows in each table (default: 20; with --json: all)\n"
        "  -p, --pid PID      of a recording: the process PID, or dN, the Nth (default: the first)\n"
        "  -q, --quiet        say nothing but failures\n",
    .run = run,
};
