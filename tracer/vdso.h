/* vdso: the kernel's code page in the program, which tells the time without a system call.
 *
 * Each function of it is overwritten by the system call it stands for, so that every answer goes through the
 * log. getrandom (vgetrandom, kernel 6.11) is made to answer ENOSYS, after which libc asks the kernel.
 * Source: vdso(7), arch/x86/entry/vdso. */
#ifndef REEL_TRACER_VDSO_H
#define REEL_TRACER_VDSO_H

#include "base/error.h"

#include "tracer/syscall.h"
#include "tracer/task.h"

#include <stddef.h>
#include <stdint.h>

/* One piece of code to write over a vdso function. */
struct vdso_patch {
    uint64_t offset; /* from the start of the vdso image */
    uint8_t code[16];
    size_t size;
    bool calls; /* it makes a system call, at VDSO_CALL, and another one at VDSO_SECOND_CALL of its code */
    bool loops; /* it is the loop of handover.h, behind the code that has been written over a function */
};
#define VDSO_CALL        5
#define VDSO_SECOND_CALL 8

#define VDSO_PATCHES_MAX 16

/* The patches for a vdso image (the bytes of the [vdso] mapping). *ret_count of them are filled. A function
 * of the table that this vdso does not have is skipped; a symbol named __vdso_* that reel does not know and
 * that reads the clock cannot be seen, so unknown __vdso_* names are an ERROR_UNSUPPORTED (except
 * __vdso_sgx_enter_enclave and __vdso_rt_sigreturn-like trampolines, which are left alone). The last one is
 * the loop, if there is room. */
struct error *vdso_patches(const uint8_t *image, size_t size, struct vdso_patch ret[VDSO_PATCHES_MAX],
                           size_t *ret_count);

/* The task stands at the first call of a patched function, which has been made a trap: do what the vdso would
 * have done, and put the result into regs, rip behind it. What it wrote is appended to written, which the
 * caller owns. What only the kernel can answer (clocks of processes) is left to the second call: rip is there
 * then. */
struct error *vdso_answer(struct task *task, struct user_regs_struct *regs, struct memory_ranges *written);

#endif
