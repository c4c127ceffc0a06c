/* The walk over the tree. */
#include "dwarf/expression_operand.h"

#include <string.h>

static bool evaluate_scalar(struct evaluation *evaluation, const struct node *node, struct scalar *ret) {
    struct operand operand;
    return evaluate_node(evaluation, node, &operand) && operand_scalar(evaluation, node, &operand, ret);
}

static bool is_true(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                    bool *ret) {
    struct scalar scalar;
    *ret = true;
    if (operand->place == PLACE_TEXT)
        return true;
    if (operand->place != PLACE_SCALAR && type_strip(operand->type)->kind == TYPE_ARRAY)
        return true;
    if (!operand_scalar(evaluation, node, operand, &scalar))
        return false;
    *ret = scalar_is_true(&scalar);
    return true;
}

bool evaluate_truth(struct evaluation *evaluation, const struct node *node, bool *ret) {
    struct operand operand;
    return evaluate_node(evaluation, node, &operand) && is_true(evaluation, node, &operand, ret);
}

/* ---- names ---- */

static bool resolve(struct evaluation *evaluation, const struct node *node, const char *name,
                    struct operand *ret) {
    struct buffer bytes = {0};
    struct expression_operand found = {.bytes = &bytes};
    const struct expression_scope *scope = evaluation->scope;
    enum operand_state state = scope->resolve(scope->context, name, &found);
    bool good = false;
    if (state == OPERAND_NOT_FOUND)
        unknown(evaluation, node, CAUSE_NOT_FOUND, "no variable '%s' here", name);
    else if (state == OPERAND_OPTIMIZED_OUT)
        unknown(evaluation, node, CAUSE_OPTIMIZED_OUT, "'%s' is optimized out", name);
    else if (state == OPERAND_NOT_ALLOCATED)
        unknown(evaluation, node, CAUSE_NOT_FOUND, "'%s' is not allocated in this thread yet", name);
    else if (state == OPERAND_UNREADABLE)
        unknown(evaluation, node, CAUSE_UNREADABLE, "'%s' cannot be read", name);
    else if (found.in_memory) {
        *ret = (struct operand){.place = PLACE_MEMORY, .type = found.type, .address = found.address};
        good = true;
    } else {
        uint8_t *copy = evaluation_keep(evaluation, node, bytes.size + 1);
        good = copy != NULL;
        if (copy && bytes.size)
            memcpy(copy, bytes.data, bytes.size);
        *ret = (struct operand){.place = PLACE_BYTES, .type = found.type, .bytes = copy, .size = bytes.size};
    }
    buffer_deinit(&bytes);
    return good && operand_follow(evaluation, node, ret);
}

/* In a member function a name may be a member of *this. */
static bool member_of_this(struct evaluation *evaluation, const struct node *node, struct operand *ret) {
    struct expression_trouble ignored, *trouble = evaluation->trouble;
    struct operand this_pointer, object;
    bool found = false;
    if (strstr(node->text, "::") || !strcmp(node->text, "this"))
        return false;
    evaluation->trouble = &ignored;
    bool good = resolve(evaluation, node, "this", &this_pointer) &&
                operand_dereference(evaluation, node, &this_pointer, &object) &&
                operand_member(evaluation, node, &object, node->text, ret, &found) && found;
    evaluation->trouble = trouble;
    return good;
}

static bool evaluate_name(struct evaluation *evaluation, const struct node *node, struct operand *ret) {
    if (resolve(evaluation, node, node->text, ret))
        return true;
    if (evaluation->trouble->cause != CAUSE_NOT_FOUND || !member_of_this(evaluation, node, ret))
        return false;
    return operand_follow(evaluation, node, ret);
}

/* ---- members, elements, addresses ---- */

static bool evaluate_member(struct evaluation *evaluation, const struct node *node, struct operand *ret) {
    struct operand object;
    bool found;
    if (!evaluate_node(evaluation, node->left, &object))
        return false;
    bool pointer = object.type && type_strip(object.type)->kind == TYPE_POINTER;
    if (pointer || node->kind == NODE_ARROW) {
        struct operand pointed;
        if (!operand_dereference(evaluation, node, &object, &pointed))
            return false;
        object = pointed;
    }
    if (!operand_member(evaluation, node, &object, node->text, ret, &found))
        return false;
    if (!found)
        return unknown(evaluation, node, CAUSE_NOT_FOUND, "'%s' has no member '%s'",
                       object.type ? object.type->name : "a string", node->text);
    return operand_follow(evaluation, node, ret);
}

static bool evaluate_index(struct evaluation *evaluation, const struct node *node, struct operand *ret) {
    struct operand left;
    struct scalar index;
    if (!evaluate_node(evaluation, node->left, &left) || !evaluate_scalar(evaluation, node->right, &index))
        return false;
    if (index.kind == SCALAR_POINTER) { /* 3[a] is a[3] (C11 6.5.2.1) */
        struct operand pointer = operand_of_scalar(index);
        if (!operand_scalar(evaluation, node->left, &left, &index))
            return false;
        left = pointer;
    }
    if (index.kind != SCALAR_INTEGER)
        return unknown(evaluation, node->right, CAUSE_IMPOSSIBLE, "an index is an integer");
    return operand_index(evaluation, node, &left, index.integer, ret);
}

static bool address_of(struct evaluation *evaluation, const struct node *node, struct operand *ret) {
    struct operand operand;
    if (!evaluate_node(evaluation, node->left, &operand))
        return false;
    if (operand.place != PLACE_MEMORY || operand.bit_size)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "it is not in memory and has no address");
    const struct type *type = pointer_to(evaluation, node, operand.type);
    if (type)
        *ret = operand_of_scalar(scalar_pointer(type, operand.address));
    return type != NULL;
}

/* ---- casts and sizes ---- */

static bool cast_scalar(struct evaluation *evaluation, const struct node *node, const struct scalar *from,
                        const struct type *type, struct operand *ret) {
    const struct type *stripped = type_strip(type);
    enum basic_type basic = basic_of(stripped);
    struct scalar result;
    if (stripped->kind == TYPE_POINTER || stripped->kind == TYPE_NULLPTR) {
        if (from->kind == SCALAR_FLOAT)
            return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "a float cannot become a pointer");
        *ret = operand_of_scalar(scalar_pointer(type, (uint64_t)from->integer));
        return true;
    }
    if (basic == BASIC_NONE)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "a cast to '%s' is not possible", type->name);
    const char *why = scalar_convert(from, type, basic, &result);
    if (why && !evaluation->not_evaluated)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "%s", why);
    *ret = operand_of_scalar(why ? scalar_integer(basic, 0) : result);
    return true;
}

static bool evaluate_cast(struct evaluation *evaluation, const struct node *node, struct operand *ret) {
    const struct type *type;
    struct scalar scalar;
    return named_type(evaluation, node, &node->type, &type) &&
           evaluate_scalar(evaluation, node->left, &scalar) &&
           cast_scalar(evaluation, node, &scalar, type, ret);
}

static bool size_result(struct evaluation *evaluation, const struct node *node, const struct type *type,
                        struct operand *ret) {
    uint64_t size;
    const struct type *stripped = type_strip(type);
    if (stripped->kind == TYPE_REFERENCE || stripped->kind == TYPE_RVALUE_REFERENCE)
        type = stripped->target;
    if (!size_of_type(evaluation, node, type, &size))
        return false;
    *ret = operand_of_scalar(scalar_integer(BASIC_UNSIGNED_LONG, (__int128)size));
    return true;
}

/* `sizeof(NAME)`, where NAME turns out to be a type. */
static bool size_of_named(struct evaluation *evaluation, const struct node *node, struct operand *ret) {
    const struct expression_scope *scope = evaluation->scope;
    const struct type *type = NULL;
    if (node->left->kind == NODE_NAME && evaluation->trouble->cause == CAUSE_NOT_FOUND && scope->find_type)
        type = scope->find_type(scope->context, node->left->text);
    return type && size_result(evaluation, node, type, ret);
}

static bool evaluate_sizeof(struct evaluation *evaluation, const struct node *node, struct operand *ret) {
    struct operand operand;
    evaluation->not_evaluated++;
    bool good = evaluate_node(evaluation, node->left, &operand);
    evaluation->not_evaluated--;
    if (!good)
        return size_of_named(evaluation, node, ret);
    if (operand.bit_size)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "a bit field has no size");
    if (operand.place == PLACE_TEXT) {
        *ret = operand_of_scalar(scalar_integer(BASIC_UNSIGNED_LONG, (__int128)operand.text->text_size + 1));
        return true;
    }
    return size_result(evaluation, node, operand.type, ret);
}

static bool evaluate_sizeof_type(struct evaluation *evaluation, const struct node *node,
                                 struct operand *ret) {
    const struct type *type;
    return named_type(evaluation, node, &node->type, &type) && size_result(evaluation, node, type, ret);
}

/* ---- operators ---- */

static bool evaluate_unary(struct evaluation *evaluation, const struct node *node, struct operand *ret) {
    struct operand operand;
    struct scalar scalar;
    bool truth;
    if (node->operation == OPERATOR_AND)
        return address_of(evaluation, node, ret);
    if (node->operation == OPERATOR_MULTIPLY)
        return evaluate_node(evaluation, node->left, &operand) &&
               operand_dereference(evaluation, node, &operand, ret);
    if (node->operation == OPERATOR_NOT) {
        if (!evaluate_truth(evaluation, node->left, &truth))
            return false;
        *ret = operand_of_scalar(scalar_integer(BASIC_INT, !truth));
        return true;
    }
    if (!evaluate_scalar(evaluation, node->left, &scalar))
        return false;
    if (scalar.kind == SCALAR_POINTER)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "the operator needs a number, not a pointer");
    const char *why = scalar_unary(node->operation, &scalar, &scalar);
    if (why)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "%s", why);
    *ret = operand_of_scalar(scalar);
    return true;
}

static bool pointer_difference(struct evaluation *evaluation, const struct node *node,
                               const struct scalar *left, const struct scalar *right, struct scalar *ret) {
    const struct type *type = type_strip(left->type);
    uint64_t size;
    if (type->kind != TYPE_POINTER || type_strip(right->type)->kind != TYPE_POINTER)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "nullptr points to nothing");
    if (!size_of_type(evaluation, node, type->target, &size))
        return false;
    int64_t bytes = (int64_t)((uint64_t)left->integer - (uint64_t)right->integer);
    *ret = scalar_integer(BASIC_LONG, size ? (__int128)bytes / (__int128)size : 0);
    return true;
}

/* Operators of two scalars of which at least one is a pointer. */
static bool pointer_binary(struct evaluation *evaluation, const struct node *node, const struct scalar *left,
                           const struct scalar *right, struct scalar *ret) {
    enum node_operator operation = node->operation;
    bool both = left->kind == SCALAR_POINTER && right->kind == SCALAR_POINTER;
    if (left->kind == SCALAR_FLOAT || right->kind == SCALAR_FLOAT)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "a pointer and a float do not go together");
    if (operation >= OPERATOR_LESS && operation <= OPERATOR_NOT_EQUAL) {
        uint64_t a = (uint64_t)left->integer, b = (uint64_t)right->integer;
        *ret = scalar_integer(BASIC_INT, comparison_holds(operation, a < b ? -1 : a > b));
        return true;
    }
    if (operation == OPERATOR_SUBTRACT && both)
        return pointer_difference(evaluation, node, left, right, ret);
    if (operation == OPERATOR_SUBTRACT && left->kind == SCALAR_POINTER)
        return pointer_add(evaluation, node, left, -right->integer, ret);
    if (operation == OPERATOR_ADD && !both)
        return left->kind == SCALAR_POINTER ? pointer_add(evaluation, node, left, right->integer, ret)
                                            : pointer_add(evaluation, node, right, left->integer, ret);
    return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "the operator needs numbers, not pointers");
}

static bool evaluate_logical(struct evaluation *evaluation, const struct node *node, struct operand *ret) {
    bool truth, is_and = node->operation == OPERATOR_LOGICAL_AND;
    if (!evaluate_truth(evaluation, node->left, &truth))
        return false;
    if (truth == is_and && !evaluate_truth(evaluation, node->right, &truth))
        return false;
    *ret = operand_of_scalar(scalar_integer(BASIC_INT, truth));
    return true;
}

/* A name that is no variable, beside an operand of an enum, is one of its enumerators. */
static bool enumerator_beside(struct evaluation *evaluation, const struct node *name,
                              const struct operand *other, struct operand *ret) {
    if (name->kind != NODE_NAME || evaluation->trouble->cause != CAUSE_NOT_FOUND || !other->type)
        return false;
    const struct type *type = type_strip(other->type);
    const char *last = strrchr(name->text, ':');
    if (type->kind != TYPE_ENUM)
        return false;
    error_free(type->owner ? type_complete(type) : NULL);
    for (size_t i = 0; i < type->enumerator_count; i++) {
        enum basic_type basic = basic_of(type);
        if (basic == BASIC_NONE || strcmp(type->enumerators[i].name, last ? last + 1 : name->text) != 0)
            continue;
        struct scalar value = scalar_integer(basic, type->enumerators[i].value);
        value.type = other->type;
        *ret = operand_of_scalar(value);
        return true;
    }
    return false;
}

static bool evaluate_pair(struct evaluation *evaluation, const struct node *node, struct operand *ret_left,
                          struct operand *ret_right) {
    bool left = evaluate_node(evaluation, node->left, ret_left);
    if (!left && (node->left->kind != NODE_NAME || evaluation->trouble->cause != CAUSE_NOT_FOUND))
        return false;
    struct expression_trouble trouble = *evaluation->trouble;
    if (!evaluate_node(evaluation, node->right, ret_right))
        return left && enumerator_beside(evaluation, node->right, ret_left, ret_right);
    *evaluation->trouble = trouble;
    return left || enumerator_beside(evaluation, node->left, ret_right, ret_left);
}

static bool evaluate_binary(struct evaluation *evaluation, const struct node *node, struct operand *ret) {
    struct operand operands[2];
    struct scalar left, right, result;
    bool holds;
    if (!evaluate_pair(evaluation, node, &operands[0], &operands[1]))
        return false;
    bool compares = node->operation >= OPERATOR_LESS && node->operation <= OPERATOR_NOT_EQUAL;
    if (compares && (operands[0].place == PLACE_TEXT || operands[1].place == PLACE_TEXT)) {
        if (!compare_texts(evaluation, node, &operands[0], &operands[1], &holds))
            return false;
        *ret = operand_of_scalar(scalar_integer(BASIC_INT, holds));
        return true;
    }
    if (!operand_scalar(evaluation, node->left, &operands[0], &left) ||
        !operand_scalar(evaluation, node->right, &operands[1], &right))
        return false;
    if (left.kind == SCALAR_POINTER || right.kind == SCALAR_POINTER) {
        if (!pointer_binary(evaluation, node, &left, &right, &result))
            return false;
    } else {
        const char *why = scalar_binary(node->operation, left, right, &result);
        if (why && evaluation->not_evaluated) /* 1 / 0 has a type */
            why = scalar_binary(OPERATOR_ADD, left, right, &result);
        if (why)
            return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "%s", why);
    }
    *ret = operand_of_scalar(result);
    return true;
}

/* The result has the common type of both branches, though only one is evaluated (C11 6.5.15). */
static bool evaluate_conditional(struct evaluation *evaluation, const struct node *node,
                                 struct operand *ret) {
    struct expression_trouble ignored, *trouble = evaluation->trouble;
    struct operand other;
    struct scalar value, type_of_other;
    bool truth;
    if (!evaluate_truth(evaluation, node->left, &truth) ||
        !evaluate_node(evaluation, truth ? node->right : node->third, ret))
        return false;
    const struct node *skipped = truth ? node->third : node->right;
    evaluation->not_evaluated++;
    evaluation->trouble = &ignored;
    bool arithmetic = evaluate_node(evaluation, skipped, &other) && other.place != PLACE_TEXT &&
                      operand_scalar(evaluation, skipped, &other, &type_of_other) &&
                      type_of_other.kind != SCALAR_POINTER;
    evaluation->not_evaluated--;
    arithmetic = arithmetic && ret->type && basic_of(type_strip(ret->type)) != BASIC_NONE;
    evaluation->trouble = trouble;
    if (!arithmetic)
        return true;
    if (!operand_scalar(evaluation, node, ret, &value))
        return false;
    const struct type *type = type_strip(value.type);
    if (type->kind == TYPE_ENUM && type == type_strip(type_of_other.type))
        return true; /* so that it shows as one */
    scalar_usual_conversions(&value, &type_of_other);
    *ret = operand_of_scalar(value);
    return true;
}

/* ---- the walk ---- */

bool evaluate_node(struct evaluation *evaluation, const struct node *node, struct operand *ret) {
    switch (node->kind) {
    case NODE_INTEGER:
        *ret = operand_of_scalar(node->basic == BASIC_NULLPTR
                                     ? scalar_pointer(basic_type(BASIC_NULLPTR), 0)
                                     : scalar_integer(node->basic, (__int128)node->integer));
        return true;
    case NODE_FLOAT:
        *ret = operand_of_scalar(scalar_float(node->basic, node->real));
        return true;
    case NODE_STRING:
        *ret = (struct operand){.place = PLACE_TEXT, .text = node};
        return true;
    case NODE_NAME:
        return evaluate_name(evaluation, node, ret);
    case NODE_UNARY:
        return evaluate_unary(evaluation, node, ret);
    case NODE_BINARY:
        if (node->operation == OPERATOR_LOGICAL_AND || node->operation == OPERATOR_LOGICAL_OR)
            return evaluate_logical(evaluation, node, ret);
        return evaluate_binary(evaluation, node, ret);
    case NODE_CONDITIONAL:
        return evaluate_conditional(evaluation, node, ret);
    case NODE_MEMBER:
    case NODE_ARROW:
        return evaluate_member(evaluation, node, ret);
    case NODE_INDEX:
        return evaluate_index(evaluation, node, ret);
    case NODE_CAST:
        return evaluate_cast(evaluation, node, ret);
    case NODE_SIZEOF:
        return evaluate_sizeof(evaluation, node, ret);
    case NODE_SIZEOF_TYPE:
        return evaluate_sizeof_type(evaluation, node, ret);
    }
    return false;
}
