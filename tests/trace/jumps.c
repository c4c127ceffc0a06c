/* longjmp across frames, signal handlers that return, and one that leaves by siglongjmp. */
#include "say.h"

#include <setjmp.h>
#include <signal.h>

static jmp_buf place;
static sigjmp_buf safe_place;

CALLED void deepest(int value) {
    EXPECT("call deepest value=%d", value);
    EXPECT("longjmp %d", value);
    EXPECT("unwound deepest");
    EXPECT("unwound deeper");
    longjmp(place, value);
}
CALLED int deeper(int value) {
    EXPECT("call deeper value=%d", value);
    deepest(value);
    KEEP(value);
    return value;
}
CALLED int jumper(int value) {
    EXPECT("call jumper value=%d", value);
    volatile int result = 0;
    int got = setjmp(place);
    if (!got)
        deeper(value);
    result = got;
    EXPECT("return jumper %d", got);
    return result;
}

CALLED int from_handler(int value) {
    EXPECT("call from_handler value=%d", value);
    EXPECT("return from_handler %d", value + 1);
    return value + 1;
}
static void handler(int signo) {
    EXPECT("call handler signo=%d", signo);
    from_handler(signo);
    EXPECT("return handler");
}
CALLED int raising(int signo) {
    EXPECT("call raising signo=%d", signo);
    EXPECT("signal SIGUSR1 handled");
    raise(signo);
    EXPECT("return raising %d", signo);
    return signo;
}

static void fault_handler(int signo) {
    EXPECT("call fault_handler signo=%d", signo);
    EXPECT("longjmp 7");
    EXPECT("unwound fault_handler");
    siglongjmp(safe_place, 7);
}
CALLED int faulting(volatile int *address) {
    EXPECT("call faulting");
    EXPECT("signal SIGSEGV handled");
    int value = *address;
    KEEP(value);
    return value;
}
CALLED void after(int value) {
    EXPECT("call after value=%d", value);
    EXPECT("return after");
}
CALLED int guarded(void) {
    EXPECT("call guarded");
    int got = sigsetjmp(safe_place, 1);
    if (!got)
        faulting((volatile int *)8);
    EXPECT("unwound faulting");
    after(got);
    EXPECT("return guarded %d", got);
    return got;
}

int main(void) {
    EXPECT("call main");
    jumper(3);
    jumper(4);
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = fault_handler;
    sigaction(SIGSEGV, &action, NULL);
    raising(SIGUSR1);
    guarded();
    EXPECT("return main 0");
    return 0;
}
