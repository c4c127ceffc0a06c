/* compute MILLIONS: so many million steps of arithmetic and memory accesses, without a system call. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint32_t table[1 << 16];

int main(int argc, char **argv) {
    long steps = (argc > 1 ? atol(argv[1]) : 300) * 1000000;
    uint64_t state = 88172645463325252ULL;
    for (long i = 0; i < steps; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        table[state & 0xffff] += (uint32_t)(state >> 32);
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        sum += table[i];
    printf("%llu\n", (unsigned long long)sum);
    return 0;
}
