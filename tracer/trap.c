#include "tracer/trap.h"

#include "tracer/process.h"
#include "tracer/trap_state.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define INT3       0xcc
#define LEAST_ROOM 64

/* ---- the table ---- */

static size_t place_of(const struct trap_set *set, uint64_t address) {
    size_t mask = set->room - 1;
    size_t place = (size_t)((address * 0x9e3779b97f4a7c15ull) >> 32) & mask;
    while (set->table[place] && set->table[place]->address != address)
        place = (place + 1) & mask;
    return place;
}

struct trap *trap_lookup(const struct trap_set *set, uint64_t address) {
    return set->room ? set->table[place_of(set, address)] : NULL;
}

/* Make the table twice as big, or that of an empty set. */
static struct error *grow(struct trap_set *set) {
    size_t old_room = set->room, room = old_room ? old_room * 2 : LEAST_ROOM;
    struct trap **old = set->table, **table = calloc(room, sizeof(struct trap *));
    if (!table)
        return &error_no_memory;
    set->table = table;
    set->room = room;
    for (size_t i = 0; i < old_room; i++)
        if (old[i])
            table[place_of(set, old[i]->address)] = old[i];
    free(old);
    return NULL;
}

/* A copy of model in the table. */
static struct error *insert(struct trap_set *set, const struct trap *model, struct trap **ret) {
    if (set->count * 2 >= set->room)
        TRY(grow(set));
    struct trap *trap = malloc(sizeof(*trap));
    if (!trap)
        return &error_no_memory;
    *trap = *model;
    set->table[place_of(set, trap->address)] = trap;
    set->count++;
    *ret = trap;
    return NULL;
}

struct error *trap_set_create(struct trap_set **ret) {
    struct trap_set *set = calloc(1, sizeof(*set));
    if (!set)
        return &error_no_memory;
    *ret = set;
    return NULL;
}

void trap_set_destroy(struct trap_set *set) {
    if (!set)
        return;
    for (size_t i = 0; i < set->room; i++)
        free(set->table[i]);
    for (size_t i = 0; i < set->area_count; i++)
        free(set->areas[i]);
    free(set->table);
    free(set->areas);
    maps_deinit(&set->maps);
    free(set);
}

static struct error *copy_areas(const struct trap_set *set, struct trap_set *copy) {
    if (!set->area_count)
        return NULL;
    copy->areas = calloc(set->area_count, sizeof(struct trap_area *));
    if (!copy->areas)
        return &error_no_memory;
    copy->area_room = set->area_count;
    for (size_t i = 0; i < set->area_count; i++) {
        struct trap_area *area = malloc(sizeof(*area));
        if (!area)
            return &error_no_memory;
        *area = *set->areas[i];
        copy->areas[copy->area_count++] = area;
    }
    return NULL;
}

static struct error *copy_set(const struct trap_set *set, struct trap_set *copy) {
    for (size_t i = 0; i < set->room; i++) {
        struct trap *trap;
        if (set->table[i])
            TRY(insert(copy, set->table[i], &trap));
    }
    copy->live = set->live;
    copy->instruction = set->instruction;
    copy->data = set->data;
    copy->checked = set->checked;
    copy->has_action = set->has_action;
    copy->action = set->action;
    return copy_areas(set, copy);
}

struct error *trap_set_clone(const struct trap_set *set, struct trap_set **ret) {
    struct trap_set *copy;
    TRY(trap_set_create(&copy));
    struct error *err = copy_set(set, copy);
    if (err) {
        trap_set_destroy(copy);
        return err;
    }
    *ret = copy;
    return NULL;
}

struct trap *trap_find(const struct trap_set *set, uint64_t address) {
    struct trap *trap = trap_lookup(set, address);
    return trap && trap->uses ? trap : NULL;
}

size_t trap_count(const struct trap_set *set) {
    return set->live;
}

/* ---- memory ---- */

static bool read_as_task(void *context, uint64_t address, void *ret, size_t size) {
    const struct task *task = context;
    struct iovec local = {.iov_base = ret, .iov_len = size};
    struct iovec remote = {.iov_base = (void *)address, .iov_len = size};
    return process_vm_readv(task->tid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

static bool write_as_task(void *context, uint64_t address, const void *bytes, size_t size) {
    const struct task *task = context;
    struct iovec local = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct iovec remote = {.iov_base = (void *)address, .iov_len = size};
    return process_vm_writev(task->tid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

/* Not task_read() and task_write(), which go round protections: what the program may not do must fault. */
struct displaced_memory trap_task_memory(struct task *task) {
    return (struct displaced_memory){.read = read_as_task, .write = write_as_task, .context = task};
}

/* Put the original bytes over the int3 of live traps in bytes, which are those at `address`. */
static void hide(const struct trap_set *set, uint64_t address, uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size && set->live; i++) {
        const struct trap *trap = bytes[i] == INT3 ? trap_find(set, address + i) : NULL;
        if (trap)
            bytes[i] = trap->displaced.bytes[0];
    }
}

static size_t read_hidden(void *context, uint64_t address, void *ret, size_t size) {
    struct trap_memory *memory = context;
    size_t got = task_read(memory->task, address, ret, size);
    hide(memory->set, address, ret, got);
    return got;
}

struct memory_reader trap_memory_reader(struct trap_memory *context) {
    return (struct memory_reader){.read = read_hidden, .context = context};
}

bool trap_shares_memory(pid_t one, pid_t other) {
    if (one == other)
        return true;
    long order = syscall(SYS_kcmp, one, other, KCMP_VM, 0, 0);
    if (order >= 0)
        return order == 0;
    struct process_status first = {0},
                          second = {0}; /* a kernel without kcmp: threads can be told all the same */
    struct error *err = process_status(one, &first);
    if (!err)
        err = process_status(other, &second);
    bool shares = !err && first.tgid == second.tgid;
    error_free(err);
    return shares;
}

void trap_set_reserve(struct trap_set *set, const struct memory_range *reserved, size_t count,
                      uint64_t instruction) {
    set->reserved = (struct room_reserved){reserved, count};
    set->instruction = instruction;
    set->is_puppet = true;
}

/* ---- adding ---- */

struct error *trap_read_maps(struct trap_set *set, struct task *task) {
    struct maps maps;
    TRY(maps_read(task->tid, &maps));
    maps_deinit(&set->maps);
    set->maps = maps;
    return NULL;
}

static const struct mapping *find_code(const struct trap_set *set, uint64_t address) {
    const struct mapping *mapping = maps_find(&set->maps, address);
    return mapping && mapping->protection & PROT_EXEC ? mapping : NULL;
}

static struct error *check_mapping(struct trap_set *set, struct task *task, uint64_t address) {
    const struct mapping *mapping = find_code(set, address);
    if (!mapping) {
        TRY(trap_read_maps(set, task));
        mapping = find_code(set, address);
    }
    if (!mapping)
        return error_new(ERROR_NOT_FOUND, "probe at 0x%llx: no code there", (unsigned long long)address);
    if (mapping->shared)
        return error_new(ERROR_UNSUPPORTED, "probe at 0x%llx: a shared mapping, others would be probed too",
                         (unsigned long long)address);
    return NULL;
}

/* Once for each process. */
static struct error *check_process(struct trap_set *set, struct task *task) {
    if (set->checked)
        return NULL;
    struct process_status status;
    TRY(process_status(task->tid, &status));
    if (status.has_shadow_stack)
        return error_new(ERROR_UNSUPPORTED, "process %d: it has a shadow stack, which probes would upset",
                         status.tgid);
    TRY(trap_action_changed(set, task));
    set->checked = true;
    return NULL;
}

/* The trap as it would be now. */
static struct error *prepare(struct trap_set *set, struct task *task, uint64_t address,
                             struct displaced *ret) {
    uint8_t bytes[DISPLACED_INSTRUCTION_MAX];
    size_t size = task_read(task, address, bytes, sizeof(bytes));
    if (!size) {
        struct user_regs_struct regs;
        TRY(trace_get_registers(task->tid, &regs)); /* a task that was killed has no memory either */
        return error_system(EFAULT, "probe at 0x%llx", (unsigned long long)address);
    }
    hide(set, address, bytes, size);
    TRY(displaced_decode(bytes, size, address, ret));
    if (set->is_puppet && ret->operation == DISPLACED_SYSCALL)
        return error_new(ERROR_UNSUPPORTED,
                         "probe at 0x%llx: a system call, which a replay has to meet in its place",
                         (unsigned long long)address);
    return NULL;
}

static bool is_same(const struct displaced *one, const struct displaced *other) {
    return one->length == other->length && !memcmp(one->bytes, other->bytes, one->length);
}

/* The entry of the table that holds displaced, with a slot if it may need one. */
static struct error *make(struct trap_set *set, struct task *task, const struct displaced *displaced,
                          struct trap **ret) {
    struct trap *trap = trap_lookup(set, displaced->address);
    if (!trap)
        TRY(insert(set, &(struct trap){.address = displaced->address, .displaced = *displaced}, &trap));
    if (!is_same(&trap->displaced, displaced)) { /* the code has changed since it was removed */
        trap->displaced = *displaced;
        trap->slot = 0;
    }
    if (!trap->slot && !displaced_never_needs_slot(displaced))
        TRY(trap_slot_make(set, task, trap));
    *ret = trap;
    return NULL;
}

struct error *trap_add(struct trap_set *set, struct task *task, uint64_t address, struct trap **ret) {
    struct trap *trap = trap_find(set, address);
    if (!trap) {
        struct displaced displaced;
        const uint8_t int3 = INT3;
        TRY(check_process(set, task));
        TRY(check_mapping(set, task, address));
        TRY(prepare(set, task, address, &displaced));
        TRY(make(set, task, &displaced, &trap));
        TRY(task_write(task, address, &int3, sizeof(int3)));
        set->live++;
    }
    trap->uses++;
    *ret = trap;
    return NULL;
}

/* ---- removing ---- */

/* Restore the byte, unless the program has written another. */
static struct error *restore(struct trap_set *set, struct task *task, struct trap *trap,
                             bool *ret_patched_away) {
    uint8_t now;
    *ret_patched_away = task_read(task, trap->address, &now, sizeof(now)) != sizeof(now) || now != INT3;
    if (!*ret_patched_away)
        TRY(task_write(task, trap->address, trap->displaced.bytes, 1));
    trap->uses = 0;
    set->live--;
    return NULL;
}

struct error *trap_remove(struct trap_set *set, struct task *task, struct trap *trap,
                          bool *ret_patched_away) {
    bool patched_away = false;
    if (trap->uses == 1)
        TRY(restore(set, task, trap, &patched_away));
    else if (trap->uses)
        trap->uses--;
    if (ret_patched_away)
        *ret_patched_away = patched_away;
    return NULL;
}

struct error *trap_set_withdraw(struct trap_set *set, struct task *task, size_t *ret_patched_away) {
    size_t patched_away = 0;
    for (size_t i = 0; i < set->room; i++) {
        bool is_patched = false;
        if (set->table[i] && set->table[i]->uses)
            TRY(restore(set, task, set->table[i], &is_patched));
        patched_away += is_patched;
    }
    if (ret_patched_away)
        *ret_patched_away = patched_away;
    return NULL;
}

void trap_forget_range(struct trap_set *set, uint64_t start, uint64_t end) {
    for (size_t i = 0; i < set->room; i++) {
        struct trap *trap = set->table[i];
        if (!trap || !trap->uses || trap->address < start || trap->address >= end)
            continue;
        trap->uses = 0;
        set->live--;
    }
}
