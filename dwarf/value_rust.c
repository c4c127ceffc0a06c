/* Rust's strings, slices, collections, smart pointers, tuples and enums, as rustc describes them (1.60
 * to 1.95). */
#include "dwarf/value_private.h"

#include <string.h>

/* ---- strings and slices: a fat pointer ---- */

static bool fat_pointer(const struct value_object *object, uint64_t *ret_address, uint64_t *ret_length,
                        const struct type **ret_target) {
    return value_path_pointer(object, "data_ptr", ret_address, ret_target) &&
           value_path_number(object, "length", ret_length);
}

static bool print_str(struct value_context *context, const struct value_object *object) {
    uint64_t address, length;
    const struct type *target;
    if (!fat_pointer(object, &address, &length, &target))
        return false;
    value_write_counted_string(context, address, length, 1);
    return true;
}

static bool print_slice(struct value_context *context, const struct value_object *object) {
    uint64_t address, length;
    const struct type *target;
    if (!fat_pointer(object, &address, &length, &target))
        return false;
    value_write_elements(context, target, address, length);
    return true;
}

/* ---- Vec and what is made of it ---- */

static bool vector(const struct value_object *object, uint64_t *ret_address, uint64_t *ret_length) {
    struct value_object buffer, pointer;
    return value_path_number(object, "len", ret_length) && value_path(object, "buf", &buffer) &&
           value_find_pointer(&buffer, &pointer) && value_number(&pointer, ret_address);
}

static bool print_vec(struct value_context *context, const struct value_object *object) {
    uint64_t address, length;
    const struct type *element = value_template_type(object, 0);
    if (!element || !vector(object, &address, &length))
        return false;
    value_write_elements(context, element, address, length);
    return true;
}

/* String, OsString, PathBuf: a Vec<u8> somewhere inside. */
static bool print_string(struct value_context *context, const struct value_object *object) {
    uint64_t address, length;
    struct value_object inner;
    if ((!value_find(object, "vec", &inner) && !value_find(object, "bytes", &inner) &&
         !value_find(object, "inner", &inner)) ||
        !vector(&inner, &address, &length))
        return false;
    value_write_counted_string(context, address, length, 1);
    return true;
}

/* A number, or a struct around one. */
static bool number_in(const struct value_object *object, const char *name, uint64_t *ret) {
    struct value_object found;
    if (!value_find(object, name, &found))
        return false;
    for (unsigned i = 0; i < 4; i++) {
        if (value_number(&found, ret))
            return true;
        if (!value_path(&found, "__0", &found))
            return false;
    }
    return false;
}

/* A ring: from head on, and around. */
static bool print_deque(struct value_context *context, const struct value_object *object) {
    uint64_t address, length, head, capacity;
    const struct type *element = value_template_type(object, 0);
    struct value_list list;
    if (!element || !vector(object, &address, &length) || !value_path_number(object, "head", &head) ||
        !number_in(object, "cap", &capacity) || (length && (!capacity || head >= capacity)))
        return false;
    uint64_t size = type_strip(element)->size;
    if (!value_list_begin(&list, context, false))
        return true;
    for (uint64_t i = 0; i < length && value_list_next(&list); i++)
        value_write_at(context, address + (head + i) % capacity * size, element);
    value_list_end(&list);
    return true;
}

/* ---- smart pointers and cells ---- */

/* Rc and Arc: the value stands behind two counts. */
static bool print_counted(struct value_context *context, const struct value_object *object) {
    struct value_object pointer, inner, value;
    uint64_t address;
    if (!value_find_pointer(object, &pointer) || !value_number(&pointer, &address) ||
        context->depth >= context->options.max_depth ||
        !value_fetch(context, address, type_strip(pointer.type)->target, &inner))
        return false;
    bool found = value_path(&inner, "value", &value) || value_path(&inner, "data", &value);
    context->depth++; /* these may be circles */
    if (found)
        value_write(context, &value);
    context->depth--;
    value_release(&inner);
    return found;
}

/* Cell, RefCell, Mutex, RwLock: an UnsafeCell around the value. */
static bool print_cell(struct value_context *context, const struct value_object *object) {
    struct value_object value;
    if (!value_path(object, "value.value", &value) && !value_path(object, "data.value", &value) &&
        !value_path(object, "v.value", &value) && !value_path(object, "value", &value))
        return false;
    value_write(context, &value);
    return true;
}

/* ---- HashMap and HashSet (hashbrown) ---- */

/* Groups of control bytes that are looked at; an empty table of this size is not read further. */
#define BUCKETS_MAX ((uint64_t)1 << 16)
#define GROUP       64

/* Buckets lie before the control bytes, backwards. A control byte below 0x80 says that its bucket is full. */
struct table {
    uint64_t control, buckets, items;
    const struct type *element; /* (K, V) */
};

static bool read_table(const struct value_object *map, struct table *ret) {
    struct value_object control, pointer;
    uint64_t mask;
    ret->element = value_template_type(map, 0);
    if (!ret->element || !value_find(map, "ctrl", &control) ||
        !(value_number(&control, &ret->control) ||
          (value_find_pointer(&control, &pointer) && value_number(&pointer, &ret->control))) ||
        !number_in(map, "bucket_mask", &mask) || !number_in(map, "items", &ret->items))
        return false;
    ret->buckets = mask < BUCKETS_MAX ? mask + 1 : BUCKETS_MAX;
    return true;
}

static bool write_bucket(struct value_list *list, const struct table *table, uint64_t index) {
    uint64_t size = type_strip(table->element)->size;
    struct value_object pair, key, value;
    if (!value_fetch(list->context, table->control - (index + 1) * size, table->element, &pair))
        return false;
    if (!value_path(&pair, "__0", &key)) {
        value_put(list->context, list->object ? "\"\": " : "");
        value_put(list->context, VALUE_UNREADABLE);
    } else if (!list->object) {
        value_write(list->context, &key);
    } else if (value_path(&pair, "__1", &value)) {
        value_write_pair(list, &key, &value);
    } else {
        value_put(list->context, "\"\": " VALUE_UNREADABLE);
    }
    value_release(&pair);
    return true;
}

static void write_table(struct value_context *context, const struct table *table, bool is_map) {
    struct value_list list;
    uint8_t group[GROUP];
    uint64_t left = table->items;
    if (!value_list_begin(&list, context, is_map))
        return;
    for (uint64_t i = 0; i < table->buckets && left; i++) {
        if (i % GROUP == 0) {
            uint64_t size = table->buckets - i < GROUP ? table->buckets - i : GROUP;
            if (!value_read(context, table->control + i, group, (size_t)size))
                break;
        }
        if (group[i % GROUP] & 0x80)
            continue;
        if (!value_list_next(&list))
            break;
        left--;
        if (!write_bucket(&list, table, i)) {
            value_put(context, is_map ? "\"\": " VALUE_UNREADABLE : VALUE_UNREADABLE);
            break;
        }
    }
    value_list_end(&list);
}

static bool print_hash_map(struct value_context *context, const struct value_object *object) {
    struct value_object map;
    struct table table;
    if (!value_path(object, "base.table", &map) || !read_table(&map, &table))
        return false;
    write_table(context, &table, true);
    return true;
}

static bool print_hash_set(struct value_context *context, const struct value_object *object) {
    struct value_object map;
    struct table table;
    if (!value_path(object, "base.map.table", &map) || !read_table(&map, &table))
        return false;
    write_table(context, &table, false);
    return true;
}

/* ---- tuples and enums ---- */

/* True if all members are called __0, __1, ... */
static bool is_tuple(const struct type *type) {
    for (size_t i = 0; i < type->member_count; i++) {
        const char *name = type->members[i].name;
        if (!name || strncmp(name, "__", 2) != 0 || name[2] < '0' || name[2] > '9')
            return false;
    }
    return type->member_count > 0;
}

/* Members in the order of their numbers: rustc sorts them by where they are. */
static const struct type_member *numbered(const struct type *type, size_t number) {
    for (size_t i = 0; i < type->member_count; i++) {
        size_t value = 0;
        for (const char *digit = type->members[i].name + 2; *digit >= '0' && *digit <= '9' && value < 4096;
             digit++)
            value = value * 10 + (size_t)(*digit - '0');
        if (value == number)
            return &type->members[i];
    }
    return NULL;
}

static void write_numbered(struct value_context *context, const struct value_object *object, size_t number) {
    const struct type_member *member = numbered(object->type, number);
    struct value_object value;
    if (member && value_member(object, member, &value))
        value_write(context, &value);
    else
        value_put(context, VALUE_UNREADABLE);
}

/* One element is shown as itself: struct Meters(f64). */
static void write_tuple(struct value_context *context, const struct value_object *object) {
    struct value_list list;
    if (object->type->member_count == 1 && object->type->name[0] != '(') {
        context->depth++;
        if (context->depth > context->options.max_depth)
            value_put(context, "\"...\"");
        else
            write_numbered(context, object, 0);
        context->depth--;
        return;
    }
    if (!value_list_begin(&list, context, false))
        return;
    for (size_t i = 0; i < object->type->member_count && value_list_next(&list); i++)
        write_numbered(context, object, i);
    value_list_end(&list);
}

/* Up to 16 bytes; mask: the bits that there are. */
static bool read_discriminant(const struct value_object *object, unsigned __int128 *ret,
                              unsigned __int128 *ret_mask) {
    struct value_object place;
    if (!value_member(object, object->type->discriminant, &place))
        return false;
    uint64_t size = type_strip(place.type)->size;
    if (!size || size > sizeof(*ret) || place.size < size)
        return false;
    *ret = 0;
    memcpy(ret, place.bytes, (size_t)size);
    *ret_mask = ~(unsigned __int128)0 >> (128 - 8 * size);
    return true;
}

static const struct type_variant *active_variant(const struct value_object *object) {
    const struct type *type = object->type;
    const struct type_variant *otherwise = NULL;
    unsigned __int128 number, mask;
    if (!type->discriminant)
        return type->variant_count == 1 ? &type->variants[0] : NULL;
    if (!read_discriminant(object, &number, &mask))
        return NULL;
    for (size_t i = 0; i < type->variant_count; i++) {
        const struct type_variant *variant = &type->variants[i];
        if (variant->is_default)
            otherwise = variant;
        for (size_t k = 0; k < variant->range_count; k++)
            if (number >= (variant->ranges[k].low & mask) && number <= (variant->ranges[k].high & mask))
                return variant;
    }
    return otherwise;
}

/* "None", {"Some": 5}, {"Rect": {"w": 1, "h": 2}} */
static bool write_variant(struct value_context *context, const struct value_object *object) {
    const struct type_variant *variant = active_variant(object);
    struct value_object value;
    struct value_list list;
    const struct type *whole;
    if (!variant || variant->member_count != 1 || !variant->members[0].name ||
        !value_member(object, &variant->members[0], &value))
        return false;
    struct error *err = type_resolve(value.type, &whole);
    if (err) {
        error_free(err);
        return false;
    }
    if (!whole->member_count && !whole->variant_count) {
        value_put_quoted(context, variant->members[0].name);
        return true;
    }
    if (!value_list_begin(&list, context, true))
        return true;
    if (value_list_next(&list)) {
        value_list_key(&list, variant->members[0].name);
        value_write(context, &value);
    }
    value_list_end(&list);
    return true;
}

bool value_write_rust_struct(struct value_context *context, const struct value_object *object) {
    if (object->type->variant_count)
        return write_variant(context, object);
    if (!is_tuple(object->type))
        return false;
    write_tuple(context, object);
    return true;
}

const struct value_printer value_rust_printers[] = {
    {"&str$", print_str},
    {"&mut str$", print_str},
    {"alloc::boxed::Box<str", print_str},
    {"&std::path::Path$", print_str},
    {"&std::ffi::os_str::OsStr$", print_str},
    {"&[", print_slice},
    {"&mut [", print_slice},
    {"alloc::boxed::Box<[", print_slice},
    {"alloc::string::String$", print_string},
    {"std::ffi::os_str::OsString$", print_string},
    {"std::path::PathBuf$", print_string},
    {"alloc::vec::Vec<", print_vec},
    {"alloc::collections::vec_deque::VecDeque<", print_deque},
    {"alloc::rc::Rc<", print_counted},
    {"alloc::sync::Arc<", print_counted},
    {"core::cell::Cell<", print_cell},
    {"core::cell::RefCell<", print_cell},
    {"core::cell::UnsafeCell<", print_cell},
    {"core::sync::atomic::Atomic", print_cell},
    {"std::sync::mutex::Mutex<", print_cell},
    {"std::sync::rwlock::RwLock<", print_cell},
    {"std::sync::poison::mutex::Mutex<", print_cell},
    {"std::sync::poison::rwlock::RwLock<", print_cell},
    {"std::collections::hash::map::HashMap<", print_hash_map},
    {"std::collections::hash::set::HashSet<", print_hash_set},
    {NULL, NULL},
};
