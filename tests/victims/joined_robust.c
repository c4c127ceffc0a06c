/* A process ends with a robust mutex locked: by exit, by a signal of its own, and killed by another one. Who
 * waits for it, or tries it, learns of that. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { WAYS = 4 };

struct shared {
    pthread_mutex_t mutex[WAYS];
    volatile int locked[WAYS];
};

static void end(int way) {
    switch (way) {
    case 0:
        _exit(0);
    case 1:
        raise(SIGSEGV);
        _exit(99);
    case 2:
        syscall(SYS_exit, 0);
        _exit(99);
    default:
        for (;;)
            pause();
    }
}

int main(void) {
    pthread_mutexattr_t attributes;
    int status;
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    pthread_mutexattr_init(&attributes);
    CHECK(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0);
    for (int way = 0; way < WAYS; way++) {
        CHECK(pthread_mutex_init(&shared->mutex[way], &attributes) == 0);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            CHECK(pthread_mutex_lock(&shared->mutex[way]) == 0);
            shared->locked[way] = 1;
            usleep(20000);
            end(way);
        }
        while (!shared->locked[way])
            usleep(1000);
        if (way == 3)
            CHECK(kill(child, SIGKILL) == 0);
        CHECK(pthread_mutex_lock(&shared->mutex[way]) == EOWNERDEAD);
        CHECK(pthread_mutex_consistent(&shared->mutex[way]) == 0);
        CHECK(pthread_mutex_unlock(&shared->mutex[way]) == 0);
        CHECK(waitpid(child, &status, 0) == child);
        printf("way %d: status %d\n", way, status);
    }
    return 0;
}
