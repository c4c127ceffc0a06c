/* replayer: runs a recording again in a puppet. The twin of replay/recorder.h. */
#ifndef REEL_REPLAY_REPLAYER_H
#define REEL_REPLAY_REPLAYER_H

#include "base/error.h"
#include "base/memory.h"
#include "replay/event.h"

#include <stdbool.h>
#include <stdint.h>

struct puppet;
struct recording_info;
struct task;
struct tape;
struct stop;

/* Who wants to take part in the replay (replay/retrace.c). Errors end it. */
struct replay_hooks {
    /* The recording has been read, nothing runs yet. */
    struct error *(*opened)(void *context, struct tape *tape);
    /* A segment begins: the puppet stands at its first instruction. */
    struct error *(*begin)(void *context, struct puppet *puppet, int32_t tid);
    /* One more process with the recorded pid, a copy of the one that `parent` is a task of (NULL: it comes
     * from elsewhere); it becomes the current one. */
    struct error *(*process)(void *context, struct puppet *puppet, struct task *parent, int32_t pid);
    /* This process is the current one from now on; all else is about it. */
    struct error *(*turn)(void *context, struct puppet *puppet);
    /* The puppet has a new thread, made by puppet->task; or the current one is about to end. */
    struct error *(*thread)(void *context, struct task *task, int32_t tid);
    struct error *(*thread_exit)(void *context);
    /* The puppet stands at a signal. *ret_done: it was the hook's own; go on. */
    struct error *(*signal_stop)(void *context, struct stop *stop, bool *ret_done);
    /* Has the hook put a breakpoint into [address, address + size)? */
    bool (*is_probed)(void *context, uint64_t address, size_t size);
    void *context;
};

struct replayer_options {
    const char *path;                  /* of the recording */
    const struct recording_info *info; /* of the recording, if it has been read, or NULL */
    uint32_t domain;                   /* which of its processes, from 1 */
    int32_t pid;       /* whose status is wanted when several share that domain; 0: the first one's */
    bool brief;        /* how it ended is not worth a word: one process of many */
    bool quiet;        /* do not show the program's output again */
    bool check_memory; /* compare all writable memory at the end with what the recording kept */
    uint64_t to;       /* stop after this event, 0: run to the end */
    /* Called after each event has happened in the puppet, or NULL; memory is the puppet's at that point. An
     * error ends the replay. */
    struct error *(*observe)(void *context, const struct event *event, const struct memory_reader *memory);
    void *context;
    bool choices_first; /* find out before what each point's match is: travel.c cannot undo one */
    /* Asked while the puppet runs, at each tick of engine_set_tick(): stop it with a SIGSTOP? Or NULL. */
    bool (*interrupted)(void *context);
    const struct replay_hooks *hooks; /* or NULL */
};

/* Replay; also in other domains than the one that it begins in when the process goes on there, unless
 * somebody takes part or observes. *ret_status is what reel exits with: what the recorded program exited
 * with, or 128 + its signal; 0 when the recording, or --to, ends before the program does (stderr says so).
 * ERROR_DIVERGED at the first difference: event number, expected, found, place. */
struct error *replayer_run(const struct replayer_options *options, int *ret_status);

/* Replay all processes of the recording, whose outputs are shown in the order in which they came. *ret_status
 * is that of the first process. The first divergence ends it. */
struct error *replayer_run_all(const struct replayer_options *options, int *ret_status);

/* The same in steps, so that several processes of a recording can take turns. */
struct replayer;
struct error *replayer_open(const struct replayer_options *options, struct replayer **ret);
/* Replay up to the event that has shown output number `order` (EFFECT_ORDER), or to the end; *ret_over says
 * whether it has come. */
struct error *replayer_go_on(struct replayer *replayer, uint64_t order, bool *ret_over);
int replayer_status(const struct replayer *replayer);
/* Has the process whose status is wanted ended in it? */
bool replayer_knows_status(const struct replayer *replayer);
void replayer_close(struct replayer *replayer);

#endif
