#include "config/option.h"

#include "config/nearest.h"
#include "config/pattern.h"
#include "config/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *field(const struct option_row *row, struct trace_options *options) {
    return (char *)options + row->offset;
}

/* ---- finding rows ---- */

const struct option_row *option_by_key(const char *key) {
    for (size_t i = 0; i < option_count; i++)
        if (!strcmp(option_rows[i].key, key))
            return &option_rows[i];
    return NULL;
}

const struct option_row *option_by_name(const char *name, bool *ret_negated) {
    bool negated = !strncmp(name, "no-", 3);
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *row = &option_rows[i];
        if (!strcmp(row->name, name) ||
            (negated && row->type == OPTION_BOOL && !strcmp(row->name, name + 3))) {
            *ret_negated = negated;
            return row;
        }
    }
    return NULL;
}

/* ---- defaults ---- */

void option_clear(const struct option_row *row, struct trace_options *options) {
    void *place = field(row, options);
    switch (row->type) {
    case OPTION_BOOL:
        *(bool *)place = row->fallback != 0;
        break;
    case OPTION_NUMBER:
    case OPTION_SIZE:
        *(uint64_t *)place = row->fallback;
        break;
    case OPTION_ENUM:
        *(int *)place = (int)row->fallback;
        break;
    case OPTION_STRING:
        free(*(char **)place);
        *(char **)place = NULL;
        break;
    case OPTION_LIST:
        text_list_deinit(place);
        break;
    }
}

void trace_options_init(struct trace_options *options) {
    memset(options, 0, sizeof(*options));
    for (size_t i = 0; i < option_count; i++)
        option_clear(&option_rows[i], options);
}

void trace_options_deinit(struct trace_options *options) {
    for (size_t i = 0; i < option_count; i++)
        if (option_rows[i].type == OPTION_STRING || option_rows[i].type == OPTION_LIST)
            option_clear(&option_rows[i], options);
}

/* ---- setting ---- */

struct error *option_set_bool(const struct option_row *row, bool value, struct trace_options *options) {
    *(bool *)field(row, options) = value;
    return NULL;
}

struct error *option_set_number(const struct option_row *row, const char *what, uint64_t value,
                                struct trace_options *options) {
    if (value < row->least || value > row->most)
        return error_new(ERROR_USAGE, "%s: %llu is not between %llu and %llu", what,
                         (unsigned long long)value, (unsigned long long)row->least,
                         (unsigned long long)row->most);
    *(uint64_t *)field(row, options) = value;
    return NULL;
}

bool option_parse_size(const char *text, uint64_t *ret) {
    static const char units[] = "KMG";
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    unsigned shift = 0;
    if (*end) {
        const char *unit = strchr(units, *end & ~0x20); /* either case */
        if (!unit || !*unit || end[1])
            return false;
        shift = 10 * (unsigned)(unit - units + 1);
    }
    if (errno || value > UINT64_MAX >> shift)
        return false;
    *ret = (uint64_t)value << shift;
    return true;
}

static struct error *set_number_text(const struct option_row *row, const char *what, const char *text,
                                     struct trace_options *options) {
    uint64_t value;
    bool good = option_parse_size(text, &value);
    if (row->type == OPTION_NUMBER && good && !strchr("0123456789", text[strlen(text) - 1]))
        good = false; /* a unit */
    if (!good)
        return error_new(ERROR_USAGE, "%s: '%s' is not a %s between %llu and %llu", what, text,
                         row->type == OPTION_SIZE ? "size (such as 65536 or 64K)" : "whole number",
                         (unsigned long long)row->least, (unsigned long long)row->most);
    return option_set_number(row, what, value, options);
}

/* The words of an enum as "a, b or c". */
static void join_words(const struct option_row *row, char *ret, size_t size) {
    *ret = 0;
    for (size_t i = *row->words[0] ? 0 : 1; row->words[i]; i++) {
        const char *between = !*ret ? "" : row->words[i + 1] ? ", " : " or ";
        strncat(ret, between, size - strlen(ret) - 1);
        strncat(ret, row->words[i], size - strlen(ret) - 1);
    }
}

/* A level is three switches. */
static void apply_level(struct trace_options *options) {
    if (options->level == LEVEL_NONE)
        return;
    options->trace_functions = true;
    options->trace_variables = options->level >= LEVEL_STANDARD;
    options->trace_control_flow = options->level >= LEVEL_FULL;
}

static struct error *set_word(const struct option_row *row, const char *what, const char *text,
                              struct trace_options *options) {
    char all[128];
    struct nearest nearest = {.word = text};
    for (int i = 0; row->words[i]; i++) {
        if (*text && !strcmp(row->words[i], text)) {
            *(int *)field(row, options) = i;
            if (row->offset == offsetof(struct trace_options, level))
                apply_level(options);
            return NULL;
        }
        if (*row->words[i])
            nearest_try(&nearest, row->words[i]);
    }
    join_words(row, all, sizeof(all));
    struct error *err = error_new(ERROR_USAGE, "%s: '%s' is none of %s", what, text, all);
    return nearest.best ? error_hint(err, "did you mean %s?", nearest.best) : err;
}

static struct error *set_string(const struct option_row *row, const char *what, const char *text,
                                struct trace_options *options) {
    char **place = field(row, options);
    if (!*text)
        return error_new(ERROR_USAGE, "%s: the text is empty", what);
    char *copy = strdup(text);
    if (!copy)
        return &error_no_memory;
    free(*place);
    *place = copy;
    return NULL;
}

static struct error *check_item(const struct option_row *row, const char *text) {
    struct condition_place condition;
    struct probe_place probe;
    switch (row->check) {
    case CHECK_NONE:
        break;
    case CHECK_FUNCTION_PATTERN:
        return pattern_check(text, PATTERN_FUNCTION);
    case CHECK_PATH_PATTERN:
        return pattern_check(text, PATTERN_PATH);
    case CHECK_CONDITION:
        TRY(condition_place_parse(text, &condition));
        condition_place_deinit(&condition);
        break;
    case CHECK_PROBE:
        TRY(probe_place_parse(text, &probe));
        probe_place_deinit(&probe);
        break;
    }
    return NULL;
}

static struct error *add_item(const struct option_row *row, const char *what, const char *text, size_t size,
                              struct trace_options *options) {
    struct text_list *list = field(row, options);
    while (size && strchr(" \t", *text))
        text++, size--;
    while (size && strchr(" \t", text[size - 1]))
        size--;
    TRY(text_list_add(list, text, size));
    return error_context(check_item(row, list->items[list->count - 1]), "%s", what);
}

static struct error *add_items(const struct option_row *row, const char *what, const char *text,
                               struct trace_options *options) {
    bool splits = row->check == CHECK_FUNCTION_PATTERN || row->check == CHECK_PATH_PATTERN;
    if (!splits)
        return add_item(row, what, text, strlen(text), options);
    enum pattern_kind kind = row->check == CHECK_PATH_PATTERN ? PATTERN_PATH : PATTERN_FUNCTION;
    for (;;) {
        size_t size = pattern_item_length(text, kind);
        TRY(add_item(row, what, text, size, options));
        if (!text[size])
            return NULL;
        text += size + 1;
    }
}

struct error *option_set_text(const struct option_row *row, const char *what, const char *text,
                              struct trace_options *options) {
    switch (row->type) {
    case OPTION_NUMBER:
    case OPTION_SIZE:
        return set_number_text(row, what, text, options);
    case OPTION_STRING:
        return set_string(row, what, text, options);
    case OPTION_LIST:
        return add_items(row, what, text, options);
    case OPTION_ENUM:
        return set_word(row, what, text, options);
    case OPTION_BOOL:
        break;
    }
    return error_new(ERROR_USAGE, "%s: takes no value", what);
}
