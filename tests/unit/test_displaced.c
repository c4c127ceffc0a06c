/* tracer/displaced: each kind of instruction leaves registers, flags and memory with a probe at it as
 * without. */
#include "tracer/displaced.h"

#include "trapping.h"

/* At fixed low addresses, so that all registers can be loaded and stored without using one. */
#define STATE_AT  0x20000000ull
#define DATA_AT   0x20001000ull
#define STACK_AT  0x20003000ull
#define AREA_SIZE 0x6000ull

/* In the order of the saver below. */
struct state {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t flags;
    uint64_t exit; /* which way it left: 0 fell through, 1 the label 9 */
    uint64_t code; /* address of the instruction */
    uint64_t host_rsp;
    uint64_t xmm0[2];
};

#define S "0x20000000+"

/* Calls the instruction with the state, and comes back with the new one. */
void run_case(void);
void case_exit_1(void);
asm(".text\n.globl run_case\nrun_case:\n"
    "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp, " S "152\n"
    "movups " S "160, %xmm0\n"
    "pushq " S "128\npopfq\n"
    "mov " S "0, %rax\nmov " S "8, %rbx\nmov " S "16, %rcx\nmov " S "24, %rdx\nmov " S "32, %rsi\n"
    "mov " S "40, %rdi\nmov " S "48, %rbp\nmov " S "56, %rsp\nmov " S "64, %r8\nmov " S "72, %r9\n"
    "mov " S "80, %r10\nmov " S "88, %r11\nmov " S "96, %r12\nmov " S "104, %r13\nmov " S "112, %r14\n"
    "mov " S "120, %r15\n"
    "movq $0, " S "136\n"
    "jmp *" S "144\n"
    ".globl case_exit_1\ncase_exit_1:\n"
    "movq $1, " S "136\n"
    "case_exit_0:\n"
    "mov %rsp, " S "56\nmov " S "152, %rsp\npushfq\npopq " S "128\n"
    "mov %rax, " S "0\nmov %rbx, " S "8\nmov %rcx, " S "16\nmov %rdx, " S "24\nmov %rsi, " S "32\n"
    "mov %rdi, " S "40\nmov %rbp, " S "48\nmov %r8, " S "64\nmov %r9, " S "72\n"
    "mov %r10, " S "80\nmov %r11, " S "88\nmov %r12, " S "96\nmov %r13, " S "104\nmov %r14, " S "112\n"
    "mov %r15, " S "120\n"
    "movups %xmm0, " S "160\n"
    "cld\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n");

/* clang-format off */
#define CASE(text)                                                                                           \
    ".pushsection .rodata\n3: .asciz \"" text "\"\n.popsection\n"                                            \
    ".pushsection .data\n.quad 1f, 3b\n.popsection\n"                                                        \
    "1: " text "\n{disp32} jmp case_exit_0\n9: {disp32} jmp case_exit_1\n"

#define JCC(cc) CASE("j" cc " 9f") CASE("{disp32} j" cc " 9f")

/* r15 = r13 and the word at 0x40(%r14) are the address of exit 1, rsp points to it, too; rbx, rsi, rdi, r14
 * and rbp point to memory, rcx is small. The rest is random. */
extern const struct row {
    const uint8_t *code;
    const char *text;
} case_rows[], case_rows_end[];
extern uint64_t case_words[8];
asm(".data\n.balign 64\n.globl case_words\ncase_words: .quad 0, case_exit_1, 3, 4, 5, 6, 7, 8\n"
    ".globl case_rows\ncase_rows:\n.text\n"
    CASE("push %rbp") CASE("push %rsp") CASE("push %r12") CASE("push %rax") CASE("pushw %ax")
    CASE("push $-5") CASE("push 8(%rbx)") CASE("push case_words(%rip)") CASE("pop %rax") CASE("pop %r12")
    CASE("pop (%rbx)") CASE("pushfq") CASE("sub $8, %rsp") CASE("sub $0x1238, %rsp") CASE("sub $-128, %rsp")
    CASE("sub $0, %rsp") CASE("sub $8, %esp") CASE("add $16, %rsp") CASE("mov %rsp, %rbp")
    CASE("mov %rdi, %r9") CASE("mov %r12, %rax") CASE(".byte 0x4c, 0x8b, 0xe0") CASE("mov %edi, %eax")
    CASE("leave") CASE("enter $16, $0") CASE("nop") CASE("nopw 0x100(%rax,%rax,1)") CASE("endbr64")
    CASE("pause") CASE("xchg %ax, %ax") CASE("lea case_words+16(%rip), %rax")
    CASE("mov case_words+24(%rip), %r10") CASE("mov %edx, case_words(%rip)")
    CASE("movl $0x12345678, case_words(%rip)") CASE("cmpq $3, case_words+16(%rip)")
    CASE("addq $1, case_words(%rip)") CASE("lock xaddq %rax, case_words(%rip)")
    CASE("lock cmpxchg16b (%rbx)") CASE("addsd case_words(%rip), %xmm0")
    CASE("imul $77, case_words+32(%rip), %rax") JCC("o") JCC("no") JCC("b") JCC("ae") JCC("e") JCC("ne")
    JCC("be") JCC("a") JCC("s") JCC("ns") JCC("p") JCC("np") JCC("l") JCC("ge") JCC("le") JCC("g")
    CASE("jmp 9f") CASE("{disp32} jmp 9f") CASE("loop 9f") CASE("loope 9f") CASE("loopne 9f")
    CASE("jrcxz 9f") CASE("jecxz 9f") CASE("addr32 loop 9f") CASE("call 9f") CASE("call *%r15")
    CASE("call *%r13") CASE("call *0x40(%r14)") CASE("call *case_words+8(%rip)") CASE("call *(%rsp)")
    CASE("call *0x40(%r14d)") CASE("notrack jmp *%r15") CASE(".byte 0xf2; jmp 9f") CASE("jmp *%r15")
    CASE("jmp *0x40(%r14)") CASE("jmp *0x38(%r14,%rcx,8)") CASE("jmp *case_words+8(%rip)")
    CASE("jmp *(%rsp)") CASE("ret") CASE("ret $16") CASE("rep ret") CASE("rep movsb") CASE("rep stosq")
    CASE("repe cmpsb") CASE("lodsq") CASE("mov %fs:0, %rax") CASE("mov (%ebx), %eax")
    CASE("movzbl (%rbx,%rcx,2), %eax") CASE("xor %eax, %eax") CASE("add %rdx, %rax") CASE("adc $5, %r8")
    CASE("mul %rdx") CASE("shld $3, %rax, %rdx") CASE("cmovg %rdx, %rax") CASE("setle %al")
    CASE("bswap %r9") CASE("bt %rax, %rdx") CASE("test %rax, %rdx") CASE("cqto") CASE("stc") CASE("std")
    CASE("lahf") CASE("sahf") CASE("cpuid") CASE("movaps %xmm0, (%rbx)") CASE("pxor %xmm0, %xmm0")
    CASE("movd %eax, %xmm0") CASE("cvtsi2sd %rax, %xmm0") CASE("movabs $0x1122334455667788, %rax")
    CASE("xchg %rax, (%rbx)") CASE("fisttpll case_words(%rip)") CASE("syscall")
    CASE("vmovups case_words(%rip), %ymm0") CASE("vpaddq case_words(%rip), %xmm0, %xmm0")
    ".data\n.globl case_rows_end\ncase_rows_end:\n.text\n");
/* clang-format on */

#define ROUNDS 12

static struct state *const state = (struct state *)STATE_AT;

/* Fill registers and memory for a round: always the same for the same seed. */
static void set_state(const uint8_t *code, uint64_t seed) {
    uint64_t random = seed * 2654435761u + 1;
    uint64_t *words = (uint64_t *)STATE_AT;
    for (size_t i = 0; i < AREA_SIZE / 8; i++)
        words[i] = scratch_random(&random);
    for (size_t i = 0; i < 8; i++)
        case_words[i] = i == 1 ? (uint64_t)(uintptr_t)case_exit_1 : i * 1000 + seed;
    state->code = (uint64_t)(uintptr_t)code;
    state->flags = (state->flags & 0xcd5) | 0x202;
    state->rbx = DATA_AT + 0x800;
    state->rsi = DATA_AT + 0x900;
    state->rdi = DATA_AT + 0xa00;
    state->r14 = DATA_AT + 0x200;
    state->rcx = 1 + seed % 3;
    state->r13 = state->r15 = (uint64_t)(uintptr_t)case_exit_1;
    state->rsp = STACK_AT + 0x2000;
    state->rbp = STACK_AT + 0x1f00;
    *(uint64_t *)state->rsp = (uint64_t)(uintptr_t)case_exit_1;
    memset((void *)(DATA_AT + 0x240), 0, 32);
    for (int i = 0; i < 4; i++)
        ((uint64_t *)(DATA_AT + 0x240))[i] = (uint64_t)(uintptr_t)case_exit_1;
}

struct outcome {
    struct state state;
    uint8_t area[AREA_SIZE - 0x1000];
    uint64_t words[8];
};

static void run_round(const uint8_t *code, uint64_t seed, struct outcome *ret) {
    set_state(code, seed);
    run_case();
    ret->state = *state;
    memcpy(ret->area, (void *)DATA_AT, sizeof(ret->area));
    memcpy(ret->words, case_words, sizeof(ret->words));
    ret->state.host_rsp = 0;
}

static int check_row(struct shared *shared, const struct row *row, struct outcome *natives) {
    for (uint64_t round = 0; round < ROUNDS; round++)
        run_round(row->code, round, &natives[round]);
    uint8_t before = *row->code;
    if (ask(shared, ASK_ADD, row->code))
        return 2;
    if (*(volatile const uint8_t *)row->code != 0xcc)
        return 3;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct outcome probed;
        run_round(row->code, round, &probed);
        shared->word[1] = round;
        if (memcmp(&probed, &natives[round], sizeof(probed))) {
            const uint64_t *one = (uint64_t *)&natives[round], *two = (uint64_t *)&probed;
            for (size_t i = 0; i < sizeof(probed) / 8; i++)
                if (one[i] != two[i] && getenv("VERBOSE"))
                    fprintf(stderr, "%s: word %zu: %llx, probed %llx\n", row->text, i,
                            (unsigned long long)one[i], (unsigned long long)two[i]);
            return 4;
        }
    }
    if (ask(shared, ASK_REMOVE, row->code) || *(volatile const uint8_t *)row->code != before)
        return 5;
    return 0;
}

static int table_body(struct shared *shared) {
    void *area = mmap((void *)STATE_AT, AREA_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (area != (void *)STATE_AT)
        return 1;
    struct outcome *natives = malloc(ROUNDS * sizeof(*natives));
    for (const struct row *row = case_rows; row < case_rows_end; row++) {
        shared->word[0] = (uint64_t)(row - case_rows);
        int result = check_row(shared, row, natives);
        if (result)
            return result;
    }
    return 0;
}

START_TEST(probed_instructions_do_what_they_do) {
    struct subject subject;
    start_subject(&subject, table_body, true);
    run_subject(&subject);
    size_t count = (size_t)(case_rows_end - case_rows);
    ck_assert_msg(subject.status == 0, "status 0x%x at `%s`, round %llu", (unsigned)subject.status,
                  case_rows[subject.shared->word[0]].text, (unsigned long long)subject.shared->word[1]);
    ck_assert_uint_gt(count, 120);
    ck_assert_uint_eq(subject.hits, count * ROUNDS);
    end_subject(&subject);
}
END_TEST

static const struct refused_row {
    const char *bytes;
    size_t size;
    enum error_code code;
    const char *text;
} refused_rows[] = {
    {"\xcc", 1, ERROR_UNSUPPORTED, "breakpoint of the program"},
    {"\xcd\x80", 2, ERROR_UNSUPPORTED, "software interrupt"},
    {"\xf1", 1, ERROR_UNSUPPORTED, "software interrupt"},
    {"\x48\xcf", 2, ERROR_UNSUPPORTED, "return from interrupt"},
    {"\xcb", 1, ERROR_UNSUPPORTED, "far transfer"},
    {"\xff\x1b", 2, ERROR_UNSUPPORTED, "far transfer"},
    {"\xff\x2b", 2, ERROR_UNSUPPORTED, "far transfer"},
    {"\x0f\x34", 2, ERROR_UNSUPPORTED, "sysenter"},
    {"\xc7\xf8\x00\x00\x00\x00", 6, ERROR_UNSUPPORTED, "transaction"},
    {"\x66\xe9\x00\x00\x00\x00", 6, ERROR_UNSUPPORTED, "operand size prefix"},
    {"\x66\xc3", 2, ERROR_UNSUPPORTED, "operand size prefix"},
    {"\x67\x48\x8b\x05\x00\x00\x00\x00", 8, ERROR_UNSUPPORTED, "relative to eip"},
    {"\x06", 1, ERROR_BAD_DATA, "no instruction"},
    {"\xe8\x00\x00", 3, ERROR_BAD_DATA, "no instruction"},
    {"", 0, ERROR_BAD_DATA, "no instruction"},
};

START_TEST(what_cannot_be_displaced_is_refused) {
    const struct refused_row *row = &refused_rows[_i];
    struct displaced displaced;
    CHECK_FAILS(displaced_decode((const uint8_t *)row->bytes, row->size, 0x1000, &displaced), row->code,
                row->text);
}
END_TEST

/* A slot within reach, and not. */
START_TEST(reach_is_known) {
    struct displaced displaced;
    CHECK_OK(displaced_decode((const uint8_t *)"\x48\x8b\x05\x10\x00\x00\x00", 7, 0x100000000, &displaced));
    ck_assert(displaced_needs_slot(&displaced));
    ck_assert_uint_eq(displaced.relative_target, 0x100000017);
    ck_assert(displaced_reaches(&displaced, 0x100000000 - 0x70000000));
    ck_assert(!displaced_reaches(&displaced, 0x100000000 - 0x90000000));
    ck_assert(!displaced_reaches(&displaced, 0x100000000 + 0x80001000));
    CHECK_OK(displaced_decode((const uint8_t *)"\x48\x89\xe5", 3, 0x100000000, &displaced));
    ck_assert(displaced_reaches(&displaced, 0x1000));
    ck_assert(displaced_never_needs_slot(&displaced));
}
END_TEST

/* Any bytes give an instruction or an error, and what is decoded can be laid out and settled. */
START_TEST(random_bytes_do_no_harm) {
    uint64_t random = 42;
    size_t decoded = 0;
    for (int i = 0; i < 200000; i++) {
        uint64_t words[2] = {scratch_random(&random), scratch_random(&random)};
        uint8_t slot[DISPLACED_SLOT_SIZE];
        struct displaced displaced;
        struct error *err = displaced_decode((const uint8_t *)words, 1 + i % 15, 0x400000, &displaced);
        if (!err && displaced_reaches(&displaced, 0x500000)) {
            decoded++;
            displaced_fill_slot(&displaced, 0x500000, slot);
            ck_assert_int_eq(displaced_progress_at(&displaced, 0), DISPLACED_BEFORE);
            ck_assert_int_eq(displaced_progress_at(&displaced, DISPLACED_SECOND), DISPLACED_BEFORE);
        }
        error_free(err);
    }
    ck_assert_uint_gt(decoded, 10000);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("displaced");
    TCase *tcase = tcase_create("displaced");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, probed_instructions_do_what_they_do);
    tcase_add_loop_test(tcase, what_cannot_be_displaced_is_refused, 0,
                        sizeof(refused_rows) / sizeof(refused_rows[0]));
    tcase_add_test(tcase, reach_is_known);
    tcase_add_test(tcase, random_bytes_do_no_harm);
    suite_add_tcase(suite, tcase);
    return scratch_run(suite);
}
