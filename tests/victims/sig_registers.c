/* x87, SSE and AVX registers and the flags survive a handler that overwrites them all. */
/* expect: exit 0 */
#include "victim.h"
#include <signal.h>

static volatile sig_atomic_t calls;
static int has_avx;

static void clobber(int signal) {
    (void)signal;
    calls++;
    if (has_avx)
        __asm__ volatile("vpcmpeqd %%xmm0, %%xmm0, %%xmm0; vinsertf128 $1, %%xmm0, %%ymm0, %%ymm0;"
                         "vmovaps %%ymm0, %%ymm1; vmovaps %%ymm0, %%ymm7; vmovaps %%ymm0, %%ymm15" ::
                             : "xmm0", "xmm1", "xmm7", "xmm15");
    __asm__ volatile(
        "pcmpeqd %%xmm0, %%xmm0; movaps %%xmm0, %%xmm1; movaps %%xmm0, %%xmm7; fninit; fldpi; fldpi;"
        "fldpi; fstp %%st(0); std; cld; stc" ::
            : "xmm0", "xmm1", "xmm7", "cc");
}

int main(void) {
    struct sigaction action = {.sa_handler = clobber};
    unsigned char in[4][32] __attribute__((aligned(32))), out[4][32] __attribute__((aligned(32)));
    long double x87[2] = {1.25L, 0}, top = 0;
    uint64_t flags = 0, result = 0;
    unsigned control = 0;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    has_avx = __builtin_cpu_supports("avx");
    fill_random(in, sizeof in);
    fill_random(x87, 8);
    memset(out, 0, sizeof out);
    pid_t pid = getpid();
    __asm__ volatile("fldt %[x]; fldl2e;"
                     "movups (%[in]), %%xmm0; movups 32(%[in]), %%xmm1; movups 64(%[in]), %%xmm7; movups "
                     "96(%[in]), %%xmm15;"
                     "cmpl $0, %[avx]; je 1f;"
                     "vmovaps (%[in]), %%ymm0; vmovaps 32(%[in]), %%ymm1; vmovaps 64(%[in]), %%ymm7; vmovaps "
                     "96(%[in]), %%ymm15;"
                     "1: movl %[kill], %%eax; movl %[usr], %%esi; xorl %%edx, %%edx; subq $1, %%rdx; syscall;"
                     "pushfq; popq %%r8; movq %%rax, %%r9;"
                     "movups %%xmm0, (%[out]); movups %%xmm1, 32(%[out]); movups %%xmm7, 64(%[out]); movups "
                     "%%xmm15, 96(%[out]);"
                     "cmpl $0, %[avx]; je 2f;"
                     "vmovaps %%ymm0, (%[out]); vmovaps %%ymm1, 32(%[out]); vmovaps %%ymm7, 64(%[out]); "
                     "vmovaps %%ymm15, 96(%[out]);"
                     "vzeroupper; 2: fstpt %[top]; fstpt %[y]; fnstcw %[control]; movq %%r8, %[flags]; movq "
                     "%%r9, %[result]"
                     : [top] "=m"(top), [y] "=m"(x87[1]), [control] "=m"(control), [flags] "=m"(flags),
                       [result] "=m"(result)
                     : [x] "m"(x87[0]), [in] "b"(in), [out] "r"(out), [avx] "m"(has_avx),
                       [kill] "i"(SYS_kill), [usr] "i"(SIGUSR1), "D"(pid)
                     : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r11", "xmm0", "xmm1", "xmm7", "xmm15", "cc",
                       "memory");
    CHECK(calls == 1 && result == 0);
    size_t width = has_avx ? 32 : 16;
    for (int i = 0; i < 4; i++)
        CHECK(memcmp(in[i], out[i], width) == 0);
    CHECK(memcmp(&x87[0], &x87[1], 10) == 0);
    printf("avx %d vectors %016lx x87 %.18Lg %.18Lg flags %lx control %x\n", has_avx,
           (unsigned long)hash_bytes(out, sizeof out), x87[1], top, (unsigned long)flags, control);
    return 0;
}
