/* record_joined: several processes in one domain.
 *
 * A process that is made by one with shared memory shares it: what either of them writes there is in no log
 * of its own. So it joins the domain, with threads that get turns as those of its parent do: one thread of
 * all these processes runs at a time, and one log has the order of their steps. What is shared needs no
 * logging then: in the replay it is shared as well.
 *
 * Begin: as that of a thread; EVENT_PROCESS follows the event of the call.
 *
 * End: nobody gets a turn until a process that ends is gone. The kernel then marks the robust mutexes that
 * its threads held, for other processes to see: EVENT_MEMORY of one of these has the words. A process that
 * somebody kills is at a known place, since it stands still (or waits in a call), unless it had the turn:
 * where it was then, and what it had written, is not known, and EVENT_MEMORY has all of the shared memory.
 *
 * Exec: the memory is shared no more. The process leaves for a domain of its own: EVENT_LEFT. */
#include "replay/record_hooks.h"
#include "replay/record_sysbuf.h"

#include "base/say.h"
#include "tracer/maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#define FUTEX_COMMAND 0x7f
#define WORD_SIZE     4
/* All of the shared memory is logged up to this size. */
#define SHARED_MOST (256ull << 20)
/* In one effect. */
#define PIECE (1u << 20)

/* ---- begin ---- */

static struct error *add_process(struct recorder *recorder, struct task *task, struct thread **ret) {
    const struct process *parent = recorder->thread->process;
    struct process *process;
    TRY(record_process_new(recorder, task->tid, &process));
    struct error *err = record_tree_copy(parent, process);
    if (!err)
        err = record_sysbuf_fork(recorder, task->tid, process);
    if (!err)
        err = record_thread_new(recorder, process, task, &process->leader);
    if (err) {
        record_joined_remove(recorder, process);
        return err;
    }
    process->own = (struct recording_process){.domain = ++recorder->session->domain_count,
                                              .pid = task->tid,
                                              .ppid = parent->pid,
                                              .start = START_FORK,
                                              .joined = recorder->info.domain,
                                              .origin_domain = recorder->info.domain,
                                              .origin_event = recorder->events};
    clock_gettime(CLOCK_REALTIME, &process->own.started);
    process->own.started.tv_nsec -= process->own.started.tv_nsec % 1000;
    record_tree_describe(process);
    *ret = process->leader;
    return NULL;
}

struct error *record_joined_made(struct recorder *recorder, pid_t tid) {
    struct engine *engine = &recorder->lane->engine;
    struct thread *thread;
    bool alive;
    if (!engine_traces(engine, tid)) /* killed, and reported, before its parent told of it */
        return NULL;
    struct task *task = engine_task(engine, tid);
    TRY(record_thread_await(recorder->session, task, &alive));
    if (!alive)
        return NULL;
    TRY(add_process(recorder, task, &thread));
    return record_thread_born(recorder, thread);
}

/* What the kernel has written for the call is there in each of the two or in one of them. */
struct error *record_joined_begin(struct recorder *recorder, struct thread *child, struct event *event) {
    const struct memory_reader memory = task_memory(recorder->thread->task);
    struct memory_ranges ranges = {0};
    event->kind = EVENT_PROCESS;
    event->process.parent = recorder->thread->tid;
    event->process.number = child->process->info->domain;
    struct error *err = syscall_outputs(&recorder->thread->call, &memory, &ranges);
    for (size_t i = 0; !err && i < ranges.count; i++)
        err = effects_add_memory(&recorder->effects, child->task, ranges.ranges[i].address,
                                 ranges.ranges[i].size);
    memory_ranges_deinit(&ranges);
    return err;
}

/* ---- words that processes share ---- */

static bool is_same_word(const struct shared_word *a, const struct shared_word *b) {
    return a->device == b->device && a->inode == b->inode && a->offset == b->offset;
}

static struct error *add_word(struct process *process, const struct maps *maps, uint64_t address) {
    const struct mapping *mapping = maps_find(maps, address);
    if (!mapping || !mapping->shared)
        return NULL;
    const struct shared_word word = {mapping->device, mapping->inode,
                                     mapping->offset + (address - mapping->start)};
    for (size_t i = 0; i < process->at_exit_count; i++)
        if (is_same_word(&process->at_exit[i], &word))
            return NULL;
    struct shared_word *words = reallocarray(process->at_exit, process->at_exit_count + 1, sizeof(*words));
    if (!words)
        return &error_no_memory;
    process->at_exit = words;
    words[process->at_exit_count++] = word;
    return NULL;
}

static struct error *add_words_of(struct process *process, const struct maps *maps, struct thread *thread) {
    thread->at_exit.count = 0;
    TRY(record_thread_note_robust(thread));
    for (size_t i = 0; i < thread->at_exit.count; i++)
        TRY(add_word(process, maps, thread->at_exit.ranges[i].address));
    return NULL;
}

struct error *record_joined_note_end(struct recorder *recorder, struct process *process) {
    struct maps maps;
    process->at_exit_count = 0;
    if (process->info == &process->own && !process->own.segments)
        record_tree_describe(process); /* it may have given itself a name */
    if (recorder->process_count < 2 || recorder->mode != RECORDER_RECORDING)
        return NULL;
    TRY(maps_read(record_living_tid(process), &maps));
    struct error *err = NULL;
    for (struct thread *thread = recorder->threads; !err && thread; thread = thread->next)
        if (thread->process == process && !thread->ended && thread->task)
            err = add_words_of(process, &maps, thread);
    maps_deinit(&maps);
    return err;
}

/* Where the word is in these mappings; 0: nowhere. */
static uint64_t find_word(const struct maps *maps, const struct shared_word *word) {
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        if (mapping->shared && mapping->device == word->device && mapping->inode == word->inode &&
            word->offset >= mapping->offset && word->offset - mapping->offset < mapping->end - mapping->start)
            return mapping->start + (word->offset - mapping->offset);
    }
    return 0;
}

/* Those of the words that this process has and that are not told yet; they are then. */
static struct error *add_effects(struct recorder *recorder, struct process *gone, const struct maps *maps,
                                 struct task *task) {
    for (size_t i = 0; i < gone->at_exit_count;) {
        uint64_t address = find_word(maps, &gone->at_exit[i]);
        if (!address) {
            i++;
            continue;
        }
        TRY(effects_add_memory(&recorder->effects, task, address, WORD_SIZE));
        gone->at_exit[i] = gone->at_exit[--gone->at_exit_count];
    }
    return NULL;
}

/* Mutexes with priority inheritance that threads of the process wait for: their owner may be the one that has
 * ended. */
static struct error *add_inherited(struct recorder *recorder, const struct process *process,
                                   struct task *task) {
    for (const struct thread *thread = recorder->threads; thread; thread = thread->next) {
        if (thread->process != process || !thread->blocked || thread->call.number != SYS_futex)
            continue;
        uint64_t command = thread->call.args[1] & FUTEX_COMMAND;
        if (command == 6 || command == 13) /* FUTEX_LOCK_PI, FUTEX_LOCK_PI2 */
            TRY(effects_add_memory(&recorder->effects, task, thread->call.args[0], WORD_SIZE));
        if (command == 11) /* FUTEX_WAIT_REQUEUE_PI */
            TRY(effects_add_memory(&recorder->effects, task, thread->call.args[4], WORD_SIZE));
    }
    return NULL;
}

/* ---- all that they share ---- */

static struct error *add_mapping(struct recorder *recorder, const struct mapping *mapping,
                                 struct task *task) {
    for (uint64_t at = mapping->start; at < mapping->end; at += PIECE)
        TRY(effects_add_memory(&recorder->effects, task, at,
                               mapping->end - at < PIECE ? mapping->end - at : PIECE));
    return NULL;
}

static struct error *add_all(struct recorder *recorder, const struct maps *maps, struct task *task) {
    uint64_t size = 0;
    for (size_t i = 0; i < maps->count; i++)
        if (maps->mappings[i].shared)
            size += maps->mappings[i].end - maps->mappings[i].start;
    if (size > SHARED_MOST) {
        recorder_stop(recorder,
                      "a process was killed in the middle of its computation, and shared more memory "
                      "with others than can be looked at");
        return NULL;
    }
    for (size_t i = 0; i < maps->count; i++)
        if (maps->mappings[i].shared)
            TRY(add_mapping(recorder, &maps->mappings[i], task));
    return NULL;
}

/* ---- end ---- */

/* EVENT_MEMORY of a process that lives on, if it has anything to tell. */
static struct error *tell(struct recorder *recorder, struct process *gone, struct thread *living) {
    struct maps maps;
    struct event event = {.kind = EVENT_MEMORY};
    effects_clear(&recorder->effects);
    TRY(record_sysbuf_maps_of(living->process, living->task->tid, &maps));
    struct error *err = gone->lost ? add_all(recorder, &maps, living->task)
                                   : add_effects(recorder, gone, &maps, living->task);
    maps_deinit(&maps);
    if (!err)
        err = add_inherited(recorder, living->process, living->task);
    if (err || !recorder->effects.count)
        return err;
    recorder->thread = living;
    return recorder_append(recorder, &event);
}

static struct error *tell_others(struct recorder *recorder, struct process *gone) {
    for (struct process *process = recorder->processes; process; process = process->next) {
        struct thread *living = process == gone ? NULL : record_living_thread(process, NULL);
        struct error *err =
            living && recorder->mode == RECORDER_RECORDING ? tell(recorder, gone, living) : NULL;
        if (err && !error_is(err, ERROR_TASK_GONE) && err->errnum != ESRCH)
            return err;
        error_free(err); /* it is ending as well */
    }
    effects_clear(&recorder->effects);
    return NULL;
}

void record_joined_remove(struct recorder *recorder, struct process *process) {
    struct process **at = &recorder->processes;
    for (struct thread *thread = recorder->threads, *next; thread; thread = next) {
        next = thread->next;
        if (thread->process == process)
            record_thread_free(thread);
    }
    while (*at != process)
        at = &(*at)->next;
    *at = process->next;
    recorder->process_count--;
    if (recorder->ending == process)
        recorder->ending = NULL;
    record_process_free(process);
}

struct error *record_joined_over(struct recorder *recorder, struct process *process) {
    if (process->info == &recorder->info)
        return NULL;
    return recording_processes_add(&recorder->session->info.processes, process->info);
}

/* It is gone, whatever it was doing. */
static struct error *part(struct recorder *recorder, struct process *process) {
    struct error *err = record_joined_over(recorder, process);
    record_joined_remove(recorder, process);
    recorder->thread = recorder->processes->leader;
    return err;
}

struct error *record_joined_gone(struct recorder *recorder, const struct stop *stop) {
    struct process *process = recorder->thread->process;
    if (recorder->turn && recorder->turn->process == process && !process->dying && !process->exiting &&
        !recorder->turn->enters)
        process->lost = true;
    TRY(record_end(recorder, stop));
    process->leader->task = NULL;
    table_remove(&recorder->lane->threads, (uint32_t)stop->task->tid);
    TRY(tell_others(recorder, process));
    return part(recorder, process);
}

struct error *record_joined_part(struct recorder *recorder, struct process *process) {
    if (recorder->process_count > 1)
        return part(recorder, process);
    TRY(record_joined_over(recorder, process));
    table_remove(&recorder->lane->threads, (uint32_t)process->leader->task->tid);
    process->leader->task = NULL;
    recorder->mode = RECORDER_OVER;
    return NULL;
}

/* ---- exec ---- */

struct error *record_joined_leave(struct recorder *recorder) {
    struct session *session = recorder->session;
    struct process *process = recorder->thread->process;
    struct task *task = recorder->thread->task;
    const pid_t parent = process->info->ppid;
    struct event event = {.kind = EVENT_LEFT};
    event.left.number = session->domain_count + 1;
    effects_clear(&recorder->effects);
    TRY(recorder_append(recorder, &event));
    record_drop_before(recorder);
    process->info->left = event.left.number;
    const uint64_t events = recorder->events;
    const uint32_t domain = recorder->info.domain;
    if (recorder->process_count == 1)
        record_close(recorder);
    struct error *err = record_joined_part(recorder, process);
    if (!err)
        err = record_tree_left(session, task, parent, domain, events);
    say_error(err); /* nothing but a lack of memory; the thread that the caller knows is no more */
    return NULL;
}
