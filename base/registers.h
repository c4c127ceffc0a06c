/* registers: the table of x86-64 general registers as ptrace(2) hands them over (struct user_regs_struct).
 * Everything that names, compares, encodes or prints registers goes through this table. */
#ifndef REEL_BASE_REGISTERS_H
#define REEL_BASE_REGISTERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#define REGISTER_COUNT (sizeof(struct user_regs_struct) / sizeof(unsigned long long))

struct register_row {
    const char *name;
    size_t offset;  /* bytes into struct user_regs_struct */
    int dwarf;      /* DWARF register number (System V ABI, figure 3.36), or -1 */
    int comparable; /* part of the state that a replay must reproduce (orig_rax and the selectors are not) */
};

extern const struct register_row registers[REGISTER_COUNT];

static inline uint64_t register_get(const struct user_regs_struct *regs, size_t index) {
    return *(const unsigned long long *)((const char *)regs + registers[index].offset);
}

static inline void register_set(struct user_regs_struct *regs, size_t index, uint64_t value) {
    *(unsigned long long *)((char *)regs + registers[index].offset) = value;
}

/* A 32-bit hash of all comparable registers. */
uint32_t registers_hash(const struct user_regs_struct *regs);

/* Index of the first comparable register that differs, or REGISTER_COUNT when none does. */
size_t registers_compare(const struct user_regs_struct *a, const struct user_regs_struct *b);

#endif
