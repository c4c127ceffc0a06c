/* Four threads make calls that need no stop, while each of them gets signals of a timer of its own. */
/* expect: exit 0 */
/* flags: -pthread */
#include "victim.h"
#include <pthread.h>
#include <signal.h>
#include <time.h>

enum { THREADS = 4, CALLS = 12000 };

static __thread volatile unsigned count;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t order;
static int fd;

static void on_timer(int signo) {
    (void)signo;
    count++;
}

static void *work(void *argument) {
    uint64_t hash = (uint64_t)argument;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    event._sigev_un._tid = gettid();
    const struct itimerspec every = {{0, 1000000}, {0, 1000000}};
    timer_t timer;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &every, NULL) == 0);
    for (int i = 0; i < CALLS; i++) {
        char bytes[32];
        struct timespec now;
        CHECK(pread(fd, bytes, sizeof bytes, i % 4000) == sizeof bytes);
        CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
        hash = hash * 31 + hash_bytes(bytes, sizeof bytes) + (uint64_t)now.tv_nsec + count;
        if (i % 64 == 0) {
            pthread_mutex_lock(&mutex);
            order = order * 31 + (uint64_t)gettid();
            pthread_mutex_unlock(&mutex);
        }
    }
    CHECK(timer_delete(timer) == 0);
    printf("%016lx with %u signals\n", (unsigned long)hash, count);
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    CHECK(signal(SIGUSR1, on_timer) != SIG_ERR);
    fd = random_file("data", 8192);
    for (long i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    printf("order %016lx\n", (unsigned long)order);
    return 0;
}
