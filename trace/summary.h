/* summary: what a trace amounts to. Events by type, functions by calls and time, the call tree, the deepest
 * stack, exceptions, threads.
 *
 * Entries and exits are paired in each thread: by name, and by depth where the events have one. Left without
 * exit are calls that end by exception or longjmp and calls still running at the end of the trace: they last
 * until an outer call ends, or the thread does. Exits without entry (tracing began inside) count as calls of
 * their duration_ns. A time is the exit's duration_ns, or else the difference of the timestamps. total  time
 * between entry and exit; in recursion only the outermost call counts own    total less the total of the
 * traced functions called, in the same thread Memory grows with the number of different functions, threads
 * and open calls, not with the number of events. */
#ifndef REEL_TRACE_SUMMARY_H
#define REEL_TRACE_SUMMARY_H

#include "trace/reader.h"

struct summary;

struct error *summary_create(struct summary **ret);
void summary_destroy(struct summary *summary);

struct error *summary_add(struct summary *summary, const struct trace_event *event);

/* Close what is open. metadata is JSON text or NULL; dropped events and the program come from it. */
struct error *summary_finish(struct summary *summary, const char *metadata, size_t size);

/* All events of a reader, and finish. When the reader fails the summary is of what came before, and is as
 * usable. */
struct error *summary_read(struct summary *summary, struct trace_reader *reader);

/* True if there was no event. */
bool summary_empty(const struct summary *summary);

struct summary_options {
    const char *name;                /* of the trace, for the first line */
    unsigned top;                    /* rows of each table; 0: 20, all in JSON */
    unsigned tree_depth, tree_width; /* of the call tree; 0: 8 and 8, all in JSON */
};

/* Append the summary as text of at most 80 columns, or as one JSON object and a newline. */
void summary_print(const struct summary *summary, const struct summary_options *options, struct buffer *ret);
void summary_print_json(const struct summary *summary, const struct summary_options *options,
                        struct buffer *ret);

#endif
