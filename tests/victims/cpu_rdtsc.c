/* rdtsc and rdtscp give the recorded counts, in a tight loop and with other registers kept. */
/* expect: exit 0 */
#include "victim.h"

static uint64_t rdtsc(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

int main(void) {
    static uint64_t counts[200];
    for (int i = 0; i < 200; i++)
        counts[i] = rdtsc();
    for (int i = 1; i < 200; i++)
        CHECK(counts[i] > counts[i - 1]);
    printf("%lu to %lu %016lx\n", (unsigned long)counts[0], (unsigned long)counts[199],
           (unsigned long)hash_bytes(counts, sizeof counts));
    uint32_t low, high, aux;
    __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
    printf("rdtscp %u %u aux %u\n", high, low, aux);
    uint64_t rax = ~0UL, rdx = ~0UL, rcx = 0x1122334455667788, rbx = 0x99aabbccddeeff00, flags;
    __asm__ volatile("stc; rdtsc; pushf; pop %4" : "+a"(rax), "+d"(rdx), "+c"(rcx), "+b"(rbx), "=r"(flags));
    printf("rax %lx rdx %lx rcx %lx rbx %lx carry %lu\n", (unsigned long)rax, (unsigned long)rdx,
           (unsigned long)rcx, (unsigned long)rbx, (unsigned long)(flags & 1));
    CHECK(rax >> 32 == 0 && rdx >> 32 == 0 && rcx == 0x1122334455667788 && rbx == 0x99aabbccddeeff00);
    __asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high));
    printf("fenced %u %u\n", high, low);
    return 0;
}
