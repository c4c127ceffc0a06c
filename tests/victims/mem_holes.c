/* mprotect and madvise over a hole do what they can and then fail. */
/* expect: exit 0 */
#include "victim.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

static sigjmp_buf back;

static void on_fault(int signo) {
    (void)signo;
    siglongjmp(back, 1);
}

static int writable(volatile char *at) {
    if (sigsetjmp(back, 1))
        return 0;
    *at = 1;
    return 1;
}

int main(void) {
    enum { PAGES = 6, PAGE = 4096, HOLE = 3 };
    char *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED && signal(SIGSEGV, on_fault) != SIG_ERR);
    memset(memory, 'x', PAGES * PAGE);
    CHECK(munmap(memory + HOLE * PAGE, PAGE) == 0);
    CHECK(madvise(memory + PAGE, (PAGES - 1) * PAGE, MADV_DONTNEED) == -1 && errno == ENOMEM);
    for (int i = 0; i < PAGES; i++)
        if (i != HOLE)
            printf("%d: %d\n", i, memory[i * PAGE]);
    CHECK(mprotect(memory, PAGES * PAGE, PROT_READ) == -1 && errno == ENOMEM);
    for (int i = 0; i < PAGES; i++)
        printf("%d: %d\n", i, writable(memory + i * PAGE));
    return 0;
}
