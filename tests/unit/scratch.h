/* scratch: what the tests of the recording's files share: a folder that goes away, whole files, and checks of
 * struct error. */
#ifndef REEL_TESTS_SCRATCH_H
#define REEL_TESTS_SCRATCH_H

#include "base/buffer.h"
#include "base/error.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fail with the error's own words. */
#define CHECK_OK(expression)                                                                                 \
    do {                                                                                                     \
        struct error *check_error_ = (expression);                                                           \
        if (check_error_)                                                                                    \
            ck_abort_msg("%s: unexpected error: %s", #expression, check_error_->message);                    \
    } while (0)

/* The expression must fail with this code and a message that contains text. */
#define CHECK_FAILS(expression, wanted_code, text)                                                           \
    do {                                                                                                     \
        struct error *check_error_ = (expression);                                                           \
        ck_assert_msg(check_error_ != NULL, "%s: should have failed", #expression);                          \
        ck_assert_msg(check_error_->code == (wanted_code) && strstr(check_error_->message, (text)),          \
                      "%s: code %d, %s", #expression, (int)check_error_->code, check_error_->message);       \
        error_free(check_error_);                                                                            \
    } while (0)

/* Say that a test cannot be made here: tests/run.sh counts it as skipped. Always false. */
static inline bool scratch_lacks(const char *what) {
    fprintf(stderr, "skip: needs %s\n", what);
    return false;
}

struct scratch {
    char path[64];
    int fd;
};

static inline struct scratch scratch_create(void) {
    struct scratch scratch = {.path = "/tmp/reel-test-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(scratch.path));
    scratch.fd = open(scratch.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(scratch.fd, 0);
    return scratch;
}

static inline int scratch_remove_one(const char *path, const struct stat *status, int flag,
                                     struct FTW *walk) {
    (void)status, (void)flag, (void)walk;
    return remove(path);
}

static inline void scratch_remove(struct scratch *scratch) {
    close(scratch->fd);
    nftw(scratch->path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void scratch_write(int dirfd, const char *name, const void *data, size_t size) {
    int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
    close(fd);
}

/* Appends the file to *ret. */
static inline void scratch_read(int dirfd, const char *name, struct buffer *ret) {
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    for (ssize_t count = 1; count;) {
        void *place = buffer_reserve(ret, 1 << 16);
        ck_assert_ptr_nonnull(place);
        count = read(fd, place, 1 << 16);
        ck_assert_int_ge(count, 0);
        ret->size += (size_t)count;
    }
    close(fd);
}

/* xorshift64*: the same numbers on every run. */
static inline uint64_t scratch_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline int scratch_run(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
