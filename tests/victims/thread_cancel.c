/* pthread_cancel of threads that wait, that compute with calls, and that have it disabled for a while. */
/* expect: exit 0 */
#include "victim.h"
#include <pthread.h>

static int pipefd[2];

static void cleanup(void *text) {
    printf("cleaned up: %s\n", (const char *)text);
}
static void *in_read(void *argument) {
    char byte;
    pthread_cleanup_push(cleanup, "read");
    CHECK(read(pipefd[0], &byte, 1) == 1);
    pthread_cleanup_pop(0);
    return argument;
}
static void *in_sleep(void *argument) {
    pthread_cleanup_push(cleanup, "sleep");
    sleep(100);
    pthread_cleanup_pop(0);
    return argument;
}
static void *later(void *argument) {
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    for (int i = 0; i < 30; i++)
        usleep(100);
    pthread_setcancelstate(state, NULL);
    pthread_cleanup_push(cleanup, "later");
    for (;;)
        pthread_testcancel();
    pthread_cleanup_pop(0);
    return argument;
}
static void *at_any_time(void *argument) {
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;)
        getppid();
    return argument;
}

int main(void) {
    static void *(*const all[])(void *) = {in_read, in_sleep, later, at_any_time};
    pthread_t threads[4];
    CHECK(pipe(pipefd) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, all[i], NULL) == 0);
    usleep(1000);
    for (int i = 0; i < 4; i++) {
        void *result;
        CHECK(pthread_cancel(threads[i]) == 0);
        CHECK(pthread_join(threads[i], &result) == 0);
        printf("%d cancelled: %d\n", i, result == PTHREAD_CANCELED);
    }
    return 0;
}
