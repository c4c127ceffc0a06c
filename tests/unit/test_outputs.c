/* The outputs of system calls against this machine's kernel: that what is said to be written covers all that
 * really is, and that the edges hold. */
#include "tracer/syscall.h"

#include "tests/unit/scratch.h"
#include "tests/unit/self.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#define ARENA_SIZE (1u << 20)
#define PATTERN    0xa5

/* Memory that the calls get their pointers from: an arena with readable memory around, nothing else in it. */
static uint8_t *arena;
static uint8_t *before;  /* as it was just before the call */
static uint8_t *covered; /* a flag for each byte */
static size_t used;      /* bytes handed out */

static void arena_setup(void) {
    arena = mmap(NULL, 3 * ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(arena, MAP_FAILED);
    before = arena + ARENA_SIZE;
    covered = arena + 2 * (size_t)ARENA_SIZE;
    memset(arena, PATTERN, ARENA_SIZE);
    used = 4096;
}

static void arena_teardown(void) {
    munmap(arena, 3 * ARENA_SIZE);
}

/* Fresh bytes of the arena, full of the pattern, 4096 bytes away from all others. */
static void *place(size_t size) {
    uint8_t *here = arena + used;
    used += (size + 2 * 4096 - 1) / 4096 * 4096;
    ck_assert_uint_lt(used, ARENA_SIZE);
    return here;
}

static void *copy(const void *bytes, size_t size) {
    return memcpy(place(size), bytes, size);
}

/* Reads the arena and nothing else. */
static size_t read_arena(void *context, uint64_t from, void *ret, size_t size) {
    (void)context;
    if (from < address(arena) || from >= address(arena) + ARENA_SIZE)
        return 0;
    size_t left = address(arena) + ARENA_SIZE - from;
    size = size < left ? size : left;
    memcpy(ret, (const void *)(uintptr_t)from, size);
    return size;
}

static int64_t raw(long number, const uint64_t *args) {
    long result = syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
    return result == -1 ? -errno : result;
}

/* What is compared: whether every byte that changed is covered. */
static void assert_covered(const struct syscall_call *call) {
    struct memory_ranges ranges = {0};
    struct error *err = syscall_outputs(call, &self, &ranges);
    const char *name = syscall_find(call->number)->name;
    ck_assert_msg(!err, "%s: %s", name, err ? err->message : "");
    memset(covered, 0, ARENA_SIZE);
    for (size_t i = 0; i < ranges.count; i++) {
        uint64_t start = ranges.ranges[i].address;
        uint64_t end = start + ranges.ranges[i].size;
        for (uint64_t at = start; at < end; at++) {
            if (at >= address(arena) && at < address(arena) + ARENA_SIZE)
                covered[at - address(arena)] = 1;
        }
    }
    for (size_t i = 0; i < ARENA_SIZE; i++) {
        if (arena[i] != before[i] && !covered[i])
            ck_abort_msg("%s = %ld: byte %zu written and not covered", name, (long)call->result, i);
    }
    memory_ranges_deinit(&ranges);
}

/* Make a call and check it. The result is returned; `writes` asks that something was written at all, so that
 * the test means something. */
static int64_t check_call(bool writes, long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                          uint64_t e, uint64_t f) {
    struct syscall_call call = {.number = (uint64_t)number, .args = {a, b, c, d, e, f}};
    memcpy(before, arena, ARENA_SIZE);
    call.result = raw(number, call.args);
    bool changed = memcmp(before, arena, ARENA_SIZE) != 0;
    ck_assert_msg(changed || !writes, "%s = %ld wrote nothing", syscall_find(call.number)->name,
                  (long)call.result);
    assert_covered(&call);
    return call.result;
}

#define CALL1(nr, a)                check_call(true, nr, A(a), 0, 0, 0, 0, 0)
#define CALL2(nr, a, b)             check_call(true, nr, A(a), A(b), 0, 0, 0, 0)
#define CALL3(nr, a, b, c)          check_call(true, nr, A(a), A(b), A(c), 0, 0, 0)
#define CALL4(nr, a, b, c, d)       check_call(true, nr, A(a), A(b), A(c), A(d), 0, 0)
#define CALL5(nr, a, b, c, d, e)    check_call(true, nr, A(a), A(b), A(c), A(d), A(e), 0)
#define CALL6(nr, a, b, c, d, e, f) check_call(true, nr, A(a), A(b), A(c), A(d), A(e), A(f))
#define QUIET3(nr, a, b, c)         check_call(false, nr, A(a), A(b), A(c), 0, 0, 0)

/* Whether what the kernel writes is covered. */

START_TEST(outputs_files) {
    char *path = copy("/proc/self/exe", 15);
    char *directory = copy("/", 2);
    int fd = open("/proc/self/exe", O_RDONLY);
    int dir = open("/usr/bin", O_RDONLY | O_DIRECTORY);
    CALL2(SYS_stat, path, place(144));
    CALL2(SYS_lstat, path, place(144));
    CALL2(SYS_fstat, fd, place(144));
    CALL4(SYS_newfstatat, AT_FDCWD, path, place(144), 0);
    CALL5(SYS_statx, AT_FDCWD, path, 0, 0xfff, place(256));
    CALL2(SYS_statfs, directory, place(120));
    CALL2(SYS_fstatfs, fd, place(120));
    CALL3(SYS_readlink, path, place(4096), 4096);
    CALL4(SYS_readlinkat, AT_FDCWD, path, place(4096), 10);
    CALL3(SYS_getdents64, dir, place(8192), 8192);
    CALL3(SYS_getdents, dir, place(8192), 8192);
    CALL2(SYS_getcwd, place(4096), 4096);
    CALL3(SYS_read, fd, place(5000), 5000);
    CALL4(SYS_pread64, fd, place(5000), 77, 100);
    uint32_t bytes = 128;
    CALL5(SYS_name_to_handle_at, AT_FDCWD, directory, copy(&bytes, 4), place(8), 0);
    bytes = 0;
    check_call(false, SYS_name_to_handle_at, A(AT_FDCWD), A(directory), A(copy(&bytes, 4)), A(place(8)), 0,
               0);
    uint64_t range[2] = {0, 0};
    if (raw(451, (uint64_t[6]){A(fd), A(copy(range, 16)), A(place(40))}) == 0)
        CALL4(451, fd, copy(range, 16), place(40), 0);
    check_call(false, 468, A(AT_FDCWD), A(directory), A(place(256)), 100, 0, 0);
    close(fd);
    close(dir);
}
END_TEST

/* A buffer whose end is missing: the call fails, or is short, and may have written what comes before. */
START_TEST(outputs_partial) {
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    uint8_t *end = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(end + 4096, 4096);
    uint64_t iov[4] = {address(place(10)), 10, address(end + 4000), 4000};
    char text[8000] = "x";
    ck_assert_int_eq(write(pipes[1], text, sizeof(text)), (ssize_t)sizeof(text));
    QUIET3(SYS_readv, pipes[0], copy(iov, sizeof(iov)), 2);
    int event = eventfd(5, 0); /* is copied in one piece, all or EFAULT */
    struct syscall_call call = {.number = SYS_read, .args = {A(event), address(end + 4090), 8}};
    call.result = raw(SYS_read, call.args);
    struct memory_ranges ranges = {0};
    ck_assert_ptr_null(syscall_outputs(&call, &self, &ranges));
    ck_assert_int_eq(call.result, -EFAULT);
    ck_assert_uint_eq(ranges.count, 1);
    ck_assert_uint_eq(ranges.ranges[0].size, 6);
    memory_ranges_deinit(&ranges);
    close(event);
    close(pipes[0]);
    close(pipes[1]);
    munmap(end, 4096);
}
END_TEST

START_TEST(outputs_vectors) {
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_eq(write(pipes[1], "hello world", 11), 11);
    uint64_t iov[6] = {address(place(4)), 4, address(place(100)), 100, address(place(10)), 10};
    ck_assert_int_eq(CALL3(SYS_readv, pipes[0], copy(iov, sizeof(iov)), 3), 11);
    int fd = open("/proc/self/exe", O_RDONLY);
    CALL4(SYS_preadv, fd, copy(iov, sizeof(iov)), 3, 9);
    CALL6(SYS_preadv2, fd, copy(iov, sizeof(iov)), 3, 4000, 0, 0);
    uint64_t remote[2] = {address(copy("abcdefghijkl", 12)), 12};
    CALL6(SYS_process_vm_readv, getpid(), copy(iov, sizeof(iov)), 3, copy(remote, 16), 1, 0);
    uint64_t from[2] = {address(copy("something", 9)), 9};
    uint64_t to[2] = {address(place(9)), 9};
    CALL6(SYS_process_vm_writev, getpid(), copy(from, 16), 1, copy(to, 16), 1, 0);
    ck_assert_int_eq(write(pipes[1], "vmsplice", 8), 8);
    CALL4(SYS_vmsplice, pipes[0], copy(iov, sizeof(iov)), 3, 0);
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
}
END_TEST

START_TEST(outputs_descriptors) {
    CALL1(SYS_pipe, place(8));
    int *pipes = place(8);
    CALL2(SYS_pipe2, pipes, O_CLOEXEC);
    CALL4(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, place(8));
    check_call(true, SYS_socketpair, AF_INET, SOCK_STREAM, 0, address(place(8)), 0,
               0); /* fails, and writes */
    ck_assert_int_eq(write(pipes[1], "abc", 3), 3);
    struct pollfd fds[2] = {{pipes[0], POLLIN, 0x55}, {pipes[1], POLLOUT, 0x55}};
    struct timespec timeout = {5, 0};
    CALL3(SYS_poll, copy(fds, sizeof(fds)), 2, 0);
    CALL5(SYS_ppoll, copy(fds, sizeof(fds)), 2, copy(&timeout, 16), 0, 8);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipes[0], &set);
    FD_SET(pipes[1], &set);
    uint64_t n = A(pipes[1] + 1);
    CALL5(SYS_select, n, copy(&set, 128), copy(&set, 128), copy(&set, 128), copy(&timeout, 16));
    CALL6(SYS_pselect6, n, copy(&set, 128), copy(&set, 128), copy(&set, 128), copy(&timeout, 16), 0);
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1234567890};
    epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event);
    event.events = EPOLLOUT;
    epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[1], &event);
    CALL4(SYS_epoll_wait, epoll, place(240), 20, 0);
    CALL6(SYS_epoll_pwait, epoll, place(240), 20, 0, 0, 8);
    CALL6(SYS_epoll_pwait2, epoll, place(240), 20, copy(&timeout, 16), 0, 8);
    CALL3(SYS_ioctl, pipes[0], FIONREAD, place(4));
    loff_t offset = 3;
    int file = open("/proc/self/exe", O_RDONLY);
    CALL4(SYS_sendfile, pipes[1], file, copy(&offset, 8), 10);
    CALL6(SYS_splice, file, copy(&offset, 8), pipes[1], 0, 10, 0);
    close(epoll);
    close(file);
}
END_TEST

static void *socket_address(int length) {
    return copy(&length, 4);
}

START_TEST(outputs_sockets) {
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(in);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&in, sizeof(in)), 0);
    ck_assert_int_eq(listen(listener, 5), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&in, &length), 0);
    CALL3(SYS_getsockname, listener, place(16), socket_address(128));
    CALL3(SYS_getsockname, listener, place(16), socket_address(5)); /* too short: the length says more */
    int client = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&in, sizeof(in)), 0);
    int64_t server = CALL4(SYS_accept4, listener, place(16), socket_address(16), SOCK_CLOEXEC);
    ck_assert_int_ge(server, 0);
    int other = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(other, (struct sockaddr *)&in, sizeof(in)), 0);
    CALL3(SYS_accept, listener, place(16), socket_address(16));
    CALL3(SYS_getpeername, client, place(16), socket_address(16));
    CALL5(SYS_getsockopt, client, SOL_SOCKET, SO_RCVBUF, place(4), socket_address(4));
    CALL5(SYS_getsockopt, client, IPPROTO_TCP, 11, place(512), socket_address(512)); /* TCP_INFO */
    CALL5(SYS_getsockopt, client, SOL_SOCKET, SO_LINGER, place(8), socket_address(3));
    ck_assert_int_eq(send(client, "hello", 5, 0), 5);
    CALL6(SYS_recvfrom, server, place(100), 100, 0, place(16), socket_address(16));
    CALL3(SYS_ioctl, client, SIOCATMARK, place(4));
    struct ifreq request = {.ifr_name = "lo"};
    CALL3(SYS_ioctl, client, SIOCGIFFLAGS, copy(&request, sizeof(request)));
    struct ifconf conf = {.ifc_len = 400, .ifc_buf = place(400)};
    CALL3(SYS_ioctl, client, SIOCGIFCONF, copy(&conf, sizeof(conf)));
    close(listener);
    close(client);
    close(other);
}
END_TEST

/* A message with a name, two buffers and room for control data, in the arena. */
static struct msghdr message(void) {
    struct iovec iov[2] = {{place(5), 5}, {place(100), 100}};
    return (struct msghdr){.msg_name = place(128),
                           .msg_namelen = 128,
                           .msg_iov = copy(iov, sizeof(iov)),
                           .msg_iovlen = 2,
                           .msg_control = place(256),
                           .msg_controllen = 256};
}

START_TEST(outputs_messages) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(in);
    int receiver = socket(AF_INET, SOCK_DGRAM, 0);
    int on = 1;
    setsockopt(receiver, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on));
    setsockopt(receiver, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
    ck_assert_int_eq(bind(receiver, (struct sockaddr *)&in, sizeof(in)), 0);
    ck_assert_int_eq(getsockname(receiver, (struct sockaddr *)&in, &length), 0);
    int sender = socket(AF_INET, SOCK_DGRAM, 0);
    for (int i = 0; i < 6; i++)
        sendto(sender, "a datagram", 10, 0, (struct sockaddr *)&in, sizeof(in));
    struct msghdr header = message();
    ck_assert_int_eq(CALL3(SYS_recvmsg, receiver, copy(&header, sizeof(header)), 0), 10);
    header = message();
    header.msg_controllen = 20; /* cut off */
    ck_assert_int_eq(CALL3(SYS_recvmsg, receiver, copy(&header, sizeof(header)), 0), 10);
    struct mmsghdr many[3];
    memset(many, 0, sizeof(many));
    for (int i = 0; i < 3; i++)
        many[i].msg_hdr = message();
    struct timespec timeout = {10, 0};
    ck_assert_int_eq(
        CALL5(SYS_recvmmsg, receiver, copy(many, sizeof(many)), 3, MSG_DONTWAIT, copy(&timeout, 16)), 3);
    struct iovec iov = {copy("out", 3), 3};
    struct mmsghdr out = {.msg_hdr = {.msg_name = copy(&in, sizeof(in)),
                                      .msg_namelen = sizeof(in),
                                      .msg_iov = copy(&iov, sizeof(iov)),
                                      .msg_iovlen = 1}};
    ck_assert_int_eq(CALL4(SYS_sendmmsg, sender, copy(&out, sizeof(out)), 1, 0), 1);
    close(receiver);
    close(sender);
}
END_TEST

START_TEST(outputs_passed_descriptor) {
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    memset(&control, 0, sizeof(control));
    control.header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), &pair[0], sizeof(int));
    struct iovec iov = {"x", 1};
    struct msghdr header = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ck_assert_int_eq(sendmsg(pair[0], &header, 0), 1);
    header = message();
    ck_assert_int_eq(CALL3(SYS_recvmsg, pair[1], copy(&header, sizeof(header)), 0), 1);
    close(pair[0]);
    close(pair[1]);
}
END_TEST

static void nothing(int signo) {
    (void)signo;
}

START_TEST(outputs_time) {
    struct timespec second = {1, 0};
    CALL2(SYS_clock_gettime, CLOCK_MONOTONIC, place(16));
    CALL2(SYS_clock_getres, CLOCK_MONOTONIC, place(16));
    CALL2(SYS_gettimeofday, place(16), place(8));
    CALL1(SYS_time, place(8));
    CALL1(SYS_times, place(32));
    CALL2(SYS_getitimer, ITIMER_REAL, place(32));
    uint8_t zeros[256] = {0};
    CALL1(SYS_adjtimex, copy(zeros, 208));
    CALL2(SYS_clock_adjtime, CLOCK_REALTIME, copy(zeros, 208));
    int *timer = place(4);
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    CALL3(SYS_timer_create, CLOCK_MONOTONIC, copy(&event, sizeof(event)), timer);
    struct itimerspec value = {{0, 0}, {100, 0}};
    CALL4(SYS_timer_settime, *timer, 0, copy(&value, 32), place(32));
    CALL2(SYS_timer_gettime, *timer, place(32));
    int64_t fd = syscall(SYS_timerfd_create, CLOCK_MONOTONIC, 0);
    CALL4(SYS_timerfd_settime, fd, 0, copy(&value, 32), place(32));
    CALL2(SYS_timerfd_gettime, fd, place(32));
    /* Interrupted sleeps say how much is left. */
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval soon = {{0, 0}, {0, 20000}};
    CALL3(SYS_setitimer, ITIMER_REAL, copy(&soon, 32), place(32));
    ck_assert_int_eq(CALL2(SYS_nanosleep, copy(&second, 16), place(16)), -EINTR);
    setitimer(ITIMER_REAL, &soon, NULL);
    ck_assert_int_eq(CALL4(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, copy(&second, 16), place(16)), -EINTR);
    setitimer(ITIMER_REAL, &soon, NULL);
    struct pollfd none = {-1, POLLIN, 0x55};
    ck_assert_int_eq(CALL5(SYS_ppoll, copy(&none, 8), 1, copy(&second, 16), 0, 8), -EINTR);
    close((int)fd);
}
END_TEST

START_TEST(outputs_signals) {
    uint64_t set = 1ull << (SIGUSR1 - 1);
    CALL4(SYS_rt_sigprocmask, SIG_BLOCK, copy(&set, 8), place(8), 8);
    CALL4(SYS_rt_sigaction, SIGUSR2, 0, place(32), 8);
    raise(SIGUSR1);
    CALL2(SYS_rt_sigpending, place(8), 8);
    CALL4(SYS_rt_sigtimedwait, copy(&set, 8), place(128), 0, 8);
    CALL2(SYS_sigaltstack, 0, place(24));
}
END_TEST

static pid_t dead_child(void) {
    pid_t pid = fork();
    if (!pid)
        _exit(3);
    return pid;
}

START_TEST(outputs_processes) {
    CALL4(SYS_wait4, dead_child(), place(4), 0, place(144));
    CALL5(SYS_waitid, P_PID, dead_child(), place(128), WEXITED, place(144));
    CALL2(SYS_getrusage, RUSAGE_SELF, place(144));
    CALL2(SYS_getrlimit, RLIMIT_STACK, place(16));
    CALL4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, place(16));
    CALL1(SYS_uname, place(390));
    CALL1(SYS_sysinfo, place(112));
    CALL3(SYS_getresuid, place(4), place(4), place(4));
    CALL3(SYS_getresgid, place(4), place(4), place(4));
    check_call(false, SYS_getgroups, 100, address(place(400)), 0, 0, 0, 0);
    CALL3(SYS_sched_getaffinity, 0, 1024, place(1024));
    CALL2(SYS_sched_getparam, 0, place(4));
    CALL2(SYS_sched_rr_get_interval, 0, place(16));
    CALL4(SYS_sched_getattr, 0, place(56), 56, 0);
    CALL4(SYS_sched_getattr, 0, place(200), 200, 0);
    uint8_t large[200] = {200, 0};
    memset(large + 100, 1, 100);
    check_call(true, SYS_sched_setattr, 0, address(copy(large, 200)), 0, 0, 0, 0); /* E2BIG, and the size */
    CALL3(SYS_getcpu, place(4), place(4), 0);
    CALL3(SYS_get_robust_list, 0, place(8), place(8));
    uint32_t header[2] = {0x20080522, 0};
    CALL2(SYS_capget, copy(header, 8), place(24));
    header[0] = 1;
    check_call(true, SYS_capset, address(copy(header, 8)), address(place(24)), 0, 0, 0, 0);
    CALL3(SYS_getrandom, place(100), 77, 0);
    check_call(false, SYS_get_mempolicy, address(place(4)), address(place(1024)), 4000, 0, 0, 0);
    void *pages = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CALL3(SYS_mincore, pages, 65536, place(16));
    uint64_t page[2] = {address(arena), address(before)};
    check_call(false, SYS_move_pages, 0, 2, address(copy(page, 16)), 0, address(place(8)), 0);
}
END_TEST

START_TEST(outputs_clone) {
    int *parent = place(4);
    int *child = place(4);
    int64_t pid = CALL5(SYS_clone, SIGCHLD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, 0, parent, child, 0);
    if (!pid)
        _exit(0);
    waitpid((pid_t)pid, NULL, 0);
    uint64_t args[8] = {CLONE_PARENT_SETTID | 0x1000, address(place(4)), 0, address(place(4)), SIGCHLD};
    pid = CALL2(SYS_clone3, copy(args, sizeof(args)), sizeof(args));
    if (!pid)
        _exit(0);
    waitpid((pid_t)pid, NULL, 0);
}
END_TEST

START_TEST(outputs_prctl) {
    CALL2(SYS_prctl, PR_GET_NAME, place(16));
    CALL2(SYS_prctl, PR_GET_PDEATHSIG, place(4));
    CALL2(SYS_prctl, PR_GET_TSC, place(4));
    CALL2(SYS_prctl, PR_GET_CHILD_SUBREAPER, place(4));
    check_call(false, SYS_prctl, PR_GET_TID_ADDRESS, address(place(8)), 0, 0, 0, 0);
    check_call(false, SYS_prctl, 0x41555856, address(place(1000)), 200, 0, 0, 0);
    check_call(false, SYS_prctl, 999, address(place(8)), 0, 0, 0, 0);
    CALL2(SYS_arch_prctl, 0x1003, place(8));
    CALL2(SYS_arch_prctl, 0x1022, place(8));
    CALL3(SYS_seccomp, 3, 0, place(6));
}
END_TEST

START_TEST(outputs_ioctl_fcntl) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(master, 0);
    int unlock = 0;
    QUIET3(SYS_ioctl, master, 0x40045431, copy(&unlock, 4));
    CALL3(SYS_ioctl, master, TIOCGPTN, place(4));
    CALL3(SYS_ioctl, master, TIOCGWINSZ, place(8));
    CALL3(SYS_ioctl, master, TCGETS, place(64));
    CALL3(SYS_ioctl, master, 0x802C542A, place(64));
    CALL3(SYS_ioctl, master, TIOCGEXCL, place(4));
    CALL3(SYS_ioctl, master, TIOCOUTQ, place(4));
    CALL3(SYS_ioctl, master, FIONREAD, place(4));
    ck_assert_int_eq(QUIET3(SYS_ioctl, master, 0x1268, place(4)), -ENOTTY);
    int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 100000), 0);
    QUIET3(SYS_ioctl, fd, 0x80086601, place(8));
    QUIET3(SYS_ioctl, fd, 0x801C581F, place(28));
    QUIET3(SYS_ioctl, fd, 0x12345678, place(28)); /* nobody knows it: ENOTTY */
    CALL3(SYS_ioctl, fd, FIGETBSZ, place(4));
    CALL3(SYS_ioctl, fd, FIOQSIZE, place(8));
    struct {
        uint64_t start, length;
        uint32_t flags, mapped, count, reserved;
        uint8_t extents[4 * 56];
    } fiemap = {.length = UINT64_MAX, .flags = 1, .count = 4};
    memset(fiemap.extents, PATTERN, sizeof(fiemap.extents));
    QUIET3(SYS_ioctl, fd, 0xC020660B, copy(&fiemap, sizeof(fiemap)));
    int maps = open("/proc/self/maps", O_RDONLY);
    uint64_t query[13] = {104, 0x10, address(&fd), 0, 0, 0, 0, 0, 0, 0, 256, address(place(256)), 0};
    QUIET3(SYS_ioctl, maps, 0xC0686611, copy(query, sizeof(query)));
    struct flock lock = {.l_type = F_WRLCK};
    CALL3(SYS_fcntl, fd, F_GETLK, copy(&lock, sizeof(lock)));
    CALL3(SYS_fcntl, fd, F_OFD_GETLK, copy(&lock, sizeof(lock)));
    CALL3(SYS_fcntl, fd, F_GETOWN_EX, place(8));
    CALL3(SYS_fcntl, fd, 1035, place(8));
    QUIET3(SYS_fcntl, fd, 7777, place(8));
    close(maps);
    close(fd);
    close(master);
}
END_TEST

START_TEST(outputs_xattr) {
    char path[] = "/tmp/reel-test-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    char *here = copy(path, sizeof(path));
    char *name = copy("user.reel", 10);
    char *value = copy("value", 5);
    if (raw(SYS_setxattr, (uint64_t[6]){A(here), A(name), A(value), 5}) == 0) {
        CALL4(SYS_getxattr, here, name, place(100), 100);
        CALL4(SYS_fgetxattr, fd, name, place(100), 100);
        CALL3(SYS_listxattr, here, place(100), 100);
        check_call(false, SYS_getxattr, A(here), A(name), 0, 0, 0, 0);
        uint64_t args[2] = {address(place(100)), 100};
        check_call(false, 464, A(AT_FDCWD), A(here), 0, A(name), A(copy(args, 16)), 16);
        check_call(false, 465, A(AT_FDCWD), A(here), 0, A(place(100)), 100, 0);
    }
    unlink(path);
    close(fd);
}
END_TEST

START_TEST(outputs_ipc) {
    int sem = semget(IPC_PRIVATE, 5, 0600);
    if (sem >= 0) {
        CALL4(SYS_semctl, sem, 0, GETALL, place(10));
        CALL4(SYS_semctl, sem, 0, IPC_STAT, place(104));
        CALL4(SYS_semctl, 0, 0, IPC_INFO, place(40));
        CALL4(SYS_semctl, 0, 0, SEM_INFO, place(40));
        check_call(false, SYS_semctl, A(sem), 0, SETVAL, 3, 0, 0);
        semctl(sem, 0, IPC_RMID);
    }
    int shm = shmget(IPC_PRIVATE, 4096, 0600);
    if (shm >= 0) {
        CALL3(SYS_shmctl, shm, IPC_STAT, place(112));
        CALL3(SYS_shmctl, 0, IPC_INFO, place(72));
        CALL3(SYS_shmctl, 0, SHM_INFO, place(48));
        shmctl(shm, IPC_RMID, NULL);
    }
    int queue = msgget(IPC_PRIVATE, 0600);
    if (queue >= 0) {
        struct {
            long type;
            char text[5];
        } sent = {7, "text"};
        msgsnd(queue, &sent, 5, 0);
        CALL3(SYS_msgctl, queue, IPC_STAT, place(120));
        CALL3(SYS_msgctl, 0, IPC_INFO, place(32));
        ck_assert_int_eq(CALL5(SYS_msgrcv, queue, place(100), 50, 0, 0), 5);
        msgctl(queue, IPC_RMID, NULL);
    }
}
END_TEST

START_TEST(outputs_mqueue) {
    long attr[8] = {0, 4, 64, 0};
    char *name = copy("reel-test", 10);
    syscall(SYS_mq_unlink, name);
    long queue = syscall(SYS_mq_open, name, O_RDWR | O_CREAT, 0600, attr);
    if (queue < 0)
        return; /* no message queues here */
    syscall(SYS_mq_timedsend, queue, "hello", 5, 3, NULL);
    CALL3(SYS_mq_getsetattr, queue, 0, place(64));
    ck_assert_int_eq(CALL5(SYS_mq_timedreceive, queue, place(64), 64, place(4), 0), 5);
    syscall(SYS_mq_unlink, name);
    close((int)queue);
}
END_TEST

START_TEST(outputs_futex) {
    uint32_t zero = 0;
    uint32_t *word = copy(&zero, 4);
    CALL3(SYS_futex, word, FUTEX_LOCK_PI, 0);
    CALL3(SYS_futex, word, FUTEX_UNLOCK_PI, 0);
    uint32_t *target = copy(&zero, 4);
    CALL6(SYS_futex, word, FUTEX_WAKE_OP, 1, 1, target, FUTEX_OP(FUTEX_OP_SET, 9, FUTEX_OP_CMP_EQ, 0));
}
END_TEST

START_TEST(outputs_mounts) {
    uint64_t request[3] = {24, UINT64_MAX, 0};
    check_call(false, 458, address(copy(request, 24)), address(place(800)), 100, 0, 0, 0);
    uint64_t *ids = place(8);
    if (raw(458, (uint64_t[6]){address(copy(request, 24)), address(ids), 1}) == 1) {
        uint64_t one[3] = {24, *ids, 0x1f};
        check_call(true, 457, address(copy(one, 24)), address(place(4096)), 4096, 0, 0, 0);
    }
    uint32_t size = 800;
    check_call(false, 461, address(place(800)), address(copy(&size, 4)), 0, 0, 0, 0);
    check_call(false, 459, 100, address(place(800)), address(copy(&size, 4)), 0, 0, 0);
    size = 1;
    check_call(false, 461, address(place(800)), address(copy(&size, 4)), 0, 0, 0, 0);
}
END_TEST

/* The edges of the answer. */

static bool refused(uint64_t number, uint64_t a, uint64_t b, uint64_t c, int64_t result) {
    struct syscall_call call = {.number = number, .args = {a, b, c}, .result = result};
    struct memory_ranges ranges = {0};
    struct error *err = syscall_outputs(&call, &self, &ranges);
    bool is = error_is(err, ERROR_UNSUPPORTED);
    ck_assert(is || !err);
    error_free(err);
    memory_ranges_deinit(&ranges);
    return is;
}

START_TEST(unknown_requests) {
    ck_assert(refused(SYS_ioctl, 3, 0xAE01, 0, 4));
    ck_assert(refused(SYS_ioctl, 3, 0xAE01, 0, -EINVAL));
    ck_assert(!refused(SYS_ioctl, 3, 0xAE01, 0, -ENOTTY));
    ck_assert(!refused(SYS_ioctl, 3, 0xAE01, 0, -EBADF));
    ck_assert(!refused(SYS_ioctl, 3, TCGETS, 0, -EINVAL));
    ck_assert(refused(SYS_fcntl, 3, 9999, 0, 0));
    ck_assert(!refused(SYS_fcntl, 3, 9999, 0, -EINVAL));
    ck_assert(refused(SYS_prctl, 9999, 0, 0, 0));
    ck_assert(!refused(SYS_prctl, 9999, 0, 0, -EINVAL));
    ck_assert(refused(SYS_arch_prctl, 0x9999, 0, 0, 0));
    ck_assert(refused(600, 0, 0, 0, 0));
    ck_assert(!refused(600, 0, 0, 0, -ENOSYS));
    ck_assert(refused(SYS_getsockopt, 3, 6, 35, 0));
}
END_TEST

/* Every call with hostile arguments and results: neither function may crash, whatever it is told. */
START_TEST(hostile_values) {
    static const int64_t results[] = {0, 1, INT64_MAX, INT64_MIN, -EFAULT, -516, 4096};
    const struct memory_reader bounded = {read_arena, NULL};
    uint8_t junk[64];
    memset(junk, 0xff, sizeof(junk));
    uint64_t values[] = {0, UINT64_MAX, 1ull << 62, address(copy(junk, sizeof(junk))),
                         address(arena) + ARENA_SIZE - 8};
    for (unsigned number = 0; number < syscall_table_size(); number++) {
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            for (size_t r = 0; r < sizeof(results) / sizeof(results[0]); r++) {
                uint64_t x = values[v];
                struct syscall_call call = {
                    .number = number, .args = {x, x, x, x, x, x}, .result = results[r]};
                struct memory_ranges ranges = {0};
                struct buffer text = {0};
                error_free(syscall_outputs(&call, &bounded, &ranges));
                syscall_print(&call, &bounded, 32, &text);
                if (text.size >= 100000)
                    ck_abort_msg("%u prints %zu bytes", number, text.size);
                memory_ranges_deinit(&ranges);
                buffer_deinit(&text);
            }
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("outputs");
    const TTest *const outputs[] = {outputs_files,
                                    outputs_partial,
                                    outputs_vectors,
                                    outputs_descriptors,
                                    outputs_sockets,
                                    outputs_messages,
                                    outputs_passed_descriptor,
                                    outputs_time,
                                    outputs_signals,
                                    outputs_processes,
                                    outputs_clone,
                                    outputs_prctl,
                                    outputs_ioctl_fcntl,
                                    outputs_xattr,
                                    outputs_ipc,
                                    outputs_mqueue,
                                    outputs_futex,
                                    outputs_mounts,
                                    unknown_requests,
                                    hostile_values};
    TCase *kernel = tcase_create("outputs");
    tcase_set_timeout(kernel, 60);
    tcase_add_checked_fixture(kernel, arena_setup, arena_teardown);
    for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++)
        tcase_add_test(kernel, outputs[i]);
    suite_add_tcase(suite, kernel);
    return scratch_run(suite);
}
