/* Two threads add to a balance without a lock. Each is done long before the other has begun, mostly. */
#include <pthread.h>
#include <stdio.h>

static volatile int balance;

static void *deposit(void *unused) {
    for (int i = 0; i < 20; i++)
        balance = balance + 1;
    return unused;
}

int main(void) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, deposit, NULL) != 0)
            return 2;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    if (balance == 40)
        return 0;
    fprintf(stderr, "lost %d updates\n", 40 - balance);
    return 1;
}
