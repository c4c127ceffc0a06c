/* Operators with base types (DWARF 5, section 2.5.1.6), and the values that only the caller knows (2.5.1.7).
 */
#include "dwarf/location_machine.h"
#include "dwarf/location_value.h"

#include <libdwarf/dwarf.h>
#include <string.h>

#define UNUSED __attribute__((unused))

static struct error *check_type(const struct location_type *type, struct location_type *ret) {
    if (!type->size || type->size > LOCATION_VALUE_MAX)
        return error_new(ERROR_UNSUPPORTED, "DWARF expression: a base type of %u bytes", type->size);
    *ret = *type;
    return NULL;
}

/* The base type at an offset of the unit. */
static struct error *find_type(const struct location_machine *machine, uint64_t offset,
                               struct location_type *ret) {
    const struct location_context *context = machine->context;
    struct location_type type = {.size = 0};
    if (!context->base_type)
        return location_no_context("a base type");
    struct error *err = context->base_type(context->context, offset, &type);
    type.die = offset;
    return err ? err : check_type(&type, ret);
}

/* The operand that names a type. */
static struct error *read_type(const struct location_machine *machine, struct cursor *cursor,
                               struct location_type *ret) {
    uint64_t offset = cursor_varint(cursor);
    TRY(cursor_check(cursor));
    if (!offset)
        return location_bad("a base type that is none");
    return find_type(machine, offset, ret);
}

struct error *location_run_const_type(struct location_machine *machine, struct cursor *cursor,
                                      UNUSED uint8_t opcode) {
    struct location_value value = {.bytes = {0}};
    TRY(read_type(machine, cursor, &value.type));
    uint8_t size = cursor_u8(cursor);
    const void *bytes = cursor_bytes(cursor, size);
    TRY(cursor_check(cursor));
    if (size != value.type.size)
        return location_bad("a constant that is not of the size of its type");
    memcpy(value.bytes, bytes, size);
    return location_push(machine, &value);
}

struct error *location_run_regval_type(struct location_machine *machine, struct cursor *cursor,
                                       UNUSED uint8_t opcode) {
    const struct frame_registers *registers = machine->context->registers;
    struct location_value value = {.bytes = {0}};
    uint64_t number = cursor_varint(cursor);
    TRY(read_type(machine, cursor, &value.type));
    if (!registers || number > UINT32_MAX ||
        !frame_register_bytes(registers, (unsigned)number, value.bytes, value.type.size))
        return error_new(ERROR_NOT_FOUND, "DWARF expression: the value of register %llu is not known",
                         (unsigned long long)number);
    return location_push(machine, &value);
}

struct error *location_run_deref_type(struct location_machine *machine, struct cursor *cursor,
                                      UNUSED uint8_t opcode) {
    struct location_value value = {.bytes = {0}};
    uint64_t address;
    uint8_t size = cursor_u8(cursor);
    TRY(read_type(machine, cursor, &value.type));
    if (size != value.type.size)
        return location_bad("memory that is not of the size of its type is read");
    TRY(location_pop_u64(machine, &address));
    TRY(location_read_memory(machine, address, value.bytes, size));
    return location_push(machine, &value);
}

/* DW_OP_convert, DW_OP_reinterpret; type 0 is the generic one. */
struct error *location_run_convert(struct location_machine *machine, struct cursor *cursor, uint8_t opcode) {
    struct location_type type = location_generic_type;
    struct location_value value;
    uint64_t offset = cursor_varint(cursor);
    TRY(cursor_check(cursor));
    if (offset)
        TRY(find_type(machine, offset, &type));
    TRY(location_pop(machine, &value));
    if (opcode == DW_OP_convert || opcode == DW_OP_GNU_convert)
        TRY(location_value_convert(&value, &type, &value));
    else
        TRY(location_value_reinterpret(&value, &type, &value));
    return location_push(machine, &value);
}

/* Push what the caller knew, or end the evaluation when nobody knows it any more. */
static struct error *push_answer(struct location_machine *machine, struct error *err,
                                 const struct location_value *value) {
    if (error_is(err, ERROR_NOT_FOUND)) {
        error_free(err);
        machine->gone = true;
        return NULL;
    }
    TRY(err);
    if (!value->type.size || value->type.size > LOCATION_VALUE_MAX)
        return location_bad("a value of an absurd size");
    return location_push(machine, value);
}

struct error *location_run_entry_value(struct location_machine *machine, struct cursor *cursor,
                                       UNUSED uint8_t opcode) {
    const struct location_context *context = machine->context;
    struct location_value value = {.bytes = {0}};
    size_t size;
    const uint8_t *expression = cursor_blob(cursor, &size);
    TRY(cursor_check(cursor));
    if (!context->entry_value)
        return location_no_context("a value at the entry of the function");
    return push_answer(machine, context->entry_value(context->context, expression, size, &value), &value);
}

struct error *location_run_parameter_ref(struct location_machine *machine, struct cursor *cursor,
                                         UNUSED uint8_t opcode) {
    const struct location_context *context = machine->context;
    struct location_value value = {.bytes = {0}};
    uint64_t offset = cursor_u32(cursor);
    TRY(cursor_check(cursor));
    if (!context->parameter)
        return location_no_context("the value that was given to a parameter");
    return push_answer(machine, context->parameter(context->context, offset, &value), &value);
}
