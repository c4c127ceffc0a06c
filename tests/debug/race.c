/* Two threads add to one counter without a lock, and some of it is lost. */
#include <pthread.h>
#include <stdio.h>

static long counter;
static long done[2];

static void *add(void *argument) {
    long which = (long)argument;
    for (int i = 0; i < 3000000; i++)
        counter++;
    done[which] = counter;
    return NULL;
}

int main(void) {
    pthread_t threads[2];
    for (long i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, add, (void *)i);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%ld\n", counter);
    fflush(stdout);
    return 0;
}
