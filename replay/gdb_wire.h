/* gdb_wire: packets of gdb's remote protocol on a stream of bytes: framing, checksums, acknowledgements.
 *
 * `$data#cs`, where cs is the sum of data's bytes modulo 256; in data, `}` announces a byte xored with 0x20.
 * Each packet is answered by `+`, or by `-` to have it again, until both sides agree to do without. A lone
 * 0x03 asks to stop. Source: gdb's manual, appendix E, "Overview". Bytes from the other side are not trusted:
 * a packet longer than GDB_PACKET_MOST is an error, as is what is no packet at all for too long. */
#ifndef REEL_REPLAY_GDB_WIRE_H
#define REEL_REPLAY_GDB_WIRE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GDB_PACKET_MOST 0x20000u /* bytes of data, in either direction */

/* What the bytes so far amount to. */
enum gdb_input {
    GDB_MORE,      /* nothing yet */
    GDB_PACKET,    /* a packet */
    GDB_INTERRUPT, /* the other side wants the program to stop */
    GDB_AGAIN,     /* the other side wants the last packet again */
    GDB_DAMAGED,   /* a packet whose checksum is wrong; *ret_reply is to be sent */
    GDB_NONSENSE,  /* this is not gdb */
};

struct gdb_wire {
    int in, out; /* not owned */
    bool no_acks;
    bool gone; /* the other side has closed, or cannot be reached */
    enum { GDB_OUTSIDE, GDB_INSIDE, GDB_ESCAPED, GDB_SUM_HIGH, GDB_SUM_LOW } state;
    uint8_t sum, told_sum;
    size_t noise;         /* bytes outside of packets since the last one */
    struct buffer packet; /* the data, unescaped, with a NUL behind it */
    struct buffer sent;   /* the last packet, as sent */
    uint8_t bytes[4096];
    size_t next, end; /* of bytes, not looked at yet */
};

void gdb_wire_init(struct gdb_wire *wire, int in, int out);
void gdb_wire_deinit(struct gdb_wire *wire);

/* The parser: one more byte. After GDB_PACKET wire->packet is valid until the next call. */
enum gdb_input gdb_wire_byte(struct gdb_wire *wire, uint8_t byte);

/* Wait for the next packet, which is acknowledged. *ret_interrupt: it was a request to stop instead.
 * wire->gone is set at the end of the stream, and then there is no packet. */
struct error *gdb_wire_receive(struct gdb_wire *wire, bool *ret_interrupt);

/* Has the other side asked to stop, or gone? Does not wait, and takes no packet. */
bool gdb_wire_interrupted(struct gdb_wire *wire);

/* Send data as a packet, escaped. Somebody who does not read any more is gone, which is no error. */
struct error *gdb_wire_send(struct gdb_wire *wire, const void *data, size_t size);

#endif
