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
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

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
    struct engine *engine = &recorder->session->engine;
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
    table_remove(&recorder->session->threads, (uint32_t)stop->task->tid);
    TRY(tell_others(recorder, process));
    return part(recorder, process);
}

struct error *record_joined_part(struct recorder *recorder, struct process *process) {
    if (recorder->process_count > 1)
        return part(recorder, process);
    TRY(record_joined_over(recorder, process));
    table_remove(&recorder->session->threads, (uint32_t)process->leader->task->tid);
    process->leader->task = NULL;
    recorder->mode = RECORDER_OVER;
    return NULL;
}

/* ---- joining later ---- */

bool record_joined_can(const struct recorder *recorder, const struct recorder *domain) {
    struct maps maps;
    if (recorder->process_count > 1 || recorder->thread_count > 1 || domain->mode != RECORDER_RECORDING ||
        !domain->log)
        return false;
    struct error *err = maps_read(record_tid(recorder), &maps);
    bool can = !err;
    for (size_t i = 0; !err && i < maps.count; i++) /* nothing in a snapshot says which segment that is */
        can = can && strncmp(maps.mappings[i].name, "/SYSV", 5) != 0;
    if (!err)
        maps_deinit(&maps);
    error_free(err);
    return can;
}

/* Files that the process knows and the domain does not are known to the domain now. */
static struct error *merge_mapped(struct recorder *from, struct recorder *to) {
    struct mapped_file *mapped =
        reallocarray(to->mapped, to->mapped_count + from->mapped_count + 1, sizeof(*mapped));
    if (!mapped)
        return &error_no_memory;
    to->mapped = mapped;
    size_t known = to->mapped_count;
    for (size_t i = 0; i < from->mapped_count; i++) {
        bool found = false;
        for (size_t k = 0; k < known; k++)
            found = found ||
                    (mapped[k].device == from->mapped[i].device && mapped[k].inode == from->mapped[i].inode);
        if (!found)
            mapped[to->mapped_count++] = from->mapped[i];
    }
    return NULL;
}

/* It runs where the others do: see look() in record_turn.c. */
static void move_to(const struct recorder *domain, pid_t tid) {
    cpu_set_t set;
    if (sched_getaffinity(record_living_tid(record_first(domain)), sizeof(set), &set) == 0)
        (void)sched_setaffinity(tid, sizeof(set), &set);
}

static void change_domain(struct recorder *from, struct recorder *to) {
    struct thread *thread = from->thread;
    struct process *process = thread->process, **last = &to->processes;
    process->own = from->info;
    process->own.segments = from->segment;
    process->own.events = from->events;
    process->own.joined = to->info.domain;
    process->info = &process->own;
    memset(&from->info, 0, sizeof(from->info));
    from->info.domain = process->own.domain;
    from->processes = NULL;
    from->threads = from->turn = NULL;
    from->process_count = from->thread_count = 0;
    from->absorbed = true;
    from->mode = RECORDER_OVER;
    while (*last)
        last = &(*last)->next;
    *last = process;
    to->process_count++;
    to->thread_count++;
    thread->recorder = to;
    thread->previous = NULL;
    thread->next = to->threads;
    if (thread->next)
        thread->next->previous = thread;
    to->threads = thread;
}

struct error *record_joined_join(struct recorder *recorder, struct recorder *domain) {
    struct thread *thread = recorder->thread;
    struct event event = {.kind = EVENT_JOINED};
    event.left.number = domain->info.domain;
    record_sysbuf_stop(recorder); /* a snapshot of it follows */
    effects_clear(&recorder->effects);
    TRY(recorder_append(recorder, &event));
    record_close(recorder);
    if (recorder->mode != RECORDER_RECORDING)
        return task_resume(thread->task, RESUME_CONT, 0);
    record_forget_changing(recorder);
    TRY(merge_mapped(recorder, domain));
    change_domain(recorder, domain);
    move_to(domain, thread->tid);
    thread->enters = true;
    record_turn_wait(thread);
    TRY(record_short_ticks(domain->session));
    return record_turn_next(domain);
}

struct error *record_joined_enter(struct recorder *recorder) {
    struct thread *thread = recorder->thread;
    struct event event = {.kind = EVENT_JOIN};
    event.left.number = thread->process->info->domain;
    effects_clear(&recorder->effects);
    struct error *err = recorder_cause(recorder, record_join_snapshot(recorder));
    if (err && !error_is(err, ERROR_TASK_GONE)) {
        recorder_stop(recorder, "process %d maps what others have mapped, and cannot be joined with them: %s",
                      thread->tid, err->message);
        error_free(err);
        return NULL;
    }
    TRY(err);
    thread->enters = false;
    return recorder_append(recorder, &event);
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

/* ---- killing each other ----
 *
 * SIGKILL is the one signal that comes without a stop, and ends what stands still. When a thread of the
 * domain sends it to another process of the domain, that process is waited for, so that its end has its
 * place. */

static uint64_t sent_signal(const struct syscall_call *call) {
    switch (call->number) {
    case SYS_kill:
    case SYS_tkill:
    case SYS_rt_sigqueueinfo:
    case 424: /* pidfd_send_signal */
        return call->args[1];
    case SYS_tgkill:
    case SYS_rt_tgsigqueueinfo:
        return call->args[2];
    default:
        return 0;
    }
}

/* The process that this descriptor of the caller's stands for; 0: none. */
static pid_t pid_of_pidfd(const struct recorder *recorder, int fd) {
    char path[64], line[128];
    int pid = 0;
    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", record_tid(recorder), fd);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "Pid: %d", &pid) == 1)
            break;
    if (file)
        fclose(file);
    return pid;
}

static bool is_meant(const struct recorder *recorder, const struct process *process) {
    const struct syscall_call *call = &recorder->thread->call;
    pid_t target = (pid_t)call->args[0];
    if (call->number == 424)
        return pid_of_pidfd(recorder, (int)target) == process->pid;
    const struct thread *thread =
        target > 0 ? table_find(&recorder->session->threads, (uint32_t)target) : NULL;
    if (target > 0)
        return thread && thread->process == process;
    if (call->number != SYS_kill)
        return false;
    pid_t group = target < -1 ? -target : target == 0 ? getpgid(recorder->thread->process->pid) : 0;
    return !group || getpgid(process->pid) == group;
}

struct error *record_joined_entry_kill(struct recorder *recorder) {
    if (recorder->process_count < 2 || sent_signal(&recorder->thread->call) != SIGKILL)
        return NULL;
    for (struct process *process = recorder->processes; process; process = process->next) {
        process->noted = process != recorder->thread->process && is_meant(recorder, process);
        if (process->noted)
            TRY(record_joined_note_end(recorder, process));
    }
    return NULL;
}

/* Deal with one stop of the process if there is one: *ret_any. Then the process may be gone. */
static struct error *deal_with_one(struct recorder *recorder, const struct process *process, bool *ret_any) {
    *ret_any = false;
    for (struct thread *thread = recorder->threads; thread; thread = thread->next) {
        struct stop stop;
        if (thread->process != process || !thread->task)
            continue;
        TRY(engine_next_of(&recorder->session->engine, thread->task, false, &stop));
        if (stop.kind == STOP_NONE)
            continue;
        *ret_any = true;
        recorder->thread = thread;
        return record_turn_arrived(recorder, &stop) ? record_domain_deal(recorder, &stop) : NULL;
    }
    return NULL;
}

/* Wait for the end of the process, but not forever: it may not have been allowed to kill it. */
static struct error *await_end(struct recorder *recorder, const struct process *process) {
    enum { PAUSES_MOST = 20000, PAUSE_NS = 50000 };
    const uint32_t pid = (uint32_t)process->pid;
    for (int pauses = 0; pauses < PAUSES_MOST;) {
        const struct thread *leader = table_find(&recorder->session->threads, pid);
        bool any;
        if (!leader || leader->recorder != recorder)
            return NULL;
        TRY(deal_with_one(recorder, process, &any));
        if (any)
            continue;
        pauses++;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    return NULL;
}

struct error *record_joined_await_kill(struct recorder *recorder) {
    struct thread *before = recorder->thread;
    if (recorder->process_count < 2 || !record_succeeded(recorder) ||
        sent_signal(&recorder->thread->call) != SIGKILL)
        return NULL;
    for (struct process *process = recorder->processes, *next; process; process = next) {
        next = process->next;
        if (process->noted)
            TRY(await_end(recorder, process));
        recorder->thread = before;
    }
    return NULL;
}
