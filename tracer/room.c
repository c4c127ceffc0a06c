#include "tracer/room.h"

#include "tracer/inject.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define PAGE_BYTES 4096ull

/* No mapping is made below: the default of vm.mmap_min_addr. */
#define LEAST_ADDRESS 0x10000ull

/* Around what is mapped, in bytes: neighbours keep their guard pages. */
#define MARGIN (4 * PAGE_BYTES)

/* Below a stack, which grows into the gap, in bytes. */
#define STACK_MARGIN (256ull << 20)

/* ---- a syscall instruction ---- */

static const uint8_t syscall_bytes[] = {0x0f, 0x05};

bool room_is_syscall(struct task *task, uint64_t address) {
    uint8_t bytes[sizeof(syscall_bytes)];
    return address && task_read(task, address, bytes, sizeof(bytes)) == sizeof(bytes) &&
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

uint64_t room_syscall(struct task *task, const struct maps *maps,
                      bool (*is_ours)(const void *context, uint64_t start), const void *context) {
    uint64_t found = 0;
    for (int any = 0; any < 2 && !found; any++)
        for (size_t i = 0; i < maps->count && !found; i++) {
            const struct mapping *mapping = &maps->mappings[i];
            if (mapping->protection & PROT_EXEC && (any || !strcmp(mapping->name, "[vdso]")) &&
                strcmp(mapping->name, "[vsyscall]") && !is_ours(context, mapping->start))
                found = scan(task, mapping);
        }
    return found;
}

/* ---- pages ---- */

struct error *room_map(struct task *task, uint64_t instruction, uint64_t address, uint64_t size,
                       int protection, int64_t *ret) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | (address ? MAP_FIXED_NOREPLACE : 0);
    return INJECT(task, instruction, SYS_mmap, ret, address, size, (uint64_t)protection, (uint64_t)flags,
                  (uint64_t)-1, 0);
}

struct error *room_map_failed(const struct task *task, int64_t result) {
    return error_hint(error_system((int)-result, "probes: mapping memory in process %d", task->tid),
                      "a filter or a limit of the program's own forbids it");
}

struct error *room_unmap(struct task *task, uint64_t instruction, uint64_t address, uint64_t size) {
    int64_t result;
    TRY(INJECT(task, instruction, SYS_munmap, &result, address, size));
    return result < 0 ? error_system((int)-result, "probes: unmapping memory in process %d", task->tid)
                      : NULL;
}

/* ---- places ---- */

static uint64_t distance(uint64_t one, uint64_t other) {
    return one < other ? other - one : one - other;
}

/* Does [start, end) overlap a reserved range? *ret is the first one that it does. */
static bool is_reserved(const struct room_reserved *reserved, uint64_t start, uint64_t end,
                        const struct memory_range **ret) {
    for (size_t i = 0; i < reserved->count; i++) {
        const struct memory_range *range = &reserved->ranges[i];
        if (range->address >= end)
            break;
        if (range->address + range->size > start) {
            *ret = range;
            return true;
        }
    }
    return false;
}

/* Where in the gap [start, end) below `above` it may lie: at its upper end, since what is below (the heap)
 * grows upwards. 0: nowhere. */
static uint64_t place_in_gap(const struct room_reserved *reserved, uint64_t size, uint64_t start,
                             uint64_t end, const struct mapping *above) {
    uint64_t margin = !strcmp(above->name, "[stack]") ? STACK_MARGIN : MARGIN;
    const struct memory_range *range;
    for (;;) {
        if (end < start || end - start < size + margin + MARGIN)
            return 0;
        uint64_t place = end - margin - size;
        if (!is_reserved(reserved, place - MARGIN, place + size + MARGIN, &range))
            return place;
        end = range->address;
        margin = MARGIN;
    }
}

uint64_t room_near(const struct maps *maps, const struct room_reserved *reserved, uint64_t size,
                   uint64_t address) {
    uint64_t best = 0, end_below = LEAST_ADDRESS;
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        uint64_t most = (address + ROOM_NEAR) & ~(PAGE_BYTES - 1), end = mapping->start;
        if (end > most &&
            end_below < most) /* a gap that goes on far above: what grows into it gets most of it */
            end = most;
        uint64_t place = place_in_gap(reserved, size, end_below, end, mapping);
        if (place && distance(place, address) < ROOM_NEAR &&
            (!best || distance(place, address) < distance(best, address)))
            best = place;
        end_below = mapping->end;
    }
    return best;
}
