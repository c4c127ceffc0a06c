#include "trace/summary_state.h"

#include <stdlib.h>

/* Larger first; what is equal stays in the order of the numbers, which is that of the trace. */
static int compare(uint64_t left, uint64_t right, uint32_t left_number, uint32_t right_number) {
    if (left != right)
        return left < right ? 1 : -1;
    return left_number < right_number ? -1 : left_number > right_number;
}

#define FUNCTION_ORDER(name, first, second)                                                                  \
    static int name(const void *left, const void *right, void *context) {                                    \
        const struct summary *summary = context;                                                             \
        const uint32_t *numbers[2] = {left, right};                                                          \
        const struct summary_function *a = &summary->functions[*numbers[0]];                                 \
        const struct summary_function *b = &summary->functions[*numbers[1]];                                 \
        return a->first != b->first ? compare(a->first, b->first, *numbers[0], *numbers[1])                  \
                                    : compare(a->second, b->second, *numbers[0], *numbers[1]);               \
    }

FUNCTION_ORDER(by_own, own, calls)
FUNCTION_ORDER(by_total, total, calls)
FUNCTION_ORDER(by_calls, calls, own)

static int by_count(const void *left, const void *right, void *context) {
    const struct summary *summary = context;
    const uint32_t *a = left, *b = right;
    return compare(summary->exception_counts[*a], summary->exception_counts[*b], *a, *b);
}

static int by_node(const void *left, const void *right, void *context) {
    const struct summary *summary = context;
    const uint32_t *a = left, *b = right;
    const struct summary_node *first = &summary->nodes[*a], *second = &summary->nodes[*b];
    if (first->total != second->total)
        return compare(first->total, second->total, *a, *b);
    return compare(first->calls, second->calls, *a, *b);
}

static uint32_t *numbers_up_to(uint32_t count) {
    uint32_t *numbers = malloc(count ? count * sizeof(*numbers) : 1);
    for (uint32_t i = 0; numbers && i < count; i++)
        numbers[i] = i;
    return numbers;
}

uint32_t *summary_sorted_functions(const struct summary *summary, enum summary_order order) {
    static int (*const orders[])(const void *, const void *, void *) = {by_own, by_total, by_calls};
    uint32_t *numbers = numbers_up_to(summary->names.count);
    if (numbers)
        qsort_r(numbers, summary->names.count, sizeof(*numbers), orders[order], (void *)summary);
    return numbers;
}

uint32_t *summary_sorted_exceptions(const struct summary *summary) {
    uint32_t *numbers = numbers_up_to(summary->exceptions.count);
    if (numbers)
        qsort_r(numbers, summary->exceptions.count, sizeof(*numbers), by_count, (void *)summary);
    return numbers;
}

uint32_t *summary_sorted_children(const struct summary *summary, uint32_t node, uint32_t *ret_count) {
    uint32_t count = 0;
    for (uint32_t child = summary->nodes[node].child; child != NONE; child = summary->nodes[child].sibling)
        count++;
    uint32_t *numbers = numbers_up_to(count);
    *ret_count = 0;
    if (!numbers)
        return NULL;
    for (uint32_t child = summary->nodes[node].child; child != NONE; child = summary->nodes[child].sibling)
        numbers[(*ret_count)++] = child;
    qsort_r(numbers, count, sizeof(*numbers), by_node, (void *)summary);
    return numbers;
}
