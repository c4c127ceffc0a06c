/* Threads fork, while others compute, sleep and hold a mutex; some children execute a program. */
/* expect: exit 3 */
/* flags: -pthread */
#include "victim.h"
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int sum;

static void fork_one(long who, int step) {
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        unsigned char *own = malloc(100000);
        fill_random(own, 100000);
        if (step == 60)
            execl("/bin/true", "true", (char *)NULL);
        _exit((int)who + 5 + (hash_bytes(own, 100000) == 0));
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == (step == 60 ? 0 : who + 5));
}

static void *run(void *argument) {
    long who = (long)argument;
    for (int i = 0; i < 200; i++) {
        pthread_mutex_lock(&mutex);
        sum += i * (int)(who + 1) % 7;
        pthread_mutex_unlock(&mutex);
        if (i % 20 == 0)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        if (i % 50 == 10)
            fork_one(who, i);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[4];
    for (long i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, run, (void *)i) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    printf("%d\n", sum);
    fflush(stdout);
    return system("echo from the shell; exit 3") >> 8;
}
