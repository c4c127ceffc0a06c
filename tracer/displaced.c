#include "tracer/displaced.h"

#include <Zydis/Zydis.h>

#include <string.h>

#define INT3           0xcc
#define PUSH_IMMEDIATE 0x68
#define PUSH_LENGTH    5
#define GROUP_5        0xff /* opcode of call, jmp and push of r/m */
#define GROUP_5_CALL   2
#define GROUP_5_JUMP   4
#define GROUP_5_PUSH   6
#define NUMBER_RSP     4

/* What there is to know of one decoded instruction. */
struct decoded {
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static struct error *refuse(uint64_t address, const char *why) {
    return error_new(ERROR_UNSUPPORTED, "probe at 0x%llx: %s", (unsigned long long)address, why);
}

static struct error *decode(const uint8_t *bytes, size_t size, uint64_t address, struct decoded *ret) {
    ZydisDecoder decoder; /* initialising it cannot fail: all arguments are constants */
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZyanStatus status = ZydisDecoderDecodeFull(&decoder, bytes, size, &ret->instruction, ret->operands);
    if (ZYAN_FAILED(status))
        return error_new(ERROR_BAD_DATA, "probe at 0x%llx: no instruction that reel knows",
                         (unsigned long long)address);
    return NULL;
}

/* Why it cannot be displaced, or NULL. */
static const char *obstacle(const ZydisDecodedInstruction *instruction) {
    if (instruction->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
        return "a far transfer";
    if (instruction->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE &&
        (instruction->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE))
        return "a branch with an operand size prefix, which processors understand differently";
    switch (instruction->mnemonic) {
    case ZYDIS_MNEMONIC_INT3:
        return "a breakpoint of the program's own";
    case ZYDIS_MNEMONIC_INT:
    case ZYDIS_MNEMONIC_INT1:
    case ZYDIS_MNEMONIC_INTO:
        return "a software interrupt";
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_UIRET:
        return "a return from interrupt";
    case ZYDIS_MNEMONIC_SYSENTER:
    case ZYDIS_MNEMONIC_SYSEXIT:
    case ZYDIS_MNEMONIC_SYSRET:
        return "a system call by sysenter";
    case ZYDIS_MNEMONIC_XBEGIN:
        return "a transaction, which a breakpoint would abort";
    default:
        return NULL;
    }
}

static struct displaced_operand convert(const struct decoded *decoded, const ZydisDecodedOperand *operand,
                                        uint64_t end) {
    struct displaced_operand result = {.base = -1, .index = -1};
    if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        result.reg = (uint8_t)ZydisRegisterGetId(operand->reg.value);
        return result;
    }
    result.is_memory = true;
    result.is_32_bit = decoded->instruction.address_width == 32;
    result.displacement = operand->mem.disp.has_displacement ? operand->mem.disp.value : 0;
    if (operand->mem.base == ZYDIS_REGISTER_RIP || operand->mem.base == ZYDIS_REGISTER_EIP) {
        result.is_rip_relative = true;
        result.displacement = (int64_t)(end + (uint64_t)result.displacement);
    } else if (operand->mem.base != ZYDIS_REGISTER_NONE) {
        result.base = (int8_t)ZydisRegisterGetId(operand->mem.base);
    }
    if (operand->mem.index != ZYDIS_REGISTER_NONE)
        result.index = (int8_t)ZydisRegisterGetId(operand->mem.index);
    result.scale = operand->mem.scale;
    if (operand->mem.segment == ZYDIS_REGISTER_FS)
        result.segment = 'f';
    else if (operand->mem.segment == ZYDIS_REGISTER_GS)
        result.segment = 'g';
    return result;
}

/* A RIP-relative operand of an instruction that may have to run in a slot. */
static struct error *note_relative(const struct decoded *decoded, struct displaced *displaced) {
    const ZydisDecodedInstruction *instruction = &decoded->instruction;
    for (size_t i = 0; i < instruction->operand_count; i++) {
        const ZydisDecodedOperand *operand = &decoded->operands[i];
        if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY)
            continue;
        if (operand->mem.base == ZYDIS_REGISTER_EIP)
            return refuse(displaced->address, "an operand relative to eip");
        if (operand->mem.base != ZYDIS_REGISTER_RIP)
            continue;
        displaced->relative_at = instruction->raw.disp.offset;
        displaced->relative_target =
            displaced->address + instruction->length + (uint64_t)instruction->raw.disp.value;
    }
    return NULL;
}

static bool is_plain_64_bit(const ZydisDecodedInstruction *instruction) {
    return instruction->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && instruction->operand_width == 64 &&
           instruction->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;
}

/* Those that functions begin with. */
static void classify_plain(const struct decoded *decoded, struct displaced *displaced) {
    const ZydisDecodedInstruction *instruction = &decoded->instruction;
    uint8_t opcode = instruction->opcode;
    bool registers_only =
        (instruction->attributes & ZYDIS_ATTRIB_HAS_MODRM) && instruction->raw.modrm.mod == 3;
    if ((opcode & 0xf8) == 0x50) {
        displaced->operation = DISPLACED_PUSH;
        displaced->operand = convert(decoded, &decoded->operands[0], 0);
    } else if ((opcode == 0x89 || opcode == 0x8b) && registers_only) {
        displaced->operation = DISPLACED_MOVE;
        displaced->target_register = (uint8_t)ZydisRegisterGetId(decoded->operands[0].reg.value);
        displaced->operand = convert(decoded, &decoded->operands[1], 0);
    } else if ((opcode == 0x81 || opcode == 0x83) && registers_only && instruction->raw.modrm.reg == 5 &&
               ZydisRegisterGetId(decoded->operands[0].reg.value) == NUMBER_RSP) {
        displaced->operation = DISPLACED_SUB_RSP;
        displaced->constant = decoded->operands[1].imm.value.u;
    } else if (opcode == 0xc9) {
        displaced->operation = DISPLACED_LEAVE;
    }
}

static void classify_transfer(const struct decoded *decoded, struct displaced *displaced) {
    const ZydisDecodedInstruction *instruction = &decoded->instruction;
    uint64_t end = displaced->address + instruction->length;
    bool is_direct = instruction->raw.imm[0].is_relative;
    displaced->is_32_bit_count = instruction->address_width == 32;
    if (is_direct)
        displaced->target = end + instruction->raw.imm[0].value.u;
    switch (instruction->mnemonic) {
    case ZYDIS_MNEMONIC_CALL:
        displaced->operation = is_direct ? DISPLACED_CALL : DISPLACED_CALL_INDIRECT;
        break;
    case ZYDIS_MNEMONIC_JMP:
        displaced->operation = is_direct ? DISPLACED_JUMP : DISPLACED_JUMP_INDIRECT;
        break;
    case ZYDIS_MNEMONIC_RET:
        displaced->operation = DISPLACED_RET;
        displaced->constant = instruction->raw.imm[0].size ? instruction->raw.imm[0].value.u : 0;
        return;
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
    case ZYDIS_MNEMONIC_JRCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
        displaced->operation = DISPLACED_LOOP;
        displaced->condition = instruction->opcode & 3;
        return;
    default:
        displaced->operation = DISPLACED_BRANCH;
        displaced->condition = instruction->opcode & 0xf;
        return;
    }
    if (!is_direct) {
        displaced->operand = convert(decoded, &decoded->operands[0], end);
        displaced->modrm_at = instruction->raw.modrm.offset;
    }
}

/* Is it a transfer that classify_transfer() knows? */
static bool is_known_transfer(const ZydisDecodedInstruction *instruction) {
    switch (instruction->meta.category) {
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_UNCOND_BR:
        return instruction->mnemonic == ZYDIS_MNEMONIC_CALL || instruction->mnemonic == ZYDIS_MNEMONIC_RET ||
               instruction->mnemonic == ZYDIS_MNEMONIC_JMP;
    case ZYDIS_CATEGORY_COND_BR:
        return instruction->raw.imm[0].is_relative &&
               instruction->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;
    default:
        return false;
    }
}

struct error *displaced_decode(const uint8_t *bytes, size_t size, uint64_t address, struct displaced *ret) {
    struct decoded decoded;
    TRY(decode(bytes, size, address, &decoded));
    const ZydisDecodedInstruction *instruction = &decoded.instruction;
    const char *why = obstacle(instruction);
    if (why)
        return refuse(address, why);
    struct displaced displaced = {.address = address, .length = instruction->length};
    memcpy(displaced.bytes, bytes, instruction->length);
    TRY(note_relative(&decoded, &displaced));
    if (is_known_transfer(instruction))
        classify_transfer(&decoded, &displaced);
    else if (instruction->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE || instruction->raw.imm[0].is_relative)
        return refuse(address, "a transfer of a kind that is not known");
    else if (instruction->mnemonic == ZYDIS_MNEMONIC_SYSCALL)
        displaced.operation = DISPLACED_SYSCALL;
    else if (instruction->mnemonic == ZYDIS_MNEMONIC_NOP || instruction->mnemonic == ZYDIS_MNEMONIC_ENDBR64)
        displaced.operation = DISPLACED_NOP;
    else if (is_plain_64_bit(instruction))
        classify_plain(&decoded, &displaced);
    *ret = displaced;
    return NULL;
}

bool displaced_needs_slot(const struct displaced *displaced) {
    return displaced->operation == DISPLACED_NATIVE || displaced->operation == DISPLACED_SYSCALL;
}

bool displaced_never_needs_slot(const struct displaced *displaced) {
    switch (displaced->operation) {
    case DISPLACED_NOP:
    case DISPLACED_MOVE:
    case DISPLACED_SUB_RSP:
    case DISPLACED_JUMP:
    case DISPLACED_BRANCH:
    case DISPLACED_LOOP:
        return true;
    default: /* an indirect jump, too: to an address that cannot be one it faults where it stands */
        return false;
    }
}

bool displaced_can_complete(const struct displaced *displaced) {
    return displaced->operation != DISPLACED_RET && displaced->operation != DISPLACED_JUMP_INDIRECT &&
           displaced->operation != DISPLACED_SYSCALL;
}

/* ---- slots ---- */

/* The displacement that the copy at `at` needs. */
static int64_t displacement_at(const struct displaced *displaced, uint64_t at) {
    return (int64_t)(displaced->relative_target - (at + displaced->length));
}

bool displaced_reaches(const struct displaced *displaced, uint64_t slot) {
    if (!displaced->relative_at)
        return true;
    int64_t first = displacement_at(displaced, slot);
    int64_t second = displacement_at(displaced, slot + DISPLACED_SECOND);
    return first == (int32_t)first && second == (int32_t)second;
}

static size_t put_copy(const struct displaced *displaced, uint64_t at, uint8_t *ret) {
    memcpy(ret, displaced->bytes, displaced->length);
    if (displaced->relative_at) {
        int32_t displacement = (int32_t)displacement_at(displaced, at);
        memcpy(ret + displaced->relative_at, &displacement, sizeof(displacement));
    }
    return displaced->length;
}

static bool is_call(const struct displaced *displaced) {
    return displaced->operation == DISPLACED_CALL || displaced->operation == DISPLACED_CALL_INDIRECT;
}

/* Without an end of its own: what follows is int3. A call becomes the push that makes the same accesses. */
static void put_second(const struct displaced *displaced, uint64_t at, uint8_t *ret) {
    if (displaced->operation == DISPLACED_CALL) {
        static const uint8_t push[PUSH_LENGTH] = {PUSH_IMMEDIATE};
        memcpy(ret, push, sizeof(push));
        return;
    }
    put_copy(displaced, at, ret);
    if (displaced->operation == DISPLACED_CALL_INDIRECT)
        ret[displaced->modrm_at] = (uint8_t)((ret[displaced->modrm_at] & ~(7 << 3)) | (GROUP_5_PUSH << 3));
}

void displaced_fill_slot(const struct displaced *displaced, uint64_t slot, uint8_t ret[DISPLACED_SLOT_SIZE]) {
    memset(ret, INT3, DISPLACED_SLOT_SIZE);
    put_second(displaced, slot + DISPLACED_SECOND, ret + DISPLACED_SECOND);
    if (is_call(displaced))
        return;
    size_t size = put_copy(displaced, slot, ret);
    if (displaced->operation == DISPLACED_RET || displaced->operation == DISPLACED_JUMP_INDIRECT)
        return;
    uint64_t next = displaced->address + displaced->length;
    if (displaced->operation == DISPLACED_SYSCALL) {
        static const uint8_t move_to_rcx[] = {0x48, 0xb9};
        memcpy(ret + size, move_to_rcx, sizeof(move_to_rcx));
        memcpy(ret + size + 2, &next, sizeof(next));
        size += sizeof(move_to_rcx) + sizeof(next);
    }
    static const uint8_t jump[] = {0xff, 0x25, 0, 0, 0, 0}; /* jmp *0(%rip): reaches everywhere */
    memcpy(ret + size, jump, sizeof(jump));
    memcpy(ret + size + sizeof(jump), &next, sizeof(next));
}

enum displaced_progress displaced_progress_at(const struct displaced *displaced, size_t offset) {
    bool is_second = offset >= DISPLACED_SECOND;
    size_t inside = is_second ? offset - DISPLACED_SECOND : offset;
    size_t length = is_second && displaced->operation == DISPLACED_CALL ? PUSH_LENGTH : displaced->length;
    if (inside < length)
        return DISPLACED_BEFORE;
    return is_call(displaced) ? DISPLACED_PUSHED : DISPLACED_AFTER;
}

/* The call has pushed something in place of its return address. */
static bool finish_call(const struct displaced *displaced, struct user_regs_struct *regs,
                        const struct displaced_memory *memory) {
    uint64_t target = displaced->target, next = displaced->address + displaced->length;
    if (displaced->operation == DISPLACED_CALL_INDIRECT &&
        !memory->read(memory->context, regs->rsp, &target, sizeof(target)))
        return false;
    if (!memory->write(memory->context, regs->rsp, &next, sizeof(next)))
        return false;
    regs->rip = target;
    return true;
}

bool displaced_settle(const struct displaced *displaced, uint64_t slot, struct user_regs_struct *regs,
                      const struct displaced_memory *memory) {
    switch (displaced_progress_at(displaced, regs->rip - slot)) {
    case DISPLACED_BEFORE:
        regs->rip = displaced->address;
        return true;
    case DISPLACED_AFTER:
        regs->rip = displaced->address + displaced->length;
        if (displaced->operation == DISPLACED_SYSCALL && regs->rcx - slot < DISPLACED_SLOT_SIZE)
            regs->rcx = regs->rip;
        return true;
    case DISPLACED_PUSHED:
        break;
    }
    return finish_call(displaced, regs, memory);
}
