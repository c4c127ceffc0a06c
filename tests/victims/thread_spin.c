/* Threads wait for each other by looking at memory, without a call: each must be interrupted. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>

enum { ROUNDS = 12 };
static volatile int turn;
static volatile long spins[3];

static void *wait_in_turn(void *argument) {
    int me = (int)(intptr_t)argument;
    for (int round = 0; round < ROUNDS; round++) {
        while (turn % 3 != me)
            spins[me]++;
        turn++;
    }
    return NULL;
}

int main(void) {
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, wait_in_turn, (void *)(intptr_t)(2 - i)) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    printf("%d turns, %ld %ld %ld spins\n", turn, spins[0], spins[1], spins[2]);
    return 0;
}
