#include "tracer/displaced.h"

#include <stddef.h>

#define FLAG_CARRY    (1u << 0)
#define FLAG_PARITY   (1u << 2)
#define FLAG_ADJUST   (1u << 4)
#define FLAG_ZERO     (1u << 6)
#define FLAG_SIGN     (1u << 7)
#define FLAG_OVERFLOW (1u << 11)

/* The registers by the numbers of the encoding. */
#define REGISTER(name) offsetof(struct user_regs_struct, name)
static const size_t register_offsets[16] = {
    REGISTER(rax), REGISTER(rcx), REGISTER(rdx), REGISTER(rbx), REGISTER(rsp), REGISTER(rbp),
    REGISTER(rsi), REGISTER(rdi), REGISTER(r8),  REGISTER(r9),  REGISTER(r10), REGISTER(r11),
    REGISTER(r12), REGISTER(r13), REGISTER(r14), REGISTER(r15),
};

static unsigned long long *at(struct user_regs_struct *regs, unsigned number) {
    return (unsigned long long *)((char *)regs + register_offsets[number & 15]);
}

static uint64_t address_of(const struct displaced_operand *operand, struct user_regs_struct *regs) {
    uint64_t address = (uint64_t)operand->displacement;
    if (operand->base >= 0)
        address += *at(regs, (unsigned)operand->base);
    if (operand->index >= 0)
        address += *at(regs, (unsigned)operand->index) * operand->scale;
    if (operand->is_32_bit)
        address = (uint32_t)address;
    if (operand->segment)
        address += operand->segment == 'f' ? regs->fs_base : regs->gs_base;
    return address;
}

static bool read_word(const struct displaced_memory *memory, uint64_t address, uint64_t *ret) {
    return memory->read(memory->context, address, ret, sizeof(*ret));
}

static bool push(struct user_regs_struct *regs, const struct displaced_memory *memory, uint64_t value) {
    if (!memory->write(memory->context, regs->rsp - sizeof(value), &value, sizeof(value)))
        return false;
    regs->rsp -= sizeof(value);
    return true;
}

static bool load(const struct displaced_operand *operand, struct user_regs_struct *regs,
                 const struct displaced_memory *memory, uint64_t *ret) {
    if (operand->is_memory)
        return read_word(memory, address_of(operand, regs), ret);
    *ret = *at(regs, operand->reg);
    return true;
}

static uint64_t flags_of_sub(uint64_t left, uint64_t right) {
    uint64_t result = left - right;
    uint64_t flags = 0;
    if (left < right)
        flags |= FLAG_CARRY;
    if (!(__builtin_popcount(result & 0xff) & 1))
        flags |= FLAG_PARITY;
    if ((left ^ right ^ result) & 0x10)
        flags |= FLAG_ADJUST;
    if (!result)
        flags |= FLAG_ZERO;
    if (result >> 63)
        flags |= FLAG_SIGN;
    if (((left ^ right) & (left ^ result)) >> 63)
        flags |= FLAG_OVERFLOW;
    return flags;
}

static void sub_rsp(struct user_regs_struct *regs, uint64_t constant) {
    const uint64_t all = FLAG_CARRY | FLAG_PARITY | FLAG_ADJUST | FLAG_ZERO | FLAG_SIGN | FLAG_OVERFLOW;
    regs->eflags = (regs->eflags & ~all) | flags_of_sub(regs->rsp, constant);
    regs->rsp -= constant;
}

/* Conditions come in pairs, the odd one is the opposite. Source: SDM volume 2, appendix B.1.4.7. */
static bool is_met(unsigned condition, uint64_t flags) {
    bool carry = flags & FLAG_CARRY, zero = flags & FLAG_ZERO, sign = flags & FLAG_SIGN,
         overflow = flags & FLAG_OVERFLOW, parity = flags & FLAG_PARITY;
    const bool pairs[] = {
        overflow, carry, zero, carry || zero, sign, parity, sign != overflow, zero || sign != overflow};
    return pairs[(condition >> 1) & 7] != (condition & 1);
}

/* loopne, loope, loop, jrcxz: the opcode's low bits. */
static bool loops(const struct displaced *displaced, struct user_regs_struct *regs) {
    enum { LOOPNE, LOOPE, LOOP, JRCXZ };
    uint64_t count = displaced->is_32_bit_count ? (uint32_t)regs->rcx : regs->rcx;
    if (displaced->condition == JRCXZ)
        return !count;
    count--;
    regs->rcx = displaced->is_32_bit_count ? (uint32_t)count : count;
    count = regs->rcx;
    bool zero = regs->eflags & FLAG_ZERO;
    if (displaced->condition == LOOPNE)
        return count && !zero;
    if (displaced->condition == LOOPE)
        return count && zero;
    return count;
}

static bool leave(struct user_regs_struct *regs, const struct displaced_memory *memory) {
    uint64_t saved;
    if (!read_word(memory, regs->rbp, &saved))
        return false;
    regs->rsp = regs->rbp + sizeof(saved);
    regs->rbp = saved;
    return true;
}

/* On a copy of the registers, since it may fail halfway. regs->rip is that of the next instruction. */
static bool perform(const struct displaced *displaced, struct user_regs_struct *regs,
                    const struct displaced_memory *memory) {
    uint64_t target = displaced->target, next = regs->rip;
    switch (displaced->operation) {
    case DISPLACED_NATIVE:
    case DISPLACED_SYSCALL:
        return false;
    case DISPLACED_NOP:
        return true;
    case DISPLACED_PUSH:
        return push(regs, memory, *at(regs, displaced->operand.reg));
    case DISPLACED_MOVE:
        *at(regs, displaced->target_register) = *at(regs, displaced->operand.reg);
        return true;
    case DISPLACED_SUB_RSP:
        sub_rsp(regs, displaced->constant);
        return true;
    case DISPLACED_LEAVE:
        return leave(regs, memory);
    case DISPLACED_RET:
        if (!read_word(memory, regs->rsp, &target))
            return false;
        regs->rsp += sizeof(target) + displaced->constant;
        break;
    case DISPLACED_CALL_INDIRECT:
        if (!load(&displaced->operand, regs, memory, &target))
            return false;
        /* fall through */
    case DISPLACED_CALL:
        if (!push(regs, memory, next))
            return false;
        break;
    case DISPLACED_JUMP_INDIRECT:
        if (!load(&displaced->operand, regs, memory, &target))
            return false;
        break;
    case DISPLACED_JUMP:
        break;
    case DISPLACED_BRANCH:
        target = is_met(displaced->condition, regs->eflags) ? target : next;
        break;
    case DISPLACED_LOOP:
        target = loops(displaced, regs) ? target : next;
        break;
    }
    regs->rip = target;
    return true;
}

/* The lower half, or a negative address: elsewhere rip cannot be, and a jump there faults where it stands. */
static bool is_canonical(uint64_t address) {
    return (int64_t)(address << 16) >> 16 == (int64_t)address;
}

bool displaced_emulate(const struct displaced *displaced, struct user_regs_struct *regs,
                       const struct displaced_memory *memory) {
    struct user_regs_struct result = *regs;
    result.rip = displaced->address + displaced->length;
    if (!perform(displaced, &result, memory) || !is_canonical(result.rip))
        return false;
    *regs = result;
    return true;
}
