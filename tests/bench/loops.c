/* loops KIND COUNT: so many times the same thing, of which there is little besides system calls:
 *
 *     read    64 bytes from /dev/zero
 *     clock   clock_gettime(), which is no system call natively
 *     stat    of a file
 *     pipe    one byte to another process and back
 *     mutex   four threads that add to one counter under one mutex */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4

static int loop_read(long count) {
    char bytes[64];
    int fd = open("/dev/zero", O_RDONLY);
    for (long i = 0; i < count; i++)
        if (read(fd, bytes, sizeof(bytes)) != sizeof(bytes))
            return 1;
    return 0;
}

static int loop_clock(long count) {
    struct timespec now;
    long sum = 0;
    for (long i = 0; i < count; i++) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        sum += now.tv_nsec;
    }
    return sum == 0;
}

static int loop_stat(long count) {
    struct stat info;
    for (long i = 0; i < count; i++)
        if (stat("/etc/passwd", &info) != 0)
            return 1;
    return 0;
}

/* Pass each byte that comes on, until there are no more. */
static void echo(int from, int to) {
    char byte;
    while (read(from, &byte, 1) == 1)
        if (write(to, &byte, 1) != 1)
            break;
}

static int loop_pipe(long count) {
    int there[2], back[2], status;
    char byte = 'x';
    if (pipe(there) != 0 || pipe(back) != 0)
        return 1;
    pid_t child = fork();
    if (child < 0)
        return 1;
    if (child == 0) {
        close(there[1]);
        echo(there[0], back[1]);
        _exit(0);
    }
    for (long i = 0; i < count; i++)
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            return 1;
    close(there[1]);
    return waitpid(child, &status, 0) != child || status != 0;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counter;

static void *add(void *count) {
    for (long i = 0; i < *(long *)count; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static int loop_mutex(long count) {
    pthread_t threads[THREADS];
    long each = count / THREADS;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, add, &each) != 0)
            return 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return counter != each * THREADS;
}

static const struct {
    const char *kind;
    int (*loop)(long count);
} loops[] = {
    {"read", loop_read}, {"clock", loop_clock}, {"stat", loop_stat},
    {"pipe", loop_pipe}, {"mutex", loop_mutex},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc == 3 && i < sizeof(loops) / sizeof(loops[0]); i++)
        if (strcmp(argv[1], loops[i].kind) == 0)
            return loops[i].loop(atol(argv[2]));
    fputs("usage: loops read|clock|stat|pipe|mutex COUNT\n", stderr);
    return 2;
}
