/* A smashed stack is detected by the (recorded) stack guard. */
/* expect: signal SIGABRT */
/* flags: -fstack-protector-all */
#include "victim.h"

static int smash(volatile size_t length) {
    volatile char small[16];
    volatile char *at = small;
    for (size_t i = 0; i < length; i++)
        at[i] = (char)i;
    return small[3];
}

int main(void) {
    fprintf(stderr, "pid %d\n", (int)getpid());
    return smash(40);
}
