/* The program executes itself three times, counting in argv and carrying a pipe and its pid through. */
/* expect: exit 12 */
#include "victim.h"
#include <signal.h>

int main(int argc, char **argv) {
    char number[20], seen[64] = "";
    sigset_t mask;
    int count = argc > 1 ? atoi(argv[1]) : 0;
    printf("run %d of pid %d: main %p stack %p heap %p errno %p\n", count, (int)getpid(),
           (void *)(uintptr_t)main, (void *)&count, malloc(100), (void *)&errno);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
    printf("mask %lx usr1 ignored %d usr2 %d\n", mask.__val[0], signal(SIGUSR1, SIG_IGN) == SIG_IGN,
           signal(SIGUSR2, SIG_DFL) == SIG_DFL);
    if (argc > 2)
        printf("pipe gave %zd: %s\n", read(atoi(argv[2]), seen, sizeof seen - 1), seen);
    if (count == 3)
        return argc + 9;
    SHOW(execl("/nonexistent", "x", (char *)NULL));
    SHOW(execl("/", "x", (char *)NULL));
    SHOW(execv("proc_exec.none", argv));
    int ends[2], closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(pipe(ends) == 0 && closed >= 0);
    dprintf(ends[1], "from run %d at %p", count, (void *)ends);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &mask, NULL) == 0 && raise(SIGUSR1) == 0);
    char from[20];
    snprintf(number, sizeof number, "%d", count + 1);
    snprintf(from, sizeof from, "%d", ends[0]);
    printf("descriptors %d %d %d\n", ends[0], ends[1], closed);
    fflush(stdout);
    execl("/proc/self/exe", argv[0], number, from, (char *)NULL);
    return 98;
}
