/* travel: a replay that one can walk through, forwards and backwards.
 *
 * A position is a number of events that have happened, and how far the thread that runs has come since the
 * last of them. Between two events only one thread executes, and nothing comes in from outside; so a position
 * in such a stretch is known by the state there, which does not come twice in it (a program that came to the
 * same state again, with no event in between, would do so forever).
 *
 * To go back, a frozen twin of the puppet (a mark) that was taken before is woken, and runs forward: to the
 * last stop before the present position; or to the instruction before it.
 *
 * While it stands, the puppet holds no breakpoint: its memory is the program's. What is changed in it is
 * undone when the replay goes on (travel_whatif.c). */
#ifndef REEL_REPLAY_TRAVEL_H
#define REEL_REPLAY_TRAVEL_H

#include "base/error.h"
#include "replay/event.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

struct travel;
struct tape;
struct puppet;

struct travel_options {
    const char *path; /* of the recording */
    uint32_t domain;  /* in whose log the process begins, from 1 */
    int32_t pid;      /* which of the processes of that; 0: the first */
    size_t memory;    /* what the twins may keep of their own, bytes; 0: a share of what is free */
    /* Has the user asked to stop? Called while the replay runs, every now and then. */
    bool (*interrupted)(void *context);
    /* What a what-if run writes to its standard output and error. */
    void (*written)(void *context, const void *bytes, size_t size);
    void *context;
};

enum travel_kind {
    TRAVEL_STEPPED,
    TRAVEL_BREAKPOINT,
    TRAVEL_WATCHPOINT,
    TRAVEL_SIGNAL,
    TRAVEL_CALL_ENTRY,
    TRAVEL_CALL_RETURN,
    TRAVEL_BEGIN, /* there is nothing before */
    TRAVEL_END,   /* the recording ends here */
    TRAVEL_EXEC,  /* another program has been loaded */
    TRAVEL_INTERRUPTED,
    TRAVEL_REACHED, /* the place that was asked for */
};

enum travel_watch { WATCH_NONE, WATCH_WRITE, WATCH_READ, WATCH_ACCESS };

struct travel_stop {
    enum travel_kind kind;
    int signo;
    uint64_t address; /* of the watched memory */
    enum travel_watch watch;
    uint64_t call; /* number of the system call */
};

/* Nothing has run yet. */
struct error *travel_open(const struct travel_options *options, struct travel **ret);
/* NULL is fine. */
void travel_close(struct travel *travel);

/* Run until something that was asked for happens. */
struct error *travel_continue(struct travel *travel, bool back, struct travel_stop *ret);
/* One instruction of this thread (0: of the one that runs). Backwards: of the one that ran. */
struct error *travel_step(struct travel *travel, int32_t tid, bool back, struct travel_stop *ret);
/* To right behind event `number` (0: the start), whatever is in between. */
struct error *travel_goto(struct travel *travel, uint64_t number);
/* To the end: to where a fatal signal came, if one did. */
struct error *travel_to_end(struct travel *travel, struct travel_stop *ret);
/* Keep a mark here. */
struct error *travel_mark(struct travel *travel);

/* Breakpoints are known by their address; adding one twice, or removing one that is not there, is no error.
 */
struct error *travel_break(struct travel *travel, uint64_t address, bool on);
/* ERROR_UNSUPPORTED: more than can be watched. */
struct error *travel_watch(struct travel *travel, enum travel_watch kind, uint64_t address, uint64_t size,
                           bool on);
/* Stop at system calls: none of them, these, or all (count 0). */
struct error *travel_catch_calls(struct travel *travel, bool on, const uint64_t *numbers, size_t count);
/* Do not stop for these signals. */
void travel_pass_signals(struct travel *travel, const bool passed[NSIG]);

/* ---- what is there ---- */

struct travel_place {
    uint64_t event;  /* the last one that has happened */
    uint64_t events; /* in the recording */
    uint32_t segment;
    int32_t tid; /* of the thread that runs */
    bool moved;  /* it has executed something since */
    bool end;
    bool arrived; /* at the next event, which is about to happen */
    bool whatif;  /* what is there has been changed, and is not what was recorded */
    size_t marks;
};
struct travel_place travel_place(const struct travel *travel);
/* The next event, or NULL at the end; valid until the replay moves. */
const struct event *travel_next(struct travel *travel);
/* Show the next `count` events, without going there. */
typedef void travel_event(const struct event *event, void *context);
struct error *travel_events(struct travel *travel, size_t count, travel_event *show, void *context);
struct tape *travel_tape(struct travel *travel);
struct puppet *travel_puppet(struct travel *travel);

/* The recorded tids of all threads, sorted, and how many there are; at most `room` are put into ret. */
size_t travel_threads(const struct travel *travel, int32_t *ret, size_t room);
struct error *travel_registers(struct travel *travel, int32_t tid, struct user_regs_struct *ret);
/* The XSAVE area; ret has XSTATE_MAX bytes. */
struct error *travel_xstate(struct travel *travel, int32_t tid, void *ret, size_t *ret_size);
/* A hash of all registers of all threads and all writable memory: two positions with the same one are the
 * same. */
struct error *travel_hash(struct travel *travel, uint64_t *ret);
size_t travel_read(struct travel *travel, uint64_t address, void *ret, size_t size);

/* ---- what if ---- */

struct error *travel_set_registers(struct travel *travel, int32_t tid, const struct user_regs_struct *regs);
struct error *travel_set_xstate(struct travel *travel, int32_t tid, const void *xstate, size_t size);
struct error *travel_write(struct travel *travel, uint64_t address, const void *bytes, size_t size);

#endif
