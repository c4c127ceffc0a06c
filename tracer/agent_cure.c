#include "tracer/agent_cure.h"

#include "tracer/agent.h"
#include "tracer/inject.h"
#include "tracer/maps.h"
#include "tracer/patch.h"
#include "tracer/room.h"

#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <time.h>

#define ROUNDS   20
#define ROUND_NS 2000000

/* The block that a task's GS base leads to, if it is one of ours. */
static bool find_block(struct task *task, uint64_t *ret, struct agent_block *ret_block) {
    struct user_regs_struct regs;
    struct error *err = task->stopped ? trace_get_registers(task->tid, &regs) : NULL;
    if (err || !task->stopped || !regs.gs_base) {
        error_free(err);
        return false;
    }
    *ret = regs.gs_base;
    return task_read(task, regs.gs_base, ret_block, sizeof(*ret_block)) == sizeof(*ret_block) &&
           ret_block->check == AGENT_MAGIC;
}

/* A task that waits for room goes on. */
static struct error *let_go(struct task *task, uint64_t block) {
    const uint64_t all = UINT64_MAX;
    return task_write(task, block + offsetof(struct agent_block, limit), &all, sizeof(all));
}

static struct error *ignore_gone(struct error *err) {
    if (!error_is(err, ERROR_TASK_GONE))
        return err;
    error_free(err);
    return NULL;
}

static bool is_none(const void *context, uint64_t start) {
    (void)context, (void)start;
    return false;
}

/* Emitted code and the agent's lie in memory of no file; a program's own such code cannot be told from it. */
static bool may_be_inside(const struct maps *maps, struct task *task) {
    struct user_regs_struct regs;
    struct error *err = task->stopped ? trace_get_registers(task->tid, &regs) : NULL;
    const struct mapping *mapping = err || !task->stopped ? NULL : maps_find(maps, regs.rip);
    error_free(err);
    return mapping && !*mapping->name;
}

static struct error *count_inside(const struct halt *halt, size_t *ret) {
    struct maps maps;
    *ret = 0;
    if (!halt->count)
        return NULL;
    TRY(maps_read(halt->stops[0].task->tid, &maps));
    for (size_t i = 0; i < halt->count; i++) {
        struct agent_block block;
        uint64_t at;
        *ret += may_be_inside(&maps, halt->stops[i].task) && find_block(halt->stops[i].task, &at, &block);
    }
    maps_deinit(&maps);
    return NULL;
}

/* Nobody goes in any more: who is there comes out. */
static struct error *wait_outside(struct engine *engine, pid_t pid, struct halt *halt) {
    const struct timespec round = {.tv_nsec = ROUND_NS};
    for (int i = 0; i < ROUNDS; i++) {
        size_t inside;
        TRY(count_inside(halt, &inside));
        if (!inside)
            return NULL;
        TRY(attach_resume(halt));
        nanosleep(&round, NULL);
        TRY(halt_process(engine, pid, halt));
    }
    return error_new(ERROR_OTHER, "process %d: a thread does not leave the probes of another reel", pid);
}

/* The pages of the rings are given back to the system; the mappings stay, of zeros. */
static struct error *empty(struct stop *stop, uint64_t block) {
    struct maps maps;
    int64_t result;
    TRY(inject_prepare(stop));
    TRY(maps_read(stop->task->tid, &maps));
    const struct mapping *mapping = maps_find(&maps, block);
    uint64_t start = mapping && mapping->shared ? mapping->start : 0, end = start ? mapping->end : 0;
    uint64_t instruction = room_syscall(stop->task, &maps, is_none, NULL);
    maps_deinit(&maps);
    if (!start || !instruction || !inject_is_possible(stop->kind))
        return NULL;
    return INJECT(stop->task, instruction, SYS_madvise, &result, start, end - start, MADV_REMOVE);
}

static struct error *leave_all(struct halt *halt) {
    struct agent_block block;
    uint64_t at, last = 0;
    struct stop *by = NULL;
    for (size_t i = 0; i < halt->count; i++)
        if (find_block(halt->stops[i].task, &at, &block)) {
            TRY(ignore_gone(agent_leave(halt->stops[i].task)));
            by = &halt->stops[i];
            last = at;
        }
    return by ? ignore_gone(empty(by, last)) : NULL;
}

struct error *agent_cure(struct engine *engine, pid_t pid, struct halt *halt, size_t *ret) {
    struct agent_block block;
    uint64_t at;
    size_t restored = 0, found = 0;
    struct task *task = NULL;
    for (size_t i = 0; i < halt->count && !task; i++)
        task = halt->stops[i].task->stopped ? halt->stops[i].task : NULL;
    if (!task)
        return NULL;
    TRY(ignore_gone(patch_recover(halt, &restored)));
    for (size_t i = 0; i < halt->count; i++)
        if (find_block(halt->stops[i].task, &at, &block)) {
            found++;
            TRY(ignore_gone(let_go(halt->stops[i].task, at)));
        }
    if (found)
        TRY(wait_outside(engine, pid, halt));
    if (found)
        TRY(leave_all(halt));
    if (ret)
        *ret = restored;
    return NULL;
}
