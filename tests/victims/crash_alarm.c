/* An unhandled timer signal ends the program in the middle of a blocking read. */
/* expect: signal SIGALRM */
#include "victim.h"
#include <sys/time.h>

int main(void) {
    int ends[2];
    char byte;
    struct itimerval soon = {{0, 0}, {0, 50000}};
    CHECK(pipe(ends) == 0 && setitimer(ITIMER_REAL, &soon, NULL) == 0);
    fprintf(stderr, "pid %d\n", (int)getpid());
    return read(ends[0], &byte, 1) == 1;
}
