/* Calls that --when, --sample and --max-depth choose from: left by returning, by tail calls, by longjmp, from a signal
 * stack, from a coroutine, in a forked child. trace.sh compares what traps and jumps make of them. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static jmp_buf back;
static ucontext_t here, there;
static long sum;

__attribute__((noipa)) static long leaf(int n) {
    return n * 2;
}
__attribute__((noipa)) static long many(long a, long b, long c, long d, long e, long f, long g, signed char h) {
    return leaf((int)(a + b + c + d)) + e + f + g + h;
}
__attribute__((noipa)) static long deep(int n) {
    long got = n > 0 ? deep(n - 1) + leaf(n) : 1;
    return got % 1000;
}
__attribute__((noipa)) static long tail(int n) {
    return leaf(n + 1);
}
__attribute__((noipa)) static long tail_through(long (*f)(int), int n) {
    return f(n);
}
__attribute__((noipa)) static long escapes(unsigned n) {
    leaf((int)n);
    if (n % 3 == 1)
        longjmp(back, (int)n);
    return n;
}
__attribute__((noipa)) static long tries(unsigned n) {
    int got = setjmp(back);
    if (!got)
        return escapes(n);
    return many(n, 1, 2, 3, 4, 5, 6, (signed char)-got);
}
static void on_signal(int signo) {
    sum += leaf(signo) + deep(2);
}
__attribute__((noipa)) static long raises(short n) {
    if (n % 2)
        raise(SIGUSR1);
    return leaf(n);
}
static void coroutine(void) {
    for (int i = 0; i < 4; i++) {
        sum += leaf(i) + deep(i);
        swapcontext(&there, &here);
    }
}
__attribute__((noipa)) static long resumes(unsigned char n) {
    leaf(n);
    swapcontext(&here, &there);
    return leaf(n + 100);
}
__attribute__((noipa)) static long forks(int n) {
    int status = 0;
    pid_t child = fork();
    if (!child)
        _exit((int)(leaf(n) + deep(1)) & 63);
    waitpid(child, &status, 0);
    return leaf(status);
}
__attribute__((noipa)) static long round_of(int n) {
    long got = deep(n % 5) + tail(n) + tail_through(n % 2 ? leaf : deep, n % 4) + many(n, 1, 1, 1, 1, 1, n, (signed char)(n - 5));
    got += tries((unsigned)n) + raises((short)n);
    if (n < 4)
        got += resumes((unsigned char)n);
    if (n == 2 || n == 5)
        got += forks(n);
    return got;
}

int main(void) {
    static char stack[65536], other[65536];
    const stack_t alternative = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigaltstack(&alternative, NULL);
    sigaction(SIGUSR1, &action, NULL);
    getcontext(&there);
    there.uc_stack.ss_sp = other;
    there.uc_stack.ss_size = sizeof(other);
    makecontext(&there, coroutine, 0);
    for (int n = 0; n < 9; n++)
        sum += round_of(n);
    printf("%ld\n", sum);
    return 0;
}
