/* Processes made in every way, each of which ends as it should; ten of them crash at the same place. */
#include "fact.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static CALLED int crash(void) {
    return *(volatile int *)48;
}

static int cloned(void *argument) {
    (void)argument;
    _exit(3);
}

static void *nothing(void *argument) {
    return argument;
}

static void *execute(void *argument) {
    execl("/bin/sh", "sh", "-c", "exit 6", (char *)NULL);
    return argument;
}

static int status_of(pid_t pid) {
    int status = -1;
    waitpid(pid, &status, __WALL);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(void) {
    static char stack[65536];
    int sums[5] = {0};
    for (int i = 0; i < 10; i++) {
        pid_t pid = fork();
        if (!pid)
            _exit(crash());
        sums[0] += status_of(pid);
        pid = vfork();
        if (!pid)
            _exit(2);
        sums[1] += status_of(pid);
        sums[2] += status_of(clone(cloned, stack + sizeof(stack), 0, NULL)); /* no signal tells of its end */
        char *const arguments[] = {"sh", "-c", "exit 4", NULL};
        if (posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ) == 0)
            sums[3] += status_of(pid);
        pid = fork();
        if (!pid) { /* exec from another thread than the first */
            pthread_t thread, other;
            pthread_create(&other, NULL, nothing, NULL);
            pthread_create(&thread, NULL, execute, NULL);
            pthread_join(thread, NULL);
            _exit(1);
        }
        sums[4] += status_of(pid);
        pthread_t threads[8];
        for (int k = 0; k < 8; k++)
            pthread_create(&threads[k], NULL, nothing, NULL);
        for (int k = 0; k < 8; k++)
            pthread_join(threads[k], NULL);
    }
    printf("%d %d %d %d %d\n", sums[0], sums[1], sums[2], sums[3], sums[4]);
    return 0;
}
