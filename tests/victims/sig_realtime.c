/* Real-time signals that come while the program computes: each once, in order, with its value. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <time.h>

enum { SIGNALS = 3 };
static volatile int count, values[16];

static void on_signal(int signo, siginfo_t *info, void *context) {
    (void)signo;
    (void)context;
    if (count < 16)
        values[count] = info->si_value.sival_int;
    count++;
}

static void arm(int value, long milliseconds) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};
    const struct itimerspec when = {.it_value.tv_nsec = milliseconds * 1000000};
    timer_t timer;
    event.sigev_value.sival_int = value;
    CHECK(timer_create(CLOCK_REALTIME, &event, &timer) == 0 && timer_settime(timer, 0, &when, NULL) == 0);
}

/* Some tenths of a second without a system call. */
static unsigned long compute(void) {
    unsigned long sum = 1;
    for (long i = 0; i < 200000000; i++)
        __asm__ volatile("add %1, %0" : "+r"(sum) : "r"(i));
    return sum;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGRTMIN + 1, &action, NULL) == 0);
    for (int i = 0; i < SIGNALS; i++)
        arm(100 + i, 10 + 10 * i);
    unsigned long sum = compute();
    struct timespec until = {.tv_nsec = 1000000};
    while (count < SIGNALS)
        nanosleep(&until, NULL);
    CHECK(count == SIGNALS);
    for (int i = 0; i < SIGNALS; i++)
        CHECK(values[i] == 100 + i);
    printf("%d signals, %lu\n", count, sum);
    return 0;
}
