/* Calls that few programs make, each with a buffer that shows what the kernel wrote; this kernel may lack
 * some. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>

/* Numbers that older headers lack. */
enum {
    EPOLL_PWAIT2 = 441,
    CACHESTAT = 451,
    STATMOUNT = 457,
    LISTMOUNT = 458,
    LSM_GET_SELF_ATTR = 459,
    LSM_LIST_MODULES = 461,
    GETXATTRAT = 464,
    LISTXATTRAT = 465,
    FILE_GETATTR = 468,
    LISTNS = 470,
};

static unsigned char buffer[8192];

/* The buffer keeps what the call before has left: what is written too little shows as well. */
#define CALL(...)                                                                                            \
    do {                                                                                                     \
        errno = 0;                                                                                           \
        long result = syscall(__VA_ARGS__);                                                                  \
        printf("%d: %ld errno %d %016lx\n", __LINE__, result, errno,                                         \
               (unsigned long)hash_bytes(buffer, sizeof buffer));                                            \
    } while (0)

static void about_files(void) {
    int fd = random_file("misc_rare_calls.dat", 10000);
    uint64_t range[2] = {0, 0}, how[3] = {O_RDONLY, 0, 0};
    CALL(CACHESTAT, fd, range, buffer, 0);
    CALL(SYS_openat2, AT_FDCWD, "misc_rare_calls.dat", how, sizeof how);
    CALL(SYS_faccessat2, AT_FDCWD, "misc_rare_calls.dat", R_OK, 0);
    CALL(SYS_fsetxattr, fd, "user.test", "value", 5, 0);
    uint64_t value[2] = {(uint64_t)(uintptr_t)(buffer + 100), 50};
    CALL(GETXATTRAT, AT_FDCWD, "misc_rare_calls.dat", 0, "user.test", value, sizeof value);
    CALL(LISTXATTRAT, AT_FDCWD, "misc_rare_calls.dat", 0, buffer, 1000);
    CALL(FILE_GETATTR, AT_FDCWD, "misc_rare_calls.dat", buffer, 24, 0);
    CALL(SYS_ustat, 1, buffer);
    CALL(SYS_sysfs, 2, 0, buffer);
    CALL(SYS_sysfs, 3);
    CALL(SYS_statfs, ".", buffer);
    CHECK(unlink("misc_rare_calls.dat") == 0);
}

static void about_mounts(void) {
    uint64_t request[4] = {24, UINT64_MAX, 0, 0}; /* size 24, LSMT_ROOT */
    CALL(LISTMOUNT, request, buffer, 100, 0);
    request[1] = ((uint64_t *)buffer)[0];
    request[2] = 0x7f;
    CALL(STATMOUNT, request, buffer, sizeof buffer, 0);
    uint32_t namespaces[8] = {32};
    CALL(LISTNS, namespaces, buffer, 10, 0);
}

static void about_security(void) {
    uint32_t size = sizeof buffer;
    CALL(LSM_LIST_MODULES, buffer, &size, 0);
    printf("size %u\n", size);
    size = 4;
    CALL(LSM_LIST_MODULES, buffer, &size, 0);
    printf("size %u\n", size);
    size = sizeof buffer;
    CALL(LSM_GET_SELF_ATTR, 100, buffer, &size, 0);
    printf("size %u\n", size);
    CALL(SYS_keyctl, 31, buffer, 16);     /* KEYCTL_CAPABILITIES */
    CALL(SYS_keyctl, 6, -1, buffer, 500); /* KEYCTL_DESCRIBE of the thread's keyring */
    CALL(SYS_capget, (uint32_t[2]){0x20080522, 0}, buffer);
    CALL(SYS_capget, memset(buffer, 0, 8), NULL);
    CALL(SYS_syslog, 10, NULL, 0);
}

static void about_scheduling(void) {
    CALL(SYS_sched_getattr, 0, buffer, 56, 0);
    CALL(SYS_sched_getparam, 0, buffer);
    CALL(SYS_sched_rr_get_interval, 0, buffer);
    CALL(SYS_get_mempolicy, buffer, buffer + 8, 1024, NULL, 0);
    CALL(SYS_move_pages, 0, 2, (void *[]){buffer, bad_address()}, NULL, buffer + 512, 0);
    CALL(SYS_getcpu, buffer, buffer + 4, NULL);
    CALL(SYS_adjtimex, memset(buffer, 0, 208));
    CALL(SYS_clock_adjtime, 0, memset(buffer, 0, 208));
    CALL(SYS_times, buffer);
    CALL(SYS_getrusage, 0, buffer);
    CALL(SYS_ioprio_get, 1, 0);
    CALL(SYS_get_robust_list, 0, buffer, buffer + 8);
    CALL(SYS_membarrier, 0, 0, 0);
}

static void about_events(void) {
    int watch = inotify_init1(IN_NONBLOCK), set = epoll_create1(0);
    CALL(SYS_inotify_add_watch, watch, ".", IN_CREATE | IN_DELETE);
    CHECK(close(open("misc_rare_calls.new", O_CREAT | O_RDWR, 0600)) == 0);
    CHECK(unlink("misc_rare_calls.new") == 0);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x123456789abcdef};
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, watch, &event) == 0);
    CALL(EPOLL_PWAIT2, set, buffer, 10, (int64_t[2]){1, 0}, NULL, 8);
    CALL(SYS_read, watch, buffer, sizeof buffer);
    CALL(SYS_read, watch, buffer, sizeof buffer);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &signals, NULL) == 0);
    int reader = signalfd(-1, &signals, SFD_NONBLOCK);
    CALL(SYS_rt_sigqueueinfo, getpid(), SIGUSR1,
         &(siginfo_t){.si_signo = SIGUSR1, .si_code = SI_QUEUE, .si_pid = 77});
    CALL(SYS_rt_sigpending, buffer, 8);
    CALL(SYS_read, reader, buffer, sizeof buffer);
    CALL(SYS_read, reader, buffer, sizeof buffer);
}

int main(void) {
    fill_random(buffer, sizeof buffer);
    about_files();
    about_mounts();
    about_security();
    about_scheduling();
    about_events();
    return 0;
}
