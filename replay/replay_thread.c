/* replay_thread: each recorded thread is played by a task of the puppet, one at a time. record_thread.c and
 * record_turn.c are the twins. */
#include "replay/replayer_state.h"

#include <stdlib.h>

struct error *replay_make_current(struct replayer *replayer, struct replay_thread *thread) {
    struct replay_thread *before = replayer->thread;
    if (before == thread)
        return NULL;
    if (before) {
        before->regs = replayer->regs;
        before->restarting = replayer->restarting;
    }
    const struct replay_hooks *hooks = replayer->options->hooks;
    if (thread->process != replayer->process) {
        TRY(replay_leave_point(replayer)); /* there is one matcher, in the process that is searched */
        replayer->process = thread->process;
        replayer->puppet = &thread->process->puppet;
        if (hooks)
            TRY(hooks->turn(hooks->context, replayer->puppet));
    }
    replayer->thread = thread;
    replayer->puppet->task = thread->task;
    replayer->regs = thread->regs;
    replayer->restarting = thread->restarting;
    return NULL;
}

struct error *replay_turn(struct replayer *replayer, const struct event *event) {
    struct replay_thread *thread = table_find(&replayer->threads, (uint32_t)event->tid);
    if (!thread)
        return error_new(ERROR_BAD_DATA, "recording: event %llu is of task %d, which does not exist",
                         (unsigned long long)event->number, event->tid);
    return replay_make_current(replayer, thread);
}

struct error *replay_thread_add(struct replayer *replayer, struct replay_process *process, int32_t tid,
                                struct task *task, struct replay_thread **ret) {
    if (table_find(&replayer->threads, (uint32_t)tid))
        return error_new(ERROR_BAD_DATA, "recording: task %d begins twice", tid);
    struct replay_thread *thread = calloc(1, sizeof(*thread));
    if (!thread)
        return &error_no_memory;
    *thread = (struct replay_thread){.tid = tid, .task = task, .process = process};
    struct error *err = table_put(&replayer->threads, (uint32_t)tid, thread);
    if (err) {
        free(thread);
        return err;
    }
    process->thread_count++;
    *ret = thread;
    return NULL;
}

struct error *replay_thread_begin(struct replayer *replayer, const struct event *event) {
    struct replay_thread *parent = table_find(&replayer->threads, (uint32_t)event->thread.parent), *thread;
    struct task *task;
    const struct replay_hooks *hooks = replayer->options->hooks;
    if (!parent)
        return error_new(ERROR_BAD_DATA, "recording: task %d begins, made by %d, which does not exist",
                         event->tid, event->thread.parent);
    TRY(replay_make_current(replayer, parent));
    TRY(puppet_add_task(replayer->puppet, &task));
    TRY(replay_thread_add(replayer, replayer->process, event->tid, task, &thread));
    if (hooks)
        TRY(hooks->thread(hooks->context, task, event->tid));
    TRY(replay_make_current(replayer, thread));
    TRY(trace_get_registers(task->tid, &replayer->regs));
    return replay_effects(replayer, event);
}

struct error *replay_thread_end(struct replayer *replayer, const struct event *event) {
    struct replay_thread *thread = replayer->thread;
    const struct replay_hooks *hooks = replayer->options->hooks;
    if (thread->process->thread_count < 2)
        return error_new(ERROR_BAD_DATA, "recording: task %d ends, and there is no other", event->tid);
    TRY(replay_effects(replayer, event));
    if (hooks)
        TRY(hooks->thread_exit(hooks->context));
    struct task *task = thread->task;
    table_remove(&replayer->threads, (uint32_t)event->tid);
    thread->process->thread_count--;
    free(thread);
    replayer->thread = NULL;
    replayer->puppet->task = replayer->puppet->tasks[0];
    return puppet_end_task(replayer->puppet, task);
}

struct error *replay_threads_reset(struct replayer *replayer, int32_t tid) {
    replay_threads_deinit(replayer);
    return replay_thread_add(replayer, replayer->process, tid, replayer->puppet->task, &replayer->thread);
}

/* ---- checkpoints ---- */

static struct error *save_xstate(const struct replay_thread *thread, struct saved_thread *ret) {
    ret->xstate = malloc(XSTATE_MAX);
    return ret->xstate ? trace_get_xstate(thread->task->tid, ret->xstate, &ret->xstate_size)
                       : &error_no_memory;
}

struct error *replay_threads_save(struct replayer *replayer, struct saved_thread **ret, size_t *ret_count) {
    struct saved_thread *saved = calloc(replayer->process->thread_count, sizeof(*saved));
    size_t count = 1;
    struct error *err = NULL;
    if (!saved)
        return &error_no_memory;
    for (size_t i = 0; !err && i < replayer->threads.room; i++) {
        const struct replay_thread *thread = replayer->threads.slots[i].value;
        bool current = thread == replayer->thread;
        if (!thread)
            continue;
        struct saved_thread *to = current ? &saved[0] : &saved[count++];
        *to = (struct saved_thread){.tid = thread->tid,
                                    .regs = current ? replayer->regs : thread->regs,
                                    .restarting = current ? replayer->restarting : thread->restarting,
                                    .blocked = thread->blocked};
        if (!current)
            err = save_xstate(thread, to);
    }
    if (err) {
        replay_threads_forget(saved, count);
        return err;
    }
    *ret = saved;
    *ret_count = count;
    return NULL;
}

static struct error *restore(struct replayer *replayer, const struct saved_thread *saved) {
    struct replay_thread *thread;
    struct task *task = replayer->puppet->task;
    if (saved->xstate)
        TRY(puppet_add_task(replayer->puppet, &task));
    TRY(replay_thread_add(replayer, replayer->process, saved->tid, task, &thread));
    thread->regs = saved->regs; /* those of a blocked one tell of its call */
    struct user_regs_struct regs = saved->regs;
    regs.orig_rax = (unsigned long long)-1;
    thread->restarting = saved->restarting;
    thread->blocked = saved->blocked;
    if (saved->xstate)
        TRY(trace_set_xstate(task->tid, saved->xstate, saved->xstate_size));
    return trace_set_registers(task->tid, &regs);
}

struct error *replay_threads_restore(struct replayer *replayer, const struct saved_thread *threads,
                                     size_t count) {
    replay_threads_deinit(replayer);
    for (size_t i = 0; i < count; i++)
        TRY(restore(replayer, &threads[i]));
    return replay_make_current(replayer, table_find(&replayer->threads, (uint32_t)threads[0].tid));
}

void replay_threads_forget(struct saved_thread *threads, size_t count) {
    for (size_t i = 0; threads && i < count; i++)
        free(threads[i].xstate);
    free(threads);
}

void replay_threads_deinit(struct replayer *replayer) {
    for (size_t i = 0; i < replayer->threads.room; i++)
        free(replayer->threads.slots[i].value);
    table_deinit(&replayer->threads);
    replayer->thread = NULL;
    for (struct replay_process *process = replayer->processes; process; process = process->next)
        process->thread_count = 0;
}
