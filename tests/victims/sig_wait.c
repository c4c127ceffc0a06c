/* sigwaitinfo, sigtimedwait and sigwait take signals synchronously, or time out. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/time.h>
#include <time.h>

int main(void) {
    sigset_t set;
    siginfo_t info;
    int taken = 0;
    struct timespec none = {0, 0}, nap = {0, 20000000}, long_time = {60, 0};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGALRM);
    sigaddset(&set, SIGRTMIN);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    SHOW(sigtimedwait(&set, &info, &none));
    SHOW(sigtimedwait(&set, &info, &nap));
    CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_ptr = &set}) == 0);
    memset(&info, 0, sizeof info);
    SHOW(sigwaitinfo(&set, &info));
    printf("code %d pid %d value %p %016lx\n", info.si_code, info.si_pid, info.si_value.sival_ptr,
           (unsigned long)hash_bytes(&info, sizeof info));
    CHECK(raise(SIGUSR1) == 0);
    SHOW(sigwait(&set, &taken));
    printf("taken %d\n", taken);
    struct itimerval soon = {{0, 0}, {0, 20000}};
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
    SHOW(sigtimedwait(&set, &info, &long_time));
    printf("code %d\n", info.si_code);
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
    SHOW(sigwaitinfo(&set, NULL));
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    printf("%ld.%09ld\n", (long)now.tv_sec, now.tv_nsec);
    return 0;
}
