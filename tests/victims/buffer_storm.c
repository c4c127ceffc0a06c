/* Four threads make calls of many kinds as fast as they can, while a timer interrupts each of them 1 000
 * times a second; what they find is printed. With SOAK in the environment it is a million calls. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <termios.h>
#include <time.h>

enum { THREADS = 4, EVERY = 1000000 /* ns */ };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t order;
static long rounds = 250;
static int data, terminal;
static _Thread_local unsigned ticks;
static _Thread_local uint64_t hash;

static void on_timer(int signo) {
    int saved = errno;
    ticks += signo == SIGUSR1 && getpid() > 0;
    errno = saved;
}

static void begin_timer(timer_t *ret) {
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    struct itimerspec often = {{0, EVERY}, {0, EVERY}};
    event._sigev_un._tid = gettid();
    CHECK(timer_create(CLOCK_MONOTONIC, &event, ret) == 0 && timer_settime(*ret, 0, &often, NULL) == 0);
}

static void add(uint64_t value) {
    hash = hash * 31 + value;
}

static void use_vectors(int file, const int ends[2], long i) {
    char one[24], two[40];
    struct iovec vectors[] = {{one, sizeof(one)}, {two, (size_t)(i % 41)}};
    ssize_t size = (ssize_t)(sizeof(one) + vectors[1].iov_len);
    CHECK(preadv(data, vectors, 2, i % 4000) == size);
    CHECK(pwritev(file, vectors, 2, i % 100) == size && writev(ends[1], vectors, 2) == size);
    memset(one, 0, sizeof(one));
    CHECK(readv(ends[0], vectors, 2) == size);
    add(hash_bytes(one, sizeof(one)) + hash_bytes(two, vectors[1].iov_len));
    if (i % 32 == 0) /* these stop */
        CHECK(syscall(SYS_writev, -1, vectors, 2) < 0 && syscall(SYS_writev, file, 8, 2) < 0);
}

static void ask(long i) {
    struct timespec now;
    struct stat info;
    struct termios modes;
    struct winsize size;
    char random[8];
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0 && fstat(data, &info) == 0);
    CHECK(stat("none", &info) < 0 && getrandom(random, sizeof(random), 0) == sizeof(random));
    add((uint64_t)now.tv_nsec + (uint64_t)info.st_size + hash_bytes(random, sizeof(random)));
    add((uint64_t)tcgetattr(terminal, &modes) + (uint64_t)ioctl(terminal, TIOCGWINSZ, &size));
    add((uint64_t)tcgetattr(data, &modes) + ticks);
    if (i % 8)
        return;
    pthread_mutex_lock(&mutex);
    order = order * 31 + (uint64_t)gettid();
    pthread_mutex_unlock(&mutex);
}

static void *work(void *argument) {
    timer_t timer;
    char name[32];
    int ends[2];
    snprintf(name, sizeof(name), "file-%ld", (long)argument);
    int file = open(name, O_CREAT | O_RDWR | O_TRUNC, 0600);
    CHECK(file >= 0 && pipe(ends) == 0);
    begin_timer(&timer);
    for (long i = 0; i < rounds; i++) {
        use_vectors(file, ends, i);
        ask(i);
    }
    CHECK(timer_delete(timer) == 0);
    printf("%016lx after %u signals\n", (unsigned long)hash, ticks);
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    if (getenv("SOAK"))
        rounds = 1000000 / (12 * THREADS);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    data = random_file("data", 8192);
    terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    for (long i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    printf("order %016lx\n", (unsigned long)order);
    return 0;
}
