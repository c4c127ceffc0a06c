/* Robust mutexes whose owner ends, and mutexes with priority inheritance. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <sched.h>

static pthread_mutex_t robust[3], inheriting;
static pthread_barrier_t held; /* the mutexes have their owner */
static long counter;

static void *die_holding(void *argument) {
    for (int i = 0; i < 3; i++)
        CHECK(pthread_mutex_lock(&robust[i]) == 0);
    pthread_barrier_wait(&held);
    usleep(1000);
    if (argument)
        syscall(SYS_exit, 0);
    return NULL;
}

static void *wait_for_it(void *argument) {
    pthread_barrier_wait(&held);
    int result = pthread_mutex_lock(argument);
    printf("lock of a dead owner: %d\n", result);
    CHECK(result == EOWNERDEAD && pthread_mutex_consistent(argument) == 0);
    CHECK(pthread_mutex_unlock(argument) == 0);
    return NULL;
}

static void *inherit(void *argument) {
    for (int i = 0; i < 200; i++) {
        CHECK(pthread_mutex_lock(&inheriting) == 0);
        long seen = counter;
        if (i % 3 == 0)
            sched_yield();
        if (i % 50 == 7)
            usleep(200);
        counter = seen + 1;
        CHECK(pthread_mutex_unlock(&inheriting) == 0);
    }
    return argument;
}

int main(void) {
    pthread_mutexattr_t attributes;
    pthread_t threads[4];
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    for (int i = 0; i < 3; i++)
        pthread_mutex_init(&robust[i], &attributes);
    CHECK(pthread_barrier_init(&held, NULL, 3) == 0);
    CHECK(pthread_create(&threads[0], NULL, die_holding, NULL) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i + 1], NULL, wait_for_it, &robust[i]) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    SHOW(pthread_mutex_trylock(&robust[2]));

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&inheriting, &attributes);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, inherit, NULL) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(counter == 800);
    printf("counter %ld\n", counter);
    return 0;
}
