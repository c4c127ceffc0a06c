/* A non-canonical address is a general protection fault, reported without an address. */
/* expect: signal SIGSEGV */
#include "victim.h"

int main(void) {
    uintptr_t where;
    fill_random(&where, sizeof where);
    where = (where & 0x0000ffffffffffff) | 0x1234000000000000;
    fprintf(stderr, "pid %d reads %lx\n", (int)getpid(), (unsigned long)where);
    return *(volatile char *)where;
}
