/* tracer/sysbuf: which calls need no stop, which sites can be patched, and what is where in a slot. */
#include "tracer/sysbuf.h"

#include "scratch.h"
#include "tracer/syscall.h"

#include <string.h>
#include <sys/syscall.h>

#define BASE 0x400000ull

static void decode(const uint8_t *code, size_t size, size_t offset, uint64_t number,
                   struct sysbuf_site *ret) {
    CHECK_OK(sysbuf_site_decode(code, size, BASE, BASE + offset, number, ret));
}

/* nop; nop; mov $39, %eax; syscall; cmp $-4095, %rax */
static const uint8_t by_mov[] = {0x90, 0x90, 0xb8, 39,   0,    0,    0,   0x0f,
                                 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff};
/* xor %eax, %eax; syscall; cmp $-4095, %rax; ret */
static const uint8_t by_xor[] = {0x31, 0xc0, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xc3};

START_TEST(test_table) {
    struct sysbuf_call table[SYSBUF_CALLS];
    sysbuf_fill_table(table);
    ck_assert_uint_eq(table[SYS_read].how, SYSBUF_READ);
    ck_assert_uint_eq(table[SYS_read].outputs[0].index, 2);
    ck_assert_uint_eq(table[SYS_read].outputs[0].rule, SYSBUF_RESULT);
    ck_assert_uint_eq(table[SYS_fstat].outputs[0].unit, 144);
    ck_assert_uint_eq(table[SYS_recvfrom].outputs[1].index, 0);
    ck_assert(sysbuf_knows(SYS_getpid) && !sysbuf_knows(SYS_mmap) && !sysbuf_knows(SYS_rt_sigreturn));
    ck_assert(!sysbuf_knows(SYS_clone) && !sysbuf_knows(SYS_execve) && !sysbuf_knows(SYS_exit_group));
    ck_assert(!sysbuf_knows(1u << 20));
    /* none of them has an output that the blob would not see: what vectors lead to it knows by itself */
    for (unsigned number = 0; number < SYSBUF_CALLS; number++) {
        const struct syscall_row *row = syscall_find(number);
        if (table[number].how == SYSBUF_STOP || table[number].how == SYSBUF_FCNTL ||
            table[number].how == SYSBUF_READ_VECTOR)
            continue;
        ck_assert_ptr_nonnull(row);
        unsigned outputs = 0, seen = 0;
        for (unsigned i = 0; i < row->arg_count; i++)
            outputs += (row->args[i].direction == ARG_OUT || row->args[i].direction == ARG_INOUT) &&
                       !(table[number].null && i + 1 >= table[number].null);
        for (unsigned i = 0; i < SYSBUF_OUTPUTS; i++)
            seen += table[number].outputs[i].index != 0;
        ck_assert_msg(outputs == seen, "%s", row->name);
    }
}
END_TEST

START_TEST(test_before) {
    struct sysbuf_site site;
    uint8_t code[SYSBUF_SLOT_SIZE];
    uint64_t rip = 0;
    decode(by_mov, sizeof(by_mov), 7, 39, &site);
    ck_assert(!site.over && site.start == BASE + 2 && site.length == WINDOW_JUMP);
    ck_assert(sysbuf_site_fits(&site, SYSBUF_SLOTS) && !sysbuf_site_fits(&site, BASE + (1ull << 33)));
    CHECK_OK(sysbuf_site_build(&site, SYSBUF_SLOTS, code));
    ck_assert_uint_eq(site.patch[0], 0xe9);
    ck_assert(memcmp(code, by_mov + 2, WINDOW_JUMP) == 0);
    ck_assert_uint_eq(sysbuf_site_moved(&site, BASE + 9), 0);
    ck_assert(sysbuf_site_place(&site, SYSBUF_SLOTS + 3, &rip) == SYSBUF_CALLING);
    ck_assert(sysbuf_site_place(&site, BASE, &rip) == SYSBUF_OUTSIDE);
    /* what it was called with is not in front of it */
    decode(by_mov, sizeof(by_mov), 7, 40, &site);
    ck_assert(site.over);
}
END_TEST

START_TEST(test_over) {
    struct sysbuf_site site;
    uint8_t code[SYSBUF_SLOT_SIZE];
    uint64_t rip = 0, slot = SYSBUF_SLOTS;
    decode(by_xor, sizeof(by_xor), 2, 0, &site);
    ck_assert(site.over && site.start == BASE + 2 && site.length == 8 && site.rest.count == 1);
    while (!sysbuf_site_fits(&site, slot) && slot < SYSBUF_SLOTS + SYSBUF_SLOTS_SIZE)
        slot += SYSBUF_SLOT_SIZE;
    ck_assert_uint_lt(slot, SYSBUF_SLOTS + SYSBUF_SLOTS_SIZE);
    CHECK_OK(sysbuf_site_build(&site, slot, code));
    uint64_t moved = sysbuf_site_moved(&site, BASE + 4);
    ck_assert(moved > slot && moved < slot + SYSBUF_SLOT_SIZE);
    ck_assert(memcmp(code + (moved - slot), by_xor + 4, 6) == 0);
    ck_assert(sysbuf_site_place(&site, moved, &rip) == SYSBUF_GOING && rip == BASE + 4);
    ck_assert(sysbuf_site_place(&site, moved + 6, &rip) == SYSBUF_GOING && rip == BASE + 10);
    ck_assert(sysbuf_site_place(&site, moved - 7, &rip) == SYSBUF_CALLED && rip == BASE + 4);
    ck_assert(sysbuf_site_place(&site, moved - 9, &rip) == SYSBUF_CALLING && rip == BASE + 2);
}
END_TEST

START_TEST(test_refused) {
    /* syscall; ud2; syscall; ret and another function; syscall at the end; none at all */
    static const uint8_t trapped[] = {0x0f, 0x05, 0x0f, 0x0b, 0x48, 0x3d, 1, 0, 0, 0};
    static const uint8_t short_one[] = {0x0f, 0x05, 0xc3, 0x55, 0x48, 0x89, 0xe5};
    struct sysbuf_site site;
    CHECK_FAILS(sysbuf_site_decode(trapped, sizeof(trapped), BASE, BASE, 0, &site), ERROR_UNSUPPORTED, "");
    CHECK_FAILS(sysbuf_site_decode(short_one, sizeof(short_one), BASE, BASE, 0, &site), ERROR_UNSUPPORTED,
                "");
    struct error *err = sysbuf_site_decode(short_one, 2, BASE, BASE, 0, &site);
    ck_assert_ptr_nonnull(err);
    error_free(err);
    CHECK_FAILS(sysbuf_site_decode(by_mov, sizeof(by_mov), BASE, BASE, 0, &site), ERROR_UNSUPPORTED, "");
}
END_TEST

START_TEST(test_blob) {
    ck_assert(sysbuf_blob_size > 64 && sysbuf_blob_size < SYSBUF_CODE_SIZE - 64);
    ck_assert(sysbuf_blob[0] == 0x0f && sysbuf_blob[1] == 0x05);
    ck_assert_uint_eq(sizeof(struct sysbuf_data) % 4096, 0);
    ck_assert_uint_lt(SYSBUF_END, 0x400000);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sysbuf");
    TCase *tests = tcase_create("sysbuf");
    tcase_add_test(tests, test_table);
    tcase_add_test(tests, test_before);
    tcase_add_test(tests, test_over);
    tcase_add_test(tests, test_refused);
    tcase_add_test(tests, test_blob);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
