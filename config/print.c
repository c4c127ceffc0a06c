#include "config/print.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 80, HELP_COLUMN = 24, LIST_COLUMN = 6 };

static void put_text(struct buffer *buffer, const char *text) {
    buffer_put(buffer, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void put_format(struct buffer *buffer, const char *format, ...) {
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    put_text(buffer, line);
}

static void put_blanks(struct buffer *buffer, size_t count) {
    while (count--)
        buffer_put_u8(buffer, ' ');
}

/* Words from column `at` on, wrapped to begin at column indent in further lines; ends the line. */
static void put_wrapped(struct buffer *buffer, const char *text, size_t at, size_t indent) {
    bool first = true;
    while (*text) {
        size_t size = strcspn(text, " ");
        if (!first && at + 1 + size > WIDTH - 1) {
            buffer_put_u8(buffer, '\n');
            put_blanks(buffer, indent);
            at = indent;
        } else if (!first) {
            buffer_put_u8(buffer, ' ');
            at++;
        }
        buffer_put(buffer, text, size);
        at += size;
        text += size + strspn(text + size, " ");
        first = false;
    }
    buffer_put_u8(buffer, '\n');
}

void option_print_usage(const struct option_row *row, struct buffer *ret) {
    if (row->letter)
        put_format(ret, "-%c, ", row->letter);
    put_format(ret, "--%s%s", row->type == OPTION_BOOL ? "[no-]" : "", row->name);
    if (row->type != OPTION_BOOL)
        put_format(ret, " %s", row->value);
}

/* ---- defaults ---- */

static void put_json(struct buffer *buffer, cJSON *value) {
    char *text = value ? cJSON_PrintUnformatted(value) : NULL;
    if (text)
        put_text(buffer, text);
    else
        buffer->failed = true;
    free(text);
    cJSON_Delete(value);
}

static cJSON *value_of_word(const struct option_row *row, int index) {
    return *row->words[index] ? cJSON_CreateString(row->words[index]) : cJSON_CreateNull();
}

static cJSON *value_of(const struct option_row *row, const struct trace_options *options) {
    const void *place = (const char *)options + row->offset;
    const struct text_list *list = place;
    const char *text;
    switch (row->type) {
    case OPTION_BOOL:
        return cJSON_CreateBool(*(const bool *)place);
    case OPTION_NUMBER:
    case OPTION_SIZE:
        return cJSON_CreateNumber((double)*(const uint64_t *)place);
    case OPTION_ENUM:
        return value_of_word(row, *(const int *)place);
    case OPTION_STRING:
        text = *(char *const *)place;
        return text ? cJSON_CreateString(text) : cJSON_CreateNull();
    case OPTION_LIST:
        return cJSON_CreateStringArray((const char *const *)list->items, (int)list->count);
    }
    return NULL;
}

void option_print_default(const struct option_row *row, struct buffer *ret) {
    struct trace_options defaults;
    trace_options_init(&defaults);
    /* cJSON makes no array of a NULL pointer. */
    if (row->type == OPTION_LIST)
        put_text(ret, "[]");
    else
        put_json(ret, value_of(row, &defaults));
    trace_options_deinit(&defaults);
}

void option_print_json(const struct trace_options *options, struct buffer *ret) {
    put_text(ret, "{\n");
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *row = &option_rows[i];
        const struct text_list *list = (const void *)((const char *)options + row->offset);
        put_format(ret, "    \"%s\": ", row->key);
        if (row->type == OPTION_LIST && !list->count)
            put_text(ret, "[]");
        else
            put_json(ret, value_of(row, options));
        put_text(ret, i + 1 < option_count ? ",\n" : "\n");
    }
    put_text(ret, "}\n");
}

/* ---- help ---- */

/* A switch is shown as what changes it. */
static void put_switch(const struct option_row *row, struct buffer *ret) {
    if (row->type == OPTION_BOOL)
        put_format(ret, "    --%s%s", row->fallback ? "no-" : "", row->name);
    else if (row->letter)
        option_print_usage(row, ret);
    else {
        put_blanks(ret, 4);
        option_print_usage(row, ret);
    }
}

static void put_help_text(const struct option_row *row, char *text, size_t size) {
    struct buffer fallback = {0};
    snprintf(text, size, "%s%s", row->type == OPTION_BOOL && row->fallback ? "Not: " : "", row->help);
    if ((row->type == OPTION_NUMBER || row->type == OPTION_SIZE) && row->fallback) {
        option_print_default(row, &fallback);
        buffer_put_u8(&fallback, 0);
        size_t used = strlen(text);
        if (!buffer_check(&fallback))
            snprintf(text + used, size - used, " (default: %s)", (const char *)fallback.data);
    }
    buffer_deinit(&fallback);
}

static void put_help_row(const struct option_row *row, struct buffer *ret) {
    char text[512];
    size_t start = ret->size + 0;
    put_blanks(ret, 2);
    put_switch(row, ret);
    size_t width = ret->size - start;
    if (width + 2 > HELP_COLUMN) {
        buffer_put_u8(ret, '\n');
        width = 0;
    }
    put_blanks(ret, HELP_COLUMN - width);
    put_help_text(row, text, sizeof(text));
    put_wrapped(ret, text, HELP_COLUMN, HELP_COLUMN);
}

void option_print_help(struct buffer *ret) {
    for (size_t i = 0; i < option_count; i++) {
        if (option_rows[i].heading)
            put_format(ret, "%s%s:\n", i ? "\n" : "", option_rows[i].heading);
        put_help_row(&option_rows[i], ret);
    }
    put_text(ret, "\nConfiguration:\n");
    put_text(ret, "      --config FILE     ");
    put_wrapped(ret,
                "Read these options from a JSON file; `reel config --template` prints one. Options on the "
                "command line "
                "win, wherever they stand.",
                HELP_COLUMN, HELP_COLUMN);
}

/* ---- list ---- */

static void put_type(const struct option_row *row, struct buffer *ret) {
    switch (row->type) {
    case OPTION_BOOL:
        put_text(ret, "true or false");
        break;
    case OPTION_NUMBER:
    case OPTION_SIZE:
        put_format(ret, "%s, %llu to %llu", row->type == OPTION_SIZE ? "size in bytes" : "number",
                   (unsigned long long)row->least, (unsigned long long)row->most);
        break;
    case OPTION_STRING:
        put_text(ret, "string");
        break;
    case OPTION_LIST:
        put_text(ret, "list of strings");
        break;
    case OPTION_ENUM:
        put_text(ret, "one of");
        for (size_t i = *row->words[0] ? 0 : 1; row->words[i]; i++)
            put_format(ret, "%s \"%s\"", i > (*row->words[0] ? 0 : 1) ? "," : "", row->words[i]);
        break;
    }
}

void option_print_list(struct buffer *ret) {
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *row = &option_rows[i];
        put_format(ret, "%s%s\n", i ? "\n" : "", row->key);
        put_blanks(ret, LIST_COLUMN);
        put_type(row, ret);
        put_text(ret, "; default: ");
        option_print_default(row, ret);
        put_text(ret, "\n");
        put_blanks(ret, LIST_COLUMN);
        option_print_usage(row, ret);
        put_text(ret, "\n");
        put_blanks(ret, LIST_COLUMN);
        put_wrapped(ret, row->help, LIST_COLUMN, LIST_COLUMN);
    }
}
