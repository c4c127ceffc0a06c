/* Unknown call numbers fail alike, and registers around a raw system call are what the kernel leaves. */
/* expect: exit 0 */
#include "victim.h"

int main(void) {
    SHOW(syscall(-1));
    SHOW(syscall(100000));
    SHOW(syscall(600));
    SHOW(syscall(SYS_getpid) == getpid());
    SHOW(syscall(SYS_restart_syscall));
    SHOW(syscall(SYS_write, 1, NULL, 0));
    SHOW(syscall(SYS_close, 12345));
    SHOW(syscall(SYS_gettid | 0x40000000L));
    for (int i = 0; i < 3; i++) {
        uint64_t rax = SYS_getppid, rcx = 1, r11 = 2, flags, here;
        __asm__ volatile("stc; syscall; 1: pushfq; popq %3; leaq 1b(%%rip), %4; movq %%r11, %2"
                         : "+a"(rax), "+c"(rcx), "=r"(r11), "=&r"(flags), "=&r"(here)
                         :
                         : "r11", "cc", "memory");
        CHECK(rcx == here && (r11 & 1) == 1 && (flags & 1) == 1);
        printf("rax %lu rcx %lx r11 %lx flags %lx\n", (unsigned long)rax, (unsigned long)rcx,
               (unsigned long)r11, (unsigned long)flags);
    }
    return 0;
}
