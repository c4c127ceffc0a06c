#include "trace/reader.h"

#include "trace/json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where in the file the reader stands. */
enum place {
    PLACE_TOP,         /* between whole values */
    PLACE_DOCUMENT,    /* in the outermost object, behind a member */
    PLACE_ARRAY_BEGIN, /* in the array of events, before the first */
    PLACE_ARRAY,       /* behind an event of the array */
    PLACE_END,
};

struct trace_reader {
    char *name;
    int fd;
    struct json json;
    enum place place;
    bool in_document; /* the array is a member of an object */
    bool any;         /* the file holds something */
    uint64_t events;
    uint64_t dropped;       /* by all metadata so far */
    struct buffer metadata; /* the last, the whole object */
    bool has_metadata;
    struct buffer key, value; /* of the member being read, as they stand in the file */
};

/* ---- members of an event ---- */

static bool parse_unsigned(const struct trace_value *value, uint64_t most, uint64_t *ret) {
    return trace_value_unsigned(value, ret) && *ret <= most;
}

/* A process ID. */
static bool parse_id(const struct trace_value *value, int32_t *ret) {
    uint64_t id;
    if (!parse_unsigned(value, INT32_MAX, &id))
        return false;
    *ret = (int32_t)id;
    return true;
}

static bool set_seq(struct trace_event *event, const struct trace_value *value) {
    return parse_unsigned(value, UINT64_MAX, &event->seq);
}

static bool set_depth(struct trace_event *event, const struct trace_value *value) {
    uint64_t depth;
    if (!parse_unsigned(value, UINT32_MAX, &depth))
        return false;
    event->depth = (uint32_t)depth;
    event->has_depth = true;
    return true;
}

static bool set_pid(struct trace_event *event, const struct trace_value *value) {
    return parse_id(value, &event->pid);
}

static bool set_tid(struct trace_event *event, const struct trace_value *value) {
    return parse_id(value, &event->tid);
}

/* Types and times have no escapes. */
static bool is_string(const struct trace_value *value) {
    return value->size >= 2 && value->text[0] == '"';
}

static bool set_type(struct trace_event *event, const struct trace_value *value) {
    return is_string(value) && trace_type_find(value->text + 1, value->size - 2, &event->type);
}

static bool set_timestamp(struct trace_event *event, const struct trace_value *value) {
    return is_string(value) && trace_time_parse(value->text + 1, value->size - 2, &event->timestamp_ns);
}

static bool set_data(struct trace_event *event, const struct trace_value *value) {
    if (value->size < 2 || value->text[0] != '{')
        return false;
    buffer_clear(&event->data);
    buffer_put(&event->data, value->text + 1, value->size - 2);
    return true;
}

static const struct member {
    const char *key; /* as it stands in the file */
    bool (*set)(struct trace_event *event, const struct trace_value *value);
    const char *wrong;
    bool needed;
} members[] = {
    {"\"seq\"", set_seq, "\"seq\" is no whole number", false},
    {"\"timestamp\"", set_timestamp, "\"timestamp\" is no time such as 2026-01-15T10:30:45.123456", true},
    {"\"type\"", set_type, "\"type\" is not the name of a type of event", true},
    {"\"depth\"", set_depth, "\"depth\" is no whole number", false},
    {"\"pid\"", set_pid, "\"pid\" is no process ID", false},
    {"\"tid\"", set_tid, "\"tid\" is no thread ID", false},
    {"\"data\"", set_data, "\"data\" is no object", false},
};
#define MEMBER_COUNT (sizeof(members) / sizeof(members[0]))

/* What the writer puts before the value of each member, in its order. */
#define BEFORE(text)                                                                                         \
    { text ": ", sizeof(text ": ") - 1 }
static const struct {
    const char *text;
    size_t size;
} written[MEMBER_COUNT] = {
    BEFORE("\"seq\""),   BEFORE(", \"timestamp\""), BEFORE(", \"type\""), BEFORE(", \"depth\""),
    BEFORE(", \"pid\""), BEFORE(", \"tid\""),       BEFORE(", \"data\""),
};

static bool key_is(const struct trace_reader *reader, const char *key) {
    return reader->key.size == strlen(key) && !memcmp(reader->key.data, key, reader->key.size);
}

/* The next value; it holds until anything else is read. What cannot be read is empty. */
static struct trace_value read_value(struct trace_reader *reader) {
    struct trace_value value;
    if (json_take_whole(&reader->json, &value.text, &value.size))
        return value;
    buffer_clear(&reader->value);
    json_copy(&reader->json, &reader->value);
    return (struct trace_value){(const char *)reader->value.data, reader->value.size};
}

/* What reel does not know is kept. */
static void keep_extra(struct trace_reader *reader, struct trace_event *event,
                       const struct trace_value *value) {
    if (event->extra.size)
        buffer_put(&event->extra, ", ", 2);
    buffer_put(&event->extra, reader->key.data, reader->key.size);
    buffer_put(&event->extra, ": ", 2);
    buffer_put(&event->extra, value->text, value->size);
    if (event->extra.size > TRACE_EVENT_MAX)
        json_fail(&reader->json, "larger than any event is");
}

/* The value of a member, or of what is none when i is MEMBER_COUNT. */
static void read_member_value(struct trace_reader *reader, struct trace_event *event, size_t i,
                              unsigned *seen) {
    const struct trace_value value = read_value(reader);
    if (json_failed(&reader->json))
        return;
    if (i == MEMBER_COUNT)
        keep_extra(reader, event, &value);
    else if (*seen & 1u << i)
        json_fail(&reader->json, "an event has the same key twice");
    else if (!members[i].set(event, &value))
        json_fail(&reader->json, members[i].wrong);
    *seen |= 1u << i;
}

static void read_member(struct trace_reader *reader, struct trace_event *event, unsigned *seen) {
    size_t i = 0;
    while (i < MEMBER_COUNT && !key_is(reader, members[i].key))
        i++;
    read_member_value(reader, event, i, seen);
}

/* The members as the writer writes them, as far as that is how they stand. */
static void read_written(struct trace_reader *reader, struct trace_event *event, unsigned *seen) {
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        if (!json_take_text(&reader->json, written[i].text, written[i].size))
            break;
        read_member_value(reader, event, i, seen);
    }
}

static void check_event(struct trace_reader *reader, struct trace_event *event, unsigned seen) {
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        if (members[i].needed && !(seen & 1u << i))
            json_fail(&reader->json, i == 1 ? "an event without \"timestamp\"" : "an event without \"type\"");
    reader->events++;
    if (!event->seq)
        event->seq = reader->events;
}

/* ---- metadata ---- */

static void read_metadata(struct trace_reader *reader) {
    struct trace_event members_of = {0};
    struct trace_value value = read_value(reader);
    uint64_t dropped;
    if (json_failed(&reader->json))
        return;
    buffer_clear(&reader->metadata);
    buffer_put(&reader->metadata, value.text, value.size);
    if (reader->metadata.failed) /* trace_reader_next() says so */
        return;
    reader->has_metadata = true;
    if (value.text[0] != '{') {
        json_fail(&reader->json, "\"metadata\" is no object");
        return;
    }
    members_of.data = (struct buffer){.data = reader->metadata.data + 1, .size = reader->metadata.size - 2};
    if (trace_data_find(&members_of, "dropped_events", &value) && trace_value_unsigned(&value, &dropped))
        reader->dropped += dropped;
}

/* ---- the file ---- */

/* The next key of an object and its colon; false at the object's end. */
static bool next_key(struct trace_reader *reader, bool first) {
    struct json *json = &reader->json;
    if (json_take(json, '}'))
        return false;
    if (!first)
        json_expect(json, ',');
    buffer_clear(&reader->key);
    json_copy_string(json, &reader->key);
    json_expect(json, ':');
    return !json_failed(json);
}

/* An object of the array, behind its brace. */
static void read_event(struct trace_reader *reader, struct trace_event *event) {
    unsigned seen = 0;
    read_written(reader, event, &seen);
    for (bool first = !seen; next_key(reader, first); first = false)
        read_member(reader, event, &seen);
    check_event(reader, event, seen);
}

static void begin_array(struct trace_reader *reader, bool in_document) {
    json_expect(&reader->json, '[');
    reader->in_document = in_document;
    reader->place = PLACE_ARRAY_BEGIN;
}

/* An object at the top, behind its brace: the document, an event, or metadata alone. True if it was an event.
 */
static bool read_top_object(struct trace_reader *reader, struct trace_event *event) {
    unsigned seen = 0;
    bool metadata = false;
    read_written(reader, event, &seen);
    for (bool first = !seen; next_key(reader, first); first = false) {
        if (key_is(reader, "\"traces\"")) {
            if (seen & ((1u << MEMBER_COUNT) - 1))
                json_fail(&reader->json, "an event with \"traces\"");
            trace_event_reset(event); /* what came before "traces" was none of its members */
            begin_array(reader, true);
            return false;
        }
        metadata |= key_is(reader, "\"metadata\"");
        if (key_is(reader, "\"metadata\""))
            read_metadata(reader);
        else
            read_member(reader, event, &seen);
    }
    if (metadata && !seen)
        return false;
    check_event(reader, event, seen);
    return true;
}

/* What follows the array in the document. */
static void read_document(struct trace_reader *reader) {
    while (next_key(reader, false)) {
        if (key_is(reader, "\"traces\"")) {
            begin_array(reader, true);
            return;
        }
        if (key_is(reader, "\"metadata\""))
            read_metadata(reader);
        else
            read_value(reader);
    }
    reader->place = PLACE_TOP;
}

static bool read_top(struct trace_reader *reader, struct trace_event *event) {
    struct json *json = &reader->json;
    int byte = json_peek(json);
    if (byte < 0) {
        if (!reader->any)
            json_fail(json, "there is no trace in it");
        reader->place = PLACE_END;
        return false;
    }
    reader->any = true;
    if (byte == '[') {
        begin_array(reader, false);
        return false;
    }
    json_expect(json, '{');
    return !json_failed(json) && read_top_object(reader, event);
}

static bool read_array(struct trace_reader *reader, struct trace_event *event, bool first) {
    struct json *json = &reader->json;
    if (json_take(json, ']')) {
        reader->place = reader->in_document ? PLACE_DOCUMENT : PLACE_TOP;
        return false;
    }
    if (!first)
        json_expect(json, ',');
    json_expect(json, '{');
    if (json_failed(json))
        return false;
    read_event(reader, event);
    reader->place = PLACE_ARRAY;
    return true;
}

/* One step; true when event was filled. */
static bool step(struct trace_reader *reader, struct trace_event *event) {
    switch (reader->place) {
    case PLACE_TOP:
        return read_top(reader, event);
    case PLACE_DOCUMENT:
        read_document(reader);
        return false;
    case PLACE_ARRAY_BEGIN:
    case PLACE_ARRAY:
        return read_array(reader, event, reader->place == PLACE_ARRAY_BEGIN);
    case PLACE_END:
        break;
    }
    return false;
}

struct error *trace_reader_next(struct trace_reader *reader, struct trace_event *event, bool *ret_more) {
    bool filled = false;
    *ret_more = false;
    trace_event_reset(event);
    while (!filled && reader->place != PLACE_END && !json_failed(&reader->json))
        filled = step(reader, event);
    if (json_failed(&reader->json)) {
        reader->place = PLACE_END;
        return json_check(&reader->json);
    }
    TRY(buffer_check(&event->data));
    TRY(buffer_check(&event->extra));
    TRY(buffer_check(&reader->metadata));
    *ret_more = filled;
    return NULL;
}

/* ---- opening ---- */

struct error *trace_reader_open_fd(int fd, const char *name, struct trace_reader **ret) {
    struct trace_reader *reader = calloc(1, sizeof(*reader));
    if (!reader) {
        close(fd);
        return &error_no_memory;
    }
    reader->fd = fd;
    reader->name = strdup(name);
    struct error *err = reader->name ? NULL : &error_no_memory;
    if (!err)
        err = json_init(&reader->json, fd, reader->name, TRACE_NESTING_MAX, TRACE_EVENT_MAX);
    if (err) {
        trace_reader_close(reader);
        return err;
    }
    *ret = reader;
    return NULL;
}

struct error *trace_reader_open(const char *path, struct trace_reader **ret) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_system(errno, "%s", path);
    return trace_reader_open_fd(fd, path, ret);
}

void trace_reader_close(struct trace_reader *reader) {
    if (!reader)
        return;
    close(reader->fd);
    json_deinit(&reader->json);
    buffer_deinit(&reader->metadata);
    buffer_deinit(&reader->key);
    buffer_deinit(&reader->value);
    free(reader->name);
    free(reader);
}

const char *trace_reader_metadata(const struct trace_reader *reader, size_t *ret_size) {
    *ret_size = reader->has_metadata ? reader->metadata.size : 0;
    return reader->has_metadata ? (const char *)reader->metadata.data : NULL;
}

uint64_t trace_reader_dropped(const struct trace_reader *reader) {
    return reader->dropped;
}

const char *trace_reader_name(const struct trace_reader *reader) {
    return reader->name;
}
