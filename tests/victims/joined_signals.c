/* Signals between processes that share memory, and timers in each of them. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

struct shared {
    volatile long ticks[2], got[2], computed[2];
    volatile int order[64], used;
};

static struct shared *shared;
static int self;

static void on_alarm(int signo) {
    (void)signo;
    shared->ticks[self]++;
    if (shared->used < 64)
        shared->order[shared->used++] = self;
}

static void on_user(int signo, siginfo_t *info, void *context) {
    (void)signo;
    (void)context;
    CHECK(info->si_code == SI_QUEUE);
    shared->got[self] += info->si_value.sival_int;
}

int main(void) {
    int status;
    struct sigaction user = {.sa_sigaction = on_user, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction alarm = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    CHECK(sigaction(SIGUSR1, &user, NULL) == 0 && sigaction(SIGALRM, &alarm, NULL) == 0);
    pid_t first = getpid(), child = fork();
    CHECK(child >= 0);
    self = child == 0;
    pid_t other = child ? child : first;
    struct itimerval timer = {{0, 3000 + 1000 * self}, {0, 3000 + 1000 * self}}, off = {0};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    for (int i = 1; i <= 10; i++) {
        CHECK(sigqueue(other, SIGUSR1, (union sigval){.sival_int = i}) == 0);
        long before = shared->ticks[self];
        while (shared->ticks[self] < before + 2 && shared->ticks[self] < 100)
            shared->computed[self]++;
    }
    CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
    if (child == 0) {
        while (!shared->got[1])
            usleep(100);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    printf("computed %ld and %ld, order ", shared->computed[0], shared->computed[1]);
    for (int i = 0; i < shared->used; i++)
        putchar('0' + shared->order[i]);
    printf(", got %d and %d\n", shared->got[0] > 0, shared->got[1] > 0);
    return 0;
}
