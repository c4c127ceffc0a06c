/* chunk: what was appended comes back; nothing else ever does. */
#include "replay/chunk.h"
#include "tests/unit/scratch.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <xxhash.h>
#include <zstd.h>

#define FILE_HEADER  32
#define CHUNK_HEADER 48

static struct scratch scratch;
static struct size_budget budget;
static struct chunk_queue *queue; /* what create() gives its writers */

static void setup(void) {
    scratch = scratch_create();
    budget = (struct size_budget){0};
}

/* Tests that run twice do so without a queue and with one. */
static void use_queue(int turn) {
    cpu_set_t processors;
    if (turn == 0)
        return;
    ck_assert_int_eq(sched_getaffinity(0, sizeof(processors), &processors), 0);
    CHECK_OK(chunk_queue_create(&processors, &queue));
}

static void teardown(void) {
    chunk_queue_destroy(queue);
    queue = NULL;
    scratch_remove(&scratch);
}

static struct chunk_writer *create(const char *name) {
    struct chunk_writer *writer = NULL;
    CHECK_OK(chunk_writer_create(scratch.fd, name, CHUNK_FILE_LOG, &budget, &writer));
    chunk_writer_use_queue(writer, queue);
    return writer;
}

static struct error *open_log(const char *name, struct chunk_reader **ret) {
    return chunk_reader_open(scratch.fd, name, CHUNK_FILE_LOG, ret);
}

/* Record i of a test: its number, then bytes that depend on it. */
static size_t make_record(uint64_t i, size_t size, uint8_t *ret) {
    uint64_t state = i + 1;
    for (size_t at = 0; at < size; at++)
        ret[at] = (uint8_t)(scratch_random(&state) >> 56);
    return size;
}

/* Read the whole file: *ret_count is how many records were those that make_record(i, size) makes. */
static struct error *read_all(const char *name, size_t size, uint64_t *ret_count, bool *ret_cut) {
    struct chunk_reader *reader;
    uint8_t expected[512];
    *ret_count = 0;
    *ret_cut = false;
    TRY(open_log(name, &reader));
    for (;;) {
        const uint8_t *record;
        size_t found;
        struct error *err = chunk_reader_next(reader, &record, &found);
        if (err || !record) {
            *ret_cut = !err && chunk_reader_cut(reader);
            chunk_reader_close(reader);
            return err;
        }
        make_record(*ret_count, size, expected);
        ck_assert_uint_eq(found, size);
        ck_assert_mem_eq(record, expected, size);
        ++*ret_count;
    }
}

/* A file of `chunks` chunks of three 20-byte records; its bytes and where each chunk ends. */
static void make_small(const char *name, size_t chunks, struct buffer *ret, size_t *ret_ends) {
    struct chunk_writer *writer = create(name);
    uint8_t record[20];
    for (size_t chunk = 0; chunk < chunks; chunk++) {
        for (size_t i = 0; i < 3; i++)
            CHECK_OK(chunk_writer_append(writer, record, make_record(chunk * 3 + i, sizeof(record), record)));
        CHECK_OK(chunk_writer_flush(writer));
        ret_ends[chunk] = chunk_writer_bytes(writer);
    }
    CHECK_OK(chunk_writer_close(writer));
    scratch_read(scratch.fd, name, ret);
    ck_assert_uint_eq(ret->size, ret_ends[chunks - 1]);
}

START_TEST(test_round_trip) {
    static const size_t sizes[] = {0, 1, 2, 127, 128, 129, 5000, 262143, 262144, 262145, 3000000, 0, 7};
    const size_t count = sizeof(sizes) / sizeof(*sizes), rounds = 4;
    use_queue(_i);
    uint8_t *bytes = malloc(3000000);
    struct chunk_writer *writer = create("log");
    for (size_t i = 0; i < count * rounds; i++)
        CHECK_OK(chunk_writer_append(writer, bytes, make_record(i, sizes[i % count], bytes)));
    ck_assert(chunk_writer_pending(writer));
    CHECK_OK(chunk_writer_flush(writer));
    ck_assert(!chunk_writer_pending(writer));
    ck_assert_uint_eq(chunk_writer_records(writer), count * rounds);
    ck_assert_uint_eq(chunk_writer_bytes(writer), budget.used);
    CHECK_OK(chunk_writer_close(writer));

    struct chunk_reader *reader;
    CHECK_OK(open_log("log", &reader));
    for (int pass = 0; pass < 2; pass++) {
        const uint8_t *record;
        size_t size;
        for (size_t i = 0; i < count * rounds; i++) {
            CHECK_OK(chunk_reader_next(reader, &record, &size));
            make_record(i, sizes[i % count], bytes);
            ck_assert_ptr_nonnull(record);
            ck_assert_uint_eq(size, sizes[i % count]);
            ck_assert(memcmp(record, bytes, size) == 0);
        }
        CHECK_OK(chunk_reader_next(reader, &record, &size));
        ck_assert_ptr_null(record);
        ck_assert(!chunk_reader_cut(reader));
        CHECK_OK(chunk_reader_rewind(reader));
    }
    chunk_reader_close(reader);
    free(bytes);
}
END_TEST

/* A chunk is on disk as soon as 256 KiB are pending, and a large record does not share one. */
START_TEST(test_when_chunks_are_written) {
    struct chunk_writer *writer = create("log");
    static uint8_t bytes[300000];
    make_record(0, sizeof(bytes), bytes);
    CHECK_OK(chunk_writer_append(writer, bytes, 262000));
    ck_assert_uint_eq(chunk_writer_records(writer), 0);
    CHECK_OK(chunk_writer_append(writer, bytes, 200));
    ck_assert_uint_eq(chunk_writer_records(writer), 2);
    CHECK_OK(chunk_writer_append(writer, bytes, 10));
    ck_assert(chunk_writer_pending(writer));
    CHECK_OK(chunk_writer_append(writer, bytes, sizeof(bytes)));
    ck_assert_uint_eq(chunk_writer_records(writer), 4);
    ck_assert(!chunk_writer_pending(writer));
    /* Nothing pending: nothing is written. */
    uint64_t size = chunk_writer_bytes(writer);
    CHECK_OK(chunk_writer_flush(writer));
    ck_assert_uint_eq(chunk_writer_bytes(writer), size);
    CHECK_OK(chunk_writer_close(writer));
    CHECK_OK(chunk_writer_close(NULL));
}
END_TEST

/* A recorder that is killed leaves what it had flushed. */
START_TEST(test_readable_while_written) {
    struct chunk_writer *writer = create("log");
    uint8_t record[20];
    uint64_t count;
    bool cut;
    CHECK_OK(read_all("log", 20, &count, &cut));
    ck_assert(count == 0 && !cut);
    CHECK_OK(chunk_writer_append(writer, record, make_record(0, 20, record)));
    CHECK_OK(chunk_writer_flush(writer));
    CHECK_OK(chunk_writer_append(writer, record, make_record(1, 20, record)));
    CHECK_OK(read_all("log", 20, &count, &cut));
    ck_assert(count == 1 && !cut);
    CHECK_OK(chunk_writer_close(writer));
    CHECK_OK(read_all("log", 20, &count, &cut));
    ck_assert(count == 2 && !cut);
}
END_TEST

START_TEST(test_every_flip_is_seen) {
    struct buffer file = {0};
    size_t ends[3];
    make_small("log", 3, &file, ends);
    scratch_write(scratch.fd, "flipped", file.data, file.size);
    int fd = openat(scratch.fd, "flipped", O_WRONLY | O_CLOEXEC);
    for (size_t bit = 0; bit < file.size * 8; bit++) {
        const uint8_t flipped = file.data[bit / 8] ^ (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(pwrite(fd, &flipped, 1, (off_t)(bit / 8)), 1);
        uint64_t count;
        bool cut;
        struct error *err = read_all("flipped", 20, &count, &cut);
        ck_assert_msg(err != NULL, "bit %zu of byte %zu", bit % 8, bit / 8);
        bool version = bit / 8 >= 8 && bit / 8 < 12 && err->code == ERROR_UNSUPPORTED;
        ck_assert(version || err->code == ERROR_BAD_DATA);
        ck_assert_ptr_nonnull(strstr(err->message, "flipped"));
        /* The whole chunks before the damage are good. */
        size_t whole = 0;
        while (whole < 3 && bit / 8 >= ends[whole])
            whole++;
        ck_assert_uint_eq(count, whole * 3);
        error_free(err);
        ck_assert_int_eq(pwrite(fd, file.data + bit / 8, 1, (off_t)(bit / 8)), 1);
    }
    close(fd);
    buffer_deinit(&file);
}
END_TEST

START_TEST(test_every_truncation) {
    struct buffer file = {0};
    size_t ends[3];
    make_small("log", 3, &file, ends);
    scratch_write(scratch.fd, "short", file.data, file.size);
    int fd = openat(scratch.fd, "short", O_WRONLY | O_CLOEXEC);
    for (size_t size = file.size; size-- > 0;) {
        ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
        uint64_t count;
        bool cut;
        if (size > 0 && size < FILE_HEADER) {
            CHECK_FAILS(read_all("short", 20, &count, &cut), ERROR_BAD_DATA, "short");
            continue;
        }
        CHECK_OK(read_all("short", 20, &count, &cut));
        size_t whole = 0;
        while (whole < 3 && size >= ends[whole])
            whole++;
        ck_assert_uint_eq(count, whole * 3);
        bool boundary = size == FILE_HEADER || (whole && size == ends[whole - 1]);
        ck_assert(cut == !boundary);
    }
    close(fd);
    buffer_deinit(&file);
}
END_TEST

/* Chunks that are whole but not where they belong. */
START_TEST(test_missing_chunk) {
    struct buffer file = {0};
    size_t ends[3];
    uint64_t count;
    bool cut;
    make_small("log", 3, &file, ends);
    memmove(file.data + ends[0], file.data + ends[1], file.size - ends[1]);
    scratch_write(scratch.fd, "gap", file.data, file.size - (ends[1] - ends[0]));
    CHECK_FAILS(read_all("gap", 20, &count, &cut), ERROR_BAD_DATA, "not the chunk that belongs here");
    ck_assert_uint_eq(count, 3);
    buffer_deinit(&file);
}
END_TEST

#define NOTHING (UINT64_MAX - 1) /* a stored size of 0 */

/* A chunk with right checksums whose header says what the test wants. */
struct lie {
    uint64_t records, raw_size, stored_size; /* 0: the truth */
    size_t tail;                             /* bytes behind the frame */
};

static void write_lie(const char *name, const struct buffer *header, const void *raw, size_t size,
                      struct lie lie) {
    uint8_t chunk[4096] = {0};
    uint8_t *payload = chunk + CHUNK_HEADER;
    size_t stored = ZSTD_compress(payload, 2048, raw, size, 1);
    ck_assert(!ZSTD_isError(stored));
    stored = lie.stored_size == NOTHING ? 0 : stored + lie.tail;
    uint64_t words[4] = {lie.records ? lie.records : 1, lie.raw_size ? lie.raw_size : size,
                         lie.stored_size && stored ? lie.stored_size : stored, XXH3_64bits(payload, stored)};
    const uint32_t sequence = 1;
    memcpy(chunk, "RCHK", 4);
    memcpy(chunk + 4, &sequence, 4);
    memcpy(chunk + 8, words, 32);
    uint64_t hash = XXH3_64bits(chunk, 40);
    memcpy(chunk + 40, &hash, 8);
    struct buffer file = {0};
    buffer_put(&file, header->data, FILE_HEADER);
    buffer_put(&file, chunk, CHUNK_HEADER + stored);
    scratch_write(scratch.fd, name, file.data, file.size);
    buffer_deinit(&file);
}

START_TEST(test_lies) {
    static const struct {
        struct lie lie;
        uint8_t raw[8];
        size_t size;
        const char *message; /* NULL: fine */
    } rows[] = {
        {{0, 0, 0, 0}, {3, 1, 2, 3}, 4, NULL},
        {{0, 5, 0, 0}, {3, 1, 2, 3}, 4, "sizes disagree"},
        {{0, 3, 0, 0}, {3, 1, 2, 3}, 4, "sizes disagree"},
        {{0, UINT64_C(5) << 30, 0, 0}, {3, 1, 2, 3}, 4, "impossible sizes"},
        {{0, UINT64_C(4) << 30, 0, 0}, {3, 1, 2, 3}, 4, "impossible sizes"},
        {{0, 0, 1u << 20, 0}, {3, 1, 2, 3}, 4, "impossible sizes"},
        {{0, 0, UINT64_MAX, 0}, {3, 1, 2, 3}, 4, "impossible sizes"},
        {{0, 0, NOTHING, 0}, {3, 1, 2, 3}, 4, "impossible sizes"},
        {{5, 0, 0, 0}, {3, 1, 2, 3}, 4, "impossible sizes"},
        {{2, 0, 0, 0}, {3, 1, 2, 3}, 4, "runs over its end"},
        {{0, 0, 0, 0}, {2, 1, 2, 3}, 4, "bytes behind its last record"},
        {{0, 0, 0, 0}, {4, 1, 2, 3}, 4, "runs over its end"},
        {{0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff, 0xff}, 5, "runs over its end"},
        {{0, 0, 0, 3}, {3, 1, 2, 3}, 4, "sizes disagree"},
    };
    struct buffer header = {0};
    CHECK_OK(chunk_writer_close(create("log")));
    scratch_read(scratch.fd, "log", &header);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        write_lie("lie", &header, rows[i].raw, rows[i].size, rows[i].lie);
        struct chunk_reader *reader;
        const uint8_t *record;
        size_t size;
        CHECK_OK(open_log("lie", &reader));
        struct error *err = NULL;
        do
            err = chunk_reader_next(reader, &record, &size);
        while (!err && record);
        if (!rows[i].message)
            ck_assert_ptr_null(err);
        else
            CHECK_FAILS(err, ERROR_BAD_DATA, rows[i].message);
        /* An error stays. */
        if (rows[i].message)
            CHECK_FAILS(chunk_reader_next(reader, &record, &size), ERROR_BAD_DATA, rows[i].message);
        chunk_reader_close(reader);
    }
    buffer_deinit(&header);
}
END_TEST

static void patch_header(const char *name, size_t at, uint32_t value) {
    struct buffer file = {0};
    scratch_read(scratch.fd, "log", &file);
    memcpy(file.data + at, &value, 4);
    uint64_t hash = XXH3_64bits(file.data, 24);
    memcpy(file.data + 24, &hash, 8);
    scratch_write(scratch.fd, name, file.data, file.size);
    buffer_deinit(&file);
}

START_TEST(test_what_cannot_be_opened) {
    struct chunk_reader *reader;
    CHECK_OK(chunk_writer_close(create("log")));
    CHECK_FAILS(open_log("none", &reader), ERROR_NOT_FOUND, "none: does not exist");
    CHECK_FAILS(chunk_reader_open(scratch.fd, "log", CHUNK_FILE_MEMORY, &reader), ERROR_BAD_DATA,
                "is a log and not a memory image");
    patch_header("newer", 8, 7);
    CHECK_FAILS(open_log("newer", &reader), ERROR_UNSUPPORTED, "format version 7 is newer than this reel");
    patch_header("older", 8, 0);
    CHECK_FAILS(open_log("older", &reader), ERROR_BAD_DATA, "damaged file header");
    patch_header("features", 16, 1u << 31);
    CHECK_FAILS(open_log("features", &reader), ERROR_UNSUPPORTED, "needs features 0x80000000");
    patch_header("kind", 12, 77);
    CHECK_FAILS(open_log("kind", &reader), ERROR_BAD_DATA, "unknown kind");
    scratch_write(scratch.fd, "text", "not one of ours, but long enough for a header", 45);
    CHECK_FAILS(open_log("text", &reader), ERROR_BAD_DATA, "not a file of a recording");
    ck_assert_int_eq(mkfifoat(scratch.fd, "fifo", 0600), 0);
    CHECK_FAILS(open_log("fifo", &reader), ERROR_BAD_DATA, "not a regular file");
    ck_assert_int_eq(mkdirat(scratch.fd, "folder", 0700), 0);
    CHECK_FAILS(open_log("folder", &reader), ERROR_BAD_DATA, "not a regular file");
}
END_TEST

START_TEST(test_create) {
    struct chunk_writer *writer = NULL;
    struct stat status;
    mode_t mask = umask(0);
    CHECK_OK(chunk_writer_close(create("log")));
    umask(mask);
    ck_assert_int_eq(fstatat(scratch.fd, "log", &status, 0), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    struct error *err = chunk_writer_create(scratch.fd, "log", CHUNK_FILE_LOG, &budget, &writer);
    ck_assert(err && err->errnum == EEXIST && strstr(err->message, scratch.path));
    error_free(err);
    ck_assert_ptr_null(writer);
}
END_TEST

/* Append until it fails; then the file must hold whole chunks, and exactly those that the writer claims. */
static struct error *fill(struct chunk_writer *writer, size_t size) {
    uint8_t record[512];
    struct error *err = NULL;
    for (uint64_t i = 0; !err && i < 100000; i++)
        err = chunk_writer_append(writer, record, make_record(i, size, record));
    ck_assert_ptr_nonnull(err);
    return err;
}

static void check_failed_writer(struct chunk_writer *writer, enum error_code code, const char *text) {
    uint64_t records = chunk_writer_records(writer), count;
    bool cut;
    struct stat status;
    ck_assert_uint_gt(records, 0);
    ck_assert_int_eq(fstatat(scratch.fd, "log", &status, 0), 0);
    ck_assert_uint_eq((uint64_t)status.st_size, chunk_writer_bytes(writer));
    ck_assert_uint_eq(budget.used, chunk_writer_bytes(writer));
    CHECK_FAILS(chunk_writer_append(writer, "x", 1), code, text);
    CHECK_FAILS(chunk_writer_flush(writer), code, text);
    CHECK_FAILS(chunk_writer_close(writer), code, text);
    CHECK_OK(read_all("log", 500, &count, &cut));
    ck_assert(count == records && !cut);
}

START_TEST(test_disk_full) {
    use_queue(_i);
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit = {.rlim_cur = 1000000, .rlim_max = RLIM_INFINITY};
    struct chunk_writer *writer = create("log");
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct error *err = fill(writer, 500);
    ck_assert(err->code == ERROR_SYSTEM && err->errnum == EFBIG &&
              strstr(err->message, "/log: cannot write"));
    error_free(err);
    check_failed_writer(writer, ERROR_SYSTEM, "/log: cannot write");
}
END_TEST

START_TEST(test_limit) {
    use_queue(_i);
    budget.limit = 1000000;
    struct chunk_writer *writer = create("log");
    CHECK_FAILS(fill(writer, 500), ERROR_LIMIT, "limit of 1000000 bytes");
    ck_assert_uint_le(budget.used, budget.limit);
    check_failed_writer(writer, ERROR_LIMIT, "limit of 1000000 bytes");
    /* Not even room for a header: no file is left behind. */
    budget = (struct size_budget){.limit = 10};
    CHECK_FAILS(chunk_writer_create(scratch.fd, "none", CHUNK_FILE_LOG, &budget, &writer), ERROR_LIMIT,
                "limit");
    ck_assert_int_ne(faccessat(scratch.fd, "none", F_OK, 0), 0);
}
END_TEST

/* Writers of several logs share a queue; what was pushed comes out in order, also what is less than a chunk.
 */
START_TEST(test_queue) {
    static const char *const names[] = {"a", "b", "c"};
    struct chunk_writer *writers[3];
    uint8_t record[100];
    use_queue(1);
    for (size_t i = 0; i < 3; i++)
        writers[i] = create(names[i]);
    for (uint64_t i = 0; i < 30000; i++)
        for (size_t k = 0; k < 3; k++) {
            CHECK_OK(chunk_writer_append(writers[k], record, make_record(i, sizeof(record), record)));
            if (i % 1000 == k)
                CHECK_OK(chunk_writer_push(writers[k]));
        }
    CHECK_OK(chunk_writer_push(writers[0]));
    ck_assert(!chunk_writer_pending(writers[0]));
    ck_assert_uint_eq(chunk_writer_records(writers[0]), 30000);
    for (size_t k = 0; k < 3; k++) {
        uint64_t count;
        bool cut;
        CHECK_OK(chunk_writer_close(writers[k]));
        CHECK_OK(read_all(names[k], sizeof(record), &count, &cut));
        ck_assert(count == 30000 && !cut);
    }
}
END_TEST

START_TEST(test_budget) {
    struct size_budget own = {.limit = 100};
    CHECK_OK(size_budget_take(&own, 100));
    CHECK_OK(size_budget_take(&own, 0));
    CHECK_FAILS(size_budget_take(&own, 1), ERROR_LIMIT, "100 bytes");
    CHECK_FAILS(size_budget_take(&own, UINT64_MAX), ERROR_LIMIT, "100 bytes");
    ck_assert_uint_eq(own.used, 100);
    own.limit = 0;
    CHECK_OK(size_budget_take(&own, UINT64_C(1) << 60));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("chunk");
    TCase *tests = tcase_create("chunk");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, test_round_trip, 0, 2);
    tcase_add_test(tests, test_when_chunks_are_written);
    tcase_add_test(tests, test_readable_while_written);
    tcase_add_test(tests, test_every_flip_is_seen);
    tcase_add_test(tests, test_every_truncation);
    tcase_add_test(tests, test_missing_chunk);
    tcase_add_test(tests, test_lies);
    tcase_add_test(tests, test_what_cannot_be_opened);
    tcase_add_test(tests, test_create);
    tcase_add_loop_test(tests, test_disk_full, 0, 2);
    tcase_add_loop_test(tests, test_limit, 0, 2);
    tcase_add_test(tests, test_queue);
    tcase_add_test(tests, test_budget);
    suite_add_tcase(suite, tests);
    return scratch_run(suite);
}
