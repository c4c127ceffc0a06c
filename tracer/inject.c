#include "tracer/inject.h"

#include "tracer/await.h"
#include "tracer/gate.h"

#include <signal.h>
#include <sys/ptrace.h>

bool inject_is_possible(enum stop_kind kind) {
    return kind == STOP_SIGNAL || kind == STOP_BORN || kind == STOP_GROUP || kind == STOP_SYSCALL_EXIT;
}

/* To the stop that answers an interrupt: of the group, when the process is stopped. The kernel comes to it
 * before it looks at signals, and before the program runs. */
static struct error *interrupt(struct task *task, int *ret) {
    TRY(trace_interrupt(task->tid));
    TRY(task_resume(task, RESUME_CONT, 0));
    return await_stop(task, -1, ret);
}

struct error *inject(struct task *task, uint64_t instruction, long number, const uint64_t args[6],
                     int64_t *ret) {
    siginfo_t info;
    int status;
    struct error *none = trace_get_siginfo(task->tid, &info); /* not every stop has one */
    error_free(none);
    int event = none ? 0 : info.si_code >> 8;
    if (event && event != PTRACE_EVENT_STOP && info.si_signo == SIGTRAP && info.si_code > 0)
        return error_new(ERROR_OTHER, "injected call in task %d: it is within a call of its own", task->tid);
    bool done = false;
    if (!none && info.si_code >> 8 == PTRACE_EVENT_STOP)
        TRY(gate_syscall(task, number, args, &done, ret));
    if (done)
        return NULL;
    TRY(remote_syscall(task, instruction, number, args, ret));
    if (none)
        return NULL;
    if (info.si_code >> 8 == PTRACE_EVENT_STOP)
        return interrupt(task, &status);
    return trace_set_siginfo(task->tid, &info);
}

struct error *inject_prepare(struct stop *stop) {
    int status;
    if (inject_is_possible(stop->kind))
        return NULL;
    TRY(interrupt(stop->task, &status));
    *stop = stop_classify(stop->task, status);
    return NULL;
}
