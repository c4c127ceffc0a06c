/* A static binary that relocates itself is recorded and replayed. */
/* expect: exit 0 */
/* flags: -static-pie -fPIE */
#include "victim.h"
#include <sys/auxv.h>
#include <time.h>

static int initialised = 77, zeroed;

int main(int argc, char **argv) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    unsigned char random[16];
    fill_random(random, sizeof random);
    unsigned low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    printf("%d %s pid %d %ld.%09ld %016lx tsc %u %u\n", argc, argv[0], (int)getpid(), (long)now.tv_sec,
           now.tv_nsec, (unsigned long)hash_bytes(random, sizeof random), high, low);
    printf("main %p data %p bss %p heap %p stack %p vdso %lx base %lx phdr %lx\n", (void *)(uintptr_t)main,
           (void *)&initialised, (void *)&zeroed, malloc(10), (void *)&now, getauxval(AT_SYSINFO_EHDR),
           getauxval(AT_BASE), getauxval(AT_PHDR));
    return initialised - 77 + zeroed;
}
