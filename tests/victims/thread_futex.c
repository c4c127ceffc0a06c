/* Futex operations by hand: bit sets, requeueing, WAKE_OP, timeouts, and what wakes when a thread ends. */
/* expect: exit 0 */
#include "victim.h"
#include <linux/futex.h>
#include <pthread.h>
#include <time.h>

static uint32_t a, b, c = 5, waiting;
static long futex(uint32_t *word, int op, uint32_t value, uintptr_t fourth, uint32_t *second,
                  uint32_t third) {
    return syscall(SYS_futex, word, op, value, fourth, second, third);
}

static void *wait_here(void *argument) {
    int me = (int)(intptr_t)argument;
    __atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
    long result = me < 2 ? futex(&a, FUTEX_WAIT_BITSET_PRIVATE, 0, 0, NULL, 1u << me)
                         : futex(&a, FUTEX_WAIT_PRIVATE, 0, 0, NULL, 0);
    printf("%d woke: %ld\n", me, result);
    return NULL;
}

int main(void) {
    pthread_t threads[6];
    struct timespec soon = {.tv_nsec = 1000000};
    for (int i = 0; i < 6; i++)
        CHECK(pthread_create(&threads[i], NULL, wait_here, (void *)(intptr_t)i) == 0);
    while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) < 6)
        usleep(100);
    usleep(3000);
    SHOW(futex(&a, FUTEX_WAKE_BITSET_PRIVATE, 10, 0, NULL, 2));
    SHOW(futex(&a, FUTEX_CMP_REQUEUE_PRIVATE, 1, 2, &b, 0));
    SHOW(futex(&a, FUTEX_CMP_REQUEUE_PRIVATE, 1, 1, &b, 1));
    SHOW(futex(&a, FUTEX_WAKE_OP_PRIVATE, 1, 1, &c, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_GT, 100)));
    printf("c %u\n", c);
    SHOW(futex(&b, FUTEX_WAKE_OP_PRIVATE, 1, 1, &c, FUTEX_OP(FUTEX_OP_OR, 0x100, FUTEX_OP_CMP_EQ, 8)));
    printf("c %u\n", c);
    SHOW(futex(&b, FUTEX_WAIT_PRIVATE, 0, (uintptr_t)&soon, NULL, 0));
    SHOW(futex(&b, FUTEX_REQUEUE_PRIVATE, 0, 10, &a, 0));
    usleep(2000);
    for (int i = 0; i < 10 && futex(&a, FUTEX_WAKE_PRIVATE, 100, 0, NULL, 0) >= 0; i++)
        usleep(500);
    futex(&b, FUTEX_WAKE_PRIVATE, 100, 0, NULL, 0);
    for (int i = 0; i < 6; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
