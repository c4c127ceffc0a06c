/* rdtsc and cpuid work with every signal blocked, and the mask is the same afterwards. */
/* expect: exit 0 */
#include "victim.h"
#include <cpuid.h>
#include <signal.h>

static void show_mask(const char *what) {
    uint64_t mask = 0;
    CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, 8) == 0);
    printf("%s mask %016lx\n", what, (unsigned long)mask);
}

int main(void) {
    sigset_t all, old, pending;
    unsigned low, high, a, b, c, d;
    sigfillset(&all);
    show_mask("before");
    CHECK(sigprocmask(SIG_SETMASK, &all, &old) == 0);
    show_mask("blocked");
    for (int i = 0; i < 5; i++) {
        __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
        printf("tsc %u %u\n", high, low);
        __cpuid(i, a, b, c, d);
        printf("cpuid %x %x %x %x\n", a, b, c, d);
    }
    show_mask("after");
    CHECK(sigpending(&pending) == 0);
    for (int signal = 1; signal < 32; signal++)
        CHECK(sigismember(&pending, signal) == 0);
    uint64_t raw = ~0UL;
    CHECK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &raw, NULL, 8) == 0);
    __asm__ volatile("rdtscp" : "=a"(low), "=d"(high)::"rcx");
    printf("tsc %u %u\n", high, low);
    show_mask("raw");
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    printf("tsc %u %u\n", high, low);
    show_mask("restored");
    return 0;
}
