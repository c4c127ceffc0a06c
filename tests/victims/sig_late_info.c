/* A queued signal reaches a loop that waits for it with its value, and its handler runs once. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <time.h>

static volatile int count, value, code;

static void on_signal(int signo, siginfo_t *info, void *context) {
    (void)signo;
    (void)context;
    value = info->si_value.sival_int;
    code = info->si_code;
    count++;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2};
    const struct itimerspec when = {.it_value.tv_nsec = 20000000};
    timer_t timer;
    event.sigev_value.sival_int = 4242;
    CHECK(sigaction(SIGRTMIN + 2, &action, NULL) == 0);
    CHECK(timer_create(CLOCK_REALTIME, &event, &timer) == 0 && timer_settime(timer, 0, &when, NULL) == 0);
    while (!count)
        continue;
    CHECK(value == 4242 && code == SI_TIMER);
    CHECK(usleep(10000) == 0 && count == 1);
    printf("once\n");
    return 0;
}
