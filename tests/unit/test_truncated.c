/* Mapped files that are truncated while they are read. */
#include "base/truncated.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096

static volatile unsigned char *map_and_truncate(void) {
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(ftruncate(fileno(file), 2L * PAGE), 0);
    ck_assert_int_eq(pwrite(fileno(file), "x", 1, 0), 1);
    unsigned char *bytes = mmap(NULL, 2L * PAGE, PROT_READ, MAP_PRIVATE, fileno(file), 0);
    ck_assert_ptr_ne(bytes, MAP_FAILED);
    ck_assert_int_eq(ftruncate(fileno(file), 0), 0);
    fclose(file);
    return bytes;
}

START_TEST(what_lies_behind_the_end_is_zeros) {
    truncated_tolerate();
    volatile unsigned char *bytes = map_and_truncate();
    ck_assert_uint_eq(bytes[0], 0);
    ck_assert_uint_eq(bytes[2 * PAGE - 1], 0);
}
END_TEST

START_TEST(an_ignored_signal_stays_ignored) {
    struct sigaction action;
    signal(SIGBUS, SIG_IGN);
    truncated_tolerate();
    ck_assert_int_eq(sigaction(SIGBUS, NULL, &action), 0);
    ck_assert(action.sa_handler == SIG_IGN);
}
END_TEST

START_TEST(a_signal_that_somebody_sends_still_kills) {
    truncated_tolerate();
    raise(SIGBUS);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("truncated");
    TCase *truncated = tcase_create("truncated");
    tcase_add_test(truncated, what_lies_behind_the_end_is_zeros);
    tcase_add_test(truncated, an_ignored_signal_stays_ignored);
    tcase_add_test_raise_signal(truncated, a_signal_that_somebody_sends_still_kills, SIGBUS);
    suite_add_tcase(suite, truncated);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
