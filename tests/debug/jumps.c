/* record: input.txt */
/* Calls of all kinds, time, random bytes, a file, a handler, and some computing in between. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ticks;

static void tick(int signo) {
    (void)signo;
    ticks++;
}

static unsigned mix(unsigned value, int rounds) {
    for (int i = 0; i < rounds; i++)
        value = value * 1103515245u + 12345u;
    return value;
}

int main(int argc, char **argv) {
    unsigned char bytes[64];
    unsigned sum = 1;
    const struct itimerval every = {{0, 3000}, {0, 3000}};
    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &every, NULL);
    for (int i = 0; i < 60; i++) {
        int fd = open(argc > 1 ? argv[1] : "/dev/zero", O_RDONLY);
        ssize_t got = read(fd, bytes, sizeof(bytes));
        close(fd);
        if (getrandom(bytes, 8, 0) != 8 || got < 0)
            return 1;
        for (size_t k = 0; k < sizeof(bytes); k++)
            sum += bytes[k];
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        sum = mix(sum + (unsigned)now.tv_nsec, 20000 + i * 1000);
        char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(page, (int)sum, 5000);
        if (i % 3)
            munmap(page, 8192);
        free(malloc(1000u + sum % 200000));
        if (i % 10 == 0)
            raise(SIGALRM);
    }
    printf("%u %d\n", sum, ticks > 0);
    return 0;
}
