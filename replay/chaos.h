/* chaos: a source of numbers for a recorder that varies its schedule on purpose, and can do so again.
 *
 * The generator is SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators",
 * OOPSLA 2014): a seed is its whole state. */
#ifndef REEL_REPLAY_CHAOS_H
#define REEL_REPLAY_CHAOS_H

#include <stdbool.h>
#include <stdint.h>

struct chaos {
    bool on;
    uint64_t state; /* the seed at first */
};

/* The next number; all 64 bits are as good. */
uint64_t chaos_next(struct chaos *chaos);

/* A number in [0, below), below > 0. */
uint64_t chaos_below(struct chaos *chaos, uint64_t below);

/* Once in `times`. */
bool chaos_once_in(struct chaos *chaos, uint64_t times);

/* A seed that nobody has chosen, from getrandom(2). */
uint64_t chaos_seed(void);

#endif
