/* An illegal instruction of the program's own ends it with SIGILL. */
/* expect: signal SIGILL */
#include "victim.h"

int main(void) {
    unsigned low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    fprintf(stderr, "pid %d tsc %u %u\n", (int)getpid(), high, low);
    __asm__ volatile("ud2");
    return 0;
}
