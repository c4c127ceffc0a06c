/* written: the bytes that a call took from the program's memory and wrote somewhere: write(2) and its kin.
 *
 * The recorder logs their hash, so that a replay sees when the program would write something else than it
 * did, and the replayer shows those that went to the terminal. */
#ifndef REEL_REPLAY_WRITTEN_H
#define REEL_REPLAY_WRITTEN_H

#include "base/memory.h"
#include "replay/event.h"

#include <stdbool.h>

/* Call visit with the bytes of a successful call, piece by piece, in their order. False, and no visit, when
 * the call is none that writes from memory. What cannot be read is left out. */
bool written_visit(const struct memory_reader *memory, uint64_t number, const uint64_t args[6],
                   uint64_t result, void (*visit)(void *context, const void *bytes, size_t size),
                   void *context);

/* A hash of them, never 0; 0 when the call failed, or is none that writes from memory. */
uint32_t written_hash(const struct memory_reader *memory, uint64_t number, const uint64_t args[6],
                      int64_t result);

#endif
