/* One thread takes all signals by sigwaitinfo and sigtimedwait; others have them blocked. A last one kills.
 */
/* expect: signal SIGTERM */
#include "victim.h"
#include <pthread.h>
#include <signal.h>
#include <time.h>

static sigset_t all;

static void *take(void *argument) {
    for (int i = 0; i < 12;) {
        siginfo_t info;
        struct timespec most = {.tv_nsec = 2000000};
        int signo = i % 2 ? sigwaitinfo(&all, &info) : sigtimedwait(&all, &info, &most);
        if (signo < 0)
            continue;
        printf("%d: signal %d code %d value %d\n", i++, signo, info.si_code, info.si_value.sival_int);
    }
    fflush(stdout);
    return argument;
}

int main(void) {
    pthread_t thread;
    sigemptyset(&all);
    sigaddset(&all, SIGUSR1);
    sigaddset(&all, SIGRTMIN + 1);
    CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, take, NULL) == 0);
    for (int i = 0; i < 12; i++) {
        CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}) == 0);
        usleep(200);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    kill(getpid(), SIGTERM);
    pause();
    return 0;
}
