/* poll, ppoll, select and pselect on pipes: ready sets, timeouts and what is left of them. */
/* expect: exit 0 */
#include "victim.h"
#include <poll.h>
#include <signal.h>
#include <sys/select.h>

int main(void) {
    int a[2], b[2];
    char bytes[10];
    CHECK(pipe2(a, O_CLOEXEC) == 0 && pipe2(b, O_NONBLOCK | O_DIRECT) == 0);
    printf("%d %d %d %d\n", a[0], a[1], b[0], b[1]);
    struct pollfd set[4] = {{a[0], POLLIN, 0}, {b[1], POLLOUT, 0}, {-1, POLLIN, 5}, {77, POLLIN, 0}};
    SHOW(poll(set, 4, 0));
    for (int i = 0; i < 4; i++)
        printf("%x ", set[i].revents);
    SHOW(read(b[0], bytes, sizeof bytes));
    CHECK(write(a[1], "ab", 2) == 2);
    SHOW(poll(set, 3, 1000));
    printf("%x %x %x\n", set[0].revents, set[1].revents, set[2].revents);
    struct timespec time = {0, 30000000};
    struct pollfd empty = {b[0], POLLIN, 0};
    sigset_t mask;
    sigfillset(&mask);
    SHOW(ppoll(&empty, 1, &time, &mask));
    SHOW(syscall(SYS_ppoll, set, 3, &time, NULL, 8));
    printf("ppoll left %ld.%09ld\n", (long)time.tv_sec, time.tv_nsec);
    SHOW(close(b[1]));
    SHOW(poll(&empty, 1, -1));
    printf("%x\n", empty.revents);
    fd_set in, out;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(a[0], &in);
    FD_SET(b[0], &in);
    FD_SET(a[1], &out);
    struct timeval limit = {7, 0};
    SHOW(select(20, &in, &out, NULL, &limit));
    printf("select %d %d %d left %ld.%06ld\n", FD_ISSET(a[0], &in), FD_ISSET(b[0], &in), FD_ISSET(a[1], &out),
           (long)limit.tv_sec, (long)limit.tv_usec);
    FD_ZERO(&in);
    limit = (struct timeval){0, 20000};
    SHOW(select(0, NULL, NULL, NULL, &limit));
    FD_SET(a[0], &in);
    time = (struct timespec){3, 5};
    SHOW(pselect(20, &in, NULL, NULL, &time, &mask));
    printf("pselect %d\n", FD_ISSET(a[0], &in));
    FD_SET(88, &in);
    SHOW(select(100, &in, NULL, NULL, &limit));
    return 0;
}
