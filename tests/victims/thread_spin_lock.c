/* Spin locks, with and without pthread: the holder is interrupted while others spin. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 3, ROUNDS = 200 };
static pthread_spinlock_t spinlock;
static atomic_flag flag = ATOMIC_FLAG_INIT;
static char order[2][THREADS * ROUNDS]; /* each under its own lock */
static int used[2];

static void compute(int amount) {
    volatile unsigned x = 1;
    for (int i = 0; i < amount; i++)
        x = x * 1664525u + 1013904223u;
}

static void *work(void *argument) {
    int me = (int)(intptr_t)argument;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_spin_lock(&spinlock);
        order[0][used[0]++] = (char)('a' + me);
        compute(20000);
        pthread_spin_unlock(&spinlock);
        while (atomic_flag_test_and_set(&flag))
            __builtin_ia32_pause();
        order[1][used[1]++] = (char)('A' + me);
        compute(10000);
        atomic_flag_clear(&flag);
        compute(5000 * me);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    pthread_spin_init(&spinlock, 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(used[0] == THREADS * ROUNDS && used[1] == THREADS * ROUNDS);
    printf("order %llx, begins %.60s\n", (unsigned long long)hash_bytes(order, sizeof order), order[0]);
    return 0;
}
