/* verb: what all subcommands share. One file a verb, one table of them (main.c). */
#ifndef REEL_CMD_VERB_H
#define REEL_CMD_VERB_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* reel's own failures; 126 and 127 are those of env(1). */
enum { EXIT_REEL = 125, EXIT_NOT_RUNNABLE = 126, EXIT_NO_PROGRAM = 127 };

struct verb {
    const char *name;
    const char *arguments; /* for the usage line */
    const char *summary;   /* one clause for `reel help` */
    const char *help;      /* what --help prints after the usage line */
    /* argv[0] is the verb. *ret_status is the exit status on success. */
    struct error *(*run)(int argc, char **argv, int *ret_status);
};

extern const struct verb verb_record, verb_replay, verb_trace, verb_summary, verb_merge, verb_config,
    verb_dump, verb_ps, verb_doctor, verb_hunt, verb_watch, verb_debug, verb_pack, verb_script;

enum verb_takes {
    VERB_FLAG,   /* nothing; ret is a bool * */
    VERB_VALUE,  /* a value, the last one counts; ret is a const char ** */
    VERB_VALUES, /* a value each time; ret is a struct verb_values * */
};

/* An option of a verb, as a row. `--help`, `--quiet` and `--verbose` are understood everywhere. */
struct verb_option {
    const char *name; /* without the dashes */
    char letter;      /* or 0 */
    enum verb_takes takes;
    void *ret;
};

#define VERB_VALUES_MOST 16
struct verb_values {
    const char *values[VERB_VALUES_MOST]; /* point into argv */
    size_t count;
};

/* Parse the options of a verb; the index of the first argument that is none is put into *ret_first.
 * stop_at_program leaves everything from the first argument on alone (a program's own options). --help prints
 * and sets *ret_help. ERROR_USAGE names what is wrong. */
struct error *verb_options(const struct verb *verb, int argc, char **argv, const struct verb_option *options,
                           size_t count, bool stop_at_program, int *ret_first, bool *ret_help);

/* The same for a verb that also takes the options of config/option.h, which are noted in ret_arguments
 * (zeroed by the caller, who deinitialises it in either case; values point into argv). --help shows them
 * behind the verb's own help.
 *
 * `--exclude A B` takes all arguments up to the next one that begins with `-`; when these were the last
 * arguments, *ret_swallowed_by is "exclude", else NULL: a verb that finds no program can say what became of
 * it. */
struct option_arguments;
struct error *verb_options_of_table(const struct verb *verb, int argc, char **argv,
                                    const struct verb_option *options, size_t count, bool stop_at_program,
                                    struct option_arguments *ret_arguments, int *ret_first, bool *ret_help,
                                    const char **ret_swallowed_by);

/* A whole number; what names the option in the error. */
struct error *verb_number(const char *text, const char *what, uint64_t most, uint64_t *ret);

/* The folder of the recording that the arguments name, or of the newest in the current folder: a fresh
 * string. More than one is ERROR_USAGE. A pack is unpacked into a temporary folder, which is gone when reel
 * ends. */
struct error *verb_recording(int argc, char **argv, int first, char **ret);
/* The same as it was named. */
struct error *verb_recording_folder(int argc, char **argv, int first, char **ret);

#endif
