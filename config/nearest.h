/* nearest: which known word was meant by a mistyped one. */
#ifndef REEL_CONFIG_NEAREST_H
#define REEL_CONFIG_NEAREST_H

#include <stddef.h>

/* Edit distance of two words (optimal string alignment: insertions, deletions, replacements and swaps of
 * neighbours each count 1). Words are compared as far as their first 64 bytes. */
size_t edit_distance(const char *a, const char *b);

/* Remembers the best of many candidates. Start with best NULL. */
struct nearest {
    const char *word; /* what was typed; not owned */
    const char *best; /* the nearest candidate that is near enough to be meant, or NULL; not owned */
    size_t distance;
};

void nearest_try(struct nearest *nearest, const char *candidate);

#endif
