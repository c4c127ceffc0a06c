#include "tracer/patch_state.h"

#include <errno.h>
#include <sys/mman.h>

#define ARENA_LEAST (64ull << 10)
#define ARENA_MOST  (64ull << 20)

bool patch_is_arena(const void *context, uint64_t start) {
    const struct patch_set *set = context;
    for (size_t i = 0; i < set->arena_count; i++)
        if (set->arenas[i].start == start)
            return true;
    return false;
}

struct error *patch_find_instruction(struct patch_set *set, struct task *task) {
    if (room_is_syscall(task, set->instruction))
        return NULL;
    TRY(patch_read_maps(set, task));
    set->instruction = room_syscall(task, &set->maps, patch_is_arena, set);
    if (!set->instruction)
        return error_new(ERROR_UNSUPPORTED, "process %d: no syscall instruction to map memory with",
                         task->tid);
    return NULL;
}

/* As large as wanted, or as there is room for. */
static uint64_t find_place(const struct patch_set *set, uint64_t address, uint64_t least, uint64_t *size) {
    uint64_t place;
    while (!(place = room_near(&set->maps, &set->reserved, *size, address)) && *size / 2 >= least &&
           *size > PATCH_PAGE)
        *size = (*size / 2 + PATCH_PAGE - 1) & ~(PATCH_PAGE - 1);
    return place;
}

static struct error *make(struct patch_set *set, struct task *task, uint64_t address, uint64_t least,
                          uint64_t size) {
    TRY(patch_find_instruction(set, task));
    for (int attempt = 0; attempt < 2; attempt++) { /* another thread may take the place first */
        int64_t result;
        TRY(patch_read_maps(set, task));
        uint64_t place = find_place(set, address, least, &size);
        if (!place)
            return error_new(ERROR_UNSUPPORTED, "jump probes at 0x%llx: no room for memory near the code",
                             (unsigned long long)address);
        TRY(room_map(task, set->instruction, place, size, PROT_READ | PROT_EXEC, &result));
        if (result == -EEXIST)
            continue;
        if (result < 0 && result > -4096)
            return room_map_failed(task, result);
        if ((uint64_t)result != place)
            break;
        TRY(patch_grow(&set->arenas, set->arena_count, &set->arena_room, sizeof(*set->arenas)));
        set->arenas[set->arena_count++] =
            (struct patch_arena){.start = place, .size = size, .first = set->trampoline_count};
        return NULL;
    }
    return error_new(ERROR_UNSUPPORTED, "jump probes at 0x%llx: memory near the code cannot be mapped",
                     (unsigned long long)address);
}

static bool serves(const struct patch_arena *arena, uint64_t address, uint64_t size) {
    uint64_t distance = address < arena->start ? arena->start - address : address - arena->start;
    return arena->size - arena->used >= size && distance < ROOM_NEAR;
}

struct error *patch_arena_get(struct patch_set *set, struct task *task, uint64_t address, uint64_t size,
                              uint64_t estimate, struct patch_arena **ret) {
    if (!set->arena_count || !serves(&set->arenas[set->arena_count - 1], address, size)) {
        uint64_t whole = estimate < ARENA_LEAST ? ARENA_LEAST : estimate > ARENA_MOST ? ARENA_MOST : estimate;
        whole = whole < size ? size : whole;
        TRY(make(set, task, address, size, (whole + PATCH_PAGE - 1) & ~(PATCH_PAGE - 1)));
    }
    *ret = &set->arenas[set->arena_count - 1];
    return NULL;
}

const struct patch_trampoline *patch_trampoline_at(const struct patch_set *set, uint64_t rip) {
    for (size_t i = 0; i < set->arena_count; i++) {
        const struct patch_arena *arena = &set->arenas[i];
        if (rip - arena->start >= arena->used)
            continue;
        size_t low = arena->first, high = arena->first + arena->count;
        while (low < high) { /* the first one behind rip */
            size_t middle = low + (high - low) / 2;
            if (set->trampolines[middle].at <= rip)
                low = middle + 1;
            else
                high = middle;
        }
        if (low == arena->first)
            return NULL;
        const struct patch_trampoline *found = &set->trampolines[low - 1];
        return rip < found->at + found->size ? found : NULL;
    }
    return NULL;
}

struct error *patch_set_unmap(struct patch_set *set, struct task *task) {
    TRY(patch_find_instruction(set, task));
    while (set->arena_count) {
        const struct patch_arena *arena = &set->arenas[set->arena_count - 1];
        TRY(room_unmap(task, set->instruction, arena->start, arena->size));
        set->arena_count--;
    }
    set->trampoline_count = set->write_count = 0;
    return NULL;
}
