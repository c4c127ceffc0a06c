/* crowd [COUNT]: like ticker, but seven threads are at work: they lock, wait, signal, hand bytes through a pipe, and
 * start more threads. */
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint64_t counter;
static int pipefd[2];

static void *count(void *argument) {
    for (;;) {
        pthread_mutex_lock(&mutex);
        uint64_t seen = ++counter;
        if (seen % 20 == 0)
            pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
        if (seen % 7 == 0)
            usleep(50);
    }
    return argument;
}

static void *wait_and_write(void *argument) {
    for (;;) {
        pthread_mutex_lock(&mutex);
        pthread_cond_wait(&changed, &mutex);
        pthread_mutex_unlock(&mutex);
        if (write(pipefd[1], "x", 1) != 1)
            return argument;
    }
}

static void *take(void *argument) {
    char bytes[10];
    while (read(pipefd[0], bytes, sizeof(bytes)) > 0)
        ;
    return argument;
}

static void *nothing(void *argument) {
    return argument;
}

static void *start_others(void *argument) {
    for (;;) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, nothing, NULL) == 0)
            pthread_join(thread, NULL);
        usleep(100);
    }
    return argument;
}

int main(int argc, char **argv) {
    static void *(*const jobs[])(void *) = {count, count, wait_and_write, wait_and_write, take, start_others};
    long lines = argc > 1 ? atol(argv[1]) : 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (pipe(pipefd) < 0)
        return 99;
    printf("pid %d\n", (int)getpid());
    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, jobs[i], NULL) != 0)
            return 99;
    }
    for (long i = 1; !lines || i <= lines; i++) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        printf("%ld %" PRIu64 " %ld.%09ld\n", i, counter, (long)now.tv_sec, now.tv_nsec);
        usleep(i % 10 ? 10 : 3000);
    }
    return 7;
}
