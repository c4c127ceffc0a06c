/* branches: what the conditional jumps of a function decide in its source. branches.c opens with the rules.
 */
#ifndef REEL_TRACER_BRANCHES_H
#define REEL_TRACER_BRANCHES_H

#include "dwarf/line.h"
#include "tracer/code.h"

enum branch_kind {
    BRANCH_IF,
    BRANCH_LOOP,
    BRANCH_SWITCH,
    BRANCH_ROTATED, /* a loop of optimised code, with its condition at its end */
    BRANCH_UNKNOWN, /* optimised code that does not tell what it decides */
};

/* A conditional jump, or the indirect jump of a switch. */
struct branch {
    uint64_t vaddr, next; /* the jump, and the instruction behind it */
    bool backward;        /* its target is at or before it */
    bool always;          /* a jmp */
    size_t group;         /* index of its condition */
    size_t later;         /* index of the next jump of the condition; 0: there is none */
};

/* A condition: all conditional jumps of one source line. */
struct branch_group {
    enum branch_kind kind;
    const char *file;
    unsigned line;
    size_t first_branch, last_branch; /* indices of the jumps of it */
    uint64_t last;                    /* address of the last one */
    unsigned then_line;               /* IF: where control goes when it holds; 0: it stays on the line */
    uint64_t then_address; /* IF without then_line: where it goes on the line; 0: that cannot be told */
    uint64_t else_address; /* IF: where the else part begins; 0: there is none, as far as is known */
    uint64_t loop_top;     /* ROTATED: where its last jump goes back to */
    uint64_t
        guard; /* ROTATED: the last jump in front of the loop, which enters it when it does not jump; or 0 */
    uint64_t loop_exit; /* LOOP: behind its jump back to the condition; 0: the condition stands at its end */
};

struct branches {
    struct branch *branches; /* by address */
    size_t count, room;
    struct branch_group *groups;
    size_t group_count, group_room;
    /* for looking up lines */
    const struct line_row *rows;
    size_t row_count;
};

/* rows: those of the function, by address, which must outlive ret. */
struct error *branches_find(const struct function_code *code, const struct address_range *ranges,
                            size_t range_count, const struct line_rows *rows, bool optimized,
                            struct branches *ret);
void branches_deinit(struct branches *branches);

/* The branch at this address, or NULL. */
const struct branch *branches_at(const struct branches *branches, uint64_t vaddr);

struct branch_outcome {
    const char *kind; /* "if", "else", "loop", "switch" */
    bool taken;
    unsigned line;    /* of the condition */
    unsigned to_line; /* where control goes */
};

/* The jump at `branch` goes to `destination` (as linked). False when that decides nothing yet: the condition
 * goes on. */
bool branches_outcome(const struct branches *branches, const struct branch *branch, uint64_t destination,
                      struct branch_outcome *ret);

#endif
