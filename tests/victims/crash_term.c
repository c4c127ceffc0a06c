/* A SIGTERM the program sends itself, first blocked, ends it when unblocked. */
/* expect: signal SIGTERM */
#include "victim.h"
#include <signal.h>

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && kill(getpid(), SIGTERM) == 0);
    fprintf(stderr, "pid %d still here\n", (int)getpid());
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
    fprintf(stderr, "never reached\n");
    return 0;
}
