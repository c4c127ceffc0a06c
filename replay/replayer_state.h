/* replayer_state: what the files of the replayer share. Private to replay/replay*.c and
 * replay/travel*.c. */
#ifndef REEL_REPLAY_REPLAYER_STATE_H
#define REEL_REPLAY_REPLAYER_STATE_H

#include "base/registers.h"
#include "base/table.h"
#include "replay/matcher.h"
#include "replay/puppet.h"
#include "replay/replayer.h"
#include "replay/tape.h"
#include "tracer/stop.h"
#include "tracer/syscall.h"

/* A System V segment that the program has attached. */
struct attachment {
    uint64_t id, address, size;
};
#define ATTACHMENTS_MOST 256

/* A recorded process and the puppet that plays it. A domain has several when they share memory. */
struct replay_process {
    struct replay_process *next;
    int32_t pid;     /* as recorded */
    uint32_t number; /* of one that has joined, 0: the first */
    struct puppet puppet;
    size_t thread_count; /* that have not ended */
    struct attachment attachments[ATTACHMENTS_MOST];
    size_t attachment_count;
};

/* A recorded thread and the puppet's task that plays it. What changes while it runs is in the replayer, for
 * as long as it is the current one. */
struct replay_thread {
    int32_t tid; /* as recorded */
    struct replay_process *process;
    struct task *task;
    struct user_regs_struct regs;
    bool restarting;
    bool blocked; /* it stands at the entry of a call that EVENT_BLOCKED told of */
};

/* The state of one at a checkpoint. */
struct saved_thread {
    int32_t tid;
    struct user_regs_struct regs;
    bool restarting, blocked;
    uint8_t *xstate; /* owned; NULL for the current one, which the twin is a copy of */
    size_t xstate_size;
};

/* The puppet as it was before an event: a frozen twin of it (puppet_fork()), and the replayer's own state. */
struct checkpoint {
    uint64_t number; /* of the event before */
    int32_t pid;
    struct task twin;
    uint64_t brk_start, brk_end, stack_start, stack_end;
    struct saved_thread *threads; /* the current one first; owned */
    size_t thread_count;
    struct attachment attachments[ATTACHMENTS_MOST];
    size_t attachment_count;
};
#define CHECKPOINTS 2

/* A point that the replay has come by. */
struct passed_point {
    uint64_t number; /* of its event */
    uint64_t skip;   /* which match was taken: 0 the first */
};

struct replayer {
    const struct replayer_options *options;
    struct tape tape;
    char whose[32];                   /* "process 123: ", for messages; empty for the first one */
    struct replay_process *processes; /* those that live; owned */
    struct replay_process *process;   /* the current one */
    struct replay_process *ended;     /* that goes when its last event has been told, or NULL */
    struct puppet *puppet;            /* that of the current one; NULL: there is none */
    struct table threads;             /* struct replay_thread, by recorded tid; owned */
    struct replay_thread *thread;     /* the current one: puppet->task plays it */
    struct user_regs_struct regs;     /* of its task, as they are now */
    bool restarting; /* its last call was interrupted and the registers are already those of its restart */
    uint64_t told;   /* events up to this one have been shown and observed */

    /* replay_point.c */
    struct matcher *matcher;
    struct passed_point *passed; /* by number */
    size_t passed_count, passed_room;
    struct checkpoint checkpoints[CHECKPOINTS]; /* the oldest first */
    size_t checkpoint_count;
    uint64_t checkpoint_after; /* nanoseconds, CLOCK_MONOTONIC: take the next one then */
    uint64_t attempts;         /* at going back, since an event was reached for the first time */
    struct error *diverged;    /* the first divergence that led to going back */
    bool fixed;                /* the choices of `passed` are final: nothing can be undone */
    bool hidden;               /* nobody is told how it ends */
    uint64_t deadline;         /* of a search, as above; 0: none */
    bool stop_sent;            /* a SIGSTOP, which has not been seen yet */

    /* travel.c has brought the puppet to where the next event happens, by this stop; at a point there is none
     */
    bool arrived;
    struct stop arrival;

    bool over;         /* nothing more to replay */
    int status;        /* then: what reel exits with */
    bool status_known; /* that is the wanted process's own */
    uint32_t next;     /* domain in which that one goes on; 0: none */
};

/* Resume the puppet and wait for its next stop; its registers are read. */
struct error *replay_run(void *context, enum resume how, struct stop *ret);
/* The SIGSTOP that was sent to the puppet while another stop came: take it. Nothing is executed. */
struct error *replay_drain(struct replayer *replayer);
/* A stop: is it one of the hooks, which have dealt with it? */
struct error *replay_offer(void *context, struct stop *stop, bool *ret_taken);

/* Run the puppet to its next stop, which must be of this kind (and signal), and read its registers. */
struct error *replay_run_to(struct replayer *replayer, const struct event *event, enum stop_kind kind,
                            int signo);

/* The error of a stop that was not expected. */
struct error *replay_unexpected(struct replayer *replayer, const struct event *event,
                                const struct stop *stop);

/* ERROR_DIVERGED at this event: "event N (what) at PLACE: expected ..., found ...". */
struct error *replay_diverged(struct replayer *replayer, const struct event *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Compare all writable memory with the image that the recording keeps of this segment's end (--check-memory).
 */
struct error *replay_check_memory(struct replayer *replayer, const struct event *event);

/* replay_syscall.c: the program is at, or runs to, this call; EVENT_BLOCKED stays at its entry. */
struct error *replay_blocked(struct replayer *replayer, const struct event *event);
struct error *replay_syscall(struct replayer *replayer, const struct event *event);

/* EFFECT_SEGMENT. */
struct error *replay_segment(struct replayer *replayer, const struct effect *effect);

/* replay_event.c: all other kinds. */
struct error *replay_event(struct replayer *replayer, const struct event *event);

/* replay_thread.c: threads of the recording. The event's thread becomes the current one. */
struct error *replay_turn(struct replayer *replayer, const struct event *event);
struct error *replay_thread_begin(struct replayer *replayer, const struct event *event);
struct error *replay_thread_end(struct replayer *replayer, const struct event *event);
/* A segment begins with this one thread, played by puppet->task. */
struct error *replay_threads_reset(struct replayer *replayer, int32_t tid);
/* replay_joined.c: several processes in one domain. */
/* The only process there is from now on, with an empty puppet. */
struct error *replay_process_first(struct replayer *replayer);
/* EVENT_PROCESS. */
struct error *replay_process_begin(struct replayer *replayer, const struct event *event);
/* EVENT_JOIN. */
struct error *replay_process_join(struct replayer *replayer, const struct event *event);
/* The process of this event ends with it; it becomes the current one. */
struct error *replay_process_end(struct replayer *replayer, const struct event *event);
/* After each event: the process that has ended with it goes; without any, the replay is over. */
struct error *replay_process_sweep(struct replayer *replayer);
/* All but the current one end. */
void replay_process_alone(struct replayer *replayer);
void replay_processes_deinit(struct replayer *replayer);
/* Thread and process become the current ones. */
struct error *replay_make_current(struct replayer *replayer, struct replay_thread *thread);
/* A new thread of the process. */
struct error *replay_thread_add(struct replayer *replayer, struct replay_process *process, int32_t tid,
                                struct task *task, struct replay_thread **ret);
/* The state of all of them; and a puppet that has one thread gets all again. */
struct error *replay_threads_save(struct replayer *replayer, struct saved_thread **ret, size_t *ret_count);
struct error *replay_threads_restore(struct replayer *replayer, const struct saved_thread *threads,
                                     size_t count);
void replay_threads_forget(struct saved_thread *threads, size_t count);
void replay_threads_deinit(struct replayer *replayer);
/* replay_checkpoint.c: the state as it is now; `number` is left to the caller. ERROR_UNSUPPORTED: memory is
 * shared. The tape is not moved when going back. */
struct error *replay_checkpoint_take(struct replayer *replayer, struct checkpoint *ret);
struct error *replay_checkpoint_return(struct replayer *replayer, struct checkpoint *checkpoint);
void replay_checkpoint_drop(struct checkpoint *checkpoint);

/* replay_point.c */
/* Which match of the point of event `number` was the right one. */
uint64_t replay_point_skip(const struct replayer *replayer, uint64_t number);
/* Run to the point of this event. */
struct error *replay_to_point(struct replayer *replayer, const struct event *event, const void *bytes,
                              size_t size);
/* The mappings of the puppet are going to change, or to be looked at. */
struct error *replay_leave_point(struct replayer *replayer);
/* An event has been reached. */
void replay_point_passed_event(struct replayer *replayer, const struct event *event);
/* The replay has diverged. If a point that was passed may have been matched too early, go back in front of
 * it, so that the next match is taken: *ret_again. Else the error to report is returned. Takes err. */
struct error *replay_go_back(struct replayer *replayer, struct error *err, bool *ret_again);
/* All checkpoints belong to the past. */
void replay_drop_checkpoints(struct replayer *replayer);
void replay_points_deinit(struct replayer *replayer);

/* The recorded ID of the process that the replay is about. */
int32_t replay_wanted(const struct replayer *replayer);

/* A fresh puppet with the snapshot of the tape's current segment. */
struct error *replay_begin_segment(struct replayer *replayer);

/* Make an event's effects happen in the puppet. EFFECT_MAP_FILE is left to the call that maps. Registers
 * among them are also put into replayer->regs. */
struct error *replay_effects(struct replayer *replayer, const struct event *event);

#endif
