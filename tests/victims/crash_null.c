/* A write through a null pointer ends the program; what stdio had not flushed stays unwritten. */
/* expect: signal SIGSEGV */
#include "victim.h"

int main(void) {
    int *volatile nowhere = NULL;
    fprintf(stderr, "pid %d, stack at %p\n", (int)getpid(), (void *)&nowhere);
    printf("flushed %p\n", (void *)&nowhere);
    fflush(stdout);
    printf("never flushed\n");
    *nowhere = 1;
    return 0;
}
