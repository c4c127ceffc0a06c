/* Filters go on to hold when the recording has stopped. */
/* expect: exit 0 */
/* recording: stops */
#include "seccomp.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

static void stop_recording(void) {
    char from = 'x', to = 'y';
    struct iovec local = {&from, 1}, remote = {&to, 1};
    CHECK(process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == 1);
}

static void hold(void) {
    struct timespec now;
    CHECK(PARENT() == -1 && errno == EPERM);
    CHECK(syscall(SYS_setns, -1, 0) == -1 && errno == ENOSYS);
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0); /* the vdso */
}

int main(void) {
    int status, pid;
    const struct rule rules[] = {{SYS_getppid, SECCOMP_RET_ERRNO | EPERM},
                                 {SYS_setns, SECCOMP_RET_TRACE | 9},
                                 {SYS_clock_gettime, SECCOMP_RET_KILL_PROCESS}};
    CHECK(install(rules, 2, 0) == 0);
    stop_recording();
    hold();
    CHECK(install(rules, 3, 0) == 0); /* unrecorded */
    hold();
    if ((pid = fork()) == 0) {
        CHECK(install(rules, 3, 0) == 0);
        hold();
        _exit(3);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 3 << 8);
    if ((pid = fork()) == 0)
        _exit(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == -1 && errno == EINVAL ? 4 : 99);
    CHECK(waitpid(pid, &status, 0) == pid && status == 4 << 8);
    return 0;
}
