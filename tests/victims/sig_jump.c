/* setjmp, longjmp and siglongjmp out of handlers restore stack and mask; ucontext switches too. */
/* expect: exit 0 */
#include "victim.h"
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

static jmp_buf plain;
static sigjmp_buf masked;
static ucontext_t main_context, other_context;

/* Hidden from the compiler, which would see only that the recursion never returns. */
static __attribute__((noipa)) void leave(int value) {
    longjmp(plain, value);
}

static void dive(int depth) {
    volatile char filler[200];
    fill_random((void *)filler, sizeof filler);
    if (depth == 0)
        leave(filler[7] | 256);
    else
        dive(depth - 1);
    filler[0] = 1;
}

static void on_signal(int signal) {
    siglongjmp(masked, signal);
}

static void other(void) {
    for (int i = 0; i < 3; i++) {
        printf("other %d at %p\n", i, (void *)&i);
        swapcontext(&other_context, &main_context);
    }
}

int main(void) {
    volatile int rounds = 0;
    int value = setjmp(plain);
    printf("setjmp %d buffer %016lx\n", value, (unsigned long)hash_bytes(&plain, 64));
    if (rounds++ < 3)
        dive(50);
    CHECK(signal(SIGUSR1, on_signal) != SIG_ERR);
    rounds = 0;
    int jumped = sigsetjmp(masked, 1);
    sigset_t mask;
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
    printf("sigsetjmp %d mask %lx at %p\n", jumped, mask.__val[0], (void *)&mask);
    if (rounds++ < 3)
        raise(SIGUSR1);
    CHECK(getcontext(&other_context) == 0);
    other_context.uc_stack.ss_sp = malloc(65536);
    other_context.uc_stack.ss_size = 65536;
    other_context.uc_link = &main_context;
    makecontext(&other_context, other, 0);
    for (int i = 0; i < 4; i++) {
        CHECK(swapcontext(&main_context, &other_context) == 0);
        printf("main %d\n", i);
    }
    return 0;
}
