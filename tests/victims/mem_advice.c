/* Advice that a mapping refuses changes nothing there, and all that lies before it; guard pages. */
/* expect: exit 0 */
#include "victim.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define PAGE                   4096
#define DONTNEED_LOCKED        24
#define GUARD_INSTALL          102
#define PAGES_OF(fd, flags, n) mmap(NULL, (n)*PAGE, PROT_READ | PROT_WRITE, (flags), (fd), 0)

static sigjmp_buf faulted;

static void on_fault(int signo) {
    (void)signo;
    siglongjmp(faulted, 1);
}

int main(void) {
    /* MADV_FREE is for private anonymous memory: of other memory nothing may be lost */
    char *file = PAGES_OF(random_file("file", 2 * PAGE), MAP_PRIVATE, 2);
    char *shared = PAGES_OF(-1, MAP_SHARED | MAP_ANONYMOUS, 2);
    CHECK(file != MAP_FAILED && shared != MAP_FAILED);
    file[0] = shared[0] = 7;
    CHECK(madvise(file, PAGE, MADV_FREE) == -1 && errno == EINVAL && file[0] == 7);
    CHECK(madvise(shared, PAGE, MADV_FREE) == -1 && errno == EINVAL && shared[0] == 7);

    char *memory = PAGES_OF(-1, MAP_PRIVATE | MAP_ANONYMOUS, 3);
    CHECK(memory != MAP_FAILED);
    memset(memory, 3, 3 * PAGE);
    CHECK(mlock(memory + PAGE, PAGE) == 0);
    CHECK(madvise(memory, 3 * PAGE, MADV_DONTNEED) == -1 && errno == EINVAL);
    printf("%d %d %d\n", memory[0], memory[PAGE], memory[2 * PAGE]);
    SHOW(madvise(memory, 3 * PAGE, DONTNEED_LOCKED));
    printf("%d %d %d\n", memory[0], memory[PAGE], memory[2 * PAGE]);

    signal(SIGSEGV, on_fault);
    SHOW(madvise(memory, PAGE, GUARD_INSTALL)); /* a recorded program is told that there are none */
    if (sigsetjmp(faulted, 1) == 0)
        printf("%d\n", memory[0]);
    else
        puts("guarded");
    return 0;
}
