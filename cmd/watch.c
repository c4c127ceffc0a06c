/* reel watch: keep what can be known of a crash, of a program that is launched or of a running process. */
#include "tracer/watch.h"
#include "cmd/verb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CORE_MOST (UINT64_C(1) << 30)

/* A size in MB, or with a letter K, M, G. */
static struct error *parse_size(const char *text, const char *what, uint64_t *ret) {
    static const struct {
        const char *letter;
        unsigned shift;
    } units[] = {{"", 20}, {"K", 10}, {"M", 20}, {"G", 30}, {"KB", 10}, {"MB", 20}, {"GB", 30}};
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (!errno && end != text && *text != '-' && strcasecmp(end, units[i].letter) == 0 &&
            value <= UINT64_MAX >> (units[i].shift + 1)) {
            *ret = (uint64_t)value << units[i].shift;
            return NULL;
        }
    return error_hint(error_new(ERROR_USAGE, "watch: %s %s: expected a size", what, text),
                      "a number of MB, or one with K, M or G");
}

/* "1,3-5" */
static struct error *parse_statuses(const char *text, bool ret[256]) {
    for (const char *at = text;; at++) {
        char *end;
        unsigned long first = strtoul(at, &end, 10), last = first;
        bool good = end != at && *at != '-';
        if (good && *end == '-') {
            const char *second = end + 1;
            last = strtoul(second, &end, 10);
            good = end != second && *second != '-';
        }
        if (!good || first > last || last > 255 || (*end && *end != ','))
            return error_hint(error_new(ERROR_USAGE, "watch: --exit-status %s: expected exit statuses", text),
                              "numbers up to 255, like 1,3-5");
        for (unsigned long status = first; status <= last; status++)
            ret[status] = true;
        if (!*end)
            return NULL;
        at = end;
    }
}

static struct error *run(int argc, char **argv, int *ret_status) {
    struct watch_options options = {.crash.core_max = CORE_MOST};
    const char *pid = NULL, *statuses = NULL, *core_size = NULL, *quota = NULL;
    struct verb_values masks = {0};
    uint64_t number = 0;
    int first;
    bool help;
    const struct verb_option rows[] = {
        {"pid", 'p', VERB_VALUE, &pid},
        {"output", 'o', VERB_VALUE, &options.crash.folder},
        {"exit-status", 0, VERB_VALUE, &statuses},
        {"exits", 0, VERB_FLAG, &options.exits},
        {"no-follow", 0, VERB_FLAG, &options.no_follow},
        {"no-core", 0, VERB_FLAG, &options.crash.no_core},
        {"core-size", 0, VERB_VALUE, &core_size},
        {"quota", 0, VERB_VALUE, &quota},
        {"mask", 0, VERB_VALUES, &masks},
    };
    TRY(verb_options(&verb_watch, argc, argv, rows, sizeof(rows) / sizeof(rows[0]), true, &first, &help));
    if (help)
        return NULL;
    if (pid)
        TRY(verb_number(pid, "--pid", 1u << 22, &number));
    options.pid = (pid_t)number;
    options.argv = first < argc ? argv + first : NULL;
    if (pid && options.argv)
        return error_new(ERROR_USAGE, "watch: with --pid there is no program to run, but '%s' was given",
                         argv[first]);
    if (!pid && !options.argv)
        return error_hint(error_new(ERROR_USAGE, "watch: nothing to watch"),
                          "reel watch -p PID, or reel watch [--] PROGRAM ARGUMENT...");
    if (statuses)
        TRY(parse_statuses(statuses, options.exit_statuses));
    options.exits |= statuses != NULL;
    if (core_size)
        TRY(parse_size(core_size, "--core-size", &options.crash.core_max));
    if (quota)
        TRY(parse_size(quota, "--quota", &options.crash.quota));
    options.crash.masks = masks.values;
    options.crash.mask_count = masks.count;
    return watch_run(&options, ret_status);
}

const struct verb verb_watch = {
    .name = "watch",
    .arguments = "[OPTION...] {[--] PROGRAM [ARGUMENT...] | -p PID}",
    .summary = "keep a report and a core of a program that crashes",
    .help =
        "Runs PROGRAM, or attaches to the process PID, and lets it run as it would alone. When it crashes,\n"
        "or a process that it has made does, a folder crash-NAME-PID-TIME is written: report.txt, "
        "report.json\n"
        "and core. Then the process dies as it would have. The same crash again is only counted.\n"
        "\n"
        "  -p, --pid PID           a running process, until it ends, or until Ctrl-C; it runs on then\n"
        "  -o, --output DIR        put the reports there (default: the current folder)\n"
        "      --exit-status N,... an exit with one of these statuses is a crash, too (1,3-5)\n"
        "      --exits             see what a seccomp filter kills that the program has installed itself\n"
        "      --no-follow         not the processes that it makes\n"
        "      --no-core           reports only\n"
        "      --core-size SIZE    the most that a core takes on disk: MB, or with K, M, G (default: 1G; 0: "
        "any)\n"
        "      --quota SIZE        the most that all reports there take: the oldest are removed\n"
        "      --mask WORD         hide what environment variables with WORD in their names hold, too\n"
        "  -q, --quiet             say nothing but failures\n"
        "  -v, --verbose           say more\n"
        "\n"
        "Exits as PROGRAM does, with 128 + N when signal N killed it; with -p 0. 125 when reel itself "
        "failed,\n"
        "126 when PROGRAM cannot be run, 127 when it is not found.\n",
    .run = run,
};
