#include "tracer/livetrace.h"

#include "base/say.h"
#include "tracer/attach.h"
#include "tracer/calltrace.h"
#include "tracer/launch.h"
#include "tracer/syscall.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TICK 250 /* milliseconds */

/* A new task whose first stop came before the stop of the task that made it, or the other way round. */
struct birth {
    pid_t tid, parent; /* parent 0: not told yet */
    bool born;         /* its first stop is here and waits */
    struct stop stop;
};

/* A call that a task is in, for the syscall event. */
struct call {
    pid_t tid;
    struct syscall_call call;
    bool open;
};

struct livetrace {
    const struct livetrace_options *options;
    struct engine engine;
    struct calltrace *calltrace;
    pid_t pid; /* of the first process */
    bool launched;
    struct birth *births;
    size_t birth_count;
    struct call *calls;
    size_t call_count;
    pid_t *execs; /* tasks between PTRACE_EVENT_EXEC and the exit of execve */
    size_t exec_count;
    bool ended; /* the first process has */
    int status;
    bool leaving;
};

/* ---- signals to reel ---- */

static volatile sig_atomic_t stop_asked;

static void on_stop_asked(int signo) {
    stop_asked = signo;
}

/* A launched program gets Ctrl-C itself, and reel lives until it has ended; what is sent to reel alone, reel
 * passes on. An attached one is left on any of these. */
static void prepare_signals(const struct livetrace *live) {
    static const int asked[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction action = {.sa_handler = on_stop_asked};
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
        if (!live->launched || (asked[i] != SIGINT && asked[i] != SIGQUIT))
            sigaction(asked[i], &action, NULL);
        else
            signal(asked[i], SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

/* ---- the host's part ---- */

static int open_mapping(void *context, pid_t pid, const struct mapping *mapping, char **ret_name) {
    static const char deleted[] = " (deleted)";
    size_t size = strlen(mapping->name), tail = sizeof(deleted) - 1;
    (void)context;
    if (size > tail && strcmp(mapping->name + size - tail, deleted) == 0)
        size -= tail;
    *ret_name = strndup(mapping->name, size);
    return mapping_open(pid, mapping);
}

static uint64_t now(void *context) {
    struct timespec time;
    (void)context;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static enum resume how_to_resume(const struct livetrace *live) {
    return live->options->trace->trace_syscalls ? RESUME_SYSCALL : RESUME_CONT;
}

static struct error *resume(const struct livetrace *live, struct task *task, int signo) {
    return task_resume(task, how_to_resume(live), signo);
}

/* ---- new tasks ---- */

static pid_t thread_group(pid_t tid) {
    char path[64], line[128];
    int group = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", tid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "Tgid: %d", &group) == 1)
            break;
    if (file)
        fclose(file);
    return group;
}

static struct error *introduce(struct livetrace *live, struct task *task, pid_t parent) {
    pid_t group = thread_group(task->tid);
    if (calltrace_knows(live->calltrace, task->tid) || !calltrace_knows(live->calltrace, parent))
        return NULL;
    if (group != task->tid)
        return calltrace_thread(live->calltrace, task, parent, task->tid, true);
    return calltrace_fork(live->calltrace, task, parent, task->tid, trap_shares_memory(parent, task->tid));
}

static struct birth *birth_of(struct livetrace *live, pid_t tid) {
    for (size_t i = 0; i < live->birth_count; i++)
        if (live->births[i].tid == tid)
            return &live->births[i];
    struct birth *grown = realloc(live->births, (live->birth_count + 1) * sizeof(*grown));
    if (!grown)
        return NULL;
    live->births = grown;
    grown[live->birth_count] = (struct birth){.tid = tid};
    return &grown[live->birth_count++];
}

static void forget_birth(struct livetrace *live, pid_t tid) {
    for (size_t i = 0; i < live->birth_count; i++)
        if (live->births[i].tid == tid)
            live->births[i--] = live->births[--live->birth_count];
}

/* Both stops have come: the child may go. */
static struct error *deliver(struct livetrace *live, struct birth *birth) {
    struct stop stop = birth->stop;
    pid_t parent = birth->parent;
    if (!birth->born || !parent)
        return NULL;
    forget_birth(live, stop.task->tid);
    TRY(introduce(live, stop.task, parent));
    return resume(live, stop.task, 0);
}

static struct error *on_new_task(struct livetrace *live, const struct stop *stop) {
    struct birth *birth = birth_of(live, (pid_t)stop->message);
    if (!birth)
        return &error_no_memory;
    birth->parent = stop->task->tid;
    TRY(deliver(live, birth));
    return resume(live, stop->task, 0);
}

static struct error *on_born(struct livetrace *live, const struct stop *stop) {
    if (calltrace_knows(live->calltrace, stop->task->tid))
        return resume(live, stop->task, 0);
    struct birth *birth = birth_of(live, stop->task->tid);
    if (!birth)
        return &error_no_memory;
    birth->born = true;
    birth->stop = *stop;
    return deliver(live, birth);
}

/* ---- exec: the snapshot of a program is sound at the exit of execve only ---- */

static struct error *on_exec(struct livetrace *live, const struct stop *stop) {
    pid_t *grown = realloc(live->execs, (live->exec_count + 1) * sizeof(*grown));
    if (!grown)
        return &error_no_memory;
    live->execs = grown;
    grown[live->exec_count++] = stop->task->tid;
    task_memory_reset(stop->task);
    return task_resume(stop->task, RESUME_SYSCALL, 0);
}

static bool is_exec_done(struct livetrace *live, pid_t tid) {
    for (size_t i = 0; i < live->exec_count; i++)
        if (live->execs[i] == tid) {
            live->execs[i] = live->execs[--live->exec_count];
            return true;
        }
    return false;
}

/* ---- system calls ---- */

static struct call *call_of(struct livetrace *live, pid_t tid) {
    for (size_t i = 0; i < live->call_count; i++)
        if (live->calls[i].tid == tid)
            return &live->calls[i];
    struct call *grown = realloc(live->calls, (live->call_count + 1) * sizeof(*grown));
    if (!grown)
        return NULL;
    live->calls = grown;
    grown[live->call_count] = (struct call){.tid = tid};
    return &grown[live->call_count++];
}

static struct error *on_call_entry(struct livetrace *live, const struct stop *stop) {
    struct user_regs_struct regs;
    struct call *call = call_of(live, stop->task->tid);
    if (!call)
        return &error_no_memory;
    TRY(trace_get_registers(stop->task->tid, &regs));
    call->open = true;
    call->call = (struct syscall_call){.number = regs.orig_rax,
                                       .args = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9}};
    return resume(live, stop->task, 0);
}

static struct error *on_call_exit(struct livetrace *live, const struct stop *stop) {
    struct user_regs_struct regs;
    struct call *call = call_of(live, stop->task->tid);
    if (is_exec_done(live, stop->task->tid))
        TRY(calltrace_process(live->calltrace, stop->task, stop->task->tid, ORIGIN_EXEC));
    if (!call)
        return &error_no_memory;
    if (call->open && live->options->trace->trace_syscalls) {
        TRY(trace_get_registers(stop->task->tid, &regs));
        call->call.result = (int64_t)regs.rax;
        const struct memory_reader memory = task_memory(stop->task);
        TRY(calltrace_call(live->calltrace, stop->task->tid, &call->call, &memory));
    }
    call->open = false;
    return resume(live, stop->task, 0);
}

/* ---- ends ---- */

static struct error *on_gone(struct livetrace *live, const struct stop *stop) {
    bool killed = stop->kind == STOP_KILLED;
    pid_t tid = stop->task->tid;
    forget_birth(live, tid);
    if (tid == live->pid) {
        live->ended = true;
        live->status = killed ? 128 + stop->status : stop->status;
    }
    return calltrace_gone(live->calltrace, tid, false, stop->status, killed ? stop->status : 0);
}

/* ---- dispatch ---- */

static struct error *on_signal(struct livetrace *live, struct stop *stop) {
    bool done;
    TRY(calltrace_signal_stop(live->calltrace, stop, &done));
    return resume(live, stop->task, done ? 0 : stop->signo);
}

static struct error *on_stop(struct livetrace *live, struct stop *stop) {
    switch (stop->kind) {
    case STOP_SIGNAL:
        return on_signal(live, stop);
    case STOP_NEW_TASK:
        return on_new_task(live, stop);
    case STOP_BORN:
        return on_born(live, stop);
    case STOP_EXEC:
        return on_exec(live, stop);
    case STOP_SYSCALL_ENTRY:
        return on_call_entry(live, stop);
    case STOP_SYSCALL_EXIT:
        return on_call_exit(live, stop);
    case STOP_EXITED:
    case STOP_KILLED:
        return on_gone(live, stop);
    case STOP_VFORK_DONE:
    case STOP_SECCOMP:
        return resume(live, stop->task, 0);
    case STOP_GROUP:
    case STOP_TICK:
    case STOP_NONE:
        break;
    }
    return engine_pass(stop);
}

/* What fails about one task that is gone is no failure; a failure of the tracer's own must not harm the
 * program. */
static struct error *handle_stop(struct livetrace *live, struct stop *stop) {
    struct error *err = on_stop(live, stop);
    if (error_is(err, ERROR_TASK_GONE)) {
        error_free(err);
        return NULL;
    }
    return err;
}

/* ---- leaving ---- */

static struct error *leave_process(struct livetrace *live, pid_t pid, const struct stop *held) {
    struct halt halt = {0};
    size_t patched_away = 0;
    if (held && held->task && held->task->stopped)
        TRY(halt_add(&halt, held));
    for (size_t i = 0; i < live->birth_count; i++)
        if (live->births[i].born)
            TRY(halt_add(&halt, &live->births[i].stop));
    struct error *err =
        detach(&live->engine, pid, calltrace_traps(live->calltrace, pid), &halt, &patched_away);
    if (patched_away)
        say("%zu probed instructions of process %d have been changed by the program: left as they are",
            patched_away, pid);
    return err;
}

/* Processes that are traced, by their first threads. */
static size_t traced_processes(const struct livetrace *live, pid_t *ret, size_t most) {
    size_t count = 0;
    for (size_t i = 0; i < live->engine.count && count < most; i++) {
        pid_t group = thread_group(live->engine.tasks[i]->tid);
        bool known = false;
        for (size_t k = 0; k < count; k++)
            known |= ret[k] == group;
        if (group && !known)
            ret[count++] = group;
    }
    return count;
}

static struct error *leave_all(struct livetrace *live, const struct stop *held) {
    enum { MOST = 4096 };
    static pid_t pids[MOST];
    struct error *kept = NULL;
    size_t count = traced_processes(live, pids, MOST);
    live->leaving = true;
    for (size_t i = 0; i < count; i++) {
        bool holds = held && held->task && thread_group(held->task->tid) == pids[i];
        struct error *err = leave_process(live, pids[i], holds ? held : NULL);
        if (error_is(err, ERROR_TASK_GONE) || kept) {
            error_free(err);
            continue;
        }
        kept = err;
    }
    return kept;
}

/* A launched program that is no longer traced: wait for its end, for its status. */
static void wait_for_end(struct livetrace *live) {
    int status;
    if (!live->launched || live->ended)
        return;
    while (waitpid(live->pid, &status, 0) < 0)
        if (errno != EINTR)
            return;
        else if (stop_asked)
            kill(live->pid, stop_asked);
    live->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void pass_on(struct livetrace *live) {
    int signo = stop_asked;
    stop_asked = 0;
    if (signo && live->launched)
        kill(live->pid, signo);
}

static struct error *loop(struct livetrace *live) {
    for (;;) {
        struct stop stop;
        TRY(engine_next(&live->engine, &stop));
        if (stop.kind == STOP_NONE)
            return NULL;
        struct error *err = NULL;
        if (stop.kind == STOP_TICK)
            err = calltrace_flush(live->calltrace);
        else
            err = handle_stop(live, &stop);
        bool stopping = stop_asked && !live->launched;
        if (stop_asked && live->launched)
            pass_on(live);
        if (!err && !stopping && !calltrace_full(live->calltrace))
            continue;
        struct error *leave_err = leave_all(live, stop.kind == STOP_TICK ? NULL : &stop);
        if (err)
            error_free(leave_err);
        return err ? err : leave_err;
    }
}

/* ---- beginning ---- */

static struct error *begin_launched(struct livetrace *live) {
    struct task *task;
    launch_save_signals();
    prepare_signals(live);
    TRY(launch(&live->engine, live->options->argv, false, &task));
    live->pid = task->tid;
    struct error *err = calltrace_process(live->calltrace, task, task->tid, ORIGIN_LAUNCH);
    if (err) {
        kill(task->tid, SIGKILL); /* it has not run an instruction */
        return err;
    }
    TRY(engine_set_tick(TICK));
    return resume(live, task, 0);
}

static struct error *begin_threads(struct livetrace *live, const struct halt *halt, struct task *first) {
    TRY(calltrace_process(live->calltrace, first, live->pid, ORIGIN_ATTACH));
    for (size_t i = 0; i < halt->count; i++)
        if (halt->stops[i].task != first)
            TRY(calltrace_thread(live->calltrace, halt->stops[i].task, first->tid, halt->stops[i].task->tid,
                                 false));
    return NULL;
}

static struct error *begin_attached(struct livetrace *live) {
    struct halt halt = {0};
    struct task *first = NULL;
    live->pid = live->options->pid;
    prepare_signals(live);
    TRY(attach(&live->engine, live->pid, &halt));
    for (size_t i = 0; i < halt.count; i++)
        if (halt.stops[i].task->tid == live->pid || !first)
            first = halt.stops[i].task;
    struct error *err =
        first ? begin_threads(live, &halt, first)
              : error_new(ERROR_NOT_FOUND, "process %d: no thread of it can be traced", live->pid);
    if (err) {
        error_free(
            detach(&live->engine, live->pid, calltrace_traps(live->calltrace, live->pid), &halt, NULL));
        return err;
    }
    TRY(engine_set_tick(TICK));
    if (how_to_resume(live) == RESUME_CONT)
        return attach_resume(&halt);
    for (size_t i = 0; !err && i < halt.count; i++)
        err = halt.stops[i].kind == STOP_SIGNAL || halt.stops[i].kind == STOP_GROUP
                  ? engine_pass(&halt.stops[i])
                  : resume(live, halt.stops[i].task, 0);
    halt_deinit(&halt);
    return err;
}

static void report(const struct livetrace *live) {
    struct calltrace_totals totals = calltrace_totals(live->calltrace);
    if (totals.path)
        say("%llu functions traced; %llu events in %s%s", (unsigned long long)totals.functions,
            (unsigned long long)totals.events, totals.path, totals.files > 1 ? " and others" : "");
    if (totals.dropped)
        say("%llu events were dropped: the trace has reached its limit", (unsigned long long)totals.dropped);
}

struct error *livetrace_run(const struct livetrace_options *options, int *ret_status) {
    struct livetrace live = {.options = options, .launched = options->argv != NULL};
    const struct calltrace_host host = {
        .opener = {.open = open_mapping, .context = &live},
        .now = now,
        .context = &live,
        .arguments = (const char *const *)options->argv,
        .source = options->argv ? "launch" : "attach",
    };
    TRY(calltrace_create(options->trace, &host, &live.calltrace));
    engine_init(&live.engine);
    struct error *err = live.launched ? begin_launched(&live) : begin_attached(&live);
    if (!err)
        err = loop(&live);
    if (!err)
        wait_for_end(&live);
    struct error *finish_err = calltrace_finish(live.calltrace);
    if (!err && !finish_err) {
        report(&live);
        *ret_status = live.status;
    }
    calltrace_destroy(live.calltrace);
    engine_deinit(&live.engine);
    free(live.births);
    free(live.calls);
    free(live.execs);
    if (err)
        error_free(finish_err);
    return err ? err : finish_err;
}
