/* option: the one table of what can be asked of a trace, and the struct that is filled from it.
 *
 * Each option is a row: a key of the JSON configuration, a name on the command line, a type, a default,
 * bounds and a help text. The JSON reader (config/file.h), the command line (config/arguments.h), `--help`,
 * `reel config` and reel-config(5) all go by this table; an option is added here and nowhere else.
 *
 * Order: defaults, then the files of --config in the order given, then the command line; what comes later
 * wins. Inside one source `level` is applied first, whereever it stands, and the single switches refine it:
 * `--no-variables --level full` and `--level full --no-variables` are the same. A list in a later source
 * replaces that of an earlier one; within one source repetitions add up. */
#ifndef REEL_CONFIG_OPTION_H
#define REEL_CONFIG_OPTION_H

#include "base/error.h"
#include "config/text_list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trace_level {
    LEVEL_NONE,     /* none was named: the switches stand as they are */
    LEVEL_MINIMAL,  /* functions */
    LEVEL_STANDARD, /* and variables: the same as the default */
    LEVEL_FULL,     /* and control flow */
};

enum probe_choice {
    PROBES_AUTO, /* jumps where they can be, traps elsewhere */
    PROBES_JUMP, /* jumps only: what cannot have them is not traced */
    PROBES_TRAP,
};

/* In the order of enum record_time (tracer/record_layout.h). */
enum timestamp_choice { TIMESTAMPS_NONE, TIMESTAMPS_COARSE, TIMESTAMPS_FULL };

enum output_format { FORMAT_JSON, FORMAT_JSONL };

/* Everything that was asked for. All strings and lists are owned by the struct. */
struct trace_options {
    bool trace_functions, trace_variables, trace_control_flow, trace_exceptions, trace_syscalls;
    int level; /* enum trace_level: the last one named; its effect is in the switches already */
    struct text_list include_patterns, exclude_patterns; /* functions: config/pattern.h, PATTERN_FUNCTION */
    struct text_list include_modules, exclude_modules;   /* PATTERN_PATH, as file_patterns */
    struct text_list file_patterns;
    struct text_list conditions; /* "FUNCTION: EXPRESSION", config/place.h */
    struct text_list probes;     /* "FILE:LINE: EXPRESSION, ...", config/place.h */
    uint64_t sample;             /* every Nth call of a function, 1: all */
    uint64_t max_call_depth;     /* 0: no limit */
    uint64_t max_string_length;  /* bytes of a string that are shown */
    uint64_t max_elements;       /* elements of an array or container that are shown */
    uint64_t max_value_depth;    /* levels of nested values that are shown */
    uint64_t max_trace_size_mb;  /* MiB, 0: no limit */
    uint64_t buffer_size;        /* bytes */
    bool async_write;
    int probe_kind; /* enum probe_choice */
    bool lossless;
    uint64_t backlog; /* bytes */
    bool list_probes;
    int timestamps;  /* enum timestamp_choice */
    char *output;    /* NULL: trace.json, or trace.jsonl */
    int format;      /* enum output_format */
    char *debug_dir; /* NULL: none */
    bool debuginfod;
};

enum option_type {
    OPTION_BOOL,   /* bool; on the command line --NAME and --no-NAME */
    OPTION_NUMBER, /* uint64_t, a whole number within [least, most] */
    OPTION_SIZE,   /* uint64_t, bytes: a number or a string such as "64K", "1M", "2G" (powers of 1024) */
    OPTION_STRING, /* char * or NULL; an empty one is refused */
    OPTION_LIST,   /* struct text_list */
    OPTION_ENUM,   /* int, the index of the word */
};

enum option_check { CHECK_NONE, CHECK_FUNCTION_PATTERN, CHECK_PATH_PATTERN, CHECK_CONDITION, CHECK_PROBE };

struct option_row {
    const char *key;  /* in JSON */
    const char *name; /* on the command line, without dashes and "no-" */
    char letter;      /* or 0 */
    enum option_type type;
    size_t offset;            /* of the field in struct trace_options */
    uint64_t fallback;        /* default of a bool, number, size or enum; strings are NULL and lists empty */
    uint64_t least, most;     /* of a number or size */
    const char *const *words; /* of an enum, NULL at the end; a NULL-able enum has "" as its word 0 */
    enum option_check check;  /* what the items of a list must be */
    bool many;                /* takes all arguments up to the next option */
    const char *value;        /* how help calls the value */
    const char *heading;      /* starts a new group in help, or NULL */
    const char *help;         /* one sentence or two, for help, the manual page and --list */
};

extern const struct option_row option_rows[];
extern const size_t option_count;

/* The row with this key, or NULL. */
const struct option_row *option_by_key(const char *key);

/* The row that `--NAME` means, or NULL; *ret_negated for `--no-NAME` of a bool. */
const struct option_row *option_by_name(const char *name, bool *ret_negated);

/* All options at their defaults. */
void trace_options_init(struct trace_options *options);
void trace_options_deinit(struct trace_options *options);

/* Set one option; errors are ERROR_USAGE "WHAT: WHY" where what is how the user named it ("--max-depth 70000"
 * or "FILE: max_call_depth"). A list item is appended, after being split at commas if it is a list of
 * patterns (a comma inside brackets or a /regex/ does not count); use option_clear() before the first of a
 * source. */
struct error *option_set_bool(const struct option_row *row, bool value, struct trace_options *options);
struct error *option_set_number(const struct option_row *row, const char *what, uint64_t value,
                                struct trace_options *options);
struct error *option_set_text(const struct option_row *row, const char *what, const char *text,
                              struct trace_options *options);

/* Put the default back. */
void option_clear(const struct option_row *row, struct trace_options *options);

/* "2M" and the like; false if text is no size. */
bool option_parse_size(const char *text, uint64_t *ret);

#endif
