/* Two signals come while the program computes; the handler of the first blocks the second and makes calls. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static volatile int depth, count;
static char order[8];

static void on_signal(int signo) {
    CHECK(depth == 0);
    depth++;
    for (int i = 0; i < 20; i++)
        (void)getppid();
    order[count++] = signo == SIGALRM ? 'A' : 'V';
    depth--;
}

static void start(int which, long microseconds) {
    const struct itimerval timer = {.it_value.tv_usec = microseconds};
    CHECK(setitimer(which, &timer, NULL) == 0);
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal};
    struct timespec moment = {.tv_nsec = 1000000};
    unsigned long sum = 1;
    sigaddset(&action.sa_mask, SIGALRM);
    sigaddset(&action.sa_mask, SIGVTALRM);
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && sigaction(SIGVTALRM, &action, NULL) == 0);
    start(ITIMER_REAL, 20000);
    start(ITIMER_VIRTUAL, 20000);
    while (sum < 300000000)
        __asm__ volatile("inc %0" : "+r"(sum));
    while (count < 2) {
        nanosleep(&moment, NULL);
        for (long i = 0; i < 10000000; i++) /* the virtual timer counts this only */
            __asm__ volatile("" ::"r"(i));
    }
    printf("%s\n", order);
    return 0;
}
