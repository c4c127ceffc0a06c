/* window: the whole instructions from an address on that a jump of five bytes covers, and their like
 * elsewhere.
 *
 * A jump-patched place is a window: its first five bytes become `jmp rel32`, and its instructions go on in a
 * copy that reaches the rest of the code as the originals would. Nothing but memory of the program's own is
 * used, and no flag and no register is changed.
 *
 * Nothing tells for sure that no other code jumps into the middle of a window. So every byte behind the first
 * is one that traps when it is executed: the displacement is chosen so, bytes that are left over are int3.
 * Who gets there by a jump stops, by SIGTRAP or SIGILL, and can be made to go
 * on in the copy.
 *
 * This file knows no process. Source: Intel SDM volume 2; displaced.h decodes. */
#ifndef REEL_TRACER_WINDOW_H
#define REEL_TRACER_WINDOW_H

#include "base/error.h"
#include "tracer/displaced.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_JUMP         5   /* bytes of jmp rel32 */
#define WINDOW_INSTRUCTIONS 5   /* most instructions of a window */
#define WINDOW_BYTES        19  /* and bytes: four and one more instruction */
#define WINDOW_COPY_MAX     384 /* bytes that window_copy() may need */

struct window {
    uint64_t address;
    size_t length; /* 5 to 19 */
    size_t count;
    struct displaced instructions[WINDOW_INSTRUCTIONS];
    uint8_t bytes[WINDOW_BYTES]; /* the originals */
};

/* The window at the start of bytes[0..size), which stand at `address`. ERROR_UNSUPPORTED with the reason when
 * an instruction cannot be moved, or the bytes do not reach. */
struct error *window_decode(const uint8_t *bytes, size_t size, uint64_t address, struct window *ret);

/* Could some code jump, or return, into the middle of it? bytes[0..size) at `address` are the code around,
 * which is searched for what would be a direct jump if an instruction began there: it errs on the side of
 * true. */
bool window_is_target(const struct window *window, const uint8_t *bytes, size_t size, uint64_t address);

/* Write the copy for address `at`, which ends by a jump behind the window. `scratch` is the address of 8
 * writable bytes within 2 GiB of the copy. Sets the offset of each instruction in the copy.
 * ERROR_UNSUPPORTED when an operand is out of reach. */
struct error *window_copy(const struct window *window, uint64_t at, uint64_t scratch,
                          uint8_t ret[WINDOW_COPY_MAX], size_t *ret_size,
                          size_t ret_offsets[WINDOW_INSTRUCTIONS]);

/* What a jump from the window can reach such that all bytes of its displacement trap: call visit with such
 * addresses between low and high (inclusive) until it returns true; false when it never does. */
bool window_jump_targets(const struct window *window, uint64_t low, uint64_t high,
                         bool (*visit)(void *context, uint64_t target), void *context);

/* The bytes that go over the window: a jump to target, and traps. */
void window_patch(const struct window *window, uint64_t target, uint8_t ret[WINDOW_BYTES]);

/* The original address of rip in the copy at `at`; rip itself when it is elsewhere. */
uint64_t window_original(const struct window *window, uint64_t at, const size_t offsets[WINDOW_INSTRUCTIONS],
                         size_t size, uint64_t rip);

#endif
