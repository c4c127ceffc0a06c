/* Signals to threads: pthread_kill, tgkill, alarms to whoever takes them, waits that are interrupted or
 * restarted. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/time.h>

enum { THREADS = 3 };
static volatile sig_atomic_t counts[THREADS + 1][65];
static __thread int me;
static volatile int stop;
static int pipefd[2];
static sem_t started;

static void handler(int signo, siginfo_t *info, void *context) {
    (void)context;
    (void)info;
    counts[me][signo]++;
}

static void *work(void *argument) {
    me = (int)(intptr_t)argument;
    int interrupted = 0;
    char byte;
    sem_post(&started);
    while (!stop) {
        if (me == 1 && usleep(100) < 0)
            interrupted++;
        if (me == 2) { /* SA_RESTART for SIGUSR2, not for SIGUSR1 */
            ssize_t got = read(pipefd[0], &byte, 1);
            interrupted += got < 0 && errno == EINTR;
        }
        if (me == 3)
            interrupted += getppid() < 0;
    }
    return (void *)(intptr_t)interrupted;
}

int main(void) {
    pthread_t threads[THREADS];
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    action.sa_flags |= SA_RESTART;
    sigaction(SIGUSR2, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGRTMIN, &action, NULL);
    CHECK(pipe(pipefd) == 0);
    sem_init(&started, 0, 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(intptr_t)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++)
        while (sem_wait(&started) < 0)
            ;
    struct itimerval timer = {.it_interval = {.tv_usec = 3000}, .it_value = {.tv_usec = 3000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    for (int i = 0; i < 60; i++) {
        CHECK(pthread_kill(threads[i % THREADS], i % 2 ? SIGUSR1 : SIGUSR2) == 0);
        if (i % 5 == 0)
            pthread_sigqueue(threads[0], SIGRTMIN, (union sigval){.sival_int = i});
        if (i % 7 == 0)
            kill(getpid(), SIGUSR2);
        usleep(300);
    }
    timer = (struct itimerval){0};
    setitimer(ITIMER_REAL, &timer, NULL);
    stop = 1;
    CHECK(write(pipefd[1], "x", 1) == 1);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        CHECK(pthread_join(threads[i], &result) == 0);
        printf("thread %d interrupted %d\n", i + 1, (int)(intptr_t)result);
    }
    for (int i = 0; i <= THREADS; i++)
        printf("%d: usr1 %d usr2 %d alarm %d rt %d\n", i, counts[i][SIGUSR1], counts[i][SIGUSR2],
               counts[i][SIGALRM], counts[i][SIGRTMIN]);
    return 0;
}
