/* A SIGCHLD handler that reaps, while the program forks, computes and sleeps. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static volatile sig_atomic_t reaped, sum;

static void handler(int signo) {
    int status, before = errno;
    (void)signo;
    while (waitpid(-1, &status, WNOHANG) > 0) {
        reaped++;
        sum += WEXITSTATUS(status);
    }
    errno = before;
}

int main(void) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGCHLD, &action, NULL);
    for (int i = 1; i <= 20; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            signal(SIGCHLD, SIG_DFL);
            const struct timespec moment = {.tv_nsec = i % 3 * 1000000};
            nanosleep(&moment, NULL);
            _exit(i);
        }
        getppid();
    }
    while (reaped < 20) {
        const struct timespec moment = {.tv_nsec = 5000000};
        nanosleep(&moment, NULL);
    }
    printf("%d reaped, sum %d\n", (int)reaped, (int)sum);
    CHECK(sum == 210);
    return 0;
}
