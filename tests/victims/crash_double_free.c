/* The C library finds a double free and aborts with its message. */
/* expect: signal SIGABRT */
#include "victim.h"

int main(void) {
    void *block = malloc(40);
    uintptr_t again = (uintptr_t)block;
    __asm__ volatile("" : "+r"(again));
    fprintf(stderr, "pid %d block %lx\n", (int)getpid(), (unsigned long)again);
    free(block);
    free((void *)again);
    return 0;
}
