/* The recording ends while threads wait, run and begin: all of them go on unharmed. */
/* expect: exit 0 */
/* recording: stops */
#include "victim.h"
#include <pthread.h>
#include <signal.h>
#include <sys/uio.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int pipefd[2];
static long counter, stop, signals;

static void handler(int signo) {
    signals += signo > 0;
}
static void *count(void *argument) {
    for (long over = 0; !over;) {
        pthread_mutex_lock(&mutex);
        if (++counter % 10 == 0)
            pthread_cond_broadcast(&changed);
        over = stop;
        pthread_mutex_unlock(&mutex);
        if (counter % 5 == 0)
            usleep(20);
    }
    return argument;
}
static void *pass_on(void *argument) {
    for (long over = 0; !over;) {
        pthread_mutex_lock(&mutex);
        if (!stop)
            pthread_cond_wait(&changed, &mutex);
        over = stop;
        pthread_mutex_unlock(&mutex);
        CHECK(write(pipefd[1], "x", 1) == 1);
    }
    return argument;
}
static void *take(void *argument) {
    char byte;
    while (read(pipefd[0], &byte, 1) == 1 && byte != 'q')
        ;
    return argument;
}

static void stop_recording(void) {
    char from = 'x', to = 'y';
    struct iovec local = {&from, 1}, remote = {&to, 1};
    CHECK(process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == 1);
}

int main(void) {
    pthread_t threads[4], more;
    signal(SIGUSR1, handler);
    CHECK(pipe(pipefd) == 0);
    CHECK(pthread_create(&threads[0], NULL, count, NULL) == 0);
    CHECK(pthread_create(&threads[1], NULL, count, NULL) == 0);
    CHECK(pthread_create(&threads[2], NULL, pass_on, NULL) == 0);
    CHECK(pthread_create(&threads[3], NULL, take, NULL) == 0);
    for (int i = 0; i < 40; i++) {
        printf("line %d\n", i);
        fflush(stdout);
        if (i == 20)
            stop_recording();
        if (i % 4 == 0)
            pthread_kill(threads[i / 4 % 2], SIGUSR1);
        usleep(500);
        CHECK(pthread_create(&more, NULL, (void *(*)(void *))malloc, (void *)10) == 0);
        void *made;
        CHECK(pthread_join(more, &made) == 0);
        free(made);
    }
    pthread_mutex_lock(&mutex);
    stop = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    CHECK(pthread_join(threads[0], NULL) == 0 && pthread_join(threads[1], NULL) == 0);
    pthread_cond_broadcast(&changed);
    CHECK(pthread_join(threads[2], NULL) == 0);
    CHECK(write(pipefd[1], "q", 1) == 1);
    CHECK(pthread_join(threads[3], NULL) == 0);
    CHECK(signals > 0);
    puts("all done");
    return 0;
}
