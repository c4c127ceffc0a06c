/* Overwrites the code of a function of its own while it may be traced: `mov $5, %eax; ret`. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

__attribute__((noinline, aligned(4096))) int victim(int number) {
    volatile int result = number;
    return result;
}

int main(void) {
    static const unsigned char code[] = {0xb8, 5, 0, 0, 0, 0xc3};
    int (*volatile call)(int) = victim;
    printf("%d\n", call(1));
    if (mprotect((void *)victim, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
        return 1;
    memcpy((void *)victim, code, sizeof(code));
    for (int i = 0; i < 3; i++)
        printf("%d\n", call(1));
    return 0;
}
