/* The table of operators (DWARF 5, section 2.5 and 2.6), and those that only move values on the stack. */
#include "dwarf/encoding.h"
#include "dwarf/location_machine.h"
#include "dwarf/location_value.h"

#include <libdwarf/dwarf.h>

#define UNUSED __attribute__((unused))
#define RUN(name)                                                                                            \
    static struct error *name(UNUSED struct location_machine *machine, UNUSED struct cursor *cursor,         \
                              UNUSED uint8_t opcode)

/* ---- constants ---- */

RUN(run_literal) {
    return location_push_u64(machine, (uint64_t)(opcode - DW_OP_lit0));
}

RUN(run_constant) {
    uint64_t value;
    switch (opcode) {
    case DW_OP_const1u:
        value = cursor_u8(cursor);
        break;
    case DW_OP_const1s:
        value = (uint64_t)(int8_t)cursor_u8(cursor);
        break;
    case DW_OP_const2u:
        value = cursor_u16(cursor);
        break;
    case DW_OP_const2s:
        value = (uint64_t)(int16_t)cursor_u16(cursor);
        break;
    case DW_OP_const4u:
        value = cursor_u32(cursor);
        break;
    case DW_OP_const4s:
        value = (uint64_t)(int32_t)cursor_u32(cursor);
        break;
    case DW_OP_constu:
        value = cursor_varint(cursor);
        break;
    case DW_OP_consts:
        value = (uint64_t)encoding_sleb128(cursor);
        break;
    default: /* const8u, const8s */
        value = cursor_u64(cursor);
    }
    return location_push_u64(machine, value);
}

/* ---- the stack ---- */

/* Push a copy of the value that lies index values below the top. */
static struct error *pick(struct location_machine *machine, size_t index) {
    if (index >= machine->depth)
        return location_bad("a value is picked from below the stack");
    return location_push(machine, &machine->stack[machine->depth - 1 - index]);
}

RUN(run_dup) {
    return pick(machine, 0);
}

RUN(run_over) {
    return pick(machine, 1);
}

RUN(run_pick) {
    return pick(machine, cursor_u8(cursor));
}

RUN(run_drop) {
    struct location_value value;
    return location_pop(machine, &value);
}

RUN(run_swap) {
    if (machine->depth < 2)
        return location_bad("less than two values are on the stack");
    struct location_value *top = &machine->stack[machine->depth - 1], saved = *top;
    top[0] = top[-1];
    top[-1] = saved;
    return NULL;
}

RUN(run_rot) {
    if (machine->depth < 3)
        return location_bad("less than three values are on the stack");
    struct location_value *top = &machine->stack[machine->depth - 1], saved = *top;
    top[0] = top[-1];
    top[-1] = top[-2];
    top[-2] = saved;
    return NULL;
}

/* ---- arithmetic ---- */

RUN(run_unary) {
    struct location_value value;
    TRY(location_pop(machine, &value));
    TRY(location_value_unary(opcode, &value, &value));
    return location_push(machine, &value);
}

RUN(run_binary) {
    struct location_value first, second;
    TRY(location_pop(machine, &second));
    TRY(location_pop(machine, &first));
    TRY(location_value_binary(opcode, &first, &second, &first));
    return location_push(machine, &first);
}

RUN(run_plus_uconst) {
    struct location_value value, addend;
    TRY(location_pop(machine, &value));
    location_value_from_u64(cursor_varint(cursor), &addend);
    TRY(location_value_convert(&addend, &value.type, &addend)); /* it is of the same type */
    TRY(location_value_binary(DW_OP_plus, &value, &addend, &value));
    return location_push(machine, &value);
}

/* ---- control flow ---- */

/* A distance counts from behind its own bytes. Beyond either end the cursor fails. */
static void jump(struct cursor *cursor, int16_t distance) {
    cursor_seek(cursor, cursor->offset + (size_t)(ptrdiff_t)distance);
}

RUN(run_skip) {
    jump(cursor, (int16_t)cursor_u16(cursor));
    return NULL;
}

RUN(run_bra) {
    int16_t distance = (int16_t)cursor_u16(cursor);
    uint64_t condition;
    TRY(location_pop_u64(machine, &condition));
    if (condition)
        jump(cursor, distance);
    return NULL;
}

static struct error *run_called(struct location_machine *machine, const uint8_t *expression, size_t size) {
    if (!size && !machine->depth) /* nothing has happened */
        machine->fresh = true;
    machine->calls++;
    TRY(location_machine_run(machine, expression, size));
    machine->calls--;
    return NULL;
}

/* Run the location of another DIE on the same stack. */
RUN(run_call) {
    const struct location_context *context = machine->context;
    const uint8_t *expression = NULL;
    size_t size = 0;
    uint64_t offset = encoding_unsigned(cursor, opcode == DW_OP_call2   ? 2
                                                : opcode == DW_OP_call4 ? 4
                                                                        : context->offset_size);
    TRY(cursor_check(cursor));
    if (!context->call)
        return location_no_context("the location of another DIE");
    if (machine->calls == LOCATION_CALLS_MAX)
        return location_bad("too many calls inside each other");
    struct error *err = context->call(context->context, opcode != DW_OP_call_ref, offset, &expression, &size);
    return err ? err : run_called(machine, expression, size);
}

RUN(run_nothing) {
    return NULL;
}

/* ---- locations that are no memory, and pieces ---- */

static struct error *set_register(struct location_machine *machine, uint64_t number) {
    if (number > UINT32_MAX)
        return location_bad("a register of an absurd number");
    machine->simple = (struct location_piece){.kind = PIECE_REGISTER, .reg = (unsigned)number};
    machine->has_simple = true;
    return NULL;
}

RUN(run_reg) {
    return set_register(machine, (uint64_t)(opcode - DW_OP_reg0));
}

RUN(run_regx) {
    return set_register(machine, cursor_varint(cursor));
}

RUN(run_implicit_value) {
    machine->data = cursor_blob(cursor, &machine->data_size);
    machine->simple = (struct location_piece){.kind = PIECE_BYTES};
    machine->simple_is_value = false;
    machine->has_simple = true;
    return NULL;
}

RUN(run_stack_value) {
    TRY(location_pop(machine, &machine->value));
    machine->simple = (struct location_piece){.kind = PIECE_BYTES};
    machine->simple_is_value = true;
    machine->has_simple = true;
    return NULL;
}

RUN(run_implicit_pointer) {
    const struct location_context *context = machine->context;
    /* In version 2 such references are as large as addresses. */
    uint64_t target =
        encoding_unsigned(cursor, context->dwarf_version == 2 ? context->address_size : context->offset_size);
    machine->simple = (struct location_piece){
        .kind = PIECE_POINTER, .target = target, .target_offset = encoding_sleb128(cursor)};
    machine->has_simple = true;
    return NULL;
}

RUN(run_piece) {
    uint64_t size = cursor_varint(cursor), offset = 0;
    if (opcode == DW_OP_bit_piece)
        offset = cursor_varint(cursor);
    else if (__builtin_mul_overflow(size, 8, &size))
        return location_bad("a piece of an absurd size");
    TRY(cursor_check(cursor));
    if (!size) /* that would mean "all" in struct location_piece */
        return location_machine_skip_piece(machine);
    return location_machine_piece(machine, size, offset);
}

/* ---- the table ---- */

#define OPERATOR(name, run)               [DW_OP_##name] = {"DW_OP_" #name, run}
#define OPERATORS(name, first, last, run) [DW_OP_##first... DW_OP_##last] = {"DW_OP_" name, run}

const struct location_operator location_operators[256] = {
    OPERATOR(addr, location_run_addr),
    OPERATOR(deref, location_run_deref),
    OPERATORS("const*", const1u, consts, run_constant),
    OPERATOR(dup, run_dup),
    OPERATOR(drop, run_drop),
    OPERATOR(over, run_over),
    OPERATOR(pick, run_pick),
    OPERATOR(swap, run_swap),
    OPERATOR(rot, run_rot),
    OPERATOR(xderef, NULL),
    OPERATOR(abs, run_unary),
    OPERATOR(and, run_binary),
    OPERATOR(div, run_binary),
    OPERATOR(minus, run_binary),
    OPERATOR(mod, run_binary),
    OPERATOR(mul, run_binary),
    OPERATOR(neg, run_unary),
    OPERATOR(not, run_unary),
    OPERATOR(or, run_binary),
    OPERATOR(plus, run_binary),
    OPERATOR(plus_uconst, run_plus_uconst),
    OPERATOR(shl, run_binary),
    OPERATOR(shr, run_binary),
    OPERATOR(shra, run_binary),
    OPERATOR(xor, run_binary),
    OPERATOR(bra, run_bra),
    OPERATORS("eq, ge, gt, le, lt, ne", eq, ne, run_binary),
    OPERATOR(skip, run_skip),
    OPERATORS("lit*", lit0, lit31, run_literal),
    OPERATORS("reg*", reg0, reg31, run_reg),
    OPERATORS("breg*", breg0, breg31, location_run_breg),
    OPERATOR(regx, run_regx),
    OPERATOR(fbreg, location_run_fbreg),
    OPERATOR(bregx, location_run_bregx),
    OPERATOR(piece, run_piece),
    OPERATOR(deref_size, location_run_deref_size),
    OPERATOR(xderef_size, NULL),
    OPERATOR(nop, run_nothing),
    OPERATOR(push_object_address, location_run_push_object_address),
    OPERATOR(call2, run_call),
    OPERATOR(call4, run_call),
    OPERATOR(call_ref, run_call),
    OPERATOR(form_tls_address, location_run_tls),
    OPERATOR(call_frame_cfa, location_run_call_frame_cfa),
    OPERATOR(bit_piece, run_piece),
    OPERATOR(implicit_value, run_implicit_value),
    OPERATOR(stack_value, run_stack_value),
    OPERATOR(implicit_pointer, run_implicit_pointer),
    OPERATOR(addrx, location_run_addrx),
    OPERATOR(constx, location_run_constx),
    OPERATOR(entry_value, location_run_entry_value),
    OPERATOR(const_type, location_run_const_type),
    OPERATOR(regval_type, location_run_regval_type),
    OPERATOR(deref_type, location_run_deref_type),
    OPERATOR(xderef_type, NULL),
    OPERATOR(convert, location_run_convert),
    OPERATOR(reinterpret, location_run_convert),
    OPERATOR(GNU_push_tls_address, location_run_tls),
    OPERATOR(WASM_location, NULL),
    OPERATOR(WASM_location_int, NULL),
    OPERATOR(GNU_uninit, run_nothing),
    OPERATOR(GNU_encoded_addr, NULL),
    OPERATOR(GNU_implicit_pointer, run_implicit_pointer),
    OPERATOR(GNU_entry_value, location_run_entry_value),
    OPERATOR(GNU_const_type, location_run_const_type),
    OPERATOR(GNU_regval_type, location_run_regval_type),
    OPERATOR(GNU_deref_type, location_run_deref_type),
    OPERATOR(GNU_convert, location_run_convert),
    OPERATOR(GNU_reinterpret, location_run_convert),
    OPERATOR(GNU_parameter_ref, location_run_parameter_ref),
    OPERATOR(GNU_addr_index, location_run_addrx),
    OPERATOR(GNU_const_index, location_run_constx),
    OPERATOR(GNU_variable_value, NULL),
};
