/* record_affinity: which processors the program believes it runs on.
 *
 * Recorded tasks stay where reel has put them, whatever they ask for: the threads of a domain would wait for
 * each other otherwise (record_place.c moves whole processes). So sched_setaffinity is made, and undone; what
 * the kernel had made of it is what the program is told from then on, also about where it runs. */
#include "replay/record_hooks.h"

#include "tracer/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- who is meant ---- */

static struct thread *find_inner(const struct lane *lane, pid_t own, pid_t tid) {
    for (size_t i = 0; i < lane->threads.room; i++) { /* it has other numbers than reel knows */
        struct thread *thread = lane->threads.slots[i].value;
        if (thread && thread->task && process_inner_tid(thread->task->tid) == tid &&
            process_same_namespace(own, thread->task->tid, "pid"))
            return thread;
    }
    return NULL;
}

struct thread *record_find_named(struct recorder *recorder, pid_t tid) {
    const struct session *session = recorder->session;
    pid_t own = recorder->thread->task->tid;
    if (!tid)
        return recorder->thread;
    if (process_same_namespace(own, getpid(), "pid"))
        return record_lane_find(session, tid);
    struct thread *thread = find_inner(&session->first, own, tid);
    for (const struct lane *lane = session->lanes; lane && !thread; lane = lane->next)
        thread = find_inner(lane, own, tid);
    return thread;
}

/* ---- what was asked for ---- */

struct error *record_entry_affinity(struct recorder *recorder) {
    struct thread *target = record_find_named(recorder, (pid_t)recorder->thread->call.args[0]);
    recorder->thread->bound_before =
        target && sched_getaffinity(target->tid, sizeof(recorder->thread->place_before),
                                    &recorder->thread->place_before) == 0;
    return NULL;
}

struct error *record_exit_affinity(struct recorder *recorder) {
    struct thread *thread = recorder->thread;
    struct thread *target = record_find_named(recorder, (pid_t)thread->call.args[0]);
    cpu_set_t set;
    if (!record_succeeded(recorder) || !target || !thread->bound_before)
        return NULL;
    if (sched_getaffinity(target->tid, sizeof(set), &set) == 0) {
        if (!target->affinity && !(target->affinity = malloc(sizeof(*target->affinity))))
            return &error_no_memory;
        *target->affinity = set;
    }
    (void)sched_setaffinity(target->tid, sizeof(thread->place_before), &thread->place_before);
    return NULL;
}

struct error *record_inherit_affinity(const struct thread *parent, struct thread *child) {
    if (!parent->affinity)
        return NULL;
    child->affinity = malloc(sizeof(*child->affinity));
    if (!child->affinity)
        return &error_no_memory;
    *child->affinity = *parent->affinity;
    return NULL;
}

/* ---- what is told ---- */

static struct error *put(struct recorder *recorder, uint64_t address, const void *bytes, size_t size) {
    TRY(task_write(recorder->thread->task, address, bytes, size));
    return effects_add_memory(&recorder->effects, recorder->thread->task, address, size);
}

static struct error *tell_set(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    const struct thread *target = record_find_named(recorder, (pid_t)call->args[0]);
    size_t size = (size_t)call->result;
    if (!target || !target->affinity)
        return NULL;
    return put(recorder, call->args[2], target->affinity,
               size < sizeof(*target->affinity) ? size : sizeof(*target->affinity));
}

uint32_t record_told_processor(const struct thread *thread, uint32_t processor) {
    if (!thread->affinity || processor >= CPU_SETSIZE || CPU_ISSET(processor, thread->affinity))
        return processor;
    for (uint32_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, thread->affinity))
            return i;
    return processor;
}

static struct error *tell_processor(struct recorder *recorder) {
    uint32_t processor;
    uint64_t address = recorder->thread->call.args[0];
    if (!address ||
        task_read(recorder->thread->task, address, &processor, sizeof(processor)) != sizeof(processor))
        return NULL;
    processor = record_told_processor(recorder->thread, processor);
    return put(recorder, address, &processor, sizeof(processor));
}

struct error *record_exit_processor(struct recorder *recorder) {
    if (!record_succeeded(recorder))
        return NULL;
    return recorder->thread->call.number == SYS_getcpu
               ? (recorder->thread->affinity ? tell_processor(recorder) : NULL)
               : tell_set(recorder);
}
