/* A handler spoils its own frame, and nothing handles the SIGSEGV of the return. */
/* expect: signal SIGSEGV */
#include "victim.h"
#include <signal.h>
#include <sys/ucontext.h>

static void on_signal(int signo, siginfo_t *info, void *context) {
    ucontext_t *frame = context;
    (void)signo;
    (void)info;
    frame->uc_mcontext.fpregs = (void *)8;
}

int main(void) {
    struct sigaction spoils = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGUSR1, &spoils, NULL) == 0);
    printf("pid %d\n", (int)getpid());
    fflush(stdout);
    raise(SIGUSR1);
    return 1;
}
