/* sysbuf: what a program needs so that its system calls do not stop: the blob, the table of calls, and the
 * code of patched call sites. tracer/sysbuf/shared.h has the layout. This file knows no process.
 *
 * A call site becomes a jump to a slot, which calls the hook of the blob. There are two kinds:
 *
 *   before  the syscall instruction has `mov $number, %eax` in front of it, five bytes, which become the
 * jump. The syscall instruction stays what it is, so that whatever jumps to it, or returns behind it, is
 * right; the slot does the mov. over    the jump covers the syscall instruction itself and what follows,
 * which goes on in the slot. Whoever returns into the middle (from the kernel, from a signal frame) is put on
 * in the slot by the tracer: sysbuf_site_moved(). So that none comes there unseen the bytes at which an
 * instruction began in the middle are ones that trap. */
#ifndef REEL_TRACER_SYSBUF_H
#define REEL_TRACER_SYSBUF_H

#include "base/error.h"
#include "tracer/sysbuf/shared.h"
#include "tracer/window.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The blob, to be at SYSBUF_CODE, and its bytes. */
extern const uint8_t sysbuf_blob[];
extern const uint32_t sysbuf_blob_size;

/* What is done with each call, from syscalls.def and the list in sysbuf.c. */
void sysbuf_fill_table(struct sysbuf_call table[SYSBUF_CALLS]);
/* Could this call do without a stop? */
bool sysbuf_knows(uint64_t number);

#define SYSBUF_SLOT_SIZE 128u

struct sysbuf_site {
    uint64_t address; /* of the syscall instruction */
    bool over;        /* what kind */
    uint64_t start;   /* where the jump is, */
    size_t length;    /* how many bytes are patched, */
    uint8_t original[WINDOW_BYTES];
    uint8_t patch[WINDOW_BYTES];
    uint64_t slot; /* its code, */
    uint64_t back; /* in which what is to be done behind the call begins here; or the program's own code */
    struct window rest; /* `over`: what is there */
    size_t offsets[WINDOW_INSTRUCTIONS];
};

/* Can the syscall instruction at `address` be patched, which was called with this number? code[0..size)
 * begins at `start`, at most 16 bytes before it. ERROR_UNSUPPORTED with the reason. Slot and patch are not
 * set yet. */
struct error *sysbuf_site_decode(const uint8_t *code, size_t size, uint64_t start, uint64_t address,
                                 uint64_t number, struct sysbuf_site *ret);

/* May its slot be at `slot`? */
bool sysbuf_site_fits(const struct sysbuf_site *site, uint64_t slot);
/* Make the code of the slot, and the patch. ERROR_UNSUPPORTED: an operand is out of reach. */
struct error *sysbuf_site_build(struct sysbuf_site *site, uint64_t slot, uint8_t ret[SYSBUF_SLOT_SIZE]);

/* The place in the slot for a rip in the middle of the patch; 0: it is not there. */
uint64_t sysbuf_site_moved(const struct sysbuf_site *site, uint64_t rip);

enum sysbuf_place {
    SYSBUF_OUTSIDE,
    SYSBUF_CALLING, /* in the slot, in front of the call or at it: *ret is the syscall instruction */
    SYSBUF_CALLED,  /* right behind its own syscall instruction: *ret is behind the program's */
    SYSBUF_GOING,   /* behind that: *ret is the program's own instruction */
};
/* What a rip in the slot means. */
enum sysbuf_place sysbuf_site_place(const struct sysbuf_site *site, uint64_t rip, uint64_t *ret);

#endif
