/* expression_compare: conditions that machine code can decide. */
#include "dwarf/expression_node.h"

struct list {
    struct expression_comparison *items;
    size_t most, count;
};

/* Literals up to INT64_MAX, with a sign. */
static bool constant_of(const struct node *node, struct expression_comparison *ret) {
    bool is_minus =
        node->kind == NODE_UNARY && (node->operation == OPERATOR_SUBTRACT || node->operation == OPERATOR_ADD);
    bool is_negative = is_minus && node->operation == OPERATOR_SUBTRACT;
    if (is_minus)
        node = node->left;
    /* `-1u` is not negative, and `1u` makes the variable unsigned, too */
    bool is_signed = node->basic == BASIC_INT || node->basic == BASIC_LONG ||
                     node->basic == BASIC_LONG_LONG || node->basic == BASIC_CHAR || node->basic == BASIC_BOOL;
    if (node->kind != NODE_INTEGER || !is_signed || node->integer > INT64_MAX)
        return false;
    ret->constant = is_negative ? -(int64_t)node->integer : (int64_t)node->integer;
    ret->is_negative = ret->constant < 0;
    return true;
}

static bool add(struct list *list, const struct expression_comparison *comparison) {
    if (list->count == list->most)
        return false;
    list->items[list->count++] = *comparison;
    return true;
}

static bool set_relation(enum node_operator operation, struct expression_comparison *ret) {
    ret->less =
        operation == OPERATOR_LESS || operation == OPERATOR_LESS_EQUAL || operation == OPERATOR_NOT_EQUAL;
    ret->greater = operation == OPERATOR_GREATER || operation == OPERATOR_GREATER_EQUAL ||
                   operation == OPERATOR_NOT_EQUAL;
    ret->equal = operation == OPERATOR_EQUAL || operation == OPERATOR_LESS_EQUAL ||
                 operation == OPERATOR_GREATER_EQUAL;
    return ret->less || ret->greater || ret->equal;
}

static bool add_binary(struct list *list, const struct node *node) {
    struct expression_comparison made = {0};
    if (!set_relation(node->operation, &made))
        return false;
    if (node->left->kind == NODE_NAME && constant_of(node->right, &made)) {
        made.name = node->left->text;
        return add(list, &made);
    }
    if (node->right->kind != NODE_NAME || !constant_of(node->left, &made))
        return false;
    made.name = node->right->text;
    bool less = made.less;
    made.less = made.greater;
    made.greater = less;
    return add(list, &made);
}

static bool add_node(struct list *list, const struct node *node) {
    bool is_not = node->kind == NODE_UNARY && node->operation == OPERATOR_NOT;
    const struct node *name = is_not ? node->left : node;
    if (name->kind == NODE_NAME) {
        const struct expression_comparison zero = {
            .name = name->text, .less = !is_not, .greater = !is_not, .equal = is_not};
        return add(list, &zero);
    }
    if (node->kind != NODE_BINARY)
        return false;
    if (node->operation == OPERATOR_LOGICAL_AND)
        return add_node(list, node->left) && add_node(list, node->right);
    return add_binary(list, node);
}

bool expression_comparisons(const struct expression *expression, struct expression_comparison *ret,
                            size_t most, size_t *ret_count) {
    struct list list = {.items = ret, .most = most};
    bool good = add_node(&list, expression->root);
    *ret_count = list.count;
    return good;
}
