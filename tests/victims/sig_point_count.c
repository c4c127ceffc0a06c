/* A timer fires into a loop of 10^8 iterations: each signal's handler sees the counter where it was. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/time.h>

static volatile unsigned long counter;
static unsigned long seen[64];
static volatile int count;

static void on_alarm(int signo) {
    (void)signo;
    if (count < 64)
        seen[count++] = counter;
}

int main(void) {
    const struct itimerval timer = {{0, 10000}, {0, 10000}};
    CHECK(signal(SIGALRM, on_alarm) != SIG_ERR && setitimer(ITIMER_REAL, &timer, NULL) == 0);
    for (counter = 0; counter < 100000000; counter++)
        continue;
    for (int i = 0; i < count; i++)
        printf("%lu\n", seen[i]);
    return 0;
}
