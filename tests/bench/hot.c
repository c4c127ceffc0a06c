/* Nanoseconds that a call takes, as the program itself sees it: hot CALLS. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

__attribute__((noipa)) static long hot(long sum, long i) {
    long next = sum * 3 + i;
    if (next & 1)
        next++;
    return next;
}

int main(int argc, char **argv) {
    struct timespec from, to;
    long sum = 0, count = argc > 1 ? atol(argv[1]) : 1000;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long i = 0; i < count; i++)
        sum = hot(sum, i);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    printf("%.3f %ld\n", ns / (double)count, sum);
    return 0;
}
