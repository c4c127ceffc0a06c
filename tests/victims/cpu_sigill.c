/* Handlers of SIGILL and SIGSEGV never see a rdtsc or cpuid, but do see the program's own faults. */
/* expect: exit 0 */
#include "victim.h"
#include <cpuid.h>
#include <signal.h>
#include <ucontext.h>

static volatile sig_atomic_t calls;

static void on_fault(int signal, siginfo_t *info, void *context) {
    ucontext_t *at = context;
    calls++;
    printf("signal %d code %d at %p rip %llx mask %lx\n", signal, info->si_code, info->si_addr,
           at->uc_mcontext.gregs[REG_RIP], at->uc_sigmask.__val[0]);
    at->uc_mcontext.gregs[REG_RIP] += 2;
}

static void trap_all(const char *what) {
    unsigned low, high, a, b, c, d;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    __cpuid(1, a, b, c, d);
    printf("%s: tsc %u %u cpuid %x %x %x %x, calls %d\n", what, high, low, a, b, c, d, (int)calls);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, old;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    trap_all("default");
    CHECK(sigaction(SIGILL, &action, NULL) == 0 && sigaction(SIGSEGV, &action, NULL) == 0);
    trap_all("handled");
    CHECK(calls == 0);
    __asm__ volatile("ud2");
    CHECK(calls == 1);
    trap_all("after ud2");
    CHECK(calls == 1);
    __asm__ volatile("movb %%al, (%0)" ::"r"(bad_address()) : "memory");
    CHECK(calls == 2);
    CHECK(sigaction(SIGILL, &ignore, &old) == 0 && sigaction(SIGSEGV, &ignore, NULL) == 0);
    CHECK(old.sa_sigaction == on_fault);
    trap_all("ignored");
    CHECK(sigaction(SIGILL, NULL, &old) == 0 && old.sa_handler == SIG_IGN);
    CHECK(sigaction(SIGSEGV, NULL, &old) == 0 && old.sa_handler == SIG_IGN);
    printf("still ignored\n");
    return 0;
}
