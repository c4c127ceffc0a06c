/* A child that still runs the code (with its rdtsc) after its parent has unmapped it and become another
 * program. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>
#include <sys/wait.h>
#include <x86intrin.h>

static int compute(void) {
    unsigned long long first = __rdtsc(), last = first;
    for (int i = 0; i < 100 || last == first; i++)
        last = __rdtsc();
    return last > first ? 7 : 8;
}

static void child(int ready) {
    char byte;
    CHECK(read(ready, &byte, 1) == 1);
    _exit(compute());
}

static void after(int child_pid, int ready) {
    int status;
    CHECK(write(ready, "x", 1) == 1);
    CHECK(waitpid(child_pid, &status, 0) == child_pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    printf("the child ended well\n");
    exit(0);
}

int main(int argc, char **argv) {
    if (argc == 3)
        after(atoi(argv[1]), atoi(argv[2]));
    int ends[2];
    char pid[16], ready[16];
    CHECK(compute() == 7 && pipe(ends) == 0);
    pid_t parted = fork();
    CHECK(parted >= 0);
    if (parted == 0)
        child(ends[0]);
    snprintf(pid, sizeof pid, "%d", (int)parted);
    snprintf(ready, sizeof ready, "%d", ends[1]);
    execl("/proc/self/exe", argv[0], pid, ready, (char *)NULL);
    return 1;
}
