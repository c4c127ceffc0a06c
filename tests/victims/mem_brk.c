/* The program break moves up and down, and memory given back comes again zeroed at the same addresses. */
/* expect: exit 0 */
#include "victim.h"

int main(void) {
    unsigned char *start = sbrk(0);
    printf("break %p\n", (void *)start);
    fflush(stdout);
    CHECK(sbrk(300000) != (void *)-1);
    unsigned char *base = (unsigned char *)sbrk(0) - 300000;
    fill_random(base, 300000);
    printf("%p up %016lx\n", (void *)base, (unsigned long)hash_bytes(base, 300000));
    CHECK(sbrk(-200000) != (void *)-1);
    printf("down %p %016lx\n", sbrk(0), (unsigned long)hash_bytes(base, 100000));
    CHECK(sbrk(200000) != (void *)-1);
    printf("up %p %016lx\n", sbrk(0), (unsigned long)hash_bytes(base, 300000));
    SHOW(brk(base + 150001));
    printf("odd %p raw %lx\n", sbrk(0), syscall(SYS_brk, 0));
    printf("refused %lx\n", syscall(SYS_brk, 4096));
    SHOW(brk((void *)0x7fffffffe000));
    printf("end %p\n", sbrk(0));
    return 0;
}
