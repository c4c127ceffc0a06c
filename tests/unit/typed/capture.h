// What a call passes and returns, as it is at the first instruction of the called function and at its ret.
//
// The caller calls `capture`, which saves the registers, calls *on_entry, and goes on to *capture_target as if nothing
// had been; the target's ret comes to capture_return, which does the same with *on_return.
#ifdef __cplusplus
extern "C" {
#endif
unsigned long capture_registers[17] __attribute__((visibility("hidden"))); // by DWARF number; 16: rip
unsigned char capture_floats[512] __attribute__((aligned(16), visibility("hidden"))); // FXSAVE
unsigned long capture_results[17] __attribute__((visibility("hidden")));
unsigned char capture_float_results[512] __attribute__((aligned(16), visibility("hidden")));
void (*capture_target)(void) __attribute__((visibility("hidden")));
unsigned long capture_back __attribute__((visibility("hidden")));
void (*on_entry)(const unsigned long *registers, const void *floats, int number);
void (*on_return)(const unsigned long *registers, const void *floats, int number);
int capture_number;

__attribute__((visibility("hidden"), used)) void capture_entered(void) {
    on_entry(capture_registers, capture_floats, capture_number);
}
__attribute__((visibility("hidden"), used)) void capture_returned(void) {
    on_return(capture_results, capture_float_results, capture_number);
}
void capture(void) __attribute__((visibility("hidden")));
#ifdef __cplusplus
}
#endif
// clang-format off
__asm__(".text\n"
        ".hidden capture\n.globl capture\ncapture:\n"
        "  mov %rax, capture_registers(%rip)\n"
        "  mov %rdx, capture_registers+8(%rip)\n"
        "  mov %rcx, capture_registers+16(%rip)\n"
        "  mov %rbx, capture_registers+24(%rip)\n"
        "  mov %rsi, capture_registers+32(%rip)\n"
        "  mov %rdi, capture_registers+40(%rip)\n"
        "  mov %rbp, capture_registers+48(%rip)\n"
        "  mov %rsp, capture_registers+56(%rip)\n"
        "  mov %r8, capture_registers+64(%rip)\n"
        "  mov %r9, capture_registers+72(%rip)\n"
        "  fxsave64 capture_floats(%rip)\n"
        "  mov (%rsp), %r11\n"
        "  mov %r11, capture_back(%rip)\n"
        "  lea capture_return(%rip), %r11\n"
        "  mov %r11, (%rsp)\n"
        "  sub $8, %rsp\n"
        "  call capture_entered\n"
        "  add $8, %rsp\n"
        "  fxrstor64 capture_floats(%rip)\n"
        "  mov capture_registers(%rip), %rax\n"
        "  mov capture_registers+8(%rip), %rdx\n"
        "  mov capture_registers+16(%rip), %rcx\n"
        "  mov capture_registers+32(%rip), %rsi\n"
        "  mov capture_registers+40(%rip), %rdi\n"
        "  mov capture_registers+64(%rip), %r8\n"
        "  mov capture_registers+72(%rip), %r9\n"
        "  jmp *capture_target(%rip)\n"
        "capture_return:\n"
        "  mov %rax, capture_results(%rip)\n"
        "  mov %rdx, capture_results+8(%rip)\n"
        "  mov %rsp, capture_results+56(%rip)\n"
        "  fxsave64 capture_float_results(%rip)\n"
        "  call capture_returned\n"
        "  fxrstor64 capture_float_results(%rip)\n"
        "  mov capture_results(%rip), %rax\n"
        "  mov capture_results+8(%rip), %rdx\n"
        "  jmp *capture_back(%rip)\n");
// clang-format on
