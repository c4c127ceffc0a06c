/* summary, merge and the reader: what is read is what stands there, in any layout; damage is one error with
 * its place, after all that came before; calls are paired and times add up. */
#include "tests/unit/trace_text.h"
#include "trace/merge.h"
#include "trace/summary.h"

static struct scratch scratch;

static void setup(void) {
    scratch = scratch_create();
}

static void teardown(void) {
    scratch_remove(&scratch);
}

/* ---- the reader ---- */

#define TIME  "\"timestamp\": \"2026-01-15T10:30:45.000001\""
#define EVENT "{" TIME ", \"type\": \"note\", \"data\": {\"a\": [1, \"}\"]}}"

static void check_reads(const char *text, uint64_t expected) {
    uint64_t count;
    struct error *err = count_events(text, strlen(text), &count);
    ck_assert_msg(!err, "%s: %s", text, err ? err->message : "");
    ck_assert_msg(count == expected, "%s: %d events", text, (int)count);
}

START_TEST(test_layouts) {
    check_reads("{\"traces\": [], \"metadata\": {}}", 0);
    check_reads("{\"traces\":[" EVENT "," EVENT "],\"metadata\":{}}", 2);
    check_reads("{\"metadata\":{}, \"other\": [1, {}], \"traces\":[" EVENT "]}\n", 1);
    check_reads("[" EVENT ",\n\t" EVENT "]", 2);
    check_reads(EVENT "\n" EVENT "\n{\"metadata\": {}}\n", 2);
    check_reads(EVENT EVENT, 2);
    check_reads("{\"metadata\": {}}", 0);
    check_reads("{\n\"data\"\r\n:\t{ } , \"type\" : \"note\",\"host\": -1.5e+3, " TIME "}", 1);
}
END_TEST

static void check_fails(const char *text, uint64_t before, const char *why) {
    uint64_t count;
    CHECK_FAILS(count_events(text, strlen(text), &count), ERROR_BAD_DATA, why);
    ck_assert_msg(count == before, "%s: %d events before", text, (int)count);
}

START_TEST(test_hostile) {
    check_fails("", 0, "no trace in it");
    check_fails("  \n", 0, "byte 3");
    check_fails("x", 0, "expected '{'");
    check_fails("{}", 0, "without \"timestamp\"");
    check_fails("{" TIME "}", 0, "without \"type\"");
    check_fails("[" EVENT ", {" TIME ", \"type\": \"what\"}]", 1, "type of event");
    check_fails("[" EVENT " " EVENT "]", 1, "expected ','");
    check_fails("[" EVENT ",]", 1, "expected '{'");
    check_fails("[" EVENT "] x", 1, "expected '{'");
    check_fails("[{" TIME ", " TIME "}]", 0, "twice");
    check_fails("[{\"timestamp\": 5}]", 0, "no time");
    check_fails("[{\"data\": []}]", 0, "no object");
    check_fails("[{\"pid\": -1}]", 0, "process ID");
    check_fails("[{\"seq\": 18446744073709551616}]", 0, "whole number");
    check_fails("[{\"depth\": 1e3}]", 0, "whole number");
    check_fails("[{\"x\": 01}]", 0, "begins with 0");
    check_fails("[{\"x\": 1.}]", 0, "digit");
    check_fails("[{\"x\": tru}]", 0, "value");
    check_fails("[{\"x\": \"\\x\"}]", 0, "escape");
    check_fails("[{\"x\": \"\\u12g4\"}]", 0, "hexadecimal");
    check_fails("[{\"x\": \"\n\"}]", 0, "control");
    check_fails("[{\"x\": \"\xc0\xaf\"}]", 0, "UTF-8");
    check_fails("[{\"x\": [1,]}]", 0, "value");
    check_fails("{\"metadata\": 1}", 0, "no object");
    check_fails("[" EVENT, 1, "cut off at byte");
}
END_TEST

/* Nesting up to the limit is read, and beyond it refused, however deep. */
START_TEST(test_nesting) {
    for (size_t depth = TRACE_NESTING_MAX - 1; depth < 300000; depth += 299000) {
        struct buffer text = {0};
        uint64_t count;
        buffer_put(&text, "[{\"x\": ", 7);
        for (size_t i = 0; i < depth; i++)
            buffer_put_u8(&text, '[');
        for (size_t i = 0; i < depth; i++)
            buffer_put_u8(&text, ']');
        buffer_put(&text, ", " TIME ", \"type\": \"note\"}]", strlen(", " TIME ", \"type\": \"note\"}]"));
        if (depth < TRACE_NESTING_MAX)
            CHECK_OK(count_events((const char *)text.data, text.size, &count));
        else
            CHECK_FAILS(count_events((const char *)text.data, text.size, &count), ERROR_BAD_DATA, "too deep");
        buffer_deinit(&text);
    }
}
END_TEST

/* A cut anywhere is told, but for the end itself, and all whole events before it are delivered. */
START_TEST(test_every_truncation) {
    static const char text[] = "{\"traces\": [" EVENT ", " EVENT "], \"metadata\": {\"a\": 1}}";
    uint64_t most = 0;
    for (size_t size = 1; size < sizeof(text) - 1; size++) {
        uint64_t count;
        CHECK_FAILS(count_events(text, size, &count), ERROR_BAD_DATA, "cut off");
        ck_assert_uint_ge(count, most);
        most = count;
    }
    ck_assert_uint_eq(most, 2);
}
END_TEST

/* Tokens that straddle the reader's windows are read as others are. */
START_TEST(test_windows) {
    static const char event[] = "{" TIME ", \"type\": \"note\", \"data\": {\"k\": \"\xe2\x82\xac\\u20ac\"}}";
    for (size_t pad = 65536 - sizeof(event); pad < 65536 + 4; pad++) {
        struct buffer text = {0};
        struct trace_event read = {0};
        bool more;
        memset(buffer_reserve(&text, pad), ' ', pad);
        text.size = pad;
        buffer_put(&text, event, sizeof(event) - 1);
        struct trace_reader *reader = reader_of((const char *)text.data, text.size);
        CHECK_OK(trace_reader_next(reader, &read, &more));
        ck_assert(more && read.data.size == 16);
        ck_assert_mem_eq(read.data.data, "\"k\": \"\xe2\x82\xac\\u20ac\"", 16);
        trace_event_deinit(&read);
        trace_reader_close(reader);
        buffer_deinit(&text);
    }
}
END_TEST

/* A value is taken whole exactly if copying it changes nothing and something is behind it. */
static void check_whole(const uint8_t *text, size_t size) {
    struct json whole = json_of(text, size), copied = json_of(text, size);
    struct buffer copy = {0};
    const char *taken;
    size_t taken_size;
    int fds[] = {whole.fd, copied.fd};
    bool is_whole = json_take_whole(&whole, &taken, &taken_size);
    json_copy(&copied, &copy);
    bool same = !json_failed(&copied) && copied.at >= copy.size &&
                !memcmp(copied.window + copied.at - copy.size, copy.data, copy.size);
    bool number = copy.size && strchr("-0123456789", copy.data[0]);
    if (is_whole)
        ck_assert_msg(same && taken_size == copy.size && !memcmp(taken, copy.data, copy.size) &&
                          whole.at == copied.at,
                      "taken: %.*s", (int)size, (const char *)text);
    else
        ck_assert_msg(!same || (number && copied.at == size), "not taken: %.*s", (int)size,
                      (const char *)text);
    ck_assert(!json_failed(&whole));
    buffer_deinit(&copy);
    json_deinit(&whole);
    json_deinit(&copied);
    close(fds[0]);
    close(fds[1]);
}

/* Each value cut off at each byte, and with each byte made another one. */
START_TEST(test_whole_values) {
    static const char *const values[] = {
        "{\"a\": [1, -2.5e+10, true, false, null, {}, []], \"b\": {\"c\": \"d\"}} ",
        "\"\\u12aF \\n\\\\\\\" \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 a long stretch of text \x7f\" ",
        "[[[[0]]]]  ",
        "[[[[[0]]]]] ",
        "[0.5, 1E5, 1e-5, 0, 12345678901234567890]\n",
        "0 ",
        "-0.0e0]",
        "true,",
        "[\"\", \"\", \"x\"]\t",
    };
    static const char bytes[] = " \"\\{}[],:-+.0e1u\x1f\x80\xc3\xffn";
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        size_t size = strlen(values[i]);
        check_whole((const uint8_t *)values[i], size);
        for (size_t at = 0; at < size; at++) {
            uint8_t text[128];
            check_whole((const uint8_t *)values[i], at);
            for (size_t k = 0; k < sizeof(bytes); k++) {
                memcpy(text, values[i], size);
                text[at] = (uint8_t)bytes[k];
                check_whole(text, size);
            }
        }
    }
}
END_TEST

/* What other tools make of a trace is read as the trace itself is: keys in another order, other white space,
 * and a first part that is as the writer writes it. */
START_TEST(test_other_forms) {
    static const char *const forms[] = {
        "{\"seq\": 3, \"timestamp\": \"2026-01-15T10:30:45\", \"type\": \"note\", \"depth\": 2, \"pid\": 7, "
        "\"tid\": 8, \"data\": {\"a\": [1, 2]}, \"x\": {\"y\": 1}}",
        "{\"seq\":3,\"timestamp\":\"2026-01-15T10:30:45\",\"type\":\"note\",\"depth\":2,\"pid\":7,\"tid\":8,"
        "\"data\":{\"a\":[1,2]},\"x\":{\"y\":1}}",
        "{\n  \"seq\": 3,\n  \"timestamp\": \"2026-01-15T10:30:45\",\n  \"type\": \"note\",\n  \"depth\": "
        "2,\n"
        "  \"pid\": 7,\n  \"tid\": 8,\n  \"data\": {\n    \"a\": [\n      1,\n      2\n    ]\n  },\n  \"x\": "
        "{\n"
        "    \"y\": 1\n  }\n}",
        "{\"seq\": 3, \"timestamp\": \"2026-01-15T10:30:45\", \"x\": {\"y\" : 1}, \"tid\": 8, \"pid\" :7,\t"
        "\"type\": \"note\", \"data\": {\"a\": [1,2]}, \"depth\": 2}",
        "{\"data\": {\"a\": [1, 2] }, \"seq\": 3, \"timestamp\": \"2026-01-15T10:30:45\", \"type\": "
        "\"note\", "
        "\"depth\": 2, \"pid\": 7, \"tid\": 8, \"x\": { \"y\": 1}}",
    };
    for (size_t i = 0; i < 2 * sizeof(forms) / sizeof(forms[0]); i++) {
        struct buffer text = {0};
        struct trace_event read = {0};
        bool more;
        buffer_put(&text, "[", i % 2);
        buffer_put(&text, forms[i / 2], strlen(forms[i / 2]));
        buffer_put(&text, "]", i % 2);
        struct trace_reader *reader = reader_of((const char *)text.data, text.size);
        CHECK_OK(trace_reader_next(reader, &read, &more));
        ck_assert(more && read.seq == 3 && read.type == TRACE_NOTE && read.has_depth && read.depth == 2);
        ck_assert(read.pid == 7 && read.tid == 8 && read.timestamp_ns == UINT64_C(1768473045000000000));
        ck_assert(read.data.size == 11 && !memcmp(read.data.data, "\"a\": [1, 2]", 11));
        ck_assert(read.extra.size == 13 && !memcmp(read.extra.data, "\"x\": {\"y\": 1}", 13));
        CHECK_OK(trace_reader_next(reader, &read, &more));
        ck_assert(!more);
        trace_event_deinit(&read);
        trace_reader_close(reader);
        buffer_deinit(&text);
    }
    uint64_t count;
    static const char twice[] =
        "{\"seq\": 3, \"timestamp\": \"2026-01-15T10:30:45\", \"type\": \"note\", \"seq\": 4}";
    CHECK_FAILS(count_events(twice, sizeof(twice) - 1, &count), ERROR_BAD_DATA, "same key twice");
}
END_TEST

START_TEST(test_values) {
    static const char data[] =
        "\"a\": \"\\ud83d\\ude00\\ud800\\n\\u0041\\/\", \"b\": {\"c\": 1, \"d\": \"}\"}, \"c\": 42";
    struct trace_event event = {.data = {.data = (uint8_t *)(uintptr_t)data, .size = sizeof(data) - 1}};
    struct trace_value value;
    struct buffer text = {0};
    uint64_t number;
    ck_assert(trace_data_find(&event, "a", &value) && trace_value_string(&value, &text));
    ck_assert_uint_eq(text.size, 10);
    ck_assert_mem_eq(text.data, "\xf0\x9f\x98\x80\xef\xbf\xbd\nA/", 10);
    ck_assert(trace_data_find(&event, "c", &value) && trace_value_unsigned(&value, &number) && number == 42);
    ck_assert(!trace_data_find(&event, "d", &value));
    ck_assert(trace_data_find(&event, "b", &value) && !trace_value_unsigned(&value, &number));
    ck_assert(!trace_value_string(&value, &text));
    buffer_deinit(&text);
}
END_TEST

/* ---- the summary ---- */

/* One event, as a line: microseconds, type, depth (< 0: none), tid, data. */
static void put_line(struct buffer *text, unsigned us, const char *type, int depth, int tid,
                     const char *data) {
    char line[512], depth_text[32] = "";
    if (depth >= 0)
        snprintf(depth_text, sizeof(depth_text), "\"depth\": %d, ", depth);
    int size = snprintf(line, sizeof(line),
                        "{\"timestamp\": \"2026-01-15T10:30:45.%06u\", \"type\": \"%s\", %s\"pid\": 7, "
                        "\"tid\": %d, \"data\": {%s}}\n",
                        us, type, depth_text, tid, data);
    ck_assert_int_lt(size, (int)sizeof(line));
    buffer_put(text, line, (size_t)size);
}

static void put_call(struct buffer *text, unsigned us, bool entry, int depth, const char *function) {
    char data[256];
    snprintf(data, sizeof(data), "\"function\": \"%s\"", function);
    put_line(text, us, entry ? "function_entry" : "function_exit", depth, 7, data);
}

/* The summary of text as JSON; the text form must keep to 80 columns. Frees text. */
static cJSON *summarize(struct buffer *text) {
    struct trace_reader *reader = reader_of((const char *)text->data, text->size);
    struct summary *summary;
    struct buffer out = {0};
    const struct summary_options options = {.name = "text"};
    CHECK_OK(summary_create(&summary));
    CHECK_OK(summary_read(summary, reader));
    summary_print(summary, &options, &out);
    size_t column = 0;
    for (size_t i = 0; i < out.size; i++) {
        column = out.data[i] == '\n' ? 0 : column + ((out.data[i] & 0xc0) != 0x80);
        ck_assert_msg(column <= 80, "longer than 80 columns: %.*s", (int)i, (const char *)out.data);
    }
    buffer_clear(&out);
    summary_print_json(summary, &options, &out);
    cJSON *json = cJSON_ParseWithLength((const char *)out.data, out.size);
    ck_assert_msg(json != NULL, "%.*s", (int)out.size, (const char *)out.data);
    buffer_deinit(&out);
    buffer_deinit(text);
    summary_destroy(summary);
    trace_reader_close(reader);
    return json;
}

static const cJSON *function_of(const cJSON *json, const char *name) {
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(
                                json, "functions")) if (!strcmp(string_at(row, "function"), name)) return row;
    ck_abort_msg("no function %s", name);
}

static void check_function(const cJSON *json, const char *name, int calls, int total_us, int own_us) {
    const cJSON *row = function_of(json, name);
    ck_assert_int_eq((int)number_at(row, "calls"), calls);
    ck_assert_int_eq((int)number_at(row, "total_ns"), total_us * 1000);
    ck_assert_int_eq((int)number_at(row, "own_ns"), own_us * 1000);
}

/* main 0-100 calls f 10-90, which calls itself 20-60, which calls g 30-40. */
START_TEST(test_recursion) {
    for (int with_depth = 0; with_depth < 2; with_depth++) {
        struct buffer text = {0};
        static const struct {
            unsigned us;
            bool entry;
            int depth;
            const char *name;
        } calls[] = {{0, true, 0, "main"}, {10, true, 1, "f"},  {20, true, 2, "f"},  {30, true, 3, "g"},
                     {40, false, 3, "g"},  {60, false, 2, "f"}, {90, false, 1, "f"}, {100, false, 0, "main"}};
        for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
            put_call(&text, calls[i].us, calls[i].entry, with_depth ? calls[i].depth : -1, calls[i].name);
        cJSON *json = summarize(&text);
        check_function(json, "main", 1, 100, 20);
        check_function(json, "f", 2, 80, 70);
        check_function(json, "g", 1, 10, 10);
        ck_assert_int_eq((int)number_at(cJSON_GetObjectItemCaseSensitive(json, "deepest_stack"), "calls"), 4);
        ck_assert_int_eq((int)number_at(json, "without_exit"), 0);
        cJSON_Delete(json);
    }
}
END_TEST

/* longjmp from c over b into a; a call still open at the end; an exit whose entry was before the trace. */
START_TEST(test_unpaired) {
    struct buffer text = {0};
    put_line(&text, 5, "function_exit", 4, 7, "\"function\": \"early\", \"duration_ns\": 7000");
    put_call(&text, 10, true, 0, "a");
    put_call(&text, 20, true, 1, "b");
    put_call(&text, 30, true, 2, "c");
    put_call(&text, 40, true, 1, "d"); /* b and c cannot be open any more */
    put_call(&text, 50, false, 1, "d");
    put_call(&text, 60, false, 0, "a");
    put_call(&text, 70, true, 0, "last");
    put_line(&text, 80, "note", 0, 7, "");
    cJSON *json = summarize(&text);
    check_function(json, "early", 1, 7, 7);
    check_function(json, "a", 1, 50, 20);
    check_function(json, "b", 1, 20, 10);
    check_function(json, "c", 1, 10, 10);
    check_function(json, "d", 1, 10, 10);
    check_function(json, "last", 1, 10, 10);
    ck_assert_int_eq((int)number_at(json, "without_exit"), 3);
    ck_assert_int_eq((int)number_at(json, "without_entry"), 1);
    cJSON_Delete(json);
}
END_TEST

/* Threads do not mix; duration_ns goes before timestamps; exits find the file of their entry; exceptions
 * count. */
START_TEST(test_threads) {
    struct buffer text = {0};
    put_line(&text, 10, "function_entry", 0, 7, "\"function\": \"f\", \"file\": \"a.c\"");
    put_line(&text, 20, "function_entry", 0, 8, "\"function\": \"f\", \"file\": \"b.c\"");
    put_line(&text, 30, "exception", 1, 8, "\"kind\": \"throw\", \"type\": \"int\", \"function\": \"f\"");
    put_line(&text, 40, "function_exit", 0, 7, "\"function\": \"f\", \"duration_ns\": 31000");
    put_line(&text, 60, "thread_exit", 0, 8, "");
    static const char metadata[] = "{\"metadata\": {\"dropped_events\": 9, \"program\": \"./p\"}}";
    buffer_put(&text, metadata, strlen(metadata));
    cJSON *json = summarize(&text);
    const cJSON *functions = cJSON_GetObjectItemCaseSensitive(json, "functions");
    ck_assert_int_eq(cJSON_GetArraySize(functions), 2);
    ck_assert_str_eq(string_at(cJSON_GetArrayItem(functions, 0), "file"), "b.c");
    ck_assert_int_eq((int)number_at(cJSON_GetArrayItem(functions, 0), "total_ns"), 40000);
    ck_assert_int_eq((int)number_at(cJSON_GetArrayItem(functions, 1), "total_ns"), 31000);
    ck_assert_int_eq((int)number_at(json, "dropped_events"), 9);
    ck_assert_str_eq(string_at(json, "program"), "./p");
    const cJSON *exceptions = cJSON_GetObjectItemCaseSensitive(json, "exceptions");
    ck_assert_str_eq(string_at(cJSON_GetArrayItem(exceptions, 0), "exception"), "throw int in f");
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "threads")), 2);
    cJSON_Delete(json);
}
END_TEST

/* Deeper than the tree, with names that are long and bad for terminals. */
START_TEST(test_deep) {
    struct buffer text = {0};
    enum { DEPTH = 20000 };
    for (int i = 0; i < DEPTH; i++)
        put_call(&text, 0, true, i,
                 i % 2 ? "\\u001b[31m\xc3\xa9verylongverylongverylongverylongverylongverylongverylong<int>"
                       : "f");
    for (int i = DEPTH; i-- > 0;)
        put_call(&text, 5, false, i,
                 i % 2 ? "\\u001b[31m\xc3\xa9verylongverylongverylongverylongverylongverylongverylong<int>"
                       : "f");
    cJSON *json = summarize(&text);
    check_function(json, "f", DEPTH / 2, 5, 0);
    ck_assert_int_eq((int)number_at(cJSON_GetObjectItemCaseSensitive(json, "deepest_stack"), "calls"), DEPTH);
    ck_assert_int_eq((int)number_at(json, "without_exit"), 0);
    cJSON_Delete(json);
}
END_TEST

/* ---- merging ---- */

static void write_text(const char *name, const char *text, char *ret_path) {
    scratch_write(scratch.fd, name, text, strlen(text));
    snprintf(ret_path, 128, "%s/%s", scratch.path, name);
}

#define AT(us, name)                                                                                         \
    "{\"timestamp\": \"2026-01-15T10:30:45.00000" us                                                         \
    "\", \"type\": \"note\", \"pid\": 1, \"tid\": 1, \"data\": {\"n\": \"" name "\"}, \"x\": 1}"

START_TEST(test_merge) {
    char a[128], b[128], out[128];
    const char *const paths[] = {a, b};
    struct trace_totals totals;
    write_text("a",
               "{\"traces\": [" AT("1", "a1") "," AT("5", "a2") "," AT(
                   "2", "a3") "], \"metadata\": {\"dropped_events\": 2, "
                              "\"started\": \"2026-01-15T10:30:44\", \"program\": \"./p\", \"arguments\": "
                              "[\"p\", \"q\"]}}",
               a);
    write_text("b", AT("1", "b1") AT("3", "b2") AT("5", "b3") "{\"type\"", b);
    snprintf(out, sizeof(out), "%s/out", scratch.path);
    const struct trace_writer_options options = {.path = out};
    CHECK_FAILS(trace_merge(paths, 2, &options, &totals), ERROR_BAD_DATA, "b: cut off");
    ck_assert_uint_eq(totals.events, 6);
    cJSON *json = parse_file(scratch.fd, "out");
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(json, "metadata"), *event;
    static const char *const order[] = {"a1", "b1", "b2", "a2", "a3", "b3"};
    int at = 0;
    cJSON_ArrayForEach(event, cJSON_GetObjectItemCaseSensitive(json, "traces")) {
        ck_assert_str_eq(string_at(cJSON_GetObjectItemCaseSensitive(event, "data"), "n"), order[at++]);
        ck_assert_int_eq((int)number_at(event, "seq"), at);
        ck_assert_int_eq((int)number_at(event, "x"), 1);
    }
    ck_assert_int_eq(at, 6);
    ck_assert_int_eq((int)number_at(metadata, "dropped_events"), 2);
    ck_assert_str_eq(string_at(metadata, "started"), "2026-01-15T10:30:44.000000");
    ck_assert_str_eq(string_at(metadata, "program"), "./p");
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(metadata, "merged")), 2);
    cJSON_Delete(json);
    const struct trace_writer_options itself = {.path = a};
    CHECK_FAILS(trace_merge(paths, 2, &itself, &totals), ERROR_USAGE, "one of the traces");
    uint64_t count;
    struct buffer kept = {0};
    scratch_read(scratch.fd, "a", &kept);
    CHECK_OK(count_events((const char *)kept.data, kept.size, &count));
    ck_assert_uint_eq(count, 3);
    buffer_deinit(&kept);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("summary");
    TCase *tests = tcase_create("summary");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_layouts);
    tcase_add_test(tests, test_hostile);
    tcase_add_test(tests, test_nesting);
    tcase_add_test(tests, test_every_truncation);
    tcase_add_test(tests, test_windows);
    tcase_add_test(tests, test_whole_values);
    tcase_add_test(tests, test_other_forms);
    tcase_add_test(tests, test_values);
    tcase_add_test(tests, test_recursion);
    tcase_add_test(tests, test_unpaired);
    tcase_add_test(tests, test_threads);
    tcase_add_test(tests, test_deep);
    tcase_add_test(tests, test_merge);
    suite_add_tcase(suite, tests);
    return scratch_run(suite);
}
