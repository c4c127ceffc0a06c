#include "tracer/patch_state.h"

#include <stdlib.h>
#include <string.h>

struct patch_write *patch_write_at(const struct patch_set *set, uint64_t address) {
    size_t low = 0, high = set->write_count;
    while (low < high) { /* the first one that ends behind address */
        size_t middle = low + (high - low) / 2;
        if (set->writes[middle].address + set->writes[middle].length <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->write_count && set->writes[low].address <= address ? &set->writes[low] : NULL;
}

const struct patch_trampoline *patch_hole_at(const struct patch_set *set, uint64_t rip) {
    const struct patch_write *write = patch_write_at(set, rip);
    if (!write || !write->is_armed || write->address != rip || write->length != PATCH_JUMP)
        return NULL;
    const struct patch_trampoline *trampoline = &set->trampolines[write->trampoline];
    return trampoline->low != rip ? trampoline : NULL;
}

bool patch_covers(const struct patch_set *set, uint64_t address) {
    return patch_write_at(set, address) != NULL;
}

bool patch_is_armed(const struct patch_set *set) {
    return set->armed != 0;
}

/* ---- who stands in the way ---- */

struct patch_write *patch_in_the_way(const struct patch_set *set, uint64_t rip, bool is_armed) {
    size_t low = 0, high = set->write_count;
    while (low < high) { /* the first one that ends behind rip */
        size_t middle = low + (high - low) / 2;
        if (set->writes[middle].address + set->writes[middle].length <= rip)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < set->write_count && set->writes[low].address < rip + PATCH_WINDOW_MAX; low++) {
        struct patch_write *write = &set->writes[low];
        bool is_inside = write->address < rip && write->host == PATCH_NO_HOST;
        bool is_ahead = write->host != PATCH_NO_HOST && set->trampolines[write->host].low < rip;
        if (write->is_armed == is_armed && (is_inside || is_ahead))
            return write;
    }
    return NULL;
}

static struct patch_write *write_around(const struct patch_set *set, uint64_t rip) {
    return patch_in_the_way(set, rip, false);
}

/* With the window that it lies in: another hole of that would be as much in the way. */
static void block(struct patch_set *set, const struct patch_write *write) {
    set->trampolines[write->trampoline].is_blocked = true;
    if (write->host != PATCH_NO_HOST)
        set->trampolines[write->host].is_blocked = true;
}

/* The trampoline of the window that the write lies in. */
static const struct patch_trampoline *home(const struct patch_set *set, const struct patch_write *write) {
    return &set->trampolines[write->host == PATCH_NO_HOST ? write->trampoline : write->host];
}

/* A hole may be used only when the window that it lies in is armed itself. */
static void block_guests(struct patch_set *set) {
    for (size_t i = 0; i < set->write_count; i++)
        if (set->writes[i].host != PATCH_NO_HOST && set->trampolines[set->writes[i].host].is_blocked)
            set->trampolines[set->writes[i].trampoline].is_blocked = true;
}

/* Where an instruction of the window goes on in the trampoline; 0: no instruction begins there. */
static uint64_t moved_address(const struct patch_set *set, const struct patch_trampoline *trampoline,
                              uint64_t address) {
    for (size_t i = 0; i < trampoline->moved; i++) {
        const struct patch_step *step = &set->steps[trampoline->first_step + i];
        if (step->original == address)
            return trampoline->at + step->emitted;
    }
    return 0;
}

/* A thread in the middle of a window goes on in the trampoline; unless it is about to be sent to a handler,
 * to which that must not show. */
static struct error *move_task(struct patch_set *set, const struct stop *stop) {
    struct user_regs_struct regs;
    if (!stop->task->stopped)
        return NULL;
    TRY(trace_get_registers(stop->task->tid, &regs));
    const struct patch_write *write = write_around(set, regs.rip);
    if (!write || set->trampolines[write->trampoline].is_blocked)
        return NULL;
    uint64_t moved = moved_address(set, home(set, write), regs.rip);
    if (stop->kind == STOP_SIGNAL || !moved) {
        block(set, write);
        return NULL;
    }
    regs.rip = moved;
    return trace_set_registers(stop->task->tid, &regs);
}

/* ---- suspended handlers ---- */

/* In the frame of a signal handler, from its return address on: rip, and the word with cs. Source: struct
 * rt_sigframe, arch/x86/include/asm/sigframe.h. */
#define FRAME_RIP_AT (8 + 40 + 16 * 8)
#define FRAME_CS_AT  (FRAME_RIP_AT + 16)
#define FRAME_CS_64  0x33

/* Whatever looks like a frame that returns into the middle of a window keeps that from being armed. */
static bool block_frames(void *context, const uint8_t *bytes, size_t size) {
    struct patch_set *set = context;
    for (size_t i = 0; i + FRAME_CS_AT + 8 <= size; i += 8) {
        uint64_t rip;
        uint16_t cs;
        memcpy(&cs, bytes + i + FRAME_CS_AT, sizeof(cs));
        if (cs != FRAME_CS_64)
            continue;
        memcpy(&rip, bytes + i + FRAME_RIP_AT, sizeof(rip));
        const struct patch_write *write = write_around(set, rip);
        if (write)
            block(set, write);
    }
    return true;
}

/* Tasks at signals first: no task must be moved into what is left out on account of them. */
static struct error *move_tasks(struct patch_set *set, const struct halt *halt) {
    for (size_t i = 0; i < halt->count; i++)
        if (halt->stops[i].kind == STOP_SIGNAL)
            TRY(move_task(set, &halt->stops[i]));
    block_guests(set);
    for (size_t i = 0; i < halt->count; i++)
        if (halt->stops[i].kind != STOP_SIGNAL)
            TRY(move_task(set, &halt->stops[i]));
    block_guests(set);
    return NULL;
}

/* ---- writing ---- */

/* How the writes are to become. */
struct change {
    bool arm, dry; /* dry: look only, whether all is as expected */
    size_t failed; /* where something else was */
};

static bool is_wanted(const struct patch_set *set, const struct patch_write *write, bool arm) {
    return write->is_armed != arm && !(arm && set->trampolines[write->trampoline].is_blocked);
}

/* Change bytes, which are those of the write in the task; false when something else is there. */
static bool change(struct patch_set *set, struct patch_write *write, uint8_t *bytes, struct change *how) {
    if (memcmp(bytes, how->arm ? write->original : write->patched, write->length)) {
        how->failed++;
        if (how->arm)
            block(set, write);
        else
            write->is_armed = false;
        return false;
    }
    if (how->dry)
        return false;
    memcpy(bytes, how->arm ? write->patched : write->original, write->length);
    write->is_armed = how->arm;
    return true;
}

/* All writes that begin in the page of the one at index `first`; none reaches into the next page. *ret_next
 * is the first one behind. */
static struct error *change_page(struct patch_set *set, struct task *task, struct change *how, size_t first,
                                 size_t *ret_next) {
    uint8_t bytes[PATCH_PAGE];
    uint64_t start = set->writes[first].address, page = start & ~(PATCH_PAGE - 1);
    size_t last = first;
    while (last < set->write_count && set->writes[last].address < page + PATCH_PAGE)
        last++;
    size_t size = task_read(task, start, bytes, page + PATCH_PAGE - start), changed = 0;
    for (size_t i = first; i < last; i++) {
        struct patch_write *write = &set->writes[i];
        if (!is_wanted(set, write, how->arm))
            continue;
        if (size < page + PATCH_PAGE - start)
            memset(bytes, 0, sizeof(bytes)); /* nothing is mapped there any more: as if it had been changed */
        changed += change(set, write, bytes + (write->address - start), how);
    }
    *ret_next = last;
    return changed ? task_write(task, start, bytes, size) : NULL;
}

static struct error *change_all(struct patch_set *set, struct task *task, struct change *how) {
    for (size_t i = 0; i < set->write_count;)
        TRY(change_page(set, task, how, i, &i));
    set->armed = 0;
    for (size_t i = 0; i < set->write_count; i++)
        set->armed += set->writes[i].is_armed;
    return NULL;
}

static struct task *first_stopped(const struct halt *halt) {
    for (size_t i = 0; i < halt->count; i++)
        if (halt->stops[i].task->stopped)
            return halt->stops[i].task;
    return NULL;
}

struct error *patch_arm(struct patch_set *set, const struct halt *halt, size_t *ret_waiting) {
    struct change look = {.arm = true, .dry = true}, how = {.arm = true};
    struct task *task = first_stopped(halt);
    size_t waiting = 0;
    if (!task || !set->write_count)
        return NULL;
    for (size_t i = 0; i < set->trampoline_count; i++)
        set->trampolines[i].is_blocked = false;
    TRY(patch_read_maps(set, task));
    TRY(change_all(set, task, &look));
    TRY(patch_scan_stacks(&set->maps, halt, block_frames, set));
    TRY(move_tasks(set, halt));
    TRY(change_all(set, task, &how));
    for (size_t i = 0; i < set->trampoline_count; i++)
        waiting += set->trampolines[i].is_blocked && !set->trampolines[i].is_gone;
    if (ret_waiting)
        *ret_waiting = waiting;
    return NULL;
}

/* A thread between the two jumps of a short window: its code is not there any more then. */
static struct error *leave_hole(const struct patch_set *set, struct task *task) {
    struct user_regs_struct regs;
    TRY(trace_get_registers(task->tid, &regs));
    const struct patch_trampoline *trampoline = patch_hole_at(set, regs.rip);
    if (!trampoline)
        return NULL;
    regs.rip = trampoline->low;
    return trace_set_registers(task->tid, &regs);
}

struct error *patch_disarm(struct patch_set *set, const struct halt *halt, size_t *ret_patched_away) {
    struct change how = {.arm = false};
    struct task *task = first_stopped(halt);
    for (size_t i = 0; i < halt->count; i++)
        if (halt->stops[i].task->stopped)
            TRY(leave_hole(set, halt->stops[i].task));
    if (task)
        TRY(change_all(set, task, &how));
    if (ret_patched_away)
        *ret_patched_away = how.failed;
    return NULL;
}

/* ---- memory without them ---- */

static size_t read_without(void *context, uint64_t address, void *ret, size_t size) {
    const struct patch_memory *memory = context;
    size_t got = memory_read(&memory->memory, address, ret, size);
    uint8_t *bytes = ret;
    for (size_t i = 0; memory->set->armed && i < got; i++) {
        const struct patch_write *write = patch_write_at(memory->set, address + i);
        if (write && write->is_armed)
            bytes[i] = write->original[address + i - write->address];
    }
    return got;
}

struct memory_reader patch_memory_reader(struct patch_memory *context) {
    return (struct memory_reader){.read = read_without, .context = context};
}
