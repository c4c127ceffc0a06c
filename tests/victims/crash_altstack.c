/* A stack overflow handled on an alternate stack, ended by _exit in the handler. */
/* expect: exit 3 */
#include "victim.h"
#include <signal.h>
#include <sys/resource.h>

static volatile int forever = 1, deepest;

static void on_overflow(int signal, siginfo_t *info, void *context) {
    char text[200];
    int length = snprintf(text, sizeof text, "signal %d code %d at %p depth %d handler stack %p context %p\n",
                          signal, info->si_code, info->si_addr, deepest, (void *)text, context);
    (void)!write(1, text, (size_t)length);
    _exit(3);
}

static int down(int depth) {
    volatile char frame[400];
    frame[depth % 400] = (char)depth;
    deepest = depth;
    if (forever)
        return down(depth + 1) + frame[0];
    return frame[1];
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_overflow, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
    limit.rlim_cur = 4 << 20;
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
    CHECK(sigaltstack(&stack, NULL) == 0 && sigaction(SIGSEGV, &action, NULL) == 0);
    return down(0);
}
