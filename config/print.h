/* print: the table of options in words, for people: help, the list, the template. */
#ifndef REEL_CONFIG_PRINT_H
#define REEL_CONFIG_PRINT_H

#include "base/buffer.h"
#include "config/option.h"

/* The options as `--help` shows them, grouped, at most 80 columns wide. All of these append text, not
 * NUL-terminated. */
void option_print_help(struct buffer *ret);

/* Key, type, default, bounds, command line and meaning of each option. */
void option_print_list(struct buffer *ret);

/* Options as a JSON configuration with every key, in the order of the table; read again it gives the same
 * options. */
void option_print_json(const struct trace_options *options, struct buffer *ret);

/* The default of a row as JSON: true, 512, "json", [], null. */
void option_print_default(const struct option_row *row, struct buffer *ret);

/* How the row is written on the command line: "--[no-]functions", "--max-depth N". */
void option_print_usage(const struct option_row *row, struct buffer *ret);

#endif
