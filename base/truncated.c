#include "base/truncated.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096u

static void on_bus_error(int signo, siginfo_t *info, void *context) {
    (void)context;
    int before = errno;
    uintptr_t page = (uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1);
    if (info->si_code != BUS_ADRERR ||
        syscall(SYS_mmap, page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                0) != (long)page) {
        signal(signo, SIG_DFL);
        raise(signo); /* and kills when this returns */
    }
    errno = before;
}

void truncated_tolerate(void) {
    struct sigaction action;
    if (sigaction(SIGBUS, NULL, &action) < 0 || action.sa_handler != SIG_DFL)
        return;
    action = (struct sigaction){.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
