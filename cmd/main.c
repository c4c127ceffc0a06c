/* reel: records what a program did and runs it again. The table of verbs. */
#include "base/say.h"
#include "base/truncated.h"
#include "base/version.h"
#include "cmd/verb.h"

#include <stdio.h>
#include <string.h>

static const struct verb *const verbs[] = {
    &verb_record, &verb_replay, &verb_trace, &verb_summary, &verb_merge, &verb_config, &verb_dump,
    &verb_ps,     &verb_doctor, &verb_hunt,  &verb_watch,   &verb_debug, &verb_pack,   &verb_script};
#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static void print_usage(FILE *file) {
    fprintf(file, "usage: reel VERB [OPTION...] [ARGUMENT...]\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(file, "  %-8s %s\n", verbs[i]->name, verbs[i]->summary);
    fprintf(file, "\n`reel VERB --help` tells more; so do the manual pages reel(1) and reel-VERB(1).\n");
}

static int status_of(const struct error *err) {
    if (error_is(err, ERROR_NO_PROGRAM))
        return EXIT_NO_PROGRAM;
    return error_is(err, ERROR_NOT_RUNNABLE) ? EXIT_NOT_RUNNABLE : EXIT_REEL;
}

static int run_verb(const struct verb *verb, int argc, char **argv) {
    int status = 0;
    struct error *err = verb->run(argc, argv, &status);
    if (err) {
        status = status_of(err);
        say_error(err);
    } else if (fflush(stdout) != 0) {
        say_always("standard output: cannot be written");
        status = EXIT_REEL;
    }
    return status;
}

int main(int argc, char **argv) {
    truncated_tolerate();
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_REEL;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_usage(stdout);
        return 0;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("reel %s\n", REEL_VERSION);
        return 0;
    }
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (!strcmp(argv[1], verbs[i]->name))
            return run_verb(verbs[i], argc - 1, argv + 1);
    say_always("%s: no such verb (`reel --help` lists them)", argv[1]);
    return EXIT_REEL;
}
