/* Unsynchronised increments in long loops without a call: updates are lost wherever a thread was interrupted.
 */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>

enum { THREADS = 4, COUNT = 100000000 };
static volatile long counter;
static volatile double sums[THREADS];

static void *work(void *argument) {
    int me = (int)(intptr_t)argument;
    for (int i = 0; i < COUNT; i++) {
        counter++;
        if (i % 16 == 0)
            sums[me] += (double)counter / (i + 1);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    printf("%ld of %ld\n", counter, (long)THREADS * COUNT);
    for (int i = 0; i < THREADS; i++)
        printf("%.17g\n", sums[i]);
    return 0;
}
