/* Mutex, condition variable, semaphore and barrier between processes. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { ROUNDS = 300, CHILDREN = 2 };

struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_barrier_t barrier;
    sem_t items, room;
    int queue[4];
    unsigned put, got;
    long sum, locked, order;
};

static void produce(struct shared *shared, int value) {
    CHECK(sem_wait(&shared->room) == 0);
    CHECK(pthread_mutex_lock(&shared->mutex) == 0);
    shared->queue[shared->put++ % 4] = value;
    CHECK(pthread_mutex_unlock(&shared->mutex) == 0);
    CHECK(sem_post(&shared->items) == 0);
}

static int consume(struct shared *shared) {
    CHECK(sem_wait(&shared->items) == 0);
    CHECK(pthread_mutex_lock(&shared->mutex) == 0);
    int value = shared->queue[shared->got++ % 4];
    CHECK(pthread_mutex_unlock(&shared->mutex) == 0);
    CHECK(sem_post(&shared->room) == 0);
    return value;
}

static void work(struct shared *shared, int number) {
    long sum = 0;
    pthread_barrier_wait(&shared->barrier);
    for (int i = 0; i < ROUNDS; i++)
        sum += consume(shared);
    pthread_mutex_lock(&shared->mutex);
    shared->sum += sum;
    shared->order = shared->order * 10 + number;
    shared->locked++;
    pthread_cond_broadcast(&shared->changed);
    pthread_mutex_unlock(&shared->mutex);
}

int main(void) {
    pthread_mutexattr_t mutex;
    pthread_condattr_t changed;
    pthread_barrierattr_t barrier;
    int status;
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    pthread_mutexattr_init(&mutex);
    pthread_condattr_init(&changed);
    pthread_barrierattr_init(&barrier);
    CHECK(pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_condattr_setpshared(&changed, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_mutex_init(&shared->mutex, &mutex) == 0);
    CHECK(pthread_cond_init(&shared->changed, &changed) == 0);
    CHECK(pthread_barrier_init(&shared->barrier, &barrier, CHILDREN + 1) == 0);
    CHECK(sem_init(&shared->items, 1, 0) == 0 && sem_init(&shared->room, 1, 4) == 0);
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            work(shared, i + 1);
            _exit(0);
        }
    }
    pthread_barrier_wait(&shared->barrier);
    for (int i = 0; i < CHILDREN * ROUNDS; i++)
        produce(shared, i);
    pthread_mutex_lock(&shared->mutex);
    while (shared->locked < CHILDREN)
        pthread_cond_wait(&shared->changed, &shared->mutex);
    pthread_mutex_unlock(&shared->mutex);
    for (int i = 0; i < CHILDREN; i++)
        CHECK(wait(&status) > 0 && status == 0);
    CHECK(shared->sum == (long)CHILDREN * ROUNDS * (CHILDREN * ROUNDS - 1) / 2);
    printf("order %ld\n", shared->order);
    return 0;
}
