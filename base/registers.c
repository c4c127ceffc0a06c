#include "base/registers.h"

#include <xxhash.h>

#define ROW(register, dwarf_number, is_comparable)                                                           \
    { #register, offsetof(struct user_regs_struct, register), dwarf_number, is_comparable }

const struct register_row registers[REGISTER_COUNT] = {
    ROW(r15, 15, 1),      ROW(r14, 14, 1),     ROW(r13, 13, 1),     ROW(r12, 12, 1),    ROW(rbp, 6, 1),
    ROW(rbx, 3, 1),       ROW(r11, 11, 1),     ROW(r10, 10, 1),     ROW(r9, 9, 1),      ROW(r8, 8, 1),
    ROW(rax, 0, 1),       ROW(rcx, 2, 1),      ROW(rdx, 1, 1),      ROW(rsi, 4, 1),     ROW(rdi, 5, 1),
    ROW(orig_rax, -1, 0), ROW(rip, 16, 1),     ROW(cs, 51, 0),      ROW(eflags, 49, 1), ROW(rsp, 7, 1),
    ROW(ss, 52, 0),       ROW(fs_base, 58, 1), ROW(gs_base, 59, 1), ROW(ds, 53, 0),     ROW(es, 50, 0),
    ROW(fs, 54, 0),       ROW(gs, 55, 0),
};

/* The resume flag is the processor's own and depends on how the last stop came about. */
#define EFLAGS_RF (1ull << 16)
#define EFLAGS_TF (1ull << 8)

static uint64_t comparable_value(const struct user_regs_struct *regs, size_t index) {
    uint64_t value = register_get(regs, index);
    if (registers[index].offset == offsetof(struct user_regs_struct, eflags))
        value &= ~(EFLAGS_RF | EFLAGS_TF);
    return value;
}

uint32_t registers_hash(const struct user_regs_struct *regs) {
    uint64_t values[REGISTER_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < REGISTER_COUNT; i++)
        if (registers[i].comparable)
            values[count++] = comparable_value(regs, i);
    return (uint32_t)XXH3_64bits(values, count * sizeof(values[0]));
}

size_t registers_compare(const struct user_regs_struct *a, const struct user_regs_struct *b) {
    for (size_t i = 0; i < REGISTER_COUNT; i++)
        if (registers[i].comparable && comparable_value(a, i) != comparable_value(b, i))
            return i;
    return REGISTER_COUNT;
}
