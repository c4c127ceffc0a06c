/* gdb_packet: gdb's remote protocol: one row a packet. Source: gdb's manual, appendix E.
 *
 * All of a packet's bytes are the other side's: numbers that do not fit, addresses of nothing and threads
 * that are not there are answered with an error, and nothing is done. */
#ifndef REEL_REPLAY_GDB_PACKET_H
#define REEL_REPLAY_GDB_PACKET_H

#include "base/error.h"
#include "replay/gdb_target.h"
#include "replay/gdb_wire.h"

struct gdb_session {
    struct gdb_wire wire;
    struct gdb_target target;
    bool over;   /* the debugger has taken leave */
    bool killed; /* and wants no other one to come */
};

/* Serve one debugger on these descriptors, until it leaves or vanishes. The stop that it finds is why the
 * replay stands where it does. *ret_killed: it has said `kill`. */
struct error *gdb_serve(struct travel *travel, const struct travel_stop *stop, int in, int out,
                        bool *ret_killed);

/* Is there a session, and does its debugger want to stop? For struct travel_options. */
bool gdb_interrupted(void *context);
/* What a what-if run writes; as above. */
void gdb_written(void *context, const void *bytes, size_t size);

/* The answer to one packet, for tests and fuzzers: data[size] is NUL. */
struct error *gdb_packet_answer(struct gdb_session *session, char *data, size_t size, struct buffer *reply);

#endif
