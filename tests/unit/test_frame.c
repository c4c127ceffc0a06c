/* dwarf/frame: registers by DWARF number, from ptrace's struct and from a real XSAVE area; dwarf/encoding
 * beside it. */
#include "dwarf/encoding.h"
#include "dwarf/frame.h"
#include "scratch.h"

#include <cpuid.h>
#include <immintrin.h>
#include <libdwarf/dwarf.h>

START_TEST(general_registers) {
    const struct user_regs_struct regs = {.rax = 100,
                                          .rdx = 101,
                                          .rcx = 102,
                                          .rbx = 103,
                                          .rsi = 104,
                                          .rdi = 105,
                                          .rbp = 106,
                                          .rsp = 107,
                                          .r8 = 108,
                                          .r9 = 109,
                                          .r10 = 110,
                                          .r11 = 111,
                                          .r12 = 112,
                                          .r13 = 113,
                                          .r14 = 114,
                                          .r15 = 115,
                                          .rip = 116,
                                          .fs_base = 1,
                                          .eflags = 2,
                                          .orig_rax = 3};
    struct frame_registers frame;
    uint64_t value;
    frame_from_user_regs(&regs, &frame);
    for (unsigned i = 0; i < FRAME_REGISTERS; i++) {
        ck_assert(frame_register(&frame, i, &value));
        ck_assert_uint_eq(value, 100 + i);
    }
    ck_assert(!frame_register(&frame, FRAME_REGISTERS, &value));
    ck_assert(!frame_register(&frame, UINT32_MAX, &value));
    ck_assert(frame_pc(&frame, &value));
    ck_assert_uint_eq(value, 116);
    frame.is_return_address = true;
    ck_assert(frame_pc(&frame, &value));
    ck_assert_uint_eq(value, 115);
}
END_TEST

START_TEST(unknown_registers) {
    struct frame_registers frame = {.known = 0};
    uint64_t value = 7;
    ck_assert(!frame_register(&frame, 3, &value));
    ck_assert(!frame_register_bytes(&frame, 3, &value, 8));
    ck_assert(!frame_register_bytes(&frame, 17, &value, 8)); /* no xstate */
    ck_assert(!frame_pc(&frame, &value));
    ck_assert_uint_eq(value, 7);
    frame_set_register(&frame, 3, 0x1122334455667788);
    ck_assert(frame_register_bytes(&frame, 3, &value, 8));
    ck_assert_uint_eq(value, 0x1122334455667788);
    value = 0;
    ck_assert(frame_register_bytes(&frame, 3, &value, 2));
    ck_assert_uint_eq(value, 0x7788);
    uint8_t large[16];
    ck_assert(!frame_register_bytes(&frame, 3, large, 9));
}
END_TEST

/* Save this thread's own state with the processor's instruction, in the form that the kernel gives, too. */
__attribute__((target("xsave"))) static void save_state(void *area) {
    __asm__ volatile("fninit; fld1; fldpi; fldl2e" ::: "st");
    __asm__ volatile("pcmpeqd %%xmm7, %%xmm7; psrlw $4, %%xmm7" ::: "xmm7");
    _xsave64(area, 7);
    __asm__ volatile("fninit");
}

START_TEST(a_real_xsave_area) {
    static _Alignas(64) uint8_t area[4096];
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return; /* nothing to test with */
    save_state(area);
    struct frame_registers frame = {.xstate = area, .xstate_size = 1088};
    uint8_t bytes[64], expected[16];
    ck_assert(frame_register_bytes(&frame, 24, bytes, 16));
    for (size_t i = 0; i < 16; i++)
        expected[i] = i % 2 ? 0x0f : 0xff;
    ck_assert_mem_eq(bytes, expected, 16);
    ck_assert(frame_register_bytes(&frame, 24, bytes, 32));
    ck_assert_mem_eq(bytes, expected, 16);
    ck_assert(!frame_register_bytes(&frame, 24, bytes, 33));
    static const long double constants[3] = {1.442695040888963407359924681001892137L,
                                             3.141592653589793238462643383279502884L, 1.0L};
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(frame_register_bytes(&frame, 33 + i, bytes, 16));
        ck_assert_mem_eq(bytes, &constants[i], 10);
        for (size_t n = 10; n < 16; n++)
            ck_assert_uint_eq(bytes[n], 0);
    }
    ck_assert(!frame_register_bytes(&frame, 33, bytes, 17));
    ck_assert(frame_register_bytes(&frame, 41, bytes, 8)); /* mm0 lies in st0 */
    ck_assert_mem_eq(bytes, &constants[0], 8);
    ck_assert(!frame_register_bytes(&frame, 41, bytes, 9));
    ck_assert(!frame_register_bytes(&frame, 49, bytes, 1));
}
END_TEST

START_TEST(places_in_the_area) {
    uint8_t area[832] = {0}, bytes[32];
    struct frame_registers frame = {.xstate = area, .xstate_size = sizeof(area)};
    for (size_t i = 0; i < 512; i++)
        area[i] = (uint8_t)(i / 16);
    for (size_t i = 576; i < sizeof(area); i++)
        area[i] = (uint8_t)(0x80 + i / 16);
    area[512] = 7;
    for (unsigned i = 0; i < 16; i++) {
        ck_assert(frame_register_bytes(&frame, 17 + i, bytes, 32));
        ck_assert_uint_eq(bytes[0], 160 / 16 + i);
        ck_assert_uint_eq(bytes[15], 160 / 16 + i);
        ck_assert_uint_eq(bytes[16], 0x80 + 576 / 16 + i);
        ck_assert_uint_eq(bytes[31], 0x80 + 576 / 16 + i);
    }
    area[512] = 2 | 1; /* the upper halves are in their initial state */
    ck_assert(frame_register_bytes(&frame, 20, bytes, 32));
    ck_assert_uint_eq(bytes[15], 13);
    ck_assert_uint_eq(bytes[16], 0);
    area[512] = 4;
    ck_assert(frame_register_bytes(&frame, 20, bytes, 32));
    ck_assert_uint_eq(bytes[15], 0);
    ck_assert_uint_eq(bytes[16], 0x80 + 576 / 16 + 3);
    frame.xstate_size = 512; /* NT_FPREGSET: all there, no AVX */
    ck_assert(frame_register_bytes(&frame, 20, bytes, 16));
    ck_assert_uint_eq(bytes[15], 13);
    ck_assert(!frame_register_bytes(&frame, 20, bytes, 32));
    frame.xstate_size = 511;
    ck_assert(!frame_register_bytes(&frame, 20, bytes, 1));
}
END_TEST

/* ---- numbers ---- */

START_TEST(signed_leb128) {
    static const struct {
        uint8_t bytes[12];
        size_t size;
        int64_t value; /* examples of DWARF 5, figure 7.8 (table 7.8), and the edges */
    } rows[] = {
        {{2}, 1, 2},
        {{0x7e}, 1, -2},
        {{0xff, 0}, 2, 127},
        {{0x81, 0x7f}, 2, -127},
        {{0x80, 1}, 2, 128},
        {{0x80, 0x7f}, 2, -128},
        {{0x81, 1}, 2, 129},
        {{0xff, 0x7e}, 2, -129},
        {{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f}, 10, INT64_MIN},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}, 10, INT64_MAX},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, 9, -1},
        {{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40}, 9, INT64_MIN / 2},
    };
    struct cursor cursor;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cursor_init(&cursor, rows[i].bytes, rows[i].size, "test");
        ck_assert_int_eq(encoding_sleb128(&cursor), rows[i].value);
        ck_assert(!cursor.failed && cursor_left(&cursor) == 0);
        cursor_init(&cursor, rows[i].bytes, rows[i].size - 1, "test");
        encoding_sleb128(&cursor);
        ck_assert(cursor.failed);
    }
    static const uint8_t too_large[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2};
    cursor_init(&cursor, too_large, sizeof(too_large), "test");
    encoding_sleb128(&cursor);
    ck_assert(cursor.failed);
}
END_TEST

START_TEST(pointers) {
    static const uint8_t bytes[] = {0xf0, 0xff, 0xff, 0xff, 1, 2, 3, 4};
    static const uint8_t zeros[8];
    struct cursor cursor;
    cursor_init(&cursor, bytes, sizeof(bytes), "test");
    ck_assert_uint_eq(encoding_pointer(&cursor, DW_EH_PE_datarel | DW_EH_PE_sdata4, 0x1000, 0x8000), 0x7ff0);
    ck_assert_uint_eq(encoding_pointer(&cursor, DW_EH_PE_pcrel | DW_EH_PE_udata2, 0x1000, 0x8000),
                      0x1004 + 0x201);
    ck_assert_uint_eq(encoding_pointer(&cursor, DW_EH_PE_omit, 0x1000, 0x8000), 0);
    ck_assert(!cursor.failed);
    encoding_pointer(&cursor, DW_EH_PE_textrel | DW_EH_PE_udata2, 0, 0);
    ck_assert(cursor.failed);
    cursor_init(&cursor, zeros, sizeof(zeros), "test");
    ck_assert_uint_eq(encoding_pointer(&cursor, DW_EH_PE_pcrel | DW_EH_PE_sdata4, 0x1000, 0), 0);
    encoding_pointer(&cursor, 5, 0, 0);
    ck_assert(cursor.failed);
    cursor_init(&cursor, bytes, sizeof(bytes), "test");
    ck_assert_uint_eq(encoding_unsigned(&cursor, 4), 0xfffffff0);
    ck_assert_uint_eq(encoding_unsigned(&cursor, 2), 0x201);
    ck_assert_uint_eq(encoding_unsigned(&cursor, 1), 3);
    encoding_unsigned(&cursor, 3);
    ck_assert(cursor.failed);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("frame");
    TCase *frames = tcase_create("registers");
    tcase_add_test(frames, general_registers);
    tcase_add_test(frames, unknown_registers);
    tcase_add_test(frames, a_real_xsave_area);
    tcase_add_test(frames, places_in_the_area);
    suite_add_tcase(suite, frames);
    TCase *numbers = tcase_create("numbers");
    tcase_add_test(numbers, signed_leb128);
    tcase_add_test(numbers, pointers);
    suite_add_tcase(suite, numbers);
    return scratch_run(suite);
}
