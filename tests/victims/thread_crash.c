/* One thread crashes while others wait, and some could run. */
/* expect: signal SIGSEGV */
#include "victim.h"
#include <pthread.h>
#include <semaphore.h>

static sem_t never, started;

static void *wait_for_ever(void *argument) {
    sem_post(&started);
    sem_wait(&never);
    return argument;
}
static void *run(void *argument) {
    sem_post(&started);
    for (;;)
        usleep(10);
    return argument;
}
static void *crash(void *argument) {
    usleep(3000);
    puts("now");
    fflush(stdout);
    *(volatile int *)bad_address() = 1;
    return argument;
}

int main(void) {
    pthread_t thread;
    sem_init(&never, 0, 0);
    sem_init(&started, 0, 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&thread, NULL, i < 2 ? wait_for_ever : run, NULL) == 0);
    for (int i = 0; i < 3; i++)
        sem_wait(&started);
    CHECK(pthread_create(&thread, NULL, crash, NULL) == 0);
    sem_wait(&never);
    return 0;
}
