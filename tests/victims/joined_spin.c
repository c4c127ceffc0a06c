/* Two processes wait for each other in loops over shared memory, without a call: they get turns all the same.
 */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>
#include <sys/wait.h>

enum { ROUNDS = 12 };

int main(void) {
    int status;
    volatile unsigned *turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(turn != MAP_FAILED);
    unsigned long spun = 0;
    pid_t child = fork();
    CHECK(child >= 0);
    unsigned mine = child == 0;
    for (int i = 0; i < ROUNDS; i++) {
        while (*turn % 2 != mine)
            spun++;
        ++*turn;
    }
    if (child == 0) {
        turn[1] = (unsigned)spun;
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(*turn == 2 * ROUNDS);
    printf("%lu and %u\n", spun, turn[1]);
    return 0;
}
