/* Blocked signals stay pending, merge or queue, and are delivered at the recorded moment. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>

static volatile sig_atomic_t counts[65];

static void handler(int signal, siginfo_t *info, void *context) {
    (void)context;
    counts[signal]++;
    printf("signal %d number %d value %d pid %d\n", signal, counts[signal], info->si_value.sival_int,
           info->si_pid);
}

static void show_pending(void) {
    sigset_t pending;
    CHECK(sigpending(&pending) == 0);
    printf("pending %lx\n", pending.__val[0]);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigset_t block, old;
    sigemptyset(&block);
    for (int i = 0; i < 3; i++) {
        int signals[3] = {SIGUSR1, SIGRTMIN, SIGRTMIN + 1};
        sigaddset(&block, signals[i]);
        CHECK(sigaction(signals[i], &action, NULL) == 0);
    }
    SHOW(sigprocmask(SIG_BLOCK, &block, &old));
    raise(SIGUSR1);
    raise(SIGUSR1);
    for (int i = 0; i < 4; i++)
        CHECK(sigqueue(getpid(), SIGRTMIN + (i & 1), (union sigval){.sival_int = i + 100}) == 0);
    show_pending();
    CHECK(counts[SIGUSR1] == 0);
    sigdelset(&block, SIGUSR1);
    SHOW(sigprocmask(SIG_SETMASK, &block, NULL));
    CHECK(counts[SIGUSR1] == 1);
    show_pending();
    SHOW(sigprocmask(SIG_UNBLOCK, &block, &old));
    printf("old %lx\n", old.__val[0]);
    CHECK(counts[SIGRTMIN] == 2 && counts[SIGRTMIN + 1] == 2);
    CHECK(sigprocmask(SIG_BLOCK, &block, NULL) == 0);
    raise(SIGRTMIN);
    CHECK(signal(SIGRTMIN, SIG_IGN) != SIG_ERR);
    show_pending();
    SHOW(sigprocmask(77, &block, NULL));
    return 0;
}
