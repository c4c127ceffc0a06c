/* A child stops and continues its computing parent, with handlers for SIGTSTP and SIGCONT and without, and
 * sends it signals that faults have, too. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static volatile unsigned long work;
static volatile int paused, continued, faults;
static unsigned long seen[3];

static void on_signal(int signo) {
    switch (signo) {
    case SIGTSTP:
        seen[0] = work;
        paused++;
        break;
    case SIGCONT:
        seen[1] = work;
        continued++;
        break;
    default:
        seen[2] = work;
        faults++;
    }
}

static void child(pid_t parent) {
    const int numbers[] = {SIGTSTP, SIGSTOP, SIGCONT, SIGSEGV, SIGTTOU, SIGCONT, SIGFPE};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        usleep(20000);
        CHECK(kill(parent, numbers[i]) == 0);
    }
    _exit(0);
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    const int handled[] = {SIGTSTP, SIGCONT, SIGSEGV, SIGFPE};
    for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
        CHECK(sigaction(handled[i], &action, NULL) == 0);
    CHECK(setpgid(0, 0) == 0 || errno == EPERM);
    pid_t parent = getpid(), pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        child(parent);
    while (faults < 2)
        work++;
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    printf("%d %d %d: %lu %lu %lu of %lu\n", paused, continued, faults, seen[0], seen[1], seen[2], work);
    return 0;
}
