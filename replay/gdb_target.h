/* gdb_target: what a debugger's wishes mean on a replay.
 *
 * Threads are called by their recorded IDs. The one whose turn it is runs, as recorded, whichever the
 * debugger would like to; a step of another one runs the replay up to that thread's turn. Signals come as
 * recorded. */
#ifndef REEL_REPLAY_GDB_TARGET_H
#define REEL_REPLAY_GDB_TARGET_H

#include "base/buffer.h"
#include "replay/gdb_files.h"
#include "replay/travel.h"

struct gdb_target {
    struct travel *travel; /* not owned */
    struct gdb_files files;
    int32_t thread;          /* that is looked at, 0: the one that runs */
    int32_t runs;            /* that is meant by old-fashioned steps, 0: any */
    struct travel_stop stop; /* why it stands */
    /* what the debugger understands */
    bool swbreak, hwbreak, exec_events;
    uint32_t told_segment; /* whose program the debugger knows */
    /* Text for the user; only while the replay runs. */
    void (*say)(void *context, const char *text);
    void *context;
};

void gdb_target_init(struct gdb_target *target, struct travel *travel);
void gdb_target_deinit(struct gdb_target *target);

/* The thread that is looked at, which exists. */
int32_t gdb_target_thread(const struct gdb_target *target);
bool gdb_target_has_thread(const struct gdb_target *target, int32_t tid);

/* Run; target->stop says why it ended. */
struct error *gdb_target_continue(struct gdb_target *target, bool back);
struct error *gdb_target_step(struct gdb_target *target, int32_t tid, bool back);
/* Steps while the thread is in [start, end). */
struct error *gdb_target_step_range(struct gdb_target *target, int32_t tid, uint64_t start, uint64_t end);

/* The packet that tells why it stands. */
struct error *gdb_target_stop_reply(struct gdb_target *target, struct buffer *reply);

/* A command of the user's own, `monitor WORDS`: its answer as text. */
struct error *gdb_target_monitor(struct gdb_target *target, const char *words, struct buffer *text);

/* The number of a signal as gdb counts them, and back (0: there is none). */
unsigned gdb_signal(int signo);
int gdb_signal_host(unsigned number);

#endif
