/* Futexes with priority inheritance, raw: lock, try, unlock, wait and requeue to one; and waiting for
 * several. */
/* expect: exit 0 */
#include "victim.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#define TYPE_32_PRIVATE (2 | FUTEX_PRIVATE_FLAG)

static uint32_t lock, condition, words[3];
static int waiting, woken;
static long counter;

static long futex(uint32_t *word, int operation, uint32_t value, void *timeout, uint32_t *other,
                  uint32_t value3) {
    return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, timeout, other, value3);
}

static void take(void) {
    CHECK(futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == 0);
    CHECK((lock & FUTEX_TID_MASK) == (uint32_t)gettid());
}

/* The kernel of today may say EAGAIN, very seldom: it means what it says. */
static void give(void) {
    long result;
    while ((result = futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0)) != 0 && errno == EAGAIN)
        ;
    CHECK(result == 0);
}

static void *count(void *argument) {
    for (int i = 0; i < 100; i++) {
        if (i % 3 == 0 && futex(&lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0) != 0)
            CHECK(errno == EWOULDBLOCK);
        if ((lock & FUTEX_TID_MASK) != (uint32_t)gettid())
            take();
        long seen = counter;
        if (i % 10 == 0)
            sched_yield();
        if (i % 40 == 5)
            usleep(200);
        counter = seen + 1;
        give();
    }
    return argument;
}

static void *requeued(void *argument) {
    __atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
    CHECK(futex(&condition, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &lock, 0) == 0);
    CHECK((lock & FUTEX_TID_MASK) == (uint32_t)gettid()); /* it has it */
    woken++;
    give();
    return argument;
}

static void *several(void *argument) {
    struct {
        uint64_t value, address;
        uint32_t flags, reserved;
    } all[3];
    for (int i = 0; i < 3; i++) {
        all[i].value = 0;
        all[i].address = (uint64_t)&words[i];
        all[i].flags = TYPE_32_PRIVATE;
        all[i].reserved = 0;
    }
    long result = syscall(SYS_futex_waitv, all, 3, 0, NULL, 0);
    printf("futex_waitv: %ld\n", result < 0 && errno != EAGAIN ? -errno : result < 0 ? 1 : result);
    return argument;
}

int main(void) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, count, NULL) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(counter == 400);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, requeued, NULL) == 0);
    for (long moved = 0; moved < 4;) {
        while (waiting < 4)
            usleep(100);
        take();
        long result = futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)10L, &lock, 0);
        CHECK(result >= 0);
        moved += result;
        give();
        usleep(500);
    }
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(woken == 4);
    CHECK(pthread_create(&threads[0], NULL, several, NULL) == 0);
    usleep(1000);
    words[1] = 1;
    futex(&words[1], FUTEX_WAKE, 1, NULL, NULL, 0);
    CHECK(pthread_join(threads[0], NULL) == 0);
    struct timespec past = {1, 0};
    take();
    SHOW(futex(&lock, FUTEX_LOCK_PI, 0, &past, NULL, 0)); /* itself */
    give();
    SHOW(futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0)); /* not its owner */
    return 0;
}
