/* A program without the C library, entered at _start with raw system calls only. */
/* expect: exit 21 */
/* flags: -nostdlib -static -ffreestanding -fno-stack-protector */
#include <asm/unistd.h>

static long call3(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

static void show(unsigned long value) {
    char text[17];
    for (int i = 15; i >= 0; i--, value >>= 4)
        text[i] = "0123456789abcdef"[value & 15];
    text[16] = '\n';
    call3(__NR_write, 1, (long)text, 17);
}

__attribute__((noreturn, force_align_arg_pointer, used)) void _start(void) {
    unsigned low, high;
    unsigned long random = 0;
    show((unsigned long)__builtin_frame_address(0));
    show((unsigned long)call3(__NR_getpid, 0, 0, 0));
    call3(__NR_getrandom, (long)&random, 8, 0);
    show(random);
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    show((unsigned long)high << 32 | low);
    call3(__NR_exit_group, 21, 0, 0);
    __builtin_unreachable();
}
