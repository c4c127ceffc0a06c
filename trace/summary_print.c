/* The summary as text of 80 columns. Names come last in a line and are cut to what is left of it. */
#include "trace/summary_state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLUMNS = 80, TOP = 20, TREE_DEPTH = 8, TREE_WIDTH = 8 };

static void put(struct buffer *ret, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Short text: numbers and our own words. */
static void put(struct buffer *ret, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buffer_put(ret, text, size < (int)sizeof(text) ? (size_t)size : sizeof(text) - 1);
}

/* Foreign text in at most `width` columns, safe for a terminal. */
static void put_name(struct buffer *ret, const char *text, size_t width) {
    size_t size = strlen(text), columns = 0, sequence;
    for (size_t at = 0; at < size; at += sequence ? sequence : 1, columns++)
        sequence = utf8_sequence(text + at, size - at);
    bool cut = columns > width;
    size_t shown = cut ? width - 3 : columns;
    for (size_t at = 0; shown; at += sequence ? sequence : 1, shown--) {
        sequence = utf8_sequence(text + at, size - at);
        uint8_t byte = (uint8_t)text[at];
        /* C1 control characters are U+0080 to U+009F */
        bool control = byte < ' ' || byte == 127 || (byte == 0xc2 && (uint8_t)text[at + 1] < 0xa0);
        if (!sequence || control)
            buffer_put_u8(ret, '?');
        else
            buffer_put(ret, text + at, sequence);
    }
    put(ret, "%s\n", cut ? "..." : "");
}

/* Nine columns: "1.234 s". */
static void put_time(struct buffer *ret, uint64_t ns) {
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1e9, "s "}, {1e6, "ms"}, {1e3, "us"}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        double value = (double)ns / units[i].unit;
        if (value < 0.9995)
            continue;
        put(ret, "%6.*f %s",
            value < 9.9995   ? 3
            : value < 99.995 ? 2
            : value < 999.95 ? 1
                             : 0,
            value, units[i].name);
        return;
    }
    put(ret, "%6" PRIu64 " ns", ns);
}

static uint64_t duration(const struct summary *summary) {
    return summary->last_ns - summary->first_ns;
}

static uint32_t count_processes(const struct summary *summary) {
    struct intern pids = {0};
    uint32_t number;
    for (uint32_t i = 0; i < summary->thread_ids.count; i++)
        error_free(intern_add(&pids, &summary->threads[i].pid, sizeof(summary->threads[i].pid), &number));
    number = pids.count;
    intern_deinit(&pids);
    return number;
}

static const char *plural(uint64_t count, const char *one, const char *many) {
    return count == 1 ? one : many;
}

static void print_head(const struct summary *summary, const struct summary_options *options,
                       struct buffer *ret) {
    uint32_t processes = count_processes(summary), threads = summary->thread_ids.count;
    put_name(ret, options->name ? options->name : "trace", COLUMNS);
    if (summary->program) {
        put(ret, "program    ");
        put_name(ret, summary->program, COLUMNS - 11);
    }
    put(ret, "events     %" PRIu64 " in ", summary->totals.events);
    put_time(ret, duration(summary));
    if (ret->size && ret->data[ret->size - 1] == ' ')
        ret->size--; /* the unit "s " is padded for columns */
    put(ret, ", %" PRIu32 " %s, %" PRIu32 " %s\n", processes, plural(processes, "process", "processes"),
        threads, plural(threads, "thread", "threads"));
    put(ret, "dropped    %" PRIu64 "%s\n", summary->totals.dropped,
        summary->totals.dropped ? ": what follows is of the events that are there" : "");
    if (summary->without_exit)
        put(ret, "no exit    %" PRIu64 " calls ended otherwise, or not before the trace did\n",
            summary->without_exit);
    if (summary->without_entry)
        put(ret, "no entry   %" PRIu64 " calls began before the trace did\n", summary->without_entry);
    if (summary->state && strcmp(summary->state, "complete")) {
        put(ret, "state      not complete, but ");
        put_name(ret, summary->state, COLUMNS - 29);
    }
}

static void print_types(const struct summary *summary, struct buffer *ret) {
    put(ret, "\nEVENTS\n");
    for (enum trace_type type = 0; type < TRACE_TYPE_COUNT; type++)
        if (summary->totals.by_type[type])
            put(ret, "%12" PRIu64 "  %s\n", summary->totals.by_type[type], trace_types[type].name);
}

static void print_more(uint64_t count, struct buffer *ret) {
    if (count)
        put(ret, "%14s... and %" PRIu64 " more\n", "", count);
}

static void print_functions(const struct summary *summary, enum summary_order order, unsigned top,
                            struct buffer *ret) {
    static const char *const titles[] = {"OWN TIME", "TOTAL TIME", "CALLS"};
    uint32_t *numbers = summary_sorted_functions(summary, order), count = summary->names.count;
    put(ret, "\nFUNCTIONS BY %s\n%12s %9s %9s %9s  function\n", titles[order], "calls", "own", "total",
        "longest");
    for (uint32_t i = 0; numbers && i < count && i < top; i++) {
        const struct summary_function *function = &summary->functions[numbers[i]];
        put(ret, "%12" PRIu64 " ", function->calls);
        put_time(ret, function->own);
        put(ret, " ");
        put_time(ret, function->total);
        put(ret, " ");
        put_time(ret, function->longest);
        put(ret, "  ");
        put_name(ret, summary_function_name(summary, numbers[i]), COLUMNS - 44);
    }
    print_more(count > top ? count - top : 0, ret);
    free(numbers);
}

static void print_all_functions(const struct summary *summary, unsigned top, struct buffer *ret) {
    if (!summary->names.count)
        return;
    print_functions(summary, SUMMARY_BY_OWN, top, ret);
    if (summary->names.count <= top) /* the other orders have the same rows */
        return;
    print_functions(summary, SUMMARY_BY_TOTAL, top, ret);
    print_functions(summary, SUMMARY_BY_CALLS, top, ret);
}

static void print_node(const struct summary *summary, uint32_t number, unsigned depth, struct buffer *ret) {
    const struct summary_node *node = &summary->nodes[number];
    put(ret, "%12" PRIu64 " ", node->calls);
    put_time(ret, node->total);
    put(ret, "  %*s", (int)(2 * depth), "");
    put_name(ret, summary_function_name(summary, node->function), COLUMNS - 24 - 2 * depth);
}

/* What is below a node: its children, and theirs, within the limits. */
static void print_tree(const struct summary *summary, uint32_t parent, unsigned depth, unsigned max_depth,
                       unsigned max_width, struct buffer *ret) {
    uint32_t count;
    uint32_t *children = summary_sorted_children(summary, parent, &count);
    uint32_t shown = depth >= max_depth ? 0 : count < max_width ? count : max_width;
    uint64_t hidden = count - shown + (summary->nodes[parent].hidden != 0);
    for (uint32_t i = 0; i < shown; i++) {
        print_node(summary, children[i], depth, ret);
        print_tree(summary, children[i], depth + 1, max_depth, max_width, ret);
    }
    free(children);
    if (hidden)
        put(ret, "%24s%*s... and %" PRIu64 " more\n", "", (int)(2 * depth), "", hidden);
}

static void print_deepest(const struct summary *summary, struct buffer *ret) {
    const uint32_t half = STACK_SHOWN / 2, count = summary->deepest;
    if (!count)
        return;
    put(ret, "\nDEEPEST STACK: %" PRIu32 " %s, in thread %" PRId32 " of process %" PRId32 "\n", count,
        plural(count, "call", "calls"), summary->deepest_tid, summary->deepest_pid);
    for (uint32_t i = 0; i < count; i++) {
        if (i == half && count > STACK_SHOWN) {
            put(ret, "%14s... %" PRIu32 " more ...\n", "", count - STACK_SHOWN);
            i = count - half;
        }
        put(ret, "%12" PRIu32 "  ", i);
        put_name(ret,
                 summary_function_name(summary, i < half ? summary->deepest_first[i]
                                                         : summary->deepest_last[count - 1 - i]),
                 COLUMNS - 14);
    }
}

static void print_exceptions(const struct summary *summary, unsigned top, struct buffer *ret) {
    uint32_t *numbers = summary_sorted_exceptions(summary), count = summary->exceptions.count;
    if (count)
        put(ret, "\nEXCEPTIONS\n");
    for (uint32_t i = 0; numbers && i < count && i < top; i++) {
        put(ret, "%12" PRIu64 "  ", summary->exception_counts[numbers[i]]);
        put_name(ret, summary->exceptions.rows[numbers[i]].bytes, COLUMNS - 14);
    }
    print_more(count > top ? count - top : 0, ret);
    free(numbers);
}

static void print_threads(const struct summary *summary, unsigned top, struct buffer *ret) {
    uint32_t count = summary->thread_ids.count;
    if (!count)
        return;
    put(ret, "\nTHREADS\n%12s %10s %12s %12s %8s %9s\n", "process", "thread", "events", "calls", "deepest",
        "time");
    for (uint32_t i = 0; i < count && i < top; i++) {
        const struct summary_thread *thread = &summary->threads[i];
        put(ret, "%12" PRId32 " %10" PRId32 " %12" PRIu64 " %12" PRIu64 " %8" PRIu32 " ", thread->pid,
            thread->tid, thread->events, thread->calls, thread->deepest);
        put_time(ret, thread->last_ns > thread->first_ns ? thread->last_ns - thread->first_ns : 0);
        put(ret, "\n");
    }
    print_more(count > top ? count - top : 0, ret);
}

void summary_print(const struct summary *summary, const struct summary_options *options, struct buffer *ret) {
    unsigned top = options->top ? options->top : TOP;
    unsigned depth = options->tree_depth ? options->tree_depth : TREE_DEPTH;
    print_head(summary, options, ret);
    print_types(summary, ret);
    print_all_functions(summary, top, ret);
    if (summary->node_count > 1) {
        put(ret, "\nCALL TREE\n%12s %9s  function\n", "calls", "total");
        print_tree(summary, 0, 0, depth > 24 ? 24 : depth,
                   options->tree_width ? options->tree_width : TREE_WIDTH, ret);
    }
    print_deepest(summary, ret);
    print_exceptions(summary, top, ret);
    print_threads(summary, top, ret);
}
