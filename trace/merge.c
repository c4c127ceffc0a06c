#include "trace/merge.h"

#include "trace/reader.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One of the traces, with the event that comes next. */
struct source {
    struct trace_reader *reader;
    struct trace_event event;
    bool more;
    uint64_t events, first_ns, last_ns;
    struct error *error; /* where it broke off */
};

/* What the metadata of all says together. */
struct combined {
    cJSON *first; /* metadata of the first trace that has any */
    const char **arguments;
    char *options;
    struct buffer merged; /* `"merged": [...]` */
    struct trace_facts facts;
};

/* ---- the order ---- */

/* A heap of the numbers of those sources that have a next event; the earliest is on top. */
struct heap {
    uint32_t *items;
    size_t count;
    const struct source *sources;
};

static bool earlier(const struct heap *heap, uint32_t a, uint32_t b) {
    uint64_t left = heap->sources[a].event.timestamp_ns, right = heap->sources[b].event.timestamp_ns;
    return left != right ? left < right : a < b;
}

static void sift_down(struct heap *heap, size_t at) {
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap->count; child++)
            if (earlier(heap, heap->items[child], heap->items[least]))
                least = child;
        if (least == at)
            return;
        uint32_t item = heap->items[at];
        heap->items[at] = heap->items[least];
        heap->items[least] = item;
        at = least;
    }
}

/* The first damage ends a source, not the merging. */
static void advance(struct source *source) {
    source->error = trace_reader_next(source->reader, &source->event, &source->more);
    if (!source->more)
        return;
    if (!source->events++)
        source->first_ns = source->event.timestamp_ns;
    source->last_ns = source->event.timestamp_ns;
}

static struct error *write_ordered(struct source *sources, size_t count, struct trace_writer *writer) {
    struct heap heap = {.items = calloc(count, sizeof(*heap.items)), .sources = sources};
    struct error *err = heap.items ? NULL : &error_no_memory;
    for (uint32_t i = 0; !err && i < count; i++)
        if (sources[i].more)
            heap.items[heap.count++] = i;
    for (size_t i = heap.count / 2; i-- > 0;)
        sift_down(&heap, i);
    while (!err && heap.count) {
        struct source *source = &sources[heap.items[0]];
        err = trace_writer_write(writer, &source->event);
        advance(source);
        if (!source->more)
            heap.items[0] = heap.items[--heap.count];
        sift_down(&heap, 0);
    }
    free(heap.items);
    return err;
}

/* ---- what it says about itself ---- */

static const char *string_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

/* Leaves *ret alone if there is no such time. */
static void time_of(const cJSON *object, const char *key, uint64_t *ret) {
    const char *text = string_of(object, key);
    uint64_t time;
    if (text && trace_time_parse(text, strlen(text), &time))
        *ret = time;
}

static int32_t pid_of(const cJSON *object) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, "pid");
    return cJSON_IsNumber(item) ? item->valueint : 0;
}

/* From the earliest start to the latest end; a trace that does not say goes from its first event to its last.
 */
static void combine_times(struct trace_facts *facts, const struct source *source, const cJSON *metadata) {
    uint64_t started = source->first_ns, ended = source->last_ns;
    time_of(metadata, "started", &started);
    time_of(metadata, "ended", &ended);
    if (started && (!facts->started_ns || started < facts->started_ns))
        facts->started_ns = started;
    if (ended > facts->ended_ns)
        facts->ended_ns = ended;
}

/* An object in the array "merged". */
static void describe_source(struct combined *combined, const struct source *source, const cJSON *metadata) {
    struct buffer *text = &combined->merged;
    trace_data_item(text);
    buffer_put_u8(text, '{');
    trace_data_string(text, "trace", trace_reader_name(source->reader));
    trace_data_string(text, "program", string_of(metadata, "program"));
    trace_data_signed(text, "pid", pid_of(metadata));
    trace_data_string(text, "state", string_of(metadata, "state"));
    trace_data_unsigned(text, "total_events", source->events);
    trace_data_unsigned(text, "dropped_events", trace_reader_dropped(source->reader));
    trace_data_string(text, "damage", source->error ? source->error->message : NULL);
    trace_data_close_object(text);
}

static void combine_source(struct combined *combined, const struct source *source) {
    size_t size;
    const char *text = trace_reader_metadata(source->reader, &size);
    cJSON *metadata = text ? cJSON_ParseWithLength(text, size) : NULL;
    describe_source(combined, source, metadata);
    combine_times(&combined->facts, source, metadata);
    if (combined->first)
        cJSON_Delete(metadata);
    else
        combined->first = metadata;
}

/* The strings of "arguments", which stay the JSON's own. */
static const char **arguments_of(const cJSON *metadata) {
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(metadata, "arguments"), *item;
    if (!cJSON_IsArray(array))
        return NULL;
    const char **arguments = calloc((size_t)cJSON_GetArraySize(array) + 1, sizeof(*arguments));
    size_t count = 0;
    if (arguments)
        cJSON_ArrayForEach(item, array) if (cJSON_IsString(item)) arguments[count++] = item->valuestring;
    return arguments;
}

static struct error *combine(struct combined *combined, const struct source *sources, size_t count) {
    struct trace_facts *facts = &combined->facts;
    trace_data_open_array(&combined->merged, "merged");
    for (size_t i = 0; i < count; i++)
        combine_source(combined, &sources[i]);
    trace_data_close_array(&combined->merged);
    buffer_put_u8(&combined->merged, 0);
    TRY(buffer_check(&combined->merged));
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(combined->first, "options");
    combined->options = options ? cJSON_PrintUnformatted(options) : NULL;
    combined->arguments = arguments_of(combined->first);
    facts->program = string_of(combined->first, "program");
    facts->arguments = combined->arguments;
    facts->pid = pid_of(combined->first);
    facts->level = string_of(combined->first, "level");
    facts->clock = string_of(combined->first, "clock");
    facts->options_json = combined->options;
    facts->extra_json = (const char *)combined->merged.data;
    return NULL;
}

static struct error *write_facts(const struct source *sources, size_t count, struct trace_writer *writer) {
    struct combined combined = {0};
    struct error *err = combine(&combined, sources, count);
    if (!err)
        err = trace_writer_set_facts(writer, &combined.facts);
    for (size_t i = 0; i < count; i++)
        trace_writer_drop(writer, trace_reader_dropped(sources[i].reader));
    cJSON_Delete(combined.first);
    cJSON_free(combined.options);
    free(combined.arguments);
    buffer_deinit(&combined.merged);
    return err;
}

/* ---- all ---- */

/* An output that is one of the traces would be emptied before it is read. */
static struct error *refuse_output(const char *output, const char *input) {
    struct stat of_output, of_input;
    if (stat(output, &of_output) < 0 || stat(input, &of_input) < 0 || !S_ISREG(of_output.st_mode) ||
        of_output.st_dev != of_input.st_dev || of_output.st_ino != of_input.st_ino)
        return NULL;
    return error_hint(error_new(ERROR_USAGE, "%s: is one of the traces to be merged", output),
                      "choose another name for the output");
}

static struct error *open_sources(const char *const *paths, size_t count, const char *output,
                                  struct source *sources) {
    for (size_t i = 0; i < count; i++) {
        TRY(refuse_output(output, paths[i]));
        TRY(trace_reader_open(paths[i], &sources[i].reader));
    }
    return NULL;
}

static struct error *merge_into(struct source *sources, size_t count, struct trace_writer *writer,
                                struct trace_totals *ret_totals) {
    for (size_t i = 0; i < count; i++)
        advance(&sources[i]);
    struct error *err = write_ordered(sources, count, writer);
    if (!err)
        err = write_facts(sources, count, writer);
    if (!err)
        err = trace_writer_flush(writer);
    *ret_totals = trace_writer_totals(writer);
    struct error *closed = trace_writer_close(writer);
    if (!err)
        return closed;
    error_free(closed);
    return err;
}

static void close_sources(struct source *sources, size_t count, struct error **err) {
    for (size_t i = 0; i < count; i++) {
        if (!*err)
            *err = sources[i].error;
        else
            error_free(sources[i].error);
        trace_reader_close(sources[i].reader);
        trace_event_deinit(&sources[i].event);
    }
    free(sources);
}

struct error *trace_merge(const char *const *paths, size_t count, const struct trace_writer_options *options,
                          struct trace_totals *ret_totals) {
    struct trace_writer *writer;
    struct source *sources = calloc(count ? count : 1, sizeof(*sources));
    if (!sources)
        return &error_no_memory;
    struct error *err = open_sources(paths, count, options->path, sources);
    if (!err)
        err = trace_writer_create(options, &writer);
    if (!err)
        err = merge_into(sources, count, writer, ret_totals);
    close_sources(sources, count, &err);
    return err;
}
