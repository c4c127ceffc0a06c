#include "replay/recorder.h"

#include "base/say.h"
#include "replay/record_sysbuf.h"
#include "replay/recorder_state.h"
#include "tracer/launch.h"
#include "tracer/sysbuf.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Milliseconds: logs are flushed about this often, however little is in them; and, while a signal waits for a
 * place. */
#define TICK         250
#define TICK_HURRIED 2
#define TICK_SHORT   10 /* with several threads, */
#define EARLY_TICKS  10 /* and this often at first */

/* Ticks are as short as the most impatient needs them. */
static struct error *set_tick(struct session *session) {
    const struct lane *lane = session->lane;
    bool is_short = lane->short_ticks || lane->early_ticks < EARLY_TICKS;
    return engine_set_tick(lane->hurried ? TICK_HURRIED : is_short ? TICK_SHORT : TICK);
}

struct error *record_hurry(struct session *session) {
    if (session->lane->hurried)
        return NULL;
    session->lane->hurried = true;
    return set_tick(session);
}

struct error *record_short_ticks(struct session *session) {
    if (session->lane->short_ticks)
        return NULL;
    session->lane->short_ticks = true;
    return set_tick(session);
}

static bool has_deferred(const struct recorder *recorder) {
    if (recorder->mode != RECORDER_RECORDING)
        return false;
    for (const struct thread *thread = recorder->threads; thread; thread = thread->next)
        if (thread->deferred_count)
            return true;
    return false;
}

/* Is it the lane's that has the lock? */
static bool is_here(const struct recorder *recorder) {
    return recorder->lane == recorder->session->lane && !recorder->moving;
}

static struct error *on_tick(struct session *session) {
    bool waiting = false;
    if (session->lane == &session->first)
        record_forward_signals(session);
    for (size_t i = 0; i < session->recorder_count; i++) {
        if (!is_here(session->recorders[i]))
            continue;
        TRY(record_filter_tick(session->recorders[i]));
        TRY(record_turn_tick(session->recorders[i]));
        TRY(record_domain_tick(session->recorders[i]));
        record_place_judge(session->recorders[i]);
        waiting = waiting || has_deferred(session->recorders[i]);
    }
    if (session->lane->hurried && !waiting) {
        session->lane->hurried = false;
        TRY(set_tick(session));
    }
    if (session->lane->early_ticks < EARLY_TICKS && ++session->lane->early_ticks == EARLY_TICKS)
        TRY(set_tick(session));
    if (clock_now() - session->lane->long_tick < TICK * 900000ull)
        return NULL;
    session->lane->long_tick = clock_now();
    record_place_balance(session);
    return record_tree_tick(session);
}

static struct error *on_recorded(struct recorder *recorder, const struct stop *stop) {
    struct error *err;
    if (recorder->mode == RECORDER_RECORDING)
        return record_domain_stop(recorder, stop);
    if (stop->kind == STOP_EXITED || stop->kind == STOP_KILLED)
        err = record_domain_gone(recorder, stop);
    else if (recorder->mode == RECORDER_STARTING)
        err = record_tree_start(recorder, stop);
    else
        err = record_pass(recorder->session, stop, recorder->thread);
    return recorder_cause(recorder, err);
}

static struct error *on_unrecorded(struct session *session, const struct stop *stop) {
    bool held;
    TRY(record_tree_hold(session, stop, &held));
    return held ? NULL : record_pass(session, stop, NULL);
}

static struct thread *find_thread(const struct session *session, const struct task *task) {
    return task ? table_find(&session->lane->threads, (uint32_t)task->tid) : NULL;
}

static struct error *dispatch(struct session *session, const struct stop *stop) {
    if (stop->kind == STOP_TICK)
        return on_tick(session);
    if (stop->kind == STOP_EXEC)
        TRY(record_thread_exec(session, stop->task, (pid_t)stop->message));
    if (stop->kind == STOP_NEW_TASK)
        TRY(record_untraced_born(session, stop));
    struct thread *thread = find_thread(session, stop->task);
    if (!thread)
        return on_unrecorded(session, stop);
    struct recorder *recorder = thread->recorder;
    recorder->thread = thread;
    return on_recorded(recorder, stop);
}

static struct error *deal_with(struct session *session, const struct stop *stop) {
    struct error *err = dispatch(session, stop);
    if (error_is(err, ERROR_TASK_GONE)) { /* SIGKILL between two requests: the end is the next stop */
        error_free(err);
        err = NULL;
    }
    for (size_t i = 0; i < session->recorder_count && !err; i++)
        if (is_here(session->recorders[i]))
            err = record_turn_release(session->recorders[i]);
    return err;
}

static struct error *adopt_orphans(struct session *session, const struct stop *stop) {
    struct stop born;
    do {
        TRY(record_tree_orphan(session, stop, find_thread(session, stop->task), &born));
        if (born.kind != STOP_NONE)
            TRY(deal_with(session, &born));
    } while (born.kind != STOP_NONE);
    return NULL;
}

void record_note_end(struct session *session, const struct stop *stop) {
    if (stop->task->tid != session->info.pid || session->over)
        return;
    session->exit_status = stop->kind == STOP_EXITED ? stop->status : 128 + stop->status;
    session->over = true;
}

bool record_handle(void *context, const struct stop *stop, struct error **ret_error) {
    struct session *session = context;
    bool gone = stop->kind == STOP_EXITED || stop->kind == STOP_KILLED;
    if (gone)
        record_note_end(session, stop);
    *ret_error = gone ? adopt_orphans(session, stop) : NULL;
    if (!*ret_error)
        *ret_error = deal_with(session, stop);
    if (!*ret_error && stop->kind == STOP_NEW_TASK) {
        struct stop born;
        record_tree_release(session, (pid_t)stop->message, &born);
        if (born.kind != STOP_NONE)
            *ret_error = deal_with(session, &born);
    }
    if (!*ret_error)
        *ret_error = record_tree_sweep(session);
    if (!*ret_error)
        *ret_error = record_lane_arrivals(session);
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
    struct recording_info *info = &recorder->session->info;
    char link[64], program[4096];
    TRY(recording_info_from_host(info));
    TRY(copy_strings(recorder->session->options->argv, &info->argv));
    TRY(copy_strings(environ, &info->env));
    snprintf(link, sizeof(link), "/proc/%d/exe", recorder->thread->process->pid);
    ssize_t size = readlink(link, program, sizeof(program) - 1);
    program[size > 0 ? size : 0] = 0;
    info->program = strdup(program);
    info->pid = recorder->thread->process->pid;
    info->processor = sched_getcpu();
    info->chaos = recorder->session->options->chaos;
    info->chaos_seed = recorder->session->options->chaos_seed;
    info->check_memory = recorder->session->options->check_memory;
    return info->program ? NULL : &error_no_memory;
}

static struct error *open_recording(struct recorder *recorder) {
    char *made = NULL;
    const char *path = recorder->session->options->output;
    if (!path) {
        TRY(default_output(recorder->session->options->argv[0], recorder->thread->process->pid, &made));
        path = made;
    }
    struct error *err =
        recording_create(path, recorder->session->options->max_size, &recorder->session->recording);
    free(made);
    if (err)
        return err;
    recorder->domainfd = recorder->session->recording.domainfd;
    recorder->info.ppid = getpid();
    recorder->info.start = START_LAUNCH;
    TRY(describe(recorder));
    file_store_init(&recorder->session->store, recorder->session->recording.filesfd,
                    &recorder->session->recording.budget);
    /* last: what has a recording.json can be replayed, whenever the recorder is killed */
    recorder->info.started = recorder->session->info.started;
    TRY(record_segment(recorder, 1));
    recorder->segment = 1;
    return recording_write_info(&recorder->session->recording, &recorder->session->info);
}

static void session_deinit(struct session *session) {
    for (size_t i = 0; i < session->recorder_count; i++)
        record_domain_free(session->recorders[i]);
    free(session->recorders);
    chunk_queue_destroy(session->log_queue);
    file_store_deinit(&session->store);
    record_place_deinit(session);
    record_code_deinit(session);
    recording_info_deinit(&session->info);
    recording_deinit(&session->recording);
    record_lane_deinit(session);
}

/* The program stands at the exit of its execve: the recording begins, or it does not run. */
static struct error *begin(struct session *session, struct task *task) {
    struct recorder *recorder;
    TRY(record_domain_new(session, task, &recorder));
    struct error *err = recorder_cause(recorder, open_recording(recorder));
    if (error_is(err, ERROR_TASK_GONE)) {
        error_free(err);
        err =
            error_new(ERROR_TASK_GONE, "%s: killed before its first instruction", session->options->argv[0]);
    }
    return err;
}

/* Logs are compressed wherever there is room. */
static struct error *create_queue(struct session *session) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
        return error_system(errno, "cannot ask which processors there are");
    return chunk_queue_create(&allowed, &session->log_queue);
}

static struct error *start(struct session *session) {
    struct task *task;
    TRY(engine_check_proc());
    for (int fd = 1; fd <= 2; fd++)
        session->has_output[fd - 1] = fstat(fd, &session->own_output[fd - 1]) == 0;
    TRY(create_queue(session)); /* before reel is bound to one processor */
    record_place_init(session);
    session->may_part = record_place_spreads(session) && !session->options->chaos;
    launch_raise_files(); /* each process needs a few */
    launch_save_signals();
    record_prepare_signals();
    if (session->options->buffer)
        launch_let_pass(SYSBUF_PASSED);
    TRY(launch(&session->lane->engine, session->options->argv, true, &task));
    struct error *err = begin(session, task);
    if (err) {
        kill(task->tid, SIGKILL); /* it has not run an instruction */
        recording_discard(&session->recording);
        return err;
    }
    bool parted;
    TRY(set_tick(session));
    TRY(record_lane_part(session->recorders[0], &parted));
    if (parted)
        return NULL;
    session->may_part = false; /* its stops are for this thread, too */
    record_place_new(session->recorders[0]);
    return task_resume(task, RESUME_CONT, 0);
}

/* What the first process has become: it may have gone on in other domains. */
static const struct recording_process *find_last(const struct recording_info *info) {
    const struct recording_process *last = &info->processes.list[0];
    while (last->left) {
        const struct recording_process *next = last;
        for (size_t i = 0; i < info->processes.count; i++)
            if (info->processes.list[i].domain == last->left)
                next = &info->processes.list[i];
        if (next == last)
            break;
        last = next;
    }
    return last;
}

/* Write recording.json for the last time. A failure is told, not returned: the program matters more. */
static void close_recording(struct session *session) {
    struct recording_info *info = &session->info;
    for (size_t i = 0; i < session->recorder_count; i++)
        session->recorders[i]->mode = RECORDER_OVER;
    say_error(record_tree_sweep(session));
    if (info->processes.count && info->processes.list[0].domain == 1) {
        const struct recording_process *first = &info->processes.list[0], *last = find_last(info);
        info->end = last->stopped ? END_STOPPED : last->end;
        info->status = last->stopped ? 0 : last->status;
        info->why = last->stopped ? strdup(last->stopped) : NULL;
        info->segments = first->segments;
        info->events = first->events;
    }
    info->state = RECORDING_COMPLETE;
    clock_gettime(CLOCK_REALTIME, &info->ended);
    say_error(recording_write_info(&session->recording, info));
}

static void tell(const struct session *session) {
    const struct recording_processes *processes = &session->info.processes;
    unsigned long long events = 0;
    for (size_t i = 0; i < processes->count; i++)
        events += processes->list[i].events;
    if (processes->count == 1)
        say("recorded %llu events in %s", events, session->recording.path);
    else
        say("recorded %llu events of %zu processes in %s", events, processes->count, session->recording.path);
}

struct error *recorder_run(const struct recorder_options *options, int *ret_status) {
    struct session session = {.options = options,
                              .chaos = {options->chaos, options->chaos_seed},
                              .recording = {.dirfd = -1, .domainfd = -1, .filesfd = -1}};
    TRY(record_lane_init(&session));
    record_chaos_init(&session);
    struct error *err = start(&session);
    if (!err)
        err = record_lane_run(&session);
    if (!err && !session.over)
        err = error_new(ERROR_OTHER, "%s: vanished without a trace of its end", options->argv[0]);
    if (!err) {
        *ret_status = session.exit_status;
        close_recording(&session);
        tell(&session);
    }
    if (error_is(err, ERROR_TASK_GONE)) { /* nothing but SIGKILL does that so early */
        say_error(err);
        err = NULL;
        *ret_status = 128 + SIGKILL;
    }
    session_deinit(&session);
    return err;
}
