/* Bytes go round through threads: pipes that fill up, sockets, epoll with an eventfd, and a mutex in between.
 */
/* expect: exit 0 */
#include "victim.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum { BYTES = 300000 };
static int first[2], second[2], sockets[2], event_fd;

static void *source(void *argument) {
    static unsigned char data[BYTES];
    fill_random(data, sizeof data);
    for (size_t done = 0; done < sizeof data;) {
        ssize_t put = write(first[1], data + done, sizeof data - done);
        CHECK(put > 0);
        done += (size_t)put;
    }
    close(first[1]);
    printf("source %llx\n", (unsigned long long)hash_bytes(data, sizeof data));
    return argument;
}

static void *forward(void *argument) {
    unsigned char block[3000];
    ssize_t got;
    while ((got = read(first[0], block, sizeof block)) > 0) {
        CHECK(send(sockets[0], block, (size_t)got, 0) == got);
        uint64_t one = 1;
        CHECK(write(event_fd, &one, 8) == 8);
    }
    shutdown(sockets[0], SHUT_WR);
    return argument;
}

static void *watch(void *argument) {
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1}, events[2];
    long wakeups = 0;
    uint64_t sum = 0, value;
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, event_fd, &event) == 0);
    while (sum < 1u << 20) {
        CHECK(epoll_wait(epoll, events, 2, -1) == 1);
        CHECK(read(event_fd, &value, 8) == 8);
        sum += value;
        wakeups++;
    }
    printf("watched %llu in %ld wake-ups\n", (unsigned long long)sum, wakeups);
    return argument;
}

int main(void) {
    static unsigned char data[BYTES + 1];
    pthread_t threads[3];
    size_t got = 0;
    long polls = 0;
    CHECK(pipe(first) == 0 && pipe(second) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    event_fd = eventfd(0, 0);
    CHECK(pthread_create(&threads[0], NULL, watch, NULL) == 0);
    CHECK(pthread_create(&threads[1], NULL, forward, NULL) == 0);
    CHECK(pthread_create(&threads[2], NULL, source, NULL) == 0);
    for (;;) {
        struct pollfd fd = {.fd = sockets[1], .events = POLLIN};
        CHECK(poll(&fd, 1, 10000) == 1);
        polls++;
        ssize_t part = recv(sockets[1], data + got, sizeof data - got, 0);
        CHECK(part >= 0);
        if (part == 0)
            break;
        got += (size_t)part;
    }
    uint64_t last = 1 << 20;
    CHECK(write(event_fd, &last, 8) == 8);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(got == BYTES);
    printf("sink %llx after %ld polls\n", (unsigned long long)hash_bytes(data, got), polls);
    return 0;
}
