/* replayer_state: what the files of the replayer share. Private to replay/replay*.c. */
#ifndef REEL_REPLAY_REPLAYER_STATE_H
#define REEL_REPLAY_REPLAYER_STATE_H

#include "base/registers.h"
#include "base/table.h"
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

/* A recorded thread and the puppet's task that plays it. What changes while it runs is in the replayer, for
 * as long as it is the current one. */
struct replay_thread {
    int32_t tid; /* as recorded */
    struct task *task;
    struct user_regs_struct regs;
    bool restarting;
    bool blocked; /* it stands at the entry of a call that EVENT_BLOCKED told of */
    bool ended;
};

struct replayer {
    const struct replayer_options *options;
    struct tape tape;
    char whose[32]; /* "process 123: ", for messages; empty for the first one */
    struct puppet puppet;
    struct table threads;         /* struct replay_thread, by recorded tid; owned */
    size_t thread_count;          /* that have not ended */
    struct replay_thread *thread; /* the current one: puppet.task plays it */
    struct user_regs_struct regs; /* of its task, as they are now */
    bool restarting; /* its last call was interrupted and the registers are already those of its restart */
    struct attachment attachments[ATTACHMENTS_MOST];
    size_t attachment_count;
    bool over;  /* nothing more to replay */
    int status; /* then: what reel exits with */
};

/* Run the puppet to its next stop, which must be of this kind (and signal), and read its registers. */
struct error *replay_run_to(struct replayer *replayer, const struct event *event, enum stop_kind kind,
                            int signo);

/* ERROR_DIVERGED at this event: "event N (what) at PLACE: expected ..., found ...". */
struct error *replay_diverged(struct replayer *replayer, const struct event *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Compare all writable memory with the image that the recording keeps of this segment's end (--check-memory).
 */
struct error *replay_check_memory(struct replayer *replayer, const struct event *event);

/* replay_syscall.c: the program is at, or runs to, this call; EVENT_BLOCKED stays at its entry. */
struct error *replay_blocked(struct replayer *replayer, const struct event *event);
struct error *replay_syscall(struct replayer *replayer, const struct event *event);

/* replay_event.c: all other kinds. */
struct error *replay_event(struct replayer *replayer, const struct event *event);

/* replay_thread.c: threads of the recording. The event's thread becomes the current one. */
struct error *replay_turn(struct replayer *replayer, const struct event *event);
struct error *replay_thread_begin(struct replayer *replayer, const struct event *event);
struct error *replay_thread_end(struct replayer *replayer, const struct event *event);
/* A segment begins with this one thread, played by puppet.task. */
struct error *replay_threads_reset(struct replayer *replayer, int32_t tid);
void replay_threads_deinit(struct replayer *replayer);

/* A fresh puppet with the snapshot of the tape's current segment. */
struct error *replay_begin_segment(struct replayer *replayer);

/* Make an event's effects happen in the puppet. EFFECT_MAP_FILE is left to the call that maps. Registers
 * among them are also put into replayer->regs. */
struct error *replay_effects(struct replayer *replayer, const struct event *event);

#endif
