/* Signals into loops of few instructions, into rep movs and rep stos, into a loop in which only a vector
 * register, the flags or the x87 stack changes; two such loops jump to themselves, and the handler jumps out.
 */
/* expect: exit 0 */
#include "victim.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

static sigjmp_buf out;
static volatile int leave;
static volatile int count;
static int locked;
static volatile int traps;
static char from[1 << 20], to[1 << 20];

static void on_alarm(int signo) {
    (void)signo;
    count++;
    if (leave)
        siglongjmp(out, 1);
}

static void on_trap(int signo) {
    (void)signo;
    traps++;
}

static void once(void) {
    const struct itimerval timer = {.it_value.tv_usec = 15000};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static void stop_loops(void) {
    leave = 1;
    if (!sigsetjmp(out, 1)) {
        once();
        __asm__ volatile("1: jmp 1b");
    }
    if (!sigsetjmp(out, 1)) {
        once();
        __asm__ volatile("1: pause\n jmp 1b");
    }
    leave = 0;
}

static void one_register(void) {
    once();
    unsigned long rounds = 100000000;
    __asm__ volatile("1: dec %0\n jnz 1b" : "+r"(rounds)::"cc");
    once();
    rounds = 100000000;
    __asm__ volatile("1: loop 1b" : "+c"(rounds));
}

static void strings(void) {
    once();
    for (int i = 0; i < 400; i++) {
        void *destination = to;
        const void *source = from;
        unsigned long size = sizeof(to);
        __asm__ volatile("rep movsb" : "+D"(destination), "+S"(source), "+c"(size)::"memory");
        from[i] = (char)(to[i] + i + count);
    }
    once();
    for (int i = 0; i < 60; i++) {
        const void *source = from, *destination = from;
        unsigned long size = sizeof(to);
        __asm__ volatile("repe cmpsb" : "+D"(destination), "+S"(source), "+c"(size)::"memory", "cc");
        CHECK(size == 0);
    }
    printf("%llx\n", (unsigned long long)hash_bytes(to, sizeof(to)));
}

static void vectors(void) {
    double one = 1, number = 0, limit = 50000000;
    once();
    __asm__ volatile("1: addsd %1, %0\n ucomisd %0, %2\n ja 1b" : "+x"(number) : "x"(one), "x"(limit) : "cc");
    CHECK(number == limit);
    once();
    long double total = 0;
    __asm__ volatile(
        "fldz\n fld1\n 1: fadd %%st, %%st(1)\n fldl %1\n fucomip %%st(2), %%st\n ja 1b\n fstp %%st\n"
        "fstpt %0"
        : "=m"(total)
        : "m"(limit)
        : "cc", "st", "st(1)", "st(2)", "memory");
    CHECK(total == 50000000);
}

/* Computed jumps into a row of nops, and jumps past the lock prefix of an instruction. */
static void middles(void) {
    unsigned long rounds = 20000;
    once();
    __asm__ volatile("xor %%ecx, %%ecx\n"
                     "1: lea 2f(%%rip), %%rax\n add %%rcx, %%rax\n jmp *%%rax\n"
                     "2: pause\n pause\n pause\n pause\n pause\n pause\n pause\n pause\n"
                     "inc %%ecx\n inc %%ecx\n and $15, %%ecx\n dec %0\n jnz 1b"
                     : "+r"(rounds)::"rax", "rcx", "cc");
    rounds = 3000000;
    once();
    __asm__ volatile("1: test $1, %b0\n je 2f + 1\n"
                     "2: lock incl %1\n"
                     "test $1, %b0\n je 2f + 1\n"
                     "2: lock incl %1\n"
                     "dec %0\n jnz 1b"
                     : "+r"(rounds), "+m"(locked)::"cc", "memory");
    printf("%d\n", locked);
}

/* Where no jump can be patched, since a breakpoint of the program's own follows. */
static void own_breakpoint(void) {
    unsigned long rounds = 300;
    CHECK(signal(SIGTRAP, on_trap) != SIG_ERR);
    once();
    __asm__ volatile("1: lea %1, %%rdi\n lea %2, %%rsi\n mov %3, %%ecx\n rep movsb\n"
                     "dec %0\n jnz 1b\n int3"
                     : "+a"(rounds)
                     : "m"(to), "m"(from), "i"(sizeof(to))
                     : "rcx", "rsi", "rdi", "cc", "memory");
    CHECK(traps == 1);
}

static void red_zone(void) {
    once();
    __asm__ volatile("movq $30000000, -64(%%rsp)\n 1: decq -64(%%rsp)\n jnz 1b" ::: "cc", "memory");
}

int main(void) {
    CHECK(signal(SIGALRM, on_alarm) != SIG_ERR);
    stop_loops();
    one_register();
    strings();
    vectors();
    middles();
    own_breakpoint();
    red_zone();
    printf("%d signals\n", count);
    return 0;
}
