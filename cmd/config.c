/* reel config: the configuration of traces: print one, list what may be in it, check one. */
#include "cmd/verb.h"
#include "config/file.h"
#include "config/place.h"
#include "config/print.h"
#include "dwarf/expression.h"

#include <stdio.h>
#include <string.h>

/* ---- what config/ cannot check: expressions are dwarf/'s ---- */

static struct error *check_condition(const char *text) {
    struct condition_place place;
    struct expression *expression = NULL;
    TRY(condition_place_parse(text, &place));
    struct error *err = expression_parse(place.expression, &expression);
    expression_destroy(expression);
    condition_place_deinit(&place);
    return err;
}

static struct error *check_probe(const char *text) {
    struct probe_place place;
    struct expression **expressions = NULL;
    size_t count = 0;
    TRY(probe_place_parse(text, &place));
    struct error *err = expression_parse_list(place.expressions, &expressions, &count);
    expression_list_destroy(expressions, count);
    probe_place_deinit(&place);
    return err;
}

static struct error *check_expressions(const char *path, const struct trace_options *options) {
    for (size_t i = 0; i < options->conditions.count; i++)
        TRY(error_context(check_condition(options->conditions.items[i]), "%s: conditions", path));
    for (size_t i = 0; i < options->probes.count; i++)
        TRY(error_context(check_probe(options->probes.items[i]), "%s: probes", path));
    return NULL;
}

/* A switch beside a level wins; whoever edits a template may not mean that. */
static bool level_is_refined(const struct trace_options *options) {
    return (options->level != LEVEL_NONE && !options->trace_functions) ||
           (options->level >= LEVEL_STANDARD && !options->trace_variables) ||
           (options->level >= LEVEL_FULL && !options->trace_control_flow);
}

static struct error *check(const char *path) {
    struct trace_options options;
    trace_options_init(&options);
    struct error *err = config_read_file(path, &options);
    if (!err)
        err = check_expressions(path, &options);
    bool refined = level_is_refined(&options);
    trace_options_deinit(&options);
    if (!err)
        printf("%s: good\n%s", path, refined ? "level: a switch of this file takes back a part of it\n" : "");
    return err;
}

/* ---- printing ---- */

static void make_template(struct buffer *ret) {
    struct trace_options options;
    trace_options_init(&options);
    option_print_json(&options, ret);
    trace_options_deinit(&options);
}

static struct error *print(void (*make)(struct buffer *ret)) {
    struct buffer text = {0};
    make(&text);
    struct error *err = buffer_check(&text);
    if (!err)
        fwrite(text.data, 1, text.size, stdout);
    buffer_deinit(&text);
    return err;
}

static struct error *run(int argc, char **argv, int *ret_status) {
    bool template = false, list = false, help;
    const char *path = NULL;
    int first;
    const struct verb_option rows[] = {{"template", 't', VERB_FLAG, &template},
                                       {"check", 'c', VERB_VALUE, &path},
                                       {"list", 'l', VERB_FLAG, &list}};
    TRY(verb_options(&verb_config, argc, argv, rows, sizeof(rows) / sizeof(rows[0]), false, &first, &help));
    if (help)
        return NULL;
    if (first < argc)
        return error_new(ERROR_USAGE, "config: unexpected argument '%s'", argv[first]);
    if (template + list + (path != NULL) != 1)
        return error_new(ERROR_USAGE, "config: exactly one of --template, --list and --check FILE is needed");
    *ret_status = 0;
    return path ? check(path) : print(template ? make_template : option_print_list);
}

const struct verb verb_config = {
    .name = "config",
    .arguments = "--template | --list | --check FILE",
    .summary = "print, explain or check a configuration",
    .help = "A configuration is a JSON file with options of `reel trace --config FILE`.\n"
            "\n"
            "  -t, --template    print one with every key and its default\n"
            "  -l, --list        explain all keys\n"
            "  -c, --check FILE  say what is wrong in FILE\n"
            "  -q, --quiet       say nothing but failures\n",
    .run = run,
};
