#include "tracer/inject.h"
#include "tracer/trap_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define PAGE_BYTES 4096ull

/* No mapping is made below: the default of vm.mmap_min_addr. */
#define LEAST_ADDRESS 0x10000ull

/* Around an area, in bytes: neighbours keep their guard pages. */
#define MARGIN (4 * PAGE_BYTES)

/* Below a stack, which grows into the gap, in bytes. */
#define STACK_MARGIN (256ull << 20)

/* An area serves code up to this far away, so that operands around that code (in the same module) are
 * reached, too. */
#define NEAR (1ull << 30)

/* ---- a syscall instruction ---- */

static const uint8_t syscall_bytes[] = {0x0f, 0x05};

static bool is_syscall_at(struct task *task, uint64_t address) {
    uint8_t bytes[sizeof(syscall_bytes)];
    return task_read(task, address, bytes, sizeof(bytes)) == sizeof(bytes) &&
           !memcmp(bytes, syscall_bytes, sizeof(bytes));
}

/* Address of the first in a mapping, or 0. */
static uint64_t scan(struct task *task, const struct mapping *mapping) {
    uint8_t page[PAGE_BYTES + 1]; /* one byte more: it may lie across */
    for (uint64_t at = mapping->start; at < mapping->end; at += PAGE_BYTES) {
        size_t size = task_read(task, at, page, at + PAGE_BYTES < mapping->end ? sizeof(page) : PAGE_BYTES);
        const uint8_t *found = memmem(page, size, syscall_bytes, sizeof(syscall_bytes));
        if (found)
            return at + (uint64_t)(found - page);
    }
    return 0;
}

static bool is_area(const struct trap_set *set, uint64_t start) {
    for (size_t i = 0; i < set->area_count; i++)
        if (set->areas[i]->start == start)
            return true;
    return false;
}

/* The vdso has some: it is small, and never unmapped. Otherwise any code will do. */
struct error *trap_find_instruction(struct trap_set *set, struct task *task) {
    if (set->instruction && is_syscall_at(task, set->instruction))
        return NULL;
    TRY(trap_read_maps(set, task));
    set->instruction = 0;
    for (int any = 0; any < 2 && !set->instruction; any++)
        for (size_t i = 0; i < set->maps.count && !set->instruction; i++) {
            const struct mapping *mapping = &set->maps.mappings[i];
            if (mapping->protection & PROT_EXEC && (any || !strcmp(mapping->name, "[vdso]")) &&
                strcmp(mapping->name, "[vsyscall]") && !is_area(set, mapping->start))
                set->instruction = scan(task, mapping);
        }
    if (!set->instruction)
        return error_new(ERROR_UNSUPPORTED, "process %d: no syscall instruction to map memory with",
                         task->tid);
    return NULL;
}

/* ---- pages ---- */

static struct error *map(struct trap_set *set, struct task *task, uint64_t address, uint64_t size,
                         int protection, int64_t *ret) {
    TRY(trap_find_instruction(set, task));
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | (address ? MAP_FIXED_NOREPLACE : 0);
    return INJECT(task, set->instruction, SYS_mmap, ret, address, size, (uint64_t)protection, (uint64_t)flags,
                  (uint64_t)-1, 0);
}

static struct error *map_failed(struct task *task, int64_t result) {
    return error_hint(error_system((int)-result, "probes: mapping memory in process %d", task->tid),
                      "a filter or a limit of the program's own forbids it");
}

static uint64_t distance(uint64_t one, uint64_t other) {
    return one < other ? other - one : one - other;
}

bool trap_is_reserved(const struct trap_set *set, uint64_t start, uint64_t end,
                      const struct memory_range **ret) {
    for (size_t i = 0; i < set->reserved_count; i++) {
        const struct memory_range *range = &set->reserved[i];
        if (range->address >= end)
            break;
        if (range->address + range->size > start) {
            *ret = range;
            return true;
        }
    }
    return false;
}

/* Where in the gap [start, end) below `above` an area may lie: at its upper end, since what is below (the
 * heap) grows upwards. 0: nowhere. */
static uint64_t place_in_gap(const struct trap_set *set, uint64_t start, uint64_t end,
                             const struct mapping *above) {
    uint64_t margin = above && !strcmp(above->name, "[stack]") ? STACK_MARGIN : MARGIN;
    const struct memory_range *reserved;
    for (;;) {
        if (end < start || end - start < TRAP_AREA_SIZE + margin + MARGIN)
            return 0;
        uint64_t place = end - margin - TRAP_AREA_SIZE;
        if (!trap_is_reserved(set, place - MARGIN, place + TRAP_AREA_SIZE + MARGIN, &reserved))
            return place;
        end = reserved->address;
        margin = MARGIN;
    }
}

/* The place for an area that is nearest to address, or 0. */
static uint64_t find_place(const struct trap_set *set, uint64_t address) {
    const struct maps *maps = &set->maps;
    uint64_t best = 0, end_below = LEAST_ADDRESS;
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        uint64_t place = place_in_gap(set, end_below, mapping->start, mapping);
        if (place && distance(place, address) < NEAR &&
            (!best || distance(place, address) < distance(best, address)))
            best = place;
        end_below = mapping->end;
    }
    return best;
}

struct error *trap_map_data(struct trap_set *set, struct task *task) {
    if (set->data)
        return NULL;
    int64_t result;
    uint64_t place = 0; /* the kernel's choice */
    if (set->is_puppet) {
        TRY(trap_read_maps(set, task));
        place = find_place(set, set->maps.count ? set->maps.mappings[set->maps.count / 2].start : 0);
    }
    TRY(map(set, task, place, PAGE_BYTES, PROT_READ | PROT_WRITE, &result));
    if (result < 0 && result > -4096)
        return map_failed(task, result);
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
        uint64_t place = find_place(set, address);
        if (!place)
            return error_new(ERROR_UNSUPPORTED, "probe at 0x%llx: no room for memory near the code",
                             (unsigned long long)address);
        int64_t result;
        TRY(map(set, task, place, TRAP_AREA_SIZE, PROT_READ | PROT_EXEC, &result));
        if (result == -EEXIST)
            continue;
        if (result < 0 && result > -4096)
            return map_failed(task, result);
        if ((uint64_t)result == place)
            return keep_area(set, place, ret);
        return error_new(ERROR_UNSUPPORTED, "probe at 0x%llx: this kernel does not map where it is asked to",
                         (unsigned long long)address);
    }
    return error_new(ERROR_OTHER, "probe at 0x%llx: memory near the code is taken",
                     (unsigned long long)address);
}

static uint64_t next_slot(const struct trap_area *area) {
    return area->start + area->used * DISPLACED_SLOT_SIZE;
}

static bool serves(const struct trap_area *area, const struct trap *trap) {
    return area->used < TRAP_AREA_SLOTS && distance(area->start, trap->address) < NEAR &&
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
    int64_t result;
    TRY(trap_find_instruction(set, task));
    TRY(INJECT(task, set->instruction, SYS_munmap, &result, address, size));
    return result < 0 ? error_system((int)-result, "probes: unmapping memory in process %d", task->tid)
                      : NULL;
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
