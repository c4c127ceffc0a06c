/* The summary as one JSON object; reel-summary(1) lists the keys. */
#include "trace/summary_state.h"

#include <stdlib.h>

static unsigned limit(unsigned wanted, unsigned count) {
    return wanted && wanted < count ? wanted : count;
}

static void put_time(struct buffer *ret, const char *key, bool known, uint64_t time_ns) {
    char text[TRACE_TIME_SIZE];
    trace_time_put(time_ns, text);
    if (known)
        trace_data_text(ret, key, text, sizeof(text));
    else
        trace_data_string(ret, key, NULL);
}

static void put_head(const struct summary *summary, const struct summary_options *options,
                     struct buffer *ret) {
    const struct trace_totals *totals = &summary->totals;
    trace_data_string(ret, "trace", options->name);
    trace_data_string(ret, "program", summary->program);
    trace_data_string(ret, "state", summary->state);
    trace_data_unsigned(ret, "total_events", totals->events);
    trace_data_unsigned(ret, "dropped_events", totals->dropped);
    trace_data_open_object(ret, "by_type");
    for (enum trace_type type = 0; type < TRACE_TYPE_COUNT; type++)
        if (totals->by_type[type])
            trace_data_unsigned(ret, trace_types[type].name, totals->by_type[type]);
    trace_data_close_object(ret);
    put_time(ret, "first", summary->any, summary->first_ns);
    put_time(ret, "last", summary->any, summary->last_ns);
    trace_data_unsigned(ret, "duration_ns", summary->last_ns - summary->first_ns);
    trace_data_unsigned(ret, "without_exit", summary->without_exit);
    trace_data_unsigned(ret, "without_entry", summary->without_entry);
}

/* Opens an object inside an array. */
static void open_item(struct buffer *ret) {
    trace_data_item(ret);
    buffer_put_u8(ret, '{');
}

static void put_functions(const struct summary *summary, unsigned top, struct buffer *ret) {
    uint32_t *numbers = summary_sorted_functions(summary, SUMMARY_BY_OWN);
    trace_data_open_array(ret, "functions");
    for (uint32_t i = 0; numbers && i < limit(top, summary->names.count); i++) {
        const struct summary_function *function = &summary->functions[numbers[i]];
        open_item(ret);
        trace_data_string(ret, "function", summary_function_name(summary, numbers[i]));
        trace_data_string(ret, "file", summary_function_file(summary, numbers[i]));
        trace_data_unsigned(ret, "calls", function->calls);
        trace_data_unsigned(ret, "own_ns", function->own);
        trace_data_unsigned(ret, "total_ns", function->total);
        trace_data_unsigned(ret, "longest_ns", function->longest);
        trace_data_unsigned(ret, "without_exit", function->without_exit);
        trace_data_unsigned(ret, "without_entry", function->without_entry);
        trace_data_close_object(ret);
    }
    trace_data_close_array(ret);
    free(numbers);
}

/* The members "calls_omitted" and "children" of a node. */
static void put_tree(const struct summary *summary, uint32_t parent, unsigned depth,
                     const struct summary_options *options, struct buffer *ret) {
    uint32_t count;
    uint32_t *children = summary_sorted_children(summary, parent, &count);
    uint32_t shown =
        options->tree_depth && depth >= options->tree_depth ? 0 : limit(options->tree_width, count);
    uint64_t omitted = summary->nodes[parent].hidden;
    trace_data_open_array(ret, "children");
    for (uint32_t i = 0; children && i < count; i++) {
        const struct summary_node *node = &summary->nodes[children[i]];
        if (i >= shown) {
            omitted += node->calls;
            continue;
        }
        open_item(ret);
        trace_data_string(ret, "function", summary_function_name(summary, node->function));
        trace_data_string(ret, "file", summary_function_file(summary, node->function));
        trace_data_unsigned(ret, "calls", node->calls);
        trace_data_unsigned(ret, "total_ns", node->total);
        put_tree(summary, children[i], depth + 1, options, ret);
        trace_data_close_object(ret);
    }
    trace_data_close_array(ret);
    trace_data_unsigned(ret, "calls_omitted", omitted);
    free(children);
}

static void put_deepest(const struct summary *summary, struct buffer *ret) {
    const uint32_t half = STACK_SHOWN / 2, count = summary->deepest;
    trace_data_open_object(ret, "deepest_stack");
    trace_data_unsigned(ret, "calls", count);
    trace_data_signed(ret, "pid", summary->deepest_pid);
    trace_data_signed(ret, "tid", summary->deepest_tid);
    trace_data_open_array(ret, "outermost");
    for (uint32_t i = 0; i < count && i < half; i++) {
        const char *name = summary_function_name(summary, summary->deepest_first[i]);
        trace_data_item(ret);
        json_put_string(ret, name, strlen(name));
    }
    trace_data_close_array(ret);
    trace_data_open_array(ret, "innermost");
    for (uint32_t i = count < half ? count : half; i-- > 0;) {
        const char *name = summary_function_name(summary, summary->deepest_last[i]);
        trace_data_item(ret);
        json_put_string(ret, name, strlen(name));
    }
    trace_data_close_array(ret);
    trace_data_close_object(ret);
}

static void put_exceptions(const struct summary *summary, unsigned top, struct buffer *ret) {
    uint32_t *numbers = summary_sorted_exceptions(summary);
    trace_data_open_array(ret, "exceptions");
    for (uint32_t i = 0; numbers && i < limit(top, summary->exceptions.count); i++) {
        const struct intern_row *row = &summary->exceptions.rows[numbers[i]];
        open_item(ret);
        trace_data_text(ret, "exception", row->bytes, row->size);
        trace_data_unsigned(ret, "count", summary->exception_counts[numbers[i]]);
        trace_data_close_object(ret);
    }
    trace_data_close_array(ret);
    free(numbers);
}

static void put_threads(const struct summary *summary, struct buffer *ret) {
    trace_data_open_array(ret, "threads");
    for (uint32_t i = 0; i < summary->thread_ids.count; i++) {
        const struct summary_thread *thread = &summary->threads[i];
        open_item(ret);
        trace_data_signed(ret, "pid", thread->pid);
        trace_data_signed(ret, "tid", thread->tid);
        trace_data_unsigned(ret, "events", thread->events);
        trace_data_unsigned(ret, "calls", thread->calls);
        trace_data_unsigned(ret, "deepest", thread->deepest);
        trace_data_unsigned(ret, "without_exit", thread->without_exit);
        trace_data_unsigned(ret, "without_entry", thread->without_entry);
        put_time(ret, "first", true, thread->first_ns);
        put_time(ret, "last", true, thread->last_ns);
        trace_data_close_object(ret);
    }
    trace_data_close_array(ret);
}

void summary_print_json(const struct summary *summary, const struct summary_options *options,
                        struct buffer *ret) {
    buffer_put_u8(ret, '{');
    put_head(summary, options, ret);
    put_functions(summary, options->top, ret);
    trace_data_open_object(ret, "call_tree");
    put_tree(summary, 0, 0, options, ret);
    trace_data_close_object(ret);
    put_deepest(summary, ret);
    put_exceptions(summary, options->top, ret);
    put_threads(summary, ret);
    buffer_put(ret, "}\n", 2);
}
