/* record_tree: how the processes of a recording begin and end.
 *
 * A forked child is a copy of its parent, patches included: its first segment is a snapshot of it at its
 * first stop, before it has executed anything. A child that shares its parent's memory (vfork) belongs to its
 * parent until it executes a program; so does, in its way, the child of a program that is no longer recorded.
 * What is executed is recorded from the exit stop of that execve on.
 *
 * The stop that tells of a child and the child's own first stop come in any order. */
#include "replay/record_sysbuf.h"
#include "replay/recorder_state.h"

#include "base/say.h"
#include "tracer/process.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- what is said of a process ---- */

/* Arguments are kept up to here: there may be thousands of processes, and all of them are in recording.json.
 */
#define ARGUMENTS_SIZE 4096

static char **split_arguments(const char *text, size_t size) {
    size_t count = 0, used = 0;
    for (size_t i = 0; i < size; i++)
        count += text[i] == 0;
    char **ret = calloc(count + 2, sizeof(*ret));
    for (size_t at = 0; ret && at < size; at += strlen(text + at) + 1)
        if (!(ret[used++] = strdup(text + at)))
            break;
    return ret;
}

void record_tree_describe(const struct process *process) {
    struct recording_process *info = process->info;
    char path[64], text[ARGUMENTS_SIZE];
    snprintf(path, sizeof(path), "/proc/%d/exe", process->pid);
    ssize_t size = readlink(path, text, sizeof(text) - 1);
    text[size > 0 ? size : 0] = 0;
    free(info->program);
    info->program = strdup(text);
    snprintf(path, sizeof(path), "/proc/%d/cmdline", process->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size = fd >= 0 ? read(fd, text, sizeof(text) - 4) : -1;
    if (fd >= 0)
        close(fd);
    if (size < 0)
        size = 0;
    if (size == sizeof(text) - 4) /* there is more */
        size += snprintf(text + size, 4, "...") + 1;
    else if (size && text[size - 1])
        text[size++] = 0; /* a program may write what it likes there */
    recording_texts_free(info->argv);
    info->argv = split_arguments(text, (size_t)size);
}

const char *record_tree_name(const struct recorder *recorder) {
    const char *program = recorder->info.program ? recorder->info.program : "?";
    const char *slash = strrchr(program, '/');
    return slash ? slash + 1 : program;
}

/* ---- beginnings ---- */

static struct error *add(struct session *session, struct task *task, enum process_start start, pid_t parent,
                         uint32_t origin_domain, uint64_t origin_event, struct recorder **ret) {
    struct recorder *recorder;
    TRY(record_domain_new(session, task, &recorder));
    recorder->mode = RECORDER_STARTING;
    recorder->forked = start == START_FORK;
    recorder->info.start = start;
    recorder->info.ppid = parent;
    recorder->info.origin_domain = origin_domain;
    recorder->info.origin_event = origin_event;
    clock_gettime(CLOCK_REALTIME, &recorder->info.started);
    recorder->info.started.tv_nsec -= recorder->info.started.tv_nsec % 1000;
    *ret = recorder;
    return NULL;
}

struct error *record_tree_copy(const struct process *from, struct process *to) {
    struct insn_site *sites = malloc((from->sites.count + 1) * sizeof(*sites));
    if (!sites)
        return &error_no_memory;
    if (from->sites.count)
        memcpy(sites, from->sites.sites, from->sites.count * sizeof(*sites));
    to->sites =
        (struct insn_sites){.sites = sites, .count = from->sites.count, .room = from->sites.count + 1};
    memcpy(to->sigill_action, from->sigill_action, sizeof(to->sigill_action));
    memcpy(to->known_calls, from->known_calls, sizeof(to->known_calls));
    to->vdso_syscall = from->vdso_syscall;
    to->loop = from->loop;
    to->brk_end = from->brk_end;
    return NULL;
}

struct error *record_tree_child(struct recorder *recorder, pid_t tid) {
    struct session *session = recorder->session;
    uint64_t flags;
    if (!engine_traces(&session->lane->engine, tid)) /* it is gone already */
        return NULL;
    TRY(record_clone_flags(recorder, &flags));
    if (!(flags & CLONE_VM) && session->full)
        TRY(record_sysbuf_fork(recorder, tid, NULL));
    if (flags & CLONE_VM || session->full) {
        TRY(record_add_sharer(session->lane, tid, &recorder->thread->process->sites));
        struct sharer *sharer = record_find_sharer(session->lane, tid);
        sharer->parent = recorder->thread->process->pid;
        sharer->origin_domain = recorder->info.domain;
        sharer->origin_event = recorder->events;
        return NULL;
    }
    struct task *task = engine_task(&session->lane->engine, tid);
    struct recorder *child;
    if (!task)
        return &error_no_memory;
    TRY(add(session, task, START_FORK, recorder->thread->process->pid, recorder->info.domain,
            recorder->events, &child));
    TRY(record_inherit_affinity(recorder->thread, child->thread));
    child->thread->clear_tid = record_clear_tid(recorder);
    record_forget_changing(recorder);
    TRY(record_sysbuf_fork(recorder, tid, child->thread->process));
    return record_tree_copy(recorder->thread->process, child->thread->process);
}

/* Its recording cannot begin: it runs unrecorded, in code that may be patched. */
static struct error *refuse(struct recorder *recorder, struct error *err) {
    char name[16];
    recorder_note_error(recorder->session, err);
    record_tree_describe(recorder->thread->process);
    say_always("process %d (%s) is not recorded: %s", recorder->thread->process->pid,
               record_tree_name(recorder), err->message);
    recorder->mode = RECORDER_PASSING;
    recorder->info.stopped = strdup(err->message);
    error_free(err);
    snprintf(name, sizeof(name), "d%u", recorder->info.domain);
    unlinkat(recorder->session->recording.dirfd, name, AT_REMOVEDIR);
    return record_add_sharer(recorder->lane, recorder->thread->process->pid,
                             &recorder->thread->process->sites);
}

static struct error *begin(struct recorder *recorder) {
    recorder->thread->phase = PHASE_RUNNING;
    record_filter_begin(recorder);
    struct error *err =
        recording_make_domain(&recorder->session->recording, recorder->info.domain, &recorder->domainfd);
    if (!err)
        err = record_segment(recorder, 1);
    if (err) {
        err = recorder_cause(recorder, err);
        return error_is(err, ERROR_TASK_GONE) ? err : refuse(recorder, err);
    }
    recorder->segment = 1;
    recorder->mode = RECORDER_RECORDING;
    return NULL;
}

struct error *record_tree_start(struct recorder *recorder, const struct stop *stop) {
    if (stop->kind != (recorder->forked ? STOP_BORN : STOP_SYSCALL_EXIT))
        return engine_pass(stop);
    bool moved;
    TRY(begin(recorder));
    TRY(record_lane_part(recorder, &moved));
    if (moved)
        return NULL;
    record_place_new(recorder);
    return task_resume_later(stop->task, RESUME_CONT, 0);
}

struct error *record_tree_left(struct session *session, struct task *task, pid_t parent, uint32_t domain,
                               uint64_t event) {
    const struct stop stop = {.kind = STOP_SYSCALL_EXIT, .task = task};
    struct recorder *recorder;
    record_drop_sharer(session->lane, task->tid);
    if (session->full) {
        const struct insn_sites none = {0};
        TRY(record_add_sharer(session->lane, task->tid, &none));
        return engine_pass(&stop);
    }
    TRY(add(session, task, START_EXEC, parent, domain, event, &recorder));
    struct error *err = record_tree_start(recorder, &stop);
    if (!error_is(err, ERROR_TASK_GONE))
        return err;
    error_free(err); /* its end is the next stop */
    return NULL;
}

struct error *record_tree_exec(struct session *session, const struct stop *stop, struct thread *thread) {
    const struct sharer *sharer = record_find_sharer(session->lane, stop->task->tid);
    struct sharer origin = sharer ? *sharer : (struct sharer){0};
    struct recorder *recorder;
    record_drop_sharer(session->lane, stop->task->tid);
    if (session->full) {
        const struct insn_sites none = {0};
        TRY(record_add_sharer(session->lane, stop->task->tid, &none));
        return engine_pass(stop);
    }
    if (thread) { /* what was recorded of it before is one thing, this is another */
        origin.parent = thread->process->info->ppid;
        origin.origin_domain = thread->recorder->info.domain;
        origin.origin_event = thread->recorder->events;
        TRY(record_joined_part(thread->recorder, thread->process));
    }
    TRY(add(session, stop->task, START_EXEC, origin.parent, origin.origin_domain, origin.origin_event,
            &recorder));
    return task_resume_later(stop->task, RESUME_SYSCALL, 0);
}

/* ---- children whose first stop comes first ---- */

/* Field 4 of /proc/PID/stat; of a thread its own process. */
static pid_t parent_of(pid_t pid) {
    char path[64], text[512];
    struct process_status status;
    int parent = 0;
    struct error *err = process_status(pid, &status);
    if (!err && status.tgid != pid)
        return status.tgid;
    error_free(err);
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = 0;
    const char *at = strrchr(text, ')');
    return at && sscanf(at, ") %*c %d", &parent) == 1 ? parent : 0;
}

static void drop_newborn(struct session *session, size_t index) {
    session->lane->newborns[index] = session->lane->newborns[--session->lane->newborn_count];
}

struct error *record_tree_hold(struct session *session, const struct stop *stop, bool *ret_held) {
    *ret_held = false;
    for (size_t i = 0; i < session->lane->newborn_count; i++)
        if (session->lane->newborns[i].task == stop->task) { /* its end, while it waited */
            drop_newborn(session, i);
            return NULL;
        }
    if (stop->kind != STOP_BORN || record_find_sharer(session->lane, stop->task->tid))
        return NULL;
    struct newborn *newborns = reallocarray(session->lane->newborns, session->lane->newborn_count + 1,
                                            sizeof(*session->lane->newborns));
    if (!newborns)
        return &error_no_memory;
    session->lane->newborns = newborns;
    newborns[session->lane->newborn_count++] =
        (struct newborn){.task = stop->task, .parent = parent_of(stop->task->tid)};
    *ret_held = true;
    return NULL;
}

void record_tree_release(struct session *session, pid_t tid, struct stop *ret) {
    *ret = (struct stop){.kind = STOP_NONE};
    for (size_t i = 0; i < session->lane->newborn_count; i++) {
        if (session->lane->newborns[i].task->tid != tid)
            continue;
        *ret = (struct stop){.kind = STOP_BORN, .task = session->lane->newborns[i].task};
        drop_newborn(session, i);
        return;
    }
}

/* Killed in the middle of its fork, a parent tells nothing; but what it was is still known. */
struct error *record_tree_orphan(struct session *session, const struct stop *stop, struct thread *thread,
                                 struct stop *ret) {
    pid_t tid = 0;
    *ret = (struct stop){.kind = STOP_NONE};
    for (size_t i = 0; i < session->lane->newborn_count; i++)
        if (session->lane->newborns[i].parent == stop->task->tid)
            tid = session->lane->newborns[i].task->tid;
    if (!tid)
        return NULL;
    const struct sharer *sharer = record_find_sharer(session->lane, stop->task->tid);
    const struct insn_sites none = {0};
    struct insn_sites sites = sharer ? sharer->sites : none;
    if (thread && thread->recorder->mode == RECORDER_RECORDING && thread->joins) {
        recorder_stop(thread->recorder,
                      "a process was killed while it made another one that shares its memory");
        sites = thread->process->sites;
    }
    if (thread && thread->recorder->mode == RECORDER_RECORDING) {
        thread->recorder->thread = thread;
        TRY(record_tree_child(thread->recorder, tid));
    } else {
        TRY(record_add_sharer(session->lane, tid, &sites));
    }
    record_tree_release(session, tid, ret);
    return NULL;
}

/* One that has ended before its child's first stop was seen. */
struct error *record_tree_tick(struct session *session) {
    enum { TICKS_MOST = 4 };
    for (size_t i = session->lane->newborn_count; i-- > 0;) {
        if (++session->lane->newborns[i].ticks < TICKS_MOST)
            continue;
        const struct stop born = {.kind = STOP_BORN, .task = session->lane->newborns[i].task};
        const struct insn_sites none = {0};
        drop_newborn(session, i);
        TRY(record_add_sharer(session->lane, born.task->tid, &none));
        say_always("process %d is not recorded: its parent was killed before it told of it", born.task->tid);
        TRY(engine_pass(&born));
    }
    return NULL;
}

/* ---- ends ---- */

struct error *record_tree_sweep(struct session *session) {
    struct error *err = NULL;
    size_t before = session->recorder_count;
    for (size_t i = 0; i < session->recorder_count;) {
        struct recorder *recorder = session->recorders[i];
        if (recorder->mode != RECORDER_OVER) {
            i++;
            continue;
        }
        recorder->info.segments = recorder->segment;
        recorder->info.events = recorder->events;
        if (!err && !recorder->absorbed)
            err = recording_processes_add(&session->info.processes, &recorder->info);
        record_domain_free(recorder);
        session->recorders[i] = session->recorders[--session->recorder_count];
    }
    if (session->recorder_count < before)
        record_place_balance(session);
    return err;
}

void record_tree_deinit(struct lane *lane) {
    free(lane->newborns);
}
