/* exit runs the handlers in reverse order, one of them changing the status. */
/* expect: exit 9 */
#include "victim.h"

static void first(void) {
    printf("first registered, last run, pid %d\n", (int)getpid());
    fflush(stdout);
    _exit(9);
}

static void second(int status, void *argument) {
    printf("status %d argument %p\n", status, argument);
}

static __attribute__((destructor)) void never(void) {
    fprintf(stderr, "not reached\n");
}

int main(void) {
    CHECK(atexit(first) == 0 && on_exit(second, (void *)&errno) == 0);
    exit(5);
}
