/* merge: makes one trace of several, such as those of the processes of one run.
 *
 * Events are ordered by their time. Each trace keeps its own order even if its times go backwards; events of
 * the same time come in the order in which the traces were given. seq is counted anew. Times of one machine
 * compare well; those of different machines as well as their clocks do. */
#ifndef REEL_TRACE_MERGE_H
#define REEL_TRACE_MERGE_H

#include "trace/writer.h"

/* options.facts is filled in from the traces: program, arguments, level and options of the first; from the
 * earliest start to the latest end; dropped events summed up; and "merged", an array with an object for each
 * trace. A trace that is damaged or cut off is merged up to there, and the error is told when the output is
 * complete (ERROR_BAD_DATA; the first one). *ret_totals is set whenever an output was made. */
struct error *trace_merge(const char *const *paths, size_t count, const struct trace_writer_options *options,
                          struct trace_totals *ret_totals);

#endif
