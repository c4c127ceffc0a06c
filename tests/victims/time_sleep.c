/* nanosleep and clock_nanosleep, relative and absolute, return at the recorded time. */
/* expect: exit 0 */
#include "victim.h"
#include <time.h>

static void show_now(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    printf("at %ld.%09ld\n", (long)now.tv_sec, now.tv_nsec);
}

int main(void) {
    struct timespec nap = {0, 15000000}, left = {7, 7}, until;
    show_now();
    SHOW(nanosleep(&nap, &left));
    show_now();
    printf("left untouched %ld %ld\n", (long)left.tv_sec, left.tv_nsec);
    SHOW(clock_nanosleep(CLOCK_REALTIME, 0, &nap, NULL));
    show_now();
    CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_nsec += 20000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL));
    show_now();
    until.tv_sec -= 5;
    SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL));
    SHOW(usleep(3000));
    nap.tv_nsec = 1000000000;
    SHOW(nanosleep(&nap, NULL));
    SHOW(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &nap, NULL));
    show_now();
    return 0;
}
