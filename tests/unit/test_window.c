/* tracer/window: functions with a jump over a window in them do what they did without; the jump's bytes trap.
 */
#include "tracer/window.h"

#include "scratch.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

/* Each function takes two numbers; its window begins at 1:. All are listed in `cases`. */
/* clang-format off */
#define FUNCTION(name, text)                                                                                 \
    ".pushsection .rodata\n8: .asciz \"" name "\"\n.popsection\n"                                            \
    ".pushsection .data\n.quad 7f, 1f, 8b\n.popsection\n"                                                    \
    ".balign 16\n7: " text "\n"

struct window_case {
    uint64_t (*function)(uint64_t a, uint64_t b);
    const uint8_t *site;
    const char *name;
};
extern struct window_case window_cases[], window_cases_end[];

asm(".data\n.balign 8\nwindow_word: .quad 1234567\nwindow_function: .quad window_callee\n"
    ".globl window_cases\nwindow_cases:\n.text\n"
    "window_callee: lea 3(%rdi,%rsi), %rax\n lea window_callee(%rip), %rdx\n sub (%rsp), %rdx\n xor %rdx, %rax\n ret\n"
    FUNCTION("plain", "1: mov %rdi, %rax\n add %rsi, %rax\n adc $5, %rax\n ret")
    FUNCTION("flags pass", "cmp %rsi, %rdi\n1: mov %rdi, %rax\n mov %rsi, %rcx\n cmovb %rcx, %rax\n ret")
    FUNCTION("rip-relative", "1: mov window_word(%rip), %rax\n add %rdi, %rax\n ret")
    FUNCTION("rip-relative and immediate", "1: addq $77, window_word(%rip)\n mov window_word(%rip), %rax\n ret")
    FUNCTION("branch", "xor %eax, %eax\n cmp %rsi, %rdi\n1: jb 2f\n mov %edi, %eax\n inc %rax\n2: add %rsi, %rax\n ret")
    FUNCTION("near branch", "xor %eax, %eax\n cmp %rsi, %rdi\n1: {disp32} jae 2f\n inc %rax\n2: add %rsi, %rax\n ret")
    FUNCTION("loop", "mov %rdi, %rcx\n and $15, %ecx\n inc %rcx\n xor %eax, %eax\n2: add %rsi, %rax\n1: loop 2b\n"
             "imul $3, %rax, %rax\n ret")
    FUNCTION("jrcxz", "mov %rdi, %rcx\n mov %rsi, %rax\n1: jrcxz 2f\n add $7, %rax\n2: lea 1(%rax), %rax\n ret")
    FUNCTION("jump", "mov %rdi, %rax\n1: jmp 2f\n nop\n nop\n nop\n2: sub %rsi, %rax\n ret")
    FUNCTION("own loop", "mov %rdi, %rax\n and $255, %eax\n inc %eax\n1: dec %rax\n jnz 1b\n mov %rsi, %rax\n ret")
    FUNCTION("call", "1: call window_callee\n add $1, %rax\n ret")
    FUNCTION("call through a register", "lea window_callee(%rip), %r11\n1: call *%r11\n inc %rax\n ret")
    FUNCTION("call through memory", "1: call *window_function(%rip)\n inc %rax\n ret")
    FUNCTION("call through the stack", "push window_function(%rip)\n1: call *(%rsp)\n inc %rax\n pop %rdx\n ret")
    FUNCTION("return", "lea 9(%rdi,%rsi), %rax\n1: ret\n nop\n nop\n nop\n nop")
    FUNCTION("indirect jump", "lea 9(%rdi,%rsi), %rax\n pop %rdx\n1: jmp *%rdx\n nop\n nop\n nop\n nop")
    FUNCTION("push and pop", "1: push %rdi\n push %rsi\n pop %rax\n pop %rdx\n sub %rdx, %rax\n ret")
    ".data\n.globl window_cases_end\nwindow_cases_end:\n.text\n");
/* clang-format on */

#define AREA 0x20000ull

static uint8_t *near;

static bool map_near(void *context, uint64_t target) {
    uint64_t start = target & ~0xffffull;
    (void)context;
    void *got = mmap((void *)start, AREA, PROT_READ | PROT_WRITE | PROT_EXEC,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (got == MAP_FAILED)
        return false;
    near = (uint8_t *)target;
    return true;
}

static void unprotect(const void *code) {
    uint64_t start = (uint64_t)code & ~4095ull;
    ck_assert_int_eq(mprotect((void *)start, 8192, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
}

/* Its results with some arguments; memory that it counts up is put back. */
static void results(const struct window_case *example, uint64_t ret[64]) {
    for (uint64_t i = 0; i < 64; i++)
        ret[i] = example->function(i % 8 == 7 ? 0 : i * 0x10001, i % 5 * 0x30003);
}

static struct window window;
static size_t offsets[WINDOW_INSTRUCTIONS];

static void plant(const uint8_t *site, uint8_t patch[WINDOW_BYTES]) {
    size_t size;
    CHECK_OK(window_decode(site, 64, (uint64_t)site, &window));
    ck_assert_uint_ge(window.length, WINDOW_JUMP);
    ck_assert(window_jump_targets(&window, 0x10000, 0x7fffffff0000, map_near, NULL));
    uint64_t scratch = ((uint64_t)near & ~0xffffull) + AREA - 4096;
    CHECK_OK(window_copy(&window, (uint64_t)near, scratch, near, &size, offsets));
    ck_assert_uint_le(size, WINDOW_COPY_MAX);
    ck_assert_uint_eq(window_original(&window, (uint64_t)near, offsets, size, (uint64_t)near),
                      (uint64_t)site);
    window_patch(&window, (uint64_t)near, patch);
    unprotect(site);
    memcpy((void *)site, patch, window.length);
}

static void uproot(void) {
    memcpy((void *)window.address, window.bytes, window.length);
    munmap((void *)((uint64_t)near & ~0xffffull), AREA);
}

/* A jump or return into the middle goes on in the copy. */
static void go_on(int signo, siginfo_t *info, void *context) {
    ucontext_t *state = context;
    uint64_t at = (uint64_t)state->uc_mcontext.gregs[REG_RIP] - (signo == SIGTRAP);
    (void)info;
    for (size_t i = 1; i < window.count; i++)
        if (window.instructions[i].address == at) {
            state->uc_mcontext.gregs[REG_RIP] = (long long)(near + offsets[i]);
            return;
        }
    abort();
}

static void handle_traps(void (*handler)(int, siginfo_t *, void *)) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    ck_assert(sigaction(SIGTRAP, &action, NULL) == 0 && sigaction(SIGILL, &action, NULL) == 0);
}

START_TEST(test_copies) {
    handle_traps(go_on);
    for (const struct window_case *example = window_cases; example < window_cases_end; example++) {
        uint64_t before[64], after[64];
        uint8_t patch[WINDOW_BYTES];
        results(example, before);
        plant(example->site, patch);
        results(example, after);
        uproot();
        for (size_t i = 0; i < 64; i++) {
            bool counts = strcmp(example->name, "rip-relative and immediate") == 0;
            uint64_t expected = counts ? before[i] + 64 * 77 : before[i];
            ck_assert_msg(after[i] == expected, "%s: %#lx, %#lx", example->name, (long)expected,
                          (long)after[i]);
        }
    }
}
END_TEST

static volatile int trapped;
static volatile uint64_t trapped_at;

static void on_trap(int signo, siginfo_t *info, void *context) {
    ucontext_t *state = context;
    (void)info;
    trapped = signo;
    trapped_at = (uint64_t)state->uc_mcontext.gregs[REG_RIP] - (signo == SIGTRAP);
    /* as if the function had returned */
    uint64_t *stack = (uint64_t *)state->uc_mcontext.gregs[REG_RSP];
    state->uc_mcontext.gregs[REG_RIP] = (long long)*stack;
    state->uc_mcontext.gregs[REG_RSP] += 8;
}

/* Whoever jumps into the middle, at any byte, is trapped there. */
START_TEST(test_middle_traps) {
    uint8_t patch[WINDOW_BYTES];
    handle_traps(on_trap);
    for (const struct window_case *example = window_cases; example < window_cases_end; example++) {
        plant(example->site, patch);
        for (size_t i = 1; i < window.length; i++) {
            trapped = 0;
            ((void (*)(void))(window.address + i))();
            ck_assert_msg(trapped == SIGTRAP || trapped == SIGILL, "%s, byte %zu", example->name, i);
            ck_assert_uint_eq(trapped_at, window.address + i);
        }
        uproot();
    }
}
END_TEST

START_TEST(test_targets) {
    static const uint8_t code[] = {0x48, 0xff, 0xc0, /* inc %rax */
                                   0x48, 0xff, 0xc8, /* dec %rax */
                                   0x75, 0xfb,       /* jnz to the second */
                                   0x75, 0xf6,       /* jnz to the first */
                                   0xc3};
    CHECK_OK(window_decode(code, sizeof(code), 0x1000, &window));
    ck_assert_uint_eq(window.length, 6);
    ck_assert(window_is_target(&window, code, 8, 0x1000));
    ck_assert(!window_is_target(&window, code + 8, sizeof(code) - 8, 0x1008));
    CHECK_OK(window_decode(code + 3, sizeof(code) - 3, 0x1003, &window));
    ck_assert_uint_eq(window.length, 5);
    ck_assert(!window_is_target(&window, code, sizeof(code), 0x1000));
    /* what returns, or what leads behind a jump, comes from elsewhere */
    static const uint8_t call[] = {0xff, 0xd0, 0x90, 0x90, 0x90}, jump[] = {0xff, 0xe0, 0x48, 0xff, 0xc0},
                         last[] = {0x90, 0x90, 0x90, 0xff, 0xd0}, padding[] = {0xff, 0xe0, 0x90, 0x90, 0x90};
    const uint8_t *const examples[] = {call, jump, last, padding};
    for (size_t i = 0; i < 4; i++) {
        CHECK_OK(window_decode(examples[i], 5, 0x1000, &window));
        ck_assert(window_is_target(&window, examples[i], 5, 0x1000) == (i < 2));
    }
}
END_TEST

START_TEST(test_refused) {
    static const uint8_t own_trap[] = {0x90, 0xcc, 0x90, 0x90, 0x90, 0x90}, cut[] = {0x90, 0x90, 0x90},
                         far_load[] = {0x48, 0x8b, 0x05, 0, 0, 0, 0};
    uint8_t bytes[WINDOW_COPY_MAX];
    size_t size;
    CHECK_FAILS(window_decode(own_trap, sizeof(own_trap), 0x1000, &window), ERROR_UNSUPPORTED, "breakpoint");
    CHECK_FAILS(window_decode(cut, sizeof(cut), 0x1000, &window), ERROR_BAD_DATA, "");
    CHECK_OK(window_decode(far_load, sizeof(far_load), 0x1000, &window));
    CHECK_FAILS(window_copy(&window, 1ull << 40, (1ull << 40) + 4096, bytes, &size, offsets),
                ERROR_UNSUPPORTED, "reach");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("window");
    TCase *tests = tcase_create("window");
    tcase_add_test(tests, test_copies);
    tcase_add_test(tests, test_middle_traps);
    tcase_add_test(tests, test_targets);
    tcase_add_test(tests, test_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
