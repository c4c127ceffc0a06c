/* arguments: options of the table as they come on the command line.
 *
 * The command line is one source (config/option.h), and the files of --config come before it, wherever the
 * option stands; so arguments are noted first and applied together. */
#ifndef REEL_CONFIG_ARGUMENTS_H
#define REEL_CONFIG_ARGUMENTS_H

#include "config/option.h"

/* A zeroed struct is no arguments at all. */
struct option_arguments {
    struct option_argument {
        const struct option_row *row; /* NULL: --config */
        bool negated;
        const char *value; /* not owned: of argv; NULL for a bool */
    } * items;
    size_t count;
};

void option_arguments_deinit(struct option_arguments *arguments);

/* Note one use. name is without dashes: that of a row, "no-" and that of a bool row, or "config". value stays
 * with the caller and must live until the arguments are applied. ERROR_NOT_FOUND when there is no such
 * option. */
struct error *option_arguments_add(struct option_arguments *arguments, const char *name, const char *value);

/* Read the files, then apply the command line, on top of options (initialised by the caller, who
 * deinitialises them in either case). */
struct error *option_arguments_apply(const struct option_arguments *arguments, struct trace_options *options);

#endif
