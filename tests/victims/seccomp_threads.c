/* A filter of one thread, and one for all. What asks another process is not there. */
/* expect: exit 0 */
#include "seccomp.h"
#include <pthread.h>
#include <sys/ioctl.h>

#define ERRNO(number) (SECCOMP_RET_ERRNO | (number))

static pthread_barrier_t barrier;
static volatile int stop;
static int pipes[2];

static void *filtered(void *argument) {
    long index = (long)argument;
    if (index == 1)
        INSTALL({SYS_getppid, ERRNO(ELOOP)});
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 200; i++) {
        long result = PARENT();
        CHECK(index == 1 ? result == -1 && errno == ELOOP : result > 0);
        if (i % 20 == 0)
            usleep(100);
    }
    return NULL;
}

static void *waiting(void *argument) {
    char byte;
    CHECK(read(pipes[0], &byte, 1) == 1); /* entered before there was a filter */
    CHECK(PARENT() == -1 && errno == EXDEV);
    return argument;
}

static void *spinning(void *argument) {
    while (!stop)
        ;
    CHECK(PARENT() == -1 && errno == EXDEV);
    return argument;
}

int main(void) {
    pthread_t threads[3];
    CHECK(pthread_barrier_init(&barrier, NULL, 3) == 0 && pipe(pipes) == 0);
    for (long i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, filtered, (void *)i) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(pthread_create(&threads[0], NULL, waiting, NULL) == 0 &&
          pthread_create(&threads[1], NULL, spinning, NULL) == 0);
    usleep(5000);
    const struct rule rule = {SYS_getppid, ERRNO(EXDEV)};
    CHECK(install(&rule, 1, SECCOMP_FILTER_FLAG_TSYNC) == 0);
    CHECK(write(pipes[1], "x", 1) == 1);
    stop = 1;
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    const struct rule other = {SYS_setns, SECCOMP_RET_USER_NOTIF};
    CHECK(install(&other, 1, 0) == 0);
    CHECK(syscall(SYS_setns, -1, 0) == -1 && errno == ENOSYS);            /* nobody listens */
    long listener = install(&other, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER); /* refused by reel */
    CHECK(getenv("REEL_EXPECT_REFUSED") ? listener == -1 && errno == EINVAL
                                        : listener >= 0 || errno == EINVAL);
    printf("pid %d\n", getpid());
    return 0;
}
