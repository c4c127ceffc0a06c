/* abort() ends the program after running its SIGABRT handler once. */
/* expect: signal SIGABRT */
#include "victim.h"
#include <signal.h>

static void on_abort(int signal) {
    char text[64];
    int length = snprintf(text, sizeof text, "signal %d pid %d\n", signal, (int)getpid());
    (void)!write(2, text, (size_t)length);
}

int main(void) {
    CHECK(signal(SIGABRT, on_abort) != SIG_ERR);
    printf("lost %p\n", (void *)&errno);
    abort();
}
