#include "dwarf/expression_parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tokens ---- */

unsigned parser_column(const struct parser *parser, const struct token *token) {
    return (unsigned)(token->start - parser->text) + 1;
}

struct node *parser_fail(struct parser *parser, const struct token *token, const char *format, ...) {
    char why[160];
    va_list args;
    if (parser->err)
        return NULL;
    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    parser->err =
        error_new(ERROR_USAGE, "%.200s: column %u: %s", parser->text, parser_column(parser, token), why);
    return NULL;
}

void parser_advance(struct parser *parser) {
    parser->token = token_at(parser->token.start + parser->token.size);
}

bool parser_accept(struct parser *parser, const char *symbol) {
    if (!token_is(&parser->token, symbol))
        return false;
    parser_advance(parser);
    return true;
}

void parser_rewind(struct parser *parser, const struct parser *saved) {
    struct error *err = parser->err;
    *parser = *saved;
    parser->err = err;
}

struct node *parser_unexpected(struct parser *parser, const char *expected) {
    static const char *const assignments[] = {
        "=", "+=", "-=", "*=", "/=", "%=", "&=", "^=", "|=", "<<=", ">>="};
    const struct token *token = &parser->token;
    for (size_t i = 0; i < sizeof(assignments) / sizeof(assignments[0]); i++)
        if (token_is(token, assignments[i]))
            return parser_fail(parser, token, "'%s' changes a variable: this only looks%s", token->symbol,
                               i ? "" : " (to compare, write ==)");
    if (token_is(token, ","))
        return parser_fail(parser, token, "the comma operator is not supported");
    if (token->kind == TOKEN_BAD)
        return parser_fail(parser, token, "%s", token->why);
    if (expected)
        return parser_fail(parser, token, "%s", expected);
    return parser_fail(parser, token, "an operator is missing before '%.*s'", (int)token->size, token->start);
}

/* ---- whole texts ---- */

static void set_text(struct parser *parser, const char *start, const char *end) {
    start += strspn(start, " \t\n\r");
    while (end > start && strchr(" \t\n\r", end[-1]))
        end--;
    parser->expression->text = strndup(start, (size_t)(end - start));
    if (!parser->expression->text && !parser->err)
        parser->err = &error_no_memory;
    /* Columns count from the expression's own text. */
    unsigned before = (unsigned)(start - parser->text);
    for (struct node *node = parser->expression->nodes; node; node = node->next)
        node->column -= before;
}

/* One expression at the parser's place; separated: a comma may follow. */
static struct error *parse_one(struct parser *parser, bool separated, struct expression **ret) {
    const char *start = parser->token.start;
    parser->expression = calloc(1, sizeof(*parser->expression));
    if (!parser->expression)
        return &error_no_memory;
    struct node *root = parser_expression(parser);
    parser->expression->root = root;
    if (root && parser->token.kind != TOKEN_END && !(separated && token_is(&parser->token, ",")))
        parser_unexpected(parser, NULL);
    set_text(parser, start, parser->token.start);
    if (parser->err) {
        expression_destroy(parser->expression);
        return parser->err;
    }
    *ret = parser->expression;
    return NULL;
}

static struct error *begin(struct parser *parser, const char *text) {
    if (strlen(text) > EXPRESSION_TEXT_MOST)
        return error_new(ERROR_USAGE, "%.40s...: the expression is longer than %d bytes", text,
                         EXPRESSION_TEXT_MOST);
    if (!text[strspn(text, " \t\n\r")])
        return error_new(ERROR_USAGE, "expression: it is empty");
    *parser = (struct parser){.text = text, .token = token_at(text)};
    return NULL;
}

struct error *expression_parse(const char *text, struct expression **ret) {
    struct parser parser;
    TRY(begin(&parser, text));
    return parse_one(&parser, false, ret);
}

struct error *expression_parse_list(const char *text, struct expression ***ret, size_t *ret_count) {
    struct parser parser;
    struct expression **list = NULL;
    size_t count = 0;
    TRY(begin(&parser, text));
    for (;;) {
        struct expression **more = reallocarray(list, count + 1, sizeof(struct expression *));
        struct error *err = more ? parse_one(&parser, true, &more[count]) : &error_no_memory;
        list = more ? more : list;
        if (err) {
            expression_list_destroy(list, count);
            return err;
        }
        count++;
        if (!parser_accept(&parser, ","))
            break;
    }
    *ret = list;
    *ret_count = count;
    return NULL;
}

void expression_destroy(struct expression *expression) {
    if (!expression)
        return;
    for (struct node *node = expression->nodes, *next; node; node = next) {
        next = node->next;
        free(node->text);
        free(node->type.name);
        free(node);
    }
    free(expression->text);
    free(expression);
}

void expression_list_destroy(struct expression **expressions, size_t count) {
    for (size_t i = 0; i < count; i++)
        expression_destroy(expressions[i]);
    free(expressions);
}

/* Every node counts, also those that are not reached: which are is not known before. */
bool expression_is_of_values(const struct expression *expression,
                             bool (*is_value)(void *context, const char *name), void *context) {
    for (const struct node *node = expression->nodes; node; node = node->next)
        switch (node->kind) {
        case NODE_INTEGER:
        case NODE_FLOAT:
        case NODE_BINARY:
        case NODE_CONDITIONAL:
            break;
        case NODE_UNARY:
            if (node->operation == OPERATOR_MULTIPLY || node->operation == OPERATOR_AND)
                return false;
            break;
        case NODE_NAME:
            if (!is_value(context, node->text))
                return false;
            break;
        default:
            return false;
        }
    return true;
}

const char *expression_text(const struct expression *expression) {
    return expression->text;
}
