/* An integer division by zero ends the program with SIGFPE. */
/* expect: signal SIGFPE */
#include "victim.h"

int main(void) {
    volatile int zero = 0;
    fprintf(stderr, "pid %d\n", (int)getpid());
    return getpid() / zero;
}
