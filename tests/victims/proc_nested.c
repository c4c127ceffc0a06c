/* Children of children of children: each replays by itself. */
/* expect: exit 21 */
#include "victim.h"
#include <sys/wait.h>

/* The sum of all depths below, as exit statuses. */
static int descend(int depth) {
    int status;
    char *own = malloc(10000);
    fill_random(own, 10000);
    printf("depth %d: pid %d of %d, %016lx\n", depth, (int)getpid(), (int)getppid(),
           (unsigned long)hash_bytes(own, 10000));
    fflush(stdout);
    if (depth == 6)
        return depth;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(descend(depth + 1));
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    free(own);
    return depth + WEXITSTATUS(status);
}

int main(void) {
    return descend(0);
}
