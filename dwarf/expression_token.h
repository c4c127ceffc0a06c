/* expression_token: cuts the text of an expression into tokens (C11 6.4). Private to dwarf/expression*. */
#ifndef REEL_DWARF_EXPRESSION_TOKEN_H
#define REEL_DWARF_EXPRESSION_TOKEN_H

#include "base/buffer.h"
#include "dwarf/expression_node.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NUMBER,    /* integer or float: token_number() tells */
    TOKEN_CHARACTER, /* 'a' */
    TOKEN_STRING,    /* "abc" */
    TOKEN_NAME,      /* one identifier */
    TOKEN_SYMBOL,    /* operators and brackets; symbol says which */
    TOKEN_BAD,       /* why says what is wrong */
};

struct token {
    enum token_kind kind;
    const char *start; /* in the text */
    size_t size;
    const char *symbol; /* TOKEN_SYMBOL: its text, such as "<<=" */
    const char *why;    /* TOKEN_BAD */
};

/* The token at text (blanks before it are skipped), which is NUL-terminated. */
struct token token_at(const char *text);

bool token_is(const struct token *token, const char *symbol);

/* Is it the name word? */
bool token_is_name(const struct token *token, const char *word);

/* What a number, or a character, is worth: fills kind, basic and integer or real of ret. NULL, or what is
 * wrong. */
const char *token_number(const struct token *token, struct node *ret);
const char *token_character(const struct token *token, struct node *ret);

/* Append the bytes of a string literal. NULL, or what is wrong. */
const char *token_string(const struct token *token, struct buffer *ret);

#endif
