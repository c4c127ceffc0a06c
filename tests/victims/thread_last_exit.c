/* The last thread ends by the raw exit call, after the first one has. */
/* expect: exit 4 */
#include "victim.h"
#include <pthread.h>

static void *work(void *argument) {
    usleep(3000);
    puts("the last thread");
    fflush(stdout);
    syscall(SYS_exit, 4);
    return argument;
}

int main(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
    syscall(SYS_exit, 4);
}
