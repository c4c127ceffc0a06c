/* A loop whose registers, stack and reachable memory are the same again and again; only a counter far away,
 * behind a chain of pointers, tells when a signal came: the replay must find out, and take a later passage.
 */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

#define FAR_SIZE (256ul << 20)

static unsigned long ***volatile root;
static volatile int came;

static void on_alarm(int signo) {
    (void)signo;
    came = 1;
}

/* Where most of the time goes: it ends with all registers as they were. */
static void __attribute__((noinline)) wait_a_little(void) {
    __asm__ volatile("mov $20000000, %%ecx\n"
                     "1: dec %%rcx\n"
                     "   nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop\n"
                     "   nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop\n"
                     "   jnz 1b\n" ::
                         : "rcx", "cc");
}

static void __attribute__((noinline)) count(void) {
    ++***root;
}

int main(void) {
    const struct itimerval timer = {.it_value.tv_usec = 150000};
    char *far =
        mmap(NULL, FAR_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(far != MAP_FAILED);
    unsigned long *counter = (unsigned long *)(far + (77ul << 20)),
                  **second = (unsigned long **)(far + (99ul << 20));
    *second = counter;
    root = (unsigned long ***)(far + (50ul << 20));
    *root = second;
    for (int i = 0; i < 20; i++) /* the replay then takes a checkpoint in front of the signal */
        wait_a_little();
    CHECK(signal(SIGALRM, on_alarm) != SIG_ERR && setitimer(ITIMER_REAL, &timer, NULL) == 0);
    while (!came) {
        wait_a_little();
        count();
    }
    printf("%lu rounds\n", *counter);
    return 0;
}
