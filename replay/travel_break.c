/* travel_break: breakpoints, which are in the puppet's code only while it runs, and watched memory.
 *
 * Memory is watched by the processor's debug registers. A stop comes behind the instruction that wrote;
 * whether the value has become another one is looked up then, as events are looked at that write to memory.
 */
#include "replay/travel_state.h"

#include "tracer/ptrace.h"

#include <stdlib.h>
#include <string.h>

#define INT3 0xcc

/* ---- breakpoints ---- */

static size_t place_of(const struct travel *travel, uint64_t address) {
    size_t low = 0, high = travel->breakpoint_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (travel->breakpoints[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct breakpoint *travel_find_break(struct travel *travel, uint64_t address) {
    size_t at = place_of(travel, address);
    return at < travel->breakpoint_count && travel->breakpoints[at].address == address
               ? &travel->breakpoints[at]
               : NULL;
}

struct error *travel_break(struct travel *travel, uint64_t address, bool on) {
    size_t at = place_of(travel, address);
    bool there = travel_find_break(travel, address) != NULL;
    if (there == on)
        return NULL;
    TRY(travel_unplant(travel));
    struct breakpoint *all = travel->breakpoints;
    if (on && travel->breakpoint_count == travel->breakpoint_room) {
        size_t room = travel->breakpoint_room ? travel->breakpoint_room * 2 : 16;
        all = realloc(all, room * sizeof(*all));
        if (!all)
            return &error_no_memory;
        travel->breakpoints = all;
        travel->breakpoint_room = room;
    }
    size_t behind = travel->breakpoint_count - at;
    if (on) {
        memmove(&all[at + 1], &all[at], behind * sizeof(*all));
        all[at] = (struct breakpoint){.address = address};
        travel->breakpoint_count++;
    } else {
        memmove(&all[at], &all[at + 1], (behind - 1) * sizeof(*all));
        travel->breakpoint_count--;
    }
    return NULL;
}

void travel_forget_planted(struct travel *travel) {
    for (size_t i = 0; i < travel->breakpoint_count; i++)
        travel->breakpoints[i].planted = false;
    travel->planted = false;
    travel->armed_tid = 0;
}

/* One in memory that is not there (any more) never hits. */
struct error *travel_plant(struct travel *travel) {
    struct task *task = travel->replayer->puppet->task;
    const uint8_t int3 = INT3;
    if (travel->planted)
        return NULL;
    travel->planted = true;
    for (size_t i = 0; i < travel->breakpoint_count; i++) {
        struct breakpoint *breakpoint = &travel->breakpoints[i];
        if (breakpoint->address - PUPPET_STUB < PUPPET_STUB_SIZE ||
            task_read(task, breakpoint->address, &breakpoint->original, 1) != 1)
            continue;
        struct error *err = task_write(task, breakpoint->address, &int3, 1);
        breakpoint->planted = !err;
        error_free(err);
    }
    return NULL;
}

/* Where the program has written something else itself, that stays. */
struct error *travel_unplant(struct travel *travel) {
    struct task *task = travel->replayer->puppet->task;
    if (!travel->planted)
        return NULL;
    travel->planted = false;
    for (size_t i = 0; i < travel->breakpoint_count; i++) {
        struct breakpoint *breakpoint = &travel->breakpoints[i];
        uint8_t now;
        if (breakpoint->planted && task_read(task, breakpoint->address, &now, 1) == 1 && now == INT3)
            TRY(task_write(task, breakpoint->address, &breakpoint->original, 1));
        breakpoint->planted = false;
    }
    return NULL;
}

/* ---- watched memory ---- */

static uint64_t value_of(struct travel *travel, const struct watch *watch) {
    uint64_t value = 0;
    task_read(travel->replayer->puppet->task, watch->address, &value, watch->size);
    return value;
}

void travel_watch_note(struct travel *travel) {
    for (size_t i = 0; i < WATCHES_MOST; i++)
        if (travel->watches[i].kind != WATCH_NONE)
            travel->watches[i].value = value_of(travel, &travel->watches[i]);
}

struct watch *travel_watch_changed(struct travel *travel) {
    struct watch *changed = NULL;
    for (size_t i = 0; i < WATCHES_MOST; i++) {
        struct watch *watch = &travel->watches[i];
        if (watch->kind == WATCH_NONE)
            continue;
        uint64_t value = value_of(travel, watch);
        if (value != watch->value && watch->kind != WATCH_READ)
            changed = watch;
        watch->value = value;
    }
    return changed;
}

/* The largest piece that a debug register can watch. */
static uint64_t piece_of(uint64_t address, uint64_t size) {
    uint64_t piece = 8;
    while (piece > size || address % piece)
        piece /= 2;
    return piece;
}

static struct watch *find_watch(struct travel *travel, enum travel_watch kind, uint64_t whole,
                                uint64_t whole_size) {
    for (size_t i = 0; i < WATCHES_MOST; i++)
        if (travel->watches[i].kind == kind &&
            (kind == WATCH_NONE ||
             (travel->watches[i].whole == whole && travel->watches[i].whole_size == whole_size)))
            return &travel->watches[i];
    return NULL;
}

struct error *travel_watch(struct travel *travel, enum travel_watch kind, uint64_t address, uint64_t size,
                           bool on) {
    struct watch *watch = find_watch(travel, kind, address, size);
    travel->armed_tid = 0;
    if (on && watch)
        return NULL;
    for (; !on && watch; watch = find_watch(travel, kind, address, size))
        watch->kind = WATCH_NONE;
    if (!on)
        return NULL;
    size_t pieces = 0, room = 0;
    for (uint64_t at = 0; at < size && pieces <= WATCHES_MOST; pieces++)
        at += piece_of(address + at, size - at);
    for (size_t i = 0; i < WATCHES_MOST; i++)
        room += travel->watches[i].kind == WATCH_NONE;
    if (!size || pieces > room)
        return error_new(ERROR_UNSUPPORTED, "watchpoint: the processor watches %d words, no more",
                         WATCHES_MOST);
    for (uint64_t at = 0; at < size;) {
        uint64_t piece = piece_of(address + at, size - at);
        watch = find_watch(travel, WATCH_NONE, 0, 0);
        *watch = (struct watch){
            .kind = kind, .address = address + at, .size = piece, .whole = address, .whole_size = size};
        at += piece;
    }
    travel_watch_note(travel);
    return NULL;
}

/* DR7: enabled for this task; what it breaks on, and how many bytes (Intel SDM volume 3, 18.2.4). */
static uint64_t control_of(const struct travel *travel) {
    uint64_t control = 0;
    for (size_t i = 0; i < WATCHES_MOST; i++) {
        const struct watch *watch = &travel->watches[i];
        uint64_t length = watch->size == 8 ? 2 : watch->size - 1;
        uint64_t access = watch->kind == WATCH_WRITE ? 1 : 3;
        if (watch->kind != WATCH_NONE)
            control |= 1ull << (2 * i) | (access | length << 2) << (16 + 4 * i);
    }
    return control;
}

static struct error *set_debug_register(pid_t tid, size_t index, uint64_t value) {
    return trace_set_user_word(tid, offsetof(struct user, u_debugreg) + 8 * index, value);
}

struct error *travel_arm_watches(struct travel *travel, bool on) {
    pid_t tid = travel->replayer->puppet->task->tid;
    uint64_t control = on ? control_of(travel) : 0;
    if (travel->armed_tid == tid && travel->armed == control)
        return NULL;
    if (!control && !travel->armed_ever)
        return NULL;
    TRY(set_debug_register(tid, 7, 0));
    for (size_t i = 0; control && i < WATCHES_MOST; i++)
        TRY(set_debug_register(tid, i,
                               travel->watches[i].kind == WATCH_NONE ? 0 : travel->watches[i].address));
    TRY(set_debug_register(tid, 7, control));
    travel->armed_tid = tid;
    travel->armed = control;
    travel->armed_ever = true;
    return NULL;
}

struct error *travel_watch_latch(struct travel *travel) {
    pid_t tid = travel->replayer->puppet->task->tid;
    uint64_t status;
    if (!travel->armed_ever || !travel->armed)
        return NULL;
    TRY(trace_get_user_word(tid, offsetof(struct user, u_debugreg[6]), &status));
    travel->latched |= status & 15;
    return set_debug_register(tid, 6, 0);
}

struct error *travel_watch_hit(struct travel *travel, struct watch **ret) {
    *ret = NULL;
    TRY(travel_watch_latch(travel));
    uint64_t status = travel->latched;
    travel->latched = 0;
    bool matcher = matcher_was_comparing(travel->replayer->matcher);
    for (size_t i = 0; i < WATCHES_MOST; i++) {
        struct watch *watch = &travel->watches[i];
        if (watch->kind == WATCH_NONE)
            continue;
        uint64_t value = value_of(travel, watch);
        bool changed = value != watch->value;
        watch->value = value;
        if (changed ? watch->kind != WATCH_READ : watch->kind != WATCH_WRITE && (status >> i & 1) && !matcher)
            *ret = watch;
    }
    if (*ret)
        travel->watched =
            (struct travel_stop){.kind = TRAVEL_WATCHPOINT, .address = (*ret)->whole, .watch = (*ret)->kind};
    return NULL;
}
