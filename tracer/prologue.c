#include "tracer/prologue.h"

#include <Zydis/Zydis.h>

#include <string.h>

enum { FIRST_XMM = 17, LEGACY_XMM = 160, LEGACY_SIZE = 512, SLOT = 16 };

/* ---- memory ---- */

static size_t read_over(void *context, uint64_t address, void *ret, size_t size) {
    const struct prologue *prologue = context;
    uint8_t *bytes = ret;
    size_t count = memory_read(prologue->beneath, address, ret, size);
    for (size_t i = 0; i < prologue->store_count; i++) {
        const struct prologue_store *store = &prologue->stores[i];
        for (size_t k = 0; k < store->size; k++) {
            uint64_t at = store->address + k - address;
            if (at >= size || at > count) /* the stack may have to grow for it: byte after byte */
                continue;
            bytes[at] = store->bytes[k];
            count += at == count;
        }
    }
    return count;
}

static bool store(struct prologue *prologue, uint64_t address, const void *bytes, size_t size) {
    struct prologue_store *new = &prologue->stores[prologue->store_count];
    if (prologue->store_count == PROLOGUE_STORES_MOST || size > sizeof(new->bytes))
        return false;
    *new = (struct prologue_store){.address = address, .size = size};
    memcpy(new->bytes, bytes, size);
    prologue->store_count++;
    return true;
}

/* ---- operands ---- */

/* Where the bytes of a register are; NULL: none of those that are known here. */
static uint8_t *register_bytes(struct prologue *prologue, ZydisRegister reg) {
    static const unsigned char numbers[16] = {0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15};
    if (reg >= ZYDIS_REGISTER_XMM0 && reg <= ZYDIS_REGISTER_XMM15)
        return prologue->xstate + LEGACY_XMM + (size_t)SLOT * (reg - ZYDIS_REGISTER_XMM0);
    if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
        return NULL;
    reg = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    if (reg < ZYDIS_REGISTER_RAX || reg > ZYDIS_REGISTER_R15)
        return NULL;
    return (uint8_t *)&prologue->registers.value[numbers[reg - ZYDIS_REGISTER_RAX]];
}

static bool effective_address(struct prologue *prologue, const ZydisDecodedOperand *operand, uint64_t next,
                              uint64_t *ret) {
    uint64_t base = 0, index = 0;
    const uint8_t *bytes;
    if (operand->mem.base == ZYDIS_REGISTER_RIP)
        base = next;
    else if (operand->mem.base != ZYDIS_REGISTER_NONE) {
        if (!(bytes = register_bytes(prologue, operand->mem.base)))
            return false;
        memcpy(&base, bytes, sizeof(base));
    }
    if (operand->mem.index != ZYDIS_REGISTER_NONE) {
        if (!(bytes = register_bytes(prologue, operand->mem.index)))
            return false;
        memcpy(&index, bytes, sizeof(index));
    }
    *ret = base + index * operand->mem.scale + (uint64_t)operand->mem.disp.value;
    if (operand->mem.segment == ZYDIS_REGISTER_FS)
        *ret += prologue->fs_base;
    return operand->mem.segment != ZYDIS_REGISTER_GS;
}

/* The value of an operand of up to 16 bytes, zero-extended. */
static bool get(struct prologue *prologue, const ZydisDecodedOperand *operand, uint64_t next, uint8_t *ret) {
    size_t size = operand->size / 8;
    uint64_t address;
    const uint8_t *bytes;
    memset(ret, 0, SLOT);
    if (size > SLOT)
        return false;
    switch (operand->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        if (!(bytes = register_bytes(prologue, operand->reg.value)))
            return false;
        memcpy(ret, bytes, size);
        return true;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        memcpy(ret, &operand->imm.value.u, sizeof(operand->imm.value.u));
        return true;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        return effective_address(prologue, operand, next, &address) &&
               memory_read_exact(&prologue->memory, address, ret, size);
    default:
        return false;
    }
}

/* 32-bit results clear the upper half of a general register. */
static bool put(struct prologue *prologue, const ZydisDecodedOperand *operand, uint64_t next,
                const uint8_t *value) {
    size_t size = operand->size / 8;
    uint64_t address;
    if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY)
        return effective_address(prologue, operand, next, &address) && store(prologue, address, value, size);
    uint8_t *bytes =
        operand->type == ZYDIS_OPERAND_TYPE_REGISTER ? register_bytes(prologue, operand->reg.value) : NULL;
    if (!bytes || size > SLOT)
        return false;
    if (size == 4)
        memset(bytes, 0, 8);
    memcpy(bytes, value, size);
    return true;
}

/* ---- instructions ---- */

static bool move(struct prologue *prologue, const ZydisDecodedOperand *operands, uint64_t next) {
    uint8_t value[SLOT];
    return get(prologue, &operands[1], next, value) && put(prologue, &operands[0], next, value);
}

/* movss and movsd: from memory the rest of the register becomes 0, from another register it stays. */
static bool move_scalar(struct prologue *prologue, const ZydisDecodedOperand *operands, uint64_t next,
                        size_t size) {
    uint8_t value[SLOT], old[SLOT];
    ZydisDecodedOperand to = operands[0];
    if (!get(prologue, &operands[1], next, value))
        return false;
    if (to.type == ZYDIS_OPERAND_TYPE_MEMORY) {
        to.size = (ZyanU16)(8 * size);
        return put(prologue, &to, next, value);
    }
    bool keep = operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER;
    to.size = 8 * SLOT;
    if (keep && !get(prologue, &to, next, old))
        return false;
    memset(value + size, 0, SLOT - size);
    if (keep)
        memcpy(value + size, old + size, SLOT - size);
    return put(prologue, &to, next, value);
}

static bool calculate(struct prologue *prologue, ZydisMnemonic mnemonic, const ZydisDecodedOperand *operands,
                      uint64_t next) {
    uint8_t left[SLOT], right[SLOT];
    uint64_t a, b;
    unsigned bits = operands[0].size;
    if (bits > 64 || !get(prologue, &operands[0], next, left) || !get(prologue, &operands[1], next, right))
        return false;
    memcpy(&a, left, sizeof(a));
    memcpy(&b, right, sizeof(b));
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_SUB:
        a -= b;
        break;
    case ZYDIS_MNEMONIC_ADD:
        a += b;
        break;
    case ZYDIS_MNEMONIC_AND:
        a &= b;
        break;
    case ZYDIS_MNEMONIC_XOR:
        a ^= b;
        break;
    case ZYDIS_MNEMONIC_SHR:
        a >>= b & (bits == 64 ? 63 : 31);
        break;
    default: /* SHL */
        a <<= b & (bits == 64 ? 63 : 31);
    }
    memcpy(left, &a, sizeof(a));
    return put(prologue, &operands[0], next, left);
}

static bool push(struct prologue *prologue, const ZydisDecodedOperand *operand, uint64_t next) {
    uint8_t value[SLOT];
    if (operand->size != 64 || !get(prologue, operand, next, value))
        return false;
    prologue->registers.value[FRAME_RSP] -= 8;
    return store(prologue, prologue->registers.value[FRAME_RSP], value, 8);
}

static bool load_address(struct prologue *prologue, const ZydisDecodedOperand *operands, uint64_t next) {
    uint8_t value[SLOT] = {0};
    uint64_t address;
    if (!effective_address(prologue, &operands[1], next, &address))
        return false;
    memcpy(value, &address, sizeof(address));
    return put(prologue, &operands[0], next, value);
}

/* Flags are not kept: nothing here depends on them. */
static bool execute(struct prologue *prologue, const ZydisDecodedInstruction *instruction,
                    const ZydisDecodedOperand *operands, uint64_t next) {
    switch (instruction->mnemonic) {
    case ZYDIS_MNEMONIC_ENDBR64:
    case ZYDIS_MNEMONIC_NOP:
        return true;
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_MOVZX:
    case ZYDIS_MNEMONIC_MOVAPS:
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVAPD:
    case ZYDIS_MNEMONIC_MOVDQA:
    case ZYDIS_MNEMONIC_MOVDQU:
        return move(prologue, operands, next);
    case ZYDIS_MNEMONIC_MOVSS:
        return move_scalar(prologue, operands, next, 4);
    case ZYDIS_MNEMONIC_MOVSD:
        return move_scalar(prologue, operands, next, 8);
    case ZYDIS_MNEMONIC_LEA:
        return load_address(prologue, operands, next);
    case ZYDIS_MNEMONIC_PUSH:
        return push(prologue, &operands[0], next);
    case ZYDIS_MNEMONIC_SUB:
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_XOR:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SHL:
        return calculate(prologue, instruction->mnemonic, operands, next);
    default:
        return false;
    }
}

static bool run(struct prologue *prologue, const uint8_t *bytes, uint64_t size, uint64_t at) {
    ZydisDecoder decoder;
    uint64_t done = 0;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (int i = 0; done < size && i < PROLOGUE_INSTRUCTIONS_MOST; i++) {
        ZydisDecodedInstruction instruction;
        ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
        if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, bytes + done, size - done, &instruction, operands)))
            return false;
        done += instruction.length;
        if (instruction.address_width != 64 || !execute(prologue, &instruction, operands, at + done))
            return false;
    }
    return done == size;
}

bool prologue_init(struct prologue *ret, const struct elf_image *image, uint64_t entry, uint64_t body,
                   uint64_t bias, const struct frame_registers *registers, uint64_t fs_base,
                   const struct memory_reader *memory) {
    uint64_t offset;
    const uint8_t *code = NULL;
    if (body > entry && elf_vaddr_to_offset(image, entry, &offset))
        code = elf_bytes(image, offset, body - entry);
    if (!code)
        return false;
    *ret = (struct prologue){.registers = *registers, .beneath = memory, .fs_base = fs_base};
    ret->memory = (struct memory_reader){.read = read_over, .context = ret};
    for (unsigned i = 0; i < 16; i++)
        if (!frame_register_bytes(registers, FIRST_XMM + i, ret->xstate + LEGACY_XMM + (size_t)SLOT * i,
                                  SLOT))
            return false;
    ret->registers.xstate = ret->xstate;
    ret->registers.xstate_size = LEGACY_SIZE;
    if (!run(ret, code, body - entry, entry + bias))
        return false;
    frame_set_register(&ret->registers, FRAME_RIP, body + bias);
    return true;
}
