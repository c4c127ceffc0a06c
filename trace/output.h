/* output: a file that is closed at any time. The writer's lower half; only trace/writer.c uses it.
 *
 * The file consists of a body that grows and a tail that is written anew behind it with each block. Blocks go
 * out at once, or through a bounded queue to a thread (async): then whoever wants a block waits until one is
 * free. */
#ifndef REEL_TRACE_OUTPUT_H
#define REEL_TRACE_OUTPUT_H

#include "trace/metadata.h"

/* text holds body_size bytes that extend the body, and then the new tail. */
struct trace_block {
    struct buffer text;
    size_t body_size;
    struct trace_totals totals; /* of the file, once this block is in it */
};

struct trace_output;

/* path as in struct trace_writer_options. */
struct error *trace_output_create(const char *path, struct trace_output **ret);

/* From here on write on a thread, and under a guard (see the options of the same names). Called when the
 * first block is in the file, so that an empty file is there for as short as can be. */
struct error *trace_output_start(struct trace_output *output, bool async, bool guarded);

/* An empty block to fill, which stays the output's; waits for one. */
struct trace_block *trace_output_block(struct trace_output *output);

/* Hand the block over. Nothing more is to be done with it. */
void trace_output_put(struct trace_output *output, struct trace_block *block);

/* Wait until all that was handed over is written or has failed. */
void trace_output_wait(struct trace_output *output);

/* True once a write failed: blocks are then thrown away. */
bool trace_output_failed(struct trace_output *output);

/* The error of the write that failed, once; NULL before and after. */
struct error *trace_output_error(struct trace_output *output);

/* Totals of the last block that is in the file. Only after trace_output_wait(). */
struct trace_totals trace_output_totals(const struct trace_output *output);

/* After trace_output_wait(): replace the tail (also when writing had failed; if there is no room for the new
 * one the old one stays), and close and free. The error is of this last step alone. */
struct error *trace_output_finish(struct trace_output *output, const struct buffer *tail);

#endif
