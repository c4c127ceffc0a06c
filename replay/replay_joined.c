/* replay_joined: the processes of a domain, each played by a puppet of its own. record_joined.c is the twin.
 *
 * One that joins is a copy of its parent's puppet: what the two share is shared here, too, since the puppet
 * has mapped it so. The event of its end, or of its leaving, is told before it goes. */
#include "replay/replayer_state.h"

#include <stdlib.h>
#include <string.h>

static void drop_threads(struct replayer *replayer, const struct replay_process *process) {
    for (size_t i = 0; i < replayer->threads.room;) {
        struct replay_thread *thread = replayer->threads.slots[i].value;
        if (!thread || thread->process != process) {
            i++;
            continue;
        }
        if (replayer->thread == thread)
            replayer->thread = NULL;
        table_remove(&replayer->threads, (uint32_t)thread->tid); /* others may move here */
        free(thread);
    }
}

static void drop_process(struct replayer *replayer, struct replay_process *process) {
    struct replay_process **at = &replayer->processes;
    drop_threads(replayer, process);
    puppet_destroy(&process->puppet);
    while (*at != process)
        at = &(*at)->next;
    *at = process->next;
    if (replayer->process == process) {
        matcher_forget(replayer->matcher);
        replayer->process = NULL;
        replayer->puppet = NULL;
    }
    free(process);
}

void replay_processes_deinit(struct replayer *replayer) {
    while (replayer->processes)
        drop_process(replayer, replayer->processes);
    replay_threads_deinit(replayer);
    replayer->ended = NULL;
}

void replay_process_alone(struct replayer *replayer) {
    for (struct replay_process *process = replayer->processes, *next; process; process = next) {
        next = process->next;
        if (process != replayer->process)
            drop_process(replayer, process);
    }
    replayer->ended = NULL;
}

struct error *replay_process_first(struct replayer *replayer) {
    replay_processes_deinit(replayer);
    struct replay_process *process = calloc(1, sizeof(*process));
    if (!process)
        return &error_no_memory;
    replayer->processes = replayer->process = process;
    replayer->puppet = &process->puppet;
    return puppet_create(&process->puppet, replayer->tape.recording.filesfd);
}

static struct replay_process *find(const struct replayer *replayer, int32_t pid) {
    for (struct replay_process *process = replayer->processes; process; process = process->next)
        if (process->pid == pid)
            return process;
    return NULL;
}

static struct error *split(struct replayer *replayer, const struct event *event,
                           struct replay_process **ret) {
    const struct replay_process *parent = replayer->process;
    struct replay_process *process = calloc(1, sizeof(*process));
    if (!process)
        return &error_no_memory;
    struct error *err = puppet_split(replayer->puppet, &process->puppet);
    if (err) {
        free(process);
        return err;
    }
    process->pid = event->tid;
    process->number = event->process.number;
    process->attachment_count = parent->attachment_count;
    memcpy(process->attachments, parent->attachments, sizeof(process->attachments));
    process->next = replayer->processes;
    replayer->processes = process;
    *ret = process;
    return NULL;
}

struct error *replay_process_begin(struct replayer *replayer, const struct event *event) {
    struct replay_thread *parent = table_find(&replayer->threads, (uint32_t)event->process.parent), *thread;
    struct replay_process *process;
    const struct replay_hooks *hooks = replayer->options->hooks;
    if (!parent || find(replayer, event->tid))
        return error_new(ERROR_BAD_DATA,
                         "recording: process %d begins, made by %d: one of them makes no sense", event->tid,
                         event->process.parent);
    TRY(replay_make_current(replayer, parent));
    TRY(replay_leave_point(replayer));
    TRY(split(replayer, event, &process));
    TRY(replay_thread_add(replayer, process, event->tid, process->puppet.task, &thread));
    if (hooks)
        TRY(hooks->process(hooks->context, &process->puppet, parent->task, event->tid));
    TRY(replay_make_current(replayer, thread));
    TRY(trace_get_registers(thread->task->tid, &replayer->regs));
    return replay_effects(replayer, event);
}

struct error *replay_process_join(struct replayer *replayer, const struct event *event) {
    const struct replay_hooks *hooks = replayer->options->hooks;
    struct replay_process *process = calloc(1, sizeof(*process));
    struct replay_thread *thread;
    char name[32];
    int32_t tid;
    if (!process)
        return &error_no_memory;
    struct error *err = find(replayer, event->tid)
                            ? error_new(ERROR_BAD_DATA, "recording: process %d joins twice", event->tid)
                            : puppet_create_beside(&process->puppet, replayer->puppet);
    if (err) {
        free(process);
        return err;
    }
    process->pid = event->tid;
    process->number = event->left.number;
    process->next = replayer->processes;
    replayer->processes = process;
    recording_member_name(replayer->tape.segment, process->number, "snapshot", name);
    TRY(puppet_load(&process->puppet, replayer->tape.recording.domainfd, name, &tid));
    TRY(replay_thread_add(replayer, process, event->tid, process->puppet.task, &thread));
    if (hooks)
        TRY(hooks->process(hooks->context, &process->puppet, NULL, event->tid));
    TRY(replay_make_current(replayer, thread));
    TRY(trace_get_registers(thread->task->tid, &replayer->regs));
    return replay_effects(replayer, event);
}

static struct replay_thread *any_thread(const struct replayer *replayer,
                                        const struct replay_process *process) {
    if (replayer->thread && replayer->thread->process == process)
        return replayer->thread;
    for (size_t i = 0; i < replayer->threads.room; i++) {
        struct replay_thread *thread = replayer->threads.slots[i].value;
        if (thread && thread->process == process)
            return thread;
    }
    return NULL;
}

struct error *replay_process_end(struct replayer *replayer, const struct event *event) {
    struct replay_process *process = find(replayer, event->tid);
    struct replay_thread *thread = process ? any_thread(replayer, process) : NULL;
    if (!thread)
        return error_new(ERROR_BAD_DATA, "recording: process %d ends, which does not exist", event->tid);
    replayer->ended = process;
    return replay_make_current(replayer, thread);
}

struct error *replay_process_sweep(struct replayer *replayer) {
    const struct replay_hooks *hooks = replayer->options->hooks;
    if (!replayer->ended)
        return NULL;
    if (!replayer->processes->next) {
        replayer->over = true; /* what is left of the last one may still be asked about */
        return NULL;
    }
    drop_process(replayer, replayer->ended); /* the current one: its last event was replayed just now */
    replayer->ended = NULL;
    replayer->process = replayer->processes;
    replayer->puppet = &replayer->process->puppet;
    return hooks ? hooks->turn(hooks->context, replayer->puppet) : NULL;
}
