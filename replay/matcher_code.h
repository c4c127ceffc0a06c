/* matcher_code: the machine code by which a puppet itself compares its state with a recorded point, without a
 * stop for each passage (matcher.c).
 *
 * It must leave flags and the program's stack alone: mov, lea and jrcxz do (Intel SDM volume 2). What it
 * needs it saves in a data page of its own, within reach of rip-relative addresses. */
#ifndef REEL_REPLAY_MATCHER_CODE_H
#define REEL_REPLAY_MATCHER_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One comparison. */
enum condition_kind {
    CONDITION_REGISTER, /* number as instructions encode it */
    CONDITION_FLAGS,
    CONDITION_WORD,     /* 8 bytes of memory */
    CONDITION_XMM,      /* number, and which half of it */
    CONDITION_YMM_HIGH, /* of the upper 128 bits */
    CONDITION_LEGACY,   /* offset into the fxsave area: x87 registers */
};

struct condition {
    enum condition_kind kind;
    unsigned number;
    unsigned half;
    uint64_t address;
    uint64_t value;
};

#define CONDITIONS_MOST   112    /* some 50 bytes of code each */
#define MATCHER_CODE_MOST 0x3000 /* bytes, with the copy of a window behind it */
#define MATCHER_DATA_SIZE 0x1000

/* Offsets in the data page that others use: where the target of a call in the window's copy goes, and how
 * often the code was run, if that is counted; a number that several such codes count up together, and what it
 * was when this one was run last. */
enum { MATCHER_CALL_TARGET = 24, MATCHER_PASSAGES = 32, MATCHER_SEQUENCE = 40, MATCHER_LAST = 48 };

struct matcher_code {
    uint8_t bytes[MATCHER_CODE_MOST];
    size_t size;
    uint64_t at;                   /* address of bytes[0] */
    uint64_t data;                 /* of the data page */
    size_t exits[CONDITIONS_MOST]; /* where jumps out are to be filled in */
    size_t exit_count;
};

void matcher_code_begin(struct matcher_code *code, uint64_t at, uint64_t data, bool counting);
/* Count up the number at address `sequence`, too, and note it. */
void matcher_code_sequence(struct matcher_code *code, uint64_t sequence);

/* One more condition that must hold; CONDITIONS_MOST at the most. */
void matcher_code_add(struct matcher_code *code, const struct condition *condition);

/* int3 where all hold; where one does not, all registers are the program's again and control comes to the end
 * of code->bytes, where the copy of the window belongs. Returns rip behind the int3. */
uint64_t matcher_code_end(struct matcher_code *code);

#endif
