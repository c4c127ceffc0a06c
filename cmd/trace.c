/* reel trace: calls, variables, branches and exceptions of a program that is launched, of a running process,
 * or of a recording. */
#include "cmd/verb.h"
#include "config/arguments.h"
#include "replay/pack.h"
#include "replay/processes.h"
#include "replay/retrace.h"
#include "tracer/livetrace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What is to be traced. */
struct source {
    const char *pid; /* -p */
    char **argv;     /* a program with its arguments */
    char *recording; /* owned */
    bool all;        /* all processes of it */
};

static bool is_recording(const char *path) {
    char file[4200];
    struct stat info;
    if (pack_has_magic(path))
        return true;
    snprintf(file, sizeof(file), "%s/recording.json", path);
    return stat(file, &info) == 0;
}

/* A word that names a recording is one, unless it stands behind `--`; without any word the newest recording
 * here is meant. */
static struct error *find_source(int argc, char **argv, int first, bool after_dashes,
                                 const char *swallowed_by, struct source *ret) {
    bool names_recording = first < argc && !after_dashes && is_recording(argv[first]);
    if (ret->all && first < argc && !names_recording)
        return error_new(ERROR_USAGE, "trace: --all is for recordings, and '%s' is none", argv[first]);
    if (ret->pid && !ret->all && !names_recording) {
        if (first < argc)
            return error_new(ERROR_USAGE, "trace: with --pid there is no program to run, but '%s' was given",
                             argv[first]);
        return NULL;
    }
    if (first == argc && (after_dashes || swallowed_by))
        return error_hint(error_new(ERROR_USAGE, "trace: no program to trace"),
                          swallowed_by ? "--%s takes all that follows: put `--` in front of the program"
                                       : "reel trace [OPTION...] -- PROGRAM ARGUMENT...%.0s",
                          swallowed_by);
    if (first < argc && (after_dashes || !is_recording(argv[first]))) {
        ret->argv = argv + first;
        return NULL;
    }
    return verb_recording(argc, argv, first, &ret->recording);
}

static struct error *trace(const struct source *source, const struct trace_options *options,
                           int *ret_status) {
    uint64_t pid = 0;
    if (source->recording && source->all)
        return retrace_run_all(source->recording, options, ret_status);
    if (source->recording) {
        struct process_place place;
        TRY(processes_find(source->recording, source->pid, &place));
        return retrace_run(source->recording, place.domain, options, ret_status);
    }
    if (source->pid)
        TRY(verb_number(source->pid, "--pid", 1u << 22, &pid));
    const struct livetrace_options live = {.trace = options, .argv = source->argv, .pid = (pid_t)pid};
    return livetrace_run(&live, ret_status);
}

static struct error *run_with(struct option_arguments *arguments, int argc, char **argv, int *ret_status) {
    struct source source = {0};
    struct trace_options options;
    const struct verb_option rows[] = {{"pid", 'p', VERB_VALUE, &source.pid},
                                       {"all", 0, VERB_FLAG, &source.all}};
    const char *swallowed_by;
    int first;
    bool help;
    TRY(verb_options_of_table(&verb_trace, argc, argv, rows, sizeof(rows) / sizeof(rows[0]), true, arguments,
                              &first, &help, &swallowed_by));
    if (help)
        return NULL;
    bool after_dashes = first > 1 && strcmp(argv[first - 1], "--") == 0;
    trace_options_init(&options);
    struct error *err = option_arguments_apply(arguments, &options);
    if (!err)
        err = find_source(argc, argv, first, after_dashes, swallowed_by, &source);
    if (!err)
        err = trace(&source, &options, ret_status);
    free(source.recording);
    trace_options_deinit(&options);
    return err;
}

static struct error *run(int argc, char **argv, int *ret_status) {
    struct option_arguments arguments = {0};
    struct error *err = run_with(&arguments, argc, argv, ret_status);
    option_arguments_deinit(&arguments);
    return err;
}

const struct verb verb_trace = {
    .name = "trace",
    .arguments = "[OPTION...] {[--] PROGRAM [ARGUMENT...] | -p PID | [-p PID | --all] [RECORDING]}",
    .summary = "write calls, variables and branches of a program or recording",
    .help =
        "Traces PROGRAM, the running process PID (until Ctrl-C), or a recording (the newest in\n"
        "this folder), and writes a JSON trace: trace.json, or what --output says.\n"
        "A program is traced as it runs; its output and exit status are its own.\n"
        "\n"
        "  -p, --pid PID      attach to a running process; of a recording: the process PID, or dN, the Nth\n"
        "      --all          of a recording: every process, each into a file of its own\n"
        "  -q, --quiet        say nothing but failures\n"
        "  -v, --verbose      say more\n"
        "\n",
    .run = run,
};
