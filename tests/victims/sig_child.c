/* SIGCHLD handled while waiting in sigsuspend, with the child's status in its siginfo. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/wait.h>

static volatile sig_atomic_t children;
static siginfo_t seen;

static void on_child(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    seen = *info;
    children++;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigset_t block, old;
    sigemptyset(&block);
    sigaddset(&block, SIGCHLD);
    CHECK(sigaction(SIGCHLD, &action, NULL) == 0 && sigprocmask(SIG_BLOCK, &block, &old) == 0);
    for (int i = 0; i < 3; i++) {
        fflush(stdout);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            if (i == 2)
                raise(SIGKILL);
            _exit(40 + i);
        }
        while (children <= i)
            sigsuspend(&old);
        printf("child %d: code %d pid %d status %d utime %ld\n", (int)child, seen.si_code, seen.si_pid,
               seen.si_status, (long)seen.si_utime);
        int status = 0;
        SHOW(waitpid(child, &status, WNOHANG) == child);
        printf("status %x\n", status);
    }
    SHOW(waitpid(-1, NULL, 0));
    return 0;
}
