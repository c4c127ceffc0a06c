/* Interrupted where nothing but shared memory tells one passage from another; a thread waits meanwhile, and
 * the kernel has already written what it waits for. */
/* flags: -pthread */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

static char received[256];
static int ends[2];

static void *receive(void *argument) {
    (void)argument;
    for (;;) {
        ssize_t got = read(ends[0], received, sizeof received);
        if (got <= 0 || received[got - 1] == 'q')
            return NULL;
    }
}

/* No register changes. */
static void __attribute__((noinline)) count(volatile long *counter, volatile long *leave) {
    __asm__ volatile("1: lock incq (%0)\n"
                     "cmpq $0, (%1)\n"
                     "je 1b" ::"r"(counter),
                     "r"(leave)
                     : "cc", "memory");
}

int main(void) {
    int status;
    pthread_t thread;
    volatile long *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED && pipe(ends) == 0);
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            count(&shared[i], &shared[100 + i]);
            _exit(0);
        }
    }
    CHECK(pthread_create(&thread, NULL, receive, NULL) == 0);
    for (int i = 0; i < 10; i++) {
        char text[64];
        long seen = shared[i % 3];
        memset(text, 'a' + i, sizeof text);
        CHECK(write(ends[1], text, sizeof text) == sizeof text);
        while (shared[i % 3] < seen + 100000)
            ;
    }
    CHECK(write(ends[1], "q", 1) == 1);
    for (int i = 0; i < 3; i++)
        shared[100 + i] = 1;
    CHECK(pthread_join(thread, NULL) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(wait(&status) > 0 && status == 0);
    printf("%ld %ld %ld\n", shared[0], shared[1], shared[2]);
    return 0;
}
