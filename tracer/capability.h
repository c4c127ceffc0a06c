/* capability: what this machine and kernel let reel do, found out by trying.
 *
 * Version numbers, CPU flags and return values cannot be trusted: containers forbid calls that the kernel
 * has, and virtual machines accept requests that then do nothing. So each row does the thing itself and looks
 * at the effect.
 *
 * A probe runs in a process of its own, which is killed when it does not end in time: it may change or crash
 * that process as it likes, and neither hangs reel nor leaves anything behind. */
#ifndef REEL_TRACER_CAPABILITY_H
#define REEL_TRACER_CAPABILITY_H

#include <stddef.h>

enum capability {
    CAPABILITY_WORKS,
    CAPABILITY_MISSING, /* refused: not in this kernel, or not allowed here */
    CAPABILITY_BROKEN,  /* accepted, and then without effect, with a wrong one, or without end */
};

struct capability_result {
    enum capability state;
    char detail[96]; /* what was seen, one clause, no pids or addresses of the moment; "" when there is
                        nothing to say */
};

/* What of reel depends on a capability today. Neither bit: reel does not use it (yet). */
enum capability_need {
    CAPABILITY_RECORD = 1, /* `reel record` cannot do without */
    CAPABILITY_REPLAY = 2, /* `reel replay` cannot do without */
    CAPABILITY_BETTER = 4, /* used where it works; without it things cost more, or less is possible */
};

struct capability_row {
    const char *name; /* for capability_check() and `reel doctor` */
    const char *what; /* what is tried */
    unsigned need;    /* enum capability_need, or-ed */
    const char *use;  /* what reel does with it */
    const char
        *instead; /* what reel does without it, or what the user can do about it; NULL: use says it all */
    struct capability_result (*probe)(void); /* never called directly: see capability_run() */
};

/* Where replay maps its stub page (PUPPET_STUB of replay/puppet.h, a room above this one). */
#define CAPABILITY_STUB_ADDRESS 0x20000ull

size_t capability_count(void);
/* capability_count() rows, static storage. */
const struct capability_row *capability_rows(void);

/* Probe a row (index < capability_count()), which takes a few milliseconds, and a few seconds at the very
 * most. Nothing is remembered between calls. */
struct capability_result capability_probe(size_t index);

/* The same by name, without the detail. A name that is in no row is CAPABILITY_MISSING. */
enum capability capability_check(const char *name);

/* Run any probe in a process of its own for at most timeout_ms. One that does not end in time or dies is
 * CAPABILITY_BROKEN; one that a seccomp filter kills (SIGSYS) is CAPABILITY_MISSING. */
struct capability_result capability_run(struct capability_result (*probe)(void), unsigned timeout_ms);

#endif
