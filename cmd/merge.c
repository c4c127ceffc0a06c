/* reel merge: one trace of several, in the order of time. */
#include "trace/merge.h"
#include "base/say.h"
#include "cmd/verb.h"

#include <inttypes.h>
#include <string.h>

static struct error *run(int argc, char **argv, int *ret_status) {
    int first;
    bool help;
    const char *format = NULL;
    struct trace_writer_options options = {.async_write = true};
    struct trace_totals totals = {0};
    const struct verb_option rows[] = {{"output", 'o', VERB_VALUE, &options.path},
                                       {"format", 'f', VERB_VALUE, &format}};
    TRY(verb_options(&verb_merge, argc, argv, rows, sizeof(rows) / sizeof(rows[0]), false, &first, &help));
    if (help)
        return NULL;
    if (!options.path || !*options.path)
        return error_hint(error_new(ERROR_USAGE, "merge: no name for the output"), "give one with -o");
    if (argc == first)
        return error_hint(error_new(ERROR_USAGE, "merge: no trace to merge"),
                          "reel merge -o all.json trace.*.json");
    if (format)
        TRY(trace_format_find(format, &options.format));
    *ret_status = 0;
    TRY(trace_merge((const char *const *)argv + first, (size_t)(argc - first), &options, &totals));
    if (strcmp(options.path, "-"))
        say("%s: %" PRIu64 " events of %d traces", options.path, totals.events, argc - first);
    return NULL;
}

const struct verb verb_merge = {
    .name = "merge",
    .arguments = "-o OUTPUT [--format FORMAT] TRACE...",
    .summary = "make one trace of several, ordered by time",
    .help =
        "Writes the events of all TRACEs into OUTPUT, ordered by their time: those of the processes of one\n"
        "run, for instance. A trace that was cut off is merged as far as it goes; merging it alone makes it\n"
        "whole again.\n"
        "\n"
        "  -o, --output FILE  the trace to write; - is standard output\n"
        "  -f, --format F     json (default) or jsonl\n"
        "  -q, --quiet        say nothing but failures\n",
    .run = run,
};
