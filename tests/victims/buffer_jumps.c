/* Call instructions that other code jumps to, and whose neighbours other code jumps to; calls in a loop on
 * themselves; all registers and flags behind a call are what the kernel leaves. */
/* expect: exit 0 */
#include "victim.h"

/* number in rax: 39 getpid by the mov, any other by the jump to the instruction itself */
long call_before(long number, int jump);
/* the instruction behind the call is reached by a jump, too, with what rax is then */
long call_over(long number, int jump);
/* registers and flags behind the call, in ret[0..16] */
void call_registers(long number, uint64_t flags, uint64_t *ret);

/* clang-format off */
__asm__(".text\n"
        "call_before:\n"
        "    mov %rdi, %rax\n"
        "    test %esi, %esi\n"
        "    jnz 1f\n"
        "    mov $39, %eax\n"
        "1:  syscall\n"
        "    ret\n"
        "call_over:\n"
        "    mov %rdi, %rax\n"
        "    cmp $2, %esi\n"
        "    je 2f\n"
        "    test %esi, %esi\n"
        "    jnz 1f\n"
        "    mov $110, %edi\n"
        "    mov %rdi, %rax\n"
        "1:  syscall\n"
        "2:  cmp $-4095, %rax\n"
        "    jae 3f\n"
        "    ret\n"
        "3:  mov $-1, %rax\n"
        "    ret\n"
        "call_registers:\n"
        "    push %rbx\n    push %rbp\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
        "    mov %rdx, %r15\n"
        "    mov %rdi, %rax\n"
        "    push %rsi\n"
        "    popfq\n"
        "    mov $0x1111, %rbx\n    mov $0x2222, %rbp\n    mov $0x3333, %r12\n    mov $0x4444, %r13\n"
        "    mov $0x5555, %r14\n    mov $0x6666, %r8\n     mov $0x7777, %r9\n    mov $0x8888, %r10\n"
        "    lea 4f(%rip), %rdx\n"
        "    syscall\n"
        "4:  mov %rax, (%r15)\n"
        "    lea -128(%rsp), %rsp\n"
        "    pushfq\n"
        "    pop %rax\n"
        "    lea 128(%rsp), %rsp\n"
        "    cld\n"
        "    mov %rax, 8(%r15)\n"
        "    mov %rcx, 16(%r15)\n"
        "    sub %rdx, 16(%r15)\n"
        "    mov %r11, 24(%r15)\n"
        "    mov %rbx, 32(%r15)\n    mov %rbp, 40(%r15)\n    mov %r12, 48(%r15)\n    mov %r13, 56(%r15)\n"
        "    mov %r14, 64(%r15)\n    mov %r8, 72(%r15)\n    mov %r9, 80(%r15)\n    mov %r10, 88(%r15)\n"
        "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbp\n    pop %rbx\n"
        "    ret\n");
/* clang-format on */

int main(void) {
    const uint64_t flags[] = {0x202, 0x203, 0x246, 0x287, 0x602, 0xa97, 0x40202};
    for (int i = 0; i < 300; i++) {
        CHECK(call_before(0, 0) == getpid());
        CHECK(call_before(SYS_getppid, 1) == getppid() && call_before(SYS_getuid, 1) == (long)getuid());
        CHECK(call_over(0, 0) == getppid() && call_over(SYS_getpid, 1) == getpid());
        CHECK(call_over(-5, 2) == -1 && call_over(77, 2) == 77);
        CHECK(call_over(1000, 1) == -1);
        uint64_t regs[12] = {0};
        uint64_t wanted = flags[i % 7];
        call_registers(SYS_getpid, wanted, regs);
        CHECK(regs[0] == (uint64_t)getpid() && regs[1] == wanted && regs[2] == 0 && regs[3] == wanted);
        for (unsigned k = 0; k < 8; k++)
            CHECK(regs[4 + k] == 0x1111u * (k + 1));
    }
    printf("%d\n", getpid());
    return 0;
}
