/* point: an arbitrary point of an execution, described so that a replay can find it again.
 *
 * Without a counter of instructions nothing tells how often the program came by a place. So the point is
 * described by what is there: all registers and the processor's extended state, and words of memory that are
 * likely to tell one passage from another, namely those that the instructions around touch, the top of the
 * stack, and what is reachable from the registers within two steps; besides, a hash of more of the stack and
 * of some other memory. Two points that agree in all of this may still differ elsewhere. Then the events that
 * follow tell (replay/replay_point.c).
 *
 * Only writable memory is looked at, and only words of shared memory, when all who write to it are recorded
 * together: other memory does not change by itself, or is not the program's own, and code may be patched. */
#ifndef REEL_REPLAY_POINT_H
#define REEL_REPLAY_POINT_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/error.h"
#include "base/memory.h"
#include "tracer/maps.h"
#include "tracer/task.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#define POINT_WORDS_MAX  1200
#define POINT_RANGES_MAX 32
#define POINT_RANGE_MAX  (1u << 20) /* bytes of one hashed range */

struct point_word {
    uint64_t address; /* a multiple of 8 */
    uint64_t value;
};

struct point_range {
    uint64_t address;
    uint32_t size;
};

struct point {
    struct user_regs_struct regs; /* orig_rax is -1 */
    uint8_t xstate[XSTATE_MAX];
    size_t xstate_size;
    struct point_word words[POINT_WORDS_MAX]; /* the most telling first */
    size_t word_count;
    struct point_range ranges[POINT_RANGES_MAX]; /* what the hash goes over */
    size_t range_count;
    uint64_t hash; /* XXH3 64 of the ranges' bytes, one after the other */
    uint64_t
        elapsed; /* microseconds since the event before, or any lower number: how long a search may take */
};

/* Describe the point where a stopped task of the recording stands: in user code, about to execute the
 * instruction at rip. maps are its mappings; what is missing there is not looked at. `shared`: words of
 * shared memory may tell something. `elapsed` is left to the caller. Up to `budget` bytes of memory are
 * hashed besides the stack; *cursor says where the last point stopped with that, and is moved on. */
struct error *point_take(struct task *task, const struct maps *maps, bool shared, size_t budget,
                         uint64_t *cursor, struct point *ret);

/* One blob's contents: see reel-recording(5). */
void point_encode(const struct point *point, struct buffer *buffer);
/* ret may be NULL: then it is only checked. Bad values fail the cursor; the whole of it must be the point. */
struct error *point_decode(struct cursor *cursor, struct point *ret);

/* What differs first between the point and a task, in the order of the table. */
enum point_difference {
    POINT_SAME,
    POINT_REGISTER, /* index: of the table of registers */
    POINT_XSTATE,   /* index: offset of the 8 bytes into the XSAVE area */
    POINT_WORD,     /* index: into words */
    POINT_MEMORY,   /* the hash */
};

/* Compare with a stopped task's state and its memory through the reader (which hides what was patched into
 * it). *ret_index is set as the table says. */
struct error *point_compare(const struct point *point, struct task *task, const struct memory_reader *memory,
                            enum point_difference *ret, size_t *ret_index);

/* Compare xstate as point_compare() does: false, and the offset, at the first difference that matters. */
bool point_xstate_same(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, size_t *ret_offset);

#endif
