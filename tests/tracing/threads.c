/* Works in argv[1] threads until told by SIGTERM, or for argv[2] rounds each; every result is checked. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_int stop;
static atomic_ulong rounds, wrong;
static unsigned long most;

static void on_term(int signo) {
    (void)signo;
    stop = 1;
}

__attribute__((noinline)) unsigned long mix(unsigned long value, int thread) {
    unsigned long mixed = value * 2654435761u + (unsigned long)thread;
    return mixed ^ mixed >> 7;
}

__attribute__((noinline)) unsigned long chain(unsigned long from, int thread) {
    unsigned long value = from;
    for (int i = 0; i < 3; i++)
        value = mix(value, thread);
    return value;
}

static unsigned long expected(unsigned long value, unsigned long thread) {
    for (int i = 0; i < 3; i++) {
        value = value * 2654435761u + thread;
        value ^= value >> 7;
    }
    return value;
}

static void *work(void *argument) {
    int thread = (int)(long)argument;
    for (unsigned long i = 0; !stop && (!most || i < most); i++) {
        if (chain(i, thread) != expected(i, (unsigned long)thread))
            wrong++;
        rounds++;
    }
    return NULL;
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 4;
    pthread_t threads[64];
    most = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    signal(SIGTERM, on_term);
    printf("ready\n");
    fflush(stdout);
    for (long i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    if (most)
        printf("%lu rounds, ", rounds);
    printf("%lu wrong\n", wrong);
    return wrong != 0;
}
