/* record_untraced: children made with CLONE_UNTRACED. All descendants inherit the seccomp filter, under which
 * a task without a tracer gets ENOSYS from every call; so the flag is cleared for the kernel, and put back
 * for the program: in rdi for clone, in the struct in memory for clone3, of the caller and of the child. */
#include "replay/recorder_state.h"

#include <errno.h>
#include <linux/sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define RDI (offsetof(struct user, regs) + offsetof(struct user_regs_struct, rdi))

static struct error *put(struct task *task, const struct untraced *untraced, uint64_t flags) {
    if (!untraced->address)
        return trace_set_user_word(task->tid, RDI, flags);
    return task_write(task, untraced->address, &flags, sizeof(flags));
}

static struct error *note(struct session *session, const struct untraced *untraced) {
    struct untraced *list = reallocarray(session->lane->untraced, session->lane->untraced_count + 1,
                                         sizeof(*session->lane->untraced));
    if (!list)
        return &error_no_memory;
    session->lane->untraced = list;
    list[session->lane->untraced_count++] = *untraced;
    return NULL;
}

/* What was noted of the task's call, which is then forgotten. */
static bool take(struct session *session, pid_t tid, struct untraced *ret) {
    for (size_t i = 0; i < session->lane->untraced_count; i++)
        if (session->lane->untraced[i].tid == tid) {
            *ret = session->lane->untraced[i];
            session->lane->untraced[i] = session->lane->untraced[--session->lane->untraced_count];
            return true;
        }
    return false;
}

struct error *record_untraced_entry(struct session *session, struct task *task,
                                    const struct user_regs_struct *regs, enum untraced_outcome *ret) {
    struct untraced untraced = {.tid = task->tid, .flags = regs->rdi}, old;
    *ret = UNTRACED_NOT;
    take(session, task->tid, &old); /* of a task that is gone */
    if (regs->orig_rax == SYS_clone3) {
        untraced.address = regs->rdi;
        if (task_read(task, regs->rdi, &untraced.flags, sizeof(untraced.flags)) != sizeof(untraced.flags))
            return NULL;
    } else if (regs->orig_rax != SYS_clone) {
        return NULL;
    }
    if (!(untraced.flags & CLONE_UNTRACED))
        return NULL;
    struct error *err = put(task, &untraced, untraced.flags & ~(uint64_t)CLONE_UNTRACED);
    if (untraced.address && err && !error_is(err, ERROR_TASK_GONE)) { /* nobody may write there */
        error_free(err);
        *ret = UNTRACED_UNWRITABLE;
        return NULL;
    }
    TRY(err);
    *ret = UNTRACED_CLEARED;
    return note(session, &untraced);
}

/* The child stands at its first stop: it is kept for whoever learns of the child next. */
static struct error *await_child(struct session *session, struct task *child) {
    struct stop stop;
    bool held;
    for (size_t i = 0; i < session->lane->newborn_count; i++)
        if (session->lane->newborns[i].task == child)
            return NULL;
    TRY(engine_next_of(&session->lane->engine, child, true, &stop));
    if (stop.kind != STOP_BORN)
        return error_system(ESRCH, "new task %d", child->tid);
    record_drop_sharer(session->lane, child->tid); /* of an earlier task with that number */
    return record_tree_hold(session, &stop, &held);
}

struct error *record_untraced_born(struct session *session, const struct stop *stop) {
    struct untraced untraced;
    pid_t tid = (pid_t)stop->message;
    if (!take(session, stop->task->tid, &untraced))
        return NULL;
    struct task *child =
        engine_traces(&session->lane->engine, tid) ? engine_task(&session->lane->engine, tid) : NULL;
    struct error *err = child ? await_child(session, child) : NULL;
    if (child && !err)
        err = put(child, &untraced, untraced.flags);
    if (error_is(err, ERROR_TASK_GONE)) {
        error_free(err);
        err = NULL;
    }
    TRY(err);
    return put(stop->task, &untraced, untraced.flags);
}

struct error *record_untraced_exit(struct session *session, struct task *task) {
    struct untraced untraced;
    return take(session, task->tid, &untraced) ? put(task, &untraced, untraced.flags) : NULL;
}

void record_untraced_deinit(struct lane *lane) {
    free(lane->untraced);
}
