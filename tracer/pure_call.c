#include "tracer/pure_call.h"

#include <Zydis/Zydis.h>
#include <string.h>

enum { STEPS_MOST = 500, WRITTEN_MOST = 128, RAX = 0, RSP = 4, RBP = 5, RDI = 7 };

/* No code is there: the return from the function itself. */
#define RETURN_HERE 1u

struct machine {
    const struct pure_call *call;
    ZydisDecoder decoder;
    uint64_t registers[16]; /* rax rcx rdx rbx rsp rbp rsi rdi r8.. */
    uint32_t known;
    uint64_t rip;
    bool zero_known, zero; /* the flag; known behind what sets it */
    struct {
        uint64_t address, value;
    } written[WRITTEN_MOST]; /* words, aligned */
    size_t written_count;
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

/* ---- registers and memory ---- */

static int number_of(ZydisRegister reg, unsigned *ret_size) {
    if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15) {
        *ret_size = 8;
        return reg - ZYDIS_REGISTER_RAX;
    }
    if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D) {
        *ret_size = 4;
        return reg - ZYDIS_REGISTER_EAX;
    }
    return -1;
}

static bool get_register(const struct machine *machine, ZydisRegister reg, uint64_t *ret) {
    unsigned size;
    int number = number_of(reg, &size);
    if (number < 0 || !(machine->known >> number & 1))
        return false;
    *ret = size == 8 ? machine->registers[number] : (uint32_t)machine->registers[number];
    return true;
}

static void set_number(struct machine *machine, int number, uint64_t value) {
    machine->registers[number] = value;
    machine->known |= 1u << number;
}

static bool get_word(const struct machine *machine, uint64_t address, uint64_t *ret, size_t size) {
    *ret = 0;
    for (size_t i = machine->written_count; size == 8 && i-- > 0;)
        if (machine->written[i].address == address) {
            *ret = machine->written[i].value;
            return true;
        }
    for (size_t i = 0; i < machine->written_count;
         i++) /* a part of a word that was written: not worked out */
        if (machine->written[i].address < address + size && address < machine->written[i].address + 8)
            return false;
    return memory_read_exact(machine->call->memory, address, ret, size);
}

static bool set_word(struct machine *machine, uint64_t address, uint64_t value) {
    if (machine->written_count == WRITTEN_MOST)
        return false;
    for (size_t i = 0; i < machine->written_count; i++)
        if (machine->written[i].address != address && machine->written[i].address < address + 8 &&
            address < machine->written[i].address + 8)
            return false;
    machine->written[machine->written_count].address = address;
    machine->written[machine->written_count++].value = value;
    return true;
}

static bool address_of(const struct machine *machine, const ZydisDecodedOperand *operand, uint64_t *ret) {
    uint64_t address = (uint64_t)operand->mem.disp.value, value = 0;
    if (operand->mem.base == ZYDIS_REGISTER_RIP)
        address += machine->rip + machine->instruction.length;
    else if (operand->mem.base != ZYDIS_REGISTER_NONE && !get_register(machine, operand->mem.base, &value))
        return false;
    address += value;
    value = 0;
    if (operand->mem.index != ZYDIS_REGISTER_NONE && !get_register(machine, operand->mem.index, &value))
        return false;
    address += value * operand->mem.scale;
    if (operand->mem.segment == ZYDIS_REGISTER_GS)
        return false;
    *ret = address + (operand->mem.segment == ZYDIS_REGISTER_FS ? machine->call->fs_base : 0);
    return true;
}

static bool get(const struct machine *machine, const ZydisDecodedOperand *operand, uint64_t *ret) {
    uint64_t address;
    switch (operand->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        return get_register(machine, operand->reg.value, ret);
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        *ret = operand->imm.value.u;
        return true;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        return (operand->size == 64 || operand->size == 32) && address_of(machine, operand, &address) &&
               get_word(machine, address, ret, operand->size / 8);
    default:
        return false;
    }
}

static bool set(struct machine *machine, const ZydisDecodedOperand *operand, uint64_t value) {
    uint64_t address;
    unsigned size = 8;
    if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY)
        return operand->size == 64 && address_of(machine, operand, &address) &&
               set_word(machine, address, value);
    int number = operand->type == ZYDIS_OPERAND_TYPE_REGISTER ? number_of(operand->reg.value, &size) : -1;
    if (number < 0)
        return false;
    set_number(machine, number, size == 8 ? value : (uint32_t)value);
    return true;
}

/* ---- instructions ---- */

static bool push(struct machine *machine, uint64_t value) {
    machine->registers[RSP] -= 8;
    return set_word(machine, machine->registers[RSP], value);
}

static bool pop(struct machine *machine, uint64_t *ret) {
    machine->registers[RSP] += 8;
    return get_word(machine, machine->registers[RSP] - 8, ret, 8);
}

/* Where a jump or call leads. */
static bool target_of(const struct machine *machine, uint64_t *ret) {
    const ZydisDecodedOperand *operand = &machine->operands[0];
    if (operand->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return get(machine, operand, ret);
    *ret = machine->rip + machine->instruction.length + operand->imm.value.u;
    return true;
}

/* A function that is answered returns at once, to what is on the stack. */
static bool go_to(struct machine *machine, uint64_t target) {
    const struct pure_call *call = machine->call;
    uint64_t argument = 0, result;
    get_register(machine, ZYDIS_REGISTER_RDI, &argument);
    if (!call->answer || !call->answer(call->context, target, argument, &result)) {
        machine->rip = target;
        return true;
    }
    set_number(machine, RAX, result);
    return pop(machine, &machine->rip);
}

static bool unknown_push(struct machine *machine, const ZydisDecodedOperand *operand) {
    uint64_t value = 0; /* a register that is saved only need not be known */
    bool known = get(machine, operand, &value);
    return (known || operand->type == ZYDIS_OPERAND_TYPE_REGISTER) && push(machine, value);
}

static void set_zero(struct machine *machine, const ZydisDecodedOperand *operand, uint64_t result) {
    machine->zero_known = operand->size == 64 || operand->size == 32;
    machine->zero = operand->size == 32 ? !(uint32_t)result : !result;
}

static bool execute(struct machine *machine) {
    const ZydisDecodedOperand *first = &machine->operands[0], *second = &machine->operands[1];
    uint64_t a = 0, b = 0, next = machine->rip + machine->instruction.length;
    switch (machine->instruction.mnemonic) {
    case ZYDIS_MNEMONIC_ENDBR64:
    case ZYDIS_MNEMONIC_NOP:
        break;
    case ZYDIS_MNEMONIC_MOV:
        if (!get(machine, second, &a) || !set(machine, first, a))
            return false;
        break;
    case ZYDIS_MNEMONIC_LEA:
        if (!address_of(machine, second, &a) || !set(machine, first, a))
            return false;
        break;
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_SUB:
        if (!get(machine, first, &a) || !get(machine, second, &b))
            return false;
        a = machine->instruction.mnemonic == ZYDIS_MNEMONIC_ADD ? a + b : a - b;
        if (!set(machine, first, a))
            return false;
        set_zero(machine, first, a);
        break;
    case ZYDIS_MNEMONIC_CMP:
    case ZYDIS_MNEMONIC_TEST:
        if (!get(machine, first, &a) || !get(machine, second, &b))
            return false;
        set_zero(machine, first, machine->instruction.mnemonic == ZYDIS_MNEMONIC_CMP ? a - b : a & b);
        break;
    case ZYDIS_MNEMONIC_JZ:
    case ZYDIS_MNEMONIC_JNZ:
        if (!machine->zero_known || !target_of(machine, &a))
            return false;
        if (machine->zero == (machine->instruction.mnemonic == ZYDIS_MNEMONIC_JZ))
            next = a;
        break;
    case ZYDIS_MNEMONIC_XOR: /* the usual zero */
        if (first->type != ZYDIS_OPERAND_TYPE_REGISTER || second->type != ZYDIS_OPERAND_TYPE_REGISTER ||
            first->reg.value != second->reg.value || !set(machine, first, 0))
            return false;
        set_zero(machine, first, 0);
        break;
    case ZYDIS_MNEMONIC_PUSH:
        if (!unknown_push(machine, first))
            return false;
        break;
    case ZYDIS_MNEMONIC_POP:
        if (!pop(machine, &a) || !set(machine, first, a))
            return false;
        break;
    case ZYDIS_MNEMONIC_LEAVE:
        machine->registers[RSP] = machine->registers[RBP];
        if (!(machine->known >> RBP & 1) || !pop(machine, &a))
            return false;
        set_number(machine, RBP, a);
        break;
    case ZYDIS_MNEMONIC_CALL:
        return target_of(machine, &a) && push(machine, next) && go_to(machine, a);
    case ZYDIS_MNEMONIC_JMP:
        return target_of(machine, &a) && go_to(machine, a);
    case ZYDIS_MNEMONIC_RET:
        return pop(machine, &machine->rip);
    default:
        return false;
    }
    machine->rip = next;
    return true;
}

static bool step(struct machine *machine) {
    uint8_t bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
    size_t size = memory_read(machine->call->memory, machine->rip, bytes, sizeof(bytes));
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&machine->decoder, bytes, size, &machine->instruction,
                                               machine->operands)) &&
           execute(machine);
}

bool pure_call(const struct pure_call *call, uint64_t function, uint64_t *ret) {
    struct machine machine = {.call = call, .rip = function};
    ZydisDecoderInit(&machine.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    set_number(&machine, RDI, call->argument);
    set_number(&machine, RSP, call->stack & ~(uint64_t)15);
    if (!push(&machine, RETURN_HERE))
        return false;
    for (int i = 0; i < STEPS_MOST && machine.rip != RETURN_HERE; i++)
        if (!step(&machine))
            return false;
    if (machine.rip != RETURN_HERE || !(machine.known & 1u << RAX))
        return false;
    *ret = machine.registers[RAX];
    return true;
}
