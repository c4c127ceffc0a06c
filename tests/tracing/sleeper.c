/* Waits in the call that argv[1] says (nanosleep, epoll, read), works, and says whether it was interrupted.
 * SIGUSR1 ends nanosleep, and is no interruption. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

__attribute__((noinline)) int work_after(int number) {
    volatile int more = number + 1;
    return more;
}

static volatile sig_atomic_t woken;

static void wake(int signo) {
    (void)signo;
    woken = 1;
}

static int wait_once(const char *how) {
    if (strcmp(how, "nanosleep") == 0) {
        struct timespec time = {.tv_sec = 1000};
        return nanosleep(&time, NULL) == 0 || !woken;
    }
    if (strcmp(how, "epoll") == 0) {
        struct epoll_event event = {.events = EPOLLIN};
        int set = epoll_create1(0);
        epoll_ctl(set, EPOLL_CTL_ADD, 0, &event);
        return epoll_wait(set, &event, 1, -1) < 0 ? -1 : 0;
    }
    char text[16];
    return read(0, text, sizeof(text)) < 0 ? -1 : 0;
}

__attribute__((noinline)) int outer(const char *how) {
    int failed = wait_once(how), error = errno;
    for (int i = 0; i < 3; i++)
        work_after(i);
    return failed ? error : 0;
}

int main(int argc, char **argv) {
    signal(SIGUSR1, wake);
    printf("ready\n");
    fflush(stdout);
    int error = outer(argc > 1 ? argv[1] : "read");
    printf("%s\n", error ? strerror(error) : "well");
    return error != 0;
}
