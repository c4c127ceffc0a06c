/* A program that single-steps itself with the trap flag gets a SIGTRAP for every instruction. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <ucontext.h>

static volatile int steps;

static void on_trap(int signal, siginfo_t *info, void *context) {
    ucontext_t *at = context;
    steps++;
    printf("signal %d code %d rip %llx flags %llx\n", signal, info->si_code, at->uc_mcontext.gregs[REG_RIP],
           at->uc_mcontext.gregs[REG_EFL]);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
    __asm__ volatile("subq $128, %%rsp; pushfq; orq $0x100, (%%rsp); popfq; nop; nop; pushfq;"
                     "andq $~0x100, (%%rsp); popfq; nop; addq $128, %%rsp" ::
                         : "cc", "memory");
    printf("%d steps, pid %d\n", steps, (int)getpid());
    CHECK(steps > 3);
    return 0;
}
