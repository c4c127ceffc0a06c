/* cpuid: every basic and extended leaf, the APIC id and brand string included, and xgetbv. */
/* expect: exit 0 */
#include "victim.h"
#include <cpuid.h>

int main(void) {
    unsigned a, b, c, d, last = __get_cpuid_max(0, NULL), last_extended = __get_cpuid_max(0x80000000, NULL);
    for (unsigned leaf = 0; leaf <= last; leaf++)
        for (unsigned sub = 0; sub < 4; sub++) {
            __cpuid_count(leaf, sub, a, b, c, d);
            printf("%08x.%u %08x %08x %08x %08x\n", leaf, sub, a, b, c, d);
        }
    for (unsigned leaf = 0x80000000; leaf <= last_extended; leaf++) {
        __cpuid(leaf, a, b, c, d);
        printf("%08x %08x %08x %08x %08x\n", leaf, a, b, c, d);
    }
    __cpuid(0x40000000, a, b, c, d);
    printf("hypervisor %08x %08x %08x %08x\n", a, b, c, d);
    __cpuid(1, a, b, c, d);
    if (c & bit_OSXSAVE) {
        unsigned low, high;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        printf("xcr0 %08x%08x\n", high, low);
    }
    uint64_t rax = 0xffffffff00000000, rbx = ~0UL, rcx = 0xffffffff00000000, rdx = ~0UL;
    __asm__ volatile("cpuid" : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx));
    printf("%lx %lx %lx %lx\n", (unsigned long)rax, (unsigned long)rbx, (unsigned long)rcx,
           (unsigned long)rdx);
    CHECK((rax | rbx | rcx | rdx) >> 32 == 0);
    printf("avx2 %d erms %d at %p\n", !!__builtin_cpu_supports("avx2"), !!__builtin_cpu_supports("sse4.2"),
           (void *)&rax);
    return 0;
}
