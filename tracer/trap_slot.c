#include "tracer/inject.h"
#include "tracer/trap_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE_BYTES 4096ull

static bool is_area(const void *context, uint64_t start) {
    const struct trap_set *set = context;
    for (size_t i = 0; i < set->area_count; i++)
        if (set->areas[i]->start == start)
            return true;
    return false;
}

struct error *trap_find_instruction(struct trap_set *set, struct task *task) {
    if (room_is_syscall(task, set->instruction))
        return NULL;
    TRY(trap_read_maps(set, task));
    set->instruction = room_syscall(task, &set->maps, is_area, set);
    if (!set->instruction)
        return error_new(ERROR_UNSUPPORTED, "process %d: no syscall instruction to map memory with",
                         task->tid);
    return NULL;
}

/* ---- pages ---- */

static struct error *map(struct trap_set *set, struct task *task, uint64_t address, uint64_t size,
                         int protection, int64_t *ret) {
    TRY(trap_find_instruction(set, task));
    return room_map(task, set->instruction, address, size, protection, ret);
}

static uint64_t find_place(const struct trap_set *set, uint64_t size, uint64_t address) {
    return room_near(&set->maps, &set->reserved, size, address);
}

struct error *trap_map_data(struct trap_set *set, struct task *task) {
    if (set->data)
        return NULL;
    int64_t result;
    uint64_t place = 0; /* the kernel's choice */
    if (set->is_puppet) {
        TRY(trap_read_maps(set, task));
        place =
            find_place(set, PAGE_BYTES, set->maps.count ? set->maps.mappings[set->maps.count / 2].start : 0);
    }
    TRY(map(set, task, place, PAGE_BYTES, PROT_READ | PROT_WRITE, &result));
    if (result < 0 && result > -4096)
        return room_map_failed(task, result);
    set->data = (uint64_t)result;
    return NULL;
}

static struct error *keep_area(struct trap_set *set, uint64_t start, struct trap_area **ret) {
    if (set->area_count == set->area_room) {
        size_t room = set->area_room ? set->area_room * 2 : 8;
        struct trap_area **areas = realloc(set->areas, room * sizeof(struct trap_area *));
        if (!areas)
            return &error_no_memory;
        set->areas = areas;
        set->area_room = room;
    }
    struct trap_area *area = calloc(1, sizeof(*area));
    if (!area)
        return &error_no_memory;
    area->start = start;
    set->areas[set->area_count++] = area;
    *ret = area;
    return NULL;
}

/* Map an area for code at this address. */
static struct error *make_area(struct trap_set *set, struct task *task, uint64_t address,
                               struct trap_area **ret) {
    for (int attempt = 0; attempt < 2; attempt++) { /* another thread may take the place first */
        TRY(trap_read_maps(set, task));
        uint64_t place = find_place(set, TRAP_AREA_SIZE, address);
        if (!place)
            return error_new(ERROR_UNSUPPORTED, "probe at 0x%llx: no room for memory near the code",
                             (unsigned long long)address);
        int64_t result;
        TRY(map(set, task, place, TRAP_AREA_SIZE, PROT_READ | PROT_EXEC, &result));
        if (result == -EEXIST)
            continue;
        if (result < 0 && result > -4096)
            return room_map_failed(task, result);
        if ((uint64_t)result == place)
            return keep_area(set, place, ret);
        return error_new(ERROR_UNSUPPORTED, "probe at 0x%llx: this kernel does not map where it is asked to",
                         (unsigned long long)address);
    }
    return error_new(ERROR_OTHER, "probe at 0x%llx: memory near the code is taken",
                     (unsigned long long)address);
}

static uint64_t distance(uint64_t one, uint64_t other) {
    return one < other ? other - one : one - other;
}

static uint64_t next_slot(const struct trap_area *area) {
    return area->start + area->used * DISPLACED_SLOT_SIZE;
}

static bool serves(const struct trap_area *area, const struct trap *trap) {
    return area->used < TRAP_AREA_SLOTS && distance(area->start, trap->address) < ROOM_NEAR &&
           displaced_reaches(&trap->displaced, next_slot(area));
}

static struct error *find_area(struct trap_set *set, struct task *task, const struct trap *trap,
                               struct trap_area **ret) {
    for (size_t i = set->area_count; i-- > 0;)
        if (serves(set->areas[i], trap)) {
            *ret = set->areas[i];
            return NULL;
        }
    TRY(make_area(set, task, trap->address, ret));
    if (serves(*ret, trap))
        return NULL;
    return error_new(ERROR_UNSUPPORTED, "probe at 0x%llx: its operand cannot be reached from memory near it",
                     (unsigned long long)trap->address);
}

struct error *trap_slot_make(struct trap_set *set, struct task *task, struct trap *trap) {
    struct trap_area *area = NULL;
    TRY(find_area(set, task, trap, &area));
    uint64_t slot = next_slot(area);
    uint8_t code[DISPLACED_SLOT_SIZE];
    displaced_fill_slot(&trap->displaced, slot, code);
    TRY(task_write(task, slot, code, sizeof(code)));
    area->displaced[area->used++] = trap->displaced;
    trap->slot = slot;
    return NULL;
}

const struct displaced *trap_slot_owner(const struct trap_set *set, uint64_t rip, uint64_t *ret_slot) {
    for (size_t i = 0; i < set->area_count; i++) {
        const struct trap_area *area = set->areas[i];
        size_t index = (size_t)((rip - area->start) / DISPLACED_SLOT_SIZE);
        if (rip < area->start || index >= area->used)
            continue;
        *ret_slot = area->start + index * DISPLACED_SLOT_SIZE;
        return &area->displaced[index];
    }
    return NULL;
}

static struct error *unmap(struct trap_set *set, struct task *task, uint64_t address, uint64_t size) {
    TRY(trap_find_instruction(set, task));
    return room_unmap(task, set->instruction, address, size);
}

struct error *trap_set_unmap(struct trap_set *set, struct task *task) {
    while (set->area_count) {
        struct trap_area *area = set->areas[set->area_count - 1];
        TRY(unmap(set, task, area->start, TRAP_AREA_SIZE));
        free(area);
        set->area_count--;
    }
    if (set->data)
        TRY(unmap(set, task, set->data, PAGE_BYTES));
    set->data = 0;
    for (size_t i = 0; i < set->room; i++)
        if (set->table[i])
            set->table[i]->slot = 0;
    return NULL;
}
