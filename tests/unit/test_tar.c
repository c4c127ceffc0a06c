/* replay/tar and replay/pack: what was written is read again, whole; names that do not fit are refused; of
 * what is damaged nothing is made up. */
#include "replay/script.h"
#include "replay/tar.h"
#include "tests/unit/scratch.h"

#include <stdlib.h>
#include <sys/mman.h>

#define LARGE 3000001u

static const struct {
    const char *name;
    uint32_t size;
} files[] = {
    {"recording.json", 2},
    {"empty", 0},
    {"files/block", 512},
    {"files/large", LARGE},
    {"a/rather/long/name/of/more/than/one/hundred/bytes/which/has/to/be/split/at/a/slash/between/two/fields/"
     "x",
     513},
};
#define FILES (sizeof(files) / sizeof(files[0]))

static uint8_t byte_of(size_t file, size_t at) {
    return (uint8_t)(at * 7 / 3 + file * 31 + (at >> 9));
}

static int write_archive(void) {
    struct tar_writer *writer;
    uint8_t *bytes = malloc(LARGE);
    int fd = memfd_create("tar", MFD_CLOEXEC);
    CHECK_OK(tar_writer_create(fd, "it", TAR_ZSTD, &writer));
    for (size_t i = 0; i < FILES; i++) {
        for (size_t at = 0; at < files[i].size; at++)
            bytes[at] = byte_of(i, at);
        CHECK_OK(tar_writer_begin(writer, files[i].name, 0600, files[i].size, 1700000000));
        for (size_t at = 0, part; at < files[i].size; at += part) {
            part = at + 70001 < files[i].size ? 70001 : files[i].size - at;
            CHECK_OK(tar_writer_put(writer, bytes + at, part));
        }
    }
    CHECK_OK(tar_writer_finish(writer));
    tar_writer_destroy(writer);
    free(bytes);
    return fd;
}

START_TEST(round_trip) {
    struct tar_reader *reader;
    struct tar_entry entry;
    bool more;
    int fd = write_archive();
    for (unsigned skipping = 0; skipping < 2; skipping++) {
        lseek(fd, 0, SEEK_SET);
        CHECK_OK(tar_reader_create(fd, "it", &reader));
        for (size_t i = 0; i < FILES; i++) {
            uint8_t bytes[4099];
            size_t got = 1;
            CHECK_OK(tar_reader_next(reader, &entry, &more));
            ck_assert(more);
            ck_assert_str_eq(entry.name, files[i].name);
            ck_assert(entry.kind == '0' && entry.size == files[i].size);
            for (size_t at = 0; !skipping && got; at += got) {
                CHECK_OK(tar_reader_get(reader, bytes, sizeof(bytes), &got));
                for (size_t k = 0; k < got; k++)
                    ck_assert_uint_eq(bytes[k], byte_of(i, at + k));
                ck_assert_uint_le(at + got, files[i].size);
                ck_assert(got || at == files[i].size);
            }
        }
        CHECK_OK(tar_reader_next(reader, &entry, &more));
        ck_assert(!more);
        tar_reader_destroy(reader);
    }
    close(fd);
}
END_TEST

START_TEST(names) {
    struct tar_writer *writer;
    char name[400];
    int fd = memfd_create("tar", MFD_CLOEXEC);
    CHECK_OK(tar_writer_create(fd, "it", TAR_ZSTD, &writer));
    memset(name, 'x', sizeof(name));
    name[100] = 0;
    CHECK_OK(tar_writer_begin(writer, name, 0600, 0, 0));
    name[100] = 'x', name[101] = 0;
    CHECK_FAILS(tar_writer_begin(writer, name, 0600, 0, 0), ERROR_UNSUPPORTED, "too long");
    name[101] = 'x', name[150] = '/', name[251] = 0;
    CHECK_OK(tar_writer_begin(writer, name, 0600, 0, 0));
    name[150] = 'x', name[156] = '/';
    CHECK_FAILS(tar_writer_begin(writer, name, 0600, 0, 0), ERROR_UNSUPPORTED, "too long");
    name[251] = 'x', name[300] = 0;
    CHECK_FAILS(tar_writer_begin(writer, name, 0600, 0, 0), ERROR_UNSUPPORTED, "too long");
    tar_writer_destroy(writer);
    close(fd);
}
END_TEST

/* To the end, or to an error; a hash of all that is in it. */
static struct error *read_all(int fd, uint64_t *ret) {
    struct tar_reader *reader;
    struct tar_entry entry;
    bool more = true;
    *ret = 0;
    lseek(fd, 0, SEEK_SET);
    struct error *err = tar_reader_create(fd, "it", &reader);
    if (err)
        return err;
    while (!err && more) {
        uint8_t bytes[65536];
        size_t got = 1;
        err = tar_reader_next(reader, &entry, &more);
        while (!err && more && got)
            if (!(err = tar_reader_get(reader, bytes, sizeof(bytes), &got)))
                for (size_t i = 0; i < got; i++)
                    *ret = *ret * 31 + bytes[i];
    }
    tar_reader_destroy(reader);
    return err;
}

/* A byte may not matter to zstd; but what is read is what was written, or nothing is. */
START_TEST(damaged) {
    int whole = write_archive(), fd = memfd_create("damaged", MFD_CLOEXEC);
    off_t size = lseek(whole, 0, SEEK_END);
    uint8_t *bytes = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE, whole, 0);
    uint64_t expected, found;
    CHECK_OK(read_all(whole, &expected));
    for (unsigned i = 0; i < 300; i++) {
        size_t at = (size_t)i * 104729 % (size_t)size;
        ck_assert_int_eq(ftruncate(fd, 0), 0);
        if (i % 2) { /* cut */
            ck_assert_int_eq(pwrite(fd, bytes, at, 0), (ssize_t)at);
        } else {
            bytes[at] ^= (uint8_t)(1 << i % 8);
            ck_assert_int_eq(pwrite(fd, bytes, (size_t)size, 0), (ssize_t)size);
            bytes[at] ^= (uint8_t)(1 << i % 8);
        }
        struct error *err = read_all(fd, &found);
        ck_assert_msg(err || found == expected, "byte %zu of %lld, round %u", at, (long long)size, i);
        error_free(err);
    }
    munmap(bytes, (size_t)size);
    close(whole);
    close(fd);
}
END_TEST

/* What `printf 123456789 | cksum` prints, and of nothing, and of 300 zeros. */
START_TEST(sums) {
    static const uint8_t zeros[300];
    struct script_sum digits = {0}, none = {0}, many = {0};
    script_sum_add(&digits, "1234", 4);
    script_sum_add(&digits, "56789", 5);
    script_sum_add(&many, zeros, sizeof(zeros));
    ck_assert_uint_eq(script_sum_end(&digits), 930766865);
    ck_assert_uint_eq(script_sum_end(&none), 4294967295);
    ck_assert_uint_eq(script_sum_end(&many), 351385237);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tar");
    TCase *cases = tcase_create("tar");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, round_trip);
    tcase_add_test(cases, names);
    tcase_add_test(cases, damaged);
    tcase_add_test(cases, sums);
    suite_add_tcase(suite, cases);
    return scratch_run(suite);
}
