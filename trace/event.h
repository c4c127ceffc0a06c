/* event: one row of a trace, as plain data, and the helpers that build its "data" object.
 *
 * A caller keeps one struct trace_event and uses it again and again: trace_event_reset(), fill in the fields,
 * append members to `data`, trace_writer_write(). The buffer grows to the largest event and is then reused:
 * no allocation per event. reel-trace(5) lists the types and the keys of their data. */
#ifndef REEL_TRACE_EVENT_H
#define REEL_TRACE_EVENT_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trace_type {
    TRACE_FUNCTION_ENTRY,
    TRACE_FUNCTION_EXIT,
    TRACE_VARIABLE_ASSIGNMENT,
    TRACE_CONTROL_FLOW,
    TRACE_EXCEPTION,
    TRACE_SYSCALL,
    TRACE_THREAD_START,
    TRACE_THREAD_EXIT,
    TRACE_PROCESS_START,
    TRACE_PROCESS_EXIT,
    TRACE_NOTE, /* reel's own remark: a limit was reached, events were dropped */
    TRACE_TYPE_COUNT,
};

struct trace_type_row {
    const char *name; /* as it stands in the trace */
    size_t size;      /* bytes of the name */
};

extern const struct trace_type_row trace_types[TRACE_TYPE_COUNT];

/* The type with this name (size bytes, not terminated); false if there is none. */
bool trace_type_find(const char *name, size_t size, enum trace_type *ret);

/* A zeroed struct is an empty event. */
struct trace_event {
    enum trace_type type;
    uint64_t seq;          /* counts from 1; set by the writer, read by the reader */
    uint64_t timestamp_ns; /* CLOCK_REALTIME, nanoseconds since 1970 UTC; a trace keeps microseconds */
    uint32_t depth;        /* calls being traced in this thread when it happened; an exit has its entry's */
    int32_t pid, tid;
    struct buffer data;  /* members of the object "data", without its braces: `"line": 12, "taken": true` */
    struct buffer extra; /* further members of the event itself, kept by the reader; mostly empty */
    bool has_depth;      /* reader only: the event had the key "depth" */
};

void trace_event_deinit(struct trace_event *event);

/* Forget data and extra, keep their allocations, zero all else. */
void trace_event_reset(struct trace_event *event);

/* ---- building data: each appends one member. Keys and texts may hold any bytes ---- */

/* `"key": `; the caller then appends exactly one JSON value without line breaks to data. */
void trace_data_key(struct buffer *data, const char *key);

void trace_data_string(struct buffer *data, const char *key, const char *text); /* NULL: null */
void trace_data_text(struct buffer *data, const char *key, const char *text, size_t size);
void trace_data_unsigned(struct buffer *data, const char *key, uint64_t value);
void trace_data_signed(struct buffer *data, const char *key, int64_t value);
void trace_data_double(struct buffer *data, const char *key,
                       double value); /* "nan", "inf", "-inf": strings */
void trace_data_bool(struct buffer *data, const char *key, bool value);
void trace_data_address(struct buffer *data, const char *key, uint64_t value); /* "0x7f.." */
void trace_data_raw(struct buffer *data, const char *key, const char *json, size_t size);

/* An object (or array) as a member: what is appended between the two is inside. Close with the same kind. In
 * an array use trace_data_item() where an object uses trace_data_key(). */
void trace_data_open_object(struct buffer *data, const char *key);
void trace_data_close_object(struct buffer *data);
void trace_data_open_array(struct buffer *data, const char *key);
void trace_data_item(struct buffer *data);
void trace_data_close_array(struct buffer *data);

/* ---- single JSON values ---- */

/* A JSON string with its quotes. Control characters are escaped; each byte that is not part of valid UTF-8
 * (no overlong forms, no surrogates: RFC 3629) becomes U+FFFD. */
void json_put_string(struct buffer *buffer, const char *text, size_t size);
void json_put_unsigned(struct buffer *buffer, uint64_t value);
void json_put_signed(struct buffer *buffer, int64_t value);
void json_put_double(struct buffer *buffer, double value);

/* Bytes of the valid UTF-8 sequence at text (at most size, which is not 0), or 0 when there is none. */
size_t utf8_sequence(const char *text, size_t size);

/* ---- times ---- */

enum { TRACE_TIME_SIZE = 26 }; /* of "2026-01-15T10:30:45.123456" */

/* Write the time, UTC, microseconds, TRACE_TIME_SIZE bytes, no NUL. */
void trace_time_put(uint64_t timestamp_ns, char *ret);

/* Read such a time (0 to 9 digits of fraction, "Z" at the end or not); false if it is none. */
bool trace_time_parse(const char *text, size_t size, uint64_t *ret_ns);

#endif
