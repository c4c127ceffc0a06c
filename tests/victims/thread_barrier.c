/* Barriers, semaphores and locks for reading and writing. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

enum { THREADS = 5, ROUNDS = 40 };
static pthread_barrier_t barrier;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t slots;
static int table[THREADS], serial[THREADS];
static uint64_t story = 7;

static void *work(void *argument) {
    int me = (int)(intptr_t)argument;
    for (int round = 0; round < ROUNDS; round++) {
        int result = pthread_barrier_wait(&barrier);
        CHECK(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD);
        serial[me] += result == PTHREAD_BARRIER_SERIAL_THREAD;
        CHECK(sem_wait(&slots) == 0);
        sched_yield();
        CHECK(sem_post(&slots) == 0);
        if (round % THREADS == me) {
            pthread_rwlock_wrlock(&lock);
            table[me]++;
            story = story * 33 + (uint64_t)me;
            usleep(10);
            pthread_rwlock_unlock(&lock);
        } else {
            pthread_rwlock_rdlock(&lock);
            CHECK(table[me] <= ROUNDS);
            sched_yield();
            pthread_rwlock_unlock(&lock);
        }
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
    CHECK(sem_init(&slots, 0, 2) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        printf("%d: last at the barrier %d times, wrote %d\n", i, serial[i], table[i]);
    printf("story %llx\n", (unsigned long long)story);
    return 0;
}
