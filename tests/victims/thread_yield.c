/* A thread waits for another by sched_yield, and by reading the processor's clock. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <sched.h>
#include <x86intrin.h>

static volatile int turn;
static unsigned long long ticks;
static long yields, reads;

static void *other(void *argument) {
    for (int i = 0; i < 50; i++) {
        while (turn % 2 == 0)
            sched_yield();
        turn++;
    }
    return argument;
}

int main(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, other, NULL) == 0);
    for (int i = 0; i < 50; i++) {
        turn++;
        while (turn % 2) {
            if (i % 10) {
                sched_yield();
                yields++;
            } else {
                ticks ^= __rdtsc();
                reads++;
            }
        }
    }
    CHECK(pthread_join(thread, NULL) == 0);
    printf("%ld yields, %ld reads, %llx\n", yields, reads, ticks);
    return 0;
}
