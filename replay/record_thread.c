/* record_thread: the threads of a recorded process begin and end.
 *
 * Begin: the clone call is made, the new task stands at its first stop, and waits for its turn. The event of
 * the call is followed by EVENT_THREAD with the registers that the kernel has given to it.
 *
 * End: exit of a thread is logged when it is entered. The kernel then clears the word that pthread_join()
 * waits for, and marks robust mutexes; so the end is waited for, and EVENT_THREAD_EXIT has these words. The
 * leader of a process is not reported before the last thread has ended: its end is when it is a zombie. Ends
 * that others bring about (exit_group, a fatal signal, exec) have no events of their own. */
#include "replay/recorder_state.h"

#include "tracer/process.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FUTEX_COMMAND 0x7f
#define ROBUST_MOST   2048 /* ROBUST_LIST_LIMIT: the kernel follows no more */

/* ---- the table ---- */

struct error *record_thread_new(struct recorder *recorder, struct process *process, struct task *task,
                                struct thread **ret) {
    struct thread *thread = calloc(1, sizeof(*thread));
    if (!thread)
        return &error_no_memory;
    struct error *err = table_put(&recorder->lane->threads, (uint32_t)task->tid, thread);
    if (err) {
        free(thread);
        return err;
    }
    *thread = (struct thread){
        .recorder = recorder, .process = process, .task = task, .tid = task->tid, .next = recorder->threads};
    if (thread->next)
        thread->next->previous = thread;
    recorder->threads = thread;
    recorder->thread_count++;
    process->thread_count++;
    *ret = thread;
    return NULL;
}

static void remove_thread(struct thread *thread) {
    struct recorder *recorder = thread->recorder;
    record_turn_forget(thread);
    if (thread->next)
        thread->next->previous = thread->previous;
    if (thread->previous)
        thread->previous->next = thread->next;
    else
        recorder->threads = thread->next;
    recorder->thread_count -= !thread->ended;
    thread->process->thread_count -= !thread->ended;
    if (thread->task)
        table_remove(&recorder->lane->threads, (uint32_t)thread->task->tid);
}

void record_thread_free(struct thread *thread) {
    struct recorder *recorder = thread->recorder;
    struct thread *before = recorder->thread;
    recorder->thread = thread;
    record_drop_before(recorder);
    remove_thread(thread);
    struct thread *leader = thread->process->leader;
    recorder->thread = before != thread ? before : leader != thread ? leader : recorder->threads;
    memory_ranges_deinit(&thread->vectors);
    memory_ranges_deinit(&thread->at_exit);
    free(thread->affinity);
    buffer_deinit(&thread->vector_bytes);
    buffer_deinit(&thread->point);
    free(thread);
}

/* ---- begin ---- */

struct error *record_thread_await(struct session *session, struct task *task, bool *ret_alive) {
    struct stop stop;
    record_tree_release(session, task->tid, &stop);
    if (stop.kind == STOP_NONE)
        TRY(engine_next_of(&session->lane->engine, task, true, &stop));
    *ret_alive = stop.kind == STOP_BORN;
    return NULL;
}

/* CLONE_CHILD_CLEARTID: where struct clone_args of clone3 has child_tid is 16. */
uint64_t record_clear_tid(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    uint64_t address = call->args[3];
    if (!(recorder->thread->clone_flags & CLONE_CHILD_CLEARTID))
        return 0;
    if (call->number == SYS_clone3 &&
        task_read(recorder->thread->task, call->args[0] + 16, &address, sizeof(address)) != sizeof(address))
        return 0;
    return address;
}

struct error *record_thread_made(struct recorder *recorder, pid_t tid) {
    struct session *session = recorder->session;
    struct thread *thread;
    if (!engine_traces(&session->lane->engine, tid)) /* killed, and reported, before its parent told of it */
        return error_system(ESRCH, "new thread %d", tid);
    struct task *task = engine_task(&session->lane->engine, tid);
    bool alive;
    TRY(record_thread_await(session, task, &alive));
    if (!alive)
        return error_system(ESRCH, "new thread %d", tid);
    TRY(record_thread_new(recorder, recorder->thread->process, task, &thread));
    return record_thread_born(recorder, thread);
}

struct error *record_thread_born(struct recorder *recorder, struct thread *thread) {
    thread->task->watched = thread->task->filtered;
    thread->clear_tid = record_clear_tid(recorder);
    TRY(record_inherit_affinity(recorder->thread, thread));
    TRY(trace_get_registers(thread->tid, &thread->last));
    TRY(trace_get_sigmask(thread->tid, &thread->sigmask));
    thread->last_is_call = true;
    thread->last_time = thread->call_time = clock_now();
    recorder->thread->child = thread;
    return record_short_ticks(recorder->session);
}

struct error *record_thread_begin(struct recorder *recorder) {
    struct thread *parent = recorder->thread, *child = parent->child;
    parent->child = NULL;
    if (!child || recorder->mode != RECORDER_RECORDING)
        return NULL;
    struct event event = {.kind = EVENT_THREAD};
    event.thread.parent = parent->tid;
    effects_clear(&recorder->effects);
    TRY(effects_add_registers(&recorder->effects, &child->last));
    if (child->process != parent->process)
        TRY(record_joined_begin(recorder, child, &event));
    recorder->thread = child;
    struct error *err = recorder_append(recorder, &event);
    recorder->thread = parent;
    record_turn_wait(child);
    return err;
}

/* ---- end ---- */

static struct error *note_robust(struct thread *thread, struct task *reader, uint64_t address) {
    uint64_t head[3], entry; /* struct robust_list_head: first entry, offset of the word, pending entry */
    if (!address || task_read(reader, address, head, sizeof(head)) != sizeof(head))
        return NULL;
    if (head[2])
        TRY(memory_ranges_add(&thread->at_exit, (head[2] & ~1ull) + head[1], 4));
    entry = head[0];
    for (int i = 0; i < ROBUST_MOST && (entry & ~1ull) != address && entry; i++) {
        TRY(memory_ranges_add(&thread->at_exit, (entry & ~1ull) + head[1], 4));
        if (task_read(reader, entry & ~1ull, &entry, sizeof(entry)) != sizeof(entry))
            break;
    }
    return NULL;
}

/* Mutexes with priority inheritance that others wait for: their owner may be the one that ends. */
static struct error *note_inherited(struct thread *ending) {
    for (struct thread *thread = ending->recorder->threads; thread; thread = thread->next) {
        if (thread == ending || thread->process != ending->process || !thread->blocked ||
            thread->call.number != SYS_futex)
            continue;
        uint64_t command = thread->call.args[1] & FUTEX_COMMAND;
        if (command == 6 || command == 13) /* FUTEX_LOCK_PI, FUTEX_LOCK_PI2 */
            TRY(memory_ranges_add(&ending->at_exit, thread->call.args[0], 4));
        if (command == 11) /* FUTEX_WAIT_REQUEUE_PI */
            TRY(memory_ranges_add(&ending->at_exit, thread->call.args[4], 4));
    }
    return NULL;
}

static struct error *note_end(struct thread *thread, struct task *reader, uint64_t robust_list) {
    thread->ending = true;
    thread->at_exit.count = 0;
    if (thread->clear_tid)
        TRY(memory_ranges_add(&thread->at_exit, thread->clear_tid, 4));
    TRY(note_robust(thread, reader, robust_list));
    return note_inherited(thread);
}

static uint64_t find_robust_list(const struct thread *thread) {
    void *address = NULL;
    size_t size;
    return syscall(SYS_get_robust_list, thread->task->tid, &address, &size) < 0 ? 0 : (uint64_t)address;
}

struct error *record_thread_note_robust(struct thread *thread) {
    return note_robust(thread, thread->task, find_robust_list(thread));
}

struct error *record_thread_note_end(struct recorder *recorder) {
    return note_end(recorder->thread, recorder->thread->task, find_robust_list(recorder->thread));
}

struct thread *record_living_thread(const struct process *process, const struct thread *but) {
    if (!process->leader)
        return NULL;
    for (struct thread *thread = process->leader->recorder->threads; thread; thread = thread->next)
        if (thread->process == process && thread != but && !thread->ended && thread->task)
            return thread;
    return NULL;
}

struct error *record_thread_note_killed(struct recorder *recorder) {
    struct thread *thread = recorder->thread, *living = record_living_thread(thread->process, thread);
    return living ? note_end(thread, living->task, thread->robust_list) : NULL;
}

pid_t record_living_tid(const struct process *process) {
    const struct thread *thread = record_living_thread(process, NULL);
    return thread ? thread->task->tid : process->pid;
}

static struct error *append_end(struct recorder *recorder) {
    struct thread *thread = recorder->thread, *living = record_living_thread(thread->process, thread);
    struct event event = {.kind = EVENT_THREAD_EXIT};
    effects_clear(&recorder->effects);
    for (size_t i = 0; living && i < thread->at_exit.count; i++)
        TRY(effects_add_memory(&recorder->effects, living->task, thread->at_exit.ranges[i].address,
                               thread->at_exit.ranges[i].size));
    return recorder_append(recorder, &event);
}

static struct error *leader_ended(struct recorder *recorder) {
    struct thread *thread = recorder->thread;
    TRY(append_end(recorder));
    thread->ended = true;
    thread->ending = false;
    recorder->thread_count--;
    thread->process->thread_count--;
    record_turn_forget(thread);
    return NULL;
}

struct error *record_thread_await_end(struct recorder *recorder) {
    enum { QUICK = 20, PAUSE_NS = 50000 };
    struct thread *thread = recorder->thread;
    struct stop stop;
    bool leader = thread == thread->process->leader;
    for (int i = 0;; i++) {
        TRY(engine_next_of(&recorder->lane->engine, thread->task, !leader, &stop));
        if (stop.kind != STOP_NONE)
            return record_domain_deal(recorder, &stop);
        if (process_is_ended(thread->tid))
            break;
        if (i < QUICK)
            sched_yield();
        else
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    return leader_ended(recorder);
}

struct error *record_thread_gone(struct recorder *recorder, const struct stop *stop) {
    struct thread *thread = recorder->thread;
    struct process *process = thread->process;
    struct error *err = NULL;
    if (thread->ending && (stop->kind == STOP_EXITED || thread->judging) && recorder->ending != process)
        err = append_end(recorder);
    else if (recorder->turn == thread && recorder->process_count > 1 && !process->dying &&
             !process->exiting) {
        process->lost = true; /* somebody has killed the process */
        recorder->ending = process;
    }
    record_thread_free(thread);
    return err;
}

/* ---- exec ---- */

struct error *record_thread_exec(struct session *session, struct task *task, pid_t former) {
    struct thread *leader = table_find(&session->lane->threads, (uint32_t)task->tid);
    struct thread *thread = former ? table_find(&session->lane->threads, (uint32_t)former) : leader;
    if (!leader || !thread)
        return NULL;
    struct recorder *recorder = thread->recorder;
    struct task *gone = thread->task;
    if (thread != leader)
        thread->process->leader = thread;
    for (struct thread *other = recorder->threads, *next; other; other = next) {
        next = other->next;
        if (other != thread && other->process == thread->process)
            record_thread_free(other);
    }
    recorder->thread = recorder->turn = thread;
    if (gone == task)
        return NULL;
    table_remove(&session->lane->threads, (uint32_t)former);
    thread->task = task;
    engine_forget(&session->lane->engine, gone);
    return table_put(&session->lane->threads, (uint32_t)task->tid, thread);
}
