/* tracer/pure_call, tracer/cxx_exception, and what tracer/crash_*.c works out by itself. */
#include "tracer/crash_state.h"
#include "tracer/cxx_exception.h"
#include "tracer/pure_call.h"

#include "scratch.h"

#include <sys/mman.h>

/* ---- a memory of a few pieces ---- */

struct piece {
    uint64_t address;
    const void *bytes;
    size_t size;
};

struct pieces {
    struct piece list[8];
    size_t count;
};

static size_t read_pieces(void *context, uint64_t address, void *ret, size_t size) {
    const struct pieces *pieces = context;
    for (size_t i = 0; i < pieces->count; i++) {
        const struct piece *piece = &pieces->list[i];
        if (address < piece->address || address >= piece->address + piece->size)
            continue;
        size_t left = (size_t)(piece->address + piece->size - address);
        size_t count = left < size ? left : size;
        memcpy(ret, (const char *)piece->bytes + (address - piece->address), count);
        return count;
    }
    return 0;
}

static void add(struct pieces *pieces, uint64_t address, const void *bytes, size_t size) {
    pieces->list[pieces->count++] = (struct piece){address, bytes, size};
}

/* ---- pure_call ---- */

#define CODE  0x400000ull
#define DATA  0x600000ull
#define STACK 0x7ff000ull

static bool answer_one(void *context, uint64_t function, uint64_t argument, uint64_t *ret) {
    *ret = argument + 1;
    return function == *(const uint64_t *)context;
}

/* The result of code, with rdi = DATA. */
static bool result_of(const char *code, size_t size, uint64_t *ret) {
    static const uint64_t data[] = {0x1111, DATA + 24, 0x3333, 0x4444};
    uint64_t special = CODE + 0x1000;
    struct pieces pieces = {.count = 0};
    add(&pieces, CODE, code, size);
    add(&pieces, DATA, data, sizeof(data));
    const struct memory_reader memory = {.read = read_pieces, .context = &pieces};
    const struct pure_call call = {.memory = &memory,
                                   .argument = DATA,
                                   .stack = STACK,
                                   .fs_base = DATA + 8,
                                   .answer = answer_one,
                                   .context = &special};
    return pure_call(&call, CODE, ret);
}

#define CHECK_RESULT(code, wanted)                                                                           \
    do {                                                                                                     \
        uint64_t result_ = 0;                                                                                \
        ck_assert_msg(result_of(code, sizeof(code) - 1, &result_), "no result");                             \
        ck_assert_uint_eq(result_, wanted);                                                                  \
    } while (0)
#define CHECK_NO_RESULT(code)                                                                                \
    do {                                                                                                     \
        uint64_t result_ = 77;                                                                               \
        ck_assert(!result_of(code, sizeof(code) - 1, &result_));                                             \
        ck_assert_uint_eq(result_, 77);                                                                      \
    } while (0)

START_TEST(small_functions) {
    CHECK_RESULT("\xb8\x2a\x00\x00\x00\xc3", 42);                        /* mov eax, 42; ret */
    CHECK_RESULT("\xf3\x0f\x1e\xfa\x48\x8b\x47\x10\xc3", 0x3333);        /* endbr64; mov rax,[rdi+16] */
    CHECK_RESULT("\x48\x8d\x05\x10\x00\x00\x00\xc3", CODE + 7 + 16);     /* lea rax,[rip+16] */
    CHECK_RESULT("\x48\x8b\x47\x08\x48\x8b\x00\xc3", 0x4444);            /* through a pointer */
    CHECK_RESULT("\x64\x48\x8b\x04\x25\x00\x00\x00\x00\xc3", DATA + 24); /* mov rax, fs:0 */
    CHECK_RESULT("\x31\xc0\x48\x83\xc0\x05\x48\x83\xe8\x02\xc3", 3);     /* xor, add, sub */
    /* push rbp; mov rbp,rsp; mov [rbp-8],rdi; mov rax,[rbp-8]; mov rax,[rax]; pop rbp; ret */
    CHECK_RESULT("\x55\x48\x89\xe5\x48\x89\x7d\xf8\x48\x8b\x45\xf8\x48\x8b\x00\x5d\xc3", 0x1111);
    /* sub rsp,8; call +2; jmp end (not met); end: mov eax,7; add rsp,16; ret */
    CHECK_RESULT("\x48\x83\xec\x08\xe8\x01\x00\x00\x00\xcc\xb8\x07\x00\x00\x00\x48\x83\xc4\x10\xc3", 7);
    /* cmp rdi,rdi; je over; ud2; over: mov eax,9 */
    CHECK_RESULT("\x48\x39\xff\x74\x02\x0f\x0b\xb8\x09\x00\x00\x00\xc3", 9);
}
END_TEST

START_TEST(answered_calls) {
    /* sub rsp,8; call CODE+0x1000; add rsp,8; ret */
    CHECK_RESULT("\x48\x83\xec\x08\xe8\xf7\x0f\x00\x00\x48\x83\xc4\x08\xc3", DATA + 1);
    CHECK_RESULT("\xe9\xfb\x0f\x00\x00", DATA + 1); /* a tail call */
}
END_TEST

START_TEST(no_result) {
    CHECK_NO_RESULT("\xeb\xfe");                             /* for ever */
    CHECK_NO_RESULT("\xe8\xfb\xff\xff\xff");                 /* endless recursion */
    CHECK_NO_RESULT("\xc3");                                 /* rax was never set */
    CHECK_NO_RESULT("\x48\x8b\x06\xc3");                     /* rsi is unknown */
    CHECK_NO_RESULT("\x48\x8b\x04\x25\x00\x00\x00\x00\xc3"); /* nothing is mapped at 0 */
    CHECK_NO_RESULT("\x0f\x05\xc3");                         /* a system call */
    CHECK_NO_RESULT("\x0f\x0b");
    CHECK_NO_RESULT("\x74\x00\xb8\x01\x00\x00\x00\xc3"); /* nobody knows the flags */
    CHECK_NO_RESULT("\xb8\x01");                         /* cut off */
    CHECK_NO_RESULT("");
    /* half of a word that was written: push rdi; mov eax,[rsp+4]; pop rdi; ret */
    CHECK_NO_RESULT("\x57\x8b\x44\x24\x04\x5f\xc3");
}
END_TEST

/* ---- C++ objects ---- */

START_TEST(exceptions) {
    /* my::error derives from std::runtime_error, which derives from std::exception */
    const uint64_t root[] = {0, 0x2000}, base[] = {0, 0x2020, 0x1000}, mine[] = {0, 0x2040, 0x1020};
    const char names[] = "St9exception\0                   St13runtime_error\0              N2my5errorE";
    uint64_t thrown[18] = {0x1040}; /* struct __cxa_exception, 112 bytes, and the object */
    struct pieces pieces = {.count = 0};
    uint64_t type = 0, object = 0;
    char text[64];
    thrown[10] = 0x474e5543432b2b00ull;
    thrown[14] = 0x9999;
    thrown[15] = 0x5000;
    add(&pieces, 0x1000, root, sizeof(root));
    add(&pieces, 0x1020, base, sizeof(base));
    add(&pieces, 0x1040, mine, sizeof(mine));
    add(&pieces, 0x2000, names, sizeof(names));
    add(&pieces, 0x3000, thrown, sizeof(thrown));
    add(&pieces, 0x5000, "no more pens", 13);
    const struct memory_reader memory = {.read = read_pieces, .context = &pieces};
    ck_assert(cxx_exception_object(&memory, 0x3000 + CXX_EXCEPTION_HEADER, &type, &object));
    ck_assert_uint_eq(type, 0x1040);
    ck_assert_uint_eq(object, 0x3000 + 112);
    ck_assert(cxx_type_name(&memory, type, text, sizeof(text)));
    ck_assert_str_eq(text, "N2my5errorE");
    ck_assert_uint_eq(cxx_base_type(&memory, type), 0x1020);
    ck_assert_uint_eq(cxx_base_type(&memory, 0x1000), 0);
    ck_assert(cxx_exception_text(&memory, type, object, text, sizeof(text)));
    ck_assert_str_eq(text, "no more pens");
    ck_assert(!cxx_exception_text(&memory, 0x1000, object, text, sizeof(text)));
    ck_assert(!cxx_exception_object(&memory, 0x3000, &type, &object)); /* of another language */
    ck_assert(!cxx_exception_object(&memory, 0x9000, &type, &object));
}
END_TEST

/* ---- secrets ---- */

START_TEST(secrets) {
    static const char *const words[] = {"pin"};
    const struct crash_options options = {.masks = words, .mask_count = 1};
    static const struct {
        const char *name;
        bool secret;
    } cases[] = {{"PGPASSWORD", true}, {"api_token", true}, {"AWS_SECRET_ACCESS_KEY", true},
                 {"MY_PIN", true},     {"sPinning", true},  {"HOME", false},
                 {"PATH", false},      {"", false},         {"XDG_RUNTIME", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_msg(crash_is_secret(&options, cases[i].name, strlen(cases[i].name)) == cases[i].secret,
                      "%s", cases[i].name);
    ck_assert(!crash_is_secret(&options, "PASSWORD", 3)); /* of a name that is longer only this much counts */
}
END_TEST

/* ---- accesses ---- */

static enum crash_access access_by(const char *code, size_t size, const struct user_regs_struct *regs,
                                   bool has, uint64_t address, uint64_t *ret) {
    struct mapping mapping = {
        .start = CODE, .end = CODE + 4096, .protection = PROT_READ | PROT_EXEC, .name = ""};
    struct pieces pieces = {.count = 0};
    add(&pieces, CODE, code, size);
    struct crash crash = {.reader = {.read = read_pieces, .context = &pieces},
                          .maps = {.mappings = &mapping, .count = 1}};
    return crash_access(&crash, regs, has, address, ret);
}
#define ACCESS(code, has, address, ret) access_by(code, sizeof(code) - 1, &regs, has, address, ret)

START_TEST(accesses) {
    struct user_regs_struct regs = {
        .rip = CODE, .rax = 0x1000, .rbx = 0x10, .rsp = 0x7000, .rsi = 0x2000, .rdi = 0x3000};
    uint64_t at = 0;
    ck_assert_int_eq(ACCESS("\x8b\x40\x04", true, 0x1004, &at), ACCESS_READ);      /* mov eax,[rax+4] */
    ck_assert_int_eq(ACCESS("\x89\x44\x98\x08", true, 0x1048, &at), ACCESS_WRITE); /* mov [rax+rbx*4+8],eax */
    ck_assert_int_eq(ACCESS("\x83\x00\x01", true, 0x1000, &at), ACCESS_WRITE);     /* add dword [rax],1 */
    ck_assert_int_eq(ACCESS("\x50", true, 0x6ff8, &at), ACCESS_WRITE);             /* push rax */
    ck_assert_int_eq(ACCESS("\x58", true, 0x7000, &at), ACCESS_READ);              /* pop rax */
    ck_assert_int_eq(ACCESS("\xe8\x00\x00\x00\x00", true, 0x6ff8, &at), ACCESS_WRITE); /* call */
    ck_assert_int_eq(ACCESS("\xa4", true, 0x2000, &at), ACCESS_READ);                  /* movsb: from rsi */
    ck_assert_int_eq(ACCESS("\xa4", true, 0x3000, &at), ACCESS_WRITE);                 /* ... to rdi */
    ck_assert_int_eq(ACCESS("\x8b\x40\x04", true, 0x5000, &at), ACCESS_UNKNOWN);
    ck_assert_int_eq(ACCESS("\x90", true, 0x1000, &at), ACCESS_UNKNOWN);
    regs.rax = 0xdead000000000000ull;
    ck_assert_int_eq(ACCESS("\x8b\x40\x04", false, 0, &at), ACCESS_READ);
    ck_assert_uint_eq(at, 0xdead000000000004ull);
    ck_assert_int_eq(ACCESS("\xff\xe0", false, 0, &at), ACCESS_EXECUTE); /* jmp rax */
    ck_assert_uint_eq(at, 0xdead000000000000ull);
    regs.rip = 0x9000;
    ck_assert_int_eq(ACCESS("\x90", true, 0x9000, &at), ACCESS_EXECUTE);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("crash");
    TCase *tcase = tcase_create("crash");
    tcase_add_test(tcase, small_functions);
    tcase_add_test(tcase, answered_calls);
    tcase_add_test(tcase, no_result);
    tcase_add_test(tcase, exceptions);
    tcase_add_test(tcase, secrets);
    tcase_add_test(tcase, accesses);
    suite_add_tcase(suite, tcase);
    return scratch_run(suite);
}
