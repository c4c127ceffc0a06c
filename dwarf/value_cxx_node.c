/* Containers of the C++ standard library that are made of nodes: lists, trees, hash tables. A node has links
 * and then the value, aligned; the node's own type is often not in the debug information, so its form is
 * known here.
 *
 * However the links lead, a walk ends: it shows no more than max_elements, and no more than the container
 * says to have. */
#include "dwarf/value_private.h"

#include <string.h>

static uint64_t align(uint64_t offset, const struct type *type) {
    uint64_t alignment = type_alignment(type);
    return (offset + alignment - 1) & ~(alignment - 1);
}

/* What is walked: how to come to the next node, and where in it the value is. */
struct walk {
    uint64_t node; /* address; 0 or end: none */
    uint64_t end;
    uint64_t left; /* values that the container says to have */
    const struct type *value;
    uint64_t value_offset;
    bool (*next)(struct value_context *context, struct walk *walk); /* false: cannot be read */
    bool broken;
};

static bool next_linked(struct value_context *context, struct walk *walk) {
    return value_read(context, walk->node, &walk->node, sizeof(walk->node));
}

static bool has_node(const struct walk *walk) {
    return !walk->broken && walk->left && walk->node && walk->node != walk->end;
}

static void advance(struct value_context *context, struct walk *walk) {
    walk->left--;
    if (walk->left && !walk->next(context, walk))
        walk->broken = true;
}

/* ---- what it is written as ---- */

static void write_broken(struct value_list *list) {
    if (!value_list_next(list))
        return;
    if (list->object)
        value_list_key(list, "...");
    value_put(list->context, VALUE_UNREADABLE);
}

static bool write_sequence(struct value_context *context, struct walk *walk) {
    struct value_list list;
    if (!value_list_begin(&list, context, false))
        return true;
    while (has_node(walk) && value_list_next(&list)) {
        value_write_at(context, walk->node + walk->value_offset, walk->value);
        advance(context, walk);
    }
    if (walk->broken)
        write_broken(&list);
    value_list_end(&list);
    return true;
}

/* A JSON key: the text of a string, or the text of what else there is. */
static void write_key(struct value_context *context, const struct value_object *key) {
    struct buffer text = {0};
    struct buffer *ret = context->ret;
    size_t limit = context->limit;
    context->ret = &text;
    context->limit = limit > ret->size ? limit - ret->size : 0;
    value_write(context, key);
    context->ret = ret;
    context->limit = limit;
    if (text.size && text.data[0] == '"')
        buffer_put(ret, text.data, text.size);
    else
        value_put_string(ret, text.data, text.size, VALUE_NAME_MAX);
    ret->failed |= text.failed;
    buffer_deinit(&text);
    value_put(context, ": ");
}

void value_write_pair(struct value_list *list, const struct value_object *key,
                      const struct value_object *value) {
    write_key(list->context, key);
    value_write(list->context, value);
}

/* std::pair, or libc++'s wrapper of one. */
static bool split_pair(const struct value_object *pair, struct value_object *key,
                       struct value_object *value) {
    return (value_path(pair, "first", key) && value_path(pair, "second", value)) ||
           (value_path(pair, "__cc.first", key) && value_path(pair, "__cc.second", value)) ||
           (value_path(pair, "__cc_.first", key) && value_path(pair, "__cc_.second", value));
}

static void write_entry(struct value_list *list, struct walk *walk) {
    struct value_object pair, key, value;
    struct value_context *context = list->context;
    if (!value_fetch(context, walk->node + walk->value_offset, walk->value, &pair)) {
        walk->broken = true;
        if (list->object)
            value_list_key(list, "...");
        value_put(context, VALUE_UNREADABLE);
        return;
    }
    if (!list->object) {
        value_write(context, &pair);
    } else if (split_pair(&pair, &key, &value)) {
        value_write_pair(list, &key, &value);
    } else {
        value_list_key(list, "...");
        value_put(context, VALUE_UNREADABLE);
    }
    value_release(&pair);
}

/* [key, value] */
static void write_pair_list(struct value_context *context, const struct value_object *pair) {
    struct value_object key, value;
    struct value_list list;
    if (!split_pair(pair, &key, &value)) {
        value_put(context, VALUE_UNREADABLE);
        return;
    }
    if (!value_list_begin(&list, context, false))
        return;
    if (value_list_next(&list))
        value_write(context, &key);
    if (value_list_next(&list))
        value_write(context, &value);
    value_list_end(&list);
}

/* Two equal keys would be no sound JSON object. */
static bool write_map(struct value_context *context, struct walk *walk, bool multiple) {
    struct value_list list;
    struct value_object pair;
    if (!value_list_begin(&list, context, !multiple))
        return true;
    while (has_node(walk) && value_list_next(&list)) {
        if (!multiple) {
            write_entry(&list, walk);
        } else if (!value_fetch(context, walk->node + walk->value_offset, walk->value, &pair)) {
            value_put(context, VALUE_UNREADABLE);
            walk->broken = true;
        } else {
            write_pair_list(context, &pair);
            value_release(&pair);
        }
        if (!walk->broken)
            advance(context, walk);
    }
    if (walk->broken)
        write_broken(&list);
    value_list_end(&list);
    return true;
}

/* ---- lists ---- */

/* The list object itself is the node behind the last one; its address is that of the first node's back link.
 */
static bool print_list(struct value_context *context, const struct value_object *object) {
    struct walk walk = {.next = next_linked};
    const struct type *target;
    walk.value = value_template_type(object, 0);
    if (!walk.value)
        return false;
    if (value_path_pointer(object, "_M_impl._M_node._M_next", &walk.node, &target)) {
        uint64_t last, link[2];
        struct value_object size;
        walk.value_offset = align(16, walk.value);
        if (!value_path_pointer(object, "_M_impl._M_node._M_prev", &last, &target) ||
            !value_read(context, last, link, sizeof(link)))
            return false;
        walk.end = link[0];
        walk.left = UINT64_MAX;
        if (value_path(object, "_M_impl._M_node._M_size", &size))
            value_number(&size, &walk.left);
        return write_sequence(context, &walk);
    }
    /* libc++: nodes begin with the back link */
    uint64_t first;
    if (!value_path_pointer(object, "__end_.__next_", &first, &target) ||
        (!value_path_number(object, "__size_alloc_.__value_", &walk.left) &&
         !value_path_number(object, "__size_", &walk.left)))
        return false;
    walk.node = first + 8; /* the address of the link forward stands for the node */
    walk.value_offset = align(16, walk.value) - 8;
    struct value_list list;
    if (!value_list_begin(&list, context, false))
        return true;
    while (has_node(&walk) && value_list_next(&list)) {
        value_write_at(context, walk.node + walk.value_offset, walk.value);
        advance(context, &walk);
        walk.node += 8;
    }
    if (walk.broken)
        write_broken(&list);
    value_list_end(&list);
    return true;
}

static bool print_forward_list(struct value_context *context, const struct value_object *object) {
    struct walk walk = {.next = next_linked, .left = UINT64_MAX};
    const struct type *target;
    walk.value = value_template_type(object, 0);
    if (!walk.value ||
        (!value_path_pointer(object, "_M_impl._M_head._M_next", &walk.node, &target) &&
         !value_path_pointer(object, "__before_begin_.__value_.__next_", &walk.node, &target) &&
         !value_path_pointer(object, "__before_begin_.__next_", &walk.node, &target)))
        return false;
    walk.value_offset = align(8, walk.value);
    return write_sequence(context, &walk);
}

/* ---- trees ---- */

/* Nodes above or below each other: a tree that is deeper is none. */
#define TREE_DEPTH_MAX 128

/* The links of a node. libstdc++: color, parent, left, right; libc++: left, right, parent. */
struct links {
    uint64_t left, right, parent;
};

static bool read_links(struct value_context *context, uint64_t node, bool libcxx, struct links *ret) {
    uint64_t words[3];
    if (!value_read(context, node + (libcxx ? 0 : 8), words, sizeof(words)))
        return false;
    if (libcxx)
        *ret = (struct links){words[0], words[1], words[2]};
    else
        *ret = (struct links){words[1], words[2], words[0]};
    return true;
}

/* In order: down to the left of the right child, or up until we come from a left child. */
static bool next_in_tree(struct value_context *context, struct walk *walk, bool libcxx) {
    struct links links;
    if (!read_links(context, walk->node, libcxx, &links))
        return false;
    if (links.right) {
        uint64_t node = links.right;
        for (unsigned i = 0; i < TREE_DEPTH_MAX; i++) {
            if (!read_links(context, node, libcxx, &links))
                return false;
            walk->node = node;
            if (!links.left)
                return true;
            node = links.left;
        }
        return false;
    }
    for (unsigned i = 0; i < TREE_DEPTH_MAX; i++) {
        uint64_t child = walk->node;
        walk->node = links.parent;
        if (!walk->node || !read_links(context, walk->node, libcxx, &links))
            return false;
        if (links.right != child)
            return true;
    }
    return false;
}

static bool next_in_libstdcxx_tree(struct value_context *context, struct walk *walk) {
    return next_in_tree(context, walk, false);
}

static bool next_in_libcxx_tree(struct value_context *context, struct walk *walk) {
    return next_in_tree(context, walk, true);
}

/* value: of libstdc++'s nodes, pair<const K, V> for maps. */
static bool begin_tree(const struct value_object *object, struct walk *ret) {
    struct value_object tree;
    const struct type *target;
    if (value_path(object, "_M_t", &tree)) {
        ret->next = next_in_libstdcxx_tree;
        ret->value = value_template_type(&tree, 1); /* _Rb_tree<Key, Val, ...> */
        if (!ret->value || !value_path_pointer(&tree, "_M_impl._M_header._M_left", &ret->node, &target) ||
            !value_path_number(&tree, "_M_impl._M_node_count", &ret->left))
            return false;
        ret->value_offset = align(32, ret->value);
        return true;
    }
    if (!value_path(object, "__tree_", &tree))
        return false;
    ret->next = next_in_libcxx_tree;
    ret->value = value_template_type(&tree, 0); /* __tree<__value_type<K, V>, ...> */
    if (!ret->value || !value_path_pointer(&tree, "__begin_node_", &ret->node, &target) ||
        (!value_path_number(&tree, "__pair3_.__value_", &ret->left) &&
         !value_path_number(&tree, "__size_", &ret->left)))
        return false;
    ret->value_offset = align(25, ret->value); /* behind the color: the base's tail padding is used */
    return true;
}

static bool print_map(struct value_context *context, const struct value_object *object) {
    struct walk walk = {0};
    return begin_tree(object, &walk) && write_map(context, &walk, false);
}

static bool print_multimap(struct value_context *context, const struct value_object *object) {
    struct walk walk = {0};
    return begin_tree(object, &walk) && write_map(context, &walk, true);
}

static bool print_set(struct value_context *context, const struct value_object *object) {
    struct walk walk = {0};
    return begin_tree(object, &walk) && write_sequence(context, &walk);
}

/* ---- hash tables: all nodes are in one list ---- */

static bool begin_hash(const struct value_object *object, struct walk *ret) {
    struct value_object table;
    const struct type *target;
    ret->next = next_linked;
    if (value_path(object, "_M_h", &table)) {
        ret->value = value_template_type(&table, 1); /* _Hashtable<Key, Value, ...> */
        if (!ret->value || !value_path_pointer(&table, "_M_before_begin._M_nxt", &ret->node, &target) ||
            !value_path_number(&table, "_M_element_count", &ret->left))
            return false;
        ret->value_offset = align(8, ret->value);
        return true;
    }
    if (!value_path(object, "__table_", &table))
        return false;
    ret->value = value_template_type(&table, 0);
    if (!ret->value ||
        (!value_path_pointer(&table, "__p1_.__value_.__next_", &ret->node, &target) &&
         !value_path_pointer(&table, "__first_node_.__next_", &ret->node, &target)) ||
        (!value_path_number(&table, "__p2_.__value_", &ret->left) &&
         !value_path_number(&table, "__size_", &ret->left)))
        return false;
    ret->value_offset = align(16, ret->value); /* behind the hash */
    return true;
}

static bool print_unordered_map(struct value_context *context, const struct value_object *object) {
    struct walk walk = {0};
    return begin_hash(object, &walk) && write_map(context, &walk, false);
}

static bool print_unordered_multimap(struct value_context *context, const struct value_object *object) {
    struct walk walk = {0};
    return begin_hash(object, &walk) && write_map(context, &walk, true);
}

static bool print_unordered_set(struct value_context *context, const struct value_object *object) {
    struct walk walk = {0};
    return begin_hash(object, &walk) && write_sequence(context, &walk);
}

const struct value_printer value_cxx_node_printers[] = {
    {"std::list<", print_list},
    {"std::forward_list<", print_forward_list},
    {"std::map<", print_map},
    {"std::multimap<", print_multimap},
    {"std::set<", print_set},
    {"std::multiset<", print_set},
    {"std::unordered_map<", print_unordered_map},
    {"std::unordered_multimap<", print_unordered_multimap},
    {"std::unordered_set<", print_unordered_set},
    {"std::unordered_multiset<", print_unordered_set},
    {NULL, NULL},
};
