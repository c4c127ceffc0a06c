/* PROT_GROWSDOWN: a protection for all of a mapping that grows down, and for what it grows by later. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

static void stack_too(void) {
    char *here = (char *)((uintptr_t)__builtin_frame_address(0) & ~4095ul);
    CHECK(mprotect(here, 4096, PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN) == 0);
}

static int deep(int depth) {
    volatile char frame[4096];
    frame[0] = (char)depth;
    return depth ? deep(depth - 1) + frame[0] : 0;
}

int main(void) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, sum = 0;
    volatile char *top = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, flags, -1, 0);
    CHECK(top != MAP_FAILED);
    for (int i = 0; i < 20; i++)
        top[-4096 * i] = (char)i;
    CHECK(mprotect((void *)top, 4096, PROT_READ | PROT_GROWSDOWN) == 0);
    for (int i = 0; i < 20; i++)
        sum += top[-4096 * i];
    stack_too();
    printf("%d %d\n", sum, deep(100));
    return 0;
}
