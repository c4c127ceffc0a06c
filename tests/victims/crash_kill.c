/* A SIGKILL the program sends itself ends it at once, buffered output lost. */
/* expect: signal SIGKILL */
#include "victim.h"
#include <signal.h>

int main(void) {
    fprintf(stderr, "pid %d\n", (int)getpid());
    printf("lost\n");
    kill(getpid(), SIGKILL);
    printf("never reached\n");
    return 0;
}
