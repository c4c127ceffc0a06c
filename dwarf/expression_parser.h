/* expression_parser: what the files of the parser share. Private to dwarf/expression*. */
#ifndef REEL_DWARF_EXPRESSION_PARSER_H
#define REEL_DWARF_EXPRESSION_PARSER_H

#include "dwarf/expression_token.h"

struct parser {
    const char *text; /* what columns count from */
    struct token token;
    struct expression *expression;
    unsigned depth;
    struct error *err; /* the first one: everything returns NULL or false from then on */
};

unsigned parser_column(const struct parser *parser, const struct token *token);

/* Note an error, the first one counts. Always NULL, so that callers can return it. */
struct node *parser_fail(struct parser *parser, const struct token *token, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void parser_advance(struct parser *parser);

/* Read the symbol if it is the next one. */
bool parser_accept(struct parser *parser, const char *symbol);

/* Go back to where a copy of the parser was made; an error stays. */
void parser_rewind(struct parser *parser, const struct parser *saved);

/* A name with its "::", without blanks, as a fresh string; NULL: there is none (or no memory: parser->err).
 */
char *parser_qualified_name(struct parser *parser);

/* A type and the `)` behind it; the opening one has been read. If it is none everything is as it was.
 * ret->name is the caller's. */
bool parser_type_name(struct parser *parser, bool of_sizeof, struct type_name *ret);

/* A whole expression, down from ?:. NULL: parser->err says why. */
struct node *parser_expression(struct parser *parser);

/* Say what is wrong with the next token, where an expression should have ended and `expected` should have
 * come. */
struct node *parser_unexpected(struct parser *parser, const char *expected);

#endif
