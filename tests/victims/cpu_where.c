/* Which processor this runs on: getcpu, sched_getcpu, rdpid and the rdtscp word agree with the recording. */
/* expect: exit 0 */
#include "victim.h"
#include <cpuid.h>
#include <sched.h>

int main(void) {
    unsigned a, b, c, d, cpu = 77, node = 77;
    int has_rdpid = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & bit_RDPID);
    printf("rdpid %d pid %d\n", has_rdpid, (int)getpid());
    for (int i = 0; i < 50; i++) {
        unsigned low, high, aux;
        uint64_t id = 0;
        CHECK(syscall(SYS_getcpu, &cpu, &node, NULL) == 0);
        printf("raw %u %u ", cpu, node);
        CHECK(getcpu(&cpu, &node) == 0);
        printf("libc %u %u sched %d ", cpu, node, sched_getcpu());
        __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
        if (has_rdpid)
            __asm__ volatile("rdpid %0" : "=r"(id));
        printf("rdtscp %u %u rdpid %lu\n", low, aux, (unsigned long)id);
        if (i % 10 == 0)
            sched_yield();
    }
    return 0;
}
