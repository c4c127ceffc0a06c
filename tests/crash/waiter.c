/* Waits in calls that must not be interrupted, and counts signals: SIGUSR2 is counted, SIGUSR1 crashes in its
 * handler, SIGTERM ends it with what it has seen. */
#include "fact.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

static volatile sig_atomic_t ending;
static int interrupted;
static volatile int sink;

static CALLED void bad_handler(int signo) {
    FACT("argument", "[\"bad_handler\", \"signo\", %d]", signo);
    sink = *(volatile int *)24;
}

/* epoll_wait() is never restarted: it returns EINTR when its thread is stopped by a tracer. */
static void *wait_long(void *argument) {
    struct epoll_event event;
    int fd = epoll_create1(0);
    while (!ending)
        if (epoll_wait(fd, &event, 1, 3600 * 1000) < 0 && errno == EINTR)
            interrupted++;
    return argument;
}

int main(void) {
    sigset_t set;
    siginfo_t info;
    pthread_t thread;
    int usr2 = 0;
    signal(SIGUSR1, bad_handler);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_create(&thread, NULL, wait_long, NULL);
    sigdelset(&set, SIGUSR1);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    FACT_TEXT("signal", "SIGSEGV");
    FACT("pid", "%d", (int)getpid());
    FACT_TEXT("access", "read");
    FACT("threads", "2");
    puts("ready");
    fflush(stdout);
    for (;;) {
        int signo = sigwaitinfo(&set, &info);
        if (signo == SIGUSR2) {
            usr2++;
            puts("usr2 now");
        }
        if (signo == SIGTERM)
            break;
        fflush(stdout);
    }
    printf("usr2 %d interrupted %d\n", usr2, interrupted);
    fflush(stdout);
    _exit(0);
}
