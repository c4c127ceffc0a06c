/* The old ways into the kernel, int 0x80 and the vsyscall page, where this kernel has them. */
/* expect: exit 0 */
/* recording: stops */
#include "victim.h"
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf back;

static void on_fault(int signal) {
    siglongjmp(back, signal);
}

int main(void) {
    CHECK(signal(SIGSEGV, on_fault) != SIG_ERR);
    int fault = sigsetjmp(back, 1);
    if (fault == 0) {
        long result = 20; /* getpid, in the 32-bit numbering */
        __asm__ volatile("int $0x80" : "+a"(result)::"memory", "r8", "r9", "r10", "r11");
        printf("int 0x80 says pid %ld\n", result);
    } else {
        printf("int 0x80: signal %d\n", fault);
    }
    fault = sigsetjmp(back, 1);
    if (fault == 0) {
        long (*old_time)(long *) = (long (*)(long *))0xffffffffff600400;
        long (*old_getcpu)(unsigned *, unsigned *, void *) =
            (long (*)(unsigned *, unsigned *, void *))0xffffffffff600800;
        struct {
            long seconds, microseconds;
        } now = {0, 0};
        int (*old_gettimeofday)(void *, void *) = (int (*)(void *, void *))0xffffffffff600000;
        long seconds = old_time(NULL);
        int result = old_gettimeofday(&now, NULL);
        unsigned cpu = 99;
        old_getcpu(&cpu, NULL, NULL);
        printf("vsyscall %ld, %d %ld.%06ld cpu %u\n", seconds, result, now.seconds, now.microseconds, cpu);
    } else {
        printf("vsyscall: signal %d\n", fault);
    }
    printf("pid %d\n", (int)getpid());
    return 0;
}
