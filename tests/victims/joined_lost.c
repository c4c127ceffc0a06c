/* A process that shares nothing kills one that computes in shared memory: where it was then is not known, but
 * what it has left there is. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { CELLS = 4096 };

static void kill_all(int from, int to) {
    pid_t victim;
    while (read(from, &victim, sizeof victim) == sizeof victim) {
        usleep(3000 + (unsigned)getpid() % 7 * 1000);
        CHECK(kill(victim, SIGKILL) == 0);
        CHECK(write(to, "x", 1) == 1);
    }
    _exit(0);
}

int main(void) {
    int orders[2], answers[2], status;
    char byte;
    CHECK(pipe(orders) == 0 && pipe(answers) == 0);
    pid_t killer = fork();
    CHECK(killer >= 0);
    if (killer == 0) {
        close(orders[1]);
        kill_all(orders[0], answers[1]);
    }
    volatile long *shared =
        mmap(NULL, CELLS * sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    for (int i = 0; i < 6; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            for (unsigned long at = 0;; at = at * 5 + 1)
                shared[at % CELLS] += i;
        CHECK(write(orders[1], &child, sizeof child) == sizeof child);
        if (i % 2)
            while (shared[1] % 1000 != 999 && waitpid(child, &status, WNOHANG) == 0)
                shared[0]++;
        else
            CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
        CHECK(read(answers[0], &byte, 1) == 1);
        while (waitpid(child, &status, 0) == child)
            ;
        printf("%016llx\n", (unsigned long long)hash_bytes((const void *)shared, CELLS * sizeof(long)));
    }
    close(orders[1]);
    CHECK(waitpid(killer, &status, 0) == killer && status == 0);
    return 0;
}
