/* Comparing with string literals. */
#include "dwarf/expression_operand.h"
#include "dwarf/value.h"

#include <cjson/cJSON.h>
#include <string.h>

/* Bytes of a text; NULL bytes: a null pointer, which is no text at all. */
struct text {
    const uint8_t *bytes;
    size_t size;
};

static bool is_byte(const struct type *type) {
    type = type_strip(type);
    return (type->kind == TYPE_CHARACTER || type->kind == TYPE_INTEGER) && type->has_size && type->size == 1;
}

/* Up to the NUL, or most bytes: as much as can matter. */
static bool read_at(struct evaluation *evaluation, const struct node *node, uint64_t address, size_t most,
                    bool needs_nul, struct text *ret) {
    uint8_t *bytes = evaluation_keep(evaluation, node, most + 1);
    if (!bytes)
        return false;
    size_t size =
        evaluation->not_evaluated ? 0 : memory_read(evaluation->scope->memory, address, bytes, most);
    const uint8_t *end = memchr(bytes, 0, size);
    if (!end && size < most && needs_nul && !evaluation->not_evaluated)
        return unknown(evaluation, node, CAUSE_UNREADABLE, "memory at 0x%llx cannot be read",
                       (unsigned long long)address + size);
    *ret = (struct text){bytes, end ? (size_t)(end - bytes) : size};
    return true;
}

static bool read_array(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                       const struct type *type, size_t most, struct text *ret) {
    size_t size = type->has_size && type->size < most ? (size_t)type->size : most;
    uint8_t *bytes = evaluation_keep(evaluation, node, size + 1);
    if (!bytes || !operand_read(evaluation, node, operand, 0, bytes, size))
        return false;
    *ret = (struct text){bytes, strnlen((char *)bytes, size)};
    return true;
}

/* ---- strings of libraries: as they are shown ---- */

static bool is_unknown_value(const char *text) {
    static const char *const values[] = {"<unreadable>", "<incomplete>", "<unknown size>", "<bad type>",
                                         "..."};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        if (!strcmp(text, values[i]))
            return true;
    return false;
}

/* The text of a JSON string; false when json is anything else. The bytes are kept. */
static bool decode(struct evaluation *evaluation, const struct node *node, struct buffer *json,
                   struct text *ret) {
    buffer_put_u8(json, 0);
    if (json->failed || *json->data != '"')
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "it cannot be compared with a string literal");
    cJSON *value = cJSON_Parse((const char *)json->data);
    const char *text = cJSON_GetStringValue(value);
    bool good = text != NULL;
    uint8_t *copy = good ? evaluation_keep(evaluation, node, strlen(text) + 1) : NULL;
    if (!good || is_unknown_value(text))
        good = unknown(evaluation, node, CAUSE_UNREADABLE, "the string cannot be read");
    else if (copy) {
        *ret = (struct text){copy, strlen(text)};
        memcpy(copy, text, ret->size);
    }
    cJSON_Delete(value);
    return good && copy;
}

static bool read_shown(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                       size_t most, struct text *ret) {
    struct value_options options = {.max_string = most + 8, .max_depth = 8, .max_elements = 4};
    struct buffer json = {0};
    uint64_t size;
    if (operand->bit_size || !size_of_type(evaluation, node, operand->type, &size))
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "it cannot be compared with a string literal");
    if (size > EXPRESSION_TEXT_MOST)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "it is no string");
    uint8_t *bytes = evaluation_keep(evaluation, node, (size_t)size + 1);
    if (!bytes || !operand_read(evaluation, node, operand, 0, bytes, (size_t)size))
        return false;
    value_render(operand->type, bytes, (size_t)size, evaluation->scope->memory, &options, &json);
    bool good = decode(evaluation, node, &json, ret);
    buffer_deinit(&json);
    return good;
}

/* The literal as read_shown() would have it: bytes that are no UTF-8 are shown in another way. */
static bool show_literal(struct evaluation *evaluation, const struct node *node, const struct node *literal,
                         struct text *ret) {
    struct buffer json = {0};
    value_put_string(&json, literal->text, literal->text_size, literal->text_size);
    bool good = decode(evaluation, node, &json, ret);
    buffer_deinit(&json);
    return good;
}

/* ---- comparing ---- */

static bool is_shown(const struct operand *operand) {
    if (operand->place != PLACE_MEMORY && operand->place != PLACE_BYTES)
        return false;
    switch (type_strip(operand->type)->kind) {
    case TYPE_STRUCT:
    case TYPE_CLASS:
    case TYPE_UNION:
    case TYPE_ENUM:
    case TYPE_STRING:
        return true;
    default:
        return false;
    }
}

static bool read_text(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                      size_t most, struct text *ret) {
    struct scalar pointer;
    if (is_shown(operand))
        return read_shown(evaluation, node, operand, most, ret);
    const struct type *type = type_strip(operand->type);
    if (type->kind == TYPE_ARRAY && is_byte(type->target) && operand->place != PLACE_SCALAR)
        return read_array(evaluation, node, operand, type, most, ret);
    if (type->kind != TYPE_POINTER || !is_byte(type->target))
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "a value of type '%s' is no string",
                       operand->type->name);
    if (!operand_scalar(evaluation, node, operand, &pointer))
        return false;
    *ret = (struct text){0};
    return !pointer.integer || read_at(evaluation, node, (uint64_t)pointer.integer, most, true, ret);
}

static int compare(const struct text *a, const struct text *b) {
    int outcome = memcmp(a->bytes, b->bytes, a->size < b->size ? a->size : b->size);
    return outcome ? outcome : (a->size > b->size) - (a->size < b->size);
}

bool compare_texts(struct evaluation *evaluation, const struct node *node, const struct operand *left,
                   const struct operand *right, bool *ret) {
    bool literal_first = left->place == PLACE_TEXT;
    const struct operand *other = literal_first ? right : left;
    const struct node *literal = literal_first ? left->text : right->text;
    struct text texts[2] = {{0}, {(const uint8_t *)literal->text, literal->text_size}};
    enum node_operator operation = node->operation;
    if (other->place == PLACE_TEXT)
        texts[0] = (struct text){(const uint8_t *)right->text->text, right->text->text_size};
    else if (!read_text(evaluation, node, other, literal->text_size + 1, &texts[0]) ||
             (is_shown(other) && !show_literal(evaluation, node, literal, &texts[1])))
        return false;
    if (!texts[0].bytes) { /* NULL is equal to no text, and in no order with one */
        if (operation != OPERATOR_EQUAL && operation != OPERATOR_NOT_EQUAL)
            return unknown(evaluation, node, CAUSE_UNREADABLE, "the pointer is NULL");
        *ret = operation == OPERATOR_NOT_EQUAL;
        return true;
    }
    int outcome = compare(&texts[0], &texts[1]); /* of the other with the literal */
    *ret = comparison_holds(operation, literal_first ? (outcome < 0) - (outcome > 0) : outcome);
    return true;
}
