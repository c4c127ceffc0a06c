/* Two processes increment what they share without a lock: how many updates are lost differs from run to run,
 * and is the same in each replay. */
/* expect: exit 0 */
#include "victim.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { ROUNDS = 20000, CHILDREN = 3 };

static void work(volatile long *counter, unsigned seed) {
    for (int i = 0; i < ROUNDS; i++) {
        long seen = *counter;
        seed = seed * 1103515245u + 12345u;
        if ((seed >> 16) % 64 == 0)
            sched_yield();
        if ((seed >> 16) % 512 == 1)
            usleep(1);
        *counter = seen + 1;
    }
}

int main(void) {
    unsigned seeds[CHILDREN + 1];
    int status;
    volatile long *counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(counter != MAP_FAILED);
    fill_random(seeds, sizeof seeds);
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            work(counter, seeds[i]);
            _exit(i);
        }
    }
    work(counter, seeds[CHILDREN]);
    for (int i = 0; i < CHILDREN; i++)
        CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) < CHILDREN);
    CHECK(*counter > 0 && *counter <= (CHILDREN + 1) * ROUNDS);
    printf("%ld of %d\n", *counter, (CHILDREN + 1) * ROUNDS);
    return 0;
}
