/* replay_thread: each recorded thread is played by a task of the puppet, one at a time. record_thread.c and
 * record_turn.c are the twins. */
#include "replay/replayer_state.h"

#include <stdlib.h>

static void make_current(struct replayer *replayer, struct replay_thread *thread) {
    struct replay_thread *before = replayer->thread;
    if (before == thread)
        return;
    if (before) {
        before->regs = replayer->regs;
        before->restarting = replayer->restarting;
    }
    replayer->thread = thread;
    replayer->puppet.task = thread->task;
    replayer->regs = thread->regs;
    replayer->restarting = thread->restarting;
}

struct error *replay_turn(struct replayer *replayer, const struct event *event) {
    struct replay_thread *thread = table_find(&replayer->threads, (uint32_t)event->tid);
    if (!thread)
        return error_new(ERROR_BAD_DATA, "recording: event %llu is of task %d, which does not exist",
                         (unsigned long long)event->number, event->tid);
    make_current(replayer, thread);
    return NULL;
}

static struct error *add_thread(struct replayer *replayer, int32_t tid, struct task *task,
                                struct replay_thread **ret) {
    if (table_find(&replayer->threads, (uint32_t)tid))
        return error_new(ERROR_BAD_DATA, "recording: task %d begins twice", tid);
    struct replay_thread *thread = calloc(1, sizeof(*thread));
    if (!thread)
        return &error_no_memory;
    *thread = (struct replay_thread){.tid = tid, .task = task};
    struct error *err = table_put(&replayer->threads, (uint32_t)tid, thread);
    if (err) {
        free(thread);
        return err;
    }
    replayer->thread_count++;
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
    make_current(replayer, parent);
    TRY(puppet_add_task(&replayer->puppet, &task));
    TRY(add_thread(replayer, event->tid, task, &thread));
    if (hooks)
        TRY(hooks->thread(hooks->context, task, event->tid));
    make_current(replayer, thread);
    TRY(trace_get_registers(task->tid, &replayer->regs));
    return replay_effects(replayer, event);
}

struct error *replay_thread_end(struct replayer *replayer, const struct event *event) {
    struct replay_thread *thread = replayer->thread;
    const struct replay_hooks *hooks = replayer->options->hooks;
    if (replayer->thread_count < 2)
        return error_new(ERROR_BAD_DATA, "recording: task %d ends, and there is no other", event->tid);
    TRY(replay_effects(replayer, event));
    if (hooks)
        TRY(hooks->thread_exit(hooks->context));
    struct task *task = thread->task;
    table_remove(&replayer->threads, (uint32_t)event->tid);
    free(thread);
    replayer->thread = NULL;
    replayer->thread_count--;
    replayer->puppet.task = replayer->puppet.tasks[0];
    return puppet_end_task(&replayer->puppet, task);
}

struct error *replay_threads_reset(struct replayer *replayer, int32_t tid) {
    replay_threads_deinit(replayer);
    return add_thread(replayer, tid, replayer->puppet.task, &replayer->thread);
}

/* ---- checkpoints ---- */

static struct error *save_xstate(const struct replay_thread *thread, struct saved_thread *ret) {
    ret->xstate = malloc(XSTATE_MAX);
    return ret->xstate ? trace_get_xstate(thread->task->tid, ret->xstate, &ret->xstate_size)
                       : &error_no_memory;
}

struct error *replay_threads_save(struct replayer *replayer, struct saved_thread **ret, size_t *ret_count) {
    struct saved_thread *saved = calloc(replayer->thread_count, sizeof(*saved));
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
    struct task *task = replayer->puppet.task;
    if (saved->xstate)
        TRY(puppet_add_task(&replayer->puppet, &task));
    TRY(add_thread(replayer, saved->tid, task, &thread));
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
    make_current(replayer, table_find(&replayer->threads, (uint32_t)threads[0].tid));
    return NULL;
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
    replayer->thread_count = 0;
}
