/* A handler spoils its own frame: the return from it is a SIGSEGV, which another handler survives. */
/* expect: exit 0 */
#include "victim.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/ucontext.h>

static sigjmp_buf back;
static volatile int way;

static void on_signal(int signo, siginfo_t *info, void *context) {
    ucontext_t *frame = context;
    (void)signo;
    (void)info;
    if (way == 0)
        frame->uc_mcontext.fpregs = (void *)8;
    else
        frame->uc_mcontext.gregs[REG_RIP] = (long long)0x8000000000000000ULL;
}

static void on_fault(int signo, siginfo_t *info, void *context) {
    (void)context;
    printf("way %d: signal %d code %d\n", way, signo, info->si_code);
    siglongjmp(back, 1);
}

int main(void) {
    static char stack[65536];
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction spoils = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO},
                     survives = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK(sigaltstack(&other, NULL) == 0);
    CHECK(sigaction(SIGUSR1, &spoils, NULL) == 0 && sigaction(SIGSEGV, &survives, NULL) == 0);
    for (way = 0; way < 2; way++)
        if (sigsetjmp(back, 1) == 0)
            raise(SIGUSR1);
    printf("survived, pid %d\n", (int)getpid());
    return 0;
}
