#include "config/arguments.h"

#include "config/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void option_arguments_deinit(struct option_arguments *arguments) {
    free(arguments->items);
    memset(arguments, 0, sizeof(*arguments));
}

struct error *option_arguments_add(struct option_arguments *arguments, const char *name, const char *value) {
    struct option_argument argument = {.value = value};
    if (strcmp(name, "config") != 0) {
        argument.row = option_by_name(name, &argument.negated);
        if (!argument.row)
            return error_new(ERROR_NOT_FOUND, "--%s: no such option", name);
    }
    struct option_argument *items = reallocarray(arguments->items, arguments->count + 1, sizeof(*items));
    if (!items)
        return &error_no_memory;
    items[arguments->count++] = argument;
    arguments->items = items;
    return NULL;
}

static bool used_before(const struct option_arguments *arguments, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (arguments->items[i].row == arguments->items[index].row)
            return true;
    return false;
}

static struct error *apply_one(const struct option_arguments *arguments, size_t index,
                               struct trace_options *options) {
    const struct option_argument *argument = &arguments->items[index];
    char what[64];
    if (argument->row->type == OPTION_BOOL)
        return option_set_bool(argument->row, !argument->negated, options);
    /* The command line's list replaces that of the files. */
    if (argument->row->type == OPTION_LIST && !used_before(arguments, index))
        option_clear(argument->row, options);
    snprintf(what, sizeof(what), "--%s", argument->row->name);
    return option_set_text(argument->row, what, argument->value, options);
}

struct error *option_arguments_apply(const struct option_arguments *arguments,
                                     struct trace_options *options) {
    const struct option_row *level = option_by_key("level");
    for (size_t i = 0; i < arguments->count; i++)
        if (!arguments->items[i].row)
            TRY(config_read_file(arguments->items[i].value, options));
    for (int of_level = 1; of_level >= 0; of_level--)
        for (size_t i = 0; i < arguments->count; i++)
            if (arguments->items[i].row && (arguments->items[i].row == level) == of_level)
                TRY(apply_one(arguments, i, options));
    return NULL;
}
