/* A program whose recording has stopped becomes another one. */
/* expect: exit 6 */
/* recording: stops */
#include "victim.h"
#include <sys/mman.h>
#include <sys/wait.h>

int main(void) {
    puts("before");
    fflush(stdout);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(0);
    CHECK(waitpid(child, NULL, 0) == child);
    execl("/bin/sh", "sh", "-c", "echo after; (exit 5); exit 6", (char *)NULL);
    return 1;
}
