#include "trace/writer.h"

#include "trace/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BUFFER_DEFAULT = 1 << 20,
    BUFFER_LEAST = 4096,
    FRAME_MAX = 256, /* an event without its data */
    GROWTH = 512,    /* what the tail may grow by: all types present, all counts at their longest */
    NOTE_MAX = 512,  /* the note that max_size was reached */
};

/* What stands around the events. */
struct form {
    const char *head, *first, *next; /* before everything; before the first event; before each other */
    const char *after;               /* after each event */
    const char *metadata, *end;      /* around the metadata */
};

static const struct form forms[] = {
    [TRACE_JSON] = {"{\"traces\": [", "\n  ", ",\n  ", "", "],\n \"metadata\": ", "}\n"},
    [TRACE_JSONL] = {"", "", "", "\n", "{\"metadata\": ", "}\n"},
};

struct trace_writer {
    struct trace_output *output;
    const struct form *form;
    struct trace_block *block; /* being filled */
    size_t buffer_size;
    uint64_t max_size;
    uint64_t size;  /* of the body, what is in the block included */
    uint64_t limit; /* how far the body may grow; UINT64_MAX without a limit */
    bool full;      /* events are only counted */
    bool settled;   /* a write failed, and totals are right again */

    struct trace_totals totals;    /* of the body, and all that was dropped */
    struct buffer facts;           /* the members of the metadata that never change */
    uint64_t started_ns, ended_ns; /* ended_ns 0: now */
    uint64_t second;               /* whose time stands in time[] */
    char time[TRACE_TIME_SIZE];
};

struct error *trace_format_find(const char *name, enum trace_format *ret) {
    if (strcmp(name, "json") && strcmp(name, "jsonl"))
        return error_hint(error_new(ERROR_USAGE, "format %s: there is no such format", name),
                          "one of: json, jsonl");
    *ret = strcmp(name, "json") ? TRACE_JSONL : TRACE_JSON;
    return NULL;
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void put_text(struct buffer *buffer, const char *text) {
    buffer_put(buffer, text, strlen(text));
}

/* ---- blocks ---- */

static void put_tail(const struct trace_writer *writer, const struct trace_totals *totals,
                     enum trace_state state, struct buffer *ret) {
    put_text(ret, writer->form->metadata);
    trace_metadata_render(totals, state, writer->started_ns, writer->ended_ns ? writer->ended_ns : now_ns(),
                          &writer->facts, ret);
    put_text(ret, writer->form->end);
}

static void put_block(struct trace_writer *writer) {
    struct trace_block *block = writer->block;
    block->body_size = block->text.size;
    block->totals = writer->totals;
    put_tail(writer, &writer->totals, TRACE_STATE_WRITING, &block->text);
    trace_output_put(writer->output, block);
    writer->block = trace_output_block(writer->output);
}

/* The writer's view after a failure: what is in the file is in it, everything else is dropped. */
static void settle_failure(struct trace_writer *writer) {
    trace_output_wait(writer->output);
    struct trace_totals written = trace_output_totals(writer->output);
    written.dropped = writer->totals.dropped + writer->totals.events - written.events;
    writer->totals = written;
    writer->full = writer->settled = true;
    buffer_clear(&writer->block->text);
}

static struct error *check_output(struct trace_writer *writer) {
    if (writer->settled || !trace_output_failed(writer->output))
        return NULL;
    settle_failure(writer);
    return error_hint(trace_output_error(writer->output), "the trace ends here");
}

/* ---- events ---- */

static char *put_number(char *place, uint64_t value) {
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (count)
        *place++ = digits[--count];
    return place;
}

static char *put_signed(char *place, int64_t value) {
    if (value < 0)
        *place++ = '-';
    return put_number(place, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static char *put_bytes(char *place, const char *bytes, size_t size) {
    memcpy(place, bytes, size);
    return place + size;
}

#define PUT_LITERAL(place, text) put_bytes((place), (text), sizeof(text) - 1)

/* Most events come in the second of the one before: then only the fraction is new. */
static char *put_time(struct trace_writer *writer, char *place, uint64_t timestamp_ns) {
    uint64_t second = timestamp_ns / 1000000000;
    unsigned micros = (unsigned)(timestamp_ns / 1000 % 1000000);
    if (second != writer->second || !writer->time[0]) {
        trace_time_put(timestamp_ns, writer->time);
        writer->second = second;
    }
    memcpy(place, writer->time, TRACE_TIME_SIZE);
    for (int i = TRACE_TIME_SIZE - 1; i > TRACE_TIME_SIZE - 7; i--, micros /= 10)
        place[i] = (char)('0' + micros % 10);
    return place + TRACE_TIME_SIZE;
}

/* Append the event to text, with what stands before and after it. One check of room for all but data. */
static void put_event(struct trace_writer *writer, const struct trace_event *event, struct buffer *text) {
    const struct trace_type_row *type = &trace_types[event->type];
    const char *before = writer->totals.events ? writer->form->next : writer->form->first;
    char *start = buffer_reserve(text, FRAME_MAX), *place = start;
    if (!start)
        return;
    place = put_bytes(place, before, strlen(before));
    place = put_number(PUT_LITERAL(place, "{\"seq\": "), event->seq);
    place = put_time(writer, PUT_LITERAL(place, ", \"timestamp\": \""), event->timestamp_ns);
    place = put_bytes(PUT_LITERAL(place, "\", \"type\": \""), type->name, type->size);
    place = put_number(PUT_LITERAL(place, "\", \"depth\": "), event->depth);
    place = put_signed(PUT_LITERAL(place, ", \"pid\": "), event->pid);
    place = put_signed(PUT_LITERAL(place, ", \"tid\": "), event->tid);
    place = PUT_LITERAL(place, ", \"data\": {");
    text->size += (size_t)(place - start);
    buffer_put(text, event->data.data, event->data.size);
    buffer_put_u8(text, '}');
    if (event->extra.size) {
        buffer_put(text, ", ", 2);
        buffer_put(text, event->extra.data, event->extra.size);
    }
    buffer_put_u8(text, '}');
    put_text(text, writer->form->after);
}

/* Append within a limit of the body; false (and nothing appended) if it does not fit. */
static bool append(struct trace_writer *writer, struct trace_event *event, uint64_t limit) {
    struct buffer *text = &writer->block->text;
    size_t before = text->size;
    event->seq = writer->totals.events + 1;
    put_event(writer, event, text);
    size_t added = text->size - before;
    if (text->failed || added > limit - writer->size) {
        text->size = before;
        return false;
    }
    writer->size += added;
    trace_totals_add(&writer->totals, event);
    return true;
}

/* The last event of a trace that may grow no further. */
static void append_limit_note(struct trace_writer *writer, const struct trace_event *at) {
    struct trace_event note = {
        .type = TRACE_NOTE, .timestamp_ns = at->timestamp_ns, .pid = at->pid, .tid = at->tid};
    trace_data_string(&note.data, "kind", "limit");
    trace_data_string(&note.data, "text",
                      "the trace has reached its largest size; what happened later is not in it");
    trace_data_unsigned(&note.data, "max_size", writer->max_size);
    if (note.data.failed || !append(writer, &note, writer->limit + NOTE_MAX))
        writer->block->text.failed = false; /* out of memory: "dropped_events" still tells */
    trace_event_deinit(&note);
    writer->full = true;
}

/* Out of memory for one event. The block before it is whole. */
static struct error *drop_event(struct trace_writer *writer) {
    writer->block->text.failed = false;
    writer->totals.dropped++;
    return &error_no_memory;
}

struct error *trace_writer_write(struct trace_writer *writer, struct trace_event *event) {
    if (writer->full) {
        writer->totals.dropped++;
        return NULL;
    }
    if (event->data.failed || event->extra.failed)
        return drop_event(writer);
    if (!append(writer, event, writer->limit)) {
        if (writer->block->text.failed)
            return drop_event(writer);
        writer->totals.dropped++;
        append_limit_note(writer, event);
    } else if (writer->block->text.size < writer->buffer_size) {
        return NULL;
    }
    put_block(writer);
    return check_output(writer);
}

void trace_writer_drop(struct trace_writer *writer, uint64_t count) {
    writer->totals.dropped += count;
}

struct error *trace_writer_set_facts(struct trace_writer *writer, const struct trace_facts *facts) {
    struct buffer text = {0};
    trace_facts_render(facts, &text);
    struct error *err = buffer_check(&text);
    if (!err && writer->max_size && text.size > writer->facts.size)
        err = error_new(ERROR_LIMIT, "trace: no room for more metadata within %" PRIu64 " bytes",
                        writer->max_size);
    if (err) {
        buffer_deinit(&text);
        return err;
    }
    buffer_deinit(&writer->facts);
    writer->facts = text;
    if (facts->started_ns)
        writer->started_ns = facts->started_ns;
    writer->ended_ns = facts->ended_ns;
    return NULL;
}

/* ---- from beginning to end ---- */

struct error *trace_writer_flush(struct trace_writer *writer) {
    if (writer->block->text.size)
        put_block(writer);
    trace_output_wait(writer->output);
    return check_output(writer);
}

bool trace_writer_full(const struct trace_writer *writer) {
    return writer->full;
}

struct trace_totals trace_writer_totals(const struct trace_writer *writer) {
    return writer->totals;
}

static void destroy(struct trace_writer *writer) {
    buffer_deinit(&writer->facts);
    free(writer);
}

struct error *trace_writer_close(struct trace_writer *writer) {
    struct buffer tail = {0};
    if (!writer)
        return NULL;
    struct error *err = trace_writer_flush(writer);
    bool failed = trace_output_failed(writer->output);
    put_tail(writer, &writer->totals, failed ? TRACE_STATE_FAILED : TRACE_STATE_COMPLETE, &tail);
    if (!err)
        err = buffer_check(&tail);
    if (tail.failed)
        buffer_clear(&tail);
    struct error *finished = trace_output_finish(writer->output, &tail);
    if (!err && !failed)
        err = finished;
    else
        error_free(finished);
    buffer_deinit(&tail);
    destroy(writer);
    return err;
}

/* The longest tail, and the note before it, must still fit. */
static struct error *set_limit(struct trace_writer *writer, const struct trace_writer_options *options,
                               size_t tail_size) {
    uint64_t reserve = (uint64_t)tail_size + GROWTH + NOTE_MAX;
    writer->max_size = options->max_size;
    writer->limit = UINT64_MAX - NOTE_MAX;
    if (!options->max_size)
        return NULL;
    if (options->max_size < writer->size + reserve)
        return error_hint(error_new(ERROR_USAGE,
                                    "%s: a trace of at most %" PRIu64 " bytes has no room for events",
                                    options->path, options->max_size),
                          "allow at least %" PRIu64, (uint64_t)(writer->size + reserve));
    writer->limit = options->max_size - reserve;
    return NULL;
}

/* All that can be refused before the file is touched. */
static struct error *prepare(struct trace_writer *writer, const struct trace_writer_options *options) {
    struct buffer tail = {0};
    size_t size = options->buffer_size ? options->buffer_size : BUFFER_DEFAULT;
    writer->form = &forms[options->format];
    writer->buffer_size = size < BUFFER_LEAST ? BUFFER_LEAST : size;
    writer->size = strlen(writer->form->head);
    writer->started_ns = options->facts.started_ns ? options->facts.started_ns : now_ns();
    writer->ended_ns = options->facts.ended_ns;
    writer->totals.dropped = options->facts.dropped;
    trace_facts_render(&options->facts, &writer->facts);
    put_tail(writer, &writer->totals, TRACE_STATE_COMPLETE, &tail);
    struct error *err = buffer_check(&writer->facts);
    if (!err)
        err = buffer_check(&tail);
    if (!err)
        err = set_limit(writer, options, tail.size);
    buffer_deinit(&tail);
    return err;
}

/* The first block has no event, but makes a file that is whole from the beginning. */
static struct error *begin(struct trace_writer *writer, const struct trace_writer_options *options) {
    const struct buffer nothing = {0};
    TRY(trace_output_create(options->path, &writer->output));
    writer->block = trace_output_block(writer->output);
    put_text(&writer->block->text, writer->form->head);
    put_block(writer);
    struct error *err = trace_output_error(writer->output);
    if (!err)
        err = trace_output_start(writer->output, options->async_write, options->guard);
    if (err) /* what was written stays */
        error_free(trace_output_finish(writer->output, &nothing));
    return err;
}

struct error *trace_writer_create(const struct trace_writer_options *options, struct trace_writer **ret) {
    struct trace_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return &error_no_memory;
    struct error *err = prepare(writer, options);
    if (!err)
        err = begin(writer, options);
    if (err) {
        destroy(writer);
        return err;
    }
    *ret = writer;
    return NULL;
}
