#include "config/json_check.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

struct scan {
    const char *at;
    int nesting;
};

static const char *check_value(struct scan *scan);

static void skip_blanks(struct scan *scan) {
    scan->at += strspn(scan->at, " \t\n\r");
}

/* At least one digit. */
static const char *check_digits(struct scan *scan) {
    if (!isdigit((unsigned char)*scan->at))
        return "a digit is missing";
    while (isdigit((unsigned char)*scan->at))
        scan->at++;
    return NULL;
}

static const char *check_number(struct scan *scan) {
    const char *why = NULL;
    scan->at += *scan->at == '-';
    if (scan->at[0] == '0' && isdigit((unsigned char)scan->at[1]))
        return "a number does not begin with 0";
    why = check_digits(scan);
    if (!why && *scan->at == '.') {
        scan->at++;
        why = check_digits(scan);
    }
    if (!why && (*scan->at == 'e' || *scan->at == 'E')) {
        scan->at++;
        scan->at += *scan->at == '+' || *scan->at == '-';
        why = check_digits(scan);
    }
    return why;
}

static const char *check_escape(struct scan *scan) {
    if (*scan->at != 'u') {
        if (!*scan->at || !strchr("\"\\/bfnrt", *scan->at))
            return "an unknown escape sequence";
        scan->at++;
        return NULL;
    }
    for (int i = 1; i <= 4; i++)
        if (!isxdigit((unsigned char)scan->at[i]))
            return "four hexadecimal digits belong behind \\u";
    if (!strncmp(scan->at, "u0000",
                 5)) /* it would end the string: what is read would not be what is written */
        return "a NUL in a string";
    scan->at += 5;
    return NULL;
}

static const char *check_string(struct scan *scan) {
    if (*scan->at == '\'')
        return "strings are in double quotes";
    if (*scan->at != '"')
        return "a string is missing";
    const char *start = scan->at++;
    while (*scan->at != '"') {
        if (!*scan->at) {
            scan->at = start;
            return "the closing quote is missing";
        }
        if ((unsigned char)*scan->at < ' ')
            return "a control character in a string";
        if (*scan->at++ != '\\')
            continue;
        const char *why = check_escape(scan);
        if (why)
            return why;
    }
    scan->at++;
    return NULL;
}

static const char *check_member(struct scan *scan) {
    const char *why = check_string(scan);
    if (why)
        return why;
    skip_blanks(scan);
    if (*scan->at != ':')
        return "a ':' is missing";
    scan->at++;
    return check_value(scan);
}

/* The members of an object or the elements of an array, up to the closing bracket. */
static const char *check_items(struct scan *scan, char closing) {
    scan->at++;
    if (++scan->nesting > JSON_NESTING_MOST)
        return "too deeply nested";
    skip_blanks(scan);
    while (*scan->at != closing) {
        const char *why = closing == '}' ? check_member(scan) : check_value(scan);
        if (why)
            return why;
        skip_blanks(scan);
        if (*scan->at == closing)
            break;
        if (*scan->at != ',')
            return closing == '}' ? "a ',' or '}' is missing" : "a ',' or ']' is missing";
        scan->at++;
        skip_blanks(scan);
        if (*scan->at == closing)
            return "nothing follows the comma";
    }
    scan->at++;
    scan->nesting--;
    return NULL;
}

static const char *check_word(struct scan *scan) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t size = strlen(words[i]);
        if (strncmp(scan->at, words[i], size) != 0 || isalnum((unsigned char)scan->at[size]))
            continue;
        scan->at += size;
        return NULL;
    }
    return *scan->at == '\'' ? "strings are in double quotes" : "a value is missing";
}

static const char *check_value(struct scan *scan) {
    skip_blanks(scan);
    if (*scan->at == '{')
        return check_items(scan, '}');
    if (*scan->at == '[')
        return check_items(scan, ']');
    if (*scan->at == '"')
        return check_string(scan);
    if (*scan->at == '-' || isdigit((unsigned char)*scan->at))
        return check_number(scan);
    return check_word(scan);
}

const char *json_check_text(const char *text, const char **ret_at) {
    struct scan scan = {.at = text};
    const char *why = check_value(&scan);
    if (!why) {
        skip_blanks(&scan);
        why = *scan.at ? "there is more behind the value" : NULL;
    }
    if (why && (*scan.at == '/' || *scan.at == '#'))
        why = "JSON has no comments";
    *ret_at = scan.at;
    return why;
}
