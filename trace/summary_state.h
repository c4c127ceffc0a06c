/* summary_state: what a summary consists of. Private to summary.c, which fills it, and the files that print
 * it. */
#ifndef REEL_TRACE_SUMMARY_STATE_H
#define REEL_TRACE_SUMMARY_STATE_H

#include "trace/intern.h"
#include "trace/summary.h"

#include <string.h>

#define NONE UINT32_MAX

enum {
    STACK_SHOWN = 24,   /* of the deepest stack: half from the outermost call on, half up to the innermost */
    TREE_MAX = 1 << 18, /* nodes of the call tree */
    TREE_DEPTH_MAX = 128, /* calls deeper than that are not in it */
};

/* One function: name and file. Times in ns. */
struct summary_function {
    uint64_t calls, total, own, longest;
    uint64_t without_exit, without_entry;
};

/* A node of the call tree: a function called from its parent node. Node 0 stands for the threads. */
struct summary_node {
    uint32_t function, parent;
    uint32_t child, sibling; /* first child, next of the same parent; NONE */
    uint64_t calls, total;
    uint64_t hidden; /* calls from here that have no node: limits */
};

/* An open call. */
struct summary_frame {
    uint32_t function, node;
    uint32_t outer; /* index of the frame of the same function below, or NONE */
    uint32_t depth;
    bool has_depth;
    uint64_t entered_ns, children_ns;
};

struct summary_thread {
    int32_t pid, tid;
    uint64_t events, calls, without_exit, without_entry;
    uint64_t first_ns, last_ns;
    uint32_t deepest;
    struct summary_frame *frames;
    uint32_t frame_count, frame_room;
    uint32_t *innermost; /* by function: index of its innermost frame, or NONE */
    uint32_t innermost_count;
};

struct summary {
    struct trace_totals totals;
    bool any;
    uint64_t first_ns, last_ns;
    uint64_t without_exit, without_entry;

    struct intern names; /* of functions: name, NUL, file */
    struct summary_function *functions;
    uint32_t function_room;
    struct intern thread_ids; /* pid and tid */
    struct summary_thread *threads;
    uint32_t thread_room;
    struct intern edges; /* of the tree: parent and function; its number + 1 is the node's */
    struct summary_node *nodes;
    uint32_t node_count, node_room;
    struct intern exceptions; /* what is printed of it */
    uint64_t *exception_counts;
    uint32_t exception_room;

    uint32_t deepest; /* calls in the deepest stack */
    int32_t deepest_pid, deepest_tid;
    uint32_t deepest_first[STACK_SHOWN / 2], deepest_last[STACK_SHOWN / 2]; /* functions, outermost first */

    char *program, *state; /* from the metadata, or NULL */
    struct buffer key, text;
};

/* ---- summary_order.c: numbers in the order in which they are shown; fresh memory, or NULL ---- */

enum summary_order { SUMMARY_BY_OWN, SUMMARY_BY_TOTAL, SUMMARY_BY_CALLS };
uint32_t *summary_sorted_functions(const struct summary *summary, enum summary_order order);
/* Most frequent first. */
uint32_t *summary_sorted_exceptions(const struct summary *summary);
/* The children of a node, most time first, then most calls. */
uint32_t *summary_sorted_children(const struct summary *summary, uint32_t node, uint32_t *ret_count);

static inline const char *summary_function_name(const struct summary *summary, uint32_t function) {
    return summary->names.rows[function].bytes;
}

/* Or NULL. */
static inline const char *summary_function_file(const struct summary *summary, uint32_t function) {
    const struct intern_row *row = &summary->names.rows[function];
    const char *end = memchr(row->bytes, 0, row->size);
    return end && end[1] ? end + 1 : NULL;
}

#endif
