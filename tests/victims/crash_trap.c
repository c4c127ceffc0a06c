/* An int3 of the program's own, with no handler, ends it with SIGTRAP. */
/* expect: signal SIGTRAP */
#include "victim.h"

int main(void) {
    fprintf(stderr, "pid %d at %p\n", (int)getpid(), (void *)&errno);
    __asm__ volatile("int3");
    return 0;
}
