#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char no_memory_text[] = "memory: out of memory";
struct error error_no_memory = {.code = ERROR_NO_MEMORY, .errnum = ENOMEM, .message = no_memory_text};

static struct error *make(enum error_code code, int errnum, char *message) {
    if (!message)
        return &error_no_memory;
    struct error *err = calloc(1, sizeof(*err));
    if (!err) {
        free(message);
        return &error_no_memory;
    }
    err->code = code;
    err->errnum = errnum;
    err->message = message;
    return err;
}

static char *format_text(const char *format, va_list args) {
    char *text = NULL;
    return vasprintf(&text, format, args) < 0 ? NULL : text;
}

struct error *error_new(enum error_code code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = format_text(format, args);
    va_end(args);
    return make(code, 0, text);
}

struct error *error_system(int errnum, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = format_text(format, args);
    va_end(args);
    char *whole = NULL;
    if (text && asprintf(&whole, "%s: %s", text, strerror(errnum)) < 0)
        whole = NULL;
    free(text);
    return make(errnum == ESRCH ? ERROR_TASK_GONE : ERROR_SYSTEM, errnum, whole);
}

struct error *error_hint(struct error *err, const char *format, ...) {
    if (!err || err == &error_no_memory)
        return err;
    va_list args;
    va_start(args, format);
    char *text = format_text(format, args);
    va_end(args);
    free(err->hint);
    err->hint = text;
    return err;
}

struct error *error_context(struct error *err, const char *format, ...) {
    if (!err || err == &error_no_memory)
        return err;
    va_list args;
    va_start(args, format);
    char *text = format_text(format, args);
    va_end(args);
    char *whole = NULL;
    if (text && asprintf(&whole, "%s: %s", text, err->message) >= 0) {
        free(err->message);
        err->message = whole;
    }
    free(text);
    return err;
}

void error_free(struct error *err) {
    if (!err || err == &error_no_memory)
        return;
    free(err->message);
    free(err->hint);
    free(err);
}

bool error_is(const struct error *err, enum error_code code) {
    return err && err->code == code;
}
