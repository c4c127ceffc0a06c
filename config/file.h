/* file: the JSON configuration, `--config FILE`.
 *
 * One object whose keys are those of option_rows; null means "not set here". Strict JSON (RFC 8259): no
 * comments, no trailing commas. Unknown, repeated and ill-typed keys and values out of range are ERROR_USAGE
 * with the file, the key and, for an unknown key, the nearest right one. Nothing is applied when anything is
 * wrong. */
#ifndef REEL_CONFIG_FILE_H
#define REEL_CONFIG_FILE_H

#include "config/option.h"

/* Files larger than this are refused. */
#define CONFIG_FILE_MOST ((size_t)1 << 20)

/* Apply a file on top of options, which are then unspecified (but can be deinitialised) on failure. */
struct error *config_read_file(const char *path, struct trace_options *options);

/* The same for text in memory, of which size bytes are looked at; name is for messages. */
struct error *config_read_text(const char *text, size_t size, const char *name,
                               struct trace_options *options);

#endif
