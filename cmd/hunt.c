/* reel hunt: record a program again and again until the bug shows. */
#include "replay/hunt.h"
#include "cmd/verb.h"
#include "replay/chaos.h"

#include <stdint.h>
#include <string.h>

/* Without --until: whatever goes wrong by itself. */
static const char *const usual_goals[] = {"crash", "exit", "hang"};

static struct error *parse_goals(const struct verb_values *texts, struct hunt_goal *goals,
                                 size_t *ret_count) {
    const char *const *values = texts->count ? texts->values : usual_goals;
    size_t count = texts->count ? texts->count : sizeof(usual_goals) / sizeof(usual_goals[0]);
    for (*ret_count = 0; *ret_count < count; ++*ret_count)
        TRY(hunt_goal_parse(values[*ret_count], &goals[*ret_count]));
    return NULL;
}

static struct error *hunt(struct hunt_options *options, const struct verb_values *texts, int *ret_status) {
    struct hunt_goal goals[VERB_VALUES_MOST];
    bool found = false;
    options->goals = goals;
    struct error *err = parse_goals(texts, goals, &options->goal_count);
    if (!err)
        err = hunt_run(options, &found);
    for (size_t i = 0; i < options->goal_count; i++)
        hunt_goal_deinit(&goals[i]);
    *ret_status = found ? 0 : 1;
    return err;
}

static struct error *parse_numbers(const char *runs, const char *timeout, const char *max_size,
                                   const char *seed, struct hunt_options *ret) {
    uint64_t seconds = 0;
    if (runs)
        TRY(verb_number(runs, "--runs", UINT64_MAX / 2, &ret->runs));
    if (timeout)
        TRY(verb_number(timeout, "--timeout", 1u << 30, &seconds));
    ret->timeout = (unsigned)seconds;
    if (max_size)
        TRY(verb_number(max_size, "--max-size", 1u << 30, &ret->record.max_size));
    ret->record.max_size <<= 20;
    return seed ? verb_number(seed, "--seed", UINT64_MAX, &ret->record.chaos_seed) : NULL;
}

static struct error *run(int argc, char **argv, int *ret_status) {
    struct hunt_options options = {0};
    struct verb_values goals = {0};
    const char *runs = NULL, *timeout = NULL, *max_size = NULL, *seed = NULL;
    bool help, calm = false;
    int first;
    const struct verb_option rows[] = {
        {"output", 'o', VERB_VALUE, &options.record.output},
        {"until", 0, VERB_VALUES, &goals},
        {"runs", 0, VERB_VALUE, &runs},
        {"timeout", 0, VERB_VALUE, &timeout},
        {"max-size", 0, VERB_VALUE, &max_size},
        {"seed", 0, VERB_VALUE, &seed},
        {"no-chaos", 0, VERB_FLAG, &calm},
        {"show", 0, VERB_FLAG, &options.show},
    };
    TRY(verb_options(&verb_hunt, argc, argv, rows, sizeof(rows) / sizeof(rows[0]), true, &first, &help));
    if (help)
        return NULL;
    if (first >= argc)
        return error_hint(error_new(ERROR_USAGE, "hunt: no program to run"),
                          "reel hunt [--] PROGRAM ARGUMENT...");
    options.record.argv = argv + first;
    options.record.chaos = !calm;
    if (!seed)
        options.record.chaos_seed = chaos_seed();
    TRY(parse_numbers(runs, timeout, max_size, seed, &options));
    return hunt(&options, &goals, ret_status);
}

const struct verb verb_hunt = {
    .name = "hunt",
    .arguments = "[--runs N] [--until GOAL] [--timeout S] [-o DIR] [--] PROGRAM [ARGUMENT...]",
    .summary = "record a program again and again until the bug shows",
    .help =
        "Runs and records PROGRAM until a run shows the bug, and keeps the recording of that run. Threads "
        "and\n"
        "processes are scheduled differently, and unkindly, each time.\n"
        "\n"
        "      --until GOAL   what to hunt for; may be given several times (default: crash, exit and hang):\n"
        "                     crash           killed by a signal\n"
        "                     exit, exit=N    an exit status other than 0, or this one\n"
        "                     hang            still running after --timeout\n"
        "                     stdout~REGEX, stderr~REGEX   a line of its output (extended regular "
        "expression)\n"
        "      --runs N       give up after so many runs (default: never)\n"
        "      --timeout S    end a run after so many seconds (default: never)\n"
        "  -o, --output DIR   the recording to keep (default: PROGRAM-hunt-PID.reel)\n"
        "      --max-size MB  stop recording a run, not the program, when the recording has this size\n"
        "      --seed N       begin with this seed; the next run has the next (default: random)\n"
        "      --no-chaos     schedule fairly\n"
        "      --show         show the program's output\n"
        "  -q, --quiet        say nothing but what was found, and failures\n"
        "  -v, --verbose      say more\n"
        "\n"
        "Exits 0 when a recording was kept, 1 when nothing was found, 125 to 127 as `reel record`.\n",
    .run = run,
};
