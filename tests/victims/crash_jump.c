/* A jump into unmapped memory ends the program with the wild address in rip. */
/* expect: signal SIGSEGV */
#include "victim.h"

int main(void) {
    uintptr_t where;
    fill_random(&where, sizeof where);
    where = (where & 0xffff0) | 0x100000;
    fprintf(stderr, "pid %d jumps to %lx\n", (int)getpid(), (unsigned long)where);
    ((void (*)(void))where)();
    return 0;
}
