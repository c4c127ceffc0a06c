/* What comes out of an expression: true or false, or a value as JSON. */
#include "dwarf/expression_operand.h"
#include "dwarf/value.h"

#include <stdio.h>
#include <string.h>

/* Objects that are shown as a whole are not larger. */
#define OBJECT_SIZE_MOST (UINT64_C(1) << 24)

enum expression_truth expression_test(const struct expression *expression,
                                      const struct expression_scope *scope,
                                      struct expression_trouble *ret_trouble) {
    struct expression_trouble trouble = {0};
    struct evaluation evaluation = {.scope = scope, .trouble = &trouble};
    bool truth = false, known = evaluate_truth(&evaluation, expression->root, &truth);
    evaluation_deinit(&evaluation);
    if (!known && ret_trouble)
        *ret_trouble = trouble;
    return !known ? EXPRESSION_UNKNOWN : truth ? EXPRESSION_TRUE : EXPRESSION_FALSE;
}

/* ---- showing ---- */

static bool show_scalar(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                        const struct value_options *options, struct buffer *ret) {
    struct scalar scalar;
    uint8_t bytes[SCALAR_BYTES_MOST];
    if (!operand_scalar(evaluation, node, operand, &scalar))
        return false;
    size_t size = scalar_to_bytes(&scalar, bytes);
    value_render(scalar.type, bytes, size, evaluation->scope->memory, options, ret);
    return true;
}

static bool show_object(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                        const struct value_options *options, struct buffer *ret) {
    const struct type *type = type_strip(operand->type);
    uint64_t size = type->has_size ? type->size : 0;
    if (operand->place == PLACE_BYTES && !type->has_size)
        size = operand->size;
    if (size > OBJECT_SIZE_MOST)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "the value is too large to be shown");
    uint8_t *bytes = evaluation_keep(evaluation, node, (size_t)size + 1);
    if (!bytes || !operand_read(evaluation, node, operand, 0, bytes, (size_t)size))
        return false;
    value_render(operand->type, bytes, (size_t)size, evaluation->scope->memory, options, ret);
    return true;
}

static bool show_operand(struct evaluation *evaluation, const struct node *node,
                         const struct operand *operand, const struct value_options *options,
                         struct buffer *ret) {
    if (operand->place == PLACE_TEXT) {
        value_put_string(ret, operand->text->text, operand->text->text_size, options->max_string);
        return true;
    }
    if (operand->place == PLACE_SCALAR || operand->bit_size)
        return show_scalar(evaluation, node, operand, options, ret);
    if (type_strip(operand->type)->kind == TYPE_FUNCTION)
        return show_scalar(evaluation, node, operand, options, ret);
    return show_object(evaluation, node, operand, options, ret);
}

static void show_trouble(const struct expression_trouble *trouble, struct buffer *ret) {
    char text[sizeof(trouble->why) + 2];
    const char *known = trouble->cause == CAUSE_OPTIMIZED_OUT ? VALUE_OPTIMIZED_OUT
                        : trouble->cause == CAUSE_UNREADABLE  ? VALUE_UNREADABLE
                                                              : NULL;
    if (known) {
        buffer_put(ret, known, strlen(known));
        return;
    }
    int size = snprintf(text, sizeof(text), "<%s>", trouble->why);
    value_put_string(ret, text, (size_t)size, sizeof(text));
}

bool expression_render(const struct expression *expression, const struct expression_scope *scope,
                       const struct value_options *options, struct buffer *ret, struct buffer *ret_type,
                       struct expression_trouble *ret_trouble) {
    struct expression_trouble trouble = {0};
    struct evaluation evaluation = {.scope = scope, .trouble = &trouble};
    const struct node *root = expression->root;
    struct operand operand;
    bool good =
        evaluate_node(&evaluation, root, &operand) && show_operand(&evaluation, root, &operand, options, ret);
    if (!good)
        show_trouble(&trouble, ret);
    const char *type = !good ? "" : operand.type ? operand.type->name : "const char []";
    if (ret_type)
        buffer_put(ret_type, type, strlen(type) + 1);
    if (ret_trouble && !good)
        *ret_trouble = trouble;
    evaluation_deinit(&evaluation);
    return good;
}
