#include "trace/summary_state.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

enum { EXIT_SEARCH = 64 }; /* open calls in which an exit without a file looks for its own */

struct error *summary_create(struct summary **ret) {
    struct summary *summary = calloc(1, sizeof(*summary));
    if (summary)
        summary->nodes = calloc(1, sizeof(*summary->nodes));
    if (!summary || !summary->nodes) {
        free(summary);
        return &error_no_memory;
    }
    summary->nodes[0] =
        (struct summary_node){.function = NONE, .parent = NONE, .child = NONE, .sibling = NONE};
    summary->node_count = summary->node_room = 1;
    *ret = summary;
    return NULL;
}

void summary_destroy(struct summary *summary) {
    if (!summary)
        return;
    for (uint32_t i = 0; i < summary->thread_ids.count && i < summary->thread_room; i++) {
        free(summary->threads[i].frames);
        free(summary->threads[i].innermost);
    }
    intern_deinit(&summary->names);
    intern_deinit(&summary->thread_ids);
    intern_deinit(&summary->edges);
    intern_deinit(&summary->exceptions);
    buffer_deinit(&summary->key);
    buffer_deinit(&summary->text);
    free(summary->functions);
    free(summary->threads);
    free(summary->nodes);
    free(summary->exception_counts);
    free(summary->program);
    free(summary->state);
    free(summary);
}

/* Make an array of items of `size` bytes hold `wanted`; what is new is zeroed. */
static struct error *make_room(void *array, uint32_t *room, uint32_t wanted, size_t size) {
    void **items = array;
    if (wanted <= *room)
        return NULL;
    size_t more = *room ? *room : 16;
    while (more < wanted)
        more *= 2;
    char *grown = more < UINT32_MAX ? realloc(*items, more * size) : NULL;
    if (!grown)
        return &error_no_memory;
    memset(grown + *room * size, 0, (more - *room) * size);
    *items = grown;
    *room = (uint32_t)more;
    return NULL;
}

/* ---- who ---- */

static struct error *find_thread(struct summary *summary, const struct trace_event *event,
                                 struct summary_thread **ret) {
    const int32_t id[2] = {event->pid, event->tid};
    uint32_t number;
    /* Room first: a number without its row would be worse than a row without a number. */
    TRY(make_room(&summary->threads, &summary->thread_room, summary->thread_ids.count + 1,
                  sizeof(*summary->threads)));
    TRY(intern_add(&summary->thread_ids, id, sizeof(id), &number));
    struct summary_thread *thread = &summary->threads[number];
    if (!thread->events) {
        thread->pid = event->pid;
        thread->tid = event->tid;
        thread->first_ns = event->timestamp_ns;
    }
    thread->last_ns = event->timestamp_ns;
    thread->events++;
    *ret = thread;
    return NULL;
}

/* What an entry or exit says of its call, as text; what it does not say is empty. */
struct call {
    struct trace_value function, file, duration;
};

static void read_call(const struct trace_event *event, struct call *ret) {
    struct trace_value key, value;
    *ret = (struct call){0};
    for (size_t at = 0; trace_data_next(event, &at, &key, &value);) {
        struct trace_value *member = trace_value_is(&key, "function")      ? &ret->function
                                     : trace_value_is(&key, "file")        ? &ret->file
                                     : trace_value_is(&key, "duration_ns") ? &ret->duration
                                                                           : NULL;
        if (member && !member->size)
            *member = value;
    }
}

/* A call's function into summary->key: name, NUL, file. False if there is no file. */
static bool read_function(struct summary *summary, const struct call *call) {
    struct buffer *key = &summary->key, *text = &summary->text;
    buffer_clear(key);
    if (!trace_value_string(&call->function, text)) {
        buffer_clear(text);
        buffer_put(text, "?", 1);
    }
    for (size_t i = 0; i < text->size; i++)
        if (!text->data[i])
            text->data[i] = '?';
    buffer_put(key, text->data, text->size);
    buffer_put_u8(key, 0);
    bool has_file = trace_value_string(&call->file, text);
    if (has_file)
        buffer_put(key, text->data, text->size);
    return has_file;
}

static struct error *find_function(struct summary *summary, uint32_t *ret) {
    TRY(buffer_check(&summary->key));
    TRY(make_room(&summary->functions, &summary->function_room, summary->names.count + 1,
                  sizeof(*summary->functions)));
    return intern_add(&summary->names, summary->key.data, summary->key.size, ret);
}

/* The function of an exit. It need not repeat the file: then it is that of an open call of this name near by.
 */
static struct error *find_exited(struct summary *summary, const struct summary_thread *thread,
                                 const struct call *call, uint32_t *ret) {
    const struct buffer *key = &summary->key;
    bool has_file = read_function(summary, call);
    TRY(buffer_check(key));
    for (uint32_t i = 0; !has_file && i < thread->frame_count && i < EXIT_SEARCH; i++) {
        uint32_t function = thread->frames[thread->frame_count - 1 - i].function;
        const struct intern_row *row = &summary->names.rows[function];
        if (row->size >= key->size && !memcmp(row->bytes, key->data, key->size)) {
            *ret = function;
            return NULL;
        }
    }
    return find_function(summary, ret);
}

/* ---- the tree ---- */

/* The node for a call of a function from a node (NONE: the caller has none itself); NONE beyond the limits.
 */
static struct error *find_node(struct summary *summary, uint32_t parent, uint32_t depth, uint32_t function,
                               uint32_t *ret) {
    const uint32_t edge[2] = {parent, function};
    uint32_t number;
    *ret = NONE;
    if (parent == NONE)
        return NULL;
    if (depth >= TREE_DEPTH_MAX || summary->node_count >= TREE_MAX) {
        summary->nodes[parent].hidden++;
        return NULL;
    }
    TRY(make_room(&summary->nodes, &summary->node_room, summary->node_count + 1, sizeof(*summary->nodes)));
    TRY(intern_add(&summary->edges, edge, sizeof(edge), &number));
    *ret = number + 1;
    if (*ret < summary->node_count)
        return NULL;
    struct summary_node *caller = &summary->nodes[parent];
    summary->nodes[*ret] = (struct summary_node){
        .function = function, .parent = parent, .child = NONE, .sibling = caller->child};
    caller->child = *ret;
    summary->node_count++;
    return NULL;
}

/* ---- calls ---- */

static void note_deepest(struct summary *summary, struct summary_thread *thread) {
    const uint32_t count = thread->frame_count, half = STACK_SHOWN / 2;
    if (count > thread->deepest)
        thread->deepest = count;
    if (count <= summary->deepest)
        return;
    summary->deepest = count;
    summary->deepest_pid = thread->pid;
    summary->deepest_tid = thread->tid;
    for (uint32_t i = 0; i < half; i++) {
        summary->deepest_first[i] = i < count ? thread->frames[i].function : NONE;
        summary->deepest_last[i] = i < count ? thread->frames[count - 1 - i].function : NONE;
    }
}

static struct error *set_innermost(struct summary *summary, struct summary_thread *thread, uint32_t function,
                                   uint32_t frame) {
    uint32_t known = thread->innermost_count;
    TRY(make_room(&thread->innermost, &thread->innermost_count, summary->names.count,
                  sizeof(*thread->innermost)));
    for (; known < thread->innermost_count; known++)
        thread->innermost[known] = NONE;
    thread->innermost[function] = frame;
    return NULL;
}

static uint32_t innermost_of(const struct summary_thread *thread, uint32_t function) {
    return function < thread->innermost_count ? thread->innermost[function] : NONE;
}

/* Take the innermost call off; it took `duration`. */
static void pop(struct summary *summary, struct summary_thread *thread, uint64_t duration) {
    const struct summary_frame *frame = &thread->frames[--thread->frame_count];
    struct summary_function *function = &summary->functions[frame->function];
    function->own += duration > frame->children_ns ? duration - frame->children_ns : 0;
    if (duration > function->longest)
        function->longest = duration;
    if (frame->outer == NONE)
        function->total += duration;
    if (frame->node != NONE)
        summary->nodes[frame->node].total += duration;
    thread->innermost[frame->function] = frame->outer;
    if (thread->frame_count)
        thread->frames[thread->frame_count - 1].children_ns += duration;
}

/* The innermost calls, down to `count` that remain, were left without an exit before `now`. */
static void abandon(struct summary *summary, struct summary_thread *thread, uint32_t count, uint64_t now) {
    while (thread->frame_count > count) {
        const struct summary_frame *frame = &thread->frames[thread->frame_count - 1];
        summary->functions[frame->function].without_exit++;
        summary->without_exit++;
        thread->without_exit++;
        pop(summary, thread, now > frame->entered_ns ? now - frame->entered_ns : 0);
    }
}

/* Calls as deep as this one, or deeper, cannot be open any more. */
static void abandon_deeper(struct summary *summary, struct summary_thread *thread,
                           const struct trace_event *event) {
    uint32_t count = thread->frame_count;
    if (!event->has_depth)
        return;
    while (count && thread->frames[count - 1].has_depth && thread->frames[count - 1].depth >= event->depth)
        count--;
    abandon(summary, thread, count, event->timestamp_ns);
}

static struct error *add_entry(struct summary *summary, struct summary_thread *thread,
                               const struct trace_event *event) {
    struct call call;
    uint32_t function, node;
    read_call(event, &call);
    read_function(summary, &call);
    TRY(find_function(summary, &function));
    abandon_deeper(summary, thread, event);
    uint32_t count = thread->frame_count;
    TRY(find_node(summary, count ? thread->frames[count - 1].node : 0, count, function, &node));
    TRY(make_room(&thread->frames, &thread->frame_room, count + 1, sizeof(*thread->frames)));
    thread->frames[count] = (struct summary_frame){.function = function,
                                                   .node = node,
                                                   .outer = innermost_of(thread, function),
                                                   .depth = event->depth,
                                                   .has_depth = event->has_depth,
                                                   .entered_ns = event->timestamp_ns};
    TRY(set_innermost(summary, thread, function, count));
    thread->frame_count++;
    thread->calls++;
    summary->functions[function].calls++;
    if (node != NONE)
        summary->nodes[node].calls++;
    note_deepest(summary, thread);
    return NULL;
}

/* The frame that an exit belongs to, or NONE. With depths it is the one of the same depth, or none. */
static uint32_t find_frame(const struct summary_thread *thread, uint32_t function,
                           const struct trace_event *event) {
    uint32_t at = innermost_of(thread, function);
    while (at != NONE && event->has_depth && thread->frames[at].has_depth &&
           thread->frames[at].depth > event->depth)
        at = thread->frames[at].outer;
    if (at != NONE && event->has_depth && thread->frames[at].has_depth &&
        thread->frames[at].depth != event->depth)
        return NONE;
    return at;
}

/* Tracing began inside: a call all the same, of which only the exit is known. */
static void add_lone_exit(struct summary *summary, struct summary_thread *thread, uint32_t number,
                          uint64_t duration) {
    struct summary_function *function = &summary->functions[number];
    function->calls++;
    function->without_entry++;
    function->total += duration;
    function->own += duration;
    if (duration > function->longest)
        function->longest = duration;
    thread->calls++;
    thread->without_entry++;
    summary->without_entry++;
}

static struct error *add_exit(struct summary *summary, struct summary_thread *thread,
                              const struct trace_event *event) {
    struct call call;
    uint64_t duration = 0;
    uint32_t function;
    read_call(event, &call);
    TRY(find_exited(summary, thread, &call, &function));
    bool known = trace_value_unsigned(&call.duration, &duration);
    uint32_t frame = find_frame(thread, function, event);
    if (frame == NONE) {
        abandon_deeper(summary, thread, event);
        add_lone_exit(summary, thread, function, duration);
        return NULL;
    }
    abandon(summary, thread, frame + 1, event->timestamp_ns);
    uint64_t entered = thread->frames[frame].entered_ns;
    if (!known && event->timestamp_ns > entered)
        duration = event->timestamp_ns - entered;
    pop(summary, thread, duration);
    return NULL;
}

/* ---- exceptions ---- */

static void append_value(struct summary *summary, const struct trace_event *event, const char *key,
                         const char *before) {
    struct trace_value value;
    if (!trace_data_find(event, key, &value) || !trace_value_string(&value, &summary->text))
        return;
    if (summary->key.size)
        buffer_put(&summary->key, before, strlen(before));
    buffer_put(&summary->key, summary->text.data, summary->text.size);
}

/* Counted by "KIND TYPE in FUNCTION" or "KIND SIGNAL in FUNCTION". */
static struct error *add_exception(struct summary *summary, const struct trace_event *event) {
    uint32_t number;
    buffer_clear(&summary->key);
    append_value(summary, event, "kind", "");
    append_value(summary, event, "type", " ");
    append_value(summary, event, "signal", " ");
    append_value(summary, event, "function", " in ");
    TRY(buffer_check(&summary->key));
    TRY(make_room(&summary->exception_counts, &summary->exception_room, summary->exceptions.count + 1,
                  sizeof(*summary->exception_counts)));
    TRY(intern_add(&summary->exceptions, summary->key.data, summary->key.size, &number));
    summary->exception_counts[number]++;
    return NULL;
}

/* ---- all ---- */

struct error *summary_add(struct summary *summary, const struct trace_event *event) {
    struct summary_thread *thread;
    TRY(find_thread(summary, event, &thread));
    trace_totals_add(&summary->totals, event);
    if (!summary->any || event->timestamp_ns < summary->first_ns)
        summary->first_ns = event->timestamp_ns;
    if (!summary->any || event->timestamp_ns > summary->last_ns)
        summary->last_ns = event->timestamp_ns;
    summary->any = true;
    switch (event->type) {
    case TRACE_FUNCTION_ENTRY:
        return add_entry(summary, thread, event);
    case TRACE_FUNCTION_EXIT:
        return add_exit(summary, thread, event);
    case TRACE_EXCEPTION:
        return add_exception(summary, event);
    case TRACE_THREAD_EXIT:
        abandon(summary, thread, 0, event->timestamp_ns);
        return NULL;
    default:
        return NULL;
    }
}

bool summary_empty(const struct summary *summary) {
    return !summary->totals.events;
}

static char *copy_string(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? strdup(item->valuestring) : NULL;
}

struct error *summary_finish(struct summary *summary, const char *metadata, size_t size) {
    for (uint32_t i = 0; i < summary->thread_ids.count; i++)
        abandon(summary, &summary->threads[i], 0, summary->threads[i].last_ns);
    cJSON *object = metadata ? cJSON_ParseWithLength(metadata, size) : NULL;
    if (!object)
        return NULL;
    free(summary->program);
    free(summary->state);
    summary->program = copy_string(object, "program");
    summary->state = copy_string(object, "state");
    cJSON_Delete(object);
    return NULL;
}

static struct error *add_all(struct summary *summary, struct trace_reader *reader) {
    struct trace_event event = {0};
    bool more;
    struct error *err;
    while (!(err = trace_reader_next(reader, &event, &more)) && more)
        if ((err = summary_add(summary, &event)))
            break;
    trace_event_deinit(&event);
    return err;
}

struct error *summary_read(struct summary *summary, struct trace_reader *reader) {
    size_t size;
    struct error *err = add_all(summary, reader);
    const char *metadata = trace_reader_metadata(reader, &size);
    summary->totals.dropped += trace_reader_dropped(reader);
    struct error *finished = summary_finish(summary, metadata, size);
    if (!err)
        return finished;
    error_free(finished);
    return err;
}
