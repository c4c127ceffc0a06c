/* writer: streams a trace into a file, in the form of reel-trace(5). Memory does not grow with the trace.
 *
 * Events are collected in a block. A full block is written together with the tail that closes the file (`]`,
 * metadata, `}`) in one pwrite(2); the next block overwrites that tail. So after each block the file is a
 * whole JSON document, however the run ends:
 *  - an error or a signal that reel handles: trace_writer_close() writes what is left; "state" is "complete";
 *  - SIGKILL of reel: the file is as of the last block, closed, and "state" is "writing". Up to buffer_size
 * bytes of events (with async_write: four times as many) were in memory only and are lost;
 * trace_writer_flush() from a timer keeps that short. SIGKILL in the middle of the pwrite(2) itself leaves
 * the file cut off inside an event, since no write of several pages is atomic: with `guard` a process that
 * outlives reel mends that at once (trace/guard.h). Without, the reader reads all before that, and `reel
 * merge` makes the file whole;
 *  - the disk is full, or a limit of the file's size: one error from the call that notices. The file is as of
 * the last block that was written, with "state": "failed" and the events that are not in it in
 * "dropped_events". From then on events are only counted. An output that is no regular file (a pipe, "-" for
 * standard output) is written from front to end; the tail comes when it is closed.
 *
 * A writer belongs to one thread. With async_write blocks are written by a thread of the writer's own, which
 * blocks all signals; when it cannot keep up, trace_writer_write() waits: nothing is dropped. */
#ifndef REEL_TRACE_WRITER_H
#define REEL_TRACE_WRITER_H

#include "trace/event.h"
#include "trace/metadata.h"

enum trace_format {
    TRACE_JSON,  /* {"traces": [...], "metadata": {...}} with an event a line */
    TRACE_JSONL, /* an event a line; the last line is {"metadata": {...}} */
};

/* "json" or "jsonl"; ERROR_USAGE for anything else. */
struct error *trace_format_find(const char *name, enum trace_format *ret);

/* Nothing in it needs to live longer than the call of trace_writer_create(). */
struct trace_writer_options {
    const char *path; /* created with mode 0600, or emptied; "-": standard output */
    enum trace_format format;
    size_t buffer_size; /* bytes of a block; 0: 1 MiB. At least 4096 */
    bool async_write;
    bool guard;        /* have the file mended when reel is killed; costs a small process */
    uint64_t max_size; /* bytes that the file may have; 0: no limit */
    struct trace_facts facts;
};

struct trace_writer;

/* ERROR_SYSTEM if the file cannot be made or written, ERROR_USAGE if max_size is too small to be kept. */
struct error *trace_writer_create(const struct trace_writer_options *options, struct trace_writer **ret);

/* Append an event; sets event->seq. When max_size is reached a note says so and this and all later events are
 * counted as dropped: no error, see trace_writer_full(). ERROR_SYSTEM: a write failed (told once, see above).
 * ERROR_NO_MEMORY: the event is counted as dropped. */
struct error *trace_writer_write(struct trace_writer *writer, struct trace_event *event);

/* Count events that happened and never were events (a ring that overflowed). */
void trace_writer_drop(struct trace_writer *writer, uint64_t count);

/* Replace what was told when the writer was created, by what is known better now (`dropped` is not looked
 * at). ERROR_LIMIT, and nothing happens, if there is a max_size and the new facts are longer. */
struct error *trace_writer_set_facts(struct trace_writer *writer, const struct trace_facts *facts);

/* Write what is collected, and return when it is in the file. */
struct error *trace_writer_flush(struct trace_writer *writer);

/* True once max_size was reached or a write failed: events are only counted. The caller may stop to trace. */
bool trace_writer_full(const struct trace_writer *writer);

/* What the file holds, or will hold when everything collected is written. */
struct trace_totals trace_writer_totals(const struct trace_writer *writer);

/* Write the rest, close and free, also when it fails (with an error that was not told before). NULL is fine.
 */
struct error *trace_writer_close(struct trace_writer *writer);

#endif
