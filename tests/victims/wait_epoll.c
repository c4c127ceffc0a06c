/* epoll, eventfd, timerfd, signalfd and inotify: events, data words and counters as recorded. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static int add(int set, int fd, unsigned events) {
    struct epoll_event event = {.events = events, .data.u64 = (uintptr_t)&event + (unsigned)fd};
    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

int main(void) {
    uint64_t value = 5;
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
    int set = epoll_create1(EPOLL_CLOEXEC), event = eventfd(3, EFD_NONBLOCK);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), signals = signalfd(-1, &mask, SFD_NONBLOCK);
    int watch = inotify_init1(IN_NONBLOCK);
    SHOW(inotify_add_watch(watch, ".", IN_CREATE | IN_DELETE | IN_CLOSE_WRITE));
    CHECK(add(set, event, EPOLLIN) == 0 && add(set, timer, EPOLLIN | EPOLLET) == 0);
    CHECK(add(set, signals, EPOLLIN) == 0 && add(set, watch, EPOLLIN) == 0);
    SHOW(add(set, event, EPOLLIN));
    SHOW(add(set, 0, EPOLLIN) == 0 || errno == EPERM);
    SHOW(epoll_ctl(set, EPOLL_CTL_DEL, 0, NULL) <= 0);
    SHOW(write(event, &value, 8));
    struct itimerspec when = {{0, 0}, {0, 20000000}}, left;
    SHOW(timerfd_settime(timer, 0, &when, NULL));
    SHOW(timerfd_gettime(timer, &left));
    printf("left %ld.%09ld\n", (long)left.it_value.tv_sec, left.it_value.tv_nsec);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    close(random_file("wait_epoll.dat", 10));
    CHECK(unlink("wait_epoll.dat") == 0);
    for (int seen = 0; seen < 4;) {
        struct epoll_event got[8];
        int count = epoll_pwait(set, got, 8, 5000, &mask);
        CHECK(count > 0);
        printf("%d ready\n", count);
        for (int i = 0; i < count; i++)
            printf("  %x %lx\n", got[i].events, (unsigned long)got[i].data.u64);
        union {
            uint64_t word;
            struct signalfd_siginfo info;
            struct inotify_event change;
            char bytes[512];
        } u;
        if (read(event, &u, 8) == 8)
            printf("event %lu\n", (unsigned long)u.word), seen++;
        if (read(timer, &u, 8) == 8)
            printf("timer %lu\n", (unsigned long)u.word), seen++;
        if (read(signals, &u, sizeof u) == sizeof u.info)
            printf("signal %u from %u code %d\n", u.info.ssi_signo, u.info.ssi_pid, u.info.ssi_code), seen++;
        ssize_t got_bytes = read(watch, &u, sizeof u);
        if (got_bytes > 0)
            printf("inotify %zd %s %016lx\n", got_bytes, u.change.name,
                   (unsigned long)hash_bytes(&u, (size_t)got_bytes)),
                seen++;
    }
    struct epoll_event none;
    SHOW(epoll_wait(set, &none, 1, 10));
    SHOW(read(event, &value, 8));
    SHOW(epoll_ctl(set, EPOLL_CTL_DEL, timer, NULL));
    return 0;
}
