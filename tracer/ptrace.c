#include "tracer/ptrace.h"

#include <elf.h>
#include <errno.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#endif

/* The kernel reports every failure to find a stopped tracee as ESRCH: error_system() makes that TASK_GONE. */
static struct error *call(const char *what, enum __ptrace_request request, pid_t tid, void *address,
                          void *data) {
    if (ptrace(request, tid, address, data) == -1)
        return error_system(errno, "ptrace %s of task %d", what, tid);
    return NULL;
}

struct error *trace_seize(pid_t tid, bool kill_with_tracer) {
    unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
                            PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORKDONE |
                            PTRACE_O_TRACESECCOMP;
    if (kill_with_tracer)
        options |= PTRACE_O_EXITKILL;
    return call("SEIZE", PTRACE_SEIZE, tid, NULL, (void *)options);
}

/* Not TRACESECCOMP: a program that filters its own calls must find them answered as without a tracer. */
static unsigned long watch_options(unsigned flags) {
    return PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE |
           (flags & WATCH_EXITS ? PTRACE_O_TRACEEXIT : 0) |
           (flags & WATCH_PROCESSES ? PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK : 0);
}

struct error *trace_seize_watched(pid_t tid, unsigned flags) {
    return call("SEIZE", PTRACE_SEIZE, tid, NULL, (void *)watch_options(flags));
}

struct error *trace_watch(pid_t tid, unsigned flags) {
    return call("SETOPTIONS", PTRACE_SETOPTIONS, tid, NULL, (void *)watch_options(flags));
}

struct error *trace_interrupt(pid_t tid) {
    return call("INTERRUPT", PTRACE_INTERRUPT, tid, NULL, NULL);
}

struct error *trace_detach(pid_t tid, int signo) {
    return call("DETACH", PTRACE_DETACH, tid, NULL, (void *)(long)signo);
}

struct error *trace_resume(pid_t tid, enum resume how, int signo) {
    static const enum __ptrace_request requests[] = {
        [RESUME_CONT] = PTRACE_CONT,
        [RESUME_SYSCALL] = PTRACE_SYSCALL,
        [RESUME_SYSEMU] = PTRACE_SYSEMU,
        [RESUME_STEP] = PTRACE_SINGLESTEP,
        [RESUME_SYSEMU_STEP] = PTRACE_SYSEMU_SINGLESTEP,
        [RESUME_LISTEN] = PTRACE_LISTEN,
    };
    return call("resume", requests[how], tid, NULL, (void *)(long)signo);
}

struct error *trace_get_registers(pid_t tid, struct user_regs_struct *ret) {
    return call("GETREGS", PTRACE_GETREGS, tid, NULL, ret);
}

struct error *trace_set_registers(pid_t tid, const struct user_regs_struct *regs) {
    return call("SETREGS", PTRACE_SETREGS, tid, NULL, (void *)(uintptr_t)regs);
}

struct error *trace_set_user_word(pid_t tid, size_t offset, uint64_t value) {
    return call("POKEUSER", PTRACE_POKEUSER, tid, (void *)offset, (void *)value);
}

struct error *trace_get_user_word(pid_t tid, size_t offset, uint64_t *ret) {
    errno = 0;
    long value = ptrace(PTRACE_PEEKUSER, tid, (void *)offset, NULL);
    if (value == -1 && errno)
        return error_system(errno, "ptrace PEEKUSER of task %d", tid);
    *ret = (uint64_t)value;
    return NULL;
}

struct error *trace_get_xstate(pid_t tid, void *ret, size_t *ret_size) {
    struct iovec iov = {.iov_base = ret, .iov_len = XSTATE_MAX};
    TRY(call("GETREGSET", PTRACE_GETREGSET, tid, (void *)NT_X86_XSTATE, &iov));
    *ret_size = iov.iov_len;
    return NULL;
}

struct error *trace_set_xstate(pid_t tid, const void *xstate, size_t size) {
    struct iovec iov = {.iov_base = (void *)(uintptr_t)xstate, .iov_len = size};
    return call("SETREGSET", PTRACE_SETREGSET, tid, (void *)NT_X86_XSTATE, &iov);
}

struct error *trace_get_siginfo(pid_t tid, siginfo_t *ret) {
    return call("GETSIGINFO", PTRACE_GETSIGINFO, tid, NULL, ret);
}

struct error *trace_set_siginfo(pid_t tid, const siginfo_t *info) {
    return call("SETSIGINFO", PTRACE_SETSIGINFO, tid, NULL, (void *)(uintptr_t)info);
}

#define PEEK_COUNT 32

struct error *trace_has_pending(pid_t tid, int signo, int code, bool *ret) {
    siginfo_t infos[PEEK_COUNT];
    struct __ptrace_peeksiginfo_args args = {.nr = PEEK_COUNT};
    long count = ptrace(PTRACE_PEEKSIGINFO, tid, &args, infos);
    if (count < 0)
        return error_system(errno, "ptrace PEEKSIGINFO of task %d", tid);
    *ret = false;
    for (long i = 0; i < count; i++)
        if (infos[i].si_signo == signo && infos[i].si_code == code)
            *ret = true;
    return NULL;
}

struct error *trace_get_sigmask(pid_t tid, uint64_t *ret) {
    return call("GETSIGMASK", PTRACE_GETSIGMASK, tid, (void *)sizeof(*ret), ret);
}

struct error *trace_set_sigmask(pid_t tid, uint64_t mask) {
    return call("SETSIGMASK", PTRACE_SETSIGMASK, tid, (void *)sizeof(mask), &mask);
}

struct error *trace_event_message(pid_t tid, unsigned long *ret) {
    return call("GETEVENTMSG", PTRACE_GETEVENTMSG, tid, NULL, ret);
}

struct error *trace_get_syscall(pid_t tid, bool *ret_entry, uint64_t *ret_number) {
    struct __ptrace_syscall_info info = {0};
    TRY(call("GET_SYSCALL_INFO", PTRACE_GET_SYSCALL_INFO, tid, (void *)sizeof(info), &info));
    *ret_entry = info.op == PTRACE_SYSCALL_INFO_ENTRY;
    *ret_number = *ret_entry ? info.entry.nr : 0;
    return NULL;
}

int trace_me(void) {
    return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

struct error *trace_set_options(pid_t tid) {
    return call("SETOPTIONS", PTRACE_SETOPTIONS, tid, NULL,
                (void *)(long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
}

void trace_without_signals(void) {
    struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP};
    (void)sigaction(SIGCHLD, &action, NULL); /* with these arguments it cannot fail */
}
