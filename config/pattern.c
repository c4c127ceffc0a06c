#include "config/pattern.h"

#include <ctype.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* fnmatch(3) may take exponential time in the number of stars; nobody means more than these. */
enum { STARS_MOST = 16, NAME_MOST = 4096 };

struct pattern {
    char *glob; /* NULL: a regular expression */
    regex_t regex;
};

struct pattern_list {
    enum pattern_kind kind;
    size_t count;
    struct pattern items[];
};

/* ---- names of functions ---- */

/* Behind the symbols of an operator's name, or where it began if `operator` is part of another word. */
static size_t skip_operator(const char *name, size_t at) {
    static const char word[] = "operator";
    size_t end = at + sizeof(word) - 1;
    if (strncmp(name + at, word, sizeof(word) - 1) != 0 ||
        (at && (name[at - 1] == '_' || isalnum((unsigned char)name[at - 1]))))
        return at;
    while (name[end] == ' ')
        end++;
    if (!strncmp(name + end, "()", 2) || !strncmp(name + end, "[]", 2))
        return end + 2;
    size_t symbols = name[end] == ',' ? 1 : strspn(name + end, "<>=-+*/%&|^!~");
    return symbols ? end + symbols : at;
}

size_t pattern_base_length(const char *name) {
    int angles = 0, rounds = 0;
    size_t open = 0; /* of the outermost parenthesis that is open */
    for (size_t at = 0; name[at];) {
        size_t next = skip_operator(name, at);
        if (next > at) {
            at = next;
            continue;
        }
        char c = name[at++];
        if (c == '(' && !angles && rounds++ == 0)
            open = at - 1;
        else if (c == ')' && !angles && rounds && --rounds == 0 && strncmp(name + at, "::", 2) != 0)
            return open; /* parameters, unless "(anonymous namespace)::" or "f(int)::local::" */
        else if (c == '<' && !rounds)
            angles++;
        else if (c == '>' && !rounds && angles)
            angles--;
    }
    return strlen(name);
}

/* Length without template arguments at the end of the base name, which are balanced. */
static size_t without_arguments(const char *name, size_t size) {
    if (!size || name[size - 1] != '>')
        return size;
    int depth = 0;
    for (size_t at = size; at-- > 0;) {
        if (name[at] == '>')
            depth++;
        else if (name[at] == '<' && --depth == 0)
            return at ? at : size;
    }
    return size;
}

/* ---- one pattern ---- */

static bool is_regex(const char *text, enum pattern_kind kind) {
    size_t size = strlen(text);
    return kind == PATTERN_FUNCTION && size >= 3 && text[0] == '/' && text[size - 1] == '/';
}

static struct error *compile_regex(const char *text, regex_t *ret) {
    char why[128];
    char *inside = strndup(text + 1, strlen(text) - 2);
    if (!inside)
        return &error_no_memory;
    int code = regcomp(ret, inside, REG_EXTENDED | REG_NOSUB);
    free(inside);
    if (!code)
        return NULL;
    regerror(code, ret, why, sizeof(why));
    return error_new(ERROR_USAGE, "%s: not a regular expression: %s", text, why);
}

static struct error *check_glob(const char *text) {
    size_t stars = 0;
    if (!*text)
        return error_new(ERROR_USAGE, "pattern: it is empty");
    for (const char *at = text; *at; at++)
        stars += *at == '*' && at[1] != '*';
    if (stars > STARS_MOST || strlen(text) > NAME_MOST)
        return error_new(ERROR_USAGE, "%.60s...: a pattern has at most %d stars and %d bytes", text,
                         STARS_MOST, NAME_MOST);
    return NULL;
}

static struct error *compile(const char *text, enum pattern_kind kind, struct pattern *ret) {
    if (is_regex(text, kind))
        return compile_regex(text, &ret->regex);
    TRY(check_glob(text));
    ret->glob = strdup(text);
    return ret->glob ? NULL : &error_no_memory;
}

static void release(struct pattern *pattern) {
    if (!pattern->glob)
        regfree(&pattern->regex);
    free(pattern->glob);
}

struct error *pattern_check(const char *text, enum pattern_kind kind) {
    struct pattern pattern = {0};
    TRY(compile(text, kind, &pattern));
    release(&pattern);
    return NULL;
}

static bool matches_text(const struct pattern *pattern, const char *text) {
    if (!pattern->glob)
        return regexec(&pattern->regex, text, 0, NULL, 0) == 0;
    return !strcmp(pattern->glob, text) || fnmatch(pattern->glob, text, 0) == 0;
}

/* ---- lists ---- */

struct error *pattern_list_create(const struct text_list *texts, enum pattern_kind kind,
                                  struct pattern_list **ret) {
    struct pattern_list *list = calloc(1, sizeof(*list) + texts->count * sizeof(list->items[0]));
    if (!list)
        return &error_no_memory;
    list->kind = kind;
    for (; list->count < texts->count; list->count++) {
        struct error *err = compile(texts->items[list->count], kind, &list->items[list->count]);
        if (err) {
            pattern_list_destroy(list);
            return err;
        }
    }
    *ret = list;
    return NULL;
}

void pattern_list_destroy(struct pattern_list *patterns) {
    for (size_t i = 0; patterns && i < patterns->count; i++)
        release(&patterns->items[i]);
    free(patterns);
}

bool pattern_list_is_empty(const struct pattern_list *patterns) {
    return !patterns->count;
}

static bool any_matches(const struct pattern_list *patterns, const char *text) {
    for (size_t i = 0; i < patterns->count; i++)
        if (matches_text(&patterns->items[i], text))
            return true;
    return false;
}

static bool function_matches(const struct pattern_list *patterns, const char *name,
                             const char *linkage_name) {
    char base[NAME_MOST];
    if (any_matches(patterns, name) || (linkage_name && any_matches(patterns, linkage_name)))
        return true;
    size_t whole = strlen(name), size = pattern_base_length(name);
    if (size >= sizeof(base))
        return false;
    memcpy(base, name, size);
    base[size] = 0;
    if (size < whole && any_matches(patterns, base))
        return true;
    size_t shorter = without_arguments(base, size);
    base[shorter] = 0;
    return shorter < size && any_matches(patterns, base);
}

static bool path_matches(const struct pattern *pattern, const char *path) {
    if (!strchr(pattern->glob, '/')) {
        const char *slash = strrchr(path, '/');
        return matches_text(pattern, slash ? slash + 1 : path);
    }
    if (matches_text(pattern, path))
        return true;
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
        if (matches_text(pattern, slash + 1))
            return true;
    return false;
}

bool pattern_list_matches(const struct pattern_list *patterns, const char *name, const char *linkage_name) {
    if (patterns->kind == PATTERN_FUNCTION)
        return patterns->count && function_matches(patterns, name, linkage_name);
    for (size_t i = 0; i < patterns->count; i++)
        if (path_matches(&patterns->items[i], name))
            return true;
    return false;
}

bool pattern_selects(const struct pattern_list *include, const struct pattern_list *exclude, const char *name,
                     const char *linkage_name) {
    if (pattern_list_matches(exclude, name, linkage_name))
        return false;
    return !include->count || pattern_list_matches(include, name, linkage_name);
}

/* ---- comma lists ---- */

/* Behind the closing slash of a regex that ends an item, or 0. */
static size_t regex_length(const char *text) {
    if (*text != '/')
        return 0;
    for (size_t at = 1; text[at]; at++) {
        if (text[at] == '\\' && text[at + 1])
            at++;
        else if (text[at] == '/' && at > 1 && (!text[at + 1] || text[at + 1] == ','))
            return at + 1;
    }
    return 0;
}

size_t pattern_item_length(const char *text, enum pattern_kind kind) {
    size_t at = kind == PATTERN_FUNCTION ? regex_length(text) : 0;
    if (at)
        return at;
    for (int depth = 0; text[at]; at++) {
        if (kind == PATTERN_FUNCTION) {
            size_t next = skip_operator(text, at);
            if (next > at && !text[at = next])
                break;
        }
        if (strchr("(<[{", text[at]))
            depth++;
        else if (strchr(")>]}", text[at]) && depth)
            depth--;
        else if (text[at] == ',' && !depth)
            break;
    }
    return at;
}
