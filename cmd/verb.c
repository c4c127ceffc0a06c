#include "cmd/verb.h"

#include "base/say.h"
#include "config/arguments.h"
#include "config/nearest.h"
#include "config/print.h"
#include "replay/pack.h"
#include "replay/recording.h"

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONG_MOST = 128, NAME_MOST = 32, LONG_ONLY = 1000, TABLE = 2000 };

/* What is parsed, and getopt_long's view of it. */
struct parse {
    const struct verb *verb;
    const struct verb_option *options; /* the verb's own */
    size_t count;
    struct option_arguments *arguments; /* NULL: the verb takes none of the table */
    struct option long_options[LONG_MOST];
    size_t long_count;
    char short_options[3 * LONG_MOST];
    char negations[LONG_MOST][NAME_MOST]; /* "no-functions" */
    const char *swallowed_by;
};

static void add_long(struct parse *parse, const char *name, bool takes_value, int code) {
    if (parse->long_count + 1 < LONG_MOST)
        parse->long_options[parse->long_count++] =
            (struct option){name, takes_value ? required_argument : no_argument, NULL, code};
}

static void add_short(struct parse *parse, char letter, bool takes_value) {
    size_t at = strlen(parse->short_options);
    parse->short_options[at++] = letter;
    if (takes_value)
        parse->short_options[at++] = ':';
    parse->short_options[at] = 0;
}

/* The options that every verb has, then the verb's own. */
static void add_own(struct parse *parse) {
    add_long(parse, "help", false, 'h');
    add_long(parse, "quiet", false, 'q');
    add_long(parse, "verbose", false, 'v');
    for (size_t i = 0; i < parse->count; i++) {
        const struct verb_option *option = &parse->options[i];
        add_long(parse, option->name, option->takes != VERB_FLAG, LONG_ONLY + (int)i);
        if (option->letter)
            add_short(parse, option->letter, option->takes != VERB_FLAG);
    }
}

static void add_table(struct parse *parse) {
    add_long(parse, "config", true, TABLE);
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *row = &option_rows[i];
        add_long(parse, row->name, row->type != OPTION_BOOL, TABLE);
        if (row->letter)
            add_short(parse, row->letter, row->type != OPTION_BOOL);
        if (row->type != OPTION_BOOL)
            continue;
        snprintf(parse->negations[i], NAME_MOST, "no-%s", row->name);
        add_long(parse, parse->negations[i], false, TABLE);
    }
}

static const struct verb_option *find_own(const struct parse *parse, int code) {
    for (size_t i = 0; i < parse->count; i++)
        if (code == LONG_ONLY + (int)i || (parse->options[i].letter && code == parse->options[i].letter))
            return &parse->options[i];
    return NULL;
}

/* The name of an option of the table, or NULL. */
static const char *find_in_table(const struct parse *parse, int code, int long_index) {
    if (code == TABLE)
        return parse->long_options[long_index].name;
    for (size_t i = 0; parse->arguments && i < option_count; i++)
        if (option_rows[i].letter && code == option_rows[i].letter)
            return option_rows[i].name;
    return NULL;
}

static struct error *usage_error(const struct verb *verb, const char *what, const char *text) {
    return error_hint(error_new(ERROR_USAGE, "%s: %s %s", verb->name, what, text),
                      "`reel %s --help` lists them", verb->name);
}

static struct error *unknown_option(const struct parse *parse, const char *text) {
    char word[NAME_MOST];
    struct nearest nearest = {.word = word};
    struct error *err = usage_error(parse->verb, "unknown option", text);
    if (strncmp(text, "--", 2) != 0 || strcspn(text + 2, "=") >= sizeof(word))
        return err;
    snprintf(word, sizeof(word), "%.*s", (int)strcspn(text + 2, "="), text + 2);
    for (size_t i = 0; i < parse->long_count; i++)
        nearest_try(&nearest, parse->long_options[i].name);
    return nearest.best ? error_hint(err, "did you mean --%s?", nearest.best) : err;
}

static void print_help(const struct parse *parse) {
    struct buffer text = {0};
    printf("usage: reel %s %s\n\n%s", parse->verb->name, parse->verb->arguments, parse->verb->help);
    if (!parse->arguments)
        return;
    option_print_help(&text);
    printf("\n%.*s", (int)text.size, (const char *)text.data);
    buffer_deinit(&text);
}

/* An option that takes several values takes all arguments up to the next option. */
static struct error *take_of_table(struct parse *parse, const char *name, int argc, char **argv) {
    bool negated, separate = optarg && optarg == argv[optind - 1];
    const struct option_row *row = option_by_name(name, &negated);
    TRY(option_arguments_add(parse->arguments, name, optarg));
    if (!row || !row->many || !separate)
        return NULL;
    while (optind < argc && argv[optind][0] != '-')
        TRY(option_arguments_add(parse->arguments, name, argv[optind++]));
    if (optind >= argc)
        parse->swallowed_by = row->name;
    return NULL;
}

static struct error *take_another(const struct verb *verb, const struct verb_option *option) {
    struct verb_values *all = option->ret;
    if (all->count == VERB_VALUES_MOST)
        return usage_error(verb, "too many of option", option->name);
    all->values[all->count++] = optarg;
    return NULL;
}

static struct error *take(struct parse *parse, int code, int long_index, int argc, char **argv) {
    const struct verb_option *option = find_own(parse, code);
    const char *of_table = option ? NULL : find_in_table(parse, code, long_index);
    if (code == 'q')
        say_level = SAY_QUIET;
    else if (code == 'v')
        say_level = SAY_VERBOSE;
    else if (code == ':')
        return usage_error(parse->verb, "no value for option", argv[optind - 1]);
    else if (of_table)
        return take_of_table(parse, of_table, argc, argv);
    else if (!option)
        return unknown_option(parse, argv[optind - 1]);
    else if (option->takes == VERB_VALUES)
        return take_another(parse->verb, option);
    else if (option->takes == VERB_VALUE)
        *(const char **)option->ret = optarg;
    else
        *(bool *)option->ret = true;
    return NULL;
}

static struct error *parse_all(struct parse *parse, int argc, char **argv, bool stop_at_program,
                               int *ret_first, bool *ret_help) {
    int long_index = 0;
    strcpy(parse->short_options, stop_at_program ? "+:hqv" : ":hqv");
    add_own(parse);
    if (parse->arguments)
        add_table(parse);
    opterr = 0;
    optind = 1;
    *ret_help = false;
    for (int code;
         (code = getopt_long(argc, argv, parse->short_options, parse->long_options, &long_index)) != -1;) {
        if (code == 'h') {
            print_help(parse);
            *ret_help = true;
            return NULL;
        }
        TRY(take(parse, code, long_index, argc, argv));
    }
    *ret_first = optind;
    return NULL;
}

struct error *verb_options(const struct verb *verb, int argc, char **argv, const struct verb_option *options,
                           size_t count, bool stop_at_program, int *ret_first, bool *ret_help) {
    struct parse parse = {.verb = verb, .options = options, .count = count};
    return parse_all(&parse, argc, argv, stop_at_program, ret_first, ret_help);
}

struct error *verb_options_of_table(const struct verb *verb, int argc, char **argv,
                                    const struct verb_option *options, size_t count, bool stop_at_program,
                                    struct option_arguments *ret_arguments, int *ret_first, bool *ret_help,
                                    const char **ret_swallowed_by) {
    struct parse parse = {.verb = verb, .options = options, .count = count, .arguments = ret_arguments};
    struct error *err = parse_all(&parse, argc, argv, stop_at_program, ret_first, ret_help);
    *ret_swallowed_by = parse.swallowed_by;
    return err;
}

struct error *verb_number(const char *text, const char *what, uint64_t most, uint64_t *ret) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || end == text || *text == '-' || value > most)
        return error_new(ERROR_USAGE, "%s %s: expected a whole number up to %llu", what, text,
                         (unsigned long long)most);
    *ret = value;
    return NULL;
}

struct error *verb_recording_folder(int argc, char **argv, int first, char **ret) {
    if (argc - first > 1)
        return error_new(ERROR_USAGE, "%s: one recording at a time, not also '%s'", argv[0], argv[first + 1]);
    if (argc == first)
        return recording_find_newest(".", ret);
    *ret = strdup(argv[first]);
    return *ret ? NULL : &error_no_memory;
}

/* ---- packs ---- */

/* Of the process that has made it: children that reel forks leave it alone. */
static char *unpacked;
static pid_t unpacked_by;

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info, (void)kind, (void)where;
    remove(path);
    return 0;
}

static void remove_unpacked(void) {
    enum { DESCRIPTORS = 8 };
    if (unpacked && unpacked_by == getpid())
        nftw(unpacked, remove_one, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

/* *path is freed, and replaced. */
static struct error *unpack(char **path) {
    const char *where = getenv("TMPDIR");
    if (!pack_is_file(*path))
        return NULL;
    if (asprintf(&unpacked, "%s/reel-XXXXXX", where && *where ? where : "/tmp") < 0)
        return &error_no_memory;
    if (!mkdtemp(unpacked))
        return error_system(errno, "%s: a folder to unpack to, %s", *path, unpacked);
    unpacked_by = getpid();
    atexit(remove_unpacked);
    TRY(pack_read(*path, unpacked));
    free(*path);
    *path = strdup(unpacked);
    return *path ? NULL : &error_no_memory;
}

struct error *verb_recording(int argc, char **argv, int first, char **ret) {
    char *path;
    TRY(verb_recording_folder(argc, argv, first, &path));
    struct error *err = unpack(&path);
    if (err)
        free(path);
    else
        *ret = path;
    return err;
}
