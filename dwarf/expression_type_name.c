/* Names, and the types of casts (C11 6.7.7). */
#include "dwarf/expression_parser.h"

#include <stdlib.h>
#include <string.h>

/* How often each word of a basic type stands there (C11 6.7.2). */
struct type_words {
    unsigned count, is_void, is_bool, is_char, is_short, is_int, is_long, is_float, is_double, is_signed,
        is_unsigned, is_int128;
};

static unsigned *type_word(struct type_words *words, const struct token *token) {
    const struct {
        const char *word;
        unsigned *ret;
    } table[] = {
        {"void", &words->is_void},     {"bool", &words->is_bool},         {"_Bool", &words->is_bool},
        {"char", &words->is_char},     {"short", &words->is_short},       {"int", &words->is_int},
        {"long", &words->is_long},     {"float", &words->is_float},       {"double", &words->is_double},
        {"signed", &words->is_signed}, {"unsigned", &words->is_unsigned}, {"__int128", &words->is_int128}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (token_is_name(token, table[i].word))
            return table[i].ret;
    return NULL;
}

static enum basic_type integer_of_words(const struct type_words *words) {
    bool is_unsigned = words->is_unsigned;
    unsigned sign = words->is_signed + words->is_unsigned, rest = words->count - sign - words->is_int;
    if (sign > 1 || words->is_int > 1)
        return BASIC_NONE;
    if (words->is_long == rest && rest <= 2)
        return (rest == 0 ? BASIC_INT : rest == 1 ? BASIC_LONG : BASIC_LONG_LONG) + is_unsigned;
    if (rest != 1)
        return BASIC_NONE;
    if (words->is_short)
        return BASIC_SHORT + is_unsigned;
    if (words->is_int)
        return BASIC_NONE;
    if (words->is_char)
        return words->is_unsigned ? BASIC_UNSIGNED_CHAR : words->is_signed ? BASIC_SIGNED_CHAR : BASIC_CHAR;
    return words->is_int128 ? BASIC_INT128 + is_unsigned : BASIC_NONE;
}

/* BASIC_NONE: these words do not go together. */
static enum basic_type basic_of_words(const struct type_words *words) {
    if (words->count == 1 && words->is_void)
        return BASIC_VOID;
    if (words->count == 1 && words->is_bool)
        return BASIC_BOOL;
    if (words->count == 1 && words->is_float)
        return BASIC_FLOAT;
    if (words->is_double == 1 && words->count == 1 + words->is_long && words->is_long <= 1)
        return words->is_long ? BASIC_LONG_DOUBLE : BASIC_DOUBLE;
    return integer_of_words(words);
}

/* Names that every program may use without debug information knowing them. */
static enum basic_type known_typedef(const struct token *token) {
    static const struct {
        const char *name;
        enum basic_type basic;
    } table[] = {{"int8_t", BASIC_SIGNED_CHAR},   {"uint8_t", BASIC_UNSIGNED_CHAR},
                 {"int16_t", BASIC_SHORT},        {"uint16_t", BASIC_UNSIGNED_SHORT},
                 {"int32_t", BASIC_INT},          {"uint32_t", BASIC_UNSIGNED_INT},
                 {"int64_t", BASIC_LONG},         {"uint64_t", BASIC_UNSIGNED_LONG},
                 {"intptr_t", BASIC_LONG},        {"uintptr_t", BASIC_UNSIGNED_LONG},
                 {"intmax_t", BASIC_LONG},        {"uintmax_t", BASIC_UNSIGNED_LONG},
                 {"size_t", BASIC_UNSIGNED_LONG}, {"ssize_t", BASIC_LONG},
                 {"ptrdiff_t", BASIC_LONG}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (token_is_name(token, table[i].name))
            return table[i].basic;
    return BASIC_NONE;
}

static bool skip_word(struct parser *parser, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (token_is_name(&parser->token, words[i])) {
            parser_advance(parser);
            return true;
        }
    return false;
}

static bool skip_qualifiers(struct parser *parser) {
    static const char *const words[] = {"const", "volatile", "restrict", "__restrict"};
    bool any = false;
    while (skip_word(parser, words, sizeof(words) / sizeof(words[0])))
        any = true;
    return any;
}

char *parser_qualified_name(struct parser *parser) {
    struct buffer name = {0};
    struct parser saved = *parser;
    if (parser_accept(parser, "::"))
        buffer_put(&name, "::", 2);
    while (parser->token.kind == TOKEN_NAME) {
        buffer_put(&name, parser->token.start, parser->token.size);
        parser_advance(parser);
        if (!parser_accept(parser, "::")) {
            buffer_put_u8(&name, 0);
            if (!name.failed)
                return (char *)name.data;
            parser->err = parser->err ? parser->err : &error_no_memory;
            break;
        }
        buffer_put(&name, "::", 2);
    }
    parser_rewind(parser, &saved);
    buffer_deinit(&name);
    return NULL;
}

/* What stands before the pointers of a type. *ret_certain: it cannot be an expression. */
static bool read_base_type(struct parser *parser, struct type_name *ret, bool *ret_certain) {
    static const char *const tags[] = {"struct", "union", "enum", "class"};
    struct type_words words = {0};
    *ret_certain = skip_qualifiers(parser);
    if (skip_word(parser, tags, sizeof(tags) / sizeof(tags[0])))
        *ret_certain = true;
    else {
        for (unsigned *word; (word = type_word(&words, &parser->token)); skip_qualifiers(parser)) {
            ++*word;
            words.count++;
            parser_advance(parser);
        }
        ret->basic = words.count ? basic_of_words(&words) : known_typedef(&parser->token);
        if (words.count || ret->basic != BASIC_NONE) {
            *ret_certain = true;
            if (!words.count)
                parser_advance(parser);
            else if (ret->basic == BASIC_NONE)
                parser_fail(parser, &parser->token, "the words before are no type together");
            return ret->basic != BASIC_NONE;
        }
    }
    ret->basic = BASIC_NONE;
    ret->name = parser_qualified_name(parser);
    return ret->name != NULL;
}

/* Could an operand begin here that no binary operator explains? `(NAME)x` is a cast then. */
static bool begins_operand_only(const struct token *token) {
    return token->kind == TOKEN_NAME || token->kind == TOKEN_NUMBER || token->kind == TOKEN_CHARACTER ||
           token->kind == TOKEN_STRING || token_is(token, "!") || token_is(token, "~");
}

bool parser_type_name(struct parser *parser, bool of_sizeof, struct type_name *ret) {
    struct parser saved = *parser;
    bool certain;
    memset(ret, 0, sizeof(*ret));
    bool good = read_base_type(parser, ret, &certain);
    certain |= good && skip_qualifiers(parser);
    while (good && ret->pointers < 16 && parser_accept(parser, "*")) {
        ret->pointers++;
        skip_qualifiers(parser);
    }
    certain |= ret->pointers > 0;
    good = good && parser_accept(parser, ")");
    if (good && (certain || (!of_sizeof && begins_operand_only(&parser->token))))
        return true;
    free(ret->name);
    parser_rewind(parser, &saved);
    return false;
}
