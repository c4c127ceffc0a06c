/* A filter kills a thread that is alone, and with it its process; children of several kinds of deaths. */
/* expect: signal SIGSYS */
#include "seccomp.h"
#include <signal.h>
#include <sys/wait.h>

static void handle(int signo) {
    _exit(signo);
}

static void die(unsigned answer, int expected, void (*action)(int)) {
    int status, pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        signal(SIGSYS, action);
        INSTALL({SYS_getppid, answer});
        printf("never %ld\n", PARENT());
        _exit(99);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    printf("child %d: 0x%x\n", pid, status);
    CHECK((status & 0x7f7f) == (expected & 0x7f7f) || status == expected);
}

int main(void) {
    die(SECCOMP_RET_KILL_PROCESS, SIGSYS, handle);
    die(SECCOMP_RET_KILL_THREAD, SIGSYS, SIG_IGN);
    die(SECCOMP_RET_TRAP, SIGSYS, SIG_DFL);
    die(SECCOMP_RET_TRAP, SIGSYS, SIG_IGN); /* forced */
    die(SECCOMP_RET_TRAP, SIGSYS << 8, handle);
    fflush(stdout);
    INSTALL({SYS_getppid, SECCOMP_RET_KILL_THREAD});
    return (int)PARENT();
}
