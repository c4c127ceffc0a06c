#include "config/file.h"

#include "base/buffer.h"
#include "config/json_check.h"
#include "config/nearest.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- words for errors ---- */

static const char *kind_of(const cJSON *value) {
    if (cJSON_IsBool(value))
        return cJSON_IsTrue(value) ? "true" : "false";
    if (cJSON_IsNumber(value))
        return "a number";
    if (cJSON_IsString(value))
        return "a string";
    return cJSON_IsArray(value) ? "a list" : cJSON_IsObject(value) ? "an object" : "null";
}

static const char *kind_of_row(const struct option_row *row) {
    static const char *const kinds[] = {[OPTION_BOOL] = "true or false",
                                        [OPTION_NUMBER] = "a number",
                                        [OPTION_SIZE] = "a number or a size such as \"64K\"",
                                        [OPTION_STRING] = "a string",
                                        [OPTION_LIST] = "a list of strings",
                                        [OPTION_ENUM] = "a string"};
    return kinds[row->type];
}

static struct error *wrong_type(const char *what, const struct option_row *row, const cJSON *value) {
    return error_new(ERROR_USAGE, "%s: expected %s, found %s", what, kind_of_row(row), kind_of(value));
}

/* The names of the command line are tried, too, with the key's kind of dash. */
static struct error *unknown_key(const char *name, const char *key) {
    const char *meant = NULL;
    struct nearest nearest = {.word = key};
    for (size_t i = 0; i < option_count; i++) {
        char other[64];
        const char *before = nearest.best;
        snprintf(other, sizeof(other), "%s", option_rows[i].name);
        for (char *dash = other; (dash = strchr(dash, '-'));)
            *dash = '_';
        nearest_try(&nearest, option_rows[i].key);
        nearest_try(&nearest, other);
        if (nearest.best != before)
            meant = nearest.best = option_rows[i].key;
    }
    struct error *err = error_new(ERROR_USAGE, "%s: %.80s: no such key", name, key);
    return meant ? error_hint(err, "did you mean %s?", meant)
                 : error_hint(err, "`reel config --list` shows them");
}

/* ---- values ---- */

static struct error *set_json_number(const struct option_row *row, const char *what, double value,
                                     struct trace_options *options) {
    if (value != floor(value) || value < (double)row->least || value > (double)row->most)
        return error_new(ERROR_USAGE, "%s: %.15g is not a whole number between %llu and %llu", what, value,
                         (unsigned long long)row->least, (unsigned long long)row->most);
    return option_set_number(row, what, (uint64_t)value, options);
}

static struct error *set_json_list(const struct option_row *row, const char *what, const cJSON *value,
                                   struct trace_options *options) {
    option_clear(row, options);
    for (const cJSON *item = value->child; item; item = item->next) {
        if (!cJSON_IsString(item))
            return error_new(ERROR_USAGE, "%s: expected strings in the list, found %s", what, kind_of(item));
        TRY(option_set_text(row, what, item->valuestring, options));
    }
    return NULL;
}

static struct error *set_json(const struct option_row *row, const char *what, const cJSON *value,
                              struct trace_options *options) {
    if (cJSON_IsNull(value))
        return NULL;
    if (row->type == OPTION_BOOL && cJSON_IsBool(value))
        return option_set_bool(row, cJSON_IsTrue(value), options);
    if ((row->type == OPTION_NUMBER || row->type == OPTION_SIZE) && cJSON_IsNumber(value))
        return set_json_number(row, what, value->valuedouble, options);
    if (row->type == OPTION_LIST && cJSON_IsArray(value))
        return set_json_list(row, what, value, options);
    if ((row->type == OPTION_STRING || row->type == OPTION_ENUM || row->type == OPTION_SIZE) &&
        cJSON_IsString(value))
        return option_set_text(row, what, value->valuestring, options);
    return wrong_type(what, row, value);
}

/* ---- the object ---- */

static struct error *check_keys(const cJSON *object, const char *name) {
    for (const cJSON *item = object->child; item; item = item->next) {
        if (!option_by_key(item->string))
            return unknown_key(name, item->string);
        for (const cJSON *other = object->child; other != item; other = other->next)
            if (!strcmp(other->string, item->string))
                return error_new(ERROR_USAGE, "%s: %s: the key is there twice", name, item->string);
    }
    return NULL;
}

static struct error *apply(const cJSON *object, const char *name, struct trace_options *options) {
    if (!cJSON_IsObject(object))
        return error_hint(error_new(ERROR_USAGE, "%s: expected an object, found %s", name, kind_of(object)),
                          "`reel config --template` prints one");
    TRY(check_keys(object, name));
    /* The table has the level first: the switches refine it. */
    for (size_t i = 0; i < option_count; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, option_rows[i].key);
        char what[4096];
        snprintf(what, sizeof(what), "%s: %s", name, option_rows[i].key);
        if (value)
            TRY(set_json(&option_rows[i], what, value, options));
    }
    return NULL;
}

/* ---- text ---- */

static struct error *syntax_error(const char *text, const char *at, const char *name, const char *why) {
    unsigned line = 1;
    const char *start = text;
    for (const char *c = text; c < at; c++)
        if (*c == '\n') {
            line++;
            start = c + 1;
        }
    return error_new(ERROR_USAGE, "%s: line %u, column %u: %s", name, line, (unsigned)(at - start) + 1, why);
}

static struct error *parse_terminated(const char *text, size_t size, const char *name,
                                      struct trace_options *options) {
    const char *at = memchr(text, 0, size);
    if (at)
        return syntax_error(text, at, name, "a NUL");
    const char *why = json_check_text(text, &at);
    if (why)
        return syntax_error(text, at, name, why);
    cJSON *object = cJSON_Parse(text);
    if (!object)
        return &error_no_memory;
    struct error *err = apply(object, name, options);
    cJSON_Delete(object);
    return err;
}

struct error *config_read_text(const char *text, size_t size, const char *name,
                               struct trace_options *options) {
    struct buffer copy = {0};
    buffer_put(&copy, text, size);
    buffer_put_u8(&copy, 0);
    struct error *err = buffer_check(&copy);
    if (!err)
        err = parse_terminated((const char *)copy.data, size, name, options);
    buffer_deinit(&copy);
    return err;
}

static struct error *read_all(int fd, const char *path, struct buffer *ret) {
    for (ssize_t count = 1; count;) {
        void *place = buffer_reserve(ret, 1 << 16);
        if (!place)
            return &error_no_memory;
        count = read(fd, place, 1 << 16);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_system(errno, "%s", path);
        ret->size += (size_t)count;
        if (ret->size > CONFIG_FILE_MOST)
            return error_new(ERROR_USAGE, "%s: too large for a configuration", path);
    }
    return NULL;
}

struct error *config_read_file(const char *path, struct trace_options *options) {
    struct buffer text = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_system(errno, "%s", path);
    struct error *err = read_all(fd, path, &text);
    close(fd);
    if (!err)
        err = config_read_text((const char *)text.data, text.size, path, options);
    buffer_deinit(&text);
    return err;
}
