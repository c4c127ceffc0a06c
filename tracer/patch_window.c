#include "tracer/patch_window.h"

#include "tracer/displaced.h"
#include "tracer/patch_copy.h"

#include <stdlib.h>
#include <string.h>

#define INT3 0xcc

void patch_plan_deinit(struct patch_plan *plan) {
    free(plan->windows);
    plan->windows = NULL;
    plan->count = plan->room = 0;
}

/* Index of the first window that ends behind vaddr. */
static size_t index_of(const struct patch_plan *plan, uint64_t vaddr) {
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

const struct patch_window *patch_plan_find(const struct patch_plan *plan, uint64_t vaddr) {
    size_t index = index_of(plan, vaddr);
    return index < plan->count && plan->windows[index].low <= vaddr ? &plan->windows[index] : NULL;
}

/* ---- is it a window? ---- */

/* What a stretch of instructions is like. */
struct stretch {
    uint64_t high;      /* behind its last instruction */
    const char *obstacle; /* what stands in the way of more */
};

/* Decode the instruction at vaddr; its length, or 0 with the reason why it cannot be moved. */
static size_t decode(const struct patch_code *code, uint64_t vaddr, struct displaced *ret,
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

/* How many bytes of padding there are at vaddr: one instruction, or 0. */
static size_t padding(const struct patch_code *code, uint64_t vaddr) {
    struct displaced displaced;
    const char *obstacle;
    size_t size;
    const uint8_t *bytes = patch_code_bytes(code, vaddr, &size);
    if (bytes && *bytes == INT3)
        return 1;
    size = decode(code, vaddr, &displaced, &obstacle);
    return size && displaced.operation == DISPLACED_NOP ? size : 0;
}

/* Can instructions from low on be moved, up to `least` at least? *ret_high is the end of the last one. */
static const char *stretch(const struct patch_code *code, uint64_t low, uint64_t least, uint64_t *ret_high) {
    bool ends = false, is_call = false;
    uint64_t at = low;
    while (at < least) {
        struct displaced displaced;
        const char *obstacle;
        if (is_call)
            return "a call returns into it";
        if (at > low && patch_code_is_target(code, at))
            return "a jump may lead into it";
        size_t size = ends ? padding(code, at) : decode(code, at, &displaced, &obstacle);
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

static struct error *insert(struct patch_plan *plan, uint64_t low, uint64_t high) {
    if (plan->count == plan->room) {
        size_t room = plan->room ? plan->room * 2 : 256;
        struct patch_window *grown = realloc(plan->windows, room * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        plan->windows = grown;
        plan->room = room;
    }
    size_t index = index_of(plan, low);
    memmove(&plan->windows[index + 1], &plan->windows[index], (plan->count - index) * sizeof(*plan->windows));
    plan->windows[index] = (struct patch_window){low, high};
    plan->count++;
    return NULL;
}

/* One wish that is being granted. */
struct search {
    struct patch_plan *plan;
    uint64_t vaddr;
    uint64_t end;         /* behind its instruction */
    uint64_t limit;       /* where the next window begins that was there before */
    uint64_t free_from;   /* behind the window before */
    struct patch_window *before; /* which may be made longer; NULL: none may */
    const char *obstacle; /* the first one met */
};

static uint64_t larger(uint64_t one, uint64_t other) {
    return one > other ? one : other;
}

/* A window from low on; *ret_done. */
static struct error *try_from(struct search *search, uint64_t low, bool *ret_done) {
    uint64_t high;
    const char *obstacle =
        stretch(search->plan->code, low, larger(low + PATCH_JUMP, search->end), &high);
    if (!obstacle && high > search->limit)
        obstacle = "another window is in the way";
    if (!search->obstacle)
        search->obstacle = obstacle;
    *ret_done = !obstacle;
    return obstacle ? NULL : insert(search->plan, low, high);
}

/* Make the window in front longer, so that it reaches the wish. */
static bool try_merge(struct search *search) {
    uint64_t high;
    if (!search->before || stretch(search->plan->code, search->before->low, search->end, &high) ||
        high > search->limit)
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

static const char *check(const struct patch_plan *plan, uint64_t vaddr) {
    const struct patch_function *function = patch_code_function(plan->code, vaddr);
    if (!patch_code_is_start(plan->code, vaddr))
        return "no instruction begins there, as far as is known";
    return function ? function->obstacle : "no function is known there";
}

/* Windows from index `fresh` on, in order of address, were made for these wishes; those of `old` before. */
static struct error *grant_one(struct patch_plan *plan, struct patch_wish *wish, const struct patch_plan *old) {
    if (patch_plan_find(old, wish->vaddr)) {
        wish->obstacle = "a window that was made before covers it";
        return NULL;
    }
    wish->obstacle = check(plan, wish->vaddr);
    if (wish->obstacle || patch_plan_find(plan, wish->vaddr))
        return NULL;
    struct search search = {.plan = plan, .vaddr = wish->vaddr, .limit = UINT64_MAX, .free_from = 0};
    struct displaced displaced;
    search.end = wish->vaddr + decode(plan->code, wish->vaddr, &displaced, &wish->obstacle);
    if (wish->obstacle)
        return NULL;
    size_t index = index_of(plan, wish->vaddr);
    if (index < plan->count)
        search.limit = plan->windows[index].low;
    if (index) {
        struct patch_window *before = &plan->windows[index - 1];
        search.free_from = before->high;
        search.before = patch_plan_find(old, before->low) ? NULL : before;
    }
    bool done;
    TRY(grant(&search, &done));
    if (!done)
        wish->obstacle = search.obstacle;
    return NULL;
}

static struct error *copy(const struct patch_plan *plan, struct patch_plan *ret) {
    *ret = (struct patch_plan){.code = plan->code, .count = plan->count, .room = plan->count};
    ret->windows = malloc((plan->count ? plan->count : 1) * sizeof(*ret->windows));
    if (!ret->windows)
        return &error_no_memory;
    if (plan->count)
        memcpy(ret->windows, plan->windows, plan->count * sizeof(*ret->windows));
    return NULL;
}

struct error *patch_plan_add(struct patch_plan *plan, struct patch_wish *wishes, size_t count) {
    struct patch_plan old;
    struct error *err = NULL;
    TRY(copy(plan, &old));
    for (size_t i = 0; !err && i < count; i++)
        err = grant_one(plan, &wishes[i], &old);
    patch_plan_deinit(&old);
    return err;
}
