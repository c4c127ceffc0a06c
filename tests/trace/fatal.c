/* abort(), with a handler that returns. */
#include "say.h"

#include <signal.h>

static void on_abort(int signo) {
    EXPECT("call on_abort signo=%d", signo);
    EXPECT("return on_abort");
    EXPECT("signal SIGABRT fatal");
}
CALLED int inner(int x) {
    EXPECT("call inner x=%d", x);
    EXPECT("abort");
    EXPECT("signal SIGABRT handled");
    signal(SIGABRT, on_abort);
    if (x)
        abort();
    return x;
}
int main(void) {
    EXPECT("call main");
    inner(1);
    return 0;
}
