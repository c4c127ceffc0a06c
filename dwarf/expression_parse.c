/* The grammar of C11 6.5 by recursive descent; binary operators by precedence climbing. */
#include "dwarf/expression_parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct node *parse_unary(struct parser *parser);

/* ---- nodes ---- */

static struct node *new_node(struct parser *parser, enum node_kind kind, const struct token *token) {
    struct node *node = calloc(1, sizeof(*node));
    if (!node) {
        if (!parser->err)
            parser->err = &error_no_memory;
        return NULL;
    }
    node->kind = kind;
    node->column = parser_column(parser, token);
    node->depth = 1;
    node->next = parser->expression->nodes;
    parser->expression->nodes = node;
    return node;
}

/* Give node its operands; NULL if one is missing or the tree gets too deep to be walked. */
static struct node *with_operands(struct parser *parser, const struct token *token, struct node *node,
                                  struct node *left, struct node *right, struct node *third) {
    struct node *operands[] = {left, right, third};
    for (size_t i = 0; node && i < 3; i++)
        if (operands[i] && operands[i]->depth >= node->depth)
            node->depth = operands[i]->depth + 1;
    if (!node || !left)
        return NULL;
    if (node->depth > EXPRESSION_DEPTH_MOST)
        return parser_fail(parser, token, "the expression is too deeply nested");
    node->left = left;
    node->right = right;
    node->third = third;
    return node;
}

/* ---- primary expressions ---- */

static const char *const refused_words[] = {
    "new",      "delete",           "throw",        "return",   "if",          "while",
    "for",      "switch",           "goto",         "typeid",   "static_cast", "const_cast",
    "alignof",  "typeof",           "_Generic",     "_Alignof", "co_await",    "operator",
    "decltype", "reinterpret_cast", "dynamic_cast", "noexcept", "template"};

/* true, false, nullptr, NULL: fills node. */
static bool constant_word(const struct token *token, struct node *node) {
    static const struct {
        const char *word;
        enum basic_type basic;
        uint64_t value;
    } table[] = {{"true", BASIC_BOOL, 1},
                 {"false", BASIC_BOOL, 0},
                 {"nullptr", BASIC_NULLPTR, 0},
                 {"NULL", BASIC_NULLPTR, 0}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (token_is_name(token, table[i].word)) {
            node->kind = NODE_INTEGER;
            node->basic = table[i].basic;
            node->integer = table[i].value;
            return true;
        }
    return false;
}

static struct node *parse_name(struct parser *parser) {
    struct token token = parser->token;
    for (size_t i = 0; i < sizeof(refused_words) / sizeof(refused_words[0]); i++)
        if (token_is_name(&token, refused_words[i]))
            return parser_fail(parser, &token, "'%s' cannot be used here", refused_words[i]);
    struct node *node = new_node(parser, NODE_NAME, &token);
    if (!node)
        return NULL;
    if (constant_word(&token, node)) {
        parser_advance(parser);
        return node;
    }
    node->text = parser_qualified_name(parser);
    if (!node->text)
        return parser_fail(parser, &token, "a name is missing around '::'");
    if (parser->token.kind == TOKEN_STRING || parser->token.kind == TOKEN_CHARACTER)
        return parser_fail(parser, &token, "strings and characters have no prefix here");
    return node;
}

static struct node *parse_literal(struct parser *parser) {
    struct token token = parser->token;
    struct node *node = new_node(parser, NODE_INTEGER, &token);
    if (!node)
        return NULL;
    const char *why = token.kind == TOKEN_NUMBER ? token_number(&token, node) : token_character(&token, node);
    if (why)
        return parser_fail(parser, &token, "%s", why);
    parser_advance(parser);
    return node;
}

/* Adjacent ones are one. */
static struct node *parse_string(struct parser *parser) {
    struct buffer bytes = {0};
    struct node *node = new_node(parser, NODE_STRING, &parser->token);
    const char *why = NULL;
    while (node && !why && parser->token.kind == TOKEN_STRING) {
        why = token_string(&parser->token, &bytes);
        if (why)
            parser_fail(parser, &parser->token, "%s", why);
        parser_advance(parser);
    }
    buffer_put_u8(&bytes, 0);
    if (!node || why || bytes.failed) {
        if (bytes.failed && !parser->err)
            parser->err = &error_no_memory;
        buffer_deinit(&bytes);
        return NULL;
    }
    node->text = (char *)bytes.data;
    node->text_size = bytes.size - 1;
    return node;
}

/* Instead of what closes the bracket, or the ?, that opened, there is something else. */
static struct node *unclosed(struct parser *parser, const char *closing, const struct token *open) {
    char expected[64];
    snprintf(expected, sizeof(expected), "'%s' is missing for the '%s' at column %u", closing, open->symbol,
             parser_column(parser, open));
    return parser_unexpected(parser, expected);
}

static struct node *missing_operand(struct parser *parser) {
    const struct token *token = &parser->token;
    if (token->kind == TOKEN_BAD)
        return parser_fail(parser, token, "%s", token->why);
    if (token->kind == TOKEN_END)
        return parser_fail(parser, token, "an operand is missing at the end");
    return parser_fail(parser, token, "an operand is missing before '%.*s'", (int)token->size, token->start);
}

static struct node *parse_parenthesis(struct parser *parser) {
    struct token open = parser->token;
    parser_advance(parser);
    struct node *node = parser_expression(parser);
    if (!node)
        return NULL;
    if (!parser_accept(parser, ")"))
        return unclosed(parser, ")", &open);
    return node;
}

static struct node *parse_primary(struct parser *parser) {
    const struct token *token = &parser->token;
    switch (token->kind) {
    case TOKEN_NUMBER:
    case TOKEN_CHARACTER:
        return parse_literal(parser);
    case TOKEN_STRING:
        return parse_string(parser);
    case TOKEN_NAME:
        return parse_name(parser);
    case TOKEN_SYMBOL:
        if (token_is(token, "("))
            return parse_parenthesis(parser);
        if (token_is(token, "::"))
            return parse_name(parser);
        break;
    case TOKEN_END:
    case TOKEN_BAD:
        break;
    }
    return missing_operand(parser);
}

/* ---- postfix and unary ---- */

static struct node *parse_member(struct parser *parser, struct node *left) {
    struct token token = parser->token;
    enum node_kind kind = token_is(&token, "->") ? NODE_ARROW : NODE_MEMBER;
    parser_advance(parser);
    if (parser->token.kind != TOKEN_NAME)
        return parser_fail(parser, &parser->token, "the name of a member is missing behind '%s'",
                           token.symbol);
    struct node *node =
        with_operands(parser, &token, new_node(parser, kind, &parser->token), left, NULL, NULL);
    if (!node)
        return NULL;
    node->text = strndup(parser->token.start, parser->token.size);
    if (!node->text) {
        parser->err = &error_no_memory;
        return NULL;
    }
    parser_advance(parser);
    return node;
}

static struct node *parse_index(struct parser *parser, struct node *left) {
    struct token token = parser->token;
    parser_advance(parser);
    struct node *right = parser_expression(parser);
    if (!right)
        return NULL;
    if (!parser_accept(parser, "]"))
        return unclosed(parser, "]", &token);
    return with_operands(parser, &token, new_node(parser, NODE_INDEX, &token), left, right, NULL);
}

static struct node *parse_postfix(struct parser *parser) {
    struct node *node = parse_primary(parser);
    while (node) {
        const struct token *token = &parser->token;
        if (token_is(token, ".") || token_is(token, "->"))
            node = parse_member(parser, node);
        else if (token_is(token, "["))
            node = parse_index(parser, node);
        else if (token_is(token, "("))
            return parser_fail(parser, token, "functions cannot be called: this only looks");
        else if (token_is(token, "++") || token_is(token, "--"))
            return parser_fail(parser, token, "'%s' changes a variable: this only looks", token->symbol);
        else
            break;
    }
    return node;
}

static struct node *parse_sizeof(struct parser *parser) {
    struct token token = parser->token;
    struct type_name type;
    parser_advance(parser);
    struct parser saved = *parser;
    if (parser_accept(parser, "(") && parser_type_name(parser, true, &type)) {
        struct node *node = new_node(parser, NODE_SIZEOF_TYPE, &token);
        if (node)
            node->type = type;
        else
            free(type.name);
        return node;
    }
    parser_rewind(parser, &saved);
    struct node *left = parse_unary(parser);
    return with_operands(parser, &token, left ? new_node(parser, NODE_SIZEOF, &token) : NULL, left, NULL,
                         NULL);
}

/* NULL without an error: it is no cast, and nothing has been read. */
static struct node *parse_cast(struct parser *parser) {
    struct token token = parser->token;
    struct parser saved = *parser;
    struct type_name type;
    parser_advance(parser);
    if (!parser_type_name(parser, false, &type)) {
        parser_rewind(parser, &saved);
        return NULL;
    }
    struct node *node = new_node(parser, NODE_CAST, &token);
    if (!node) {
        free(type.name);
        return NULL;
    }
    node->type = type;
    return with_operands(parser, &token, node, parse_unary(parser), NULL, NULL);
}

static struct node *parse_operator(struct parser *parser) {
    static const struct {
        const char *symbol;
        enum node_operator operation;
    } table[] = {{"+", OPERATOR_ADD},        {"-", OPERATOR_SUBTRACT}, {"!", OPERATOR_NOT},
                 {"~", OPERATOR_COMPLEMENT}, {"*", OPERATOR_MULTIPLY}, {"&", OPERATOR_AND}};
    struct token token = parser->token;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (!parser_accept(parser, table[i].symbol))
            continue;
        struct node *left = parse_unary(parser);
        struct node *node = left ? new_node(parser, NODE_UNARY, &token) : NULL;
        if (node)
            node->operation = table[i].operation;
        return with_operands(parser, &token, node, left, NULL, NULL);
    }
    if (token_is(&token, "++") || token_is(&token, "--"))
        return parser_fail(parser, &token, "'%s' changes a variable: this only looks", token.symbol);
    return parse_postfix(parser);
}

static struct node *parse_unary(struct parser *parser) {
    struct node *node = NULL;
    if (parser->err)
        return NULL;
    if (++parser->depth > EXPRESSION_DEPTH_MOST)
        return parser_fail(parser, &parser->token, "the expression is too deeply nested");
    if (token_is_name(&parser->token, "sizeof"))
        node = parse_sizeof(parser);
    else {
        if (token_is(&parser->token, "("))
            node = parse_cast(parser);
        if (!node && !parser->err)
            node = parse_operator(parser);
    }
    parser->depth--;
    return node;
}

/* ---- binary operators ---- */

static const struct binary_row {
    const char *symbol;
    enum node_operator operation;
    int precedence; /* higher binds tighter */
} binary_rows[] = {{"*", OPERATOR_MULTIPLY, 10},
                   {"/", OPERATOR_DIVIDE, 10},
                   {"%", OPERATOR_REMAINDER, 10},
                   {"+", OPERATOR_ADD, 9},
                   {"-", OPERATOR_SUBTRACT, 9},
                   {"<<", OPERATOR_SHIFT_LEFT, 8},
                   {">>", OPERATOR_SHIFT_RIGHT, 8},
                   {"<", OPERATOR_LESS, 7},
                   {">", OPERATOR_GREATER, 7},
                   {"<=", OPERATOR_LESS_EQUAL, 7},
                   {">=", OPERATOR_GREATER_EQUAL, 7},
                   {"==", OPERATOR_EQUAL, 6},
                   {"!=", OPERATOR_NOT_EQUAL, 6},
                   {"&", OPERATOR_AND, 5},
                   {"^", OPERATOR_XOR, 4},
                   {"|", OPERATOR_OR, 3},
                   {"&&", OPERATOR_LOGICAL_AND, 2},
                   {"||", OPERATOR_LOGICAL_OR, 1}};

static const struct binary_row *binary_row(const struct token *token) {
    for (size_t i = 0; i < sizeof(binary_rows) / sizeof(binary_rows[0]); i++)
        if (token_is(token, binary_rows[i].symbol))
            return &binary_rows[i];
    return NULL;
}

/* Recursion is bounded by the number of precedences for each level that parse_unary() counts. */
static struct node *parse_binary(struct parser *parser, int precedence) {
    struct node *left = parse_unary(parser);
    while (left) {
        struct token token = parser->token;
        const struct binary_row *row = binary_row(&token);
        if (!row || row->precedence < precedence)
            break;
        parser_advance(parser);
        struct node *right = parse_binary(parser, row->precedence + 1);
        struct node *node = right ? new_node(parser, NODE_BINARY, &token) : NULL;
        if (node)
            node->operation = row->operation;
        left = with_operands(parser, &token, node, left, right, NULL);
    }
    return left;
}

static struct node *parse_branches(struct parser *parser, struct node *condition) {
    struct token token = parser->token;
    parser_advance(parser);
    struct node *yes = parser_expression(parser);
    if (!yes)
        return NULL;
    if (!parser_accept(parser, ":"))
        return unclosed(parser, ":", &token);
    struct node *no = parser_expression(parser);
    return with_operands(parser, &token, no ? new_node(parser, NODE_CONDITIONAL, &token) : NULL, condition,
                         yes, no);
}

struct node *parser_expression(struct parser *parser) {
    if (++parser->depth > EXPRESSION_DEPTH_MOST)
        return parser_fail(parser, &parser->token, "the expression is too deeply nested");
    struct node *node = parse_binary(parser, 1);
    if (node && token_is(&parser->token, "?"))
        node = parse_branches(parser, node);
    parser->depth--;
    return node;
}
