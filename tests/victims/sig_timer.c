/* A timer fires a thousand times a second into a loop of short calls: each signal at its place. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/time.h>

static volatile int count;

static void on_alarm(int signo) {
    (void)signo;
    count++;
}

int main(void) {
    const struct itimerval timer = {{0, 1000}, {0, 1000}};
    int zeros = open("/dev/zero", O_RDONLY);
    unsigned long sum = 0;
    char bytes[64];
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0);
    for (int i = 0; i < 8000; i++) {
        CHECK(read(zeros, bytes, sizeof bytes) == sizeof bytes);
        for (int k = 0; k < 500; k++)
            sum = sum * 31 + (unsigned)(k + count);
    }
    printf("%d signals, %lu\n", count, sum);
    return 0;
}
