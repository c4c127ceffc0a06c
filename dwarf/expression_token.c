#include "dwarf/expression_token.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Longer ones first. */
static const char *const symbols[] = {
    "<<=", ">>=", "->*", "...", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=",
    "-=",  "*=",  "/=",  "%=",  "&=", "^=", "|=", "::", "(",  ")",  "[",  "]",  ".",  "&",  "*",  "+",
    "-",   "~",   "!",   "/",   "%",  "<",  ">",  "^",  "|",  "?",  ":",  "=",  ",",  ";",  "{",  "}"};

static bool starts_name(char c) {
    return c == '_' || c == '$' || (c & 0x80) || isalpha((unsigned char)c);
}

static bool goes_on_name(char c) {
    return starts_name(c) || isdigit((unsigned char)c);
}

/* A preprocessing number (C11 6.4.8) and the quotes of C++14 and C23 between digits. */
static size_t number_size(const char *text) {
    size_t at = 1;
    for (;; at++) {
        if (strchr("+-", text[at]) && text[at] && strchr("eEpP", text[at - 1]))
            continue;
        if (text[at] == '\'' && isalnum((unsigned char)text[at + 1]))
            continue;
        if (text[at] != '.' && !goes_on_name(text[at]))
            return at;
    }
}

static struct token quoted(const char *text) {
    size_t at = 1;
    while (text[at] && text[at] != *text)
        at += text[at] == '\\' && text[at + 1] ? 2 : 1;
    if (!text[at])
        return (struct token){
            .kind = TOKEN_BAD, .start = text, .size = at, .why = "the closing quote is missing"};
    return (struct token){
        .kind = *text == '"' ? TOKEN_STRING : TOKEN_CHARACTER, .start = text, .size = at + 1};
}

struct token token_at(const char *text) {
    text += strspn(text, " \t\n\r");
    struct token token = {.start = text};
    if (!*text)
        return token;
    if (isdigit((unsigned char)*text) || (*text == '.' && isdigit((unsigned char)text[1]))) {
        token.kind = TOKEN_NUMBER;
        token.size = number_size(text);
        return token;
    }
    if (*text == '"' || *text == '\'')
        return quoted(text);
    if (starts_name(*text)) {
        token.kind = TOKEN_NAME;
        while (goes_on_name(text[token.size]))
            token.size++;
        return token;
    }
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
        if (!strncmp(symbols[i], text, strlen(symbols[i])))
            return (struct token){
                .kind = TOKEN_SYMBOL, .start = text, .size = strlen(symbols[i]), .symbol = symbols[i]};
    return (struct token){
        .kind = TOKEN_BAD, .start = text, .size = 1, .why = "a character that C does not know"};
}

bool token_is(const struct token *token, const char *symbol) {
    return token->kind == TOKEN_SYMBOL && !strcmp(token->symbol, symbol);
}

bool token_is_name(const struct token *token, const char *word) {
    return token->kind == TOKEN_NAME && strlen(word) == token->size &&
           !strncmp(token->start, word, token->size);
}

/* ---- numbers ---- */

enum { DIGITS_MOST = 128 };

/* u, l, ul, ll, ull in any order and case; false when it is no suffix. */
static bool integer_suffix(const char *suffix, bool *ret_unsigned, int *ret_longs) {
    *ret_unsigned = false;
    *ret_longs = 0;
    while (*suffix) {
        if (strchr("uU", *suffix) && !*ret_unsigned) {
            *ret_unsigned = true;
            suffix++;
        } else if (strchr("lL", *suffix) && !*ret_longs) {
            *ret_longs = suffix[1] == *suffix ? 2 : 1;
            suffix += *ret_longs;
        } else
            return false;
    }
    return true;
}

/* The first type of C11 6.4.4.1, table, that can hold the value; long is as long as long long. */
static const char *integer_type(struct node *ret, bool decimal, bool is_unsigned, int longs) {
    static const enum basic_type by_longs[] = {BASIC_INT, BASIC_LONG, BASIC_LONG_LONG};
    enum basic_type type = by_longs[longs];
    uint64_t most = type == BASIC_INT ? INT32_MAX : INT64_MAX;
    if (is_unsigned) {
        ret->basic = type == BASIC_INT && ret->integer > UINT32_MAX ? BASIC_UNSIGNED_LONG : type + 1;
        return NULL;
    }
    if (ret->integer <= most)
        ret->basic = type;
    else if (!decimal && type == BASIC_INT && ret->integer <= UINT32_MAX)
        ret->basic = BASIC_UNSIGNED_INT;
    else if (ret->integer <= INT64_MAX)
        ret->basic = BASIC_LONG;
    else if (!decimal)
        ret->basic = type == BASIC_INT ? BASIC_UNSIGNED_LONG : type + 1;
    else
        return "the number is too large for a long (write u behind it)";
    return NULL;
}

static const char *read_integer(const char *text, struct node *ret) {
    int base = 10, longs;
    bool is_unsigned;
    char *end;
    const char *digits = text;
    if (text[0] == '0' && strchr("xX", text[1]) && text[1])
        base = 16, digits += 2;
    else if (text[0] == '0' && strchr("bB", text[1]) && text[1])
        base = 2, digits += 2;
    else if (text[0] == '0')
        base = 8;
    errno = 0;
    ret->kind = NODE_INTEGER;
    ret->integer = strtoull(digits, &end, base);
    if (errno == ERANGE)
        return "the number is too large";
    if (end == digits || !isxdigit((unsigned char)*digits) || !integer_suffix(end, &is_unsigned, &longs))
        return "this is no number";
    return integer_type(ret, base == 10, is_unsigned, longs);
}

static const char *read_float(const char *text, struct node *ret) {
    char *end;
    ret->kind = NODE_FLOAT;
    ret->basic = BASIC_DOUBLE;
    size_t size = strlen(text);
    bool hexadecimal = text[0] == '0' && strchr("xX", text[1]);
    if (strchr("fF", text[size - 1]))
        ret->basic = BASIC_FLOAT;
    else if (strchr("lL", text[size - 1]))
        ret->basic = BASIC_LONG_DOUBLE;
    /* Each with its own function: a second rounding would be one too many. */
    ret->real = ret->basic == BASIC_FLOAT    ? (long double)strtof(text, &end)
                : ret->basic == BASIC_DOUBLE ? (long double)strtod(text, &end)
                                             : strtold(text, &end);
    if (ret->basic != BASIC_DOUBLE && end == text + size - 1)
        end++;
    if (hexadecimal && !strpbrk(text, "pP"))
        return "a hexadecimal float needs an exponent (p)";
    return end == text + size ? NULL : "this is no number";
}

const char *token_number(const struct token *token, struct node *ret) {
    char text[DIGITS_MOST];
    size_t size = 0;
    for (size_t i = 0; i < token->size; i++) {
        if (token->start[i] == '\'')
            continue;
        if (size + 1 >= sizeof(text))
            return "the number is too long";
        text[size++] = token->start[i];
    }
    text[size] = 0;
    bool hexadecimal = text[0] == '0' && strchr("xX", text[1]) && text[1];
    return strpbrk(text, hexadecimal ? ".pP" : ".eE") ? read_float(text, ret) : read_integer(text, ret);
}

/* ---- characters and strings ---- */

static size_t put_utf8(uint32_t code, char *ret) {
    if (code < 0x80) {
        ret[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size; i-- > 1; code >>= 6)
        ret[i] = (char)(0x80 | (code & 0x3f));
    ret[0] = (char)((0xf00 >> size) | code);
    return size;
}

/* Digits of \x, \u, \U or octal from text on: their value; *ret_size of them. */
static uint64_t read_digits(const char *text, size_t most, int base, size_t *ret_size) {
    uint64_t value = 0;
    for (*ret_size = 0; *ret_size < most; (*ret_size)++) {
        char c = text[*ret_size];
        int digit = isdigit((unsigned char)c)    ? c - '0'
                    : isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10
                                                 : 99;
        if (digit >= base)
            break;
        value = value * (uint64_t)base + (uint64_t)digit;
    }
    return value;
}

static const char *read_universal(const char *text, size_t digits, char *ret, size_t *ret_size,
                                  size_t *ret_used) {
    size_t used;
    uint64_t code = read_digits(text + 1, digits, 16, &used);
    if (used != digits || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return "no such character";
    *ret_size = put_utf8((uint32_t)code, ret);
    *ret_used = used + 1;
    return NULL;
}

/* An escape sequence; text is behind the backslash. */
static const char *read_escape(const char *text, char *ret, size_t *ret_size, size_t *ret_used) {
    static const char letters[] = "abefnrtv\\'\"?", codes[] = "\a\b\033\f\n\r\t\v\\'\"?";
    const char *letter = *text ? strchr(letters, *text) : NULL;
    uint64_t value;
    *ret_size = 1;
    *ret_used = 1;
    if (letter) {
        *ret = codes[letter - letters];
        return NULL;
    }
    if (*text == 'u' || *text == 'U')
        return read_universal(text, *text == 'u' ? 4 : 8, ret, ret_size, ret_used);
    if (*text == 'x') {
        value = read_digits(text + 1, 8, 16, ret_used);
        if (!*ret_used)
            return "\\x needs digits";
        ++*ret_used;
    } else {
        value = read_digits(text, 3, 8, ret_used);
        if (!*ret_used)
            return "an unknown escape sequence";
    }
    if (value > 0xff)
        return "the escape sequence is more than a byte";
    *ret = (char)value;
    return NULL;
}

const char *token_string(const struct token *token, struct buffer *ret) {
    const char *end = token->start + token->size - 1;
    for (const char *at = token->start + 1; at < end;) {
        char bytes[4];
        size_t size = 1, used = 1;
        if (*at == '\\') {
            const char *why = read_escape(at + 1, bytes, &size, &used);
            if (why)
                return why;
            used++;
        } else
            bytes[0] = *at;
        buffer_put(ret, bytes, size);
        at += used;
    }
    return NULL;
}

const char *token_character(const struct token *token, struct node *ret) {
    struct buffer bytes = {0};
    const char *why = token_string(token, &bytes);
    if (!why && bytes.size != 1)
        why = bytes.size ? "more than one byte in a character" : "an empty character";
    if (!why) {
        ret->kind = NODE_INTEGER;
        ret->basic = BASIC_INT; /* as in C; char is signed */
        ret->integer = (uint64_t)(int64_t)(signed char)bytes.data[0];
    }
    buffer_deinit(&bytes);
    return why;
}
