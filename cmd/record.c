/* reel record: run a program and record it. */
#include "cmd/verb.h"
#include "replay/chaos.h"
#include "replay/recorder.h"

static struct error *run(int argc, char **argv, int *ret_status) {
    struct recorder_options options = {.buffer = true};
    bool no_buffer = false;
    const char *max_size = NULL, *seed = NULL;
    int first;
    bool help;
    const struct verb_option rows[] = {
        {"output", 'o', VERB_VALUE, &options.output},
        {"max-size", 0, VERB_VALUE, &max_size},
        {"buffer", 0, VERB_FLAG, &options.buffer}, /* as it is without */
        {"no-buffer", 0, VERB_FLAG, &no_buffer},
        {"chaos", 0, VERB_FLAG, &options.chaos},
        {"seed", 0, VERB_VALUE, &seed},
        {"check-memory", 0, VERB_FLAG, &options.check_memory},
        {"serial", 0, VERB_FLAG, &options.serial},
    };
    TRY(verb_options(&verb_record, argc, argv, rows, sizeof(rows) / sizeof(rows[0]), true, &first, &help));
    if (help)
        return NULL;
    if (first >= argc)
        return error_hint(error_new(ERROR_USAGE, "record: no program to record"),
                          "reel record [--] PROGRAM ARGUMENT...");
    if (max_size) {
        TRY(verb_number(max_size, "--max-size", 1u << 30, &options.max_size));
        if (!options.max_size)
            return error_new(ERROR_USAGE, "--max-size 0: nothing fits into that");
        options.max_size <<= 20;
    }
    if (options.chaos)
        options.chaos_seed = chaos_seed();
    if (seed) {
        TRY(verb_number(seed, "--seed", UINT64_MAX, &options.chaos_seed));
        options.chaos = true;
    }
    options.buffer = !no_buffer;
    options.argv = argv + first;
    return recorder_run(&options, ret_status);
}

const struct verb verb_record = {
    .name = "record",
    .arguments = "[-o DIR] [--max-size MB] [--no-buffer] [--chaos] [--seed N] [--serial] [--check-memory] "
                 "[--] PROGRAM "
                 "[ARGUMENT...]",
    .summary = "run a program and record it",
    .help = "Runs PROGRAM as it would run without reel, and records what it cannot compute for itself.\n"
            "\n"
            "  -o, --output DIR   the recording to make (default: PROGRAM-PID.reel)\n"
            "      --max-size MB  stop recording, not the program, when the recording has this size\n"
            "      --no-buffer    every call stops the program, also those that could do without\n"
            "      --chaos        schedule threads and processes unkindly, from a random seed\n"
            "      --seed N       the same from this seed\n"
            "      --check-memory keep all writable memory at the end, for `reel replay --check-memory`\n"
            "      --serial       all processes on one processor, one at a time\n"
            "  -q, --quiet        say nothing but failures\n"
            "  -v, --verbose      say more\n"
            "\n"
            "Exits as PROGRAM does, with 128 + N when signal N killed it; 125 when reel itself failed,\n"
            "126 when PROGRAM cannot be run, 127 when it is not found.\n",
    .run = run,
};
