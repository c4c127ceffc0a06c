/* shared: what reel and the code that it puts into the program (blob.c) agree on. Both include this file and
 * nothing else of each other.
 *
 * All of it lies at fixed addresses behind the puppet's stub page, below where programs are linked:
 *
 * In a process that is recorded and in one in which a recording is replayed they are the same, but for what
 * the hook does with a call.
 *
 *     CODE   private, r-x   the blob
 *     SLOTS  private, r-x   pieces of code for call sites below 2 GiB; for others such areas are mapped near
 *     DATA   shared, rw-    a memory file that reel has mapped, too: block, table, descriptors, stack, ring
 */
#ifndef REEL_TRACER_SYSBUF_SHARED_H
#define REEL_TRACER_SYSBUF_SHARED_H

#include <stdint.h>

#define SYSBUF_START      0x21000ul
#define SYSBUF_CODE       SYSBUF_START
#define SYSBUF_CODE_SIZE  0x3000ul
#define SYSBUF_SLOTS      0x24000ul
#define SYSBUF_SLOTS_SIZE 0x10000ul
#define SYSBUF_DATA       0x34000ul
#define SYSBUF_END        (SYSBUF_DATA + SYSBUF_DATA_SIZE)

/* The first bytes of the blob: the only system call instruction that the filter lets through. */
#define SYSBUF_SYSCALL SYSBUF_CODE
#define SYSBUF_PASSED  (SYSBUF_SYSCALL + 2) /* the instruction pointer that the kernel sees */
#define SYSBUF_HOOK    (SYSBUF_CODE + 16)

#define SYSBUF_CALLS     512  /* rows of the table: numbers below */
#define SYSBUF_FDS       4096 /* descriptors that something is known of */
#define SYSBUF_STACK     0x2000
#define SYSBUF_RING      0x100000 /* bytes of the ring, a power of two */
#define SYSBUF_DATA_SIZE sizeof(struct sysbuf_data)

/* What is known of a descriptor: set by reel, or for a file that is only to be read by the blob when it has
 * been opened; forgotten by the blob when it is closed. */
enum {
    SYSBUF_FD_READ = 1,      /* a regular file: reading never waits, and what it gives is in memory */
    SYSBUF_FD_WRITE = 2,     /* one that nobody has mapped, and that is no output of reel */
    SYSBUF_FD_KNOWN = 4,     /* it has been looked at */
    SYSBUF_FD_WAIT_READ = 8, /* a pipe or the like: as the first two, but it may wait */
    SYSBUF_FD_WAIT_WRITE = 16,
};

/* What is done with a call. */
enum {
    SYSBUF_STOP,  /* it stops, as it would without */
    SYSBUF_MAKE,  /* it is made, and noted */
    SYSBUF_READ,  /* the same if its descriptor has SYSBUF_FD_READ; or SYSBUF_FD_WAIT_READ, if block.alone */
    SYSBUF_WRITE, /* likewise with ..._WRITE; the bytes of args[1], args[2] are noted */
    SYSBUF_WAIT,  /* it is made if block.alone */
    SYSBUF_CLOSE, /* it is made, and its descriptor forgotten */
    SYSBUF_OPEN,  /* it is made unless flags (args[1]; of SYSBUF_OPEN_AT args[2]) have something odd */
    SYSBUF_OPEN_AT,
    SYSBUF_FCNTL,       /* it is made if the command only asks, or sets FD_CLOEXEC */
    SYSBUF_FUTEX,       /* it is made if it only wakes */
    SYSBUF_IOCTL,       /* it is made if it asks for a terminal's modes or size */
    SYSBUF_READ_VECTOR, /* as the plain ones, with args[2] vectors at args[1] */
    SYSBUF_WRITE_VECTOR,
};

/* How many bytes an argument's output has. */
enum {
    SYSBUF_FIXED,    /* unit */
    SYSBUF_RESULT,   /* min(result, args[argument]) * unit */
    SYSBUF_ARG,      /* args[argument] * unit */
    SYSBUF_DIRENTS,  /* as SYSBUF_RESULT, and what the entry behind those may have been begun with */
    SYSBUF_TERMINAL, /* of ioctl(2): as the request says */
};

#define SYSBUF_OUTPUTS 2
struct sysbuf_output {
    uint8_t index; /* of the argument that points to it, from 1; 0: none */
    uint8_t rule, argument, pad;
    uint32_t unit;
};

struct sysbuf_call {
    uint16_t how;
    uint16_t null; /* only if this argument, from 1, is 0; 0: whatever they are */
    struct sysbuf_output outputs[SYSBUF_OUTPUTS];
};

enum { SYSBUF_MEMORY, SYSBUF_WRITTEN };

/* Bytes that follow a record, padded to 8. */
struct sysbuf_bytes {
    uint64_t address;
    uint32_t size;
    uint32_t kind; /* SYSBUF_MEMORY: what the kernel wrote there, SYSBUF_WRITTEN: what the program wrote out
                    */
};

#define SYSBUF_WRAP 0xffffffffu /* as a size: go on at the ring's beginning */

/* General registers as the hook pushes them; the last one pushed is the first here. */
struct sysbuf_registers {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t flags;
};

struct sysbuf_record {
    uint32_t size; /* of all that belongs to it, a multiple of 8 */
    uint32_t count;
    int64_t result;
    uint64_t rip; /* behind the program's own instruction */
    uint64_t rsp;
    struct sysbuf_registers registers; /* at the call; rcx and r11 are not yet what it makes of them */
    uint64_t fs_base, gs_base;         /* 0 unless block.has_bases */
    /* of a replay, where only the arguments and the number are known of the registers: */
    uint32_t registers_hash;
    uint32_t written_hash; /* 0: it writes nothing out */
    uint32_t stop;         /* when the call has been answered */
    uint32_t pad;
};

/* What the code of a slot has behind its call of the hook. */
struct sysbuf_slot {
    uint64_t plain; /* where to go for a call that is to stop, */
    uint64_t done;  /* and when it has been made */
    uint64_t rip;   /* behind the program's own instruction */
};

struct sysbuf_block {
    uint64_t rsp;              /* the program's, while the hook runs */
    uint64_t target;           /* where the hook goes on */
    uint64_t hook;             /* SYSBUF_HOOK: slots call it through here */
    uint32_t enabled;          /* 0: all calls stop */
    uint32_t has_bases;        /* rdfsbase works */
    uint64_t fs_base, gs_base; /* of a replay: as the program has them */
    uint32_t replays;          /* calls are not made, but answered from the ring */
    uint32_t alone; /* the process has no other thread that could want to run while this one waits */
    uint64_t head;  /* bytes written to the ring so far: by the blob; in a replay by reel, */
    uint64_t tail;  /* and read, by the other one */
    uint64_t made;  /* calls that did not stop, for tests */
};

struct sysbuf_data {
    union {
        struct sysbuf_block block;
        uint8_t page[0x1000];
    };
    struct sysbuf_call calls[SYSBUF_CALLS];
    uint8_t fds[SYSBUF_FDS];
    uint8_t pad[0x1000 - (sizeof(struct sysbuf_call) * SYSBUF_CALLS) % 0x1000];
    uint8_t stack[SYSBUF_STACK];
    uint8_t ring[SYSBUF_RING];
};

#endif
