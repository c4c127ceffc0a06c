/* A hundred megabytes of stack, after raising the limit and executing itself again. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/resource.h>

static uint64_t down(int depth, uint64_t seed) {
    volatile unsigned char frame[10000];
    for (size_t i = 0; i < sizeof frame; i += 1000)
        frame[i] = (unsigned char)(seed >> (i % 57));
    if (depth == 0)
        return seed ^ (uintptr_t)frame;
    uint64_t below = down(depth - 1, seed * 6364136223846793005ULL + 1);
    return below * 31 + frame[5000];
}

int main(int argc, char **argv) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
    printf("pid %d stack limit %lx %lx, %p\n", (int)getpid(), (long)limit.rlim_cur, (long)limit.rlim_max,
           (void *)&limit);
    if (argc == 1) {
        limit.rlim_cur = 256 << 20;
        CHECK(limit.rlim_max >= limit.rlim_cur && setrlimit(RLIMIT_STACK, &limit) == 0);
        fflush(stdout);
        execl("/proc/self/exe", argv[0], "again", (char *)NULL);
        return 98;
    }
    CHECK(limit.rlim_cur == 256 << 20);
    uint64_t seed;
    fill_random(&seed, sizeof seed);
    printf("%016lx\n", (unsigned long)down(10400, seed));
    printf("mmap goes to %p\n", malloc(1 << 20));
    return 0;
}
