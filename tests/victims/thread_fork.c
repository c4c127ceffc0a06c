/* Threads fork, and start programs with posix_spawn, while others go on. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

static volatile int stop;
static long rounds;

static void *run(void *argument) {
    while (!stop) {
        free(malloc(1000));
        usleep(20);
        rounds++;
    }
    return argument;
}

static void *make_children(void *argument) {
    int me = (int)(intptr_t)argument, status;
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            _exit(me * 10 + i);
        CHECK(waitpid(child, &status, 0) == child);
        printf("%d: child %d ended with %x\n", me, child, status);
        char *arguments[] = {"true", NULL};
        CHECK(posix_spawnp(&child, "true", NULL, NULL, arguments, environ) == 0);
        CHECK(waitpid(child, &status, 0) == child);
        printf("%d: program %d ended with %x\n", me, child, status);
    }
    return NULL;
}

int main(void) {
    pthread_t runner, threads[3];
    CHECK(pthread_create(&runner, NULL, run, NULL) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, make_children, (void *)(intptr_t)(i + 1)) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    stop = 1;
    CHECK(pthread_join(runner, NULL) == 0);
    printf("rounds %ld\n", rounds);
    return 0;
}
