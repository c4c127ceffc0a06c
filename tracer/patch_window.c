#include "tracer/patch_copy.h"
#include "tracer/patch_window_state.h"

#include <stdlib.h>
#include <string.h>

#define INT3       0xcc
#define PAGE_BYTES 4096ull

void patch_plan_deinit(struct patch_plan *plan) {
    free(plan->windows);
    free(plan->redirects);
    free(plan->taken);
    *plan = (struct patch_plan){.code = plan->code};
}

/* Index of the first window that ends behind vaddr. */
size_t patch_plan_index(const struct patch_plan *plan, uint64_t vaddr) {
    size_t low = 0, high = plan->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (plan->windows[middle].high <= vaddr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct patch_window *patch_plan_find(const struct patch_plan *plan, uint64_t vaddr) {
    size_t index = patch_plan_index(plan, vaddr);
    return index < plan->count && plan->windows[index].low <= vaddr ? &plan->windows[index] : NULL;
}

/* ---- is it a window? ---- */

size_t patch_decode(const struct patch_code *code, uint64_t vaddr, struct displaced *ret,
                    const char **ret_obstacle) {
    size_t size;
    const uint8_t *bytes = patch_code_bytes(code, vaddr, &size);
    *ret_obstacle = "the code ends";
    if (!bytes)
        return 0;
    struct error *err = displaced_decode(bytes, size, vaddr, ret);
    *ret_obstacle = err ? "an instruction that cannot be moved" : patch_copy_obstacle(ret);
    error_free(err);
    if (!*ret_obstacle && ret->operation == DISPLACED_NOP && ret->bytes[0] == 0xf3)
        *ret_obstacle = "endbr64, where indirect jumps may lead";
    return *ret_obstacle ? 0 : ret->length;
}

size_t patch_padding(const struct patch_code *code, uint64_t vaddr) {
    struct displaced displaced;
    const char *obstacle;
    size_t size;
    const uint8_t *bytes = patch_code_bytes(code, vaddr, &size);
    if (bytes && *bytes == INT3)
        return 1;
    size = patch_decode(code, vaddr, &displaced, &obstacle);
    return size && displaced.operation == DISPLACED_NOP ? size : 0;
}

const char *patch_stretch(const struct patch_code *code, uint64_t low, uint64_t least, uint64_t *ret_high) {
    bool ends = false, is_call = false;
    uint64_t at = low;
    while (at < least) {
        struct displaced displaced;
        const char *obstacle;
        if (is_call)
            return "a call returns into it";
        if (at > low && patch_code_is_target(code, at))
            return "a jump may lead into it";
        size_t size = ends ? patch_padding(code, at) : patch_decode(code, at, &displaced, &obstacle);
        if (!size)
            return ends ? "other code follows" : obstacle;
        if (patch_code_has_target(code, at + 1, at + size))
            return "a jump may lead into an instruction";
        if (!ends) {
            ends = patch_copy_ends(&displaced);
            is_call = patch_copy_is_call(&displaced);
        }
        at += size;
    }
    *ret_high = at;
    return at - low > PATCH_WINDOW_MAX ? "too many instructions" : NULL;
}

/* ---- choosing ---- */

struct error *patch_plan_insert(struct patch_plan *plan, const struct patch_window *window) {
    if (plan->count == plan->room) {
        size_t room = plan->room ? plan->room * 2 : 256;
        struct patch_window *grown = realloc(plan->windows, room * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        plan->windows = grown;
        plan->room = room;
    }
    size_t index = patch_plan_index(plan, window->low);
    memmove(&plan->windows[index + 1], &plan->windows[index], (plan->count - index) * sizeof(*plan->windows));
    plan->windows[index] = *window;
    plan->windows[index].is_new = true;
    plan->count++;
    return NULL;
}

bool patch_plan_is_free(const struct patch_plan *plan, uint64_t low, uint64_t high) {
    for (uint64_t at = low; plan->taken && at < high; at++) {
        uint64_t offset = at - plan->code->low;
        if (at >= plan->code->low && at < plan->code->high && plan->taken[offset / 64] >> (offset % 64) & 1)
            return false;
    }
    return true;
}

struct error *patch_plan_take(struct patch_plan *plan, uint64_t low, uint64_t high) {
    if (!plan->taken)
        plan->taken = calloc((plan->code->high - plan->code->low) / 64 + 1, sizeof(uint64_t));
    if (!plan->taken)
        return &error_no_memory;
    for (uint64_t at = low - plan->code->low; at < high - plan->code->low; at++)
        plan->taken[at / 64] |= 1ull << (at % 64);
    return NULL;
}

void patch_plan_give(struct patch_plan *plan, uint64_t low, uint64_t high) {
    for (uint64_t at = low - plan->code->low; at < high - plan->code->low; at++)
        plan->taken[at / 64] &= ~(1ull << (at % 64));
}

/* One wish that is being granted. */
struct search {
    struct patch_plan *plan;
    uint64_t vaddr;
    uint64_t end;                /* behind its instruction */
    uint64_t limit;              /* where the next window begins that was there before */
    uint64_t free_from;          /* behind the window before, */
    struct patch_window *before; /* which may be made longer; NULL: none may */
    const char *obstacle;        /* the first one met */
};

static uint64_t larger(uint64_t one, uint64_t other) {
    return one > other ? one : other;
}

/* Two writes are needed for that, and the tracer may die between them. */
static bool crosses_pages(uint64_t low, uint64_t size) {
    return low / PAGE_BYTES != (low + size - 1) / PAGE_BYTES;
}

/* A window from low on; *ret_done. */
static struct error *try_from(struct search *search, uint64_t low, bool *ret_done) {
    uint64_t high;
    const char *obstacle =
        patch_stretch(search->plan->code, low, larger(low + PATCH_JUMP, search->end), &high);
    if (!obstacle && (high > search->limit || !patch_plan_is_free(search->plan, low, high)))
        obstacle = "another window is in the way";
    if (!obstacle && crosses_pages(low, PATCH_JUMP))
        obstacle = "the jump would lie across two pages";
    if (!search->obstacle)
        search->obstacle = obstacle;
    *ret_done = !obstacle;
    return obstacle ? NULL
                    : patch_plan_insert(search->plan, &(struct patch_window){.low = low, .high = high});
}

/* Make the window in front longer, so that it reaches the wish. */
static bool try_merge(struct search *search) {
    uint64_t high;
    if (!search->before || patch_stretch(search->plan->code, search->before->low, search->end, &high) ||
        high > search->limit || !patch_plan_is_free(search->plan, search->before->high, high))
        return false;
    search->before->high = high;
    return true;
}

/* The wish first, then ever more instructions in front of it. */
static struct error *grant(struct search *search, bool *ret_done) {
    const struct patch_code *code = search->plan->code;
    uint64_t low = search->vaddr;
    TRY(try_from(search, low, ret_done));
    while (!*ret_done && !patch_code_is_target(code, low)) {
        uint64_t before = patch_code_before(code, low);
        if (!before || search->vaddr - before >= PATCH_WINDOW_MAX)
            break;
        if (before < search->free_from) {
            *ret_done = try_merge(search);
            break;
        }
        low = before;
        TRY(try_from(search, low, ret_done));
        if (low + PATCH_JUMP <= search->vaddr && !*ret_done) /* more of the same would not help */
            break;
    }
    return NULL;
}

const char *patch_plan_check(const struct patch_plan *plan, uint64_t vaddr) {
    const struct patch_function *function = patch_code_function(plan->code, vaddr);
    if (!patch_code_is_start(plan->code, vaddr))
        return "no instruction begins there, as far as is known";
    return function ? function->obstacle : "no function is known there";
}

struct error *patch_plan_grant(struct patch_plan *plan, uint64_t vaddr, const char **ret_obstacle) {
    const struct patch_window *there = patch_plan_find(plan, vaddr);
    *ret_obstacle = there && !there->is_new ? "a window that was made before covers it" : NULL;
    if (there)
        return NULL;
    *ret_obstacle = patch_plan_check(plan, vaddr);
    if (*ret_obstacle)
        return NULL;
    struct search search = {.plan = plan, .vaddr = vaddr, .limit = UINT64_MAX};
    struct displaced displaced;
    search.end = vaddr + patch_decode(plan->code, vaddr, &displaced, ret_obstacle);
    if (*ret_obstacle)
        return NULL;
    size_t index = patch_plan_index(plan, vaddr);
    if (index < plan->count)
        search.limit = plan->windows[index].low;
    if (index) {
        struct patch_window *before = &plan->windows[index - 1];
        search.free_from = before->high;
        search.before = before->is_new && before->shape == PATCH_LONG ? before : NULL;
    }
    bool done;
    TRY(grant(&search, &done));
    if (!done)
        *ret_obstacle = search.obstacle;
    return NULL;
}

/* ---- all ---- */

static int compare_redirects(const void *a, const void *b) {
    const struct patch_redirect *left = a, *right = b;
    if (left->target != right->target)
        return left->target < right->target ? -1 : 1;
    return (left->source > right->source) - (left->source < right->source);
}

size_t patch_plan_redirects(const struct patch_plan *plan, uint64_t target, size_t *ret_first) {
    size_t low = 0, high = plan->redirect_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (plan->redirects[middle].target < target)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_first = low;
    while (high < plan->redirect_count && plan->redirects[high].target == target)
        high++;
    return high - low;
}

/* Long windows first: they cost least, and hold most of the holes. */
static struct error *add_function(struct patch_plan *plan, struct patch_wish *wishes, size_t count) {
    for (size_t i = 0; i < count; i++)
        TRY(patch_plan_grant(plan, wishes[i].vaddr, &wishes[i].obstacle));
    for (size_t i = 0; i < count; i++)
        if (wishes[i].obstacle && !patch_plan_check(plan, wishes[i].vaddr))
            TRY(patch_plan_reach(plan, wishes[i].vaddr, &wishes[i].obstacle));
    return NULL;
}

struct error *patch_plan_add(struct patch_plan *plan, struct patch_wish *wishes, size_t count) {
    for (size_t i = 0; i < plan->count; i++)
        plan->windows[i].is_new = false;
    for (size_t i = 0, next; i < count; i = next) {
        const struct patch_function *function = patch_code_function(plan->code, wishes[i].vaddr);
        for (next = i + 1; next < count && patch_code_function(plan->code, wishes[next].vaddr) == function;)
            next++;
        TRY(add_function(plan, &wishes[i], next - i));
    }
    if (plan->redirect_count)
        qsort(plan->redirects, plan->redirect_count, sizeof(*plan->redirects), compare_redirects);
    return NULL;
}
