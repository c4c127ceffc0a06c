/* base/: what is written by a buffer is read back by a cursor; nothing is read beyond the end; errors keep
 * their parts; the register table fits struct user_regs_struct. */
#include "base/buffer.h"
#include "base/cursor.h"
#include "base/error.h"
#include "base/registers.h"
#include "base/table.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- buffer and cursor ---- */

START_TEST(what_is_put_is_read_back) {
    struct buffer buffer = {0};
    buffer_put_u8(&buffer, 0xab);
    buffer_put_u32(&buffer, 0xdeadbeef);
    buffer_put_u64(&buffer, 0x0123456789abcdef);
    buffer_put_string(&buffer, "name");
    buffer_put_blob(&buffer, "\0x", 2);
    ck_assert_ptr_null(buffer_check(&buffer));
    ck_assert_uint_eq(buffer.size, 1 + 4 + 8 + 5 + 3);
    ck_assert_uint_eq(buffer.data[1], 0xef); /* little endian */

    struct cursor cursor;
    cursor_init(&cursor, buffer.data, buffer.size, "test");
    ck_assert_uint_eq(cursor_u8(&cursor), 0xab);
    ck_assert_uint_eq(cursor_u32(&cursor), 0xdeadbeef);
    ck_assert_uint_eq(cursor_u64(&cursor), 0x0123456789abcdef);
    char *name = cursor_string(&cursor);
    ck_assert_str_eq(name, "name");
    free(name);
    size_t size;
    const void *blob = cursor_blob(&cursor, &size);
    ck_assert_uint_eq(size, 2);
    ck_assert_int_eq(memcmp(blob, "\0x", 2), 0);
    ck_assert_uint_eq(cursor_left(&cursor), 0);
    ck_assert_ptr_null(cursor_check(&cursor));
    buffer_deinit(&buffer);
}
END_TEST

static const uint64_t varints[] = {0,     1,          127,        128,        16383,
                                   16384, UINT32_MAX, 1ull << 62, 1ull << 63, UINT64_MAX};
static const size_t varint_sizes[] = {1, 1, 1, 2, 2, 3, 5, 9, 10, 10};

START_TEST(varints_keep_their_value_and_size) {
    struct buffer buffer = {0};
    buffer_put_varint(&buffer, varints[_i]);
    ck_assert_uint_eq(buffer.size, varint_sizes[_i]);
    buffer_put_svarint(&buffer, (int64_t)varints[_i]);
    buffer_put_svarint(&buffer, -(int64_t)(varints[_i] >> 1));
    struct cursor cursor;
    cursor_init(&cursor, buffer.data, buffer.size, "test");
    ck_assert_uint_eq(cursor_varint(&cursor), varints[_i]);
    ck_assert_int_eq(cursor_svarint(&cursor), (int64_t)varints[_i]);
    ck_assert_int_eq(cursor_svarint(&cursor), -(int64_t)(varints[_i] >> 1));
    ck_assert_ptr_null(cursor_check(&cursor));
    ck_assert_uint_eq(cursor_left(&cursor), 0);
    buffer_deinit(&buffer);
}
END_TEST

START_TEST(small_negative_numbers_are_short) {
    struct buffer buffer = {0};
    buffer_put_svarint(&buffer, -1);
    ck_assert_uint_eq(buffer.size, 1);
    ck_assert_uint_eq(buffer.data[0], 1);
    buffer_deinit(&buffer);
}
END_TEST

START_TEST(a_varint_beyond_64_bits_fails) {
    uint8_t eleven[11], tenth_too_big[10];
    memset(eleven, 0x80, sizeof(eleven));
    memset(tenth_too_big, 0xff, sizeof(tenth_too_big));
    tenth_too_big[9] = 2;
    struct cursor cursor;
    cursor_init(&cursor, eleven, sizeof(eleven), "test");
    ck_assert_uint_eq(cursor_varint(&cursor), 0);
    ck_assert(cursor.failed);
    cursor_init(&cursor, tenth_too_big, sizeof(tenth_too_big), "test");
    ck_assert_uint_eq(cursor_varint(&cursor), 0);
    ck_assert(cursor.failed);
}
END_TEST

START_TEST(a_read_that_does_not_fit_fails_all_that_follow) {
    const uint8_t bytes[6] = {1, 2, 3, 4, 5, 6};
    struct cursor cursor;
    cursor_init(&cursor, bytes, sizeof(bytes), "thing");
    ck_assert_uint_eq(cursor_u16(&cursor), 0x0201);
    ck_assert_uint_eq(cursor_u64(&cursor), 0);
    ck_assert_uint_eq(cursor_u8(&cursor), 0); /* would have fitted */
    ck_assert_uint_eq(cursor_left(&cursor), 0);
    struct error *err = cursor_check(&cursor);
    ck_assert(error_is(err, ERROR_BAD_DATA));
    ck_assert_str_eq(err->message, "thing: damaged at byte 2");
    error_free(err);
}
END_TEST

START_TEST(seeking_stays_inside) {
    const uint8_t bytes[4] = {0, 1, 2, 3};
    struct cursor cursor;
    cursor_init(&cursor, bytes, sizeof(bytes), "test");
    cursor_seek(&cursor, 3);
    ck_assert_uint_eq(cursor_u8(&cursor), 3);
    cursor_seek(&cursor, 4); /* the end itself is a place */
    ck_assert(!cursor.failed);
    cursor_seek(&cursor, 5);
    ck_assert(cursor.failed);
    cursor_seek(&cursor, 0);
    ck_assert_uint_eq(cursor_u8(&cursor), 0);
    ck_assert(cursor.failed); /* for good */
}
END_TEST

START_TEST(hostile_lengths_do_not_overflow) {
    struct buffer buffer = {0};
    buffer_put_varint(&buffer, UINT64_MAX);
    buffer_put_u8(&buffer, 'x');
    struct cursor cursor;
    size_t size = 99;
    cursor_init(&cursor, buffer.data, buffer.size, "test");
    ck_assert_ptr_null(cursor_blob(&cursor, &size));
    ck_assert_uint_eq(size, 0);
    ck_assert(cursor.failed);
    cursor_init(&cursor, buffer.data, buffer.size, "test");
    ck_assert_ptr_null(cursor_string(&cursor));
    cursor_init(&cursor, buffer.data, buffer.size, "test");
    cursor_u8(&cursor);
    ck_assert_ptr_null(cursor_bytes(&cursor, SIZE_MAX));
    ck_assert(cursor.failed);
    buffer_deinit(&buffer);
}
END_TEST

START_TEST(a_string_with_a_nul_inside_fails) {
    struct buffer buffer = {0};
    buffer_put_blob(&buffer, "a\0b", 3);
    struct cursor cursor;
    cursor_init(&cursor, buffer.data, buffer.size, "test");
    ck_assert_ptr_null(cursor_string(&cursor));
    ck_assert(cursor.failed);
    buffer_deinit(&buffer);
}
END_TEST

START_TEST(a_buffer_grows_and_is_cleared) {
    struct buffer buffer = {0};
    for (uint32_t i = 0; i < 10000; i++)
        buffer_put_u32(&buffer, i);
    ck_assert_uint_eq(buffer.size, 40000);
    for (uint32_t i = 0; i < 10000; i++)
        ck_assert_int_eq(memcmp(buffer.data + 4 * (size_t)i, &i, 4), 0);
    size_t room = buffer.room;
    buffer_clear(&buffer);
    ck_assert_uint_eq(buffer.size, 0);
    ck_assert_uint_eq(buffer.room, room);
    buffer_deinit(&buffer);
    ck_assert_ptr_null(buffer.data);
}
END_TEST

START_TEST(a_failed_append_is_remembered) {
    struct buffer buffer = {0};
    buffer_put_u8(&buffer, 1);
    ck_assert_ptr_null(buffer_reserve(&buffer, SIZE_MAX - 8));
    buffer_put_u8(&buffer, 2);
    ck_assert_uint_eq(buffer.size, 1);
    ck_assert_ptr_eq(buffer_check(&buffer), &error_no_memory);
    buffer_clear(&buffer);
    ck_assert_ptr_null(buffer_check(&buffer));
    buffer_put_u8(&buffer, 3);
    ck_assert_uint_eq(buffer.size, 1);
    buffer_deinit(&buffer);
}
END_TEST

/* ---- error ---- */

START_TEST(an_error_keeps_its_parts) {
    struct error *err = error_new(ERROR_USAGE, "%s: %d is too many", "probes", 7);
    ck_assert_int_eq(err->code, ERROR_USAGE);
    ck_assert_int_eq(err->errnum, 0);
    ck_assert_str_eq(err->message, "probes: 7 is too many");
    ck_assert_ptr_null(err->hint);
    ck_assert_ptr_eq(error_hint(err, "use %d", 6), err);
    ck_assert_ptr_eq(error_hint(err, "use %d", 5), err); /* replaces */
    ck_assert_str_eq(err->hint, "use 5");
    ck_assert_ptr_eq(error_context(err, "task %d", 3), err);
    ck_assert_str_eq(err->message, "task 3: probes: 7 is too many");
    error_free(err);
}
END_TEST

START_TEST(a_system_error_says_what_errno_means) {
    struct error *err = error_system(ENOENT, "open %s", "x");
    ck_assert(error_is(err, ERROR_SYSTEM));
    ck_assert_int_eq(err->errnum, ENOENT);
    ck_assert_str_eq(err->message, "open x: No such file or directory");
    error_free(err);
    err = error_system(ESRCH, "ptrace");
    ck_assert(error_is(err, ERROR_TASK_GONE));
    ck_assert_int_eq(err->errnum, ESRCH);
    error_free(err);
}
END_TEST

START_TEST(no_error_and_no_memory_pass_through) {
    ck_assert_ptr_null(error_hint(NULL, "x"));
    ck_assert_ptr_null(error_context(NULL, "x"));
    ck_assert(!error_is(NULL, ERROR_OTHER));
    error_free(NULL);
    ck_assert_ptr_eq(error_context(&error_no_memory, "x"), &error_no_memory);
    ck_assert_ptr_eq(error_hint(&error_no_memory, "x"), &error_no_memory);
    ck_assert_str_eq(error_no_memory.message, "memory: out of memory");
    ck_assert_ptr_null(error_no_memory.hint);
    error_free(&error_no_memory);
    ck_assert(error_is(&error_no_memory, ERROR_NO_MEMORY));
}
END_TEST

static struct error *try_twice(struct error *first, int *reached) {
    TRY(first);
    *reached = 1;
    return NULL;
}

START_TEST(try_returns_early) {
    int reached = 0;
    struct error *err = error_new(ERROR_LIMIT, "a: b");
    ck_assert_ptr_eq(try_twice(err, &reached), err);
    ck_assert_int_eq(reached, 0);
    error_free(err);
    ck_assert_ptr_null(try_twice(NULL, &reached));
    ck_assert_int_eq(reached, 1);
}
END_TEST

/* ---- registers ---- */

static size_t register_index(const char *name) {
    for (size_t i = 0; i < REGISTER_COUNT; i++)
        if (!strcmp(registers[i].name, name))
            return i;
    ck_abort_msg("no register %s", name);
    return 0;
}

START_TEST(every_register_is_in_the_table_once) {
    struct user_regs_struct regs = {0};
    for (size_t i = 0; i < REGISTER_COUNT; i++) {
        ck_assert_uint_eq(register_get(&regs, i), 0); /* no earlier row wrote it */
        register_set(&regs, i, i + 1);
        ck_assert_uint_eq(register_get(&regs, i), i + 1);
    }
    for (size_t i = 0; i < REGISTER_COUNT; i++)
        ck_assert_uint_eq(register_get(&regs, i), i + 1);
}
END_TEST

START_TEST(names_and_dwarf_numbers_agree) {
    /* System V ABI, figure 3.36 */
    static const char *const by_number[] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8",
                                            "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip"};
    for (size_t i = 0; i < sizeof(by_number) / sizeof(by_number[0]); i++)
        ck_assert_int_eq(registers[register_index(by_number[i])].dwarf, (int)i);
    struct user_regs_struct regs = {.rip = 5, .rsp = 6, .fs_base = 7};
    ck_assert_uint_eq(register_get(&regs, register_index("rip")), 5);
    ck_assert_uint_eq(register_get(&regs, register_index("rsp")), 6);
    ck_assert_uint_eq(register_get(&regs, register_index("fs_base")), 7);
    ck_assert_int_eq(registers[register_index("fs_base")].dwarf, 58);
}
END_TEST

START_TEST(comparison_sees_each_comparable_register_and_no_other) {
    for (size_t i = 0; i < REGISTER_COUNT; i++) {
        struct user_regs_struct a = {0}, b = {0};
        register_set(&b, i, 2);
        ck_assert_uint_eq(registers_compare(&a, &b), registers[i].comparable ? i : REGISTER_COUNT);
        ck_assert_int_eq(registers_hash(&a) != registers_hash(&b), registers[i].comparable);
    }
}
END_TEST

START_TEST(flags_of_stepping_do_not_count) {
    struct user_regs_struct a = {.eflags = 0x246}, b = {.eflags = 0x246 | 0x100 | 0x10000};
    ck_assert_uint_eq(registers_compare(&a, &b), REGISTER_COUNT);
    ck_assert_uint_eq(registers_hash(&a), registers_hash(&b));
    b.eflags ^= 1; /* the carry does */
    ck_assert_uint_eq(registers_compare(&a, &b), register_index("eflags"));
    ck_assert_uint_ne(registers_hash(&a), registers_hash(&b));
}
END_TEST

/* ---- table ---- */

/* Against an array, with ids that come and go as tids do. */
START_TEST(a_table_finds_what_was_put_and_not_removed) {
    enum { IDS = 5000, STEPS = 60000 };
    struct table table = {0};
    static char *values[IDS + 1];
    static char places[IDS + 1];
    ck_assert_ptr_null(table_find(&table, 1));
    table_remove(&table, 1);
    srand(7);
    for (int i = 0; i < STEPS; i++) {
        uint32_t id = 1 + (uint32_t)rand() % (i < STEPS / 2 ? IDS : 50);
        if (rand() % 3) {
            values[id] = &places[rand() % IDS];
            ck_assert_ptr_null(table_put(&table, id, values[id]));
        } else {
            values[id] = NULL;
            table_remove(&table, id);
        }
    }
    size_t count = 0;
    for (uint32_t id = 1; id <= IDS; id++) {
        ck_assert_ptr_eq(table_find(&table, id), values[id]);
        count += values[id] != NULL;
    }
    ck_assert_uint_eq(table.count, count);
    ck_assert_ptr_null(table_find(&table, 0));
    table_deinit(&table);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("base");
    TCase *bytes = tcase_create("buffer and cursor");
    tcase_add_test(bytes, what_is_put_is_read_back);
    tcase_add_loop_test(bytes, varints_keep_their_value_and_size, 0, sizeof(varints) / sizeof(varints[0]));
    tcase_add_test(bytes, small_negative_numbers_are_short);
    tcase_add_test(bytes, a_varint_beyond_64_bits_fails);
    tcase_add_test(bytes, a_read_that_does_not_fit_fails_all_that_follow);
    tcase_add_test(bytes, seeking_stays_inside);
    tcase_add_test(bytes, hostile_lengths_do_not_overflow);
    tcase_add_test(bytes, a_string_with_a_nul_inside_fails);
    tcase_add_test(bytes, a_buffer_grows_and_is_cleared);
    tcase_add_test(bytes, a_failed_append_is_remembered);
    suite_add_tcase(suite, bytes);
    TCase *errors = tcase_create("error");
    tcase_add_test(errors, an_error_keeps_its_parts);
    tcase_add_test(errors, a_system_error_says_what_errno_means);
    tcase_add_test(errors, no_error_and_no_memory_pass_through);
    tcase_add_test(errors, try_returns_early);
    suite_add_tcase(suite, errors);
    TCase *table = tcase_create("registers");
    tcase_add_test(table, every_register_is_in_the_table_once);
    tcase_add_test(table, names_and_dwarf_numbers_agree);
    tcase_add_test(table, comparison_sees_each_comparable_register_and_no_other);
    tcase_add_test(table, flags_of_stepping_do_not_count);
    suite_add_tcase(suite, table);

    TCase *tables = tcase_create("table");
    tcase_add_test(tables, a_table_finds_what_was_put_and_not_removed);
    suite_add_tcase(suite, tables);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
