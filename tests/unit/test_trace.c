/* trace: what is written is what was said, is whole at any time, and comes back; nothing else is ever
 * believed. */
#include "tests/unit/trace_text.h"
#include "trace/writer.h"

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static struct scratch scratch;
static char path[128];

static void setup(void) {
    scratch = scratch_create();
    snprintf(path, sizeof(path), "%s/trace.json", scratch.path);
}

static void teardown(void) {
    scratch_remove(&scratch);
}

#define BEGIN_NS UINT64_C(1768473045123456789) /* 2026-01-15T10:30:45.123456789 */

static struct trace_writer_options options_of(enum trace_format format) {
    static const char *const arguments[] = {"./shop", "--all", NULL};
    return (struct trace_writer_options){.path = path,
                                         .format = format,
                                         .facts = {.program = "/bin/shop",
                                                   .arguments = arguments,
                                                   .pid = 7,
                                                   .level = "full",
                                                   .options_json = "{\"max_depth\": 3}",
                                                   .started_ns = BEGIN_NS,
                                                   .ended_ns = BEGIN_NS + 1000000}};
}

/* Event i of a test; large ones have a long text. */
static void fill(struct trace_event *event, uint64_t i, size_t text_size) {
    static char text[1 << 16];
    memset(text, 'x', sizeof(text));
    trace_event_reset(event);
    event->type = (enum trace_type)(i % TRACE_TYPE_COUNT);
    event->timestamp_ns = BEGIN_NS + i * 1000;
    event->depth = (uint32_t)(i % 50);
    event->pid = 7;
    event->tid = (int32_t)(7 + i % 3);
    trace_data_unsigned(&event->data, "number", i);
    trace_data_text(&event->data, "text", text, text_size);
}

static void write_events(struct trace_writer *writer, uint64_t count, size_t text_size) {
    struct trace_event event = {0};
    for (uint64_t i = 0; i < count; i++) {
        fill(&event, i, text_size);
        CHECK_OK(trace_writer_write(writer, &event));
        ck_assert_uint_eq(event.seq, i + 1);
    }
    trace_event_deinit(&event);
}

static void check_bytes(const char *expected) {
    struct buffer text = {0};
    scratch_read(scratch.fd, "trace.json", &text);
    buffer_put_u8(&text, 0);
    ck_assert_str_eq((const char *)text.data, expected);
    buffer_deinit(&text);
}

/* The two events of the design. */
static void write_golden(enum trace_format format) {
    struct trace_writer *writer;
    struct trace_event event = {0};
    struct trace_writer_options options = options_of(format);
    CHECK_OK(trace_writer_create(&options, &writer));
    event.timestamp_ns = BEGIN_NS;
    event.pid = event.tid = 7;
    trace_data_string(&event.data, "function", "calculate_total");
    trace_data_open_object(&event.data, "arguments");
    trace_data_signed(&event.data, "price", 100);
    trace_data_double(&event.data, "tax_rate", 0.08);
    trace_data_close_object(&event.data);
    trace_data_string(&event.data, "file", "shop.c");
    trace_data_unsigned(&event.data, "line", 12);
    CHECK_OK(trace_writer_write(writer, &event));
    trace_event_reset(&event);
    event.type = TRACE_VARIABLE_ASSIGNMENT;
    event.timestamp_ns = BEGIN_NS + 1000;
    event.depth = 1;
    event.pid = event.tid = 7;
    trace_data_string(&event.data, "variable", "tax");
    trace_data_key(&event.data, "value");
    json_put_double(&event.data, 8);
    trace_data_string(&event.data, "type", "double");
    CHECK_OK(trace_writer_write(writer, &event));
    CHECK_OK(trace_writer_close(writer));
    trace_event_deinit(&event);
}

#define GOLDEN_1                                                                                             \
    "{\"seq\": 1, \"timestamp\": \"2026-01-15T10:30:45.123456\", \"type\": \"function_entry\", "             \
    "\"depth\": 0, \"pid\": 7, \"tid\": 7, \"data\": {\"function\": \"calculate_total\", "                   \
    "\"arguments\": {\"price\": 100, \"tax_rate\": 0.08}, \"file\": \"shop.c\", \"line\": 12}}"
#define GOLDEN_2                                                                                             \
    "{\"seq\": 2, \"timestamp\": \"2026-01-15T10:30:45.123457\", \"type\": \"variable_assignment\", "        \
    "\"depth\": 1, \"pid\": 7, \"tid\": 7, \"data\": {\"variable\": \"tax\", \"value\": 8.0, "               \
    "\"type\": \"double\"}}"
#define GOLDEN_METADATA                                                                                      \
    "{\"state\": \"complete\", \"total_events\": 2, \"dropped_events\": 0, \"by_type\": "                    \
    "{\"function_entry\": 1, \"variable_assignment\": 1}, \"max_depth\": 1, "                                \
    "\"started\": \"2026-01-15T10:30:45.123456\", \"ended\": \"2026-01-15T10:30:45.124456\", "               \
    "\"program\": \"/bin/shop\", \"arguments\": [\"./shop\", \"--all\"], \"pid\": 7, "                       \
    "\"level\": \"full\", \"options\": {\"max_depth\": 3}, \"clock\": \"CLOCK_REALTIME\", "                  \
    "\"reel_version\": \"0.1.0\"}"

START_TEST(test_golden) {
    write_golden(TRACE_JSON);
    check_bytes("{\"traces\": [\n  " GOLDEN_1 ",\n  " GOLDEN_2 "],\n \"metadata\": " GOLDEN_METADATA "}\n");
    cJSON_Delete(parse_file(scratch.fd, "trace.json"));
}
END_TEST

START_TEST(test_golden_lines) {
    write_golden(TRACE_JSONL);
    check_bytes(GOLDEN_1 "\n" GOLDEN_2 "\n{\"metadata\": " GOLDEN_METADATA "}\n");
}
END_TEST

/* Another parser, another language. */
START_TEST(test_python) {
    struct trace_writer *writer;
    struct trace_writer_options options = options_of(TRACE_JSON);
    char command[256];
    CHECK_OK(trace_writer_create(&options, &writer));
    write_events(writer, 500, 20);
    CHECK_OK(trace_writer_close(writer));
    snprintf(command, sizeof(command), "python3 -m json.tool %s > %s/tool.json", path, scratch.path);
    ck_assert_int_eq(system(command), 0);
    struct buffer text = {0};
    uint64_t count;
    scratch_read(scratch.fd, "tool.json", &text);
    CHECK_OK(count_events((const char *)text.data, text.size, &count));
    ck_assert_uint_eq(count, 500);
    buffer_deinit(&text);
}
END_TEST

/* ---- texts and numbers ---- */

static void check_escaped(const char *text, size_t size, const char *expected) {
    struct buffer buffer = {0};
    json_put_string(&buffer, text, size);
    buffer_put_u8(&buffer, 0);
    ck_assert_str_eq((const char *)buffer.data, expected);
    buffer_deinit(&buffer);
}

START_TEST(test_escaping) {
    check_escaped("", 0, "\"\"");
    check_escaped("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
    check_escaped("\b\t\n\v\f\r\x01\x1f\x7f", 9, "\"\\b\\t\\n\\u000b\\f\\r\\u0001\\u001f\\u007f\"");
    check_escaped("a\0b", 3, "\"a\\u0000b\"");
    check_escaped("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
#define BAD "\xef\xbf\xbd"
    check_escaped("\xff", 1, "\"" BAD "\"");
    check_escaped("\xc3", 1, "\"" BAD "\"");                         /* cut */
    check_escaped("\xc0\xaf", 2, "\"" BAD BAD "\"");                 /* overlong */
    check_escaped("\xe0\x80\xaf", 3, "\"" BAD BAD BAD "\"");         /* overlong */
    check_escaped("\xed\xa0\x80", 3, "\"" BAD BAD BAD "\"");         /* surrogate */
    check_escaped("\xf4\x90\x80\x80", 4, "\"" BAD BAD BAD BAD "\""); /* beyond U+10FFFF */
    check_escaped("\xe9t\xe9", 3, "\"" BAD "t" BAD "\"");            /* Latin-1 */
}
END_TEST

/* Whatever bytes a program has, the trace is JSON, and comes back as what was valid of it. */
START_TEST(test_any_bytes) {
    uint64_t state = 42;
    struct buffer text = {0}, back = {0};
    for (int round = 0; round < 2000; round++) {
        char bytes[64];
        size_t size = scratch_random(&state) % sizeof(bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (char)(scratch_random(&state) >> (round % 2 ? 56 : 57)); /* any, or ASCII */
        buffer_clear(&text);
        json_put_string(&text, bytes, size);
        cJSON *json = cJSON_ParseWithLength((const char *)text.data, text.size);
        ck_assert(cJSON_IsString(json) || memchr(bytes, 0, size));
        cJSON_Delete(json);
        struct trace_value value = {(const char *)text.data, text.size};
        ck_assert(trace_value_string(&value, &back));
        if (round % 2 == 0) {
            ck_assert_uint_eq(back.size, size);
            ck_assert(!size || !memcmp(back.data, bytes, size));
        }
    }
    buffer_deinit(&text);
    buffer_deinit(&back);
}
END_TEST

START_TEST(test_numbers) {
    struct buffer data = {0};
    trace_data_unsigned(&data, "a", UINT64_MAX);
    trace_data_signed(&data, "b", INT64_MIN);
    trace_data_double(&data, "c", 0.1);
    trace_data_double(&data, "d", 1e300);
    trace_data_double(&data, "e", -__builtin_inf());
    trace_data_double(&data, "f", __builtin_nan(""));
    trace_data_double(&data, "g", 1.0 / 3);
    trace_data_bool(&data, "h", true);
    trace_data_address(&data, "i", 0x7fff12);
    trace_data_string(&data, "j", NULL);
    trace_data_open_array(&data, "k");
    trace_data_item(&data);
    json_put_signed(&data, -1);
    trace_data_item(&data);
    json_put_unsigned(&data, 0);
    trace_data_close_array(&data);
    trace_data_string(&data, "\"\xff", "");
    buffer_put_u8(&data, 0);
    ck_assert_str_eq((const char *)data.data,
                     "\"a\": 18446744073709551615, \"b\": -9223372036854775808, \"c\": 0.1, \"d\": 1e+300, "
                     "\"e\": \"-inf\", \"f\": \"nan\", \"g\": 0.33333333333333331, \"h\": true, \"i\": "
                     "\"0x7fff12\", \"j\": null, \"k\": [-1, 0], \"\\\"" BAD "\": \"\"");
    buffer_deinit(&data);
}
END_TEST

/* Against libc's calendar. */
START_TEST(test_times) {
    uint64_t state = 7, back;
    for (int round = 0; round < 20000; round++) {
        uint64_t ns = round < 3 ? (uint64_t)round * 86400000000000 * 365
                                : scratch_random(&state) % UINT64_C(18000000000000000000);
        time_t seconds = (time_t)(ns / 1000000000);
        struct tm date;
        char ours[TRACE_TIME_SIZE + 1] = "", theirs[64];
        gmtime_r(&seconds, &date);
        size_t size = strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%S", &date);
        snprintf(theirs + size, sizeof(theirs) - size, ".%06u", (unsigned)(ns / 1000 % 1000000));
        trace_time_put(ns, ours);
        ck_assert_str_eq(ours, theirs);
        ck_assert(trace_time_parse(ours, TRACE_TIME_SIZE, &back));
        ck_assert_uint_eq(back, ns / 1000 * 1000);
    }
    ck_assert(trace_time_parse("2026-01-15 10:30:45Z", 20, &back));
    ck_assert_uint_eq(back, BEGIN_NS / 1000000000 * 1000000000);
    ck_assert(trace_time_parse("2026-01-15T10:30:45.123456789Z", 30, &back));
    ck_assert_uint_eq(back, BEGIN_NS);
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-13-15T10:30:45",
                                      "2026-01-15T25:30:45",
                                      "1969-12-31T23:59:59",
                                      "2026-01-15T10:30:45,1",
                                      "2026-01-15T10:30:45.1234567890",
                                      "9999-01-15T10:30:45"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!trace_time_parse(bad[i], strlen(bad[i]), &back), "%s", bad[i]);
}
END_TEST

/* ---- the writer ---- */

static void check_event(const struct trace_event *event, uint64_t i, size_t text_size) {
    struct trace_event expected = {0};
    fill(&expected, i, text_size);
    ck_assert_uint_eq(event->seq, i + 1);
    ck_assert_int_eq(event->type, expected.type);
    ck_assert_uint_eq(event->timestamp_ns, expected.timestamp_ns / 1000 * 1000);
    ck_assert_uint_eq(event->depth, expected.depth);
    ck_assert_int_eq(event->pid, expected.pid);
    ck_assert_int_eq(event->tid, expected.tid);
    ck_assert_uint_eq(event->data.size, expected.data.size);
    ck_assert_mem_eq(event->data.data, expected.data.data, expected.data.size);
    trace_event_deinit(&expected);
}

static void check_events(uint64_t count, size_t text_size) {
    struct trace_reader *reader;
    struct trace_event event = {0};
    bool more;
    CHECK_OK(trace_reader_open(path, &reader));
    for (uint64_t i = 0; i < count; i++) {
        CHECK_OK(trace_reader_next(reader, &event, &more));
        ck_assert(more);
        check_event(&event, i, text_size);
    }
    CHECK_OK(trace_reader_next(reader, &event, &more));
    ck_assert(!more);
    trace_event_deinit(&event);
    trace_reader_close(reader);
}

/* Both forms, with and without a thread, small and large blocks, small and large events. */
START_TEST(test_round_trip) {
    static const size_t sizes[] = {0, 100, 5000, 60000};
    for (int variant = 0; variant < 16; variant++) {
        struct trace_writer *writer;
        struct trace_writer_options options = options_of(variant & 1 ? TRACE_JSONL : TRACE_JSON);
        size_t size = sizes[variant >> 2];
        options.async_write = variant & 2;
        options.buffer_size = variant & 4 ? 1 << 16 : 1;
        CHECK_OK(trace_writer_create(&options, &writer));
        write_events(writer, 300, size);
        struct trace_totals totals = trace_writer_totals(writer);
        ck_assert_uint_eq(totals.events, 300);
        ck_assert_uint_eq(totals.max_depth, 49);
        CHECK_OK(trace_writer_close(writer));
        check_events(300, size);
    }
}
END_TEST

/* After each flush the file is whole, and says how much is in it. A longer file that was there before is
 * gone. */
START_TEST(test_whole_at_any_time) {
    static char old[1 << 17];
    memset(old, '{', sizeof(old));
    scratch_write(scratch.fd, "trace.json", old, sizeof(old));
    struct trace_writer *writer;
    struct trace_event event = {0};
    struct trace_writer_options options = options_of(TRACE_JSON);
    CHECK_OK(trace_writer_create(&options, &writer));
    for (uint64_t i = 0; i < 40; i++) {
        cJSON *json = parse_file(scratch.fd, "trace.json");
        const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(json, "metadata");
        ck_assert_uint_eq((uint64_t)cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "traces")), i);
        ck_assert_uint_eq((uint64_t)number_at(metadata, "total_events"), i);
        ck_assert_str_eq(string_at(metadata, "state"), "writing");
        cJSON_Delete(json);
        fill(&event, i, i * 100);
        CHECK_OK(trace_writer_write(writer, &event));
        CHECK_OK(trace_writer_flush(writer));
    }
    trace_event_deinit(&event);
    /* Facts that are shorter than those before leave nothing behind. */
    CHECK_OK(trace_writer_set_facts(writer, &(struct trace_facts){.program = "x"}));
    CHECK_OK(trace_writer_close(writer));
    cJSON *json = parse_file(scratch.fd, "trace.json");
    ck_assert_str_eq(string_at(cJSON_GetObjectItemCaseSensitive(json, "metadata"), "state"), "complete");
    ck_assert_str_eq(string_at(cJSON_GetObjectItemCaseSensitive(json, "metadata"), "program"), "x");
    cJSON_Delete(json);
}
END_TEST

/* The limit is kept, the last event says so, and what is missing is counted. */
START_TEST(test_limit) {
    for (uint64_t max = 1500; max < 40000; max += max / 7) {
        struct trace_writer *writer;
        struct trace_event event = {0};
        struct trace_writer_options options = options_of(TRACE_JSON);
        options.max_size = max;
        options.buffer_size = 4096;
        struct error *err = trace_writer_create(&options, &writer);
        if (max < 2000 && err) {
            CHECK_FAILS(err, ERROR_USAGE, "no room");
            continue;
        }
        CHECK_OK(err);
        for (uint64_t i = 0; i < 400; i++) {
            fill(&event, i, 50);
            CHECK_OK(trace_writer_write(writer, &event));
        }
        trace_event_deinit(&event);
        ck_assert(trace_writer_full(writer));
        trace_writer_drop(writer, 5);
        CHECK_OK(trace_writer_close(writer));
        struct stat status;
        ck_assert_int_eq(stat(path, &status), 0);
        ck_assert_uint_le((uint64_t)status.st_size, max);
        cJSON *json = parse_file(scratch.fd, "trace.json");
        const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(json, "metadata");
        const cJSON *events = cJSON_GetObjectItemCaseSensitive(json, "traces");
        const cJSON *last = cJSON_GetArrayItem(events, cJSON_GetArraySize(events) - 1);
        ck_assert_str_eq(string_at(last, "type"), "note");
        ck_assert_str_eq(string_at(cJSON_GetObjectItemCaseSensitive(last, "data"), "kind"), "limit");
        ck_assert_int_eq((int)number_at(metadata, "total_events"), cJSON_GetArraySize(events));
        ck_assert_int_eq((int)number_at(metadata, "dropped_events"), 405 - (cJSON_GetArraySize(events) - 1));
        cJSON_Delete(json);
    }
    struct trace_writer *writer = NULL;
    struct trace_writer_options options = options_of(TRACE_JSON);
    options.max_size = 100;
    unlink(path);
    CHECK_FAILS(trace_writer_create(&options, &writer), ERROR_USAGE, "no room for events");
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* ---- failures ---- */

/* Write until it fails: one error; afterwards the file is whole and everything is accounted for. */
static void check_failure(const struct trace_writer_options *options, int errnum) {
    struct trace_writer *writer;
    struct trace_event event = {0};
    unsigned errors = 0;
    uint64_t offered = 20000;
    CHECK_OK(trace_writer_create(options, &writer));
    for (uint64_t i = 0; i < offered; i++) {
        fill(&event, i, 100);
        struct error *err = trace_writer_write(writer, &event);
        if (err) /* not with each event: Check writes a file, too */
            ck_assert_msg(err->code == ERROR_SYSTEM && err->errnum == errnum, "%s", err->message);
        errors += err != NULL;
        error_free(err);
    }
    trace_event_deinit(&event);
    ck_assert_uint_eq(errors, 1);
    ck_assert(trace_writer_full(writer));
    CHECK_OK(trace_writer_flush(writer));
    CHECK_OK(trace_writer_close(writer));
    int dirfd = open(options->path[0] == '/' ? "/" : ".", O_RDONLY | O_CLOEXEC);
    cJSON *json = parse_file(dirfd, options->path + 1);
    close(dirfd);
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(json, "metadata");
    int written = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "traces"));
    ck_assert_int_gt(written, 0);
    ck_assert_int_eq((int)number_at(metadata, "total_events"), written);
    ck_assert_int_eq((int)number_at(metadata, "dropped_events"), (int)offered - written);
    ck_assert_str_eq(string_at(metadata, "state"), "failed");
    cJSON_Delete(json);
}

START_TEST(test_file_size_limit) {
    struct trace_writer_options options = options_of(TRACE_JSON);
    struct rlimit limit = {.rlim_cur = 300000, .rlim_max = RLIM_INFINITY};
    options.buffer_size = 50000;
    options.async_write = _i;
    options.guard = true;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    check_failure(&options, EFBIG);
}
END_TEST

START_TEST(test_disk_full) {
    char small[160], file[192];
    struct trace_writer_options options = options_of(TRACE_JSON);
    snprintf(small, sizeof(small), "%s/small", scratch.path);
    snprintf(file, sizeof(file), "%s/trace.json", small);
    ck_assert_int_eq(mkdir(small, 0700), 0);
    if (mount("none", small, "tmpfs", 0, "size=256k") < 0)
        return; /* not root: test_file_size_limit shows much the same */
    options.path = file;
    options.buffer_size = 70000;
    options.async_write = _i;
    check_failure(&options, ENOSPC);
    umount(small);
}
END_TEST

START_TEST(test_what_cannot_be_written) {
    struct trace_writer *writer;
    struct trace_writer_options options = options_of(TRACE_JSON);
    options.path = "/dev/full";
    CHECK_FAILS(trace_writer_create(&options, &writer), ERROR_SYSTEM, "/dev/full: No space");
    options.path = "/nowhere/at/all";
    CHECK_FAILS(trace_writer_create(&options, &writer), ERROR_SYSTEM, "/nowhere/at/all");
    options.path = scratch.path;
    CHECK_FAILS(trace_writer_create(&options, &writer), ERROR_SYSTEM, "directory");
    CHECK_OK(trace_writer_close(NULL));
    enum trace_format format;
    CHECK_FAILS(trace_format_find("xml", &format), ERROR_USAGE, "xml");
}
END_TEST

/* A pipe gets the same bytes as a file, the tail once; a reader that goes away is an error and no signal. */
START_TEST(test_pipe) {
    char name[64];
    int ends[2];
    struct trace_writer *writer;
    struct trace_writer_options options = options_of(TRACE_JSON);
    ck_assert_int_eq(pipe(ends), 0);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", ends[1]);
    options.path = name;
    options.async_write = options.guard = true;
    CHECK_OK(trace_writer_create(&options, &writer));
    write_events(writer, 20, 10);
    CHECK_OK(trace_writer_flush(writer));
    CHECK_OK(trace_writer_close(writer));
    static char text[1 << 16];
    ssize_t size = read(ends[0], text, sizeof(text));
    uint64_t count;
    CHECK_OK(count_events(text, (size_t)size, &count));
    ck_assert_uint_eq(count, 20);
    CHECK_OK(trace_writer_create(&options, &writer));
    close(ends[0]);
    close(ends[1]);
    struct trace_event event = {0};
    CHECK_OK(trace_writer_write(writer, &event));
    CHECK_FAILS(trace_writer_flush(writer), ERROR_SYSTEM, "pipe");
    CHECK_OK(trace_writer_close(writer));
    trace_event_deinit(&event);
}
END_TEST

/* Without Check's macros: they write into a file that is the parent's, too. */
static void __attribute__((noreturn)) write_forever(void) {
    struct trace_writer *writer;
    struct trace_event event = {0};
    struct trace_writer_options options = options_of(TRACE_JSON);
    options.guard = options.async_write = true;
    options.buffer_size = 1 << 18;
    struct error *err = trace_writer_create(&options, &writer);
    for (uint64_t i = 0; !err; i++) {
        fill(&event, i, 30);
        err = trace_writer_write(writer, &event);
    }
    _exit(1);
}

static bool is_whole(void) {
    struct buffer text = {0};
    uint64_t count;
    scratch_read(scratch.fd, "trace.json", &text);
    struct error *err = count_events((const char *)text.data, text.size, &count);
    bool whole = !err && count > 0;
    error_free(err);
    buffer_deinit(&text);
    return whole;
}

/* The guard needs a moment; a minute is for machines that hang. */
START_TEST(test_killed) {
    for (int round = 0; round < 12; round++) {
        struct stat status = {0};
        unlink(path);
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (!pid)
            write_forever();
        while (stat(path, &status) < 0 || status.st_size < 1 << 20)
            usleep(1000);
        usleep((useconds_t)round * 700);
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        int waits = 0;
        while (!is_whole() && waits++ < 600)
            usleep(100000);
        ck_assert_msg(waits < 600, "not whole");
    }
}
END_TEST

/* The memory does not grow with the trace. */
START_TEST(test_memory) {
    struct trace_writer *writer;
    struct rusage before, after;
    struct trace_writer_options options = options_of(TRACE_JSON);
    options.path = "/dev/null";
    CHECK_OK(trace_writer_create(&options, &writer));
    write_events(writer, 20000, 100);
    getrusage(RUSAGE_SELF, &before);
    struct trace_event event = {0};
    for (uint64_t i = 0; i < 200000; i++) {
        trace_event_reset(&event);
        trace_data_string(&event.data, "function", "f");
        CHECK_OK(trace_writer_write(writer, &event));
    }
    trace_event_deinit(&event);
    getrusage(RUSAGE_SELF, &after);
    CHECK_OK(trace_writer_close(writer));
    ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 2048);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trace");
    TCase *tests = tcase_create("trace");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, test_golden);
    tcase_add_test(tests, test_golden_lines);
    tcase_add_test(tests, test_python);
    tcase_add_test(tests, test_escaping);
    tcase_add_test(tests, test_any_bytes);
    tcase_add_test(tests, test_numbers);
    tcase_add_test(tests, test_times);
    tcase_add_test(tests, test_round_trip);
    tcase_add_test(tests, test_whole_at_any_time);
    tcase_add_test(tests, test_limit);
    tcase_add_loop_test(tests, test_file_size_limit, 0, 2);
    tcase_add_loop_test(tests, test_disk_full, 0, 2);
    tcase_add_test(tests, test_what_cannot_be_written);
    tcase_add_test(tests, test_pipe);
    tcase_add_test(tests, test_killed);
    tcase_add_test(tests, test_memory);
    suite_add_tcase(suite, tests);
    return scratch_run(suite);
}
