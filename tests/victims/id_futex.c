/* futex wakes, waits and timeouts of one thread; sched_yield and membarrier. */
/* expect: exit 0 */
#include "victim.h"
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <time.h>

int main(void) {
    uint32_t word = 5, other = 6;
    struct timespec nap = {0, 20000000}, now;
    printf("word at %p\n", (void *)&word);
    SHOW(syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0));
    SHOW(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0));
    SHOW(syscall(SYS_futex, &word, FUTEX_WAIT, 4, NULL, NULL, 0));
    SHOW(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 5, &nap, NULL, 0));
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    printf("%ld.%09ld\n", (long)now.tv_sec, now.tv_nsec);
    SHOW(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 5, &now, NULL, 1));
    SHOW(syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE, 1, 1, &other, 5));
    uint32_t operation = FUTEX_OP(FUTEX_OP_ADD, 37, FUTEX_OP_CMP_GT, 0);
    SHOW(syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1, &other, operation));
    printf("the kernel added: %u\n", other);
    uint32_t lock = 0;
    SHOW(syscall(SYS_futex, &lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    printf("the kernel wrote the owner: %u, tid %d\n", lock, (int)gettid());
    SHOW(syscall(SYS_futex, &lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    printf("and freed it: %u\n", lock);
    SHOW(syscall(SYS_futex, (char *)&word + 1, FUTEX_WAKE, 1, NULL, NULL, 0));
    SHOW(sched_yield());
    SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0));
    SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
    SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    SHOW(syscall(SYS_membarrier, 1 << 30, 0, 0));
    return 0;
}
