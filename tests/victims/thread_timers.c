/* Timers that start a thread at each expiration (SIGEV_THREAD), and one that signals a thread. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>

static sem_t fired;
static int values[20], count;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile sig_atomic_t signals;

static void expire(union sigval value) {
    pthread_mutex_lock(&mutex);
    if (count < 20)
        values[count++] = value.sival_int;
    pthread_mutex_unlock(&mutex);
    sem_post(&fired);
}

static void handler(int signo) {
    signals += signo > 0;
}

int main(void) {
    timer_t timers[3];
    struct itimerspec often = {{0, 1000000}, {0, 1000000}}, never = {0};
    sem_init(&fired, 0, 0);
    signal(SIGUSR1, handler);
    for (int i = 0; i < 2; i++) {
        struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = expire};
        event.sigev_value.sival_int = i + 1;
        CHECK(timer_create(CLOCK_MONOTONIC, &event, &timers[i]) == 0);
        CHECK(timer_settime(timers[i], 0, &often, NULL) == 0);
    }
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    event._sigev_un._tid = gettid();
    CHECK(timer_create(CLOCK_REALTIME, &event, &timers[2]) == 0);
    CHECK(timer_settime(timers[2], 0, &often, NULL) == 0);
    for (int i = 0; i < 20;)
        i += sem_wait(&fired) == 0;
    for (int i = 0; i < 3; i++)
        CHECK(timer_settime(timers[i], 0, &never, NULL) == 0 && timer_delete(timers[i]) == 0);
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < count; i++)
        printf("%d", values[i]);
    printf("\nsignals %d\n", signals);
    return 0;
}
