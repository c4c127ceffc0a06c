/* How system calls print. */
#include "tracer/syscall.h"

#include "tests/unit/scratch.h"
#include "tests/unit/self.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

static void assert_prints(const char *expected, long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                          uint64_t e, uint64_t f, int64_t result) {
    struct syscall_call call = {.number = (uint64_t)number, .args = {a, b, c, d, e, f}, .result = result};
    struct buffer text = {0};
    syscall_print(&call, &self, 12, &text);
    ck_assert_str_eq((char *)text.data, expected);
    ck_assert_uint_eq(text.size, strlen(expected));
    buffer_deinit(&text);
}

START_TEST(prints_strings) {
    assert_prints("read(3, \"\\177ELF\\2\\1\\1\\0001\\0\\0\\0\"..., 832) = 832", SYS_read, 3,
                  address("\177ELF\2\1\1\0001\0\0\0."), 832, 0, 0, 0, 832);
    assert_prints("write(1, \"hi\\n\\\"\\\\\", 5) = 5", SYS_write, 1, address("hi\n\"\\"), 5, 0, 0, 0, 5);
    assert_prints("read(3, 0x10, 5) = -1 EFAULT (Bad address)", SYS_read, 3, 0x10, 5, 0, 0, 0, -EFAULT);
    assert_prints("unlink(\"/a/very/long\"...) = 0", SYS_unlink, address("/a/very/long/path"), 0, 0, 0, 0, 0,
                  0);
    assert_prints("unlink(0x10) = 0", SYS_unlink, 0x10, 0, 0, 0, 0, 0, 0);
    const char *argv[] = {"ls", "-l", NULL};
    assert_prints("execve(\"/bin/ls\", [\"ls\", \"-l\"], NULL) = 0", SYS_execve, address("/bin/ls"),
                  address(argv), 0, 0, 0, 0, 0);
}
END_TEST

START_TEST(prints_flags) {
    assert_prints("openat(AT_FDCWD, \"x\", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)",
                  SYS_openat, A(AT_FDCWD), address("x"), O_CLOEXEC, 0, 0, 0, -ENOENT);
    assert_prints("open(\"x\", O_WRONLY|O_CREAT|O_TRUNC, 0644) = 3", SYS_open, address("x"), 01101, 0644, 0,
                  0, 0, 3);
    assert_prints("mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000",
                  SYS_mmap, 0, 8192, 3, 0x22, 0xffffffff, 0, 0x7f0000000000);
    assert_prints("mprotect(0x1000, 4096, PROT_NONE) = 0", SYS_mprotect, 0x1000, 4096, 0, 0, 0, 0, 0);
    assert_prints("kill(-1, SIGTERM) = 0", SYS_kill, A(-1), SIGTERM, 0, 0, 0, 0, 0);
    assert_prints("futex(0x10, FUTEX_WAIT|FUTEX_PRIVATE_FLAG, 2, NULL, NULL, 0) = ? ERESTARTSYS", SYS_futex,
                  0x10, 128, 2, 0, 0, 0, -512);
    assert_prints("fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0", SYS_fcntl, 3, F_SETFL, 04002, 0, 0, 0, 0);
    assert_prints("fcntl(3, F_GETFL) = 2", SYS_fcntl, 3, F_GETFL, 0, 0, 0, 0, 2);
    assert_prints("exit_group(1) = ?", SYS_exit_group, 1, 0, 0, 0, 0, 0, 0);
    assert_prints("clock_gettime(CLOCK_MONOTONIC, NULL) = 0", SYS_clock_gettime, 1, 0, 0, 0, 0, 0, 0);
    assert_prints("ioctl(1, TCGETS, 0x10) = -1 ENOTTY (Inappropriate ioctl for device)", SYS_ioctl, 1, TCGETS,
                  0x10, 0, 0, 0, -ENOTTY);
    assert_prints("access(\"x\", R_OK|W_OK) = 0", SYS_access, address("x"), 6, 0, 0, 0, 0, 0);
}
END_TEST

START_TEST(prints_structs) {
    struct timespec ts = {5, 7};
    assert_prints("nanosleep({tv_sec=5, tv_nsec=7}, NULL) = 0", SYS_nanosleep, address(&ts), 0, 0, 0, 0, 0,
                  0);
    struct winsize size = {24, 80, 0, 0};
    assert_prints("ioctl(0, TIOCGWINSZ, {ws_row=24, ws_col=80, ws_xpixel=0, ws_ypixel=0}) = 0", SYS_ioctl, 0,
                  TIOCGWINSZ, address(&size), 0, 0, 0, 0);
    struct pollfd fd = {3, POLLIN, POLLIN};
    assert_prints("poll([{fd=3, events=POLLIN, revents=POLLIN}], 1, -1) = 1", SYS_poll, address(&fd), 1,
                  A(-1), 0, 0, 0, 1);
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(0x7f000001)};
    assert_prints(
        "connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}, 16) = 0",
        SYS_connect, 3, address(&in), sizeof(in), 0, 0, 0, 0);
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
    assert_prints("bind(3, {sa_family=AF_UNIX, sun_path=\"/run/x\"}, 110) = 0", SYS_bind, 3, address(&un),
                  sizeof(un), 0, 0, 0, 0);
    struct iovec iov[2] = {{"ab", 2}, {"cdef", 4}};
    assert_prints("writev(1, [{iov_base=\"ab\", iov_len=2}, {iov_base=\"cdef\", iov_len=4}], 2) = 6",
                  SYS_writev, 1, address(iov), 2, 0, 0, 0, 6);
    assert_prints("readv(1, [{iov_base=\"ab\", iov_len=2}, {iov_base=\"c\", iov_len=4}], 2) = 3", SYS_readv,
                  1, address(iov), 2, 0, 0, 0, 3);
    int status = 3 << 8;
    assert_prints("wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], WNOHANG, NULL) = 77", SYS_wait4, A(-1),
                  address(&status), 1, 0, 0, 0, 77);
    uint64_t set = 1ull << (SIGINT - 1) | 1ull << (SIGTERM - 1);
    assert_prints("rt_sigprocmask(SIG_BLOCK, [INT TERM], NULL, 8) = 0", SYS_rt_sigprocmask, 0, address(&set),
                  0, 8, 0, 0, 0);
    int pipes[2] = {3, 4};
    assert_prints("pipe2([3, 4], O_CLOEXEC) = 0", SYS_pipe2, address(pipes), O_CLOEXEC, 0, 0, 0, 0, 0);
    uint64_t fds[16] = {1ull << 3 | 1ull << 5};
    assert_prints("select(6, [3 5], NULL, NULL, NULL) = 1", SYS_select, 6, address(fds), 0, 0, 0, 0, 1);
    char comm[16] = "worker";
    assert_prints("prctl(PR_SET_NAME, \"worker\") = 0", SYS_prctl, 15, address(comm), 0, 0, 0, 0, 0);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 9};
    assert_prints("epoll_wait(4, [{events=EPOLLIN, data=0x9}], 10, -1) = 1", SYS_epoll_wait, 4,
                  address(&event), 10, A(-1), 0, 0, 1);
}
END_TEST

START_TEST(prints_stat) {
    struct stat st = {
        .st_mode = S_IFREG | 0644, .st_size = 42, .st_ino = 7, .st_nlink = 1, .st_uid = 2, .st_gid = 3};
    assert_prints(
        "fstat(3, {st_mode=S_IFREG|0644, st_size=42, st_ino=7, st_nlink=1, st_uid=2, st_gid=3}) = 0",
        SYS_fstat, 3, address(&st), 0, 0, 0, 0, 0);
    assert_prints("syscall_0x258(0x1, 0, 0, 0, 0, 0) = -1 ENOSYS (Function not implemented)", 600, 1, 0, 0, 0,
                  0, 0, -ENOSYS);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("decode");
    TCase *prints = tcase_create("prints");
    tcase_add_test(prints, prints_strings);
    tcase_add_test(prints, prints_flags);
    tcase_add_test(prints, prints_structs);
    tcase_add_test(prints, prints_stat);
    suite_add_tcase(suite, prints);
    return scratch_run(suite);
}
