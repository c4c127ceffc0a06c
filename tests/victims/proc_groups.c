/* Process groups and sessions: signals for a whole group. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/wait.h>

static volatile sig_atomic_t got;

static void handler(int signo) {
    got = signo;
}

static void member(int ready, int wake, pid_t group) {
    char byte = 0;
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL);
    CHECK(setpgid(0, group) == 0);
    CHECK(write(ready, "x", 1) == 1);
    ssize_t result = read(wake, &byte, 1);
    _exit(result == -1 && got == SIGUSR1 ? 11 : 12);
}

int main(void) {
    int ready[2], wake[2], status;
    char byte;
    pid_t group = 0;
    CHECK(pipe(ready) == 0 && pipe(wake) == 0);
    printf("session %d group %d\n", (int)getsid(0), (int)getpgrp());
    fflush(stdout);
    for (int i = 0; i < 4; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            member(ready[1], wake[0], group);
        CHECK(read(ready[0], &byte, 1) == 1);
        if (!group)
            group = child;
        CHECK(getpgid(child) == group);
    }
    usleep(100000);
    CHECK(killpg(group, SIGUSR1) == 0);
    for (int i = 0; i < 4; i++) {
        CHECK(waitpid(-group, &status, 0) > 0 && WIFEXITED(status));
        printf("member ended with %d\n", WEXITSTATUS(status));
        CHECK(WEXITSTATUS(status) == 11);
    }
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(setsid() == getpid() && getsid(0) == getpid() && getpgrp() == getpid() ? 13 : 14);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 13);
    return 0;
}
