/* record_domain: the stops of one domain's tasks, and its log. */
#include "replay/recorder_state.h"

#include "replay/record_sysbuf.h"

#include "base/say.h"
#include "replay/written.h"

#include <errno.h>
#include <linux/sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The log is flushed by the first tick after so many nanoseconds, however little is in it. */
#define FLUSH_INTERVAL 240000000ull

/* ---- the log ---- */

static struct error *close_log(struct recorder *recorder) {
    if (!recorder->log)
        return NULL;
    struct chunk_writer *log = recorder->log;
    recorder->log = NULL;
    return chunk_writer_close(log);
}

/* ---- the end ---- */

void recorder_stop(struct recorder *recorder, const char *format, ...) {
    if (recorder->mode != RECORDER_RECORDING)
        return;
    char why[512];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    recorder->mode = RECORDER_PASSING;
    record_sysbuf_stop(recorder);
    struct thread *current = recorder->thread;
    for (struct thread *thread = recorder->threads; thread; thread = thread->next) {
        error_free(record_add_sharer(recorder->lane, thread->tid,
                                     &thread->process->sites)); /* its code is still patched */
        if (thread->task)
            thread->task->watched = false;
        recorder->thread = thread;
        record_signal_release(recorder);
        thread->phase = PHASE_RUNNING;
    }
    recorder->thread = current;
    if (recorder->log) {
        struct event event = {.kind = EVENT_STOPPED, .tid = recorder->info.pid};
        event.stopped.why = why;
        event.stopped.why_size = (uint32_t)strlen(why);
        buffer_clear(&recorder->encoded);
        event_encode(&event, &recorder->encoded);
        struct error *err =
            chunk_writer_append(recorder->log, recorder->encoded.data, recorder->encoded.size);
        if (!err)
            err = chunk_writer_flush(recorder->log);
        recorder_note_error(recorder->session, err);
        error_free(err); /* what was pending is lost with it: the recording ends at its last whole chunk */
        recorder->events = recorder->events_before + chunk_writer_records(recorder->log);
        error_free(close_log(recorder));
    }
    for (struct process *process = recorder->processes; process; process = process->next)
        if (process->info != &recorder->info)
            process->info->stopped = strdup(why);
    recorder->info.stopped = strdup(why);
    if (recorder->info.domain == 1)
        say_always(
            "recording stopped at event %llu: %s (the program runs on unrecorded; what was recorded replays)",
            (unsigned long long)recorder->events, why);
    else
        say_always("recording of process %d (%s) stopped at event %llu: %s (it runs on unrecorded; what was "
                   "recorded replays)",
                   recorder->info.pid, record_tree_name(recorder), (unsigned long long)recorder->events, why);
}

/* Not the record's fault, but the disk's or the limit's: it holds for all that would be written. */
void recorder_note_error(struct session *session, const struct error *err) {
    if (!err)
        return;
    int number = err->errnum;
    if (error_is(err, ERROR_LIMIT) || number == ENOSPC || number == EDQUOT || number == EFBIG ||
        number == EIO)
        session->full = true;
}

void recorder_stop_error(struct recorder *recorder, struct error *err) {
    recorder_note_error(recorder->session, err);
    recorder_stop(recorder, "%s", err->message);
    error_free(err);
}

struct error *recorder_cause(const struct recorder *recorder, struct error *err) {
    struct user_regs_struct regs;
    if (!err || !recorder->thread->task)
        return err;
    struct error *gone = trace_get_registers(recorder->thread->task->tid, &regs);
    if (!error_is(gone, ERROR_TASK_GONE)) {
        error_free(gone);
        return err;
    }
    error_free(err);
    return gone;
}

struct error *recorder_append(struct recorder *recorder, struct event *event) {
    if (recorder->mode != RECORDER_RECORDING) {
        effects_clear(&recorder->effects);
        return NULL;
    }
    event->tid = recorder->thread->tid;
    effects_finish(&recorder->effects, event);
    buffer_clear(&recorder->encoded);
    event_encode(event, &recorder->encoded);
    effects_clear(&recorder->effects);
    struct error *err = buffer_check(&recorder->encoded);
    if (!err)
        err = chunk_writer_append(recorder->log, recorder->encoded.data, recorder->encoded.size);
    if (err) {
        recorder_stop_error(recorder, err);
        return NULL;
    }
    recorder->events++;
    return NULL;
}

/* The task's memory, which may go while it is read. */
struct watched_memory {
    struct task *task;
    bool cut; /* something could not be read */
};

static size_t read_watched(void *context, uint64_t address, void *ret, size_t size) {
    struct watched_memory *watched = context;
    size_t got = task_read(watched->task, address, ret, size);
    watched->cut = watched->cut || got < size;
    return got;
}

struct error *recorder_append_syscall(struct recorder *recorder, int64_t result, enum event_stream stream) {
    struct event event = {.kind = EVENT_SYSCALL};
    struct watched_memory watched = {.task = recorder->thread->task};
    const struct memory_reader memory = {read_watched, &watched};
    event.syscall.number = recorder->thread->call.number;
    event.syscall.rip = recorder->thread->entry.rip;
    memcpy(event.syscall.args, recorder->thread->call.args, sizeof(event.syscall.args));
    event.syscall.result = result;
    event.syscall.registers_hash = registers_hash(&recorder->thread->entry);
    event.syscall.stream = stream;
    event.syscall.written_hash =
        written_hash(&memory, event.syscall.number, event.syscall.args, event.syscall.result);
    if (watched.cut) { /* killed meanwhile: it never came to see the result of this call */
        struct user_regs_struct regs;
        TRY(trace_get_registers(recorder->thread->task->tid, &regs));
    }
    return recorder_append(recorder, &event);
}

/* ---- stops ---- */

void record_close(struct recorder *recorder) {
    if (recorder->mode != RECORDER_RECORDING)
        return;
    struct error *err = chunk_writer_flush(recorder->log); /* while it is known what is not written */
    if (!err)
        err = close_log(recorder);
    if (err)
        recorder_stop_error(recorder, err);
}

struct error *record_end(struct recorder *recorder, const struct stop *stop) {
    const struct process *process = recorder->thread->process;
    bool exited = stop->kind == STOP_EXITED;
    struct event event = {.kind = EVENT_EXIT};
    event.exit.how = exited ? EXIT_STATUS : process->dying ? EXIT_SIGNAL : EXIT_KILLED;
    event.exit.status = stop->status;
    event.exit.core = stop->core;
    process->info->end = exited ? END_EXITED : END_SIGNALED;
    process->info->status = stop->status;
    process->info->core = stop->core;
    clock_gettime(CLOCK_REALTIME, &process->info->ended);
    effects_clear(&recorder->effects);
    return recorder->thread->enters ? NULL : recorder_append(recorder, &event); /* it has not come to join */
}

struct error *record_domain_gone(struct recorder *recorder, const struct stop *stop) {
    bool by_filter;
    record_note_end(recorder->session, stop);
    TRY(record_filter_killed(recorder, stop, &by_filter));
    if (recorder->thread != recorder->thread->process->leader)
        return record_thread_gone(recorder, stop);
    if (by_filter && recorder->process_count == 1) /* else what it shares is looked at */
        recorder->thread->process->dying = true;
    if (recorder->process_count > 1)
        return record_joined_gone(recorder, stop);
    TRY(record_end(recorder, stop));
    record_close(recorder);
    TRY(record_joined_over(recorder, recorder->thread->process));
    recorder->mode = RECORDER_OVER;
    table_remove(&recorder->lane->threads, (uint32_t)recorder->thread->task->tid);
    recorder->thread->task = NULL;
    return NULL;
}

static struct error *on_new_task(struct recorder *recorder, const struct stop *stop) {
    if (recorder->thread->clone_flags & CLONE_THREAD)
        TRY(record_thread_made(recorder, (pid_t)stop->message));
    else if (recorder->thread->joins)
        TRY(record_joined_made(recorder, (pid_t)stop->message));
    else
        TRY(record_tree_child(recorder, (pid_t)stop->message));
    return task_resume_later(stop->task, RESUME_SYSCALL, 0);
}

/* The new segment can be recorded: the old log ends with EVENT_EXEC. */
static struct error *end_segment(struct recorder *recorder, struct chunk_writer *old_log) {
    struct chunk_writer *new_log = recorder->log;
    struct event event = {.kind = EVENT_EXEC};
    recorder->log = old_log;
    struct error *err = recorder_append(recorder, &event);
    if (!err && recorder->mode == RECORDER_RECORDING)
        err = chunk_writer_flush(recorder->log);
    if (err)
        recorder_stop_error(recorder, err);
    if (recorder->mode != RECORDER_RECORDING) {
        error_free(chunk_writer_close(new_log));
        return NULL;
    }
    error_free(close_log(recorder)); /* flushed: nothing is left to fail */
    recorder->log = new_log;
    recorder->segment++;
    recorder->events_before = recorder->events;
    return NULL;
}

/* After execve. Only when the new program can be recorded does the old log say that another segment follows.
 */
static struct error *on_exec_done(struct recorder *recorder) {
    TRY(recorder_append_syscall(recorder, 0, STREAM_NONE));
    TRY(record_exec_memory(recorder)); /* also when the recording ends here */
    bool own = recorder->process_count == 1 && recorder->thread->process->info == &recorder->info;
    if (!own && recorder->mode == RECORDER_RECORDING)
        return record_joined_leave(recorder);
    if (recorder->mode == RECORDER_RECORDING) {
        struct chunk_writer *old_log = recorder->log;
        recorder->log = NULL;
        recorder->forked = false;
        struct error *err = record_segment(recorder, recorder->segment + 1);
        if (!err) {
            err = end_segment(recorder, old_log);
        } else {
            recorder->log = old_log;
            err = recorder_cause(recorder, err);
            if (!error_is(err, ERROR_TASK_GONE)) {
                recorder_stop_error(recorder, err);
                err = NULL;
            }
        }
        TRY(err);
    }
    record_drop_before(recorder);
    recorder->thread->tid =
        recorder->thread->task->tid; /* a thread that becomes another program is its leader */
    recorder->thread->clear_tid = 0;
    return task_resume_later(recorder->thread->task, RESUME_CONT, 0);
}

static struct error *on_seccomp(struct recorder *recorder, const struct stop *stop) {
    bool made = true;
    if (stop->task->filtered || stop->task->strict)
        TRY(record_filter_passed(recorder, stop, &made));
    return made ? record_entry(recorder) : NULL;
}

static struct error *on_syscall_exit(struct recorder *recorder) {
    if (recorder->thread->judging)
        return record_filter_answered(recorder);
    if (recorder->thread->phase == PHASE_INJECTING)
        return record_injected(recorder);
    if (recorder->thread->phase != PHASE_EXEC)
        return record_exit(recorder);
    recorder->thread->phase = PHASE_RUNNING;
    return on_exec_done(recorder);
}

static struct error *on_signal_stop(struct recorder *recorder, const struct stop *stop) {
    if (recorder->thread->phase == PHASE_DELIVERING) {
        bool handled;
        TRY(record_delivered(recorder, stop, &handled));
        if (handled)
            return NULL;
    }
    return record_signal(recorder, stop);
}

static struct error *on_group_stop(struct recorder *recorder, const struct stop *stop) {
    recorder->turn = NULL; /* it has executed nothing since its last event */
    TRY(task_resume(stop->task, RESUME_LISTEN, 0));
    record_stop_like_program();
    return NULL;
}

static struct error *on_stop(struct recorder *recorder, const struct stop *stop) {
    if (stop->kind == STOP_BORN && recorder->thread->interrupted)
        return record_interrupted(recorder);
    recorder->thread->interrupted = false; /* any other stop has swallowed that */
    switch (stop->kind) {
    case STOP_SECCOMP:
        return on_seccomp(recorder, stop);
    case STOP_SYSCALL_ENTRY:
        return stop->task->watched ? record_filter_entry(recorder) : record_entry(recorder);
    case STOP_SYSCALL_EXIT:
        return on_syscall_exit(recorder);
    case STOP_EXEC:
        task_memory_reset(stop->task);
        record_sysbuf_drop(recorder->thread->process);
        recorder->thread->phase = PHASE_EXEC;
        return task_resume_later(stop->task, RESUME_SYSCALL, 0);
    case STOP_NEW_TASK:
        return on_new_task(recorder, stop);
    case STOP_VFORK_DONE:
        return task_resume_later(stop->task, RESUME_SYSCALL, 0);
    case STOP_SIGNAL:
        return on_signal_stop(recorder, stop);
    case STOP_GROUP:
        return on_group_stop(recorder, stop);
    case STOP_EXITED:
    case STOP_KILLED:
        return record_domain_gone(recorder, stop);
    case STOP_BORN:    /* continued after a group stop */
    case STOP_EXITING: /* not asked for */
    case STOP_TICK:
    case STOP_NONE:
        return engine_pass(stop);
    }
    return NULL;
}

/* SIGKILL between two requests is no failure, the end is the next stop. Whatever else goes wrong while
 * recording ends the recording, never the program. */
struct error *record_domain_deal(struct recorder *recorder, const struct stop *stop) {
    struct thread *thread = recorder->thread;
    struct error *err = recorder_cause(recorder, on_stop(recorder, stop));
    if (error_is(err, ERROR_TASK_GONE)) {
        error_free(err);
        return NULL;
    }
    if (!err || recorder->mode != RECORDER_RECORDING)
        return err;
    recorder_stop(recorder, "%s", err->message);
    error_free(err);
    return stop->task->stopped ? record_pass(recorder->session, stop, thread) : NULL;
}

struct error *record_domain_stop(struct recorder *recorder, const struct stop *stop) {
    if (recorder->thread == recorder->turn && stop->kind != STOP_EXITED && stop->kind != STOP_KILLED)
        recorder->ending = NULL; /* a signal that should have been fatal was not: to init */
    recorder->stops++;
    TRY(record_sysbuf_drain(recorder));
    if (recorder->mode != RECORDER_RECORDING) /* that was not possible */
        return record_pass(recorder->session, stop, recorder->thread);
    if (record_turn_arrived(recorder, stop))
        TRY(record_domain_deal(recorder, stop));
    TRY(record_turn_next(recorder));
    record_sysbuf_update(recorder);
    return NULL;
}

static struct error *signal_ticks(struct recorder *recorder) {
    for (struct thread *thread = recorder->threads; thread; thread = thread->next)
        TRY(record_signal_tick(thread));
    return NULL;
}

struct error *record_domain_tick(struct recorder *recorder) {
    uint64_t now = clock_now();
    if (recorder->mode != RECORDER_RECORDING || !recorder->log)
        return NULL;
    record_sysbuf_update(recorder);
    if (now - recorder->flushed < FLUSH_INTERVAL)
        return signal_ticks(recorder);
    recorder->flushed = now;
    struct error *err = chunk_writer_push(recorder->log);
    if (err) {
        recorder_stop_error(recorder, err);
        return NULL;
    }
    return signal_ticks(recorder);
}

/* ---- its life ---- */

struct error *record_process_new(struct recorder *recorder, pid_t pid, struct process **ret) {
    struct process *process = calloc(1, sizeof(*process)), **last = &recorder->processes;
    if (!process)
        return &error_no_memory;
    process->pid = pid;
    process->info = &process->own;
    while (*last)
        last = &(*last)->next;
    *last = process;
    recorder->process_count++;
    *ret = process;
    return NULL;
}

void record_process_free(struct process *process) {
    insn_sites_deinit(&process->sites);
    record_sysbuf_drop(process);
    recording_process_deinit(&process->own);
    free(process->at_exit);
    free(process);
}

static void free_domain(struct recorder *recorder) {
    for (struct process *process = recorder->processes, *next; process; process = next) {
        next = process->next;
        record_process_free(process);
    }
    free(recorder);
}

struct error *record_domain_new(struct session *session, struct task *task, struct recorder **ret) {
    struct recorder *recorder = calloc(1, sizeof(*recorder));
    struct process *process;
    struct recorder **recorders =
        realloc(session->recorders, (session->recorder_count + 1) * sizeof(struct recorder *));
    if (recorders)
        session->recorders = recorders;
    if (!recorder || !recorders) {
        free(recorder);
        return &error_no_memory;
    }
    const struct recording_process info = {.domain = ++session->domain_count, .pid = task->tid};
    *recorder = (struct recorder){.session = session, .info = info, .domainfd = -1, .lane = session->lane};
    struct error *err = record_process_new(recorder, task->tid, &process);
    if (!err)
        err = record_thread_new(recorder, process, task, &process->leader);
    if (err) {
        free_domain(recorder);
        return err;
    }
    process->info = &recorder->info;
    recorder->thread = recorder->turn = process->leader;
    session->recorders[session->recorder_count++] = recorder;
    *ret = recorder;
    return NULL;
}

void record_domain_free(struct recorder *recorder) {
    for (struct thread *thread = recorder->threads, *next; thread; thread = next) {
        next = thread->next;
        record_thread_free(thread);
    }
    error_free(close_log(recorder));
    if (recorder->domainfd >= 0 && recorder->domainfd != recorder->session->recording.domainfd)
        close(recorder->domainfd);
    recording_process_deinit(&recorder->info);
    free(recorder->told);
    effects_deinit(&recorder->effects);
    buffer_deinit(&recorder->encoded);
    free(recorder->point);
    free(recorder->mapped);
    free_domain(recorder);
}
