/* event: one row of a log, and its encoding. reel-recording(5) documents the bytes.
 *
 * Writer and reader stand in one file, event.c, so that they cannot drift apart. */
#ifndef REEL_REPLAY_EVENT_H
#define REEL_REPLAY_EVENT_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/user.h>

enum event_kind {
    EVENT_SYSCALL = 1, /* a call that returned (or, for exit, that was entered) */
    EVENT_SIGNAL,      /* a signal that reached the program */
    EVENT_INSTRUCTION, /* a trapped instruction: rdtsc, cpuid, ... */
    EVENT_FILE,    /* a file that is mapped later has been stored in the recording; no step of the program */
    EVENT_CHECK,   /* a hash of some memory at this point; no step of the program */
    EVENT_EXEC,    /* the program became another one: the log ends, the next segment begins */
    EVENT_EXIT,    /* the process `tid` ended: the log ends when there is no other one */
    EVENT_STOPPED, /* the recorder gave up while the program went on: the log ends */
    EVENT_BLOCKED, /* a call was entered and waits, while other threads go on; its EVENT_SYSCALL comes later
                    */
    EVENT_THREAD, /* the thread `tid` was made by `parent`, by the call before; the effects hold its registers
                   */
    EVENT_THREAD_EXIT, /* the thread, whose exit was the event before, is gone; the effects are what the
                          kernel did then */
    EVENT_SWITCH,      /* the thread was interrupted at a point of its computation; others go on */
    EVENT_PROCESS, /* the process `tid` was made by thread `parent`, by the call before; it has a copy of its
                      memory, and shares with it what is shared. The effects hold its registers, and what the
                      kernel wrote in it */
    EVENT_LEFT,    /* the process `tid` became another program, which is recorded in a domain of its own */
    EVENT_JOIN, /* the process `tid`, recorded by itself so far, belongs to this log from here on; a snapshot
                   has what it is */
    EVENT_JOINED, /* the process `tid` belongs to the log of another domain from here on: this one ends */
    EVENT_MEMORY, /* what has happened to memory that `tid` shares with a process that has ended */
    EVENT_KIND_END,
};

/* Something that happens to the puppet when the event is replayed, in order. */
enum effect_kind {
    EFFECT_MEMORY = 1, /* bytes at address */
    EFFECT_FILE,       /* bytes at offset `address` of mapped file `file` (a shared mapping's file) */
    EFFECT_FILE_SIZE,  /* mapped file `file` now has `address` bytes */
    EFFECT_REGISTERS,  /* bytes is a struct user_regs_struct */
    EFFECT_XSTATE,     /* bytes is the XSAVE area of NT_X86_XSTATE */
    EFFECT_PATCH,      /* code at address becomes bytes (a trap for an instruction that must be caught) */
    EFFECT_MAP_FILE,   /* the mapping that this call makes is of stored file `file` */
    EFFECT_SHOW,       /* bytes went to the program's output without passing through its memory */
    EFFECT_STACK,      /* the stack reaches down to `address` (its limit has changed) */
    EFFECT_ORDER,      /* `address` outputs of all the recording's processes were seen before this one */
    EFFECT_ANSWERED,   /* the call was never made: a filter of the program's own answered it; address is 0 */
    EFFECT_SEGMENT,    /* what is mapped shared at address is System V segment number `file` - 1; bytes is its
                          size,    a u64. Of EVENT_JOIN */
    EFFECT_KIND_END,
};

struct effect {
    enum effect_kind kind;
    uint64_t address;
    uint32_t file;
    uint32_t size;     /* of bytes */
    const void *bytes; /* not owned: points into the log's chunk or the recorder's buffer */
};

/* Where a signal stands between the steps of the program. */
enum signal_place {
    SIGNAL_SYNCHRONOUS = 1, /* the program's own instruction raises it: replay meets it by itself */
    SIGNAL_AFTER_EVENT,     /* right after the event before it, before another instruction */
    SIGNAL_BEFORE_SYSCALL,  /* when the program is about to execute its next system call */
    SIGNAL_AT_POINT,        /* somewhere in its computation: the event has the point's description */
};

/* What became of it. */
enum signal_outcome {
    SIGNAL_HANDLED = 1, /* a handler was entered: the effects hold its frame, registers and xstate */
    SIGNAL_FATAL,       /* the process ended by it */
    SIGNAL_IGNORED,     /* nothing in the process changed */
};

/* How a process ended. */
enum exit_how {
    EXIT_STATUS = 1, /* exited with `status` */
    EXIT_SIGNAL,     /* died of a signal at the event before (synchronous, or at a known place) */
    EXIT_KILLED,     /* died of a signal at some unknown moment after the event before */
};

/* Which of the recorder's own outputs a write went to. */
enum event_stream { STREAM_NONE, STREAM_STDOUT, STREAM_STDERR };

#define SIGINFO_SIZE 128

struct event {
    enum event_kind kind;
    uint64_t number; /* counts from 1 in each segment; not stored: the log counts */
    int32_t tid;     /* as recorded */
    union {
        struct {
            uint64_t number; /* as the program gave it: it may be no call at all */
            uint64_t rip;    /* behind the syscall instruction */
            uint64_t args[6];
            int64_t result;
            uint32_t registers_hash; /* registers_hash() at entry */
            enum event_stream stream;
            uint32_t written_hash; /* of what it took from memory and wrote: written.h */
        } syscall;                 /* of EVENT_BLOCKED, too: result, stream and hash are 0 */
        struct {
            int32_t signo;
            enum signal_place place;
            enum signal_outcome outcome;
            uint64_t rip;               /* where it was delivered */
            uint32_t registers_hash;    /* there */
            uint8_t info[SIGINFO_SIZE]; /* siginfo_t */
            const void *point;          /* SIGNAL_AT_POINT: what point_encode() wrote; as path below */
            uint32_t point_size;
        } signal;
        struct {
            uint8_t instruction; /* enum trapped_instruction of tracer/insn.h, never INSN_NONE */
            uint8_t length;      /* bytes to step over */
            uint64_t rip;
            uint32_t registers_hash; /* before */
        } instruction;               /* EFFECT_REGISTERS says what came out */
        struct {
            uint32_t file;    /* counts from 1 in a recording */
            uint64_t size;    /* of the stored file, bytes */
            uint64_t hash;    /* file_store_hash() of the stored contents */
            const char *path; /* as the program knew it; points into the chunk or is the writer's; not
                                 NUL-terminated! */
            uint32_t path_size;
        } file;
        struct {
            uint64_t address, size;
            uint64_t hash; /* XXH3 64 */
        } check;
        struct {
            enum exit_how how;
            int32_t status; /* exit status, 0 to 255, or signal number, 1 to 64 */
            bool core;      /* a core was dumped */
        } exit;
        struct {
            int32_t parent;
        } thread;
        struct {
            int32_t parent;
            uint32_t number; /* of the process, as domains are numbered */
        } process;
        struct {
            uint32_t number; /* of the domain; of EVENT_JOIN: of the process */
        } left;              /* of EVENT_JOIN and EVENT_JOINED, too */
        struct {
            const void *point; /* what point_encode() wrote; as path above */
            uint32_t point_size;
        } turn; /* EVENT_SWITCH */
        struct {
            const char *why; /* one clause; as path above */
            uint32_t why_size;
        } stopped;
    };
    uint32_t effect_count;
    const struct effect *effects; /* not owned */
};

/* Append the encoding of event to buffer. */
void event_encode(const struct event *event, struct buffer *buffer);

/* Read one event. Its effects are decoded into *effects (an array of *room entries, grown with realloc, owned
 * and reused by the caller); bytes, path and why point into the cursor's data. Bad values fail the cursor. */
struct error *event_decode(struct cursor *cursor, struct effect **effects, size_t *room, struct event *ret);

/* "syscall", "signal", ... Static storage. */
const char *event_kind_name(enum event_kind kind);
const char *effect_kind_name(enum effect_kind kind);

#endif
