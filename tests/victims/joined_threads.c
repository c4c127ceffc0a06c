/* Processes that share memory, each with threads, forks from a thread, pipes between them, and grandchildren.
 */
/* flags: -pthread */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { THREADS = 3, ROUNDS = 200 };

static long *shared;

static void *count(void *argument) {
    for (int i = 0; i < ROUNDS; i++) {
        __atomic_add_fetch(&shared[0], 1, __ATOMIC_SEQ_CST);
        shared[1] = shared[1] * 7 + (long)argument;
        if (i % 50 == 0)
            usleep(10);
    }
    return NULL;
}

static void with_threads(long first) {
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, count, (void *)(first + i)) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void *fork_from_thread(void *argument) {
    int status, ends[2];
    char text[8] = "";
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        pid_t grandchild = fork();
        CHECK(grandchild >= 0);
        if (grandchild == 0) {
            with_threads(100);
            CHECK(write(ends[1], "hello", 5) == 5);
            _exit(0);
        }
        with_threads(200);
        CHECK(waitpid(grandchild, &status, 0) == grandchild && status == 0);
        _exit(0);
    }
    CHECK(read(ends[0], text, 5) == 5 && strcmp(text, "hello") == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    return argument;
}

int main(void) {
    pthread_t thread;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    CHECK(pthread_create(&thread, NULL, fork_from_thread, NULL) == 0);
    with_threads(300);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(shared[0] == 3 * THREADS * ROUNDS);
    printf("%016lx\n", (unsigned long)shared[1]);
    return 0;
}
