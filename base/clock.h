/* clock: time that only goes forward. */
#ifndef REEL_BASE_CLOCK_H
#define REEL_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_MILLISECOND 1000000ull
#define CLOCK_SECOND      1000000000ull

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t clock_now(void);

#endif
