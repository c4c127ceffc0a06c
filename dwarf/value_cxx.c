/* Classes of the C++ standard library that hold a value, a string or a sequence: libstdc++ (members _M_...)
 * and libc++ (members __..._). Those made of nodes: value_cxx_node.c. */
#include "dwarf/value_private.h"

#include <string.h>

/* ---- strings ---- */

/* Declared only, or its pointer's class is (clang): a pointer and a length (libstdc++'s ABI since GCC 5). */
static bool print_declared_string(struct value_context *context, const struct value_object *object) {
    struct value_object holder;
    uint64_t words[2];
    bool declared = object->type->is_declaration ||
                    (value_path(object, "_M_dataplus", &holder) && type_strip(holder.type)->is_declaration);
    if (!declared || object->size < sizeof(words) || strcmp(object->type->name, "std::string") != 0)
        return false;
    memcpy(words, object->bytes, sizeof(words));
    value_write_counted_string(context, words[0], words[1], 1);
    return true;
}

/* libc++: the lowest bit of the first byte tells a long string from one that is in the object itself. */
static bool print_libcxx_string(struct value_context *context, const struct value_object *object,
                                size_t width) {
    struct value_object small, large, data;
    uint64_t length;
    const struct type *target;
    if (!object->size || !value_find(object, "__s", &small) || !value_find(object, "__l", &large))
        return false;
    if (object->bytes[0] & 1) {
        uint64_t address;
        if (!value_path_number(&large, "__size_", &length) ||
            !value_path_pointer(&large, "__data_", &address, &target))
            return false;
        value_write_counted_string(context, address, length, width);
        return true;
    }
    length = object->bytes[0] >> 1;
    if (!value_path(&small, "__data_", &data) || length > data.size / width)
        return false;
    uint64_t most = context->options.max_string / width;
    value_put_characters(context, data.bytes, (size_t)(length < most ? length : most), width, length > most);
    return true;
}

static bool print_string(struct value_context *context, const struct value_object *object) {
    uint64_t address, length;
    const struct type *target;
    if (print_declared_string(context, object))
        return true;
    const struct type *character = value_template_type(object, 0);
    size_t width = character ? value_character_width(character) : 0;
    if (!width)
        return false;
    if (!value_path_pointer(object, "_M_dataplus._M_p", &address, &target))
        return print_libcxx_string(context, object, width);
    /* before GCC 5: length, capacity and count stand before the characters */
    if (!value_path_number(object, "_M_string_length", &length) &&
        !value_read(context, address - 24, &length, sizeof(length)))
        return false;
    value_write_counted_string(context, address, length, width);
    return true;
}

static bool print_string_view(struct value_context *context, const struct value_object *object) {
    uint64_t address, length;
    const struct type *target;
    if (!value_path_pointer(object, "_M_str", &address, &target) &&
        !value_path_pointer(object, "__data", &address, &target) &&
        !value_path_pointer(object, "__data_", &address, &target))
        return false;
    if (!value_path_number(object, "_M_len", &length) && !value_path_number(object, "__size", &length) &&
        !value_path_number(object, "__size_", &length))
        return false;
    size_t width = value_character_width(target);
    if (!width)
        return false;
    value_write_counted_string(context, address, length, width);
    return true;
}

/* ---- sequences ---- */

static bool print_range(struct value_context *context, const struct value_object *object, const char *from,
                        const char *to) {
    uint64_t begin, end;
    const struct type *target, *element, *other;
    if (!value_path_pointer(object, from, &begin, &target) || !value_path_pointer(object, to, &end, &other))
        return false;
    struct error *err = type_resolve(target, &element);
    uint64_t size = err ? 0 : element->size;
    error_free(err);
    if (!size || end < begin || (end - begin) % size)
        return false;
    value_write_elements(context, target, begin, (end - begin) / size);
    return true;
}

/* Bits in words of 64. */
static void write_bits(struct value_context *context, uint64_t address, uint64_t count) {
    struct value_list list;
    uint8_t byte = 0;
    if (!value_list_begin(&list, context, false))
        return;
    for (uint64_t i = 0; i < count && value_list_next(&list); i++) {
        bool there = i % 8 || value_read(context, address + i / 8, &byte, 1);
        value_put(context, !there ? VALUE_UNREADABLE : byte >> (i % 8) & 1 ? "true" : "false");
    }
    value_list_end(&list);
}

static bool print_bits(struct value_context *context, const struct value_object *object) {
    uint64_t begin, end, count;
    const struct type *target;
    if (value_path_pointer(object, "_M_impl._M_start._M_p", &begin, &target) &&
        value_path_pointer(object, "_M_impl._M_finish._M_p", &end, &target) &&
        value_path_number(object, "_M_impl._M_finish._M_offset", &count) && end >= begin) {
        write_bits(context, begin, (end - begin) * 8 + (count & 63));
        return true;
    }
    if (value_path_pointer(object, "__begin_", &begin, &target) &&
        value_path_number(object, "__size_", &count)) {
        write_bits(context, begin, count);
        return true;
    }
    return false;
}

static bool print_vector(struct value_context *context, const struct value_object *object) {
    return print_range(context, object, "_M_impl._M_start", "_M_impl._M_finish") ||
           print_range(context, object, "__begin_", "__end_");
}

static bool print_member(struct value_context *context, const struct value_object *object,
                         const char *const *paths) {
    struct value_object member;
    for (; *paths; paths++)
        if (value_path(object, *paths, &member)) {
            value_write(context, &member);
            return true;
        }
    return false;
}

static bool print_array(struct value_context *context, const struct value_object *object) {
    static const char *const paths[] = {"_M_elems", "__elems_", NULL};
    return print_member(context, object, paths);
}

/* queue, stack, priority_queue */
static bool print_adaptor(struct value_context *context, const struct value_object *object) {
    static const char *const paths[] = {"c", NULL};
    return print_member(context, object, paths);
}

static bool print_span(struct value_context *context, const struct value_object *object) {
    uint64_t address, count;
    const struct type *target;
    if ((!value_path_pointer(object, "_M_ptr", &address, &target) &&
         !value_path_pointer(object, "__data", &address, &target) &&
         !value_path_pointer(object, "__data_", &address, &target)) ||
        (!value_path_number(object, "_M_extent._M_extent_value", &count) &&
         !value_path_number(object, "__size", &count) && !value_path_number(object, "__size_", &count)))
        return false;
    value_write_elements(context, target, address, count);
    return true;
}

static bool print_initializer_list(struct value_context *context, const struct value_object *object) {
    uint64_t address, count;
    const struct type *target;
    if ((!value_path_pointer(object, "_M_array", &address, &target) &&
         !value_path_pointer(object, "__begin_", &address, &target)) ||
        (!value_path_number(object, "_M_len", &count) && !value_path_number(object, "__size_", &count)))
        return false;
    value_write_elements(context, target, address, count);
    return true;
}

/* ---- deque: blocks of elements, and a map of the blocks ---- */

struct deque {
    const struct type *element;
    uint64_t element_size;
    uint64_t map;      /* address of the pointer to the first block */
    uint64_t first;    /* index of the first element in that block */
    uint64_t count;    /* elements */
    uint64_t in_block; /* elements of a block */
};

static void write_deque(struct value_context *context, const struct deque *deque) {
    struct value_list list;
    uint64_t block = 0;
    bool there = false;
    if (!value_list_begin(&list, context, false))
        return;
    for (uint64_t i = 0; i < deque->count && value_list_next(&list); i++) {
        uint64_t at = deque->first + i;
        if (i == 0 || at % deque->in_block == 0)
            there = value_read(context, deque->map + at / deque->in_block * 8, &block, sizeof(block));
        if (there)
            value_write_at(context, block + at % deque->in_block * deque->element_size, deque->element);
        else
            value_put(context, VALUE_UNREADABLE);
    }
    value_list_end(&list);
}

/* libstdc++: blocks of 512 bytes, or of one element. The distance of the ends in blocks gives the count. */
static bool read_libstdcxx_deque(const struct value_object *object, struct deque *ret) {
    uint64_t cursor, first, last_cursor, last_first, last_node;
    const struct type *target;
    if (!value_path_pointer(object, "_M_impl._M_start._M_cur", &cursor, &ret->element) ||
        !value_path_pointer(object, "_M_impl._M_start._M_first", &first, &target) ||
        !value_path_pointer(object, "_M_impl._M_start._M_node", &ret->map, &target) ||
        !value_path_pointer(object, "_M_impl._M_finish._M_cur", &last_cursor, &target) ||
        !value_path_pointer(object, "_M_impl._M_finish._M_first", &last_first, &target) ||
        !value_path_pointer(object, "_M_impl._M_finish._M_node", &last_node, &target))
        return false;
    ret->element_size = type_strip(ret->element)->size;
    if (!ret->element_size || last_node < ret->map || cursor < first || last_cursor < last_first)
        return false;
    ret->in_block = ret->element_size < 512 ? 512 / ret->element_size : 1;
    ret->first = (cursor - first) / ret->element_size;
    uint64_t end =
        (last_node - ret->map) / 8 * ret->in_block + (last_cursor - last_first) / ret->element_size;
    ret->count = end - ret->first;
    return end >= ret->first;
}

/* libc++: blocks of 4096 bytes, or of 16 elements. */
static bool read_libcxx_deque(struct value_context *context, const struct value_object *object,
                              struct deque *ret) {
    const struct type *target;
    ret->element = value_template_type(object, 0);
    if (!ret->element || !value_path_pointer(object, "__map_.__begin_", &ret->map, &target) ||
        !value_path_number(object, "__start_", &ret->first) ||
        (!value_path_number(object, "__size_.__value_", &ret->count) &&
         !value_path_number(object, "__size_", &ret->count)))
        return false;
    (void)context;
    ret->element_size = type_strip(ret->element)->size;
    if (!ret->element_size)
        return false;
    ret->in_block = ret->element_size < 256 ? 4096 / ret->element_size : 16;
    return true;
}

static bool print_deque(struct value_context *context, const struct value_object *object) {
    struct deque deque = {0};
    if (!read_libstdcxx_deque(object, &deque) && !read_libcxx_deque(context, object, &deque))
        return false;
    write_deque(context, &deque);
    return true;
}

/* ---- one value, or none ---- */

static bool print_optional(struct value_context *context, const struct value_object *object) {
    struct value_object flag, value;
    uint64_t engaged;
    if ((!value_find(object, "_M_engaged", &flag) && !value_find(object, "__engaged_", &flag)) ||
        !value_number(&flag, &engaged))
        return false;
    if (!(engaged & 1)) {
        value_put(context, "null");
        return true;
    }
    const struct type *type = value_template_type(object, 0);
    if (!type || (!value_find(object, "_M_value", &value) && !value_find(object, "__val_", &value)))
        return false;
    value_write(context, &value);
    return true;
}

/* The alternatives share the first bytes of the storage. */
static bool print_variant(struct value_context *context, const struct value_object *object) {
    struct value_object storage, number;
    uint64_t index;
    if (!(value_find(object, "_M_u", &storage) && value_find(object, "_M_index", &number)) &&
        !(value_find(object, "__data", &storage) && value_find(object, "__index", &number)))
        return false;
    if (!value_number(&number, &index))
        return false;
    if (index == (UINT64_MAX >> (64 - 8 * type_strip(number.type)->size))) {
        value_put(context, "\"<valueless>\"");
        return true;
    }
    const struct type *type = index < 1024 ? value_template_type(object, (size_t)index) : NULL;
    if (!type)
        return false;
    storage.type = type;
    value_write(context, &storage);
    return true;
}

static bool is_shown(const struct type *target) {
    target = type_strip(target);
    return target->kind != TYPE_VOID && target->kind != TYPE_FUNCTION;
}

static bool print_pointee(struct value_context *context, const struct value_object *object, uint64_t address,
                          const struct type *target) {
    const struct type *argument = value_template_type(object, 0);
    bool is_array = argument && type_strip(argument)->kind == TYPE_ARRAY;
    const struct type *whole = target;
    struct error *err = type_resolve(target, &whole);
    bool shown = !err && !is_array && is_shown(target) && whole->has_size &&
                 context->depth < context->options.max_depth;
    error_free(err);
    if (!address) {
        value_put(context, "null");
    } else if (!shown) {
        value_put_address(context, address);
    } else {
        context->depth++; /* lists of unique_ptr may be circles */
        value_write_at(context, address, target);
        context->depth--;
    }
    return true;
}

static bool print_unique_ptr(struct value_context *context, const struct value_object *object) {
    struct value_object pointer;
    uint64_t address;
    if (value_path(object, "_M_t", &pointer)) {
        /* _M_t is a tuple; the pointer is its first element, which stands last among the bases */
        struct value_object head;
        const struct type *target;
        if (value_path_pointer(&pointer, "_M_t._M_head_impl", &address, &target) ||
            value_path_pointer(&pointer, "_M_head_impl", &address, &target))
            return print_pointee(context, object, address, target);
        if (!value_find_pointer(&pointer, &head) || !value_number(&head, &address))
            return false;
        return print_pointee(context, object, address, type_strip(head.type)->target);
    }
    if (!value_path(object, "__ptr_", &pointer) ||
        (type_strip(pointer.type)->kind != TYPE_POINTER && !value_path(&pointer, "__value_", &pointer)) ||
        !value_number(&pointer, &address) || type_strip(pointer.type)->kind != TYPE_POINTER)
        return false;
    return print_pointee(context, object, address, type_strip(pointer.type)->target);
}

static bool print_shared_ptr(struct value_context *context, const struct value_object *object) {
    uint64_t address;
    const struct type *target;
    if (!value_path_pointer(object, "_M_ptr", &address, &target) &&
        !value_path_pointer(object, "__ptr_", &address, &target))
        return false;
    return print_pointee(context, object, address, target);
}

/* What it points to may be gone. */
static bool print_weak_ptr(struct value_context *context, const struct value_object *object) {
    uint64_t address;
    const struct type *target;
    if (!value_path_pointer(object, "_M_ptr", &address, &target) &&
        !value_path_pointer(object, "__ptr_", &address, &target))
        return false;
    if (address)
        value_put_address(context, address);
    else
        value_put(context, "null");
    return true;
}

static bool print_reference_wrapper(struct value_context *context, const struct value_object *object) {
    uint64_t address;
    const struct type *target;
    if (!value_path_pointer(object, "_M_data", &address, &target) &&
        !value_path_pointer(object, "__f_", &address, &target))
        return false;
    return print_pointee(context, object, address, target);
}

/* ---- wrappers ---- */

static bool print_wrapper(struct value_context *context, const struct value_object *object) {
    static const char *const paths[] = {"_M_i",        "_M_base._M_i", "_M_b._M_p", "_M_fp", "__a_.__a_value",
                                        "__r",         "__rep_",       "_M_value",  "__d",   "__d_",
                                        "_M_pathname", "__pn_",        NULL};
    return print_member(context, object, paths);
}

static bool print_complex(struct value_context *context, const struct value_object *object) {
    struct value_object value, imaginary;
    if (value_path(object, "_M_value", &value)) {
        value_write(context, &value);
        return true;
    }
    if (!value_path(object, "__re_", &value) || !value_path(object, "__im_", &imaginary))
        return false;
    value_put(context, "{\"real\": ");
    value_write(context, &value);
    value_put(context, ", \"imag\": ");
    value_write(context, &imaginary);
    value_put(context, "}");
    return true;
}

/* ---- tuples: an inheritance chain ---- */

#define TUPLE_MAX 64

/* libstdc++: each _Tuple_impl has its own element, then a base with the rest. libc++: all leaves side by
 * side. */
static void tuple_elements(const struct value_object *object, unsigned depth, struct value_object *elements,
                           size_t *count) {
    const struct type *whole;
    struct value_object inner, found;
    struct error *err = type_resolve(object->type, &whole);
    if (err || depth > TUPLE_MAX) {
        error_free(err);
        return;
    }
    struct value_object rest = {0};
    for (size_t i = 0; i < whole->member_count; i++) {
        const struct type_member *member = &whole->members[i];
        struct value_object from = {whole, object->bytes, object->size};
        if (!value_member(&from, member, &inner))
            continue;
        if (member->base && !strncmp(member->type->name, "std::_Tuple_impl<", 17)) {
            rest = inner;
        } else if (member->base && !strncmp(member->type->name, "std::_Head_base<", 16)) {
            if (!value_path(&inner, "_M_head_impl", &found))
                found = (struct value_object){NULL, NULL, 0};
            if (found.type && *count < TUPLE_MAX)
                elements[(*count)++] = found;
        } else if (member->base && !strncmp(member->type->name, "std::__tuple_leaf<", 18)) {
            if (value_path(&inner, "__value_", &found) && *count < TUPLE_MAX)
                elements[(*count)++] = found;
        } else if (member->name && !strncmp(member->name, "__base_", 7)) {
            rest = inner;
        }
    }
    if (rest.type)
        tuple_elements(&rest, depth + 1, elements, count);
}

static bool print_tuple(struct value_context *context, const struct value_object *object) {
    struct value_object elements[TUPLE_MAX];
    struct value_list list;
    size_t count = 0;
    const struct type *whole;
    struct error *err = type_resolve(object->type, &whole);
    if (err) {
        error_free(err);
        return false;
    }
    /* std::tuple itself derives from the first _Tuple_impl */
    tuple_elements(object, 0, elements, &count);
    /* empty classes have no member to be shown; gcc does not always list the arguments */
    if (whole->template_type_count && count != whole->template_type_count)
        return false;
    if (!value_list_begin(&list, context, false))
        return true;
    for (size_t i = 0; i < count && value_list_next(&list); i++)
        value_write(context, &elements[i]);
    value_list_end(&list);
    return true;
}

const struct value_printer value_cxx_printers[] = {
    {"std::string$", print_string},
    {"std::basic_string<", print_string},
    {"std::wstring$", print_string},
    {"std::string_view$", print_string_view},
    {"std::wstring_view$", print_string_view},
    {"std::basic_string_view<", print_string_view},
    {"std::vector<bool", print_bits},
    {"std::vector<", print_vector},
    {"std::array<", print_array},
    {"std::deque<", print_deque},
    {"std::queue<", print_adaptor},
    {"std::stack<", print_adaptor},
    {"std::priority_queue<", print_adaptor},
    {"std::span<", print_span},
    {"std::initializer_list<", print_initializer_list},
    {"std::optional<", print_optional},
    {"std::variant<", print_variant},
    {"std::unique_ptr<", print_unique_ptr},
    {"std::shared_ptr<", print_shared_ptr},
    {"std::weak_ptr<", print_weak_ptr},
    {"std::reference_wrapper<", print_reference_wrapper},
    {"std::tuple<", print_tuple},
    {"std::atomic<", print_wrapper},
    {"std::chrono::duration<", print_wrapper},
    {"std::chrono::time_point<", print_wrapper},
    {"std::complex<", print_complex},
    {"std::filesystem::path$", print_wrapper},
    {NULL, NULL},
};
