/* A filter that traps calls: the handler of SIGSYS answers them, as sandboxes do. */
/* expect: exit 0 */
#include "seccomp.h"
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

static volatile int traps;

static void answer(int signo, siginfo_t *info, void *context) {
    ucontext_t *at = context;
    greg_t *regs = at->uc_mcontext.gregs;
    CHECK(signo == SIGSYS && info->si_code == SYS_SECCOMP && regs[REG_RAX] == info->si_syscall);
    traps++;
    if (info->si_syscall == SYS_getppid)
        regs[REG_RAX] = 4711;
    else if (info->si_syscall == SYS_openat)
        regs[REG_RAX] = -EROFS;
    else
        regs[REG_RAX] = syscall(SYS_getpid) + info->si_errno;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
    CHECK(sigaction(SIGSYS, &action, NULL) == 0);
    INSTALL({SYS_getppid, SECCOMP_RET_TRAP}, {SYS_openat, SECCOMP_RET_TRAP | 3},
            {SYS_mmap, SECCOMP_RET_TRAP | 77}, {SYS_read, SECCOMP_RET_TRAP});
    for (int i = 0; i < 100; i++)
        CHECK(PARENT() == 4711);
    CHECK(open("/etc/passwd", O_RDONLY) == -1 && errno == EROFS);
    CHECK((long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == getpid() + 77);
    CHECK(syscall(SYS_read, 0, NULL, 0) == getpid());
    CHECK(traps == 103);
    printf("pid %d: %d traps\n", getpid(), traps);
    return 0;
}
