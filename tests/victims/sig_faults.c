/* The program's own SIGSEGV, SIGFPE, SIGTRAP, SIGILL, SIGBUS and SIGPIPE are handled and it goes on. */
/* expect: exit 0 */
#include "victim.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

static unsigned char *page;
static sigjmp_buf back;

static void on_segv(int signal, siginfo_t *info, void *context) {
    ucontext_t *at = context;
    printf("signal %d code %d at %p rip %llx err %llx trap %llx cr2 %llx\n", signal, info->si_code,
           info->si_addr, at->uc_mcontext.gregs[REG_RIP], at->uc_mcontext.gregs[REG_ERR],
           at->uc_mcontext.gregs[REG_TRAPNO], at->uc_mcontext.gregs[REG_CR2]);
    if (signal == SIGSEGV)
        CHECK(mprotect((void *)((uintptr_t)info->si_addr & ~4095UL), 4096, PROT_READ | PROT_WRITE) == 0);
    else if (signal != SIGTRAP && signal != SIGPIPE)
        siglongjmp(back, signal);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO};
    int signals[] = {SIGSEGV, SIGFPE, SIGTRAP, SIGILL, SIGBUS, SIGPIPE};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        CHECK(sigaction(signals[i], &action, NULL) == 0);
    page = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    page[123] = 'x';
    printf("continued %c %d\n", page[123], page[5000]);
    if (sigsetjmp(back, 1) == 0) {
        volatile int zero = 0;
        printf("%d\n", 7 / zero);
    }
    __asm__ volatile("int3");
    printf("after int3\n");
    if (sigsetjmp(back, 1) == 0)
        __asm__ volatile("ud2");
    int fd = random_file("sig_faults.dat", 100);
    volatile unsigned char *file = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(unlink("sig_faults.dat") == 0);
    if (sigsetjmp(back, 1) == 0)
        printf("%d\n", file[4096]);
    int ends[2];
    CHECK(pipe(ends) == 0 && close(ends[0]) == 0);
    SHOW(write(ends[1], "x", 1));
    return 0;
}
