/* sigframe: what rt_sigreturn(2) reads from the stack to put back all of a task's state.
 *
 * Sources: arch/x86/kernel/signal_64.c (restore_sigcontext()), arch/x86/include/uapi/asm/sigcontext.h and
 * ucontext.h, arch/x86/kernel/fpu/signal.c. */
#ifndef REEL_TRACER_SIGFRAME_H
#define REEL_TRACER_SIGFRAME_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

/* Make a frame, for `address` (a multiple of 64), that puts back these registers, this mask of blocked
 * signals and this xstate (NT_X86_XSTATE). A call that the kernel would make again is made again: the frame
 * has its number and stands at its instruction (of restart_syscall, rt_sigreturn makes EINTR). Its first word
 * is the address that whoever returns to the frame goes to: `restorer`, code that calls rt_sigreturn.
 * *ret_size bytes are filled of `ret`, which has room for SIGFRAME_MOST. False when the task uses what only
 * some tasks have (AMX). */
#define SIGFRAME_MOST (16384u + 1024u)
bool sigframe_make(uint64_t address, uint64_t restorer, const struct user_regs_struct *regs, uint64_t sigmask,
                   const uint8_t *xstate, size_t xstate_size, uint8_t *ret, size_t *ret_size);

#endif
