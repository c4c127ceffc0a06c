/* metadata: what a trace says about itself at its end, and the counts in it. */
#ifndef REEL_TRACE_METADATA_H
#define REEL_TRACE_METADATA_H

#include "trace/event.h"

/* Counts over the events of a trace. */
struct trace_totals {
    uint64_t events;  /* in the file */
    uint64_t dropped; /* happened and are not in it */
    uint64_t by_type[TRACE_TYPE_COUNT];
    uint32_t max_depth;
};

void trace_totals_add(struct trace_totals *totals, const struct trace_event *event);

enum trace_state {
    TRACE_STATE_WRITING,  /* being written; if nobody does, the writer was killed */
    TRACE_STATE_COMPLETE, /* closed as it should be */
    TRACE_STATE_FAILED,   /* a write failed; the rest is missing and counted as dropped */
};

/* What the caller of the writer tells about the run. Everything may be left zero: then it is null or left
 * out. */
struct trace_facts {
    const char *program;          /* path of the executable */
    const char *const *arguments; /* argv, NULL at its end; more than 16 KiB of it is cut */
    int32_t pid;                  /* of the first process */
    const char *level;            /* minimal, standard, full */
    const char *options_json;     /* a JSON value */
    const char *clock;            /* of the timestamps; NULL: "CLOCK_REALTIME" */
    const char *extra_json;       /* further members, `"key": value, "key": value`, or NULL */
    uint64_t started_ns;          /* 0: when the writer was created */
    uint64_t ended_ns;            /* 0: when the writer was last flushed */
    uint64_t dropped;             /* events that were dropped before they got to the writer */
};

/* Append the members that never change: program, arguments, ... */
void trace_facts_render(const struct trace_facts *facts, struct buffer *ret);

/* Append the whole object. */
void trace_metadata_render(const struct trace_totals *totals, enum trace_state state, uint64_t started_ns,
                           uint64_t ended_ns, const struct buffer *facts, struct buffer *ret);

#endif
