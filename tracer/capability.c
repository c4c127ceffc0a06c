/* Three processes take part: reel, which only waits; the worker, forked for one probe, which may be killed or
 * spoilt by it; and, where the probe is about tracing, one child of the worker, the subject. The subject dies
 * with the worker (PR_SET_PDEATHSIG), the worker with reel. Below: the worker, the subject, the probes, the
 * table. */
#include "tracer/capability.h"

#include "tracer/maps.h"
#include "tracer/ptrace.h"
#include "tracer/vdso.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/kcmp.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

/* Headers older than the kernel lack these. Sources: include/uapi/linux/prctl.h, userfaultfd.h, fs.h. */
#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
#define DISPATCH_ON            1
#define DISPATCH_ALLOW         0
#define DISPATCH_BLOCK         1
#define SYS_CODE_USER_DISPATCH 2 /* si_code of its SIGSYS */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define SET_CPUID_FAULTING 0x1012 /* ARCH_SET_CPUID of asm/prctl.h */

#define PAGE 4096u
/* Far more than any probe takes on a loaded machine, far less than a user waits. */
#define PROBE_MS 5000u
#define REAP_MS  1000u
/* An exit status and a system call result that nothing else gives. */
#define STATUS_IGNORED 255
#define ANSWER         424242

/* ---- results ---- */

static struct capability_result result(enum capability state, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static struct capability_result result(enum capability state, const char *format, ...) {
    struct capability_result ret = {.state = state};
    va_list args;
    va_start(args, format);
    vsnprintf(ret.detail, sizeof(ret.detail), format, args);
    va_end(args);
    return ret;
}

static struct capability_result works(void) {
    return result(CAPABILITY_WORKS, "%s", "");
}

/* By errno. */
static struct capability_result missing(const char *what) {
    return result(CAPABILITY_MISSING, "%s: %s", what, strerror(errno));
}

static struct capability_result broken(const char *what) {
    return result(CAPABILITY_BROKEN, "%s", what);
}

/* By an error, which is freed. Its own words name the pid of the moment, so only what failed is kept. */
static struct capability_result failed(const char *what, struct error *err) {
    errno = err->errnum;
    error_free(err);
    return missing(what);
}

/* Like TRY() of base/error.h. */
#define ATTEMPT(what, expression)                                                                            \
    do {                                                                                                     \
        struct error *attempt_error_ = (expression);                                                         \
        if (attempt_error_)                                                                                  \
            return failed(what, attempt_error_);                                                             \
    } while (0)

/* ---- the worker ---- */

/* What a probe of this process has made: one subject at most. */
static pid_t subject;
static int subject_channel = -1; /* the worker's end of a socket pair */
static int result_fd = -1;

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

/* The subject must be waited for here: in a container the first process often does not. */
static void end_subject(void) {
    if (subject <= 0)
        return;
    int status = 0;
    kill(subject, SIGKILL);
    for (pid_t got = 0; got >= 0 && (got == 0 || WIFSTOPPED(status));) {
        got = waitpid(subject, &status, __WALL);
        if (got < 0 && errno == EINTR)
            got = 0;
    }
    subject = 0;
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
    fd = result_fd = above_standard_files(fd);
    struct capability_result ret = probe();
    end_subject();
    _exit(write(fd, &ret, sizeof(ret)) == sizeof(ret) ? 0 : 1);
}

static long long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
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

static struct capability_result died(int status) {
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return result(CAPABILITY_MISSING, "forbidden by a seccomp filter");
    if (WIFSIGNALED(status))
        return result(CAPABILITY_BROKEN, "the probe was killed by signal %d", WTERMSIG(status));
    return broken("the probe ended without a result");
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

/* ---- the subject ---- */

/* Fork the subject, which runs body. */
static bool spawn(void (*body)(int channel)) {
    int fds[2];
    pid_t worker = getpid();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return false;
    subject = fork();
    if (subject == 0) {
        close(result_fd);
        close(fds[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == worker)
            body(fds[1]);
        _exit(0);
    }
    close(fds[1]);
    subject_channel = fds[0];
    return subject > 0;
}

/* One byte from the other side; false when it is gone. */
static bool await(int channel) {
    char byte;
    return read(channel, &byte, 1) == 1;
}

static bool tell(int channel) {
    return write(channel, "g", 1) == 1;
}

/* The next stop or end of the subject, as waitpid(2) puts it; 0 when there is none. */
static int wait_subject(void) {
    int status = 0;
    while (waitpid(subject, &status, __WALL) < 0)
        if (errno != EINTR)
            return 0;
    return status;
}

static bool stopped_by(int status, int signo) {
    return WIFSTOPPED(status) && status >> 16 == 0 && WSTOPSIG(status) == signo;
}

/* In a subject: stop for the tracer. */
static inline void stop_here(void) {
    __asm__ volatile("int3" ::: "memory");
}

/* Run body in a subject that is seized, up to its stop_here(). Body waits for its channel first. */
static struct capability_result start_traced(void (*body)(int channel)) {
    if (!spawn(body))
        return missing("fork");
    ATTEMPT("seize", trace_seize(subject, true));
    if (!tell(subject_channel) || !stopped_by(wait_subject(), SIGTRAP))
        return broken("a traced child does not stop");
    return works();
}

#define START_TRACED(body)                                                                                   \
    do {                                                                                                     \
        struct capability_result start_result_ = start_traced(body);                                         \
        if (start_result_.state != CAPABILITY_WORKS)                                                         \
            return start_result_;                                                                            \
    } while (0)

/* Go on to the next stop; its status goes to *ret. */
static struct error *resume_subject(enum resume how, int *ret) {
    TRY(trace_resume(subject, how, 0));
    *ret = wait_subject();
    return NULL;
}

/* Memory that subject and worker have at the same address, each its own. */
static uint8_t *private_pages(size_t count, int protection) {
    void *pages = mmap(NULL, count * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

/* ---- faults of the worker itself ---- */

static sigjmp_buf fault_return;

static void on_fault(int signo) {
    siglongjmp(fault_return, signo);
}

/* Does act() raise signo? */
static bool raises(int signo, void (*act)(void)) {
    struct sigaction action = {.sa_handler = on_fault}, before;
    sigaction(signo, &action, &before);
    bool raised = sigsetjmp(fault_return, 1) != 0;
    if (!raised)
        act();
    sigaction(signo, &before, NULL);
    return raised;
}

/* ---- probes: ptrace ---- */

static void body_idle(int channel) {
    await(channel);
}

static struct capability_result probe_ptrace(void) {
    struct user_regs_struct regs;
    if (!spawn(body_idle))
        return missing("fork");
    ATTEMPT("seize", trace_seize(subject, true));
    ATTEMPT("interrupt", trace_interrupt(subject));
    if (!WIFSTOPPED(wait_subject()))
        return broken("a seized child does not stop");
    ATTEMPT("registers", trace_get_registers(subject, &regs));
    return regs.rip ? works() : broken("a seized child has no registers");
}

/* Scope 2 and 3 are tried, since they ask for a privilege that we may have. */
static struct capability_result probe_yama(void) {
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
static struct capability_result probe_cap_sys_ptrace(void) {
    if (!spawn(body_undumpable))
        return missing("fork");
    if (!await(subject_channel))
        return broken("a child cannot make itself undumpable");
    ATTEMPT("seize of an undumpable child", trace_seize(subject, true));
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
    TRY(trace_get_registers(subject, &regs));
    regs.rax = ANSWER;
    regs.orig_rax = (unsigned long long)-1;
    return trace_set_registers(subject, &regs);
}

static struct capability_result probe_sysemu(void) {
    struct user_regs_struct regs;
    if (!spawn(body_sysemu))
        return missing("fork");
    int status = wait_subject();
    if (WIFEXITED(status)) {
        errno = WEXITSTATUS(status);
        return missing("PTRACE_TRACEME");
    }
    if (WIFSIGNALED(status))
        return died(status);
    if (!stopped_by(status, SIGSTOP))
        return broken("a traced child does not stop");
    ATTEMPT("options", trace_set_options(subject));
    ATTEMPT("PTRACE_SYSEMU", resume_subject(RESUME_SYSEMU, &status));
    if (!stopped_by(status, SIGTRAP | 0x80))
        return broken("no stop at a system call");
    ATTEMPT("registers", answer_call());
    ATTEMPT("PTRACE_SYSEMU", resume_subject(RESUME_SYSEMU, &status));
    if (!stopped_by(status, SIGTRAP | 0x80))
        return broken("the call was executed");
    ATTEMPT("registers", trace_get_registers(subject, &regs));
    return regs.orig_rax == SYS_exit_group && regs.rdi == 0 ? works() : broken("the answer was lost");
}

static void body_call(int channel) {
    if (!await(channel))
        return;
    stop_here();
    syscall(SYS_getppid);
}

static struct capability_result probe_syscall_info(void) {
    bool entry;
    uint64_t number;
    int status;
    START_TRACED(body_call);
    ATTEMPT("PTRACE_SYSCALL", resume_subject(RESUME_SYSCALL, &status));
    if (!stopped_by(status, SIGTRAP | 0x80))
        return broken("no stop at a system call");
    ATTEMPT("PTRACE_GET_SYSCALL_INFO", trace_get_syscall(subject, &entry, &number));
    return entry && number == SYS_getppid ? works() : broken("tells another call");
}

/* ---- probes: seccomp ---- */

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
    TRY(resume_subject(RESUME_CONT, ret_status));
    while (WIFSTOPPED(*ret_status)) {
        struct user_regs_struct regs;
        TRY(trace_get_registers(subject, &regs));
        if (*ret_status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) && regs.orig_rax == SYS_getppid)
            TRY(answer_call());
        TRY(resume_subject(RESUME_CONT, ret_status));
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

static struct capability_result probe_seccomp(void) {
    return probe_filter(body_filter_no_new_privs);
}

static struct capability_result probe_seccomp_privileged(void) {
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return result(CAPABILITY_MISSING, "no_new_privs is set already");
    return probe_filter(body_filter);
}

/* ---- probes: memory of another process ---- */

static volatile uint64_t shown = 1;

static void body_memory(int channel) {
    if (!await(channel))
        return;
    shown = 2;
    stop_here();
}

static struct capability_result probe_process_vm(void) {
    uint64_t value = 0, written = 3;
    struct iovec local = {.iov_base = &value, .iov_len = sizeof(value)};
    struct iovec source = {.iov_base = &written, .iov_len = sizeof(written)};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)&shown, .iov_len = sizeof(shown)};
    START_TRACED(body_memory);
    if (process_vm_readv(subject, &local, 1, &remote, 1, 0) != sizeof(value))
        return missing("process_vm_readv");
    if (value != 2)
        return broken("reads other bytes");
    if (process_vm_writev(subject, &source, 1, &remote, 1, 0) != sizeof(written))
        return missing("process_vm_writev");
    if (process_vm_readv(subject, &local, 1, &remote, 1, 0) != sizeof(value) || value != written)
        return broken("does not write");
    return works();
}

static int open_of_subject(const char *name, int flags) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", subject, name);
    return open(path, flags | O_CLOEXEC);
}

/* A page that the subject may only read: patching code needs that (kernels may forbid it:
 * proc_mem.force_override). */
static struct capability_result probe_proc_mem(void) {
    uint64_t value = 5, found = 0;
    uint8_t *page = private_pages(1, PROT_READ);
    if (!page)
        return missing("mmap");
    START_TRACED(body_memory);
    int fd = open_of_subject("mem", O_RDWR);
    if (fd < 0)
        return missing("open");
    if (pwrite(fd, &value, sizeof(value), (off_t)(uintptr_t)page) != sizeof(value))
        return missing("write to a read-only page");
    if (pread(fd, &found, sizeof(found), (off_t)(uintptr_t)page) != sizeof(found))
        return missing("read");
    return found == value ? works() : broken("does not write");
}

/* Two pages, the first of them touched: too few for the kernel to hand out more at once. */
static struct capability_result probe_pagemap(void) {
    bool own[2] = {false, false};
    uint8_t *pages = private_pages(2, PROT_READ | PROT_WRITE);
    if (!pages)
        return missing("mmap");
    *(volatile uint8_t *)pages = 1;
    START_TRACED(body_memory);
    ATTEMPT("pagemap", maps_own_pages(subject, (uint64_t)(uintptr_t)pages, 2, own));
    return own[0] && !own[1] ? works() : broken("tells other pages");
}

/* include/uapi/linux/fs.h, Linux 6.7: struct pm_scan_arg, struct page_region. */
struct scan {
    uint64_t size, flags, start, end, walk_end, vector, vector_size, most_pages;
    uint64_t inverted, mask, any_of, wanted;
};
struct scan_region {
    uint64_t start, end, categories;
};
#define SCAN_REQUEST _IOWR('f', 16, struct scan)
#define SCAN_PRESENT (1u << 3)

static struct capability_result probe_pagemap_scan(void) {
    struct scan_region region = {0};
    uint8_t *pages = private_pages(2, PROT_READ | PROT_WRITE);
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (!pages || fd < 0)
        return missing("pagemap");
    pages[0] = 1;
    uint64_t start = (uint64_t)(uintptr_t)pages;
    struct scan scan = {.size = sizeof(scan),
                        .start = start,
                        .end = start + 2 * PAGE,
                        .vector = (uint64_t)(uintptr_t)&region,
                        .vector_size = 1,
                        .mask = SCAN_PRESENT,
                        .wanted = SCAN_PRESENT};
    int found = ioctl(fd, SCAN_REQUEST, &scan);
    if (found < 0)
        return missing("PAGEMAP_SCAN");
    return found == 1 && region.start == start && region.end == start + PAGE ? works()
                                                                             : broken("tells other pages");
}

/* Protect the page and write to it: with UFFD_FEATURE_SIGBUS the fault comes back as a signal, so nobody has
 * to answer. */
static uint8_t *watched_page;

static void write_watched_page(void) {
    *(volatile uint8_t *)watched_page = 2;
}

static int open_userfaultfd(void) {
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
    if (fd < 0 && errno == EINVAL) /* before Linux 5.11 */
        fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    return fd;
}

static struct capability_result probe_userfaultfd(void) {
    struct uffdio_api api = {.api = UFFD_API,
                             .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_SIGBUS};
    watched_page = private_pages(1, PROT_READ | PROT_WRITE);
    int fd = open_userfaultfd();
    if (!watched_page || fd < 0)
        return missing("userfaultfd");
    write_watched_page(); /* only pages that exist are protected */
    struct uffdio_range range = {.start = (uint64_t)(uintptr_t)watched_page, .len = PAGE};
    struct uffdio_register registration = {.range = range, .mode = UFFDIO_REGISTER_MODE_WP};
    struct uffdio_writeprotect protect = {.range = range, .mode = UFFDIO_WRITEPROTECT_MODE_WP};
    if (ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &registration) < 0 ||
        ioctl(fd, UFFDIO_WRITEPROTECT, &protect) < 0)
        return missing("write protection");
    return raises(SIGBUS, write_watched_page) ? works() : broken("writes are not noticed");
}

/* ---- probes: descriptors and files ---- */

/* The subject has another open file at 0 and the worker's at 1. */
static void body_files(int channel) {
    if (!await(channel))
        return;
    int fd = memfd_create("reel", MFD_CLOEXEC);
    if (fd < 0 || dup2(fd, 0) < 0 || write(fd, "reel", 4) != 4)
        _exit(errno);
    stop_here();
}

static struct capability_result probe_kcmp(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
        return missing("/dev/null");
    START_TRACED(body_files);
    long same = syscall(SYS_kcmp, getpid(), subject, KCMP_FILE, 1, 1);
    long other = syscall(SYS_kcmp, getpid(), subject, KCMP_FILE, 1, 0);
    if (same < 0 || other < 0)
        return missing("kcmp");
    return same == 0 && other != 0 ? works() : broken("tells other files");
}

static struct capability_result probe_pidfd_getfd(void) {
    char text[4] = "";
    START_TRACED(body_files);
    int pidfd = (int)syscall(SYS_pidfd_open, subject, 0);
    if (pidfd < 0)
        return missing("pidfd_open");
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, 0, 0);
    if (fd < 0)
        return missing("pidfd_getfd");
    return pread(fd, text, 4, 0) == 4 && !memcmp(text, "reel", 4) ? works() : broken("gives another file");
}

/* A file of the current folder that nobody sees. */
static int nameless_file(void) {
    char name[] = ".reel-doctor-XXXXXX";
    int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    return fd;
}

static struct capability_result probe_reflink(void) {
    char block[PAGE], found[PAGE] = "";
    memset(block, 'r', sizeof(block));
    int from = nameless_file(), to = nameless_file();
    if (from < 0 || to < 0)
        return missing("a file in this folder");
    if (write(from, block, sizeof(block)) != sizeof(block))
        return missing("a file in this folder");
    if (ioctl(to, FICLONE, from) < 0)
        return missing("FICLONE");
    bool same = pread(to, found, sizeof(found), 0) == sizeof(found) && !memcmp(found, block, sizeof(block));
    return same ? works() : broken("the clone has other contents");
}

/* ---- probes: the processor ---- */

static void read_tsc(void) {
    __rdtsc();
}

static struct capability_result probe_tsc(void) {
    if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV) < 0)
        return missing("PR_SET_TSC");
    return raises(SIGSEGV, read_tsc) ? works() : broken("accepted, but rdtsc does not trap");
}

static void read_cpuid(void) {
    unsigned a, b, c, d;
    __cpuid(0, a, b, c, d);
    (void)a, (void)b, (void)c, (void)d; /* the instruction is volatile */
}

static struct capability_result probe_cpuid(void) {
    if (syscall(SYS_arch_prctl, SET_CPUID_FAULTING, 0) < 0)
        return missing("ARCH_SET_CPUID");
    return raises(SIGSEGV, read_cpuid) ? works() : broken("accepted, but cpuid does not trap");
}

#define COUNTED_LOOPS 100000

static struct capability_result probe_perf(void) {
    struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof(attr),
                                   .config = PERF_COUNT_HW_INSTRUCTIONS,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};
    uint64_t count = 0;
    int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
    if (fd < 0)
        return missing("perf_event_open");
    for (volatile int i = 0; i < COUNTED_LOOPS; i++)
        ;
    if (read(fd, &count, sizeof(count)) != sizeof(count))
        return missing("read");
    return count >= COUNTED_LOOPS ? works() : broken("accepted, but does not count");
}

#define WATCHED_WRITES 8

static volatile uint32_t watched;

static void body_watched(int channel) {
    if (!await(channel))
        return;
    stop_here();
    for (uint32_t i = 1; i <= WATCHED_WRITES; i++)
        watched = i;
}

static struct error *set_watchpoint(void) {
    /* DR7: enable DR0 for this task; it breaks on writes (01) of four bytes (11). Intel SDM volume 3, 18.2.4.
     */
    uint64_t control = 1u << 0 | 1u << 16 | 3u << 18;
    TRY(trace_set_user_word(subject, offsetof(struct user, u_debugreg[0]), (uint64_t)(uintptr_t)&watched));
    return trace_set_user_word(subject, offsetof(struct user, u_debugreg[7]), control);
}

/* Each write must trap: some virtual machines lose the watchpoint now and then. */
static struct capability_result probe_debug_registers(void) {
    int status, fired = 0;
    START_TRACED(body_watched);
    ATTEMPT("PTRACE_POKEUSER", set_watchpoint());
    ATTEMPT("watched child", resume_subject(RESUME_CONT, &status));
    while (stopped_by(status, SIGTRAP)) {
        fired++;
        ATTEMPT("watched child", resume_subject(RESUME_CONT, &status));
    }
    if (fired == WATCHED_WRITES)
        return works();
    return broken(fired ? "accepted, but fires only sometimes" : "accepted, but does not fire");
}

/* ---- probes: the process itself ---- */

static volatile char dispatch_selector;
static volatile sig_atomic_t dispatched_code;

/* The selector must allow calls again before this returns by one. */
static void on_dispatch(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)context;
    dispatch_selector = DISPATCH_ALLOW;
    dispatched_code = info->si_code;
}

static struct capability_result probe_user_dispatch(void) {
    struct sigaction action = {.sa_sigaction = on_dispatch, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &action, NULL);
    if (prctl(PR_SET_SYSCALL_USER_DISPATCH, DISPATCH_ON, 0, 0, &dispatch_selector) < 0)
        return missing("PR_SET_SYSCALL_USER_DISPATCH");
    dispatch_selector = DISPATCH_BLOCK;
    syscall(SYS_getppid);
    dispatch_selector = DISPATCH_ALLOW;
    return dispatched_code == SYS_CODE_USER_DISPATCH ? works() : broken("accepted, but no SIGSYS comes");
}

static struct capability_result probe_stub_page(void) {
    void *wanted = (void *)CAPABILITY_STUB_ADDRESS;
    void *got =
        mmap(wanted, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (got == MAP_FAILED)
        return result(CAPABILITY_MISSING, "mmap at 0x%llx: %s", CAPABILITY_STUB_ADDRESS, strerror(errno));
    return got == wanted ? works() : broken("mapped elsewhere");
}

static struct capability_result probe_vdso_image(const struct mapping *mapping) {
    struct vdso_patch patches[VDSO_PATCHES_MAX];
    size_t count = 0;
    struct error *err =
        vdso_patches((const uint8_t *)mapping->start, mapping->end - mapping->start, patches, &count);
    if (!err)
        return count ? result(CAPABILITY_WORKS, "%zu functions", count)
                     : broken("no function of the clock in it");
    struct capability_result ret = broken(err->message);
    error_free(err);
    return ret;
}

static struct capability_result probe_vdso(void) {
    struct capability_result ret = result(CAPABILITY_MISSING, "no vdso in this kernel");
    struct maps maps;
    ATTEMPT("memory map", maps_read(getpid(), &maps));
    for (size_t i = 0; i < maps.count; i++)
        if (!strcmp(maps.mappings[i].name, "[vdso]"))
            ret = probe_vdso_image(&maps.mappings[i]);
    maps_deinit(&maps);
    return ret;
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
