/* Blocking calls interrupted by a handler without SA_RESTART fail with EINTR, with the recorded time left. */
/* expect: exit 0 */
#include "victim.h"
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t alarms;

static void on_alarm(int signal) {
    (void)signal;
    alarms++;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {{0, 40000}, {0, 40000}}, stop = {{0, 0}, {0, 0}};
    int ends[2], pair[2];
    char bytes[8] = "kept";
    CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    int set = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) == 0);
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
    SHOW(read(ends[0], bytes, sizeof bytes));
    SHOW(recv(pair[0], bytes, sizeof bytes, 0));
    printf("%s after %d\n", bytes, (int)alarms > 0);
    struct timespec nap = {100, 0}, left = {0, 0};
    SHOW(nanosleep(&nap, &left));
    printf("left %ld.%09ld\n", (long)left.tv_sec, left.tv_nsec);
    SHOW(clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, &left));
    printf("left %ld.%09ld\n", (long)left.tv_sec, left.tv_nsec);
    struct pollfd one = {ends[0], POLLIN, 0};
    SHOW(poll(&one, 1, 100000));
    SHOW(syscall(SYS_ppoll, &one, 1, &nap, NULL, 8));
    printf("ppoll left %ld.%09ld\n", (long)nap.tv_sec, nap.tv_nsec);
    fd_set in;
    FD_ZERO(&in);
    FD_SET(ends[0], &in);
    struct timeval limit = {100, 0};
    SHOW(select(ends[0] + 1, &in, NULL, NULL, &limit));
    printf("select left %ld.%06ld set %d\n", (long)limit.tv_sec, (long)limit.tv_usec,
           FD_ISSET(ends[0], &in) != 0);
    SHOW(epoll_wait(set, &event, 1, 100000));
    SHOW(sleep(100) > 90);
    CHECK(setitimer(ITIMER_REAL, &stop, NULL) == 0);
    printf("alarms %d\n", (int)alarms);
    return 0;
}
