/* A fork bomb with an end: everybody forks, five times. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/wait.h>

int main(void) {
    int ends[2], count = 0;
    char byte;
    CHECK(pipe(ends) == 0);
    pid_t first = getpid();
    for (int i = 0; i < 5; i++)
        CHECK(fork() >= 0);
    CHECK(write(ends[1], "x", 1) == 1);
    while (wait(NULL) > 0)
        ;
    if (getpid() != first)
        _exit(0);
    close(ends[1]);
    while (read(ends[0], &byte, 1) == 1)
        count++;
    printf("%d processes\n", count);
    CHECK(count == 32);
    return 0;
}
