#include "dwarf/evaluation.h"

#include "dwarf/entry_value.h"
#include "dwarf/module_private.h"
#include "dwarf/unwind.h"
#include "dwarf/variable_private.h"

#include <stdlib.h>
#include <string.h>

static struct error *indexed_address(void *context, uint64_t index, uint64_t *ret) {
    struct evaluation *evaluation = context;
    if (unit_address(evaluation->unit, index, ret))
        return NULL;
    return error_new(ERROR_BAD_DATA, "%s: no address number %llu in .debug_addr", evaluation->module->name,
                     (unsigned long long)index);
}

static struct error *base_type(void *context, uint64_t unit_offset, struct location_type *ret) {
    struct evaluation *evaluation = context;
    struct die die;
    uint64_t offset;
    if (__builtin_add_overflow(evaluation->unit->offset, unit_offset, &offset) ||
        !die_read(evaluation->unit, offset, &die) || die_tag(&die) != DW_TAG_base_type)
        return unit_damaged(evaluation->unit, evaluation->unit->offset + unit_offset);
    uint64_t size = die_unsigned(&die, DW_AT_byte_size, 0), encoding = die_unsigned(&die, DW_AT_encoding, 0);
    if (!size || size > LOCATION_VALUE_MAX || encoding > UINT8_MAX)
        return error_new(ERROR_UNSUPPORTED, "%s: base type of %llu bytes in an expression",
                         evaluation->module->name, (unsigned long long)size);
    *ret = (struct location_type){unit_offset, (uint8_t)size, (uint8_t)encoding};
    return NULL;
}

static struct error *tls_address(void *context, uint64_t offset, uint64_t *ret) {
    struct evaluation *evaluation = context;
    const struct evaluation_callbacks *callbacks = evaluation->callbacks;
    return callbacks->tls_address(callbacks->context, evaluation->module, offset, ret);
}

static struct error *call(void *context, bool in_unit, uint64_t offset, const uint8_t **ret,
                          size_t *ret_size) {
    struct evaluation *evaluation = context;
    struct die_place place = {evaluation->unit->file, offset, in_unit && evaluation->unit->in_types};
    struct variable_location location;
    struct attribute attribute;
    struct die die;
    if (in_unit && __builtin_add_overflow(evaluation->unit->offset, offset, &place.offset))
        return unit_damaged(evaluation->unit, offset);
    if (!die_at(&place, &die))
        return unit_damaged(evaluation->unit, place.offset);
    *ret = NULL;
    *ret_size = 0;
    if (die_attribute(&die, DW_AT_location, &attribute) &&
        attribute_location_at(&attribute, evaluation->vaddr, &location)) {
        *ret = location.expression;
        *ret_size = location.size;
    }
    return NULL;
}

void evaluation_set_unit(struct evaluation *evaluation, struct dwarf_unit *unit) {
    evaluation->unit = unit;
    evaluation->context.address_size = unit->address_size;
    evaluation->context.offset_size = unit->offset_size;
    evaluation->context.dwarf_version = unit->version;
}

void evaluation_unwind(struct evaluation *evaluation) {
    const struct unwind_table *table;
    bool signal_frame;
    if (evaluation->unwound)
        return;
    evaluation->unwound = true;
    struct error *err = module_unwind_table(evaluation->module, &table);
    if (!err && evaluation->memory)
        err = unwind_step(table, evaluation->bias, evaluation->registers, evaluation->memory,
                          &evaluation->context.cfa, &evaluation->caller, &signal_frame);
    evaluation->context.has_cfa = evaluation->has_caller = !err && evaluation->memory;
    error_free(err);
}

static void find_cfa(void *context) {
    evaluation_unwind(context);
}

/* In the terms of the function's unit, which need not be the variable's. */
static void find_frame_base(void *context) {
    struct evaluation *evaluation = context;
    struct dwarf_unit *unit = evaluation->unit;
    struct variable_location location;
    if (evaluation->asked_base) /* or while it is being worked out */
        return;
    evaluation->asked_base = true;
    if (!evaluation->function || !evaluation->function->unit ||
        !function_frame_base(evaluation->module, evaluation->function, evaluation->vaddr, &location))
        return;
    evaluation_set_unit(evaluation, evaluation->function->unit);
    struct error *err = location_evaluate_address(location.expression, location.size, &evaluation->context,
                                                  NULL, &evaluation->context.frame_base);
    if (unit)
        evaluation_set_unit(evaluation, unit);
    evaluation->context.has_frame_base = !err;
    error_free(err);
}

struct error *evaluation_init(struct evaluation *ret, struct module *module, const struct function *function,
                              uint64_t bias, const struct frame_registers *registers,
                              const struct memory_reader *memory,
                              const struct evaluation_callbacks *callbacks) {
    uint64_t pc;
    if (!frame_pc(registers, &pc))
        return error_new(ERROR_NOT_FOUND, "%s: the frame's place is not known", module->name);
    *ret = (struct evaluation){.module = module,
                               .function = function,
                               .bias = bias,
                               .vaddr = pc - bias,
                               .registers = registers,
                               .memory = memory,
                               .callbacks = callbacks};
    ret->context = (struct location_context){.registers = registers,
                                             .memory = memory,
                                             .bias = bias,
                                             .address_size = 8,
                                             .offset_size = 4,
                                             .dwarf_version = 5,
                                             .context = ret,
                                             .find_frame_base = find_frame_base,
                                             .find_cfa = find_cfa,
                                             .indexed_address = indexed_address,
                                             .base_type = base_type,
                                             .entry_value = entry_value,
                                             .parameter = entry_parameter,
                                             .call = call};
    if (callbacks && callbacks->tls_address)
        ret->context.tls_address = tls_address;
    if (function && function->unit)
        evaluation_set_unit(ret, function->unit);
    return NULL;
}

/* A location of one piece that has its own bytes, or none. */
static struct error *made_up(const uint8_t *bytes, size_t size, struct location *ret) {
    struct location_piece *piece = calloc(1, sizeof(*piece));
    uint8_t *copy = size ? malloc(size) : NULL;
    if (!piece || (size && !copy)) {
        free(piece);
        free(copy);
        return &error_no_memory;
    }
    if (size)
        memcpy(copy, bytes, size);
    piece->kind = size ? PIECE_BYTES : PIECE_OPTIMIZED_OUT;
    piece->bytes = copy;
    piece->byte_count = size;
    ret->pieces = piece;
    ret->count = 1;
    return NULL;
}

/* A number stands for a value of any size up to 16 bytes. */
static struct error *constant(const struct variable *variable, struct location *ret) {
    uint8_t bytes[LOCATION_VALUE_MAX] = {0};
    if (!variable->constant_is_number)
        return made_up(variable->constant, variable->constant_size, ret);
    memcpy(bytes, variable->constant, variable->constant_size);
    if (variable->constant_is_signed && bytes[7] & 0x80)
        memset(bytes + 8, 0xff, 8);
    return made_up(bytes, sizeof(bytes), ret);
}

struct error *variable_locate(struct evaluation *evaluation, const struct variable *variable,
                              struct location *ret) {
    const struct variable_location *location = variable_location_at(variable, evaluation->vaddr);
    if (!location && variable->has_constant)
        return constant(variable, ret);
    if (!location)
        return made_up(NULL, 0, ret);
    evaluation_set_unit(evaluation, variable->unit);
    return location_evaluate(location->expression, location->size, &evaluation->context, ret);
}

struct error *variable_number(struct evaluation *evaluation, const struct variable *variable,
                              const uint8_t *expression, size_t size, uint64_t *ret) {
    evaluation_set_unit(evaluation, variable->unit);
    return location_evaluate_address(expression, size, &evaluation->context, NULL, ret);
}
