/* Threads and processes that bind themselves to processors, and then ask where they are. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

static cpu_set_t all;

static void check_bound(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
    CHECK(CPU_COUNT(&set) == 1 && CPU_ISSET(processor, &set));
    CHECK(sched_getcpu() == processor);
    CHECK(pthread_getaffinity_np(pthread_self(), sizeof(set), &set) == 0 && CPU_ISSET(processor, &set));
}

static void bind_to(pid_t tid, int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    CHECK(sched_setaffinity(tid, sizeof(set), &set) == 0);
}

static void *inherits(void *argument) {
    check_bound(*(int *)argument);
    return NULL;
}

static void *binds(void *argument) {
    int processor = *(int *)argument, status;
    pthread_t thread;
    bind_to(0, processor);
    check_bound(processor);
    usleep(300);
    check_bound(processor);
    CHECK(pthread_create(&thread, NULL, inherits, &processor) == 0 && pthread_join(thread, NULL) == 0);
    int pid = fork();
    if (pid == 0) {
        check_bound(processor);
        bind_to(getpid(), processor);
        _exit(3);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 3 << 8);
    return NULL;
}

int main(void) {
    cpu_set_t set;
    pthread_t threads[8];
    int processors[8], count = 0;
    memset(&all, 255, sizeof(all));
    CHECK(sched_setaffinity(0, sizeof(all), &all) == 0); /* as many as there are */
    CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
    SHOW(CPU_COUNT(&set));
    CHECK(CPU_COUNT(&set) >= 1);
    for (int i = 0; i < CPU_SETSIZE && count < 8; i++)
        if (CPU_ISSET(i, &set))
            processors[count++] = i;
    for (int i = 0; i < count; i++)
        CHECK(pthread_create(&threads[i], NULL, binds, &processors[i]) == 0);
    for (int i = 0; i < count; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(sched_getaffinity(0, sizeof(all), &all) == 0 && CPU_EQUAL(&all, &set)); /* theirs alone */
    int fds[2], pid, status;
    CHECK(pipe(fds) == 0);
    if ((pid = fork()) == 0) {
        char byte;
        CHECK(read(fds[0], &byte, 1) == 1);
        check_bound(processors[count - 1]);
        _exit(4);
    }
    bind_to(pid, processors[count - 1]); /* another process */
    CHECK(write(fds[1], "x", 1) == 1);
    CHECK(waitpid(pid, &status, 0) == pid && status == 4 << 8);
    CPU_ZERO(&set);
    SHOW(sched_setaffinity(0, sizeof(set), &set)); /* to none */
    SHOW(sched_setaffinity(pid, sizeof(set), &set));
    return 0;
}
