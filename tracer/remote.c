#include "tracer/remote.h"

#include "tracer/await.h"
#include "tracer/process.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

/* Wait for the next stop. An end is left for whoever waits for tasks: here it is only ERROR_TASK_GONE. */
static struct error *wait_stopped(pid_t tid, int *ret) {
    siginfo_t info = {0};
    for (unsigned looks = 0; !info.si_pid; looks++) { /* why not one wait: see await.c */
        if (waitid(P_PID, (id_t)tid, &info, WEXITED | WSTOPPED | WNOWAIT | WNOHANG | __WALL) < 0 &&
            errno != EINTR)
            return error_system(errno, "waiting for task %d", tid);
        if (!info.si_pid && looks % 64 == 63 && process_is_ended(tid))
            return error_system(ESRCH, "task %d", tid);
        if (!info.si_pid)
            await_pause(looks);
    }
    if (info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED)
        return error_system(ESRCH, "task %d", tid);
    while (waitpid(tid, ret, __WALL) < 0)
        if (errno != EINTR)
            return error_system(errno, "waiting for task %d", tid);
    return WIFSTOPPED(*ret) ? NULL : error_system(ESRCH, "task %d", tid);
}

/* Step until the instruction pointer has left the syscall instruction. A step from a syscall stop may first
 * report a stop where nothing has moved yet, and our own seccomp filter reports the call: both are stepped
 * from again. */
static struct error *step_over(struct task *task, uint64_t instruction, struct user_regs_struct *ret) {
    for (;;) {
        TRY(task_resume(task, RESUME_STEP, 0));
        int status;
        TRY(wait_stopped(task->tid, &status));
        task->stopped = true;
        if (status >> 16)
            continue;
        TRY(trace_get_registers(task->tid, ret));
        if (ret->rip == instruction + 2)
            return NULL;
        if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != (SIGTRAP | 0x80))
            return error_new(ERROR_OTHER, "injected call in task %d: stopped by signal %d at 0x%llx",
                             task->tid, WSTOPSIG(status), (unsigned long long)ret->rip);
    }
}

struct error *remote_syscall(struct task *task, uint64_t instruction, long number, const uint64_t args[6],
                             int64_t *ret) {
    struct user_regs_struct saved, regs;
    uint64_t mask;
    TRY(trace_get_registers(task->tid, &saved));
    TRY(trace_get_sigmask(task->tid, &mask));
    /* not SIGTRAP, by which the step ends: the kernel would reset the program's action for it */
    TRY(trace_set_sigmask(task->tid, ~(1ull << (SIGTRAP - 1))));
    regs = saved;
    regs.rip = instruction;
    regs.rax = (uint64_t)number;
    regs.orig_rax = (uint64_t)-1; /* no restart of the call that the task may be leaving */
    regs.rdi = args[0];
    regs.rsi = args[1];
    regs.rdx = args[2];
    regs.r10 = args[3];
    regs.r8 = args[4];
    regs.r9 = args[5];
    struct error *err = trace_set_registers(task->tid, &regs);
    if (!err)
        err = step_over(task, instruction, &regs);
    struct error *restore_err = trace_set_registers(task->tid, &saved); /* also when the call failed */
    if (!restore_err)
        restore_err = trace_set_sigmask(task->tid, mask);
    if (err) {
        error_free(restore_err);
        return err;
    }
    *ret = (int64_t)regs.rax;
    return restore_err;
}
