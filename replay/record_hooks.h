/* record_hooks: what the recorder does besides logging result and outputs, call by call. Private to
 * replay/record_*.c; record_syscall.c has the table.
 *
 * An `entry` hook runs before the call: it may set recorder->thread->refused, change the task's registers, or
 * stop the recording. An `exit` hook runs after it, before the event is appended: it adds effects. */
#ifndef REEL_REPLAY_RECORD_HOOKS_H
#define REEL_REPLAY_RECORD_HOOKS_H

#include "replay/recorder_state.h"

#include <stddef.h>
#include <sys/user.h>

#define ARGUMENT_REGISTER(name) (offsetof(struct user, regs) + offsetof(struct user_regs_struct, name))

/* The current call did not fail. */
bool record_succeeded(const struct recorder *recorder);
/* Set a register of the stopped task, by ARGUMENT_REGISTER(). */
struct error *record_set_argument(struct recorder *recorder, size_t offset, uint64_t value);

/* A call that is in the table only to be refused: the recording stops. */
struct error *record_entry_unsupported(struct recorder *recorder);

/* record_memory.c */
struct error *record_exit_mmap(struct recorder *recorder);
struct error *record_exit_munmap(struct recorder *recorder);
struct error *record_exit_mprotect(struct recorder *recorder);
struct error *record_exit_mremap(struct recorder *recorder);
struct error *record_entry_madvise(struct recorder *recorder);
struct error *record_exit_madvise(struct recorder *recorder);
struct error *record_exit_brk(struct recorder *recorder);
struct error *record_exit_shmat(struct recorder *recorder);
struct error *record_exit_setrlimit(struct recorder *recorder);
struct error *record_entry_personality(struct recorder *recorder);

/* record_process.c */
struct error *record_entry_clone(struct recorder *recorder);
struct error *record_exit_clone(struct recorder *recorder);
struct error *record_entry_execve(struct recorder *recorder);
struct error *record_exit_execve(struct recorder *recorder);
struct error *record_entry_exit(struct recorder *recorder);
struct error *record_exit_sigreturn(struct recorder *recorder);
struct error *record_exit_signal_state(struct recorder *recorder);
struct error *record_entry_prctl(struct recorder *recorder);
struct error *record_entry_arch_prctl(struct recorder *recorder);
struct error *record_exit_process_vm_writev(struct recorder *recorder);

/* record_affinity.c */
struct error *record_entry_affinity(struct recorder *recorder);
struct error *record_exit_affinity(struct recorder *recorder);
struct error *record_exit_processor(struct recorder *recorder);

/* record_filter.c: seccomp(2), and prctl(PR_SET_SECCOMP) */
struct error *record_entry_seccomp(struct recorder *recorder);
struct error *record_exit_seccomp(struct recorder *recorder);

/* record_output.c: calls that write to files. */
struct error *record_exit_file_write(struct recorder *recorder);
struct error *record_exit_open(struct recorder *recorder);
struct error *record_exit_file_resize(struct recorder *recorder);
struct error *record_entry_transfer(struct recorder *recorder);
struct error *record_exit_transfer(struct recorder *recorder);

#endif
