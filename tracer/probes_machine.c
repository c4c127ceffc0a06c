/* The probes of what else reel finds: memory, descriptors and files, the processor, the process itself. */
#include "tracer/probes.h"

#include "tracer/maps.h"
#include "tracer/vdso.h"

#include <cpuid.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/kcmp.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
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

/* ---- memory of another process ---- */

static volatile uint64_t shown = 1;

static void body_memory(int channel) {
    if (!await(channel))
        return;
    shown = 2;
    stop_here();
}

struct capability_result probe_process_vm(void) {
    uint64_t value = 0, written = 3;
    struct iovec local = {.iov_base = &value, .iov_len = sizeof(value)};
    struct iovec source = {.iov_base = &written, .iov_len = sizeof(written)};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)&shown, .iov_len = sizeof(shown)};
    START_TRACED(body_memory);
    if (process_vm_readv(subject_pid, &local, 1, &remote, 1, 0) != sizeof(value))
        return missing("process_vm_readv");
    if (value != 2)
        return broken("reads other bytes");
    if (process_vm_writev(subject_pid, &source, 1, &remote, 1, 0) != sizeof(written))
        return missing("process_vm_writev");
    if (process_vm_readv(subject_pid, &local, 1, &remote, 1, 0) != sizeof(value) || value != written)
        return broken("does not write");
    return works();
}

static int open_of_subject(const char *name, int flags) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", subject_pid, name);
    return open(path, flags | O_CLOEXEC);
}

/* A page that the subject may only read: patching code needs that (kernels may forbid it:
 * proc_mem.force_override). */
struct capability_result probe_proc_mem(void) {
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
struct capability_result probe_pagemap(void) {
    bool own[2] = {false, false};
    uint8_t *pages = private_pages(2, PROT_READ | PROT_WRITE);
    if (!pages)
        return missing("mmap");
    *(volatile uint8_t *)pages = 1;
    START_TRACED(body_memory);
    ATTEMPT("pagemap", maps_own_pages(subject_pid, (uint64_t)(uintptr_t)pages, 2, own));
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

struct capability_result probe_pagemap_scan(void) {
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

struct capability_result probe_userfaultfd(void) {
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

/* ---- descriptors and files ---- */

/* The subject has another open file at 0 and the worker's at 1. */
static void body_files(int channel) {
    if (!await(channel))
        return;
    int fd = memfd_create("reel", MFD_CLOEXEC);
    if (fd < 0 || dup2(fd, 0) < 0 || write(fd, "reel", 4) != 4)
        _exit(errno);
    stop_here();
}

struct capability_result probe_kcmp(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
        return missing("/dev/null");
    START_TRACED(body_files);
    long same = syscall(SYS_kcmp, getpid(), subject_pid, KCMP_FILE, 1, 1);
    long other = syscall(SYS_kcmp, getpid(), subject_pid, KCMP_FILE, 1, 0);
    if (same < 0 || other < 0)
        return missing("kcmp");
    return same == 0 && other != 0 ? works() : broken("tells other files");
}

struct capability_result probe_pidfd_getfd(void) {
    char text[4] = "";
    START_TRACED(body_files);
    int pidfd = (int)syscall(SYS_pidfd_open, subject_pid, 0);
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

struct capability_result probe_reflink(void) {
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

/* ---- the processor ---- */

static void read_tsc(void) {
    __rdtsc();
}

struct capability_result probe_tsc(void) {
    if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV) < 0)
        return missing("PR_SET_TSC");
    return raises(SIGSEGV, read_tsc) ? works() : broken("accepted, but rdtsc does not trap");
}

static void read_cpuid(void) {
    unsigned a, b, c, d;
    __cpuid(0, a, b, c, d);
    (void)a, (void)b, (void)c, (void)d; /* the instruction is volatile */
}

struct capability_result probe_cpuid(void) {
    if (syscall(SYS_arch_prctl, SET_CPUID_FAULTING, 0) < 0)
        return missing("ARCH_SET_CPUID");
    return raises(SIGSEGV, read_cpuid) ? works() : broken("accepted, but cpuid does not trap");
}

#define COUNTED_LOOPS 100000

struct capability_result probe_perf(void) {
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
    TRY(trace_set_user_word(subject_pid, offsetof(struct user, u_debugreg[0]),
                            (uint64_t)(uintptr_t)&watched));
    return trace_set_user_word(subject_pid, offsetof(struct user, u_debugreg[7]), control);
}

/* Each write must trap: some virtual machines lose the watchpoint now and then. */
struct capability_result probe_debug_registers(void) {
    int status, fired = 0;
    START_TRACED(body_watched);
    ATTEMPT("PTRACE_POKEUSER", set_watchpoint());
    ATTEMPT("watched child", subject_resume(RESUME_CONT, &status));
    while (stopped_by(status, SIGTRAP)) {
        fired++;
        ATTEMPT("watched child", subject_resume(RESUME_CONT, &status));
    }
    if (fired == WATCHED_WRITES)
        return works();
    return broken(fired ? "accepted, but fires only sometimes" : "accepted, but does not fire");
}

/* ---- the process itself ---- */

static volatile char dispatch_selector;
static volatile sig_atomic_t dispatched_code;

/* The selector must allow calls again before this returns by one. */
static void on_dispatch(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)context;
    dispatch_selector = DISPATCH_ALLOW;
    dispatched_code = info->si_code;
}

struct capability_result probe_user_dispatch(void) {
    struct sigaction action = {.sa_sigaction = on_dispatch, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &action, NULL);
    if (prctl(PR_SET_SYSCALL_USER_DISPATCH, DISPATCH_ON, 0, 0, &dispatch_selector) < 0)
        return missing("PR_SET_SYSCALL_USER_DISPATCH");
    dispatch_selector = DISPATCH_BLOCK;
    syscall(SYS_getppid);
    dispatch_selector = DISPATCH_ALLOW;
    return dispatched_code == SYS_CODE_USER_DISPATCH ? works() : broken("accepted, but no SIGSYS comes");
}

struct capability_result probe_stub_page(void) {
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

struct capability_result probe_vdso(void) {
    struct capability_result ret = result(CAPABILITY_MISSING, "no vdso in this kernel");
    struct maps maps;
    ATTEMPT("memory map", maps_read(getpid(), &maps));
    for (size_t i = 0; i < maps.count; i++)
        if (!strcmp(maps.mappings[i].name, "[vdso]"))
            ret = probe_vdso_image(&maps.mappings[i]);
    maps_deinit(&maps);
    return ret;
}
