/* A thread that is not the first becomes another program, while others wait and run. */
/* expect: exit 3 */
#include "victim.h"
#include <pthread.h>
#include <semaphore.h>

static sem_t never;

static void *wait_for_ever(void *argument) {
    sem_wait(&never);
    return argument;
}
static void *run(void *argument) {
    for (;;)
        usleep(50);
    return argument;
}
static void *execute(void *argument) {
    usleep(2000);
    SHOW(execl("./none", "none", NULL));
    printf("thread %d of %d\n", gettid(), getpid());
    fflush(stdout);
    execl(argument, argument, "again", NULL);
    return NULL;
}

int main(int count, char **arguments) {
    pthread_t thread;
    if (count > 1) {
        printf("%s: %d of %d\n", arguments[1], gettid(), getpid());
        CHECK(gettid() == getpid());
        CHECK(pthread_create(&thread, NULL, run, NULL) == 0);
        usleep(1000);
        return 3;
    }
    sem_init(&never, 0, 0);
    CHECK(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, run, NULL) == 0);
#ifdef BY_FIRST
    execute(arguments[0]);
#else
    CHECK(pthread_create(&thread, NULL, execute, arguments[0]) == 0);
    pthread_join(thread, NULL);
#endif
    return 1;
}
