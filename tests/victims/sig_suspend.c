/* sigsuspend and pause end by alarm and interval timer signals, at the recorded times. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t alarms;

static void on_alarm(int signal) {
    (void)signal;
    alarms++;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_alarm};
    sigset_t block, none, old;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGALRM);
    CHECK(sigprocmask(SIG_BLOCK, &block, &old) == 0);
    SHOW(alarm(1));
    SHOW(sigsuspend(&none));
    printf("alarms %d\n", (int)alarms);
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
    /* Repeating, so that one arriving before pause() cannot hang it. */
    struct itimerval often = {{0, 40000}, {0, 40000}}, left;
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (int i = 0; i < 5; i++) {
        SHOW(pause());
        struct timespec now;
        CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0 && getitimer(ITIMER_REAL, &left) == 0);
        printf("%ld.%09ld alarms %d left %ld\n", (long)now.tv_sec, now.tv_nsec, (int)alarms,
               (long)left.it_value.tv_usec);
    }
    often = (struct itimerval){{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &often, &left) == 0);
    printf("interval was %ld\n", (long)left.it_interval.tv_usec);
    return 0;
}
