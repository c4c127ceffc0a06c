#include "dwarf/expression_operand.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NESTING_MOST = 32 };

/* ---- the evaluation ---- */

struct kept {
    struct kept *next;
    _Alignas(16) uint8_t bytes[];
};

void evaluation_deinit(struct evaluation *evaluation) {
    while (evaluation->kept) {
        struct kept *next = evaluation->kept->next;
        free(evaluation->kept);
        evaluation->kept = next;
    }
}

void *evaluation_keep(struct evaluation *evaluation, const struct node *node, size_t size) {
    struct kept *kept = calloc(1, sizeof(*kept) + size);
    if (!kept) {
        unknown(evaluation, node, CAUSE_IMPOSSIBLE, "out of memory");
        return NULL;
    }
    kept->next = evaluation->kept;
    evaluation->kept = kept;
    return kept->bytes;
}

bool unknown(struct evaluation *evaluation, const struct node *node, enum expression_cause cause,
             const char *format, ...) {
    va_list args;
    va_start(args, format);
    evaluation->trouble->cause = cause;
    evaluation->trouble->column = node->column;
    vsnprintf(evaluation->trouble->why, sizeof(evaluation->trouble->why), format, args);
    va_end(args);
    return false;
}

struct operand operand_of_scalar(struct scalar scalar) {
    return (struct operand){.place = PLACE_SCALAR, .type = scalar.type, .scalar = scalar};
}

/* ---- types ---- */

const struct type *pointer_to(struct evaluation *evaluation, const struct node *node,
                              const struct type *target) {
    size_t size = strlen(target->name) + 3;
    struct type *type = evaluation_keep(evaluation, node, sizeof(*type));
    char *name = evaluation_keep(evaluation, node, size);
    if (!type || !name)
        return NULL;
    bool pointer = *target->name && target->name[strlen(target->name) - 1] == '*';
    snprintf(name, size, "%s%s*", target->name, pointer ? "" : " ");
    *type = (struct type){.kind = TYPE_POINTER,
                          .language = target->language,
                          .name = name,
                          .base_name = name,
                          .size = 8,
                          .has_size = true,
                          .target = target,
                          .completed = true,
                          .owner = target->owner};
    return type;
}

bool named_type(struct evaluation *evaluation, const struct node *node, const struct type_name *name,
                const struct type **ret) {
    const struct expression_scope *scope = evaluation->scope;
    const struct type *type = NULL;
    if (name->basic != BASIC_NONE)
        type = basic_type(name->basic);
    else if (scope->find_type)
        type = scope->find_type(scope->context, name->name);
    if (!type)
        return unknown(evaluation, node, CAUSE_NOT_FOUND, "no type '%s' here", name->name);
    for (unsigned i = 0; i < name->pointers; i++)
        if (!(type = pointer_to(evaluation, node, type)))
            return false;
    *ret = type;
    return true;
}

/* The type itself, behind typedefs, and its definition if this is a declaration. */
static const struct type *definition(const struct type *type) {
    const struct type *found = type_strip(type);
    if (!found->owner || (found->completed && !found->is_declaration))
        return found;
    struct error *err = type_resolve(found, &found);
    error_free(err);
    return found;
}

bool size_of_type(struct evaluation *evaluation, const struct node *node, const struct type *type,
                  uint64_t *ret) {
    const struct type *found = definition(type);
    if (found->kind == TYPE_VOID || found->kind == TYPE_FUNCTION)
        *ret = 1; /* as gcc has it */
    else if (!found->has_size || found->is_declaration)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "the size of '%s' is not known", type->name);
    else
        *ret = found->size;
    return true;
}

static bool is_reference(const struct type *type) {
    return type->kind == TYPE_REFERENCE || type->kind == TYPE_RVALUE_REFERENCE;
}

static bool is_compound(const struct type *type) {
    return type->kind == TYPE_STRUCT || type->kind == TYPE_CLASS || type->kind == TYPE_UNION;
}

/* ---- reading ---- */

bool operand_read(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                  uint64_t offset, void *ret, size_t size) {
    if (evaluation->not_evaluated) {
        memset(ret, 0, size);
        return true;
    }
    if (operand->place == PLACE_MEMORY) {
        uint64_t address = operand->address + offset;
        if (memory_read_exact(evaluation->scope->memory, address, ret, size))
            return true;
        return unknown(evaluation, node, CAUSE_UNREADABLE, "memory at 0x%llx cannot be read",
                       (unsigned long long)address);
    }
    if (operand->place != PLACE_BYTES || offset > operand->size || size > operand->size - offset)
        return unknown(evaluation, node, CAUSE_UNREADABLE, "the value is not all there");
    memcpy(ret, operand->bytes + offset, size);
    return true;
}

bool operand_follow(struct evaluation *evaluation, const struct node *node, struct operand *operand) {
    for (int i = 0; operand->type && i < NESTING_MOST; i++) {
        const struct type *type = type_strip(operand->type);
        uint64_t address;
        if (!is_reference(type))
            return true;
        if (type->has_size && type->size != sizeof(address))
            return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "a reference of %llu bytes",
                           (unsigned long long)type->size);
        if (!operand_read(evaluation, node, operand, 0, &address, sizeof(address)))
            return false;
        *operand = (struct operand){.place = PLACE_MEMORY, .type = type->target, .address = address};
    }
    return true;
}

static const struct type *element_of(struct evaluation *evaluation, const struct node *node,
                                     const struct type *array);

/* An array becomes a pointer to its first element, a function one to itself (C11 6.3.2.1). */
static bool decay(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                  const struct type *type, struct scalar *ret) {
    if (operand->place != PLACE_MEMORY)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "it is not in memory and has no address");
    const struct type *target = type->kind == TYPE_ARRAY ? element_of(evaluation, node, type) : type;
    const struct type *pointer = target ? pointer_to(evaluation, node, target) : NULL;
    if (pointer)
        *ret = scalar_pointer(pointer, operand->address);
    return pointer != NULL;
}

static bool read_bits(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                      enum basic_type basic, struct scalar *ret) {
    uint8_t bytes[SCALAR_BYTES_MOST + 1] = {0};
    if (operand->bit_size > 128 || basic_is_float(basic))
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "an odd bit field");
    if (!operand_read(evaluation, node, operand, 0, bytes, (operand->bit_offset + operand->bit_size + 7) / 8))
        return false;
    scalar_from_bits(operand->type, basic, bytes, operand->bit_offset, operand->bit_size, ret);
    return true;
}

bool operand_scalar(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                    struct scalar *ret) {
    uint8_t bytes[SCALAR_BYTES_MOST];
    uint64_t address;
    if (operand->place == PLACE_SCALAR) {
        *ret = operand->scalar;
        return true;
    }
    if (operand->place == PLACE_TEXT)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "a string literal can only be compared");
    const struct type *type = type_strip(operand->type);
    enum basic_type basic = basic_of(type);
    if (type->kind == TYPE_ARRAY || type->kind == TYPE_FUNCTION)
        return decay(evaluation, node, operand, type, ret);
    if (type->kind == TYPE_POINTER || type->kind == TYPE_NULLPTR) {
        if (type->has_size && type->size != sizeof(address))
            return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "a pointer of %llu bytes",
                           (unsigned long long)type->size);
        if (!operand_read(evaluation, node, operand, 0, &address, sizeof(address)))
            return false;
        *ret = scalar_pointer(operand->type, address);
        return true;
    }
    if (basic == BASIC_NONE)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "a value of type '%s' is no number",
                       operand->type->name);
    if (operand->bit_size)
        return read_bits(evaluation, node, operand, basic, ret);
    if (!operand_read(evaluation, node, operand, 0, bytes, basic_type(basic)->size))
        return false;
    scalar_from_bytes(operand->type, basic, bytes, ret);
    return true;
}

/* ---- pointers and arrays ---- */

/* The target of a pointer; NULL for nullptr. */
static const struct type *target_of(const struct scalar *pointer) {
    const struct type *type = type_strip(pointer->type);
    return type->kind == TYPE_POINTER ? type->target : NULL;
}

bool operand_dereference(struct evaluation *evaluation, const struct node *node,
                         const struct operand *operand, struct operand *ret) {
    struct scalar pointer;
    if (!operand_scalar(evaluation, node, operand, &pointer))
        return false;
    const struct type *target = pointer.kind == SCALAR_POINTER ? target_of(&pointer) : NULL;
    if (!target)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "a value of type '%s' is no pointer",
                       pointer.type->name);
    if (type_strip(target)->kind == TYPE_VOID)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "what a 'void *' points to has no type");
    *ret = (struct operand){.place = PLACE_MEMORY, .type = target, .address = (uint64_t)pointer.integer};
    return operand_follow(evaluation, node, ret);
}

bool pointer_add(struct evaluation *evaluation, const struct node *node, const struct scalar *pointer,
                 __int128 count, struct scalar *ret) {
    uint64_t size;
    const struct type *target = target_of(pointer);
    if (!target)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "nullptr points to nothing");
    if (!size_of_type(evaluation, node, target, &size))
        return false;
    *ret = scalar_pointer(pointer->type, (uint64_t)pointer->integer + (uint64_t)count * size);
    return true;
}

/* The type of the elements: of an array with several dimensions it is one with the others. */
static const struct type *element_of(struct evaluation *evaluation, const struct node *node,
                                     const struct type *array) {
    if (array->dimension_count <= 1)
        return array->target;
    if (array->column_major) {
        unknown(evaluation, node, CAUSE_IMPOSSIBLE,
                "only the whole of a Fortran array of several dimensions is known");
        return NULL;
    }
    struct type *type = evaluation_keep(evaluation, node, sizeof(*type));
    char *name = evaluation_keep(evaluation, node, strlen(array->target->name) + 32);
    if (!type || !name)
        return NULL;
    *type = *array;
    type->dimensions++;
    type->dimension_count--;
    type->completed = true;
    type->has_size = definition(array->target)->has_size;
    type->size = definition(array->target)->size;
    sprintf(name, "%s []", array->target->name);
    type->name = name;
    for (size_t i = 0; i < type->dimension_count; i++) {
        const struct type_dimension *dimension = &type->dimensions[i];
        type->has_size &=
            dimension->known && (!dimension->count || type->size <= TYPE_SIZE_MAX / dimension->count);
        type->size *= type->has_size ? dimension->count : 0;
    }
    return type;
}

static bool array_element(struct evaluation *evaluation, const struct node *node,
                          const struct operand *operand, const struct type *array, __int128 index,
                          struct operand *ret) {
    const struct type_dimension *dimension = array->dimension_count ? &array->dimensions[0] : NULL;
    const struct type *element = element_of(evaluation, node, array);
    uint64_t size;
    if (!element || !size_of_type(evaluation, node, element, &size))
        return false;
    if (array->data_location.size || (dimension && dimension->stride_expression.size))
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "elements of such an array are not supported");
    if (dimension) {
        index -= dimension->lower;
        size = dimension->stride ? dimension->stride : size;
    }
    uint64_t offset = (uint64_t)index * size;
    *ret = (struct operand){.place = operand->place, .type = element};
    if (operand->place == PLACE_MEMORY)
        ret->address = operand->address + offset;
    else if (index < 0 || operand->place != PLACE_BYTES || (size && (uint64_t)index > operand->size / size) ||
             offset > operand->size)
        return unknown(evaluation, node, CAUSE_UNREADABLE, "the element is not there");
    else {
        ret->bytes = operand->bytes + offset;
        ret->size = operand->size - offset;
    }
    return operand_follow(evaluation, node, ret);
}

/* Where containers of libstdc++ and libc++ keep the pointer to their elements, or the array of them. */
static const char *const container_members[][2] = {{"_M_impl", "_M_start"}, /* std::vector, libstdc++ */
                                                   {"_M_dataplus", "_M_p"}, /* std::string, libstdc++ */
                                                   {"_M_elems", NULL},      /* std::array, libstdc++ */
                                                   {"__begin_", NULL},      /* std::vector, libc++ */
                                                   {"__elems_", NULL}};     /* std::array, libc++ */

static bool container_elements(struct evaluation *evaluation, const struct node *node,
                               const struct operand *operand, struct operand *ret) {
    for (size_t i = 0; i < sizeof(container_members) / sizeof(container_members[0]); i++) {
        const char *const *path = container_members[i];
        struct operand inner;
        bool found;
        if (!operand_member(evaluation, node, operand, path[0], &inner, &found))
            return false;
        if (!found)
            continue;
        *ret = inner;
        if (path[1] && !operand_member(evaluation, node, &inner, path[1], ret, &found))
            return false;
        if (found)
            return true;
    }
    return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "a value of type '%s' has no elements",
                   operand->type->name);
}

bool operand_index(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                   __int128 index, struct operand *ret) {
    struct operand elements = *operand;
    struct scalar pointer;
    if (elements.type && elements.place != PLACE_SCALAR && is_compound(type_strip(elements.type)) &&
        !container_elements(evaluation, node, operand, &elements))
        return false;
    const struct type *type = elements.type ? type_strip(elements.type) : NULL;
    if (type && type->kind == TYPE_ARRAY && elements.place != PLACE_SCALAR)
        return array_element(evaluation, node, &elements, type, index, ret);
    if (!operand_scalar(evaluation, node, &elements, &pointer))
        return false;
    if (pointer.kind != SCALAR_POINTER)
        return unknown(evaluation, node, CAUSE_IMPOSSIBLE, "a value of type '%s' has no elements",
                       pointer.type->name);
    if (!pointer_add(evaluation, node, &pointer, index, &pointer))
        return false;
    elements = operand_of_scalar(pointer);
    return operand_dereference(evaluation, node, &elements, ret);
}

/* ---- members ---- */

static bool find_member(const struct type *type, const char *name, unsigned nesting, uint64_t *ret_bits,
                        const struct type_member **ret);

/* In a base class or an anonymous struct. What lies in a virtual base is elsewhere in each object. */
static bool find_inside(const struct type_member *member, const char *name, unsigned nesting,
                        uint64_t *ret_bits, const struct type_member **ret) {
    if ((member->name && !member->base) || member->location.size)
        return false;
    const struct type *type = definition(member->type);
    if (!is_compound(type) || !find_member(type, name, nesting + 1, ret_bits, ret))
        return false;
    *ret_bits += member->bit_offset;
    return true;
}

static bool find_member(const struct type *type, const char *name, unsigned nesting, uint64_t *ret_bits,
                        const struct type_member **ret) {
    for (size_t i = 0; i < type->member_count; i++) {
        const struct type_member *member = &type->members[i];
        if (member->base || !member->name || strcmp(member->name, name) != 0)
            continue;
        *ret_bits = member->bit_offset;
        *ret = member;
        return true;
    }
    for (size_t i = 0; nesting < NESTING_MOST && i < type->member_count; i++)
        if (find_inside(&type->members[i], name, nesting, ret_bits, ret))
            return true;
    return false;
}

bool operand_member(struct evaluation *evaluation, const struct node *node, const struct operand *operand,
                    const char *name, struct operand *ret, bool *ret_found) {
    const struct type_member *member = NULL;
    uint64_t bits = 0;
    *ret_found = false;
    if (operand->place == PLACE_SCALAR || operand->place == PLACE_TEXT)
        return true;
    const struct type *type = definition(operand->type);
    if (!is_compound(type) || !find_member(type, name, 0, &bits, &member))
        return true;
    struct operand result = {
        .place = operand->place, .type = member->type, .bit_size = (unsigned)member->bit_size};
    if (member->bit_size)
        result.bit_offset = bits % 8;
    if (operand->place == PLACE_MEMORY)
        result.address = operand->address + bits / 8;
    else if (bits / 8 > operand->size)
        return unknown(evaluation, node, CAUSE_UNREADABLE, "the member is not there");
    else {
        result.bytes = operand->bytes + bits / 8;
        result.size = operand->size - bits / 8;
        const struct type *of_member = definition(member->type);
        if (!member->bit_size && of_member->has_size && of_member->size < result.size)
            result.size = (size_t)of_member->size;
    }
    *ret = result;
    *ret_found = true;
    return true;
}
