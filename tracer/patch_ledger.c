/* What the memory of a process says about its patches, so that whoever comes later can take them back.
 *
 * A ledger lies in an arena, at the beginning of a page: a header, the arenas that there were by then, and an
 * entry for each place that may be overwritten, in order of address. It is there before the first byte is
 * overwritten. Numbers are little endian. All of it is untrusted: the program may have written there, or may
 * have made it up. Nothing is restored but where the bytes are the ledger's patched ones. */
#include "base/cursor.h"
#include "tracer/inject.h"
#include "tracer/patch_state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAGIC       "reel patches\0\0\0\2" /* the last byte is the version of the format */
#define MAGIC_SIZE  16
#define HEADER_SIZE (MAGIC_SIZE + 16) /* the magic, the numbers of arenas and of entries (u64) */
#define ARENA_SIZE  16                /* start, size (u64) */
#define ENTRY_SIZE                                                                                           \
    24 /* address (u64), length (u8), original and patched bytes (7 each, `length` are used), kind (u8): 1   \
          for a hole */
#define ENTRY_BYTES 7

static void put_entry(struct buffer *ledger, const struct patch_write *write, bool is_hole) {
    uint8_t bytes[ENTRY_BYTES] = {0};
    buffer_put_u64(ledger, write->address);
    buffer_put_u8(ledger, write->length);
    memcpy(bytes, write->original, write->length);
    buffer_put(ledger, bytes, ENTRY_BYTES);
    memcpy(bytes, write->patched, write->length);
    buffer_put(ledger, bytes, ENTRY_BYTES);
    buffer_put_u8(ledger, is_hole);
}

static uint64_t round_up(uint64_t size) {
    return (size + PATCH_PAGE - 1) & ~(PATCH_PAGE - 1);
}

/* Room in the arena that was used last. */
static struct error *find_room(struct patch_set *set, struct task *task, uint64_t size, uint64_t *ret) {
    struct patch_arena *arena = &set->arenas[set->arena_count - 1];
    TRY(patch_arena_get(set, task, arena->start, size + PATCH_PAGE, 0, &arena));
    *ret = round_up(arena->start + arena->used);
    arena->used = *ret + size - arena->start;
    return NULL;
}

struct error *patch_ledger_write(struct patch_set *set, struct task *task, const struct patch_write *writes,
                                 size_t count) {
    struct buffer ledger = {0};
    uint64_t at = 0;
    buffer_put(&ledger, MAGIC, MAGIC_SIZE);
    buffer_put_u64(&ledger, set->arena_count);
    buffer_put_u64(&ledger, count);
    for (size_t i = 0; i < set->arena_count; i++) {
        buffer_put_u64(&ledger, set->arenas[i].start);
        buffer_put_u64(&ledger, set->arenas[i].size);
    }
    for (size_t i = 0; i < count; i++)
        put_entry(&ledger, &writes[i],
                  writes[i].length == PATCH_JUMP &&
                      writes[i].address != set->trampolines[writes[i].trampoline].low);
    struct error *err = buffer_check(&ledger);
    if (!err)
        err = find_room(set, task, round_up(ledger.size), &at);
    if (!err)
        err = task_write(task, at, ledger.data, ledger.size);
    buffer_deinit(&ledger);
    return err;
}

/* ---- taking back ---- */

/* One page of the task at a time: entries are in order of address. */
struct page {
    struct task *task;
    const struct halt *halt;
    uint64_t start;
    size_t size;
    bool is_changed;
    uint8_t bytes[PATCH_PAGE];
};

static struct error *leave_page(struct page *page) {
    bool is_changed = page->is_changed;
    page->is_changed = false;
    return is_changed ? task_write(page->task, page->start, page->bytes, page->size) : NULL;
}

static struct error *go_to_page(struct page *page, uint64_t address) {
    uint64_t start = address & ~(PATCH_PAGE - 1);
    if (start == page->start)
        return NULL;
    TRY(leave_page(page));
    page->start = start;
    page->size = task_read(page->task, start, page->bytes, PATCH_PAGE);
    return NULL;
}

/* A thread between the two jumps of a short window goes on to where the second leads. */
static struct error *leave_hole(const struct halt *halt, uint64_t hole, const uint8_t *jump) {
    struct user_regs_struct regs;
    int32_t distance;
    memcpy(&distance, jump + 1, sizeof(distance));
    for (size_t i = 0; i < halt->count; i++) {
        const struct task *task = halt->stops[i].task;
        if (!task->stopped)
            continue;
        TRY(trace_get_registers(task->tid, &regs));
        if (regs.rip != hole)
            continue;
        regs.rip = hole + PATCH_JUMP + (uint64_t)(int64_t)distance;
        TRY(trace_set_registers(task->tid, &regs));
    }
    return NULL;
}

static struct error *restore_all(struct page *page, struct cursor *cursor, uint64_t count, size_t *restored) {
    for (uint64_t i = 0; i < count; i++) {
        uint64_t address = cursor_u64(cursor);
        uint8_t length = cursor_u8(cursor);
        const uint8_t *original = cursor_bytes(cursor, ENTRY_BYTES);
        const uint8_t *patched = cursor_bytes(cursor, ENTRY_BYTES);
        bool is_hole = cursor_u8(cursor) == 1;
        TRY(cursor_check(cursor));
        TRY(go_to_page(page, address));
        uint64_t at = address - page->start;
        if (length > ENTRY_BYTES || at + length > page->size || memcmp(page->bytes + at, patched, length))
            continue;
        if (is_hole && length == PATCH_JUMP)
            TRY(leave_hole(page->halt, address, patched));
        memcpy(page->bytes + at, original, length);
        page->is_changed = true;
        ++*restored;
    }
    return leave_page(page);
}

/* What is taken back in one process. */
struct recovery {
    struct task *task;
    const struct halt *halt;
    struct maps maps;
    size_t restored;
    struct patch_extent *arenas; /* of all ledgers */
    size_t arena_count, arena_room;
};

static struct error *note_arenas(struct recovery *recovery, struct cursor *cursor, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        uint64_t start = cursor_u64(cursor), size = cursor_u64(cursor);
        TRY(cursor_check(cursor));
        TRY(patch_grow(&recovery->arenas, recovery->arena_count, &recovery->arena_room,
                       sizeof(*recovery->arenas)));
        recovery->arenas[recovery->arena_count++] = (struct patch_extent){start, start + size};
    }
    return NULL;
}

/* The ledger at `at`, which has `room` bytes at most. */
static struct error *read_ledger(struct recovery *recovery, uint64_t at, uint64_t room) {
    struct buffer ledger = {0};
    struct cursor cursor;
    uint64_t counts[2];
    struct task *task = recovery->task;
    TRY(task_read_exact(task, at + MAGIC_SIZE, counts, sizeof(counts)));
    if (counts[0] > (room - HEADER_SIZE) / ARENA_SIZE ||
        counts[1] > (room - HEADER_SIZE - counts[0] * ARENA_SIZE) / ENTRY_SIZE)
        return error_new(ERROR_BAD_DATA,
                         "jump probes: what an earlier reel has left in process %d is damaged", task->tid);
    size_t size = counts[0] * ARENA_SIZE + counts[1] * ENTRY_SIZE;
    uint8_t *bytes = buffer_reserve(&ledger, size ? size : 1);
    struct error *err = bytes ? task_read_exact(task, at + HEADER_SIZE, bytes, size) : &error_no_memory;
    cursor_init(&cursor, bytes, size, "the memory that says what was patched");
    struct page page = {.task = task, .halt = recovery->halt, .start = UINT64_MAX};
    if (!err)
        err = note_arenas(recovery, &cursor, counts[0]);
    if (!err)
        err = restore_all(&page, &cursor, counts[1], &recovery->restored);
    buffer_deinit(&ledger);
    return err;
}

static bool is_anonymous_code(const struct mapping *mapping) {
    return !mapping->shared && !mapping->inode && mapping->protection & PROT_EXEC && !mapping->name[0];
}

static struct error *read_mapping(struct recovery *recovery, const struct mapping *mapping) {
    for (uint64_t at = mapping->start; at < mapping->end; at += PATCH_PAGE) {
        uint8_t magic[MAGIC_SIZE];
        if (task_read(recovery->task, at, magic, sizeof(magic)) == sizeof(magic) &&
            !memcmp(magic, MAGIC, sizeof(magic)))
            TRY(read_ledger(recovery, at, mapping->end - at));
    }
    return NULL;
}

/* ---- arenas that nobody is in ---- */

/* Does a task run, or return, into code of nobody's file? That may be an arena, or what an arena has called.
 */
struct search {
    const struct maps *maps;
    bool found;
};

static bool is_nobodys(const struct maps *maps, uint64_t address) {
    const struct mapping *mapping = maps_find(maps, address);
    return mapping && is_anonymous_code(mapping);
}

static bool find_words(void *context, const uint8_t *bytes, size_t size) {
    struct search *search = context;
    for (size_t i = 0; i + 8 <= size && !search->found; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof(word));
        search->found = is_nobodys(search->maps, word);
    }
    return !search->found;
}

static struct error *is_in_use(const struct recovery *recovery, bool *ret) {
    struct search search = {.maps = &recovery->maps};
    for (size_t i = 0; i < recovery->halt->count && !search.found; i++) {
        const struct task *task = recovery->halt->stops[i].task;
        struct user_regs_struct regs;
        if (!task->stopped)
            continue;
        TRY(trace_get_registers(task->tid, &regs));
        search.found = is_nobodys(&recovery->maps, regs.rip);
    }
    if (!search.found)
        TRY(patch_scan_stacks(&recovery->maps, recovery->halt, find_words, &search));
    *ret = search.found;
    return NULL;
}

static struct error *unmap_arenas(const struct recovery *recovery, struct task *task) {
    struct patch_set set = {.maps = recovery->maps};
    uint64_t instruction = room_syscall(task, &recovery->maps, patch_is_arena, &set);
    for (size_t i = 0; instruction && i < recovery->arena_count; i++) {
        const struct patch_extent *arena = &recovery->arenas[i];
        const struct mapping *mapping = maps_find(&recovery->maps, arena->start);
        if (!mapping || !is_anonymous_code(mapping) || mapping->start != arena->start ||
            mapping->end != arena->end || (instruction >= arena->start && instruction < arena->end))
            continue;
        TRY(room_unmap(task, instruction, arena->start, arena->end - arena->start));
    }
    return NULL;
}

/* Each attachment that ended by a kill would leave some megabytes otherwise, and the room near the code is
 * not endless. */
static struct error *give_room_back(const struct recovery *recovery) {
    bool is_used = false;
    TRY(is_in_use(recovery, &is_used));
    for (size_t i = 0; !is_used && i < recovery->halt->count; i++) {
        const struct stop *stop = &recovery->halt->stops[i];
        if (stop->task->stopped && inject_is_possible(stop->kind))
            return unmap_arenas(recovery, stop->task);
    }
    return NULL;
}

static struct error *recover(struct recovery *recovery) {
    TRY(maps_read(recovery->task->tid, &recovery->maps));
    for (size_t i = 0; i < recovery->maps.count; i++)
        if (is_anonymous_code(&recovery->maps.mappings[i]))
            TRY(read_mapping(recovery, &recovery->maps.mappings[i]));
    return recovery->arena_count ? give_room_back(recovery) : NULL;
}

struct error *patch_recover(const struct halt *halt, size_t *ret) {
    struct recovery recovery = {.halt = halt};
    for (size_t i = 0; i < halt->count && !recovery.task; i++)
        recovery.task = halt->stops[i].task->stopped ? halt->stops[i].task : NULL;
    if (!recovery.task)
        return NULL;
    struct error *err = recover(&recovery);
    maps_deinit(&recovery.maps);
    free(recovery.arenas);
    if (!err && ret)
        *ret = recovery.restored;
    return err;
}
