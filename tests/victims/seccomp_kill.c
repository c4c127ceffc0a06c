/* A filter kills the process, in the middle of its threads. */
/* expect: signal SIGSYS */
#include "seccomp.h"
#include <pthread.h>

static void *spin(void *argument) {
    for (volatile long i = 0;; i++)
        if (i % 1000 == 0)
            sched_yield();
    return argument;
}

int main(void) {
    pthread_t thread;
    INSTALL({SYS_getppid, SECCOMP_RET_KILL_PROCESS});
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&thread, NULL, spin, NULL) == 0);
    usleep(2000);
    printf("pid %d\n", getpid());
    fflush(stdout);
    printf("%ld\n", PARENT());
    return 99;
}
