/* Interval and POSIX timers: what is left, what was there before, and their expiry signals with values. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t alarms, values;

static void on_alarm(int signal) {
    (void)signal;
    alarms++;
}

static void on_timer(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)context;
    values = info->si_value.sival_int * 10 + (info->si_code == SI_TIMER);
}

int main(void) {
    struct sigaction action = {.sa_handler = on_alarm},
                     timed = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO};
    sigset_t block, none;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGALRM);
    sigaddset(&block, SIGRTMIN);
    CHECK(sigprocmask(SIG_BLOCK, &block, NULL) == 0);
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && sigaction(SIGRTMIN, &timed, NULL) == 0);
    struct itimerval set = {{0, 0}, {900, 0}}, old;
    SHOW(setitimer(ITIMER_REAL, &set, NULL));
    SHOW(getitimer(ITIMER_REAL, &old));
    printf("left %ld.%06ld\n", (long)old.it_value.tv_sec, (long)old.it_value.tv_usec);
    set.it_value = (struct timeval){0, 20000};
    SHOW(setitimer(ITIMER_REAL, &set, &old));
    printf("old %ld.%06ld\n", (long)old.it_value.tv_sec, (long)old.it_value.tv_usec);
    SHOW(sigsuspend(&none));
    printf("alarms %d\n", (int)alarms);
    SHOW(alarm(500));
    SHOW(alarm(0));
    struct itimerval cpu = {{0, 0}, {1000, 0}};
    SHOW(setitimer(ITIMER_VIRTUAL, &cpu, NULL));
    SHOW(setitimer(ITIMER_PROF, &cpu, NULL));
    SHOW(getitimer(ITIMER_PROF, &cpu));
    printf("prof %ld.%06ld\n", (long)cpu.it_value.tv_sec, (long)cpu.it_value.tv_usec);
    struct sigevent event = {
        .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 4321};
    timer_t timer;
    SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
    struct itimerspec when = {{0, 0}, {0, 25000000}}, left;
    SHOW(timer_settime(timer, 0, &when, &left));
    SHOW(timer_gettime(timer, &left));
    printf("left %ld.%09ld\n", (long)left.it_value.tv_sec, left.it_value.tv_nsec);
    SHOW(sigsuspend(&none));
    printf("value %d\n", (int)values);
    SHOW(timer_getoverrun(timer));
    SHOW(timer_delete(timer));
    SHOW(timer_delete(timer));
    return 0;
}
