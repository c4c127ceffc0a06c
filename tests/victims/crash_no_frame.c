/* A signal whose handler cannot run, with no stack for its frame, kills with SIGSEGV where it arrived. */
/* expect: signal SIGSEGV */
#include "victim.h"
#include <signal.h>

static void on_signal(int signo) {
    (void)signo;
}

int main(void) {
    long pid = getpid();
    CHECK(signal(SIGUSR1, on_signal) != SIG_ERR);
    printf("pid %ld\n", pid);
    fflush(stdout);
    __asm__ volatile("mov $62, %%eax\n\t" /* kill(pid, SIGUSR1) with no stack */
                     "mov %0, %%rdi\n\t"
                     "mov $10, %%esi\n\t"
                     "xor %%esp, %%esp\n\t"
                     "syscall\n\t"
                     "hlt" ::"r"(pid)
                     : "rax", "rdi", "rsi", "rcx", "r11");
    return 1;
}
