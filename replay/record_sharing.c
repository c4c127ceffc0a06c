/* record_sharing: tasks that run unrecorded, in code that was patched for recording: children of vfork, and a
 * program whose recording has stopped, with its children. What they execute is recorded again. Their stops
 * are let through; only a trapped instruction is imitated.
 */
#include "replay/recorder_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sharer *record_find_sharer(const struct lane *lane, pid_t tid) {
    for (size_t i = 0; i < lane->sharing_count; i++)
        if (lane->sharing[i].tid == tid)
            return &lane->sharing[i];
    return NULL;
}

struct error *record_add_sharer(struct lane *lane, pid_t tid, const struct insn_sites *sites) {
    record_drop_sharer(lane, tid); /* of an earlier task with that number */
    struct sharer *sharing = realloc(lane->sharing, (lane->sharing_count + 1) * sizeof(*sharing));
    if (!sharing)
        return &error_no_memory;
    lane->sharing = sharing;
    struct insn_site *copy = malloc((sites->count + 1) * sizeof(*copy));
    if (!copy)
        return &error_no_memory;
    if (sites->count)
        memcpy(copy, sites->sites, sites->count * sizeof(*copy));
    sharing[lane->sharing_count++] = (struct sharer){
        .tid = tid, .sites = {.sites = copy, .count = sites->count, .room = sites->count + 1}};
    return NULL;
}

void record_drop_sharer(struct lane *lane, pid_t tid) {
    struct sharer *sharer = record_find_sharer(lane, tid);
    if (!sharer)
        return;
    insn_sites_deinit(&sharer->sites);
    *sharer = lane->sharing[--lane->sharing_count];
}

static struct error *pass_signal(const struct stop *stop, struct thread *thread,
                                 const struct sharer *sharer) {
    bool done = false;
    if (sharer)
        TRY(record_instruction(thread ? thread->recorder : NULL, stop->task, &sharer->sites, &done));
    if (done)
        return task_resume_later(stop->task, RESUME_CONT, 0);
    if (thread)
        TRY(record_late_signal(thread, stop->task));
    return engine_pass(stop);
}

/* The child of a task that is not recorded is not, either, until it executes a program. */
static struct error *add_child(struct session *session, const struct sharer *sharer,
                               const struct stop *stop) {
    const struct insn_sites none = {0};
    struct insn_sites sites =
        sharer ? sharer->sites : none; /* the array stays where it is when the table grows */
    TRY(record_add_sharer(session->lane, (pid_t)stop->message, &sites));
    record_find_sharer(session->lane, (pid_t)stop->message)->parent = stop->task->tid;
    return NULL;
}

/* What must not be made as it is, whoever makes it. */
static struct error *pass_entry(struct session *session, const struct stop *stop) {
    struct user_regs_struct regs;
    enum untraced_outcome untraced;
    bool made;
    TRY(trace_get_registers(stop->task->tid, &regs));
    TRY(record_filter_pass(session, stop, &regs, &made));
    if (!made)
        return engine_pass(stop);
    TRY(record_untraced_entry(session, stop->task, &regs, &untraced));
    if (untraced == UNTRACED_UNWRITABLE) {
        regs.orig_rax = (unsigned long long)-1;
        regs.rax = (unsigned long long)-ENOSYS;
        TRY(trace_set_registers(stop->task->tid, &regs));
    }
    return untraced == UNTRACED_CLEARED ? task_resume_later(stop->task, RESUME_SYSCALL, 0)
                                        : engine_pass(stop);
}

struct error *record_pass(struct session *session, const struct stop *stop, struct thread *thread) {
    const struct sharer *sharer = stop->task ? record_find_sharer(session->lane, stop->task->tid) : NULL;
    switch (stop->kind) {
    case STOP_SIGNAL:
        return pass_signal(stop, thread, sharer);
    case STOP_NEW_TASK:
        if (engine_traces(&session->lane->engine, (pid_t)stop->message))
            TRY(add_child(session, sharer, stop));
        break;
    case STOP_SECCOMP:
        return pass_entry(session, stop);
    case STOP_SYSCALL_EXIT:
        TRY(record_untraced_exit(session, stop->task));
        if (thread)
            TRY(record_finish_call(thread->recorder));
        break;
    case STOP_EXEC:
        task_memory_reset(stop->task);
        return record_tree_exec(session, stop, thread);
    case STOP_EXITED:
    case STOP_KILLED:
        record_drop_sharer(session->lane, stop->task->tid);
        break;
    default:
        break;
    }
    return engine_pass(stop);
}

void record_sharing_deinit(struct lane *lane) {
    for (size_t i = 0; i < lane->sharing_count; i++)
        insn_sites_deinit(&lane->sharing[i].sites);
    free(lane->sharing);
}
