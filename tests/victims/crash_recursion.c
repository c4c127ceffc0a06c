/* Endless recursion runs off the end of the stack. */
/* expect: signal SIGSEGV */
#include "victim.h"
#include <sys/resource.h>

static volatile int forever = 1;

static int down(int depth) {
    volatile char frame[400];
    frame[depth % 400] = (char)depth;
    if (forever)
        return down(depth + 1) + frame[0];
    return frame[1];
}

int main(void) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
    limit.rlim_cur = 4 << 20;
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
    fprintf(stderr, "pid %d, stack at %p\n", (int)getpid(), (void *)&limit);
    return down(0);
}
