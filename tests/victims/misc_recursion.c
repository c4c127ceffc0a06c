/* Fifty thousand frames deep, the stack grows by itself and alloca moves it further. */
/* expect: exit 0 */
#include "victim.h"
#include <alloca.h>

static volatile uintptr_t lowest;

static uint64_t down(int depth, uint64_t seed) {
    volatile uint64_t local[6] = {seed, (uintptr_t)&seed};
    if (depth == 0) {
        lowest = (uintptr_t)local;
        return seed;
    }
    uint64_t below = down(depth - 1, seed * 6364136223846793005ULL + 1442695040888963407ULL);
    return below ^ local[0] ^ local[1];
}

static uint64_t allocate(size_t length) {
    unsigned char *block = alloca(length);
    fill_random(block, 64);
    block[length - 1] = 5;
    printf("alloca %zu at %p\n", length, (void *)block);
    return hash_bytes(block, length);
}

int main(void) {
    uint64_t seed;
    fill_random(&seed, sizeof seed);
    uint64_t sum = down(50000, seed);
    printf("%016lx down to %lx from %p\n", (unsigned long)sum, (unsigned long)lowest, (void *)&seed);
    for (size_t length = 1000; length < 3000000; length *= 3)
        printf("%016lx\n", (unsigned long)allocate(length));
    printf("%016lx\n", (unsigned long)allocate(2000));
    return 0;
}
