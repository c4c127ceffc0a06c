/* Advice that empties pages or forbids them, by its number in linux/mman.h: older headers lack the names. */
/* expect: exit 0 */
#include "victim.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

enum { DONTNEED_LOCKED = 24, GUARD_INSTALL = 102, GUARD_REMOVE = 103 };

static sigjmp_buf back;

static void on_fault(int signo) {
    siglongjmp(back, signo);
}

int main(void) {
    size_t length = 16 * 4096;
    unsigned char *a = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(a != MAP_FAILED);
    fill_random(a, length);
    SHOW(mlock(a, 4096));
    SHOW(madvise(a, 2 * 4096, DONTNEED_LOCKED));
    printf("%016lx\n", (unsigned long)hash_bytes(a, length));
    CHECK(signal(SIGSEGV, on_fault) != SIG_ERR);
    SHOW(madvise(a + 4 * 4096, 4096, GUARD_INSTALL));
    if (!sigsetjmp(back, 1))
        printf("read %d\n", ((volatile unsigned char *)a)[4 * 4096]);
    else
        puts("guarded");
    SHOW(madvise(a + 4 * 4096, 4096, GUARD_REMOVE));
    printf("%016lx\n", (unsigned long)hash_bytes(a, length));
    return 0;
}
