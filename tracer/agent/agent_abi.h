/* agent_abi: what reel and its code inside of a traced process have to agree on.
 *
 * Included by both sides: by reel, and by the freestanding blob. What emitted code (tracer/emit_record.c) knows of it
 * are the offsets below.
 *
 * Each task of a patched process has a block, which its GS base points to, and a ring, mapped twice in a row, so that
 * a record never has to be wrapped. Only the task itself reserves: with one instruction, `xadd gs:head`, not locked,
 * so that its own signal handlers cannot tear a record. A record's first word, its id, is written last; reel waits for
 * it, takes the record out, makes all its bytes zero again, and only then moves the limit on. A record begins at a
 * multiple of 8.
 *
 * When the tracer has died, nobody moves the limit: the ring fills up, and from then on a hit costs a look at it. */
#ifndef REEL_TRACER_AGENT_AGENT_ABI_H
#define REEL_TRACER_AGENT_AGENT_ABI_H

#define AGENT_VERSION 2

/* Stands in each block, and at the start of the blob: a program that has set a GS base of its own since is noticed. */
#define AGENT_MAGIC 0x4c454552u /* "REEL" */

/* Bytes of a ring: a power of two. */
#define AGENT_RING_SIZE (1u << 20)
/* Bytes of a record at most. */
#define AGENT_RECORD_MOST 8192u
/* A record is begun when there is room for it; signal handlers may come in between, so many, and find the same. */
#define AGENT_SLACK (16 * AGENT_RECORD_MOST)

/* Offsets in a block. All fields are 8 bytes. */
#define AGENT_HEAD    0x00 /* bytes reserved since the beginning; written by the task */
#define AGENT_LIMIT   0x08 /* what head may become; written by reel */
#define AGENT_RING    0x10 /* address of the ring */
#define AGENT_CHECK   0x18 /* AGENT_MAGIC */
#define AGENT_FULL    0x20 /* address of what is called when there is no room; eax: 1 try again, 0 do without */
#define AGENT_TEXT    0x28 /* address of what is called to note a string */
#define AGENT_DROPPED 0x30 /* records that were not written; by the task */
#define AGENT_GAP     0x38 /* head at the last of these */
#define AGENT_BEAT    0x40 /* counted up by reel while it lives and drains */
#define AGENT_PID     0x48 /* of the process, as it sees itself, for process_vm_readv */
#define AGENT_LOW     0x50 /* [low, high): the task's stack: above rsp it can be read */
#define AGENT_HIGH    0x58
#define AGENT_CONSTANTS     0x60 /* four ranges, start and end, of memory that can always be read */
#define AGENT_CONSTANT_MOST 4
#define AGENT_CLOCK         0xa0 /* TSC as reel has looked at it last */
#define AGENT_SAVED_RAX     0xa8 /* what a puppet's probe has in use: it has no stack for it */
#define AGENT_SAVED_R11     0xb0
#define AGENT_SAVED_RDX     0xb8
#define AGENT_SAVED_FLAGS   0xc0
/* Which calls are noted (agent_mute.h); 0 where none of it is asked for. */
#define AGENT_MUTED         0xc8
#define AGENT_SAMPLED       0xd0
#define AGENT_DEPTH         0xd8
#define AGENT_SELF          0xe0 /* the block's own address in the process */
#define AGENT_FRAMES        0xe8 /* address of the task's frames: AGENT_FRAMES_MOST words */
#define AGENT_COUNTERS      0xf0 /* address of the counters of all: AGENT_COUNTERS_MOST words */
#define AGENT_JUDGE         0xf8 /* address of what is called at an entry: rax rsp, r11 the rule or 0; eax: 1 note it */
#define AGENT_PASSED        0x100 /* the same elsewhere; r11: 1 the frame is left there */
#define AGENT_BLOCK_SIZE    0x200

/* A record: offsets. */
#define AGENT_RECORD_ID   0 /* 4 bytes: number of what was emitted, from 1 on; 0: not written yet */
#define AGENT_RECORD_SIZE 4 /* 4 bytes: of the whole record; written together with the id */
#define AGENT_RECORD_TIME 8 /* 8 bytes: TSC, if it is noted */
#define AGENT_RECORD_DATA 16

/* A string in a record: its length (4 bytes; AGENT_TEXT_UNREADABLE), and as many bytes as were asked for, of which
 * that many count. */
#define AGENT_TEXT_UNREADABLE 0xffffffffu
#define AGENT_TEXT_HEAD       8

#ifndef __ASSEMBLER__
#include <stdint.h>

struct agent_block {
    uint64_t head, limit, ring, check, full, text, dropped, gap, beat, pid, low, high;
    struct {
        uint64_t start, end;
    } constants[AGENT_CONSTANT_MOST];
    uint64_t clock;
    uint64_t saved[4];
    uint64_t muted, sampled, depth, self, frames, counters, judge, passed;
    uint8_t rest[AGENT_BLOCK_SIZE - AGENT_PASSED - 8];
};
_Static_assert(__builtin_offsetof(struct agent_block, muted) == AGENT_MUTED, "agent_block");
_Static_assert(__builtin_offsetof(struct agent_block, passed) == AGENT_PASSED, "agent_block");
_Static_assert(sizeof(struct agent_block) == AGENT_BLOCK_SIZE, "agent_block");

/* What the blob begins with: offsets of its parts. */
struct agent_image {
    uint32_t magic, version;
    uint64_t drop; /* for `full`: count and do without */
    uint64_t wait; /* for `full`: wait for room while the tracer lives */
    uint64_t text;
    uint64_t judge, passed;
};

#define AGENT_FRAMES_MOST   512u
#define AGENT_COUNTERS_MOST 65536u
#define AGENT_COMPARES_MOST 8u

/* An argument against a constant. */
enum { AGENT_LESS = 1, AGENT_EQUAL = 2, AGENT_GREATER = 4 };
struct agent_comparison {
    uint8_t source; /* 1-6: rdi, rsi, rdx, rcx, r8, r9; 0: memory at rsp + offset */
    uint8_t size;   /* bytes: 1, 2, 4, 8 */
    uint8_t is_signed;
    uint8_t relation; /* AGENT_LESS | ...: any of these will do */
    int32_t offset;
    int64_t constant; /* not negative unless is_signed */
};

/* What decides on a call. */
struct agent_rule {
    uint32_t count;    /* comparisons; all must hold */
    uint32_t counter;  /* its place among the counters */
    uint64_t sample;   /* every so many calls; 0: all */
    uint32_t depth;    /* so many frames may be around it; AGENT_NO_DEPTH: frames are not counted */
    uint32_t is_open;  /* depth does not mute it: reel decides, who knows where its last jump leads */
    struct agent_comparison comparisons[AGENT_COMPARES_MOST];
};
#define AGENT_NO_DEPTH 0xffffffffu
#endif

#endif
