#include "trace/metadata.h"

#include "base/version.h"

#include <string.h>

/* The tail that holds the metadata is written with each block: keep it small. */
enum { ARGUMENTS_MAX = 16 << 10 };

void trace_totals_add(struct trace_totals *totals, const struct trace_event *event) {
    totals->events++;
    totals->by_type[event->type]++;
    if (event->depth > totals->max_depth)
        totals->max_depth = event->depth;
}

static void put_arguments(const char *const *arguments, struct buffer *ret) {
    size_t start = ret->size;
    bool cut = false;
    trace_data_open_array(ret, "arguments");
    for (; *arguments && !cut; arguments++) {
        size_t size = strlen(*arguments), used = ret->size - start;
        cut = size > ARGUMENTS_MAX - used || used > ARGUMENTS_MAX / 2;
        if (cut && size > 256)
            size = 256;
        trace_data_item(ret);
        json_put_string(ret, *arguments, size);
    }
    trace_data_close_array(ret);
    if (cut)
        trace_data_bool(ret, "arguments_cut", true);
}

static void put_json(struct buffer *ret, const char *key, const char *json) {
    trace_data_raw(ret, key, json ? json : "null", json ? strlen(json) : 4);
}

void trace_facts_render(const struct trace_facts *facts, struct buffer *ret) {
    trace_data_string(ret, "program", facts->program);
    if (facts->arguments)
        put_arguments(facts->arguments, ret);
    else
        put_json(ret, "arguments", NULL);
    if (facts->pid)
        trace_data_signed(ret, "pid", facts->pid);
    else
        put_json(ret, "pid", NULL);
    trace_data_string(ret, "level", facts->level);
    put_json(ret, "options", facts->options_json);
    trace_data_string(ret, "clock", facts->clock ? facts->clock : "CLOCK_REALTIME");
    trace_data_string(ret, "reel_version", REEL_VERSION);
    if (facts->extra_json && *facts->extra_json) {
        buffer_put(ret, ", ", 2);
        buffer_put(ret, facts->extra_json, strlen(facts->extra_json));
    }
}

static void put_time(struct buffer *ret, const char *key, uint64_t time_ns) {
    char text[TRACE_TIME_SIZE];
    trace_time_put(time_ns, text);
    trace_data_text(ret, key, text, sizeof(text));
}

void trace_metadata_render(const struct trace_totals *totals, enum trace_state state, uint64_t started_ns,
                           uint64_t ended_ns, const struct buffer *facts, struct buffer *ret) {
    static const char *const states[] = {"writing", "complete", "failed"};
    buffer_put_u8(ret, '{');
    trace_data_string(ret, "state", states[state]);
    trace_data_unsigned(ret, "total_events", totals->events);
    trace_data_unsigned(ret, "dropped_events", totals->dropped);
    trace_data_open_object(ret, "by_type");
    for (enum trace_type type = 0; type < TRACE_TYPE_COUNT; type++)
        if (totals->by_type[type])
            trace_data_unsigned(ret, trace_types[type].name, totals->by_type[type]);
    trace_data_close_object(ret);
    trace_data_unsigned(ret, "max_depth", totals->max_depth);
    put_time(ret, "started", started_ns);
    put_time(ret, "ended", ended_ns);
    buffer_put(ret, ", ", 2);
    buffer_put(ret, facts->data, facts->size);
    buffer_put_u8(ret, '}');
}
