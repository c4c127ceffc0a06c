/* record_turn: the threads of a domain run one at a time, so that one log tells all.
 *
 * The order of the events in the log, each with its tid, is the schedule: in the replay a thread runs to its
 * next event when that event's turn has come, and stands still else. So the turn goes to another thread only
 * where the log shows how far the first one has come:
 *
 *   after an event   the thread is not resumed. This costs nothing. Done when its time is over, at the exit
 * of a call and behind a trapped instruction, and at sched_yield always; in a call        that waits for
 * something: EVENT_BLOCKED tells that it was entered. The task goes on inside of the kernel by itself. Its
 * exit is logged when it has its turn again, not when its stop arrives; at its end       which is waited for,
 * since the kernel then writes to memory.
 *
 * Each thread is at any moment one of: the one whose turn it is; blocked, in such a call; ready, standing
 * still, at a stop that is still to be dealt with or to be resumed after its event; or stopped by job
 * control, which it is in a call, or after an event. While there is one thread only, nothing of this happens.
 */
#include "replay/recorder_state.h"

#include "replay/record_sysbuf.h"

#include "tracer/process.h"

#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MILLISECOND 1000000ull
/* How long a thread may run while others wait. */
#define SLICE (8 * MILLISECOND)
/* Looks at a call that has been let go, before it is left to the ticks; the later ones are PAUSE_NS apart. */
enum { LOOKS_QUICK = 4, LOOKS_MOST = 30, PAUSE_NS = 30000 };

/* ---- those who wait ---- */

void record_turn_wait(struct thread *thread) {
    struct recorder *recorder = thread->recorder;
    if (thread->is_ready)
        return;
    thread->is_ready = true;
    thread->next_ready = NULL;
    if (recorder->last_ready)
        recorder->last_ready->next_ready = thread;
    else
        recorder->ready = thread;
    recorder->last_ready = thread;
}

/* Mostly the first is taken. Others leave the list when the process ends. */
void record_turn_forget(struct thread *thread) {
    struct recorder *recorder = thread->recorder;
    if (recorder->turn == thread)
        recorder->turn = NULL;
    if (!thread->is_ready)
        return;
    struct thread *before = NULL, *at = recorder->ready;
    for (; at != thread; at = at->next_ready)
        before = at;
    if (before)
        before->next_ready = thread->next_ready;
    else
        recorder->ready = thread->next_ready;
    if (recorder->last_ready == thread)
        recorder->last_ready = before;
    thread->is_ready = false;
}

bool record_turn_arrived(struct recorder *recorder, const struct stop *stop) {
    struct thread *thread = recorder->thread;
    if (recorder->turn == thread || stop->kind == STOP_EXITED || stop->kind == STOP_KILLED)
        return true;
    thread->waiting = *stop;
    thread->has_waiting = true;
    record_turn_wait(thread);
    return false;
}

/* ---- giving the turn away ---- */

void record_turn_entered(struct recorder *recorder) {
    if (recorder->thread_count > 1)
        recorder->call_since = clock_now();
}

static bool time_is_over(const struct recorder *recorder) {
    return clock_now() - recorder->turn_since > recorder->slice;
}

/* The turn ends in the middle of a computation, so many instructions from here (0: close by); or it does not,
 * when there is no place for that. */
static struct error *end_turn_here(struct recorder *recorder, unsigned steps) {
    struct thread *thread = recorder->thread;
    struct user_regs_struct regs;
    bool settled;
    TRY(steps ? record_wander(recorder, steps, &recorder->session->chaos, &settled)
              : record_settle(recorder, false, &settled));
    if (!settled) /* the next tick tries again */
        return thread->task->stopped ? task_resume_later(thread->task, RESUME_CONT, 0) : NULL;
    TRY(trace_get_registers(thread->task->tid, &regs));
    TRY(record_take_point(recorder));
    struct event event = {.kind = EVENT_SWITCH};
    event.turn.point = thread->point.data;
    event.turn.point_size = (uint32_t)thread->point.size;
    effects_clear(&recorder->effects);
    TRY(recorder_append(recorder, &event));
    thread->last = regs;
    thread->last_is_call = false;
    thread->last_time = clock_now();
    if (recorder->mode != RECORDER_RECORDING)
        return task_resume_later(thread->task, RESUME_CONT, 0);
    record_chaos_stepped(recorder);
    recorder->turn = NULL;
    record_turn_wait(thread);
    return NULL;
}

/* The kernel is going to make its last call again, which a step would run into. */
static bool is_restarting(const struct thread *thread) {
    return thread->row && thread->call.result <= -512 && thread->call.result >= -516;
}

/* The thread has the turn and runs on behind an event. */
static struct error *go_on(struct recorder *recorder) {
    struct thread *thread = recorder->thread;
    bool may_end = recorder->mode == RECORDER_RECORDING && recorder->ready && !thread->deferred_count &&
                   !is_restarting(thread) && !thread->trapped;
    unsigned steps = may_end ? record_chaos_steps(recorder) : 0;
    TRY(record_sysbuf_go(recorder));
    return steps ? end_turn_here(recorder, steps) : task_resume_later(thread->task, RESUME_CONT, 0);
}

struct error *record_turn_resume(struct recorder *recorder) {
    struct thread *thread = recorder->thread;
    if (recorder->mode == RECORDER_RECORDING)
        record_chaos_delay(recorder);
    if (recorder->mode == RECORDER_RECORDING && recorder->ready &&
        (time_is_over(recorder) || record_chaos_switches(recorder) ||
         (thread->row && thread->call.number == SYS_sched_yield))) {
        recorder->turn = NULL;
        record_turn_wait(thread);
        return NULL;
    }
    return go_on(recorder);
}

/* The kernel writes the word of such a mutex also when it makes the caller wait. */
static struct error *add_entry_outputs(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    struct memory_ranges ranges = {0};
    if (call->number != SYS_futex)
        return NULL;
    const struct memory_reader memory = task_memory(recorder->thread->task);
    struct error *err = syscall_outputs(call, &memory, &ranges);
    for (size_t i = 0; !err && i < ranges.count; i++)
        err = effects_add_memory(&recorder->effects, recorder->thread->task, ranges.ranges[i].address,
                                 ranges.ranges[i].size);
    memory_ranges_deinit(&ranges);
    return err;
}

struct error *record_turn_blocked(struct recorder *recorder) {
    struct thread *thread = recorder->thread;
    struct event event = {.kind = EVENT_BLOCKED};
    event.syscall.number = thread->call.number;
    event.syscall.rip = thread->entry.rip;
    for (int i = 0; i < SYSCALL_ARGS; i++)
        event.syscall.args[i] = thread->call.args[i];
    event.syscall.registers_hash = registers_hash(&thread->entry);
    thread->blocked = true;
    return recorder_append(recorder, &event);
}

static struct error *give_away(struct recorder *recorder) {
    recorder->thread = recorder->turn;
    effects_clear(&recorder->effects);
    TRY(add_entry_outputs(recorder));
    TRY(record_turn_blocked(recorder));
    recorder->turn = NULL;
    return NULL;
}

/* The call has been let go: does it come back at once? All tasks share the processor of reel, so that it runs
 * when reel makes way. *ret_blocked: it sleeps. Neither: it is slow, or others use the processor. */
static struct error *look(struct recorder *recorder, struct thread *thread, struct stop *ret_stop,
                          bool *ret_blocked) {
    *ret_blocked = false;
    for (int i = 0; i < LOOKS_MOST; i++) {
        TRY(engine_next_of(&recorder->lane->engine, thread->task, false, ret_stop));
        if (ret_stop->kind != STOP_NONE)
            return NULL;
        if (i > 0 && process_state(thread->tid) == 'S') {
            *ret_blocked = true;
            return NULL;
        }
        if (i < LOOKS_QUICK)
            sched_yield();
        else
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    return NULL;
}

/* The thread whose turn it is runs; others are ready. *ret_again: something has changed. */
static struct error *make_way(struct recorder *recorder, bool *ret_again) {
    struct thread *thread = recorder->turn;
    *ret_again = false;
    if (!thread->in_call || thread->task->stopped)
        return NULL;
    enum syscall_blocking blocking = syscall_blocking(&thread->call);
    if (blocking == BLOCKING_NEVER)
        return NULL;
    bool blocked = clock_now() - recorder->call_since > SLICE;
    struct stop stop = {.kind = STOP_NONE};
    if (blocking == BLOCKING_OFTEN && !blocked)
        TRY(look(recorder, thread, &stop, &blocked));
    *ret_again = blocked || stop.kind != STOP_NONE;
    if (stop.kind != STOP_NONE) {
        recorder->thread = thread;
        return record_domain_deal(recorder, &stop);
    }
    return blocked ? give_away(recorder) : NULL;
}

static struct error *take_turn(struct recorder *recorder) {
    struct thread *thread = record_chaos_pick(recorder);
    record_turn_forget(thread);
    recorder->slice = record_chaos_slice(recorder, SLICE);
    recorder->turn = recorder->thread = thread;
    recorder->turn_since = thread->call_time = clock_now();
    if (thread->enters)
        TRY(record_late_enter(recorder));
    if (!thread->has_waiting)
        return go_on(recorder);
    thread->has_waiting = false;
    struct stop stop = thread->waiting;
    return record_domain_deal(recorder, &stop);
}

static struct error *step(struct recorder *recorder, bool *ret_again) {
    *ret_again = true;
    if (recorder->turn && recorder->turn->ending) {
        recorder->thread = recorder->turn;
        return record_thread_await_end(recorder);
    }
    if (recorder->turn && recorder->ready)
        return make_way(recorder, ret_again);
    if (!recorder->turn && recorder->ready)
        return take_turn(recorder);
    *ret_again = false;
    return NULL;
}

struct error *record_turn_next(struct recorder *recorder) {
    bool again = true;
    while (again && recorder->mode == RECORDER_RECORDING && !recorder->ending)
        TRY(step(recorder, &again));
    return NULL;
}

struct error *record_turn_tick(struct recorder *recorder) {
    if (recorder->mode != RECORDER_RECORDING || recorder->thread_count < 2)
        return NULL;
    TRY(record_turn_next(recorder));
    struct thread *thread = recorder->turn;
    if (!thread || !recorder->ready || thread->in_call || thread->interrupted || !time_is_over(recorder) ||
        thread->task->in_syscall || thread->task->stopped || thread->phase != PHASE_RUNNING)
        return NULL;
    thread->interrupted = true;
    struct error *err = trace_interrupt(thread->task->tid);
    if (error_is(err, ERROR_TASK_GONE)) {
        error_free(err);
        err = NULL;
    }
    return err;
}

struct error *record_turn_preempt(struct recorder *recorder) {
    struct thread *thread = recorder->thread;
    struct user_regs_struct regs;
    if (!recorder->ready || !time_is_over(recorder))
        return task_resume_later(thread->task, RESUME_CONT, 0);
    TRY(trace_get_registers(thread->task->tid, &regs));
    if (thread->last_is_call && registers_compare(&regs, &thread->last) == REGISTER_COUNT) {
        /* still at its last event, maybe with a call to be restarted, whose registers are yet to be set */
        recorder->turn = NULL;
        record_turn_wait(thread);
        return NULL;
    }
    return end_turn_here(recorder, 0);
}

/* ---- calls of others ---- */

static bool has_outputs(const struct thread *thread) {
    for (unsigned i = 0; thread->row && i < thread->row->arg_count; i++)
        if (thread->row->args[i].direction == ARG_OUT || thread->row->args[i].direction == ARG_INOUT)
            return true;
    return false;
}

bool record_turn_writes(struct recorder *recorder) {
    if (recorder->thread_count < 2)
        return false;
    for (struct thread *thread = recorder->threads; thread; thread = thread->next)
        if (thread != recorder->thread && thread->process == recorder->thread->process && thread->blocked &&
            has_outputs(thread))
            return true;
    return false;
}

/* What the kernel may have written for calls of the process's other threads whose exits are not in the log.
 */
static struct error *find_outputs(struct recorder *recorder, struct memory_ranges *ret) {
    struct error *err = NULL;
    const struct memory_reader memory = task_memory(recorder->thread->task);
    for (struct thread *thread = recorder->threads; thread && !err; thread = thread->next) {
        if (thread == recorder->thread || thread->process != recorder->thread->process || !thread->blocked)
            continue;
        struct syscall_call call = thread->call;
        call.result = -14; /* EFAULT: anything may have been written */
        err = syscall_outputs(&call, &memory, ret);
    }
    if (error_is(err, ERROR_UNSUPPORTED)) { /* its own exit will tell */
        error_free(err);
        err = NULL;
    }
    return err;
}

struct error *record_turn_add_outputs(struct recorder *recorder) {
    struct memory_ranges ranges = {0};
    struct error *err = find_outputs(recorder, &ranges);
    for (size_t i = 0; !err && i < ranges.count; i++)
        err = effects_add_memory(&recorder->effects, recorder->thread->task, ranges.ranges[i].address,
                                 ranges.ranges[i].size);
    memory_ranges_deinit(&ranges);
    return err;
}

struct error *record_turn_leave_out(struct recorder *recorder, struct maps *maps) {
    struct memory_ranges ranges = {0};
    struct error *err = recorder->thread_count > 1 ? find_outputs(recorder, &ranges) : NULL;
    for (size_t i = 0; !err && i < ranges.count; i++)
        err = maps_cut(maps, ranges.ranges[i].address, ranges.ranges[i].size);
    memory_ranges_deinit(&ranges);
    return err;
}

/* ---- the recording has stopped ---- */

struct error *record_turn_release(struct recorder *recorder) {
    if (recorder->mode != RECORDER_PASSING || recorder->released)
        return NULL;
    recorder->released = true;
    recorder->turn = recorder->ready = recorder->last_ready = NULL;
    for (struct thread *thread = recorder->threads, *next; thread; thread = next) {
        next = thread->next;
        thread->is_ready = false;
        if (!thread->task || !thread->task->stopped)
            continue;
        recorder->thread = thread;
        struct stop stop = {.kind = STOP_BORN, .task = thread->task};
        if (thread->has_waiting)
            stop = thread->waiting;
        thread->has_waiting = false;
        struct error *err = record_pass(recorder->session, &stop, thread);
        if (err && !error_is(err, ERROR_TASK_GONE))
            return err;
        error_free(err);
    }
    return NULL;
}
