/* The subject, and the probes that are about tracing it: ptrace and seccomp. */
#include "tracer/probes.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* An exit status and a system call result that nothing else gives. */
#define STATUS_IGNORED 255
#define ANSWER         424242

/* ---- the subject ---- */

pid_t subject_pid;
static int subject_channel = -1; /* the worker's end of a socket pair */

bool subject_spawn(void (*body)(int channel)) {
    int fds[2];
    pid_t worker = getpid();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return false;
    subject_pid = fork();
    if (subject_pid == 0) {
        close(worker_result_fd);
        close(fds[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == worker)
            body(fds[1]);
        _exit(0);
    }
    close(fds[1]);
    subject_channel = fds[0];
    return subject_pid > 0;
}

int subject_wait(void) {
    int status = 0;
    while (waitpid(subject_pid, &status, __WALL) < 0)
        if (errno != EINTR)
            return 0;
    return status;
}

static bool tell(int channel) {
    return write(channel, "g", 1) == 1;
}

struct capability_result subject_start(void (*body)(int channel)) {
    if (!subject_spawn(body))
        return missing("fork");
    ATTEMPT("seize", trace_seize(subject_pid, true));
    if (!tell(subject_channel) || !stopped_by(subject_wait(), SIGTRAP))
        return broken("a traced child does not stop");
    return works();
}

struct error *subject_resume(enum resume how, int *ret) {
    TRY(trace_resume(subject_pid, how, 0));
    *ret = subject_wait();
    return NULL;
}

/* The subject must be waited for here: in a container the first process often does not. */
void subject_end(void) {
    if (subject_pid <= 0)
        return;
    int status = 0;
    kill(subject_pid, SIGKILL);
    for (pid_t got = 0; got >= 0 && (got == 0 || WIFSTOPPED(status));) {
        got = waitpid(subject_pid, &status, __WALL);
        if (got < 0 && errno == EINTR)
            got = 0;
    }
    subject_pid = 0;
}

/* ---- ptrace ---- */

static void body_idle(int channel) {
    await(channel);
}

struct capability_result probe_ptrace(void) {
    struct user_regs_struct regs;
    if (!subject_spawn(body_idle))
        return missing("fork");
    ATTEMPT("seize", trace_seize(subject_pid, true));
    ATTEMPT("interrupt", trace_interrupt(subject_pid));
    if (!WIFSTOPPED(subject_wait()))
        return broken("a seized child does not stop");
    ATTEMPT("registers", trace_get_registers(subject_pid, &regs));
    return regs.rip ? works() : broken("a seized child has no registers");
}

/* Scope 2 and 3 are tried, since they ask for a privilege that we may have. */
struct capability_result probe_yama(void) {
    int scope = 0;
    FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
    if (!file)
        return result(CAPABILITY_WORKS, "no yama in this kernel");
    int fields = fscanf(file, "%d", &scope);
    fclose(file);
    if (fields != 1)
        return broken("ptrace_scope cannot be read");
    bool allowed = scope <= 1 || probe_ptrace().state == CAPABILITY_WORKS;
    return result(allowed ? CAPABILITY_WORKS : CAPABILITY_MISSING, "ptrace_scope is %d", scope);
}

static void body_undumpable(int channel) {
    if (prctl(PR_SET_DUMPABLE, 0) == 0 && tell(channel))
        await(channel);
}

/* Only with the capability may an undumpable process be traced. */
struct capability_result probe_cap_sys_ptrace(void) {
    if (!subject_spawn(body_undumpable))
        return missing("fork");
    if (!await(subject_channel))
        return broken("a child cannot make itself undumpable");
    ATTEMPT("seize of an undumpable child", trace_seize(subject_pid, true));
    return works();
}

/* As the puppet of replay does it: no seize, and no call is executed, the last one included. That one is made
 * bare, since sanitizers make calls of their own in _exit(2). */
static void body_sysemu(int channel) {
    (void)channel;
    if (trace_me() < 0)
        _exit(errno);
    syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP);
    syscall(SYS_exit_group, syscall(SYS_getppid) == ANSWER ? 0 : STATUS_IGNORED);
}

static struct error *answer_call(void) {
    struct user_regs_struct regs;
    TRY(trace_get_registers(subject_pid, &regs));
    regs.rax = ANSWER;
    regs.orig_rax = (unsigned long long)-1;
    return trace_set_registers(subject_pid, &regs);
}

struct capability_result probe_sysemu(void) {
    struct user_regs_struct regs;
    if (!subject_spawn(body_sysemu))
        return missing("fork");
    int status = subject_wait();
    if (WIFEXITED(status)) {
        errno = WEXITSTATUS(status);
        return missing("PTRACE_TRACEME");
    }
    if (WIFSIGNALED(status))
        return died(status);
    if (!stopped_by(status, SIGSTOP))
        return broken("a traced child does not stop");
    ATTEMPT("options", trace_set_options(subject_pid));
    ATTEMPT("PTRACE_SYSEMU", subject_resume(RESUME_SYSEMU, &status));
    if (!stopped_by(status, SIGTRAP | 0x80))
        return broken("no stop at a system call");
    ATTEMPT("registers", answer_call());
    ATTEMPT("PTRACE_SYSEMU", subject_resume(RESUME_SYSEMU, &status));
    if (!stopped_by(status, SIGTRAP | 0x80))
        return broken("the call was executed");
    ATTEMPT("registers", trace_get_registers(subject_pid, &regs));
    return regs.orig_rax == SYS_exit_group && regs.rdi == 0 ? works() : broken("the answer was lost");
}

static void body_call(int channel) {
    if (!await(channel))
        return;
    stop_here();
    syscall(SYS_getppid);
}

struct capability_result probe_syscall_info(void) {
    bool entry;
    uint64_t number;
    int status;
    START_TRACED(body_call);
    ATTEMPT("PTRACE_SYSCALL", subject_resume(RESUME_SYSCALL, &status));
    if (!stopped_by(status, SIGTRAP | 0x80))
        return broken("no stop at a system call");
    ATTEMPT("PTRACE_GET_SYSCALL_INFO", trace_get_syscall(subject_pid, &entry, &number));
    return entry && number == SYS_getppid ? works() : broken("tells another call");
}

/* ---- seccomp ---- */

static int install_filter(void) {
    struct sock_filter instructions[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE)};
    struct sock_fprog program = {.len = 1, .filter = instructions};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static void filtered(int channel) {
    if (!await(channel))
        return;
    stop_here();
    if (install_filter() < 0)
        _exit(errno);
    _exit(syscall(SYS_getppid) == ANSWER ? 0 : STATUS_IGNORED);
}

static void body_filter(int channel) {
    filtered(channel);
}

static void body_filter_no_new_privs(int channel) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        _exit(errno);
    filtered(channel);
}

/* Let the subject run to its end; answer the getppid that the filter reports. */
static struct error *run_filtered(int *ret_status) {
    TRY(subject_resume(RESUME_CONT, ret_status));
    while (WIFSTOPPED(*ret_status)) {
        struct user_regs_struct regs;
        TRY(trace_get_registers(subject_pid, &regs));
        if (*ret_status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) && regs.orig_rax == SYS_getppid)
            TRY(answer_call());
        TRY(subject_resume(RESUME_CONT, ret_status));
    }
    return NULL;
}

static struct capability_result probe_filter(void (*body)(int channel)) {
    int status;
    START_TRACED(body);
    ATTEMPT("filtered child", run_filtered(&status));
    if (WIFSIGNALED(status))
        return died(status);
    errno = WEXITSTATUS(status);
    if (errno == STATUS_IGNORED)
        return broken("the filter does not report calls");
    return errno ? missing("seccomp filter") : works();
}

struct capability_result probe_seccomp(void) {
    return probe_filter(body_filter_no_new_privs);
}

struct capability_result probe_seccomp_privileged(void) {
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return result(CAPABILITY_MISSING, "no_new_privs is set already");
    return probe_filter(body_filter);
}
