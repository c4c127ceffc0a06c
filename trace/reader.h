/* reader: reads a trace event by event, in memory that does not grow with it.
 *
 * Read are both forms of the writer, and what jq(1) and other tools make of them: any white space, keys in
 * any order, a bare array of events, events one after the other, metadata first, last or missing. Everything
 * is checked; the first byte that is wrong, or the end of a file that was cut off, is one ERROR_BAD_DATA with
 * its offset, after all events before it have been delivered. */
#ifndef REEL_TRACE_READER_H
#define REEL_TRACE_READER_H

#include "trace/event.h"
#include "trace/metadata.h"

enum {
    TRACE_EVENT_MAX = 64 << 20, /* bytes of an event or of the metadata; more is ERROR_BAD_DATA */
    TRACE_NESTING_MAX = 256,    /* objects and arrays in each other */
};

struct trace_reader;

struct error *trace_reader_open(const char *path, struct trace_reader **ret);
/* The same over a descriptor, which the reader closes; name is for errors. */
struct error *trace_reader_open_fd(int fd, const char *name, struct trace_reader **ret);
void trace_reader_close(struct trace_reader *reader);

/* The next event; *ret_more is false at the end. The event is the caller's (zeroed or used before) and is
 * overwritten. Its data are members as the writer writes them: one line, ", " and ": " between. */
struct error *trace_reader_next(struct trace_reader *reader, struct trace_event *event, bool *ret_more);

/* The metadata as JSON text (not terminated), as far as it has been read, or NULL when there was none (yet).
 */
const char *trace_reader_metadata(const struct trace_reader *reader, size_t *ret_size);

/* The sum of dropped_events of all metadata read so far: a file may hold several traces, one after the other.
 */
uint64_t trace_reader_dropped(const struct trace_reader *reader);

const char *trace_reader_name(const struct trace_reader *reader);

/* ---- values in the data of an event ---- */

/* A JSON value as text, inside the event's data. */
struct trace_value {
    const char *text;
    size_t size;
};

/* The member of data that begins at *at, which is 0 at first and then that of the next; false behind the
 * last. The key is as it stands, without its quotes. Only for data that came from a reader or writer. */
bool trace_data_next(const struct trace_event *event, size_t *at, struct trace_value *ret_key,
                     struct trace_value *ret_value);

/* Whether it is this text, byte by byte. */
bool trace_value_is(const struct trace_value *value, const char *text);

/* The member of data with this key; false if there is none. Only for data that came from a reader or writer.
 */
bool trace_data_find(const struct trace_event *event, const char *key, struct trace_value *ret);

/* A string without quotes and escapes, put into ret (cleared first; not terminated). False if it is no
 * string. */
bool trace_value_string(const struct trace_value *value, struct buffer *ret);

/* A whole number from 0 to 2^64-1; false for anything else. */
bool trace_value_unsigned(const struct trace_value *value, uint64_t *ret);

#endif
