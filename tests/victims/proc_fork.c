/* Children that only run and end: their pids, statuses and resource usage are the recorded ones. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static pid_t start(int which) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (which == 3)
            kill(getpid(), SIGTERM);
        _exit(which * 11);
    }
    return child;
}

int main(void) {
    int status = -1, private = 5;
    struct rusage usage;
    siginfo_t info;
    pid_t child = start(1);
    SHOW(wait(&status) == child);
    printf("child %d status %x\n", (int)child, status);
    child = start(2);
    memset(&usage, 0xee, sizeof usage);
    SHOW(wait4(child, &status, 0, &usage) == child);
    printf("child %d status %x used %ld.%06ld faults %ld maxrss %ld\n", (int)child, status,
           (long)usage.ru_stime.tv_sec, (long)usage.ru_stime.tv_usec, usage.ru_minflt, usage.ru_maxrss);
    child = start(3);
    memset(&info, 0, sizeof info);
    SHOW(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
    printf("waitid %d code %d status %d uid %d\n", info.si_pid, info.si_code, info.si_status, info.si_uid);
    SHOW(waitpid(child, &status, 0) == child);
    printf("status %x signal %d\n", status, WTERMSIG(status));
    child = fork();
    if (child == 0) {
        private = 6;
        _exit(private);
    }
    SHOW(waitpid(-1, &status, 0) == child);
    printf("status %x, own copy %d\n", status, private);
    CHECK(private == 5);
    SHOW(wait(&status));
    CHECK(getrusage(RUSAGE_CHILDREN, &usage) == 0);
    printf("children used %ld faults %ld\n", (long)usage.ru_stime.tv_usec, usage.ru_minflt);
    pid_t many[8];
    for (int i = 0; i < 8; i++)
        many[i] = start(i == 3 ? 4 : i);
    for (int i = 0; i < 8; i++) {
        pid_t ended = waitpid(i % 2 ? -1 : many[7 - i], &status, 0);
        printf("ended %d status %x errno %d\n", (int)ended, status, ended < 0 ? errno : 0);
    }
    return 0;
}
