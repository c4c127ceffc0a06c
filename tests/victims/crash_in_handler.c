/* A fault inside the handler of that same fault ends the program. */
/* expect: signal SIGSEGV */
#include "victim.h"
#include <signal.h>

static void on_fault(int signal) {
    char text[64];
    int length = snprintf(text, sizeof text, "signal %d stack %p\n", signal, (void *)text);
    (void)!write(1, text, (size_t)length);
    *(volatile char *)bad_address() = 1;
    _exit(98);
}

int main(void) {
    CHECK(signal(SIGSEGV, on_fault) != SIG_ERR);
    *(volatile char *)bad_address() = 1;
    return 0;
}
