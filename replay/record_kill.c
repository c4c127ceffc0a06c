/* record_kill: SIGKILL between processes of one domain.
 *
 * It is the one signal that comes without a stop, and it ends what stands still. When a thread of the domain
 * sends it to another process of the domain, that process is waited for, so that its end has its place in the
 * log. */
#include "replay/record_hooks.h"

#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

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
    const struct thread *thread = target > 0 ? table_find(&recorder->lane->threads, (uint32_t)target) : NULL;
    if (target > 0)
        return thread && thread->process == process;
    if (call->number != SYS_kill)
        return false;
    pid_t group = target < -1 ? -target : target == 0 ? getpgid(recorder->thread->process->pid) : 0;
    return !group || getpgid(process->pid) == group;
}

struct error *record_kill_entry(struct recorder *recorder) {
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
        TRY(engine_next_of(&recorder->lane->engine, thread->task, false, &stop));
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
        const struct thread *leader = table_find(&recorder->lane->threads, pid);
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

struct error *record_kill_await(struct recorder *recorder) {
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
