#include "tracer/agent.h"

#include "tracer/agent_image.h"
#include "tracer/inject.h"
#include "tracer/room.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>

#define PAGE       4096ull
#define STACK_MOST (64ull << 20)

#define POPULATE_WRITE 23 /* MADV_POPULATE_WRITE, since Linux 5.14 */

/* ---- what /proc says ---- */

/* A number of /proc/PID/status: the last one of its line, since NStgid has one for each namespace. */
static bool status_number(pid_t pid, const char *key, uint64_t *ret) {
    char path[64], line[512];
    bool found = false;
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof(line), file))
        if (!strncmp(line, key, strlen(key))) {
            char *last = line + strlen(key);
            for (char *at = last, *end; (*ret = strtoull(at, &end, 10), end != at); at = end)
                last = at;
            *ret = strtoull(last, NULL, 10);
            found = true;
        }
    if (file)
        fclose(file);
    return found;
}

static struct error *check(struct task *task) {
    uint64_t filter = 0;
    if (status_number(task->tid, "Seccomp:", &filter) && filter)
        return error_new(ERROR_UNSUPPORTED, "process %d: it has a filter for system calls", task->tid);
    return NULL;
}

static struct error *check_registers(struct task *task) {
    struct user_regs_struct regs;
    TRY(trace_get_registers(task->tid, &regs));
    if (regs.gs_base || regs.gs)
        return error_new(ERROR_UNSUPPORTED, "task %d: it uses the GS register itself", task->tid);
    return NULL;
}

/* ---- calls in the task ---- */

static struct error *call_failed(struct task *task, const char *what, int64_t result) {
    return error_system((int)-result, "probes: %s in process %d", what, task->tid);
}

#define CALL(agent, task, what, number, ret, ...)                                                            \
    do {                                                                                                     \
        TRY(INJECT(task, (agent)->instruction, number, ret, __VA_ARGS__));                                   \
        if (*(ret) < 0 && *(ret) > -4096)                                                                    \
            return call_failed(task, what, *(ret));                                                          \
    } while (0)

static struct error *map_code(struct agent *agent, struct task *task) {
    const struct agent_image *image = agent_image(&agent->code_size);
    int64_t result;
    agent->code_size = (agent->code_size + PAGE) & ~(PAGE - 1); /* some bytes more: a string of no length */
    CALL(agent, task, "mapping memory", SYS_mmap, &result, 0, agent->code_size, PROT_READ | PROT_EXEC,
         MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0);
    agent->code = (uint64_t)result;
    size_t size;
    agent_image(&size);
    return task_write(task, agent->code, image, size);
}

static struct error *open_file(struct task *task, int64_t there, int *ret) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd/%lld", task->tid, (long long)there);
    *ret = open(path, O_RDWR | O_CLOEXEC);
    return *ret < 0 ? error_system(errno, "probes: opening %s", path) : NULL;
}

static struct error *map_file(struct agent *agent, struct task *task, int64_t there) {
    int64_t result;
    int fd;
    TRY(open_file(task, there, &fd));
    TRY(ring_pool_create(fd, &agent->pool));
    CALL(agent, task, "mapping rings", SYS_mmap, &result, 0, RING_FILE_SIZE, PROT_READ | PROT_WRITE,
         MAP_SHARED | MAP_NORESERVE, (uint64_t)there, 0);
    agent->file = (uint64_t)result;
    return INJECT(task, agent->instruction, SYS_madvise, &result, agent->file, RING_FILE_SIZE, MADV_DONTDUMP);
}

static struct error *make_file(struct agent *agent, struct task *task) {
    int64_t there, result;
    CALL(agent, task, "making memory for rings", SYS_memfd_create, &there, agent->code + agent->code_size - 8,
         MFD_CLOEXEC);
    struct error *err = map_file(agent, task, there);
    struct error *close_err = INJECT(task, agent->instruction, SYS_close, &result, (uint64_t)there);
    if (!err)
        return close_err;
    error_free(close_err);
    return err;
}

/* Memory that nobody takes away while the program runs: what the program's own file has that cannot be
 * written. */
static void find_constants(struct agent *agent, pid_t pid, const struct maps *maps) {
    char path[64];
    struct stat file;
    size_t count = 0;
    snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    if (stat(path, &file))
        return;
    for (size_t i = 0; i < maps->count && count < AGENT_CONSTANT_MOST; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        if (mapping->inode == file.st_ino && mapping->device == file.st_dev &&
            mapping->protection & PROT_READ && !(mapping->protection & PROT_WRITE)) {
            agent->constants[count].start = mapping->start;
            agent->constants[count++].end = mapping->end;
        }
    }
}

static bool is_none(const void *context, uint64_t start) {
    (void)context, (void)start;
    return false;
}

/* For which calls are noted. */
static void set_functions(const struct agent *agent, unsigned slot) {
    struct agent_block *block = &agent->pool->blocks[slot];
    block->self = agent->file + ring_block_offset(slot);
    block->frames = agent->file + ring_frames_offset(slot);
    block->counters = agent->file + RING_COUNTERS;
    block->judge = agent->judge;
    block->passed = agent->passed;
}

static struct error *infect(struct agent *agent, struct task *task, bool lossless) {
    struct maps maps;
    size_t size;
    const struct agent_image *image = agent_image(&size);
    TRY(maps_read(task->tid, &maps));
    agent->instruction = room_syscall(task, &maps, is_none, NULL);
    find_constants(agent, task->tid, &maps);
    maps_deinit(&maps);
    if (!agent->instruction)
        return error_new(ERROR_UNSUPPORTED, "process %d: no syscall instruction to map memory with",
                         task->tid);
    TRY(map_code(agent, task));
    agent->full = agent->code + (lossless ? image->wait : image->drop);
    agent->text = agent->code + image->text;
    agent->judge = agent->code + image->judge;
    agent->passed = agent->code + image->passed;
    if (!status_number(task->tid, "NStgid:", &agent->pid))
        return error_new(ERROR_UNSUPPORTED, "process %d: its number is not known", task->tid);
    TRY(make_file(agent, task));
    agent->pool->blocks[RING_SINK] = (struct agent_block){
        .full = agent->code + image->drop, .text = agent->text, .head = 1, .check = AGENT_MAGIC};
    set_functions(agent, RING_SINK);
    return NULL;
}

struct error *agent_create(struct task *task, bool lossless, struct agent **ret) {
    TRY(check(task));
    TRY(check_registers(task));
    struct agent *agent = calloc(1, sizeof(*agent));
    if (!agent)
        return &error_no_memory;
    struct error *err = infect(agent, task, lossless);
    if (err && agent->instruction)
        error_free(agent_unmap(agent, task));
    if (err) {
        agent_destroy(agent);
        return err;
    }
    *ret = agent;
    return NULL;
}

struct error *agent_clone(const struct agent *agent, pid_t child, struct agent **ret) {
    struct agent *clone = malloc(sizeof(*clone));
    if (!clone)
        return &error_no_memory;
    *clone = *agent;
    ring_pool_share(clone->pool);
    status_number(child, "NStgid:", &clone->pid);
    *ret = clone;
    return NULL;
}

void agent_destroy(struct agent *agent) {
    if (!agent)
        return;
    ring_pool_release(agent->pool);
    free(agent);
}

/* ---- tasks ---- */

/* Another view of the slot's part of the file, at address. */
static struct error *map_view(struct agent *agent, struct task *by, unsigned slot, uint64_t address) {
    int64_t result;
    CALL(agent, by, "mapping a ring", SYS_mremap, &result, agent->file + ring_offset(slot), 0,
         AGENT_RING_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, address);
    return NULL;
}

static struct error *map_ring(struct agent *agent, struct task *by, unsigned slot) {
    int64_t result;
    if (agent->rings[slot])
        return NULL;
    CALL(agent, by, "mapping a ring", SYS_mmap, &result, 0, 2ull * AGENT_RING_SIZE, PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, (uint64_t)-1, 0);
    uint64_t address = (uint64_t)result;
    TRY(map_view(agent, by, slot, address));
    TRY(map_view(agent, by, slot, address + AGENT_RING_SIZE));
    agent->rings[slot] = address;
    TRY(INJECT(by, agent->instruction, SYS_madvise, &result, address, 2ull * AGENT_RING_SIZE, MADV_DONTDUMP));
    /* a page fault costs as much as a thousand records; where the kernel cannot do it, it does not matter */
    return INJECT(by, agent->instruction, SYS_madvise, &result, address, 2ull * AGENT_RING_SIZE,
                  POPULATE_WRITE);
}

static struct error *set_base(struct task *task, uint64_t base) {
    return trace_set_user_word(task->tid, offsetof(struct user, regs.gs_base), base);
}

/* What lies above rsp in its stack. A mapping may hold more than a stack, which may be unmapped apart from
 * it: but for the first thread's, no more than is above rsp now. */
static void find_stack(struct task *task, struct agent_block *block) {
    struct user_regs_struct regs;
    struct maps maps;
    struct error *err = trace_get_registers(task->tid, &regs);
    if (!err)
        err = maps_read(task->tid, &maps);
    if (err) {
        error_free(err);
        return;
    }
    const struct mapping *mapping = maps_find(&maps, regs.rsp);
    if (mapping && mapping->protection & PROT_READ && !mapping->shared) {
        bool is_first = !strcmp(mapping->name, "[stack]");
        block->low = is_first ? mapping->end - STACK_MOST : mapping->start;
        block->high = is_first ? mapping->end : (regs.rsp + PAGE) & ~(PAGE - 1);
    }
    maps_deinit(&maps);
}

/* A new task has inherited its maker's block. */
static struct error *check_own(const struct agent *agent, struct task *task) {
    struct user_regs_struct regs;
    TRY(trace_get_registers(task->tid, &regs));
    return regs.gs_base - agent->file < RING_BLOCKS_SIZE ? NULL : check_registers(task);
}

/* The child of a fork is in the same calls as its maker. */
static void inherit(const struct agent *agent, struct task *task, struct ring *ring) {
    struct user_regs_struct regs;
    struct error *err = trace_get_registers(task->tid, &regs);
    uint64_t slot = err ? UINT64_MAX : (regs.gs_base - agent->file) / AGENT_BLOCK_SIZE;
    error_free(err);
    if (slot >= RING_SLOTS || slot == ring->slot)
        return;
    const struct agent_block *maker = &agent->pool->blocks[slot];
    struct agent_block *block = ring->block;
    if (regs.rsp < maker->low || regs.rsp >= maker->high || maker->high != block->high ||
        maker->depth > AGENT_FRAMES_MOST)
        return;
    block->muted = maker->muted;
    block->sampled = maker->sampled;
    block->depth = maker->depth;
    memcpy(ring_frames(ring->pool, ring->slot), ring_frames(ring->pool, (unsigned)slot), RING_FRAMES_SIZE);
}

struct error *agent_enter(struct agent *agent, struct task *by, struct task *task, struct ring *ret) {
    struct ring ring = {0};
    TRY(check_own(agent, task));
    struct error *err = ring_open(agent->pool, &ring);
    if (!err)
        err = map_ring(agent, by, ring.slot);
    if (err && !error_is(err, ERROR_LIMIT) && !error_is(err, ERROR_SYSTEM)) {
        ring_close(&ring);
        return err;
    }
    if (err) { /* no memory for it: it does without */
        error_free(err);
        ring_close(&ring);
        return set_base(task, agent->file + ring_block_offset(RING_SINK));
    }
    struct agent_block *block = ring.block;
    block->ring = agent->rings[ring.slot];
    block->full = agent->full;
    block->text = agent->text;
    block->pid = agent->pid;
    set_functions(agent, ring.slot);
    memcpy(block->constants, agent->constants, sizeof(block->constants));
    find_stack(task, block);
    inherit(agent, task, &ring);
    err = set_base(task, agent->file + ring_block_offset(ring.slot));
    if (err) {
        ring_close(&ring);
        return err;
    }
    *ret = ring;
    return NULL;
}

struct error *agent_leave(struct task *task) {
    return set_base(task, 0);
}

struct error *agent_unmap(struct agent *agent, struct task *task) {
    int64_t result;
    for (unsigned slot = 0; slot < RING_SLOTS; slot++)
        if (agent->rings[slot]) {
            TRY(INJECT(task, agent->instruction, SYS_munmap, &result, agent->rings[slot],
                       2ull * AGENT_RING_SIZE));
            agent->rings[slot] = 0;
        }
    if (agent->file)
        TRY(INJECT(task, agent->instruction, SYS_munmap, &result, agent->file, RING_FILE_SIZE));
    agent->file = 0;
    if (agent->code)
        TRY(INJECT(task, agent->instruction, SYS_munmap, &result, agent->code, agent->code_size));
    agent->code = 0;
    return NULL;
}
