#include "replay/chaos.h"

#include <sys/random.h>
#include <time.h>

uint64_t chaos_next(struct chaos *chaos) {
    uint64_t z = chaos->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The high half of a product spreads evenly enough; the bias is below / 2^64. */
uint64_t chaos_below(struct chaos *chaos, uint64_t below) {
    return (uint64_t)((unsigned __int128)chaos_next(chaos) * below >> 64);
}

bool chaos_once_in(struct chaos *chaos, uint64_t times) {
    return chaos_below(chaos, times) == 0;
}

uint64_t chaos_seed(void) {
    uint64_t seed;
    if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed))
        return seed;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 30;
}
