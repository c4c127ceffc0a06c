#include "config/place.h"

#include "config/pattern.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_blanks(const char *text) {
    return text + strspn(text, " \t");
}

/* A copy without the blanks around it. */
static char *copy_trimmed(const char *text, size_t size) {
    while (size && strchr(" \t", *text))
        text++, size--;
    while (size && strchr(" \t\n", text[size - 1]))
        size--;
    return strndup(text, size);
}

/* ---- conditions ---- */

static struct error *no_condition(const char *text, const char *why) {
    return error_hint(error_new(ERROR_USAGE, "%s: %s", text, why),
                      "'FUNCTION: EXPRESSION', such as 'parse_line: len > 80'");
}

/* The colon after the function: not of a "::", not inside brackets ("[[:alpha:]]*", "f(std::string)"). */
static const char *find_colon(const char *text) {
    int depth = 0;
    for (const char *at = text; *at; at++) {
        if (strchr("([", *at))
            depth++;
        else if (strchr(")]", *at) && depth)
            depth--;
        else if (at[0] == ':' && at[1] == ':')
            at++;
        else if (*at == ':' && !depth)
            return at;
    }
    return NULL;
}

struct error *condition_place_parse(const char *text, struct condition_place *ret) {
    const char *colon = find_colon(text);
    if (!colon)
        return no_condition(text, "no colon behind the name of a function");
    if (skip_blanks(text) >= colon)
        return no_condition(text, "no function before the colon");
    if (!*skip_blanks(colon + 1))
        return no_condition(text, "no expression behind the colon");
    struct condition_place place = {.function = copy_trimmed(text, (size_t)(colon - text)),
                                    .expression = copy_trimmed(colon + 1, strlen(colon + 1))};
    struct error *err = place.function && place.expression ? pattern_check(place.function, PATTERN_FUNCTION)
                                                           : &error_no_memory;
    if (err)
        condition_place_deinit(&place);
    else
        *ret = place;
    return err;
}

void condition_place_deinit(struct condition_place *place) {
    free(place->function);
    free(place->expression);
    memset(place, 0, sizeof(*place));
}

/* ---- probes ---- */

static struct error *no_probe(const char *text, const char *why) {
    return error_hint(error_new(ERROR_USAGE, "%s: %s", text, why),
                      "'FILE:LINE: EXPRESSION, EXPRESSION...', such as 'shop.c:42: total, cart->n'");
}

/* The first ":DIGITS:" is the line, so that a file's name may hold colons. NULL: there is none. */
static const char *find_line(const char *text, const char **ret_end) {
    for (const char *at = strchr(text, ':'); at; at = strchr(at + 1, ':')) {
        const char *end = at + 1 + strspn(at + 1, "0123456789");
        if (end == at + 1 || *skip_blanks(end) != ':')
            continue;
        *ret_end = skip_blanks(end);
        return at;
    }
    return NULL;
}

struct error *probe_place_parse(const char *text, struct probe_place *ret) {
    const char *end = NULL, *colon = find_line(text, &end);
    if (!colon)
        return no_probe(text, "no ':LINE:' behind the name of a file");
    if (skip_blanks(text) >= colon)
        return no_probe(text, "no file before the line");
    if (!*skip_blanks(end + 1))
        return no_probe(text, "no expression behind the line");
    unsigned long line = strtoul(colon + 1, NULL, 10);
    if (line < 1 || line > INT32_MAX)
        return no_probe(text, "lines count from 1");
    struct probe_place place = {.file = copy_trimmed(text, (size_t)(colon - text)),
                                .line = (unsigned)line,
                                .expressions = copy_trimmed(end + 1, strlen(end + 1))};
    if (!place.file || !place.expressions) {
        probe_place_deinit(&place);
        return &error_no_memory;
    }
    *ret = place;
    return NULL;
}

void probe_place_deinit(struct probe_place *place) {
    free(place->file);
    free(place->expressions);
    memset(place, 0, sizeof(*place));
}
