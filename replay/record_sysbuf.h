/* record_sysbuf: system calls that do not stop while recording. Private to replay/record*.c.
 *
 * A process that makes many calls is given the blob of tracer/sysbuf.h, and the call sites that it uses often
 * are patched. What the hook notes in the ring becomes the same events as the stops would have made, in
 * order, before anything else is logged of the process: whenever it stops, and at each tick. The log does not
 * tell that a call was made so, and the patches are not in it: a replay runs the program's own code.
 *
 * All of this concerns recorder->process, whose thread with the turn is the one that has run. Without
 * --buffer, and until a process has got the blob, everything here does nothing. */
#ifndef REEL_REPLAY_RECORD_SYSBUF_H
#define REEL_REPLAY_RECORD_SYSBUF_H

#include "replay/recorder_state.h"

/* Log what is in the ring. The process may run. */
struct error *record_sysbuf_drain(struct recorder *recorder);
/* Let the hook make calls, or not, as things stand now (a signal waits, other threads want the turn). */
void record_sysbuf_update(struct recorder *recorder);

/* recorder->thread stands at the entry of a call, with these registers: those of the program, whatever way it
 * came there. */
struct error *record_sysbuf_entry(struct recorder *recorder, struct user_regs_struct *regs);
/* Does it stand at a call of the blob, which some filter has not let pass? Then the blob is told to leave it
 * alone. */
struct error *record_sysbuf_filtered(struct recorder *recorder, bool *ret_done);
/* The call that it is entering shapes memory: what is patched there is put back before. */
struct error *record_sysbuf_shape(struct recorder *recorder);
/* Its call has returned: if it has read how its own memory is mapped, what is ours is shown as out of reach.
 */
struct error *record_sysbuf_hide(struct recorder *recorder);
/* Its call has been logged. */
struct error *record_sysbuf_exit(struct recorder *recorder);
/* It is going to be resumed behind its last event. */
struct error *record_sysbuf_go(struct recorder *recorder);

enum sysbuf_stand {
    SYSBUF_STANDS_OUTSIDE,
    SYSBUF_STANDS_BEHIND, /* its last event, in the middle of a patch: it can be left there, and go on there,
                             no more */
    SYSBUF_STANDS_INSIDE, /* in code of ours, where nothing of the program's state is as it should be; it will
                             be out of there before long, and its next call will stop */
};
/* It stands somewhere, with these registers, which become the program's own where that can be. */
struct error *record_sysbuf_stand(struct recorder *recorder, struct user_regs_struct *regs,
                                  enum sysbuf_stand *ret);
/* It has executed a byte in the middle of a patch (SIGILL): put it on; *ret_done: so it was. */
struct error *record_sysbuf_trapped(struct recorder *recorder, const struct user_regs_struct *regs,
                                    bool *ret_done);
/* Was a system call instruction at this address, before a patch covered it? A thread may have stopped at the
 * call, and its stop be looked at, after another thread's call has led to the patch. */
bool record_sysbuf_covers_call(const struct recorder *recorder, uint64_t address);
/* task_read() of code as it is without the patches; where a patch begins it reads as a system call. */
size_t record_sysbuf_read_code(struct recorder *recorder, uint64_t address, void *ret, size_t size);

/* A vfork child runs in the memory of the process, or does no more. */
void record_sysbuf_pause(struct recorder *recorder, bool paused);
/* The process `tid` begins as a copy of it, and has not run yet: its code is made the program's own again.
 * `child` is its state. */
struct error *record_sysbuf_fork(struct recorder *recorder, pid_t tid, struct process *child);
/* Nothing of it is recorded any more: as above. */
void record_sysbuf_stop(struct recorder *recorder);
/* Its memory is gone (or reel is done with it). */
void record_sysbuf_drop(struct process *process);

/* A file has been mapped: writes to files must be looked at again, in all processes. */
void record_sysbuf_mapped(struct session *session);

/* maps_read() and image_take() without what is ours. */
struct error *record_sysbuf_maps(struct recorder *recorder, struct maps *ret);
struct error *record_sysbuf_maps_of(const struct process *process, pid_t tid, struct maps *ret);
struct error *record_sysbuf_image(struct recorder *recorder, struct image *ret);

#endif
