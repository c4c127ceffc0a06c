/* signalfd: queued values, several signals a read, poll and epoll on it, while a timer comes and the program
 * computes. */
/* expect: exit 0 */
#include "victim.h"
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/time.h>

static void show(const struct signalfd_siginfo *info) {
    printf("signal %u code %d pid %d value %d\n", info->ssi_signo, info->ssi_code,
           info->ssi_pid == (unsigned)getpid(), info->ssi_int);
}

int main(void) {
    const struct itimerval timer = {.it_value.tv_usec = 20000};
    struct signalfd_siginfo infos[4];
    struct epoll_event event = {.events = EPOLLIN};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN + 3);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), epoll = epoll_create1(0);
    CHECK(fd >= 0 && epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
    CHECK(read(fd, infos, sizeof(infos)) == -1 && errno == EAGAIN);
    for (int i = 0; i < 3; i++)
        CHECK(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 100 + i}) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0 && kill(getpid(), SIGUSR1) == 0);
    CHECK(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1) == 1);
    for (ssize_t got; (got = read(fd, infos, sizeof(infos))) > 0;) {
        printf("%zd at once\n", got / (ssize_t)sizeof(infos[0]));
        for (ssize_t i = 0; i < got / (ssize_t)sizeof(infos[0]); i++)
            show(&infos[i]);
    }
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    volatile unsigned long work = 0;
    while (work < 30000000)
        work++;
    CHECK(epoll_wait(epoll, &event, 1, -1) == 1 && read(fd, infos, sizeof(infos)) == sizeof(infos[0]));
    show(&infos[0]);
    return 0;
}
