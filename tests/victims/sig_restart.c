/* A read restarted by SA_RESTART until a later run of the handler writes the awaited bytes. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static volatile sig_atomic_t alarms;
static int ends[2];

static void on_alarm(int signal) {
    (void)signal;
    if (++alarms == 4)
        (void)!write(ends[1], "from the handler", 16);
}

int main(void) {
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 30000}, {0, 30000}}, stop = {{0, 0}, {0, 0}};
    char bytes[32] = "";
    struct timespec now;
    CHECK(pipe(ends) == 0 && sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    SHOW(read(ends[0], bytes, sizeof bytes));
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    printf("%s after %d alarms, %ld.%09ld\n", bytes, (int)alarms, (long)now.tv_sec, now.tv_nsec);
    CHECK(alarms >= 4);
    /* A restarted wait for a child. */
    alarms = 10;
    pid_t child = fork();
    if (child == 0) {
        char byte;
        CHECK(read(ends[0], &byte, 1) == 1);
        _exit(byte);
    }
    while (alarms < 13)
        pause();
    CHECK(write(ends[1], "7", 1) == 1);
    int status = 0;
    SHOW(waitpid(child, &status, 0) == child);
    CHECK(setitimer(ITIMER_REAL, &stop, NULL) == 0);
    printf("child %d status %x, %d alarms\n", (int)child, status, (int)alarms);
    return 0;
}
