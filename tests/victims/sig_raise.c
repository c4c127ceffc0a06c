/* Handlers run for raise, kill, tgkill and sigqueue, with the recorded siginfo, context and stack. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <ucontext.h>

static void plain(int signal) {
    int local;
    printf("plain %d at %p\n", signal, (void *)&local);
}

static void full(int signal, siginfo_t *info, void *context) {
    ucontext_t *at = context;
    printf("full %d code %d pid %d uid %d value %d ptr %p\n", signal, info->si_code, info->si_pid,
           info->si_uid, info->si_value.sival_int, info->si_value.sival_ptr);
    printf("  rip %llx rsp %llx rax %llx flags %llx mask %lx\n", at->uc_mcontext.gregs[REG_RIP],
           at->uc_mcontext.gregs[REG_RSP], at->uc_mcontext.gregs[REG_RAX], at->uc_mcontext.gregs[REG_EFL],
           at->uc_sigmask.__val[0]);
    printf("  info at %p context at %p stack %p %zu %d\n", (void *)info, context, at->uc_stack.ss_sp,
           at->uc_stack.ss_size, at->uc_stack.ss_flags);
}

int main(void) {
    struct sigaction action = {.sa_handler = plain}, old;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    SHOW(raise(SIGUSR1));
    SHOW(kill(getpid(), SIGUSR1));
    action.sa_sigaction = full;
    action.sa_flags = SA_SIGINFO;
    CHECK(sigaction(SIGUSR1, &action, &old) == 0 && sigaction(SIGRTMIN + 3, &action, NULL) == 0);
    printf("old %d flags %lx\n", old.sa_handler == plain, (long)old.sa_flags & 0xffffffff);
    SHOW(raise(SIGUSR1));
    SHOW(kill(getpid(), SIGUSR1));
    SHOW(syscall(SYS_tkill, gettid(), SIGUSR1));
    union sigval value = {.sival_ptr = &action};
    SHOW(sigqueue(getpid(), SIGUSR1, value));
    SHOW(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 77}));
    SHOW(kill(getpid(), 0));
    SHOW(kill(getpid(), 99));
    CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
    SHOW(raise(SIGUSR2));
    SHOW(raise(SIGCHLD));
    SHOW(raise(SIGWINCH));
    SHOW(sigaction(SIGKILL, &action, NULL));
    return 0;
}
