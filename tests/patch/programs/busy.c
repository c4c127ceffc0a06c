/* busy THREADS MICROSECONDS SECONDS: threads compute the same again and again, and check it, under a timer
 * (0: none) whose handler looks whether the interrupted place is in a module. Exits 9 when a result is wrong,
 * 1 when a place was none. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

#define THREADS_MAX 64

static volatile long alarms, strange;
static time_t end;

static __attribute__((noinline)) unsigned mix(unsigned a, unsigned b) {
    if (a & 1)
        return (a >> 1) ^ (b * 2654435761u);
    return a * 3 + b;
}

static __attribute__((noinline)) unsigned walk(const char *text) {
    unsigned hash = 5;
    for (; *text; text++)
        hash = mix(hash, (unsigned char)*text);
    return hash;
}

static int compare(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

static void on_alarm(int signo, siginfo_t *info, void *context) {
    const ucontext_t *ucontext = context;
    Dl_info found;
    (void)signo, (void)info;
    alarms++;
    if (!dladdr((void *)(uintptr_t)ucontext->uc_mcontext.gregs[REG_RIP], &found))
        strange++;
    walk("handler");
}

static unsigned one_round(long id) {
    unsigned hash = 0;
    int values[50];
    char text[64];
    for (int i = 0; i < 50; i++)
        values[i] = (i * 7919 + 13) % 101;
    qsort(values, 50, sizeof(values[0]), compare);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof(text), "%d-%ld-%g", values[i], id, values[i] / 3.0);
        hash = mix(hash, walk(text));
        char *memory = malloc((size_t)values[i] + 1);
        memset(memory, 1, (size_t)values[i] + 1);
        free(memory);
    }
    return hash;
}

static void *body(void *argument) {
    unsigned first = one_round((long)argument);
    while (time(NULL) < end)
        if (one_round((long)argument) != first)
            exit(9);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 2;
    long count = atol(argv[1]), every = atol(argv[2]);
    struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct itimerval timer = {{0, every}, {0, every}}, none = {{0, 0}, {0, 0}};
    pthread_t threads[THREADS_MAX];
    end = time(NULL) + atol(argv[3]);
    sigaction(SIGALRM, &action, NULL);
    if (every)
        setitimer(ITIMER_REAL, &timer, NULL);
    for (long i = 0; i < count && i < THREADS_MAX; i++)
        pthread_create(&threads[i], NULL, body, (void *)i);
    for (long i = 0; i < count && i < THREADS_MAX; i++)
        pthread_join(threads[i], NULL);
    setitimer(ITIMER_REAL, &none, NULL);
    printf("done\n");
    return strange != 0;
}
