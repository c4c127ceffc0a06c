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
    if (!thread || thread->ended)
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
    if (!parent || parent->ended)
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
    thread->ended = true;
    replayer->thread_count--;
    replayer->puppet.task = replayer->puppet.tasks[0];
    bool first = task == replayer->puppet.tasks[0];
    TRY(puppet_end_task(&replayer->puppet, task));
    if (first)
        return NULL;
    table_remove(&replayer->threads, (uint32_t)event->tid);
    free(thread);
    replayer->thread = NULL;
    return NULL;
}

struct error *replay_threads_reset(struct replayer *replayer, int32_t tid) {
    replay_threads_deinit(replayer);
    return add_thread(replayer, tid, replayer->puppet.task, &replayer->thread);
}

void replay_threads_deinit(struct replayer *replayer) {
    for (size_t i = 0; i < replayer->threads.room; i++)
        free(replayer->threads.slots[i].value);
    table_deinit(&replayer->threads);
    replayer->thread = NULL;
    replayer->thread_count = 0;
}
