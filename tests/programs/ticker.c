/* ticker [COUNT]: says its process id, then numbered lines of random bits and the time, COUNT of them or for
 * ever. Now and then it rests, so that a recorder that is killed is met at work as well as waiting. Output is
 * written line by line. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("pid %d\n", (int)getpid());
    for (long i = 1; !count || i <= count; i++) {
        uint64_t bits;
        struct timespec now;
        if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
            return 99;
        clock_gettime(CLOCK_REALTIME, &now);
        printf("%ld %016" PRIx64 " %ld.%09ld\n", i, bits, (long)now.tv_sec, now.tv_nsec);
        if (bits % 64 == 0)
            usleep(2000);
    }
    return 7;
}
