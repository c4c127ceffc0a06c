/* A small DWARF expression evaluator (DWARF 5 section 2.5) for what stands in types: where a virtual base is,
 * where the elements of a Fortran array are. There are no branches among these operators, so it ends.
 * Expressions about variables are evaluated by dwarf/location. */
#include "base/cursor.h"
#include "dwarf/value_private.h"

#include <libdwarf/dwarf.h>

#include <string.h>

#define STACK_MAX 16
/* Where objects are said to be: no address of a process comes near. */
#define OBJECT_ADDRESS UINT64_C(0x8765000000000000)
#define OBJECT_REACH   (UINT64_C(1) << 40)

struct machine {
    struct value_context *context;
    const struct value_object *object;
    uint64_t stack[STACK_MAX];
    size_t depth;
    bool failed;
};

static void push(struct machine *machine, uint64_t value) {
    if (machine->depth == STACK_MAX)
        machine->failed = true;
    else
        machine->stack[machine->depth++] = value;
}

static uint64_t pop(struct machine *machine) {
    if (!machine->depth) {
        machine->failed = true;
        return 0;
    }
    return machine->stack[--machine->depth];
}

static void fetch(struct machine *machine, size_t size) {
    uint64_t address = pop(machine), value = 0, offset = address - OBJECT_ADDRESS;
    const struct value_object *object = machine->object;
    if (size > 8 || !size) {
        machine->failed = true;
    } else if (offset < OBJECT_REACH) {
        if (offset > object->size || object->size - offset < size)
            machine->failed = true;
        else
            memcpy(&value, object->bytes + offset, size);
    } else if (!value_read(machine->context, address, &value, size)) {
        machine->failed = true;
    }
    push(machine, value);
}

static uint64_t compare(uint8_t operation, int64_t left, int64_t right) {
    switch (operation) {
    case DW_OP_eq:
        return left == right;
    case DW_OP_ne:
        return left != right;
    case DW_OP_lt:
        return left < right;
    case DW_OP_le:
        return left <= right;
    case DW_OP_gt:
        return left > right;
    default:
        return left >= right;
    }
}

static bool binary(struct machine *machine, uint8_t operation) {
    if (!strchr("\x1a\x1b\x1c\x1e\x21\x22\x24\x25\x26\x27\x29\x2a\x2b\x2c\x2d\x2e", operation) || !operation)
        return false;
    uint64_t right = pop(machine), left = pop(machine), value;
    switch (operation) {
    case DW_OP_and:
        value = left & right;
        break;
    case DW_OP_div:
        if (!right || (right == UINT64_MAX && left == UINT64_C(1) << 63))
            machine->failed = true;
        value = machine->failed ? 0 : (uint64_t)((int64_t)left / (int64_t)right);
        break;
    case DW_OP_minus:
        value = left - right;
        break;
    case DW_OP_mul:
        value = left * right;
        break;
    case DW_OP_or:
        value = left | right;
        break;
    case DW_OP_plus:
        value = left + right;
        break;
    case DW_OP_shl:
        value = right < 64 ? left << right : 0;
        break;
    case DW_OP_shr:
        value = right < 64 ? left >> right : 0;
        break;
    case DW_OP_shra:
        value = (int64_t)left < 0 ? ~(~left >> (right < 64 ? right : 63)) : left >> (right < 64 ? right : 63);
        break;
    case DW_OP_xor:
        value = left ^ right;
        break;
    default:
        value = compare(operation, (int64_t)left, (int64_t)right);
    }
    push(machine, value);
    return true;
}

/* LEB128 of DWARF: not base/cursor's zigzag. */
static uint64_t leb(struct cursor *cursor, bool is_signed) {
    uint64_t value = 0;
    for (unsigned shift = 0; !cursor->failed; shift += 7) {
        uint8_t byte = cursor_u8(cursor);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        if (is_signed && byte & 0x40 && shift + 7 < 64)
            value |= UINT64_MAX << (shift + 7);
        break;
    }
    return value;
}

static bool constant(struct machine *machine, uint8_t operation, struct cursor *cursor) {
    if (operation >= DW_OP_lit0 && operation <= DW_OP_lit31) {
        push(machine, operation - DW_OP_lit0);
        return true;
    }
    switch (operation) {
    case DW_OP_const1u:
        push(machine, cursor_u8(cursor));
        return true;
    case DW_OP_const1s:
        push(machine, (uint64_t)(int8_t)cursor_u8(cursor));
        return true;
    case DW_OP_const2u:
        push(machine, cursor_u16(cursor));
        return true;
    case DW_OP_const2s:
        push(machine, (uint64_t)(int16_t)cursor_u16(cursor));
        return true;
    case DW_OP_const4u:
        push(machine, cursor_u32(cursor));
        return true;
    case DW_OP_const4s:
        push(machine, (uint64_t)(int32_t)cursor_u32(cursor));
        return true;
    case DW_OP_const8u:
    case DW_OP_const8s:
        push(machine, cursor_u64(cursor));
        return true;
    case DW_OP_constu:
        push(machine, leb(cursor, false));
        return true;
    case DW_OP_consts:
        push(machine, leb(cursor, true));
        return true;
    default:
        return false;
    }
}

static void pick(struct machine *machine, size_t index) {
    if (index >= machine->depth)
        machine->failed = true;
    else
        push(machine, machine->stack[machine->depth - 1 - index]);
}

static void other(struct machine *machine, uint8_t operation, struct cursor *cursor) {
    uint64_t first, second;
    switch (operation) {
    case DW_OP_push_object_address:
        push(machine, OBJECT_ADDRESS);
        break;
    case DW_OP_deref:
        fetch(machine, 8);
        break;
    case DW_OP_deref_size:
        fetch(machine, cursor_u8(cursor));
        break;
    case DW_OP_plus_uconst:
        push(machine, pop(machine) + leb(cursor, false));
        break;
    case DW_OP_dup:
        pick(machine, 0);
        break;
    case DW_OP_over:
        pick(machine, 1);
        break;
    case DW_OP_pick:
        pick(machine, cursor_u8(cursor));
        break;
    case DW_OP_drop:
        pop(machine);
        break;
    case DW_OP_swap:
        first = pop(machine);
        second = pop(machine);
        push(machine, first);
        push(machine, second);
        break;
    case DW_OP_neg:
        push(machine, -pop(machine));
        break;
    case DW_OP_not:
        push(machine, ~pop(machine));
        break;
    case DW_OP_nop:
    case DW_OP_stack_value:
        break;
    default:
        machine->failed = true;
    }
}

bool value_evaluate(struct value_context *context, struct type_expression expression,
                    const struct value_object *object, bool with_object, uint64_t *ret, bool *ret_inside) {
    struct machine machine = {.context = context, .object = object};
    struct cursor cursor;
    cursor_init(&cursor, expression.bytes, expression.size, "type expression");
    if (with_object)
        push(&machine, OBJECT_ADDRESS);
    while (cursor_left(&cursor) && !machine.failed && !cursor.failed) {
        uint8_t operation = cursor_u8(&cursor);
        if (!constant(&machine, operation, &cursor) && !binary(&machine, operation))
            other(&machine, operation, &cursor);
    }
    uint64_t value = pop(&machine);
    if (machine.failed || cursor.failed)
        return false;
    *ret_inside = value - OBJECT_ADDRESS < OBJECT_REACH;
    *ret = *ret_inside ? value - OBJECT_ADDRESS : value;
    return true;
}
