/* Children crash in several ways while their parent goes on. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/wait.h>

static volatile int zero;

static void handler(int signo) {
    printf("caught %d\n", signo);
    fflush(stdout);
    _exit(33);
}

static void crash(int how) {
    switch (how) {
    case 0:
        *(volatile int *)bad_address() = 1;
        break;
    case 1:
        abort();
    case 2:
        printf("%d\n", 1000 / zero);
        break;
    case 3:
        __builtin_trap();
    case 4:
        kill(getpid(), SIGKILL);
        break;
    case 5:
        raise(SIGTERM);
        break;
    default:
        signal(SIGSEGV, handler);
        *(volatile int *)bad_address() = 1;
    }
    _exit(77);
}

int main(void) {
    static const int wanted[] = {SIGSEGV, SIGABRT, SIGFPE, SIGILL, SIGKILL, SIGTERM};
    for (int i = 0; i < 7; i++) {
        int status;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            crash(i);
        CHECK(waitpid(child, &status, 0) == child);
        printf("child %d: %x\n", (int)child, status);
        fflush(stdout);
        CHECK(i == 6 ? WIFEXITED(status) && WEXITSTATUS(status) == 33
                     : WIFSIGNALED(status) && WTERMSIG(status) == wanted[i]);
    }
    return 0;
}
