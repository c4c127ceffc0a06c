/* Operators that give addresses or look into registers and memory (DWARF 5, sections 2.5.1.1 to 2.5.1.3). */
#include "dwarf/encoding.h"
#include "dwarf/location_machine.h"

#include <libdwarf/dwarf.h>

#define UNUSED __attribute__((unused))

static struct error *indexed(struct location_machine *machine, struct cursor *cursor, uint64_t *ret) {
    const struct location_context *context = machine->context;
    uint64_t index = cursor_varint(cursor);
    TRY(cursor_check(cursor));
    if (!context->indexed_address)
        return location_no_context("an entry of .debug_addr");
    return context->indexed_address(context->context, index, ret);
}

struct error *location_run_addr(struct location_machine *machine, struct cursor *cursor,
                                UNUSED uint8_t opcode) {
    uint64_t address = encoding_unsigned(cursor, machine->context->address_size);
    return location_push_u64(machine, address + machine->context->bias);
}

struct error *location_run_addrx(struct location_machine *machine, struct cursor *cursor,
                                 UNUSED uint8_t opcode) {
    uint64_t address;
    TRY(indexed(machine, cursor, &address));
    return location_push_u64(machine, address + machine->context->bias);
}

/* A constant that needed a relocation, as an offset of thread-local memory does: no address. */
struct error *location_run_constx(struct location_machine *machine, struct cursor *cursor,
                                  UNUSED uint8_t opcode) {
    uint64_t value;
    TRY(indexed(machine, cursor, &value));
    return location_push_u64(machine, value);
}

static struct error *push_based(struct location_machine *machine, uint64_t number, int64_t offset) {
    const struct frame_registers *registers = machine->context->registers;
    uint64_t value;
    if (!registers || number >= FRAME_REGISTERS || !frame_register(registers, (unsigned)number, &value))
        return error_new(ERROR_NOT_FOUND, "DWARF expression: the value of register %llu is not known",
                         (unsigned long long)number);
    return location_push_u64(machine, value + (uint64_t)offset);
}

struct error *location_run_breg(struct location_machine *machine, struct cursor *cursor, uint8_t opcode) {
    int64_t offset = encoding_sleb128(cursor);
    return push_based(machine, (uint64_t)(opcode - DW_OP_breg0), offset);
}

struct error *location_run_bregx(struct location_machine *machine, struct cursor *cursor,
                                 UNUSED uint8_t opcode) {
    uint64_t number = cursor_varint(cursor);
    int64_t offset = encoding_sleb128(cursor);
    TRY(cursor_check(cursor));
    return push_based(machine, number, offset);
}

struct error *location_run_fbreg(struct location_machine *machine, struct cursor *cursor,
                                 UNUSED uint8_t opcode) {
    int64_t offset = encoding_sleb128(cursor);
    const struct location_context *context = machine->context;
    if (!context->has_frame_base && context->find_frame_base)
        context->find_frame_base(context->context);
    if (!context->has_frame_base)
        return location_no_context("a frame base");
    return location_push_u64(machine, context->frame_base + (uint64_t)offset);
}

struct error *location_run_call_frame_cfa(struct location_machine *machine, UNUSED struct cursor *cursor,
                                          UNUSED uint8_t opcode) {
    const struct location_context *context = machine->context;
    if (!context->has_cfa && context->find_cfa)
        context->find_cfa(context->context);
    if (!context->has_cfa)
        return location_no_context("the frame's address");
    return location_push_u64(machine, context->cfa);
}

struct error *location_run_push_object_address(struct location_machine *machine, UNUSED struct cursor *cursor,
                                               UNUSED uint8_t opcode) {
    if (!machine->context->has_object)
        return location_no_context("the address of an object");
    return location_push_u64(machine, machine->context->object_address);
}

static struct error *deref(struct location_machine *machine, size_t size) {
    uint64_t address, value = 0;
    if (!size || size > sizeof(value))
        return location_bad("memory of an absurd size is read");
    TRY(location_pop_u64(machine, &address));
    TRY(location_read_memory(machine, address, &value, size));
    return location_push_u64(machine, value);
}

struct error *location_run_deref(struct location_machine *machine, UNUSED struct cursor *cursor,
                                 UNUSED uint8_t opcode) {
    return deref(machine, machine->context->address_size);
}

struct error *location_run_deref_size(struct location_machine *machine, struct cursor *cursor,
                                      UNUSED uint8_t opcode) {
    uint8_t size = cursor_u8(cursor);
    TRY(cursor_check(cursor));
    return deref(machine, size);
}

struct error *location_run_tls(struct location_machine *machine, UNUSED struct cursor *cursor,
                               UNUSED uint8_t opcode) {
    const struct location_context *context = machine->context;
    uint64_t offset, address;
    TRY(location_pop_u64(machine, &offset));
    if (!context->tls_address)
        return location_no_context("the address of thread-local memory");
    struct error *err = context->tls_address(context->context, offset, &address);
    return err ? err : location_push_u64(machine, address);
}
