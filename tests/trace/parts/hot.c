/* As many calls as are asked for, and the sum to be sure that they were made. */
#include <stdio.h>
#include <stdlib.h>

__attribute__((noipa)) static long hot(long sum, long i) {
    return sum * 3 + i;
}

int main(int argc, char **argv) {
    long sum = 0, count = argc > 1 ? atol(argv[1]) : 1000;
    for (long i = 0; i < count; i++)
        sum = hot(sum, i);
    printf("%ld\n", sum);
    return 0;
}
