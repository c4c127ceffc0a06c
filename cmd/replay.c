/* reel replay: run a recording again. */
#include "base/say.h"
#include "cmd/verb.h"
#include "replay/processes.h"
#include "replay/replayer.h"

#include <stdlib.h>

static struct error *run(int argc, char **argv, int *ret_status) {
    struct replayer_options options = {.buffer = true};
    bool no_buffer = false;
    const char *to = NULL, *who = NULL;
    int first;
    bool help, all = false;
    char *path;
    const struct verb_option rows[] = {
        {"to", 0, VERB_VALUE, &to},
        {"pid", 'p', VERB_VALUE, &who},
        {"all", 'a', VERB_FLAG, &all},
        {"buffer", 0, VERB_FLAG, &options.buffer}, /* as it is without */
        {"no-buffer", 0, VERB_FLAG, &no_buffer},
        {"check-memory", 0, VERB_FLAG, &options.check_memory},
    };
    TRY(verb_options(&verb_replay, argc, argv, rows, sizeof(rows) / sizeof(rows[0]), false, &first, &help));
    if (help)
        return NULL;
    if (to) {
        TRY(verb_number(to, "--to", UINT64_MAX / 2, &options.to));
        if (!options.to)
            return error_new(ERROR_USAGE, "--to 0: events count from 1");
    }
    if (all && (to || who))
        return error_new(ERROR_USAGE, "--all: goes without %s", to ? "--to" : "--pid");
    TRY(verb_recording(argc, argv, first, &path));
    options.path = path;
    options.buffer = !no_buffer;
    options.quiet = say_level == SAY_QUIET;
    struct process_place place;
    struct error *err = processes_find(path, who, &place);
    options.domain = place.domain;
    options.pid = place.pid;
    if (!err)
        err = all ? replayer_run_all(&options, ret_status) : replayer_run(&options, ret_status);
    free(path);
    return err;
}

const struct verb verb_replay = {
    .name = "replay",
    .arguments = "[--quiet] [--pid PID | --all] [--to EVENT] [--no-buffer] [--check-memory] [RECORDING]",
    .summary = "run a recording again, identically",
    .help =
        "Runs RECORDING (default: the newest in the current folder) again. Nothing outside the recording is\n"
        "read, nothing on this machine is changed; what the program wrote to its output is shown again.\n"
        "\n"
        "  -p, --pid PID      the process PID (the last one with that number), or dN, the Nth (default: the "
        "first)\n"
        "  -a, --all          every process, with all output in the order in which it came\n"
        "      --to EVENT     stop after this event (`reel dump` numbers them)\n"
        "      --no-buffer    stop at every call, also at those that could be answered without\n"
        "      --check-memory compare all writable memory at the end (needs `reel record --check-memory`)\n"
        "  -q, --quiet        do not show the program's output, say nothing but failures\n"
        "  -v, --verbose      say more\n"
        "\n"
        "Exits as the recorded program did (with --all: the first process); 125 when the replay differs from "
        "the recording, or the\n"
        "recording is damaged.\n",
    .run = run,
};
