/* Two timers into a computation: handlers interrupt each other, one of them on an alternate stack, and leave
 * by siglongjmp now and then. */
/* expect: exit 0 */
#include "victim.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

static sigjmp_buf out;
static volatile unsigned long work, inner;
static volatile int fast, slow, depth, deepest, jumps;
static uint64_t trace = 1;
static char stack[65536];

static void note(unsigned long value) {
    trace = (trace ^ value) * 0x100000001b3ull;
}

static void on_slow(int signo) {
    (void)signo;
    slow++;
    depth++;
    for (inner = 0; inner < 1000000; inner++)
        continue;
    note(work);
    if (depth > deepest)
        deepest = depth;
    depth--;
}

static void on_fast(int signo) {
    (void)signo;
    fast++;
    depth++;
    note(work + inner * 3);
    if (depth > deepest)
        deepest = depth;
    depth--;
    if (fast % 10 == 0 && depth == 0) {
        jumps++;
        siglongjmp(out, 1);
    }
}

int main(void) {
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    const struct itimerval real = {{0, 3000}, {0, 3000}}, virtual = {{0, 16000}, {0, 16000}};
    struct sigaction first = {.sa_handler = on_fast},
                     second = {.sa_handler = on_slow, .sa_flags = SA_ONSTACK};
    CHECK(sigaltstack(&alternate, NULL) == 0);
    CHECK(sigaction(SIGALRM, &first, NULL) == 0 && sigaction(SIGVTALRM, &second, NULL) == 0);
    sigsetjmp(out, 1);
    if (jumps == 0)
        CHECK(setitimer(ITIMER_REAL, &real, NULL) == 0 && setitimer(ITIMER_VIRTUAL, &virtual, NULL) == 0);
    while (work < 200000000)
        work++;
    printf("%d fast, %d slow, %d deep, %d jumps, %llx\n", fast, slow, deepest, jumps,
           (unsigned long long)trace);
    return 0;
}
