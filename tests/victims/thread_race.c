/* Increments without a lock lose updates: how many differs from run to run, and is the same in each replay.
 */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <sched.h>

static volatile long counter;

static void *work(void *argument) {
    unsigned seed = *(unsigned *)argument;
    for (int i = 0; i < 20000; i++) {
        long seen = counter;
        seed = seed * 1103515245u + 12345u;
        if ((seed >> 16) % 64 == 0)
            sched_yield();
        if ((seed >> 16) % 512 == 1)
            usleep(1);
        counter = seen + 1;
    }
    return NULL;
}

int main(void) {
    pthread_t threads[4];
    unsigned seeds[4];
    fill_random(seeds, sizeof seeds);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, work, &seeds[i]) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(counter > 0 && counter <= 80000);
    printf("%ld of 80000\n", counter);
    return 0;
}
