/* Producers and consumers with a bounded queue and two condition variables, one wait with a timeout. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <time.h>

enum { ROOM = 8, EACH = 500 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, drained = PTHREAD_COND_INITIALIZER;
static int queue[ROOM], count, timeouts;
static uint64_t taken = 1;

static void *produce(void *argument) {
    for (int i = 0; i < EACH; i++) {
        pthread_mutex_lock(&mutex);
        while (count == ROOM)
            pthread_cond_wait(&drained, &mutex);
        queue[count++] = *(int *)argument * 1000 + i;
        pthread_cond_signal(&filled);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void *consume(void *argument) {
    for (int i = 0; i < EACH; i++) {
        pthread_mutex_lock(&mutex);
        while (count == 0) {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += 100000;
            until.tv_sec += until.tv_nsec / 1000000000;
            until.tv_nsec %= 1000000000;
            timeouts += pthread_cond_timedwait(&filled, &mutex, &until) == ETIMEDOUT;
        }
        taken = taken * 31 + (uint64_t)queue[--count];
        pthread_cond_broadcast(&drained);
        pthread_mutex_unlock(&mutex);
    }
    return argument;
}

int main(void) {
    pthread_t threads[6];
    int numbers[3] = {1, 2, 3};
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_create(&threads[i], NULL, consume, NULL) == 0);
        CHECK(pthread_create(&threads[i + 3], NULL, produce, &numbers[i]) == 0);
    }
    for (int i = 0; i < 6; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(count == 0);
    printf("taken %llx, %d timeouts\n", (unsigned long long)taken, timeouts);
    return 0;
}
