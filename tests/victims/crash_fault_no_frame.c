/* A fault whose handler cannot run, with no stack for its frame. */
/* expect: signal SIGSEGV */
#include "victim.h"
#include <signal.h>

static void on_fault(int signo) {
    (void)signo;
}

int main(void) {
    CHECK(signal(SIGSEGV, on_fault) != SIG_ERR && signal(SIGFPE, on_fault) != SIG_ERR);
    printf("pid %d\n", (int)getpid());
    fflush(stdout);
    __asm__ volatile("xor %%esp, %%esp\n\t"
                     "xor %%ecx, %%ecx\n\t"
                     "xor %%edx, %%edx\n\t"
                     "div %%ecx\n\t"
                     "hlt" ::
                         : "rax", "rcx", "rdx");
    return 1;
}
