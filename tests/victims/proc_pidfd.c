/* pidfds: opened, polled, signalled through, waited for; clone3 with CLONE_PIDFD. */
/* expect: exit 0 */
#include "victim.h"
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int main(void) {
    siginfo_t info = {0};
    int status, made = -1;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        for (;;)
            pause();
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    CHECK(fd >= 0);
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    SHOW(poll(&poller, 1, 0));
    CHECK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) == 0);
    SHOW(poll(&poller, 1, -1));
    SHOW(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED));
    CHECK(info.si_pid == child && info.si_status == SIGTERM && info.si_code == CLD_KILLED);
    int inner = 0, parent = 0;
    struct clone_args args = {.flags = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID,
                              .pidfd = (uint64_t)(uintptr_t)&made,
                              .parent_tid = (uint64_t)(uintptr_t)&parent,
                              .child_tid = (uint64_t)(uintptr_t)&inner,
                              .exit_signal = SIGCHLD};
    child = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (child == 0)
        _exit(inner == (int)syscall(SYS_getpid) ? 7 : 8);
    if (child < 0) {
        printf("no clone3 here\n");
        return 0;
    }
    CHECK(parent == child && made >= 0);
    CHECK(waitpid(child, &status, 0) == child);
    printf("clone3 child ended with %x, its pidfd %d\n", status, made);
    CHECK(WEXITSTATUS(status) == 7);
    return 0;
}
