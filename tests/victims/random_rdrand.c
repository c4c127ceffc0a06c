/* rdrand and rdseed, where cpuid offers them, repeat in a replay. */
/* expect: exit 0 */
#include "victim.h"
#include <cpuid.h>

int main(void) {
    unsigned a, b = 0, c = 0, d;
    int rdrand = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_RDRND);
    int rdseed = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_RDSEED);
    printf("rdrand %d rdseed %d\n", rdrand, rdseed);
    for (int i = 0; i < 10 && rdrand; i++) {
        uint64_t value;
        uint32_t half;
        unsigned char ok, ok_half;
        __asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=qm"(ok)::"cc");
        __asm__ volatile("rdrand %0; setc %1" : "=r"(half), "=qm"(ok_half)::"cc");
        printf("rdrand %d %016lx %d %08x\n", ok, (unsigned long)value, ok_half, half);
    }
    for (int i = 0; i < 10 && rdseed; i++) {
        uint64_t value;
        unsigned char ok;
        __asm__ volatile("rdseed %0; setc %1" : "=r"(value), "=qm"(ok)::"cc");
        printf("rdseed %d %016lx\n", ok, (unsigned long)value);
    }
    return 0;
}
