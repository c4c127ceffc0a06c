/* Uninitialised stack memory holds the same left-overs, kernel and loader traces included. */
/* expect: exit 0 */
#include "victim.h"
#include <time.h>

static __attribute__((noinline)) uint64_t left_over(size_t length) {
    unsigned char local[16384];
    volatile unsigned char *at = local;
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * 0x100000001b3ULL;
    return hash;
}

int main(void) {
    uint64_t fresh = left_over(16384);
    printf("fresh %016lx\n", (unsigned long)fresh);
    struct timespec now;
    for (int i = 0; i < 5; i++) {
        CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
        CHECK(sizeof now == 16 && getpid() > 0 && time(NULL) > 0);
        printf("after %016lx %s", (unsigned long)left_over(16384), ctime(&now.tv_sec));
    }
    return 0;
}
