/* A timer fires a thousand times a second into calls that need no stop, and its handler makes some, too. Each
 * signal is handled at its place; the frame shows the program's own registers; the handler may jump out. */
/* expect: exit 0 */
#include "victim.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

static volatile unsigned count, jumps;
static volatile int may_jump;
static sigjmp_buf out;
static uint64_t hash;
static char *first_code, *last_code;

static void on_alarm(int signo, siginfo_t *info, void *context) {
    const ucontext_t *frame = context;
    struct timespec now;
    (void)signo;
    (void)info;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    hash = hash * 31 + (uint64_t)now.tv_nsec;
    for (int i = 0; i < 23; i++)
        hash = hash * 31 + (uint64_t)frame->uc_mcontext.gregs[i];
    if (++count % 16 == 0 && may_jump) {
        jumps++;
        siglongjmp(out, 1);
    }
}

int main(void) {
    const struct itimerval timer = {{0, 1000}, {0, 1000}};
    struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO};
    int fd = random_file("data", 4096);
    char bytes[64];
    first_code = (char *)main;
    last_code = (char *)read;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0);
    for (volatile int round = 0; round < 40000; round++) {
        sigset_t none;
        sigemptyset(&none);
        if (round % 1000 == 0 && !sigsetjmp(out, 1))
            may_jump = 1;
        pread(fd, bytes, sizeof bytes, round % 4000);
        hash = hash * 31 + hash_bytes(bytes, sizeof bytes) + (uint64_t)getppid();
        for (int k = 0; k < 50; k++)
            hash = hash * 31 + count;
        if (count > 400)
            break;
    }
    may_jump = 0;
    printf("%u signals, %u jumps, %016lx\n", count, jumps, (unsigned long)hash);
    return 0;
}
