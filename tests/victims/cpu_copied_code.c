/* A program copies a function of its own that reads the clock, and runs the copy. */
/* expect: exit 0 */
#include "victim.h"
#include <sys/mman.h>

__asm__(".globl clock_begin, clock_end\n"
        ".type clock_begin, @function\n"
        "clock_begin: .cfi_startproc\n"
        "  xor %eax, %eax\n"
        "  rdtsc\n"
        "  shl $32, %rdx\n"
        "  or %rdx, %rax\n"
        "  ret\n"
        ".cfi_endproc\n"
        "clock_end: ret\n"
        ".size clock_begin, clock_end - clock_begin\n");
extern uint64_t clock_begin(void);
extern char clock_end[];

int main(void) {
    uint64_t (*copy)(void) =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(copy != MAP_FAILED);
    memcpy((void *)copy, (void *)clock_begin, (size_t)(clock_end - (char *)clock_begin));
    uint64_t first = clock_begin(), second = copy(), third = clock_begin();
    CHECK(first < second && second < third);
    printf("%lu %lu %lu\n", first, second, third);
    return 0;
}
