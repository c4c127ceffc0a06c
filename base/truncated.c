#include "base/truncated.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* mmap(2) is a plain system call: it may be used in a handler. */
static void on_bus_error(int signo, siginfo_t *info, void *context) {
    (void)context;
    uintptr_t page = (uintptr_t)info->si_addr & ~(uintptr_t)4095;
    if (info->si_code == BUS_ADRERR &&
        mmap((void *)page, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
        return;
    signal(signo, SIG_DFL); /* a fault of another kind: it comes again, and kills */
}

void survive_truncation(void) {
    struct sigaction action;
    if (sigaction(SIGBUS, NULL, &action) != 0 || action.sa_handler != SIG_DFL)
        return;
    action = (struct sigaction){.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);
}
