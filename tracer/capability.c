/* Three processes take part: reel, which only waits; the worker, forked for one probe, which may be killed or
 * spoilt by it; and, where the probe is about tracing, one child of the worker, the subject. The subject dies
 * with the worker (PR_SET_PDEATHSIG), the worker with reel. Below: the worker, the table. The subject and the
 * probes are in probes.c and probes_machine.c. */
#include "tracer/capability.h"

#include "base/clock.h"

#include "tracer/probes.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

/* Far more than any probe takes on a loaded machine, far less than a user waits. */
#define PROBE_MS 5000u
#define REAP_MS  1000u

/* ---- the worker ---- */

int worker_result_fd = -1;

/* Reel's handlers, timers and blocked signals are not for the worker; a core dump of a probe is for nobody.
 */
static void become_worker(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    for (int signo = 1; signo < NSIG; signo++)
        signal(signo, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
}

/* Descriptors 0 to 2 may be closed in reel; then nothing of ours must take their numbers, which probes use.
 */
static int above_standard_files(int fd) {
    int ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd <= 2)
        ;
    return ret;
}

static void worker_main(struct capability_result (*probe)(void), pid_t parent, int fd) {
    become_worker(parent);
    fd = worker_result_fd = above_standard_files(fd);
    struct capability_result ret = probe();
    subject_end();
    _exit(write(fd, &ret, sizeof(ret)) == sizeof(ret) ? 0 : 1);
}

static long long now_ms(void) {
    return (long long)(clock_now() / CLOCK_MILLISECOND);
}

/* What the worker says: 1 it did, 0 it ended without a word, -1 it took too long. A message of this size is
 * one write and one read of a pipe. */
static int read_result(int fd, unsigned timeout_ms, struct capability_result *ret) {
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    long long end = now_ms() + timeout_ms;
    for (;;) {
        long long left = end - now_ms();
        int ready = poll(&wanted, 1, left > 0 ? (int)left : 0);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return -1;
        return read(fd, ret, sizeof(*ret)) == sizeof(*ret);
    }
}

/* Wait for a worker that has been killed or has nothing left to do; bounded even so, since one that is stuck
 * in the kernel does not die. */
static int reap(pid_t pid) {
    int status = 0;
    for (long long end = now_ms() + REAP_MS; now_ms() < end;) {
        pid_t got = waitpid(pid, &status, __WALL | WNOHANG);
        if (got == pid || (got < 0 && errno != EINTR))
            break;
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    return status;
}

struct capability_result capability_run(struct capability_result (*probe)(void), unsigned timeout_ms) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return missing("pipe");
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        close(fds[0]);
        worker_main(probe, parent, fds[1]);
    }
    close(fds[1]);
    struct capability_result ret = {0};
    int told = pid < 0 ? 0 : read_result(fds[0], timeout_ms, &ret);
    close(fds[0]);
    if (pid < 0)
        return missing("fork");
    if (told != 0) /* nothing is left for it to do; if it ended by itself, its status tells how */
        kill(pid, SIGKILL);
    int status = reap(pid);
    if (told < 0)
        return result(CAPABILITY_BROKEN, "the probe did not end within %u ms", timeout_ms);
    return told ? ret : died(status);
}

/* ---- the table ---- */

#define CONTAINER_HINT "in a container: --cap-add=SYS_PTRACE --security-opt seccomp=unconfined"

static const struct capability_row rows[] = {
    {"ptrace", "seize a child, stop it, read its registers", CAPABILITY_RECORD | CAPABILITY_REPLAY,
     "runs, stops and inspects the program",
     "nothing replaces it; not inside another tracer; " CONTAINER_HINT, probe_ptrace},
    {"yama", "kernel.yama.ptrace_scope lets children be traced", 0, "lets reel trace what it starts",
     "forbids all tracing: `sysctl kernel.yama.ptrace_scope=1` as root", probe_yama},
    {"cap-sys-ptrace", "trace a process that made itself undumpable", CAPABILITY_BETTER,
     "programs that make themselves undumpable can be recorded, too",
     "programs that make themselves undumpable, or whose file cannot be read, cannot be recorded",
     probe_cap_sys_ptrace},
    {"seccomp", "a filter that reports system calls (RET_TRACE), with no_new_privs", CAPABILITY_RECORD,
     "stops the recorded program at its system calls", "nothing replaces it; " CONTAINER_HINT, probe_seccomp},
    {"seccomp-privileged", "the same filter without no_new_privs", CAPABILITY_BETTER,
     "the recorded program need not run with no_new_privs",
     "no_new_privs is set: set-user-ID programs (sudo, ping) run without their privileges when recorded",
     probe_seccomp_privileged},
    {"sysemu", "PTRACE_SYSEMU: stop at a system call and skip it", CAPABILITY_REPLAY,
     "replay answers system calls from the log, executing none", "nothing replaces it", probe_sysemu},
    {"syscall-info", "PTRACE_GET_SYSCALL_INFO", 0, "not used: the registers tell", NULL, probe_syscall_info},
    {"process-vm", "process_vm_readv and process_vm_writev of a traced child", CAPABILITY_BETTER,
     "reads and writes the program's memory",
     "memory is read and written through /proc/PID/mem, which is slower", probe_process_vm},
    {"proc-mem", "write to a read-only page through /proc/PID/mem", CAPABILITY_RECORD | CAPABILITY_REPLAY,
     "patches code, and fills read-only pages in replay",
     "nothing replaces it (kernel parameter proc_mem.force_override=ptrace allows it)", probe_proc_mem},
    {"pagemap", "/proc/PID/pagemap tells which pages exist", CAPABILITY_RECORD,
     "finds the pages that a snapshot must hold", "nothing replaces it", probe_pagemap},
    {"kcmp", "kcmp: do two descriptors share one open file?", CAPABILITY_BETTER,
     "knows the program's output from other writes to the same file",
     "files are compared instead: what the program writes to a file that is also its output is shown in "
     "replay",
     probe_kcmp},
    {"pidfd-getfd", "pidfd_getfd: take a descriptor of a traced child", CAPABILITY_BETTER,
     "keeps mapped files that cannot be opened again",
     "a program that maps a file that cannot be opened again is recorded up to there", probe_pidfd_getfd},
    {"user-dispatch", "Syscall User Dispatch raises SIGSYS", 0, "not used yet: seccomp stops the program",
     NULL, probe_user_dispatch},
    {"tsc-trap", "PR_SET_TSC makes rdtsc trap", 0,
     "not used: rdtsc and its kin are found by disassembly and patched with a trap", NULL, probe_tsc},
    {"cpuid-trap", "ARCH_SET_CPUID makes cpuid trap", 0,
     "not used: cpuid is found by disassembly and patched with a trap", NULL, probe_cpuid},
    {"perf-counters", "a hardware counter of instructions (perf_event_open)", 0, "not needed", NULL,
     probe_perf},
    {"debug-registers", "a watchpoint in a traced child fires at each write", 0, "not used", NULL,
     probe_debug_registers},
    {"userfaultfd", "userfaultfd notices writes to protected pages", 0, "not used yet", NULL,
     probe_userfaultfd},
    {"pagemap-scan", "the PAGEMAP_SCAN ioctl tells which pages exist", 0, "not used yet: pagemap is read",
     NULL, probe_pagemap_scan},
    {"reflink", "FICLONE between two files of the current folder", CAPABILITY_BETTER,
     "mapped files are cloned into recordings that are made here",
     "mapped files are copied into recordings that are made here: time and disk space", probe_reflink},
    {"stub-page", "map the page that the replayed process starts from", CAPABILITY_REPLAY,
     "replay makes its memory calls from there",
     "nothing replaces it: `sysctl vm.mmap_min_addr=65536` as root may allow it", probe_stub_page},
    {"vdso", "reel knows the functions of this kernel's vdso", CAPABILITY_RECORD,
     "patches them into system calls, so that the log has what they answer",
     "nothing replaces it: a clock that reel does not know cannot be logged; please report it", probe_vdso},
};

size_t capability_count(void) {
    return sizeof(rows) / sizeof(rows[0]);
}

const struct capability_row *capability_rows(void) {
    return rows;
}

struct capability_result capability_probe(size_t index) {
    return capability_run(rows[index].probe, PROBE_MS);
}

enum capability capability_check(const char *name) {
    for (size_t i = 0; i < capability_count(); i++)
        if (!strcmp(rows[i].name, name))
            return capability_probe(i).state;
    return CAPABILITY_MISSING;
}
