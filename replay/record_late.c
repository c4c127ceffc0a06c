/* record_late: a process that has been recorded by itself joins another domain, because it has mapped, or is
 * about to write to, what that one has mapped.
 *
 * Its own log ends; a snapshot of it is taken when nobody runs in the domain, and stands in the log there. It
 * has one thread: a snapshot tells of one. */
#include "replay/record_hooks.h"
#include "replay/record_sysbuf.h"

#include "tracer/maps.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Is it all of a System V segment, and writable? Then its contents can be put back. */
static bool is_whole_segment(const struct mapping *mapping) {
    struct shmid_ds info;
    return mapping->protection == (PROT_READ | PROT_WRITE) && mapping->inode < INT32_MAX &&
           shmctl((int)mapping->inode, IPC_STAT, &info) == 0 &&
           mapping->end - mapping->start == ((info.shm_segsz + 4095) & ~4095ull);
}

bool record_late_can(const struct recorder *recorder, const struct recorder *domain) {
    struct maps maps;
    if (recorder->process_count > 1 || recorder->thread_count > 1 || domain->mode != RECORDER_RECORDING ||
        !domain->log)
        return false;
    struct error *err = maps_read(record_tid(recorder), &maps);
    bool can = !err;
    for (size_t i = 0; !err && i < maps.count; i++)
        can = can && (strncmp(maps.mappings[i].name, "/SYSV", 5) != 0 || is_whole_segment(&maps.mappings[i]));
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

/* First it goes to who may talk to the others of the domain, where this goes on. */
static struct error *change_lane(struct recorder *recorder, struct recorder *domain) {
    bool moved;
    TRY(record_lane_move(recorder, domain, &moved));
    if (moved)
        return NULL;
    recorder_stop(recorder,
                  "process %d shares memory with process %d, and may not be seized anew to be joined with it",
                  record_tid(recorder), domain->info.pid);
    return task_resume_later(recorder->thread->task, RESUME_CONT, 0);
}

struct error *record_late_join(struct recorder *recorder, struct recorder *domain) {
    struct thread *thread = recorder->thread;
    struct event event = {.kind = EVENT_JOINED};
    event.left.number = domain->info.domain;
    record_sysbuf_stop(recorder); /* a snapshot of it follows */
    if (domain->lane != recorder->lane)
        return change_lane(recorder, domain);
    effects_clear(&recorder->effects);
    TRY(recorder_append(recorder, &event));
    record_close(recorder);
    if (recorder->mode != RECORDER_RECORDING)
        return task_resume_later(thread->task, RESUME_CONT, 0);
    record_forget_changing(recorder);
    TRY(merge_mapped(recorder, domain));
    change_domain(recorder, domain);
    move_to(domain, thread->tid);
    thread->enters = true;
    record_turn_wait(thread);
    TRY(record_short_ticks(domain->session));
    return record_turn_next(domain);
}

/* The descriptor that a call writes to, or -1. */
static int written_fd(const struct thread *thread) {
    switch (thread->row->handler) {
    case HANDLER_FILE_WRITE:
        return (int)thread->call.args[0];
    case HANDLER_FILE_RESIZE:
        return thread->call.number == SYS_truncate ? -1 : (int)thread->call.args[0];
    case HANDLER_FILE_TRANSFER:
        if (thread->call.number == SYS_sendfile)
            return (int)thread->call.args[0];
        return thread->call.number == SYS_copy_file_range || thread->call.number == SYS_splice
                   ? (int)thread->call.args[2]
                   : -1;
    default:
        return -1;
    }
}

/* Back in front of the instruction; the kernel skips a call whose number is -1. */
static struct error *step_back(struct thread *thread) {
    struct user_regs_struct regs = thread->entry;
    regs.rip -= 2;
    regs.rax = regs.orig_rax;
    regs.orig_rax = (unsigned long long)-1;
    TRY(trace_set_registers(thread->task->tid, &regs));
    thread->last = regs;
    thread->last_is_call = true;
    thread->last_time = thread->call_time = clock_now();
    thread->row = NULL;
    return NULL;
}

struct error *record_late_entry_write(struct recorder *recorder, bool *ret_joins) {
    struct thread *thread = recorder->thread;
    struct stat info;
    char path[64];
    *ret_joins = false;
    int fd = recorder->session->recorder_count > 1 && !thread->task->watched ? written_fd(thread) : -1;
    if (fd < 0)
        return NULL;
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", thread->tid, fd);
    if (stat(path, &info) < 0 || !S_ISREG(info.st_mode))
        return NULL;
    struct recorder *domain = record_shared_with(recorder, &info);
    if (!domain || !record_late_can(recorder, domain))
        return NULL;
    *ret_joins = true;
    TRY(step_back(thread));
    return record_late_join(recorder, domain);
}

struct error *record_late_enter(struct recorder *recorder) {
    struct thread *thread = recorder->thread;
    struct event event = {.kind = EVENT_JOIN};
    event.left.number = thread->process->info->domain;
    effects_clear(&recorder->effects);
    struct error *err = recorder_cause(recorder, record_late_snapshot(recorder));
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
