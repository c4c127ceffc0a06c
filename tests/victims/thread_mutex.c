/* Four threads share a counter under a mutex; the order in which they got it is printed. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <sched.h>

enum { THREADS = 4, ROUNDS = 3000 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counter;
static char order[THREADS * ROUNDS];

static void *work(void *argument) {
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(pthread_mutex_lock(&mutex) == 0);
        if (i % 100 == 0)
            sched_yield(); /* while it is held: the others wait */
        order[counter++] = *(char *)argument;
        CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
    return NULL;
}

int main(void) {
    static char names[THREADS] = "abcd";
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, &names[i]) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(counter == THREADS * ROUNDS);
    printf("%ld, order %llx\n", counter, (unsigned long long)hash_bytes(order, sizeof order));
    return 0;
}
