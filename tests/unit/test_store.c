/* store: what a program sees through a mapping is in the recording, bit by bit, and nothing else is copied.
 */
#include "replay/store.h"
#include "tests/unit/scratch.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <xxhash.h>

#define PAGE ((size_t)4096)
#define MIB  ((uint64_t)1 << 20)

static struct scratch scratch, stored;
static struct size_budget budget;
static struct file_store store;

static void setup(void) {
    scratch = scratch_create();
    stored = scratch_create();
    budget = (struct size_budget){0};
    file_store_init(&store, stored.fd, &budget);
}

static void teardown(void) {
    file_store_deinit(&store);
    scratch_remove(&scratch);
    scratch_remove(&stored);
}

static void fill(uint8_t *bytes, size_t size, uint64_t seed) {
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(scratch_random(&seed) >> 56);
}

static int make_file(const char *name, const void *bytes, size_t size) {
    scratch_write(scratch.fd, name, bytes, size);
    int fd = openat(scratch.fd, name, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static struct stored_file *add(int fd, uint64_t offset, uint64_t size, bool expect_changed) {
    struct stored_file *file = NULL;
    bool changed = !expect_changed;
    CHECK_OK(file_store_add(&store, fd, "/the/file", offset, size, &file, &changed));
    ck_assert(changed == expect_changed);
    return file;
}

static uint64_t hash_of(uint32_t id) {
    uint64_t hash = 0;
    CHECK_OK(file_store_hash(stored.fd, id, &hash));
    return hash;
}

/* The definition in store.h, word by word. */
static uint64_t plain_hash(const uint8_t *bytes, uint64_t size) {
    static const uint8_t zeros[PAGE];
    XXH3_state_t *state = XXH3_createState();
    XXH3_64bits_reset(state);
    for (uint64_t index = 0; index * PAGE < size; index++) {
        uint8_t page[PAGE] = {0};
        memcpy(page, bytes + index * PAGE, size - index * PAGE < PAGE ? size - index * PAGE : PAGE);
        if (memcmp(page, zeros, PAGE) == 0)
            continue;
        XXH3_64bits_update(state, &index, sizeof(index));
        XXH3_64bits_update(state, page, PAGE);
    }
    XXH3_64bits_update(state, &size, sizeof(size));
    uint64_t hash = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return hash;
}

/* The stored file must hold expected, and open with its hash. */
static void check_stored(const struct stored_file *file, const uint8_t *expected, size_t size) {
    char name[16];
    struct buffer found = {0};
    snprintf(name, sizeof(name), "%u", file->id);
    scratch_read(stored.fd, name, &found);
    ck_assert_uint_eq(found.size, size);
    ck_assert_uint_eq(file->size, size);
    ck_assert(memcmp(found.data, expected, size) == 0);
    ck_assert_uint_eq(hash_of(file->id), plain_hash(expected, size));
    int fd;
    CHECK_OK(file_store_open(stored.fd, file->id, size, hash_of(file->id), &fd));
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 0);
    close(fd);
    buffer_deinit(&found);
}

START_TEST(test_whole_file) {
    static uint8_t bytes[3 * 1024 * 1024 + 777];
    fill(bytes, sizeof(bytes), 1);
    int fd = make_file("a", bytes, sizeof(bytes));
    struct stored_file *file = add(fd, 0, sizeof(bytes), true);
    ck_assert_uint_eq(file->id, 1);
    ck_assert_str_eq(file->path, "/the/file");
    check_stored(file, bytes, sizeof(bytes));
    /* Known by what it is, not by the descriptor. */
    int other = openat(scratch.fd, "a", O_RDONLY | O_CLOEXEC);
    ck_assert_ptr_eq(add(other, 4096, 5, false), file);
    ck_assert_ptr_eq(add(other, UINT64_MAX - 4095, UINT64_MAX, false), file);
    struct stat status;
    ck_assert_int_eq(fstatat(stored.fd, "1", &status, 0), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    close(fd);
    close(other);
}
END_TEST

/* Random ranges: after each, the stored file holds exactly the pages that were asked for. */
START_TEST(test_ranges) {
    const size_t pages = 40, size = pages * PAGE - 100;
    uint8_t *bytes = malloc(pages * PAGE), *expected = calloc(pages, PAGE);
    uint64_t state = 99 + (uint64_t)_i, copied = 0;
    bool have[40] = {0};
    fill(bytes, size, 2);
    int fd = make_file("a", bytes, size);
    struct stored_file *file = NULL;
    for (int round = 0; round < 25; round++) {
        uint64_t offset = scratch_random(&state) % (size + 5000), length = scratch_random(&state) % 30000;
        uint64_t page = offset / PAGE;
        bool changed = !file;
        for (; length && page < pages && page * PAGE < offset + length; page++) {
            size_t valid = page == pages - 1 ? PAGE - 100 : PAGE;
            copied += have[page] ? 0 : valid;
            changed |= !have[page];
            have[page] = true;
            memcpy(expected + page * PAGE, bytes + page * PAGE, valid);
        }
        /* An empty range still has its page, as a page that is asked for in part. */
        file = add(fd, offset, length,
                   changed || (!length && offset % PAGE && offset < size && !have[offset / PAGE]));
        if (!length && offset % PAGE && offset < size && !have[offset / PAGE]) {
            uint64_t at = offset / PAGE;
            size_t valid = at == pages - 1 ? PAGE - 100 : PAGE;
            have[at] = true;
            copied += valid;
            memcpy(expected + at * PAGE, bytes + at * PAGE, valid);
        }
        check_stored(file, expected, size);
        ck_assert_uint_eq(budget.used, copied);
        for (size_t i = 0; i < file->range_count; i++) {
            ck_assert_uint_lt(file->ranges[i].start, file->ranges[i].end);
            ck_assert(i == 0 || file->ranges[i - 1].end < file->ranges[i].start);
        }
    }
    ck_assert_uint_eq(store.count, 1);
    close(fd);
    free(bytes);
    free(expected);
}
END_TEST

static uint64_t blocks_of(const char *name) {
    struct stat status;
    ck_assert_int_eq(fstatat(stored.fd, name, &status, 0), 0);
    return (uint64_t)status.st_blocks * 512;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A gigabyte of holes with three pages in it costs three pages, in both ways of copying (a memfd cannot be
 * copied by the kernel into another file system). */
static void check_sparse(int fd) {
    static uint8_t page[PAGE];
    const uint64_t size = 1024 * MIB, places[] = {0, 512 * MIB + PAGE, size - PAGE};
    fill(page, sizeof(page), 3);
    ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(pwrite(fd, page, PAGE, (off_t)places[i]), (ssize_t)PAGE);
    double start = seconds();
    struct stored_file *file = add(fd, 0, size, true);
    uint64_t hash = hash_of(file->id);
    ck_assert_msg(seconds() - start < 10, "took %.1f s", seconds() - start);
    ck_assert_uint_le(budget.used, 3 * PAGE);
    ck_assert_uint_le(blocks_of("1"), 64 * 1024);
    int copy;
    CHECK_OK(file_store_open(stored.fd, file->id, size, hash, &copy));
    for (size_t i = 0; i < 3; i++) {
        uint8_t found[PAGE];
        ck_assert_int_eq(pread(copy, found, PAGE, (off_t)places[i]), (ssize_t)PAGE);
        ck_assert_mem_eq(found, page, PAGE);
    }
    close(copy);
    close(fd);
}

START_TEST(test_sparse_file) {
    check_sparse(make_file("a", "", 0));
}
END_TEST

START_TEST(test_sparse_memfd) {
    check_sparse(memfd_create("a", MFD_CLOEXEC));
}
END_TEST

START_TEST(test_memfd) {
    static uint8_t bytes[100 * 4096 + 5];
    fill(bytes, sizeof(bytes), 4);
    memset(bytes + 8192, 0, 40 * PAGE);
    int fd = memfd_create("a", MFD_CLOEXEC);
    ck_assert_int_eq(write(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    check_stored(add(fd, 0, sizeof(bytes), true), bytes, sizeof(bytes));
    /* The zeros were written, but are not copied; and nobody's position moved. */
    ck_assert_uint_eq(budget.used, sizeof(bytes) - 40 * PAGE);
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), (off_t)sizeof(bytes));
    close(fd);
}
END_TEST

/* Descriptors that cannot be read from. */
START_TEST(test_unreadable_descriptors) {
    static uint8_t bytes[9000];
    fill(bytes, sizeof(bytes), 5);
    close(make_file("a", bytes, sizeof(bytes)));
    int path = openat(scratch.fd, "a", O_PATH | O_CLOEXEC),
        writing = openat(scratch.fd, "a", O_WRONLY | O_CLOEXEC);
    struct stored_file *file = add(path, 0, 4096, true);
    ck_assert_ptr_eq(add(writing, 4096, 9000, true), file);
    check_stored(file, bytes, sizeof(bytes));
    close(path);
    close(writing);
}
END_TEST

/* A file that was removed is still there for its descriptor. */
START_TEST(test_deleted_file) {
    static uint8_t bytes[9000];
    fill(bytes, sizeof(bytes), 5);
    int fd = make_file("a", bytes, sizeof(bytes));
    unlinkat(scratch.fd, "a", 0);
    check_stored(add(fd, 0, sizeof(bytes), true), bytes, sizeof(bytes));
    close(fd);
}
END_TEST

START_TEST(test_changed_file) {
    static uint8_t bytes[9000], before[9000];
    fill(bytes, sizeof(bytes), 6);
    memcpy(before, bytes, sizeof(bytes));
    int fd = make_file("a", bytes, sizeof(bytes));
    struct stored_file *first = add(fd, 0, sizeof(bytes), true);
    bytes[5000] ^= 1;
    ck_assert_int_eq(pwrite(fd, bytes + 5000, 1, 5000), 1);
    const struct timespec when[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    ck_assert_int_eq(futimens(fd, when), 0);
    struct stored_file *second = add(fd, 0, sizeof(bytes), true);
    ck_assert_uint_eq(second->id, 2);
    check_stored(first, before, sizeof(before));
    check_stored(second, bytes, sizeof(bytes));
    ck_assert_int_eq(ftruncate(fd, 8000), 0);
    check_stored(add(fd, 0, 100000, true), bytes, 8000);
    close(fd);
}
END_TEST

/* What was written without a trace in the time stamps is stored once more when the writer says so. */
START_TEST(test_forgotten_file) {
    static uint8_t bytes[2 * PAGE];
    fill(bytes, sizeof(bytes), 1);
    int fd = make_file("a", bytes, sizeof(bytes));
    struct stored_file *first = add(fd, 0, sizeof(bytes), true);
    ck_assert_ptr_eq(add(fd, 0, sizeof(bytes), false), first);
    file_store_forget(&store, 0); /* none that there is */
    file_store_forget(&store, 2);
    ck_assert_ptr_eq(add(fd, 0, sizeof(bytes), false), first);
    file_store_forget(&store, first->id);
    struct stored_file *second = add(fd, 0, PAGE, true);
    ck_assert_uint_eq(second->id, 2);
    ck_assert_ptr_eq(add(fd, PAGE, PAGE, true), second);
    check_stored(second, bytes, sizeof(bytes));
    check_stored(first, bytes, sizeof(bytes));
    close(fd);
}
END_TEST

START_TEST(test_empty_range) {
    int fd = make_file("a", "x", 1), empty = make_file("b", "", 0);
    struct stored_file *file = add(fd, 4096, 4096, true);
    check_stored(file, (const uint8_t *)"", 1);
    add(fd, 4096, 4096, false);
    check_stored(add(empty, 0, 4096, true), (const uint8_t *)"", 0);
    close(fd);
    close(empty);
}
END_TEST

/* A file that two domains know keeps its hash: what a third mapping wants more of it is a file of its own. */
START_TEST(test_shared_does_not_grow) {
    static uint8_t bytes[4 * PAGE];
    memset(bytes, 7, sizeof(bytes));
    int fd = make_file("shared", bytes, sizeof(bytes));
    store.domain = 1;
    struct stored_file *first = add(fd, 0, PAGE, true);
    ck_assert(add(fd, PAGE, PAGE, true) == first); /* alone it grows */
    ck_assert_uint_eq(first->generation, 2);
    uint64_t hash = 0;
    CHECK_OK(file_store_file_hash(&store, first, &hash));
    ck_assert_uint_eq(hash, hash_of(first->id));
    store.domain = 2;
    ck_assert(add(fd, 0, 2 * PAGE, false) == first);
    struct stored_file *second = add(fd, 0, 3 * PAGE, true);
    ck_assert(second != first);
    ck_assert_uint_eq(hash, hash_of(first->id));
    store.domain = 1;
    ck_assert(add(fd, 2 * PAGE, PAGE, false) == second);
    ck_assert(add(fd, 3 * PAGE, PAGE, true) != second);
    ck_assert_uint_eq(first->generation, 2);
    store.domain = 0;
    close(fd);
}
END_TEST

/* Zeros hash like holes, and every other difference shows. */
START_TEST(test_hash) {
    static uint8_t bytes[50 * 4096 + 9];
    fill(bytes, sizeof(bytes), 7);
    memset(bytes + 3 * PAGE, 0, 30 * PAGE);
    scratch_write(stored.fd, "1", bytes, sizeof(bytes));
    uint64_t hash = hash_of(1);
    ck_assert_uint_eq(hash, plain_hash(bytes, sizeof(bytes)));
    int fd = openat(stored.fd, "2", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(ftruncate(fd, sizeof(bytes)), 0);
    ck_assert_int_eq(pwrite(fd, bytes, 3 * PAGE, 0), (ssize_t)(3 * PAGE));
    ck_assert_int_gt(pwrite(fd, bytes + 33 * PAGE, sizeof(bytes) - 33 * PAGE, 33 * (off_t)PAGE), 0);
    ck_assert_uint_eq(hash_of(2), hash);
    for (size_t at = 0; at < sizeof(bytes); at += 1009) {
        uint8_t changed = bytes[at] ^ 1;
        ck_assert_int_eq(pwrite(fd, &changed, 1, (off_t)at), 1);
        ck_assert_uint_ne(hash_of(2), hash);
        ck_assert_int_eq(pwrite(fd, bytes + at, 1, (off_t)at), 1);
    }
    ck_assert_uint_eq(hash_of(2), hash);
    /* A hole more at the end, a page moved: another file. */
    ck_assert_int_eq(ftruncate(fd, sizeof(bytes) + 1), 0);
    ck_assert_uint_ne(hash_of(2), hash);
    int opened;
    CHECK_FAILS(file_store_open(stored.fd, 2, sizeof(bytes), hash, &opened), ERROR_BAD_DATA, "and not");
    CHECK_FAILS(file_store_open(stored.fd, 2, sizeof(bytes) + 1, hash, &opened), ERROR_BAD_DATA,
                "checksum is wrong");
    CHECK_FAILS(file_store_open(stored.fd, 3, 1, hash, &opened), ERROR_NOT_FOUND, "stored file 3: missing");
    ck_assert_int_eq(mkfifoat(stored.fd, "4", 0600), 0);
    CHECK_FAILS(file_store_open(stored.fd, 4, 0, hash, &opened), ERROR_BAD_DATA, "not a regular file");
    ck_assert_int_eq(symlinkat("/etc/passwd", stored.fd, "5"), 0);
    CHECK_FAILS(file_store_open(stored.fd, 5, 0, hash, &opened), ERROR_SYSTEM, "stored file 5");
    close(fd);
}
END_TEST

START_TEST(test_unsupported) {
    struct stored_file *file;
    bool changed;
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    CHECK_FAILS(file_store_add(&store, fd, "/dev/zero", 0, 4096, &file, &changed), ERROR_UNSUPPORTED,
                "/dev/zero: mapping this kind of file cannot be recorded");
    CHECK_FAILS(file_store_add(&store, -1, "/x", 0, 4096, &file, &changed), ERROR_SYSTEM, "/x");
    close(fd);
}
END_TEST

/* A copy that fails leaves no trace: no new file, or the old contents of one that was to be extended. */
static void check_no_trace(int fd, enum error_code code, const char *text, const uint8_t *bytes, size_t size,
                           void (*restrain)(bool)) {
    struct stored_file *file = NULL;
    bool changed = false;
    restrain(true);
    CHECK_FAILS(file_store_add(&store, fd, "/the/file", 0, size, &file, &changed), code, text);
    restrain(false);
    ck_assert_uint_eq(store.count, 0);
    ck_assert_uint_eq(budget.used, 0);
    ck_assert_int_ne(faccessat(stored.fd, "1", F_OK, 0), 0);

    file = add(fd, PAGE, PAGE, true);
    uint64_t hash = hash_of(1), used = budget.used;
    restrain(true);
    CHECK_FAILS(file_store_add(&store, fd, "/the/file", 0, size, &file, &changed), code, text);
    restrain(false);
    ck_assert_uint_eq(hash_of(1), hash);
    ck_assert_uint_eq(budget.used, used);
    ck_assert_ptr_eq(add(fd, 0, size, true), file);
    check_stored(file, bytes, size);
}

static void restrain_budget(bool on) {
    budget.limit = on ? 1500000 : 0;
}

/* Lower than the file, so that even its last range cannot be written. */
static void restrain_disk(bool on) {
    const struct rlimit limit = {.rlim_cur = on ? 1500000 : RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(test_failures) {
    static uint8_t bytes[3 * 1024 * 1024];
    fill(bytes, sizeof(bytes), 8);
    signal(SIGXFSZ, SIG_IGN);
    /* Both ways of copying. */
    int fd = _i & 1 ? memfd_create("a", MFD_CLOEXEC) : make_file("a", "", 0);
    ck_assert_int_eq(write(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    if (_i & 2)
        check_no_trace(fd, ERROR_LIMIT, "limit of 1500000 bytes", bytes, sizeof(bytes), restrain_budget);
    else
        check_no_trace(fd, ERROR_SYSTEM, "/the/file: cannot copy", bytes, sizeof(bytes), restrain_disk);
    close(fd);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("store");
    TCase *tests = tcase_create("store");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_whole_file);
    tcase_add_loop_test(tests, test_ranges, 0, 8);
    tcase_add_test(tests, test_sparse_file);
    tcase_add_test(tests, test_sparse_memfd);
    tcase_add_test(tests, test_memfd);
    tcase_add_test(tests, test_unreadable_descriptors);
    tcase_add_test(tests, test_deleted_file);
    tcase_add_test(tests, test_changed_file);
    tcase_add_test(tests, test_forgotten_file);
    tcase_add_test(tests, test_empty_range);
    tcase_add_test(tests, test_hash);
    tcase_add_test(tests, test_shared_does_not_grow);
    tcase_add_test(tests, test_unsupported);
    tcase_add_loop_test(tests, test_failures, 0, 4);
    suite_add_tcase(suite, tests);
    return scratch_run(suite);
}
