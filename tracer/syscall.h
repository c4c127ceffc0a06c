/* syscall: what every system call of x86-64 takes and gives, as one table (syscalls.def).
 *
 * The recorder reads the table to know which memory a call wrote, the replayer to know what to do instead of
 * the call, the decoder to print it. A call that is not in the table is never guessed at: it stops the
 * recording.
 *
 * Sources: the kernel's syscall_64.tbl and uapi headers, and the section 2 manual pages. */
#ifndef REEL_TRACER_SYSCALL_H
#define REEL_TRACER_SYSCALL_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>

#define SYSCALL_ARGS 6

/* What recorder and replayer do with a call. Twins: replay/record_syscall.c and replay/replay_syscall.c hold
 * one function for each of the irregular ones. */
enum syscall_handler {
    HANDLER_PLAIN, /* recorded: run it, log result and outputs. Replayed: write the outputs, set the result */
    HANDLER_REFUSE, /* never run: answered ENOSYS, as a kernel without it would (io_uring, rseq, ...) */
    HANDLER_STOP,   /* run it; when it succeeds the recording ends cleanly: reel cannot replay its effects */
    HANDLER_MMAP,
    HANDLER_MUNMAP,
    HANDLER_MPROTECT, /* mprotect, pkey_mprotect */
    HANDLER_MREMAP,
    HANDLER_MADVISE,
    HANDLER_BRK,
    HANDLER_SHMAT,
    HANDLER_SHMDT,
    HANDLER_REMAP_FILE_PAGES,
    HANDLER_EXECVE, /* execve, execveat */
    HANDLER_EXIT,   /* exit, exit_group */
    HANDLER_CLONE,  /* clone, clone3, fork, vfork */
    HANDLER_ARCH_PRCTL,
    HANDLER_PRCTL,
    HANDLER_SECCOMP,
    HANDLER_SIGRETURN,
    HANDLER_SIGACTION,
    HANDLER_SIGPROCMASK,
    HANDLER_SETRLIMIT,     /* setrlimit, prlimit64: the stack limit shapes the address space */
    HANDLER_FILE_WRITE,    /* writes to a descriptor: may be output to show, may change a mapped file.
                              write, pwrite64, writev, pwritev, pwritev2, sendto, sendmsg, sendmmsg */
    HANDLER_OPEN,          /* open, openat, openat2, creat: O_TRUNC */
    HANDLER_FILE_RESIZE,   /* ftruncate, truncate, fallocate */
    HANDLER_FILE_TRANSFER, /* sendfile, copy_file_range, splice, tee, vmsplice: bytes that never enter memory
                            */
    HANDLER_PERSONALITY,
    HANDLER_AFFINITY,  /* sched_setaffinity */
    HANDLER_PROCESSOR, /* sched_getaffinity, getcpu */
    HANDLER_PROCESS_VM_WRITEV,
};

/* Direction of what an argument points to. */
enum arg_direction {
    ARG_VALUE, /* not a pointer, or a pointer that the kernel does not follow */
    ARG_IN,    /* the kernel reads what it points to */
    ARG_OUT,   /* the kernel writes it */
    ARG_INOUT, /* both */
};

/* How an argument, or what it points to, is shaped; drives both the outputs and the decoder. */
enum arg_type {
    SHAPE_INT,     /* signed 32-bit decimal */
    SHAPE_LONG,    /* signed 64-bit decimal */
    SHAPE_UINT,    /* unsigned 64-bit decimal (sizes, counts) */
    SHAPE_HEX,     /* unsigned 64-bit hexadecimal */
    SHAPE_ADDRESS, /* a pointer that is not followed; 0 prints as NULL */
    SHAPE_FD,
    SHAPE_DIRFD, /* like SHAPE_FD, AT_FDCWD by name */
    SHAPE_PID,
    SHAPE_MODE,    /* octal */
    SHAPE_SIGNAL,  /* by name */
    SHAPE_FLAGS,   /* row->constants names the table of bits or values */
    SHAPE_PATH,    /* NUL-terminated string */
    SHAPE_STRING,  /* NUL-terminated string that is not a path */
    SHAPE_STRINGS, /* NULL-terminated array of strings (argv) */
    SHAPE_BYTES,   /* raw bytes */
    SHAPE_STRUCT,  /* a struct that the decoder prints as bytes or, where it knows `constants`, field by field
                    */
    SHAPE_IOVEC, /* array of struct iovec, their count in the next argument; for OUT the result is spread over
                   it */
    SHAPE_MSGHDR,  /* struct msghdr */
    SHAPE_MMSGHDR, /* array of struct mmsghdr, count in the next argument, result says how many were filled */
    SHAPE_SOCKADDR,
    SHAPE_FDSET,   /* fd_set of args[0] bits */
    SHAPE_POLLFDS, /* struct pollfd array */
    SHAPE_IOCTL,   /* third argument of ioctl: shape by request, ioctls.def */
    SHAPE_FCNTL,   /* third argument of fcntl: shape by command */
    SHAPE_PRCTL,   /* second argument of prctl: shape by option */
    SHAPE_SPECIAL, /* shape by another argument (bpf, keyctl, quotactl, ...): an `irregular` row handles it */
};

/* How many bytes an OUT or INOUT argument covers. `argument` is an index from 0, `unit` bytes an element. */
enum size_rule {
    SIZE_NONE,   /* type knows (IOVEC, MSGHDR, ...) or the argument is a value */
    SIZE_FIXED,  /* unit bytes */
    SIZE_RESULT, /* min(result, args[argument]) * unit; nothing when the call failed */
    SIZE_ARG,    /* args[argument] * unit */
    SIZE_LENGTH, /* the uint32 that args[argument] points to, after the call */
    SIZE_PAGES,  /* a byte for each 4096 of args[argument] (mincore) */
    SIZE_BITS,   /* args[argument] bits in whole 64-bit words */
    SIZE_STRING, /* NUL-terminated */
};

struct syscall_arg {
    const char *name;
    enum arg_type type;
    enum arg_direction direction;
    enum size_rule rule;
    uint8_t argument;
    uint32_t unit;
    const char *constants; /* name of a table in constants.def for SHAPE_FLAGS and SHAPE_STRUCT, or NULL */
};

struct syscall_row {
    const char *name; /* NULL: no such call */
    uint16_t number;
    enum syscall_handler handler;
    uint8_t arg_count;
    struct syscall_arg args[SYSCALL_ARGS];
    const char *why; /* HANDLER_REFUSE and HANDLER_STOP: one clause for the user, else NULL */
};

/* The row of a call, or NULL when the table has none. Static storage. */
const struct syscall_row *syscall_find(uint64_t number);

/* Number of the call with this name, or -1. */
int syscall_number(const char *name);

/* Highest number in the table plus one; numbers without a row have name == NULL and syscall_find() == NULL.
 */
unsigned syscall_table_size(void);

/* A call as it was made, and (after it) its result as the kernel put it into rax: -4095..-1 are errors,
 * including the internal restart codes -512, -513, -514 and -516. */
struct syscall_call {
    uint64_t number;
    uint64_t args[SYSCALL_ARGS];
    int64_t result;
    bool direct; /* a read from a file open with O_DIRECT, which may fill the buffer beyond the result */
};

static inline bool syscall_failed(int64_t result) {
    return result < 0 && result >= -4095;
}

/* -ERESTARTSYS, -ERESTARTNOINTR, -ERESTARTNOHAND, -ERESTART_RESTARTBLOCK (linux/errno.h, not exported). */
static inline bool syscall_restarts(int64_t result) {
    return result == -512 || result == -513 || result == -514 || result == -516;
}

/* madvise(2), by number: older headers lack some. Advice that reel knows to change no contents, or how; not
 * MADV_HWPOISON and MADV_GUARD_INSTALL, after which accesses fault. */
static inline bool memory_advice_known(uint64_t advice) {
    uint32_t number = (uint32_t)advice;
    return number <= 4 || (number >= 8 && number <= 25) || number == 101;
}

/* MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_DONTNEED_LOCKED: contents are lost. */
static inline bool memory_advice_discards(uint64_t advice) {
    uint32_t number = (uint32_t)advice;
    return number == 4 || number == 8 || number == 9 || number == 24;
}

/* Does a call wait for something that another thread may have to do? */
enum syscall_blocking {
    BLOCKING_NEVER,  /* no, or nothing else may happen in the process meanwhile: it shapes memory or tasks */
    BLOCKING_RARELY, /* in odd cases: opening a fifo, closing a socket that lingers, a file system of one's
                        own */
    BLOCKING_OFTEN,  /* that is what it is for */
};
enum syscall_blocking syscall_blocking(const struct syscall_call *call);

struct memory_range {
    uint64_t address;
    uint64_t size; /* bytes */
};

/* A list of ranges; zeroed is empty. */
struct memory_ranges {
    struct memory_range *ranges;
    size_t count;
    size_t room;
};

void memory_ranges_deinit(struct memory_ranges *ranges);
struct error *memory_ranges_add(struct memory_ranges *ranges, uint64_t address, uint64_t size);

/* The memory that the kernel may have written in a call that has just returned: appended to ret, which the
 * caller owns. Ranges may cover more than was written (a failed call's structs, a cut-off address): that is
 * harmless, they are logged as they are after the call. They never cover less.
 *
 * memory reads the caller's address space. ERROR_UNSUPPORTED when the table cannot tell (an unknown ioctl,
 * prctl or fcntl that did not fail in a way that proves it did nothing): the message names it and its number.
 */
struct error *syscall_outputs(const struct syscall_call *call, const struct memory_reader *memory,
                              struct memory_ranges *ret);

/* Print a call in words, strace-like: `read(3, "\177ELF"..., 832) = 832`, as NUL-terminated text appended to
 * ret. memory reads the caller's memory as it was just after the call, as far as it is known (a log knows
 * outputs only: what cannot be read is printed as an address). max_string is the most bytes shown of a
 * string. */
void syscall_print(const struct syscall_call *call, const struct memory_reader *memory, size_t max_string,
                   struct buffer *ret);

/* Names: "SIGSEGV" or "SIG42"; "ENOENT" or NULL. Static storage. */
const char *signal_name(int signo);
const char *errno_name(int errnum);

/* At the entry of a call: the memory that syscall_outputs() has to see as it is now, since the call's own
 * buffers may lie over it (arrays of struct iovec, struct msghdr). */
struct error *syscall_vectors(const struct syscall_call *call, const struct memory_reader *memory,
                              struct memory_ranges *ret);

#endif
