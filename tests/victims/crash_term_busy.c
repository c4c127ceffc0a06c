/* SIGTERM from outside ends a program in the middle of a loop: the replay ends in the same place, with the
 * same memory. */
/* expect: signal SIGTERM */
#include "victim.h"
#include <signal.h>
#include <sys/types.h>
#include <time.h>

static volatile unsigned long work[4];

int main(void) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM};
    const struct itimerspec when = {.it_value.tv_nsec = 50000000};
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &when, NULL) == 0);
    for (;;)
        work[work[0] % 3 + 1] += work[0]++;
}
