/* crowd N: N threads wait, each some frames deep, and one crashes. */
#include "fact.h"

#include <pthread.h>

static pthread_barrier_t barrier;
static volatile int sink;

static CALLED void wait_deep(int depth) {
    if (depth)
        wait_deep(depth - 1);
    else {
        pthread_barrier_wait(&barrier);
        for (;;)
            pause();
    }
    sink = depth;
}

static void *wait_thread(void *argument) {
    wait_deep(20);
    return argument;
}

static CALLED void crowd_crash(void) {
    sink = *(volatile int *)8;
}

int main(int argc, char **argv) {
    int count = argc == 2 ? atoi(argv[1]) : 10;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    pthread_barrier_init(&barrier, NULL, (unsigned)count + 1);
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &attributes, wait_thread, NULL))
            return 77;
    }
    pthread_barrier_wait(&barrier);
    crowd_crash();
    return 0;
}
