/* The process ends while threads wait in calls of all kinds, some of which have written to memory. */
/* expect: exit 5 */
#include "victim.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>

static int pipefd[2];
static sem_t never, started;
static char buffer[100];

static void *in_read(void *argument) {
    sem_post(&started);
    for (;;) /* the second time it waits */
        if (read(pipefd[0], buffer, sizeof buffer) < 0)
            return argument;
}
static void *in_futex(void *argument) {
    sem_post(&started);
    sem_wait(&never);
    return argument;
}
static void *in_sleep(void *argument) {
    sem_post(&started);
    sleep(1000);
    return argument;
}
static void *in_poll(void *argument) {
    struct pollfd fds = {.fd = 0x7fff, .events = POLLIN, .revents = 0};
    fds.fd = epoll_create1(0);
    sem_post(&started);
    poll(&fds, 1, -1);
    return argument;
}
static void *in_epoll(void *argument) {
    struct epoll_event events[4];
    int fd = epoll_create1(0);
    sem_post(&started);
    epoll_wait(fd, events, 4, -1);
    return argument;
}
static void *ends(void *argument) {
    usleep(2000);
    CHECK(write(pipefd[1], "something", 9) == 9);
    printf("ending with %d threads waiting\n", 5);
    fflush(stdout);
    _exit(*(int *)argument);
}

int main(void) {
    static void *(*const all[])(void *) = {in_read, in_futex, in_sleep, in_poll, in_epoll};
    pthread_t thread;
    int status = 5;
    CHECK(pipe(pipefd) == 0);
    sem_init(&never, 0, 0);
    sem_init(&started, 0, 0);
    for (size_t i = 0; i < 5; i++)
        CHECK(pthread_create(&thread, NULL, all[i], NULL) == 0);
    for (size_t i = 0; i < 5; i++)
        sem_wait(&started);
    CHECK(pthread_create(&thread, NULL, ends, &status) == 0);
    sem_wait(&never);
    return 1;
}
