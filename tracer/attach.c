#include "tracer/attach.h"

#include "tracer/await.h"
#include "tracer/inject.h"
#include "tracer/process.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a thread may take to stop, in milliseconds. Longer means that it is in the kernel where nothing
 * but death reaches it. */
#define STOP_WAIT_MS 5000

#define CODE_SEGMENT_32 0x23
#define ERESTARTNOHAND  514 /* of the kernel: restart, unless a handler is run */

/* ---- halt ---- */

struct error *halt_add(struct halt *halt, const struct stop *stop) {
    if (halt->count == halt->room) {
        size_t room = halt->room ? halt->room * 2 : 16;
        struct stop *stops = realloc(halt->stops, room * sizeof(*stops));
        if (!stops)
            return &error_no_memory;
        halt->stops = stops;
        halt->room = room;
    }
    halt->stops[halt->count++] = *stop;
    return NULL;
}

void halt_deinit(struct halt *halt) {
    free(halt->stops);
    *halt = (struct halt){0};
}

/* Tasks that have been asked to stop; those before `waited` have been waited for. */
struct asked {
    struct task **tasks;
    size_t count, room, waited;
};

static struct error *asked_add(struct asked *asked, struct task *task) {
    if (asked->count == asked->room) {
        size_t room = asked->room ? asked->room * 2 : 16;
        struct task **tasks = realloc(asked->tasks, room * sizeof(*tasks));
        if (!tasks)
            return &error_no_memory;
        asked->tasks = tasks;
        asked->room = room;
    }
    asked->tasks[asked->count++] = task;
    return NULL;
}

static bool is_dealt_with(const struct halt *halt, const struct asked *asked, pid_t tid) {
    for (size_t i = 0; i < halt->count; i++)
        if (halt->stops[i].task->tid == tid)
            return true;
    for (size_t i = 0; i < asked->count; i++)
        if (asked->tasks[i]->tid == tid)
            return true;
    return false;
}

/* Calls that return EINTR when a tracer stops them, and may be made again instead. The others restart by
 * themselves, or must not be made twice (close). Source: signal(7), "Interruption of system calls"; those
 * that depend on a timeout (sockets) do so only with one. */
static bool may_be_made_again(long long number) {
    static const int calls[] = {
        SYS_epoll_wait,
        SYS_epoll_pwait,
        441 /* epoll_pwait2 */,
        SYS_rt_sigtimedwait,
        SYS_semop,
        SYS_semtimedop,
        SYS_io_getevents,
        333 /* io_pgetevents */,
        SYS_read,
        SYS_readv,
        SYS_recvfrom,
        SYS_recvmsg,
        SYS_recvmmsg,
        SYS_accept,
        SYS_accept4,
        SYS_connect,
        SYS_write,
        SYS_writev,
        SYS_sendto,
        SYS_sendmsg,
        SYS_sendmmsg,
        SYS_msgsnd,
        SYS_msgrcv,
        SYS_mq_timedreceive,
        SYS_mq_timedsend,

    };
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (number == calls[i])
            return true;
    return false;
}

/* With a signal handler the program gets its EINTR all the same. */
static struct error *hide_interruption(struct task *task) {
    struct user_regs_struct regs;
    TRY(trace_get_registers(task->tid, &regs));
    if ((long long)regs.orig_rax < 0 || (long long)regs.rax != -EINTR ||
        !may_be_made_again((long long)regs.orig_rax))
        return NULL;
    regs.rax = (unsigned long long)-ERESTARTNOHAND;
    return trace_set_registers(task->tid, &regs);
}

static struct error *does_not_stop(const struct task *task) {
    return error_new(ERROR_OTHER,
                     "task %d: does not stop; it waits in the kernel, maybe for a child or a disk",
                     task->tid);
}

static struct error *wait_for_one(struct task *task, struct halt *halt) {
    int status;
    struct error *err = await_stop(task, STOP_WAIT_MS, &status);
    if (error_is(err, ERROR_LIMIT)) {
        error_free(err);
        return does_not_stop(task);
    }
    TRY(err);
    struct stop stop = stop_classify(task, status);
    TRY(halt_add(halt, &stop));
    if (stop.kind == STOP_BORN || stop.kind == STOP_GROUP || stop.kind == STOP_SIGNAL)
        return hide_interruption(task);
    return NULL;
}

/* One that dies meanwhile is no error: its end is for engine_next(). */
static struct error *wait_for_asked(struct asked *asked, struct halt *halt) {
    struct error *first = NULL;
    for (; asked->waited < asked->count; asked->waited++) {
        struct error *err = wait_for_one(asked->tasks[asked->waited], halt);
        if (!err || error_is(err, ERROR_TASK_GONE) || first)
            error_free(err);
        else
            first = err;
    }
    return first;
}

/* ---- all threads ---- */

/* What is done with a thread in order to make it stop; ERROR_TASK_GONE when it has gone. */
typedef struct error *ask_function(struct engine *engine, pid_t tid);

static struct error *ask_tracee(struct engine *engine, pid_t tid) {
    (void)engine;
    return trace_interrupt(tid);
}

static bool is_mine(pid_t tid) {
    struct process_status status;
    struct error *err = process_status(tid, &status);
    bool mine = !err && status.tracer == getpid();
    error_free(err);
    return mine;
}

/* A thread that was made while we attach is traced by itself. */
static struct error *ask_stranger(struct engine *engine, pid_t tid) {
    struct error *err = trace_seize(tid, false);
    if (err && is_mine(tid)) {
        error_free(err);
        err = NULL;
    } else if (err && process_is_ended(tid)) {
        error_free(err);
        err = error_system(ESRCH, "task %d", tid);
    }
    TRY(err);
    return ask_tracee(engine, tid);
}

static struct error *ask_thread(struct engine *engine, pid_t tid, ask_function *ask, struct asked *asked) {
    struct error *err = ask(engine, tid);
    if (error_is(err, ERROR_TASK_GONE)) {
        error_free(err);
        return NULL;
    }
    TRY(err);
    struct task *task = engine_task(engine, tid);
    return task ? asked_add(asked, task) : &error_no_memory;
}

/* One reading of /proc/PID/task; *ret_new: there were threads not seen before. */
static struct error *ask_new_threads(struct engine *engine, pid_t pid, ask_function *ask,
                                     const struct halt *halt, struct asked *asked, bool *ret_new) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *directory = opendir(path);
    if (!directory)
        return errno == ENOENT ? error_system(ESRCH, "process %d", pid) : error_system(errno, "%s", path);
    struct error *err = NULL;
    *ret_new = false;
    for (struct dirent *entry; !err && (entry = readdir(directory));) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (tid <= 0 || is_dealt_with(halt, asked, tid) || process_is_ended(tid))
            continue;
        *ret_new = true;
        err = ask_thread(engine, tid, ask, asked);
    }
    closedir(directory);
    return err;
}

/* Until a reading finds nothing new: threads that are stopped make none. */
static struct error *stop_threads(struct engine *engine, pid_t pid, ask_function *ask, struct halt *halt) {
    struct asked asked = {0};
    struct error *err = NULL;
    for (bool is_new = true; is_new && !err;) {
        err = ask_new_threads(engine, pid, ask, halt, &asked, &is_new);
        struct error *wait_err = wait_for_asked(&asked, halt);
        if (err)
            error_free(wait_err);
        else
            err = wait_err;
    }
    free(asked.tasks);
    return err;
}

struct error *halt_process(struct engine *engine, pid_t pid, struct halt *halt) {
    return stop_threads(engine, pid, ask_tracee, halt);
}

/* ---- attach ---- */

static struct error *refuse_traced(const struct process_status *status, pid_t pid) {
    struct process_status tracer = {.name = "?"};
    error_free(process_status(status->tracer, &tracer));
    return error_hint(error_new(ERROR_UNSUPPORTED, "process %d: already traced by process %d (%s)", pid,
                                status->tracer, tracer.name),
                      "a process can have one tracer: end that one first");
}

struct error *attach_check(pid_t pid) {
    struct process_status status;
    if (pid <= 0)
        return error_new(ERROR_NOT_FOUND, "process %d: no such process", pid);
    TRY(process_status(pid, &status));
    if (pid == getpid() || status.tgid == getpid())
        return error_new(ERROR_UNSUPPORTED, "process %d: that is reel itself", pid);
    if (status.tgid != pid)
        return error_hint(error_new(ERROR_USAGE, "process %d: a thread of process %d", pid, status.tgid),
                          "attach to the process");
    if (status.tracer)
        return refuse_traced(&status, pid);
    if (!status.has_memory && status.state != 'Z' && status.state != 'X')
        return error_new(ERROR_UNSUPPORTED, "process %d: a kernel thread (%s)", pid, status.name);
    if (process_is_32_bit(pid))
        return error_new(ERROR_UNSUPPORTED, "process %d: a 32-bit program", pid);
    return NULL;
}

static int yama_scope(void) {
    int scope = 0;
    FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%d", &scope) != 1)
        scope = 0;
    fclose(file);
    return scope;
}

/* Why EPERM? */
static struct error *explain(struct error *err, pid_t pid) {
    struct process_status status;
    if (err->errnum != EPERM)
        return err;
    err = error_context(err, "process %d: not allowed to trace it", pid);
    struct error *status_err = process_status(pid, &status);
    if (status_err) {
        error_free(status_err);
        return err;
    }
    if (geteuid() != 0 && status.uid != geteuid())
        return error_hint(err, "it belongs to user %u: run reel as that user, or as root",
                          (unsigned)status.uid);
    switch (yama_scope()) {
    case 1:
        return error_hint(
            err, "kernel.yama.ptrace_scope is 1, which allows only children to be traced: run reel as "
                 "root, or `sysctl kernel.yama.ptrace_scope=0`");
    case 2:
        return error_hint(err, "kernel.yama.ptrace_scope is 2: run reel as root");
    case 3:
        return error_hint(err,
                          "kernel.yama.ptrace_scope is 3: nothing can be attached to until the next boot");
    default:
        return error_hint(
            err, "it may run with privileges that reel has not, or a policy (of a container) forbids "
                 "ptrace");
    }
}

/* Detach from those that were stopped. */
static void undo(struct engine *engine, struct halt *halt) {
    for (size_t i = 0; i < halt->count; i++) {
        const struct stop *stop = &halt->stops[i];
        struct error *err = trace_detach(stop->task->tid, stop->kind == STOP_SIGNAL ? stop->signo : 0);
        if (!err)
            engine_forget(engine, stop->task);
        error_free(err);
    }
    halt_deinit(halt);
}

static struct error *check_stopped(pid_t pid, const struct halt *halt) {
    if (!halt->count)
        return error_new(ERROR_UNSUPPORTED, "process %d: it has ended (a zombie)", pid);
    struct user_regs_struct regs;
    TRY(trace_get_registers(halt->stops[0].task->tid, &regs));
    if (regs.cs == CODE_SEGMENT_32)
        return error_new(ERROR_UNSUPPORTED, "process %d: a 32-bit program", pid);
    return NULL;
}

/* On to the stop that answers an interrupt, or the next one. */
static struct error *go_on(struct stop *stop) {
    int status;
    TRY(trace_interrupt(stop->task->tid));
    TRY(task_resume(stop->task, RESUME_CONT, 0));
    struct error *err = await_stop(stop->task, STOP_WAIT_MS, &status);
    if (error_is(err, ERROR_LIMIT)) {
        error_free(err);
        return does_not_stop(stop->task);
    }
    TRY(err);
    *stop = stop_classify(stop->task, status);
    return NULL;
}

/* The child that is made by vfork just now runs in the memory of the process, and stops it: not traced. */
static struct error *pass_vfork(struct engine *engine, struct stop *stop) {
    int status;
    struct task *child = engine_task(engine, (pid_t)stop->message);
    if (!child)
        return &error_no_memory;
    struct error *err = await_stop(child, STOP_WAIT_MS, &status);
    if (!err)
        err = trace_detach(child->tid, 0);
    engine_forget(engine, child);
    error_free(err); /* killed already, which ends the waiting, too */
    return go_on(stop);
}

static struct error *pass_vforks(struct engine *engine, struct halt *halt) {
    for (size_t i = 0; i < halt->count; i++) {
        struct stop *stop = &halt->stops[i];
        struct error *err = NULL;
        if (stop->kind == STOP_NEW_TASK && stop->vfork)
            err = pass_vfork(engine, stop);
        if (error_is(err, ERROR_TASK_GONE)) {
            error_free(err);
            halt->stops[i--] = halt->stops[--halt->count]; /* its end is for engine_next() */
            continue;
        }
        TRY(err);
    }
    return NULL;
}

struct error *attach_settle(struct halt *halt) {
    for (size_t i = 0; i < halt->count; i++) {
        struct stop *stop = &halt->stops[i];
        struct error *err = NULL;
        while (!err && !inject_is_possible(stop->kind) && stop->kind != STOP_EXITING)
            err = go_on(stop);
        if (error_is(err, ERROR_TASK_GONE)) {
            error_free(err);
            halt->stops[i--] = halt->stops[--halt->count];
            continue;
        }
        TRY(err);
    }
    return NULL;
}

struct error *attach(struct engine *engine, pid_t pid, struct halt *ret) {
    struct halt halt = {0};
    TRY(attach_check(pid));
    struct error *err = stop_threads(engine, pid, ask_stranger, &halt);
    if (!err)
        err = pass_vforks(engine, &halt);
    if (!err)
        err = check_stopped(pid, &halt);
    if (error_is(err, ERROR_TASK_GONE)) {
        error_free(err);
        err = error_new(ERROR_NOT_FOUND, "process %d: it has just ended", pid);
    }
    if (err) {
        undo(engine, &halt);
        return explain(err, pid);
    }
    *ret = halt;
    return NULL;
}

/* One reading of /proc/PID/task; threads that traced ones make are traced by themselves. */
static struct error *seize_new_threads(struct engine *engine, pid_t pid, unsigned flags, bool *ret_new) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *directory = opendir(path);
    if (!directory)
        return errno == ENOENT ? error_system(ESRCH, "process %d", pid) : error_system(errno, "%s", path);
    struct error *err = NULL;
    *ret_new = false;
    for (struct dirent *entry; !err && (entry = readdir(directory));) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (tid <= 0 || engine_traces(engine, tid) || process_is_ended(tid))
            continue;
        err = trace_seize_watched(tid, flags);
        if (err && (error_is(err, ERROR_TASK_GONE) || process_is_ended(tid))) {
            error_free(err);
            err = NULL;
            continue;
        }
        if (err && is_mine(tid)) {
            error_free(err);
            err = NULL;
        }
        *ret_new = true;
        if (!err && !engine_task(engine, tid))
            err = &error_no_memory;
    }
    closedir(directory);
    return err;
}

struct error *attach_running(struct engine *engine, pid_t pid, unsigned flags) {
    struct error *err = attach_check(pid);
    for (bool is_new = true; is_new && !err;)
        err = seize_new_threads(engine, pid, flags, &is_new);
    if (!err && !engine->count)
        return error_new(ERROR_UNSUPPORTED, "process %d: it has ended (a zombie)", pid);
    if (error_is(err, ERROR_TASK_GONE)) {
        error_free(err);
        return error_new(ERROR_NOT_FOUND, "process %d: it has just ended", pid);
    }
    return err ? explain(err, pid) : NULL;
}

struct error *attach_resume(struct halt *halt) {
    struct error *first = NULL;
    for (size_t i = 0; i < halt->count; i++) {
        struct error *err = engine_pass(&halt->stops[i]);
        if (!first)
            first = err;
        else
            error_free(err);
    }
    halt_deinit(halt);
    return first;
}

/* ---- detach ---- */

static struct error *ignore_gone(struct error *err) {
    if (!error_is(err, ERROR_TASK_GONE))
        return err;
    error_free(err);
    return NULL;
}

/* No task in a slot, or behind an int3. */
static struct error *vacate_all(struct trap_set *set, struct halt *halt) {
    for (size_t i = 0; i < halt->count; i++) {
        struct stop *stop = &halt->stops[i];
        int signo = stop->kind == STOP_SIGNAL ? stop->signo : 0;
        TRY(ignore_gone(trap_vacate(set, stop->task, &signo)));
        if (signo || stop->kind == STOP_SIGNAL) {
            stop->kind = STOP_SIGNAL;
            stop->signo = signo;
        }
    }
    return NULL;
}

/* Through the first task that lives. */
static struct error *remove_traps(struct trap_set *set, struct halt *halt, size_t *ret_patched_away) {
    TRY(vacate_all(set, halt));
    for (size_t i = 0; i < halt->count; i++) {
        struct stop *stop = &halt->stops[i];
        struct error *err = trap_set_withdraw(set, stop->task, ret_patched_away);
        if (!err)
            err = inject_prepare(stop);
        if (!err)
            err = trap_set_unmap(set, stop->task);
        if (!error_is(err, ERROR_TASK_GONE))
            return err;
        error_free(err);
    }
    return NULL;
}

/* Threads that have ended, and whose end nobody has seen yet: as long as they are ours, the end of the
 * process cannot be seen by its parent. */
static void reap_ended(struct engine *engine, pid_t pid) {
    for (size_t i = engine->count; i-- > 0;) {
        struct task *task = engine->tasks[i];
        struct process_status status;
        struct error *err = process_status(task->tid, &status);
        bool is_ended = !err && status.tgid == pid && status.state == 'Z' && task->tid != pid;
        error_free(err);
        if (is_ended && waitpid(task->tid, NULL, __WALL | WNOHANG) == task->tid)
            engine_forget(engine, task);
    }
}

struct error *detach(struct engine *engine, pid_t pid, struct trap_set *set, struct halt *halt,
                     size_t *ret_patched_away) {
    size_t patched_away = 0;
    TRY(ignore_gone(halt_process(engine, pid, halt)));
    if (set)
        TRY(remove_traps(set, halt, &patched_away));
    undo(engine, halt);
    reap_ended(engine, pid);
    if (ret_patched_away)
        *ret_patched_away = patched_away;
    return NULL;
}
