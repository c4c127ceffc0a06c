#include "tracer/sigframe.h"

#include <asm/sigcontext.h>
#include <cpuid.h>
#include <string.h>

#define UC_FP_XSTATE         1u
#define UC_SIGCONTEXT_SS     2u
#define UC_STRICT_RESTORE_SS 4u
#define SYS_RESTART          219

/* struct rt_sigframe of the kernel; uc_flags and what follows is its struct ucontext. */
struct frame {
    uint64_t restorer;
    uint64_t uc_flags, uc_link;
    struct {
        uint64_t sp;
        int32_t flags, unused;
        uint64_t size;
    } uc_stack;
    struct sigcontext_64 context;
    uint64_t uc_sigmask;
    uint8_t siginfo[128];
};

/* No flags of an alternate stack are like these: the kernel then leaves it as it is. */
#define NO_SUCH_FLAGS 0x12345

/* ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK */
static void go_back_to_call(struct user_regs_struct *regs) {
    int64_t result = (int64_t)regs->rax;
    if ((int64_t)regs->orig_rax < 0 || (result != -512 && result != -513 && result != -514 && result != -516))
        return;
    regs->rip -= 2;
    regs->rax = result == -516 ? SYS_RESTART : regs->orig_rax;
}

static void put_registers(struct sigcontext_64 *to, const struct user_regs_struct *from) {
    to->r8 = from->r8;
    to->r9 = from->r9;
    to->r10 = from->r10;
    to->r11 = from->r11;
    to->r12 = from->r12;
    to->r13 = from->r13;
    to->r14 = from->r14;
    to->r15 = from->r15;
    to->di = from->rdi;
    to->si = from->rsi;
    to->bp = from->rbp;
    to->bx = from->rbx;
    to->dx = from->rdx;
    to->ax = from->rax;
    to->cx = from->rcx;
    to->sp = from->rsp;
    to->ip = from->rip;
    to->flags = from->eflags;
    to->cs = (uint16_t)from->cs;
    to->ss = (uint16_t)from->ss;
}

/* In the regset: the kernel's features, where programs may keep what they like; and XSTATE_BV, what is not in
 * its initial state. */
#define XCR0_AT 464
#define BV_AT   512
/* Features that a task has only when it has asked for them (AMX). Others are in every task's xstate. */
#define ON_REQUEST (3ull << 17)

static uint64_t word_at(const uint8_t *bytes, size_t at) {
    uint64_t word;
    memcpy(&word, bytes + at, sizeof(word));
    return word;
}

/* The size of an xstate of these features. Source: Intel SDM 1, 13.2 (CPUID leaf 0xD, subleaf i). */
static size_t size_of(uint64_t features) {
    size_t size = 512 + 64;
    for (unsigned i = 2; i < 63; i++) {
        unsigned length, offset, flags, unused;
        if (!(features >> i & 1) || !__get_cpuid_count(0xd, i, &length, &offset, &flags, &unused))
            continue;
        if (!(flags & 1) && offset + length > size)
            size = offset + length;
    }
    return size;
}

/* The words that tell the kernel that there is an xstate of these features and this size: at offset 464 of it
 * (the software's own), and behind it. */
static void mark_xstate(uint8_t *xstate, uint64_t features, size_t size) {
    struct _fpx_sw_bytes marks = {.magic1 = FP_XSTATE_MAGIC1,
                                  .extended_size = (uint32_t)(size + FP_XSTATE_MAGIC2_SIZE),
                                  .xfeatures = features,
                                  .xstate_size = (uint32_t)size};
    const uint32_t end = FP_XSTATE_MAGIC2;
    memcpy(xstate + XCR0_AT, &marks, sizeof(marks));
    memcpy(xstate + size, &end, sizeof(end));
}

bool sigframe_make(uint64_t address, uint64_t restorer, const struct user_regs_struct *regs, uint64_t sigmask,
                   const uint8_t *xstate, size_t xstate_size, uint8_t *ret, size_t *ret_size) {
    struct frame frame = {.restorer = restorer,
                          .uc_flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS,
                          .uc_stack = {.flags = NO_SUCH_FLAGS},
                          .uc_sigmask = sigmask};
    const size_t at = (sizeof(frame) + 63) / 64 * 64;
    struct user_regs_struct going = *regs;
    if (xstate_size < 512 + 64)
        return false;
    const uint64_t features = word_at(xstate, XCR0_AT) & ~ON_REQUEST;
    const size_t size = size_of(features);
    if (word_at(xstate, BV_AT) & ~features || size > xstate_size)
        return false;
    go_back_to_call(&going);
    put_registers(&frame.context, &going);
    frame.context.fpstate = address + at;
    memset(ret, 0, at);
    memcpy(ret, &frame, sizeof(frame));
    memcpy(ret + at, xstate, size);
    mark_xstate(ret + at, features, size);
    *ret_size = at + size + FP_XSTATE_MAGIC2_SIZE;
    return true;
}
