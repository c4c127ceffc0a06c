#include "replay/recorder.h"

#include "base/say.h"
#include "replay/recorder_state.h"
#include "tracer/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The log is flushed about this often (milliseconds), however little is in it. */
#define TICK 250

/* ---- the log ---- */

static struct error *close_log(struct recorder *recorder) {
    if (!recorder->log)
        return NULL;
    struct chunk_writer *log = recorder->log;
    recorder->log = NULL;
    return chunk_writer_close(log);
}

/* Write recording.json for the last time. A failure is told, not returned: the program matters more. */
static void finish(struct recorder *recorder, enum recording_end end, int status, const char *why) {
    struct recording_info *info = &recorder->info;
    if (info->state == RECORDING_COMPLETE)
        return;
    info->state = RECORDING_COMPLETE;
    info->end = end;
    info->status = status;
    info->segments = recorder->segment;
    info->events = recorder->events;
    clock_gettime(CLOCK_REALTIME, &info->ended);
    free(info->why);
    info->why = why ? strdup(why) : NULL;
    say_error(recording_write_info(&recorder->recording, info));
}

/* ---- children: not recorded, but theirs is the patched code, and the filter ---- */

static struct sharer *find_sharer(const struct recorder *recorder, pid_t tid) {
    for (size_t i = 0; i < recorder->sharing_count; i++)
        if (recorder->sharing[i].tid == tid)
            return &recorder->sharing[i];
    return NULL;
}

static struct error *add_sharer(struct recorder *recorder, pid_t tid, const struct insn_sites *sites) {
    struct sharer *sharing = realloc(recorder->sharing, (recorder->sharing_count + 1) * sizeof(*sharing));
    if (!sharing)
        return &error_no_memory;
    recorder->sharing = sharing;
    struct insn_site *copy = malloc((sites->count + 1) * sizeof(*copy));
    if (!copy)
        return &error_no_memory;
    if (sites->count)
        memcpy(copy, sites->sites, sites->count * sizeof(*copy));
    sharing[recorder->sharing_count++] = (struct sharer){
        .tid = tid, .sites = {.sites = copy, .count = sites->count, .room = sites->count + 1}};
    return NULL;
}

static void drop_sharer(struct recorder *recorder, pid_t tid) {
    struct sharer *sharer = find_sharer(recorder, tid);
    if (!sharer)
        return;
    insn_sites_deinit(&sharer->sites);
    *sharer = recorder->sharing[--recorder->sharing_count];
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
    error_free(add_sharer(recorder, recorder->pid, &recorder->sites)); /* its code is still patched */
    record_signal_release(recorder);
    recorder->phase = PHASE_RUNNING;
    if (recorder->log) {
        struct event event = {.kind = EVENT_STOPPED, .tid = recorder->pid};
        event.stopped.why = why;
        event.stopped.why_size = (uint32_t)strlen(why);
        buffer_clear(&recorder->encoded);
        event_encode(&event, &recorder->encoded);
        struct error *err =
            chunk_writer_append(recorder->log, recorder->encoded.data, recorder->encoded.size);
        if (!err)
            err = chunk_writer_flush(recorder->log);
        error_free(err); /* what was pending is lost with it: the recording ends at its last whole chunk */
        recorder->events = recorder->events_before + chunk_writer_records(recorder->log);
        error_free(close_log(recorder));
    }
    finish(recorder, END_STOPPED, 0, why);
    say_always(
        "recording stopped at event %llu: %s (the program runs on unrecorded; what was recorded replays)",
        (unsigned long long)recorder->events, why);
}

struct error *recorder_cause(const struct recorder *recorder, struct error *err) {
    struct user_regs_struct regs;
    if (!err || !recorder->task)
        return err;
    struct error *gone = trace_get_registers(recorder->task->tid, &regs);
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
    event->tid = recorder->task->tid;
    effects_finish(&recorder->effects, event);
    buffer_clear(&recorder->encoded);
    event_encode(event, &recorder->encoded);
    effects_clear(&recorder->effects);
    struct error *err = buffer_check(&recorder->encoded);
    if (!err)
        err = chunk_writer_append(recorder->log, recorder->encoded.data, recorder->encoded.size);
    if (err) {
        recorder_stop(recorder, "%s", err->message);
        error_free(err);
        return NULL;
    }
    recorder->events++;
    return NULL;
}

struct error *recorder_append_syscall(struct recorder *recorder, int64_t result, enum event_stream stream) {
    struct event event = {.kind = EVENT_SYSCALL};
    event.syscall.number = recorder->call.number;
    event.syscall.rip = recorder->entry.rip;
    memcpy(event.syscall.args, recorder->call.args, sizeof(event.syscall.args));
    event.syscall.result = result;
    event.syscall.registers_hash = registers_hash(&recorder->entry);
    event.syscall.stream = stream;
    return recorder_append(recorder, &event);
}

static struct error *pass_signal(struct recorder *recorder, const struct stop *stop,
                                 const struct sharer *sharer) {
    bool done = false;
    if (sharer)
        TRY(record_instruction(recorder, stop->task, &sharer->sites, &done));
    if (done)
        return task_resume(stop->task, RESUME_CONT, 0);
    if (stop->task == recorder->task)
        TRY(record_late_signal(recorder, stop->task));
    return engine_pass(stop);
}

/* A stop of a task that is not recorded. */
static struct error *pass(struct recorder *recorder, const struct stop *stop) {
    const struct sharer *sharer = stop->task ? find_sharer(recorder, stop->task->tid) : NULL;
    switch (stop->kind) {
    case STOP_SIGNAL:
        return pass_signal(recorder, stop, sharer);
    case STOP_NEW_TASK:
        if (sharer) {
            struct insn_sites sites = sharer->sites; /* the array stays where it is when the table grows */
            TRY(add_sharer(recorder, (pid_t)stop->message, &sites));
        }
        break;
    case STOP_SYSCALL_EXIT:
        if (stop->task == recorder->task)
            TRY(record_finish_call(recorder));
        break;
    case STOP_EXEC:
        task_memory_reset(stop->task);
        drop_sharer(recorder, stop->task->tid);
        break;
    case STOP_EXITED:
    case STOP_KILLED:
        drop_sharer(recorder, stop->task->tid);
        break;
    default:
        break;
    }
    return engine_pass(stop);
}

/* ---- stops of the recorded task ---- */

/* The terminal stops whole jobs, reel included. reel waits until the program has stopped, and then stops
 * itself: so the shell sees what it would have seen, and reel is there for as long as the program needs it. A
 * stop that was sent to the program alone leaves reel running. */
static volatile sig_atomic_t stopped_by_terminal;

static void on_terminal_stop(int signo) {
    (void)signo;
    stopped_by_terminal = 1;
}

static void stop_like_program(void) {
    if (!stopped_by_terminal)
        return;
    stopped_by_terminal = 0;
    raise(SIGSTOP);
}

static struct error *on_gone(struct recorder *recorder, const struct stop *stop) {
    bool exited = stop->kind == STOP_EXITED;
    struct event event = {.kind = EVENT_EXIT};
    event.exit.how = exited ? EXIT_STATUS : recorder->dying ? EXIT_SIGNAL : EXIT_KILLED;
    event.exit.status = stop->status;
    event.exit.core = stop->core;
    effects_clear(&recorder->effects);
    TRY(recorder_append(recorder, &event));
    if (recorder->mode == RECORDER_RECORDING) {
        struct error *err = close_log(recorder);
        if (err) {
            recorder_stop(recorder, "%s", err->message);
            error_free(err);
        }
    }
    finish(recorder, exited ? END_EXITED : END_SIGNALED, stop->status, NULL);
    recorder->exit_status = exited ? stop->status : 128 + stop->status;
    recorder->mode = RECORDER_OVER;
    recorder->task = NULL;
    return NULL;
}

static struct error *on_new_task(struct recorder *recorder, const struct stop *stop) {
    TRY(add_sharer(recorder, (pid_t)stop->message, &recorder->sites));
    return task_resume(stop->task, RESUME_SYSCALL, 0);
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
        recorder_stop(recorder, "%s", err->message);
    error_free(err);
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
    if (recorder->mode == RECORDER_RECORDING) {
        struct chunk_writer *old_log = recorder->log;
        recorder->log = NULL;
        struct error *err = record_segment(recorder, recorder->segment + 1);
        if (!err) {
            err = end_segment(recorder, old_log);
        } else {
            recorder->log = old_log;
            err = recorder_cause(recorder, err);
            if (!error_is(err, ERROR_TASK_GONE)) {
                recorder_stop(recorder, "%s", err->message);
                error_free(err);
                err = NULL;
            }
        }
        TRY(err);
    }
    record_drop_before(recorder);
    return task_resume(recorder->task, RESUME_CONT, 0);
}

static struct error *on_syscall_exit(struct recorder *recorder) {
    if (recorder->phase == PHASE_INJECTING)
        return record_injected(recorder);
    if (recorder->phase != PHASE_EXEC)
        return record_exit(recorder);
    recorder->phase = PHASE_RUNNING;
    return on_exec_done(recorder);
}

static struct error *on_signal_stop(struct recorder *recorder, const struct stop *stop) {
    if (recorder->phase == PHASE_DELIVERING) {
        bool handled;
        TRY(record_delivered(recorder, stop, &handled));
        if (handled)
            return NULL;
    }
    return record_signal(recorder, stop);
}

static struct error *on_stop(struct recorder *recorder, const struct stop *stop) {
    switch (stop->kind) {
    case STOP_SECCOMP:
    case STOP_SYSCALL_ENTRY:
        return record_entry(recorder);
    case STOP_SYSCALL_EXIT:
        return on_syscall_exit(recorder);
    case STOP_EXEC:
        task_memory_reset(stop->task);
        recorder->phase = PHASE_EXEC;
        return task_resume(stop->task, RESUME_SYSCALL, 0);
    case STOP_NEW_TASK:
        return on_new_task(recorder, stop);
    case STOP_VFORK_DONE:
        return task_resume(stop->task, RESUME_SYSCALL, 0);
    case STOP_SIGNAL:
        return on_signal_stop(recorder, stop);
    case STOP_GROUP: {
        struct error *err = task_resume(stop->task, RESUME_LISTEN, 0);
        if (!err)
            stop_like_program();
        return err;
    }
    case STOP_EXITED:
    case STOP_KILLED:
        return on_gone(recorder, stop);
    case STOP_BORN: /* continued after a group stop */
    case STOP_TICK:
    case STOP_NONE:
        return engine_pass(stop);
    }
    return NULL;
}

/* ---- signals to reel ----
 *
 * reel lives until the program has ended, whatever comes. What somebody sends to reel is meant for the
 * program and is passed on by the next tick. What the terminal sends, or the program itself to its process
 * group, the program gets anyway. */

struct received_signal {
    int signo;
    pid_t sender;
};
#define RECEIVED_MAX 64
static volatile struct received_signal received[RECEIVED_MAX];
static volatile sig_atomic_t received_count;

static void on_foreign_signal(int signo, siginfo_t *info, void *context) {
    (void)context;
    if (info->si_code > 0 || received_count >= RECEIVED_MAX) /* from the kernel: the terminal, limits */
        return;
    received[received_count].signo = signo;
    received[received_count].sender = info->si_pid;
    received_count = received_count + 1;
}

/* Signals stay blocked meanwhile, so that the list does not grow under our hands. */
static void forward_signals(struct recorder *recorder) {
    sigset_t all, before;
    if (!received_count)
        return;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    for (int i = 0; i < received_count; i++)
        if (recorder->task && !engine_traces(&recorder->engine, received[i].sender))
            kill(recorder->pid, received[i].signo);
    received_count = 0;
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static struct error *on_tick(struct recorder *recorder) {
    forward_signals(recorder);
    if (recorder->mode != RECORDER_RECORDING || !recorder->log)
        return NULL;
    struct error *err = chunk_writer_flush(recorder->log);
    if (err) {
        recorder_stop(recorder, "%s", err->message);
        error_free(err);
        return NULL;
    }
    return record_signal_tick(recorder);
}

static bool handle(void *context, const struct stop *stop, struct error **ret_error) {
    struct recorder *recorder = context;
    struct error *err;
    if (stop->kind == STOP_TICK)
        err = on_tick(recorder);
    else if (stop->task == recorder->task && recorder->mode == RECORDER_RECORDING)
        err = on_stop(recorder, stop);
    else if (stop->task == recorder->task && (stop->kind == STOP_EXITED || stop->kind == STOP_KILLED))
        err = on_gone(recorder, stop);
    else
        err = pass(recorder, stop);
    if (stop->task && stop->task == recorder->task)
        err = recorder_cause(recorder, err);
    if (error_is(err, ERROR_TASK_GONE)) { /* SIGKILL between two requests: the end is the next stop */
        error_free(err);
        err = NULL;
    }
    /* whatever goes wrong while recording ends the recording, never the program */
    if (err && recorder->mode == RECORDER_RECORDING) {
        recorder_stop(recorder, "%s", err->message);
        error_free(err);
        err = stop->task && stop->task->stopped ? engine_pass(stop) : NULL;
    }
    *ret_error = err;
    return true;
}

/* ---- beginning and end ---- */

static struct error *default_output(const char *program, pid_t pid, char **ret) {
    const char *slash = strrchr(program, '/');
    if (asprintf(ret, "%s-%d.reel", slash ? slash + 1 : program, pid) < 0)
        return &error_no_memory;
    return NULL;
}

static struct error *copy_strings(char *const *strings, char ***ret) {
    size_t count = 0;
    while (strings[count])
        count++;
    char **copy = calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < count; i++)
        copy[i] = strdup(strings[i]);
    *ret = copy;
    return copy ? NULL : &error_no_memory;
}

static struct error *describe(struct recorder *recorder) {
    struct recording_info *info = &recorder->info;
    char link[64], program[4096];
    TRY(recording_info_from_host(info));
    TRY(copy_strings(recorder->options->argv, &info->argv));
    TRY(copy_strings(environ, &info->env));
    snprintf(link, sizeof(link), "/proc/%d/exe", recorder->pid);
    ssize_t size = readlink(link, program, sizeof(program) - 1);
    program[size > 0 ? size : 0] = 0;
    info->program = strdup(program);
    info->pid = recorder->pid;
    info->check_memory = recorder->options->check_memory;
    return info->program ? NULL : &error_no_memory;
}

static struct error *open_recording(struct recorder *recorder) {
    char *made = NULL;
    const char *path = recorder->options->output;
    if (!path) {
        TRY(default_output(recorder->options->argv[0], recorder->pid, &made));
        path = made;
    }
    struct error *err = recording_create(path, recorder->options->max_size, &recorder->recording);
    free(made);
    if (err)
        return err;
    TRY(describe(recorder));
    file_store_init(&recorder->store, recorder->recording.filesfd, &recorder->recording.budget);
    /* last: what has a recording.json can be replayed, whenever the recorder is killed */
    TRY(record_segment(recorder, 1));
    recorder->segment = 1;
    return recording_write_info(&recorder->recording, &recorder->info);
}

/* Those that reel must take itself: ticks, job control, faults of its own. */
static bool belongs_to_reel(int signo) {
    static const int own[] = {SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGALRM, SIGCHLD, SIGCONT,
                              SIGPIPE, SIGXFSZ, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP, SIGABRT};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (own[i] == signo)
            return true;
    return false;
}

static void prepare_signals(void) {
    static const int stopping[] = {SIGTSTP, SIGTTIN, SIGTTOU};
    struct sigaction stop = {.sa_handler = on_terminal_stop};
    struct sigaction foreign = {.sa_sigaction = on_foreign_signal, .sa_flags = SA_SIGINFO};
    sigfillset(&foreign.sa_mask);
    for (size_t i = 0; i < sizeof(stopping) / sizeof(stopping[0]); i++)
        sigaction(stopping[i], &stop, NULL);
    for (int signo = 1; signo < NSIG; signo++)
        if (!belongs_to_reel(signo))
            sigaction(signo, &foreign, NULL); /* fails for the two that libc keeps to itself */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

static void recorder_deinit(struct recorder *recorder) {
    record_drop_before(recorder);
    error_free(close_log(recorder));
    file_store_deinit(&recorder->store);
    effects_deinit(&recorder->effects);
    buffer_deinit(&recorder->encoded);
    memory_ranges_deinit(&recorder->vectors);
    buffer_deinit(&recorder->vector_bytes);
    insn_sites_deinit(&recorder->sites);
    free(recorder->mapped);
    for (size_t i = 0; i < recorder->sharing_count; i++)
        insn_sites_deinit(&recorder->sharing[i].sites);
    free(recorder->sharing);
    recording_info_deinit(&recorder->info);
    recording_deinit(&recorder->recording);
    engine_deinit(&recorder->engine);
}

static struct error *start(struct recorder *recorder) {
    TRY(engine_check_proc());
    for (int fd = 1; fd <= 2; fd++)
        recorder->has_output[fd - 1] = fstat(fd, &recorder->own_output[fd - 1]) == 0;
    engine_pin(); /* the program then sees one processor, and most start no worker threads, which cannot be
                     recorded yet */
    launch_save_signals();
    prepare_signals();
    TRY(launch(&recorder->engine, recorder->options->argv, true, &recorder->task));
    recorder->pid = recorder->task->tid;
    struct error *err = open_recording(recorder);
    err = recorder_cause(recorder, err);
    if (error_is(err, ERROR_TASK_GONE)) {
        error_free(err);
        err =
            error_new(ERROR_TASK_GONE, "%s: killed before its first instruction", recorder->options->argv[0]);
    }
    if (err) {
        kill(recorder->pid, SIGKILL); /* it has not run an instruction */
        recording_discard(&recorder->recording);
        return err;
    }
    TRY(engine_set_tick(TICK));
    return task_resume(recorder->task, RESUME_CONT, 0);
}

struct error *recorder_run(const struct recorder_options *options, int *ret_status) {
    struct recorder recorder = {.options = options,
                                .recording = {.dirfd = -1, .domainfd = -1, .filesfd = -1}};
    engine_init(&recorder.engine);
    struct error *err = start(&recorder);
    bool never = false;
    const struct consumer consumer = {.handle = handle, .context = &recorder};
    if (!err)
        err = engine_run(&recorder.engine, &consumer, 1, &never);
    if (!err && recorder.mode != RECORDER_OVER)
        err = error_new(ERROR_OTHER, "%s: vanished without a trace of its end", options->argv[0]);
    if (!err) {
        struct recording_info *info = &recorder.info;
        *ret_status = recorder.exit_status;
        say("recorded %llu events in %s", (unsigned long long)info->events, recorder.recording.path);
    }
    if (error_is(err, ERROR_TASK_GONE)) { /* nothing but SIGKILL does that so early */
        say_error(err);
        err = NULL;
        *ret_status = 128 + SIGKILL;
    }
    recorder_deinit(&recorder);
    return err;
}
