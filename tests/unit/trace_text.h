/* trace_text: what the tests of traces share: traces made from text, and JSON that must be whole. */
#ifndef REEL_TESTS_TRACE_TEXT_H
#define REEL_TESTS_TRACE_TEXT_H

#include "tests/unit/scratch.h"
#include "trace/json.h"
#include "trace/reader.h"

#include <cjson/cJSON.h>
#include <sys/mman.h>

/* A reader over text (size bytes). */
static inline struct trace_reader *reader_of(const char *text, size_t size) {
    struct trace_reader *reader;
    int fd = memfd_create("text", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, size), (ssize_t)size);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    CHECK_OK(trace_reader_open_fd(fd, "text", &reader));
    return reader;
}

/* All events of text are read; *ret_count is how many came, before the error if there is one. */
static inline struct error *count_events(const char *text, size_t size, uint64_t *ret_count) {
    struct trace_reader *reader = reader_of(text, size);
    struct trace_event event = {0};
    struct error *err;
    bool more;
    *ret_count = 0;
    while (!(err = trace_reader_next(reader, &event, &more)) && more)
        ++*ret_count;
    struct error *again = trace_reader_next(reader, &event, &more);
    ck_assert_msg(!again && !more, "an error or event after the end");
    trace_event_deinit(&event);
    trace_reader_close(reader);
    return err;
}

/* json over text (size bytes); close the descriptor after it. */
static inline struct json json_of(const uint8_t *text, size_t size) {
    struct json json;
    int fd = memfd_create("text", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, size), (ssize_t)size);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    CHECK_OK(json_init(&json, fd, "text", 4, 1 << 20));
    return json;
}

/* The file as parsed by another parser, which must find nothing wrong. */
static inline cJSON *parse_file(int dirfd, const char *name) {
    struct buffer text = {0};
    scratch_read(dirfd, name, &text);
    buffer_put_u8(&text, 0);
    cJSON *json = cJSON_ParseWithLengthOpts((const char *)text.data, text.size, NULL, true);
    ck_assert_msg(json != NULL, "%s: not whole: ...%s", name,
                  text.size > 200 ? (const char *)text.data + text.size - 200 : (const char *)text.data);
    buffer_deinit(&text);
    return json;
}

static inline double number_at(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    ck_assert_msg(cJSON_IsNumber(item), "no number %s", key);
    return item->valuedouble;
}

static inline const char *string_at(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    ck_assert_msg(cJSON_IsString(item), "no string %s", key);
    return item->valuestring;
}

#endif
