#include "tracer/stop.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

const char *stop_name(enum stop_kind kind) {
    static const char *const names[] = {
        [STOP_SYSCALL_ENTRY] = "syscall entry",
        [STOP_SYSCALL_EXIT] = "syscall exit",
        [STOP_SECCOMP] = "seccomp",
        [STOP_NEW_TASK] = "new task",
        [STOP_VFORK_DONE] = "vfork done",
        [STOP_EXEC] = "exec",
        [STOP_BORN] = "born",
        [STOP_SIGNAL] = "signal",
        [STOP_GROUP] = "group stop",
        [STOP_EXITING] = "exiting",
        [STOP_EXITED] = "exited",
        [STOP_KILLED] = "killed",
        [STOP_TICK] = "tick",
        [STOP_NONE] = "none",
    };
    return names[kind];
}

static struct stop classify_event(struct task *task, int event, int signo) {
    struct stop stop = {.task = task, .signo = signo};
    switch (event) {
    case PTRACE_EVENT_VFORK:
        stop.vfork = true; /* fall through */
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_CLONE:
        stop.kind = STOP_NEW_TASK;
        break;
    case PTRACE_EVENT_VFORK_DONE:
        stop.kind = STOP_VFORK_DONE;
        break;
    case PTRACE_EVENT_EXEC:
        stop.kind = STOP_EXEC;
        break;
    case PTRACE_EVENT_EXIT:
        stop.kind = STOP_EXITING;
        break;
    case PTRACE_EVENT_SECCOMP:
        stop.kind = STOP_SECCOMP;
        task->in_syscall = true;
        if (task->filtered)
            error_free(trace_event_message(task->tid, &stop.message));
        return stop;
    default: /* PTRACE_EVENT_STOP: SIGTRAP for births and interrupts, else the stopping signal */
        stop.kind = signo == SIGTRAP ? STOP_BORN : STOP_GROUP;
        return stop;
    }
    task->in_syscall = true; /* these come in the middle of a call, also when its entry was not asked for */
    error_free(trace_event_message(task->tid, &stop.message)); /* gone meanwhile: its end is the next stop */
    return stop;
}

static struct stop classify_syscall(struct task *task) {
    struct stop stop = {.task = task};
    bool emulated = task->resumed_by == RESUME_SYSEMU || task->resumed_by == RESUME_SYSEMU_STEP;
    if (emulated || !task->in_syscall) {
        stop.kind = STOP_SYSCALL_ENTRY;
        task->in_syscall = !emulated;
    } else {
        stop.kind = STOP_SYSCALL_EXIT;
        task->in_syscall = false;
    }
    return stop;
}

struct stop stop_classify(struct task *task, int status) {
    if (WIFEXITED(status))
        return (struct stop){.kind = STOP_EXITED, .task = task, .status = WEXITSTATUS(status)};
    if (WIFSIGNALED(status))
        return (struct stop){
            .kind = STOP_KILLED, .task = task, .status = WTERMSIG(status), .core = WCOREDUMP(status)};
    task->stopped = true;
    int signo = WSTOPSIG(status);
    if (status >> 16)
        return classify_event(task, status >> 16, signo);
    if (signo == (SIGTRAP | 0x80))
        return classify_syscall(task);
    /* A call whose exit stop was not asked for (RESUME_CONT) is over when anything else is reported. */
    task->in_syscall = false;
    return (struct stop){.kind = STOP_SIGNAL, .task = task, .signo = signo};
}
