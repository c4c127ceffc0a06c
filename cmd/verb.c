#include "cmd/verb.h"

#include "base/say.h"
#include "replay/recording.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MOST = 32, LONG_ONLY = 1000 };

/* The options that every verb has, then the verb's own: getopt_long's view of the rows. */
static void build(const struct verb_option *options, size_t count, struct option *ret_long, char *ret_short) {
    static const struct option common[] = {{"help", no_argument, NULL, 'h'},
                                           {"quiet", no_argument, NULL, 'q'},
                                           {"verbose", no_argument, NULL, 'v'}};
    size_t at = strlen(ret_short);
    memcpy(ret_long, common, sizeof(common));
    for (size_t i = 0; i < count; i++) {
        const struct verb_option *option = &options[i];
        ret_long[3 + i] = (struct option){option->name, option->takes_value ? required_argument : no_argument,
                                          NULL, option->letter ? option->letter : LONG_ONLY + (int)i};
        if (!option->letter)
            continue;
        ret_short[at++] = option->letter;
        if (option->takes_value)
            ret_short[at++] = ':';
    }
    ret_short[at] = 0;
}

static const struct verb_option *find(const struct verb_option *options, size_t count, int code) {
    for (size_t i = 0; i < count; i++)
        if (code == LONG_ONLY + (int)i || (options[i].letter && code == options[i].letter))
            return &options[i];
    return NULL;
}

static struct error *usage_error(const struct verb *verb, const char *what, const char *text) {
    return error_hint(error_new(ERROR_USAGE, "%s: %s %s", verb->name, what, text),
                      "`reel %s --help` lists them", verb->name);
}

struct error *verb_options(const struct verb *verb, int argc, char **argv, const struct verb_option *options,
                           size_t count, bool stop_at_program, int *ret_first, bool *ret_help) {
    struct option long_options[OPTIONS_MOST] = {0};
    char short_options[3 * OPTIONS_MOST];
    snprintf(short_options, sizeof(short_options), "%s:hqv", stop_at_program ? "+" : "");
    build(options, count, long_options, short_options);
    opterr = 0;
    optind = 1;
    *ret_help = false;
    for (int code; (code = getopt_long(argc, argv, short_options, long_options, NULL)) != -1;) {
        const struct verb_option *option = find(options, count, code);
        if (code == 'h') {
            printf("usage: reel %s %s\n\n%s", verb->name, verb->arguments, verb->help);
            *ret_help = true;
            return NULL;
        }
        if (code == 'q')
            say_level = SAY_QUIET;
        else if (code == 'v')
            say_level = SAY_VERBOSE;
        else if (code == ':')
            return usage_error(verb, "no value for option", argv[optind - 1]);
        else if (!option)
            return usage_error(verb, "unknown option", argv[optind - 1]);
        else if (option->takes_value)
            *(const char **)option->ret = optarg;
        else
            *(bool *)option->ret = true;
    }
    *ret_first = optind;
    return NULL;
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

struct error *verb_recording(int argc, char **argv, int first, char **ret) {
    if (argc - first > 1)
        return error_new(ERROR_USAGE, "%s: one recording at a time, not also '%s'", argv[0], argv[first + 1]);
    if (argc == first)
        return recording_find_newest(".", ret);
    *ret = strdup(argv[first]);
    return *ret ? NULL : &error_no_memory;
}
