#include "tracer/watch.h"

#include "base/say.h"
#include "tracer/launch.h"
#include "tracer/process.h"
#include "tracer/syscall.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* How often reel looks whether it is to stop, in milliseconds, should the signal come just before a wait. */
#define TICK 1000

/* A signal that a handler was run for: should that fail, or raise another one, this was the reason. */
struct fault {
    siginfo_t info;
    uint64_t rip, rsp;
};

struct watch {
    const struct watch_options *options;
    struct engine engine;
    pid_t pid; /* of the first process */
    bool launched, ended;
    int status;
    struct table reported; /* processes whose crash is reported */
    struct table faults;   /* struct fault of threads, owned */
    uint64_t oom_kills;    /* that the kernel had counted at the beginning */
};

/* ---- signals to reel ---- */

static volatile sig_atomic_t stop_asked, asked_by_kernel, stopped_by_terminal;

static void on_stop_asked(int signo, siginfo_t *info, void *context) {
    (void)context;
    asked_by_kernel = info->si_code > 0;
    stop_asked = signo;
}

static void on_terminal_stop(int signo) {
    (void)signo;
    stopped_by_terminal = 1;
}

/* A launched program gets what comes from the terminal itself; what is sent to reel alone, reel passes on.
 * The terminal stops whole jobs: reel waits until the program has stopped, and then stops itself, so that it
 * is there for as long as the program needs it. An attached process is left when reel is asked to end, and
 * reel does not stop, which would hold that process up at its next signal. */
static void prepare_signals(const struct watch *watch) {
    static const int asked[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT}, stops[] = {SIGTSTP, SIGTTIN, SIGTTOU};
    struct sigaction action = {.sa_sigaction = on_stop_asked, .sa_flags = SA_SIGINFO};
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
        if (!watch->launched || (asked[i] != SIGINT && asked[i] != SIGQUIT))
            sigaction(asked[i], &action, NULL);
        else
            signal(asked[i], SIG_IGN);
    for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
        signal(stops[i], watch->launched ? on_terminal_stop : SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

/* ---- what is known of processes ---- */

static bool is_reported(const struct watch *watch, pid_t pid) {
    return table_find(&watch->reported, (uint32_t)pid) != NULL;
}

static void set_reported(struct watch *watch, pid_t pid) {
    error_free(table_put(&watch->reported, (uint32_t)pid, watch)); /* any value; without it, reported twice */
}

static void forget_fault(struct watch *watch, pid_t tid) {
    free(table_find(&watch->faults, (uint32_t)tid));
    table_remove(&watch->faults, (uint32_t)tid);
}

static void remember_fault(struct watch *watch, const struct task *task) {
    struct user_regs_struct regs;
    struct fault *fault = table_find(&watch->faults, (uint32_t)task->tid);
    struct fault now = {0};
    struct error *err = trace_get_siginfo(task->tid, &now.info);
    if (!err)
        err = trace_get_registers(task->tid, &regs);
    if (!err && !fault) {
        fault = calloc(1, sizeof(*fault));
        err = fault ? table_put(&watch->faults, (uint32_t)task->tid, fault) : NULL;
        if (err) {
            free(fault);
            fault = NULL;
        }
    }
    if (!err && fault) {
        now.rip = regs.rip;
        now.rsp = regs.rsp;
        *fault = now;
    }
    error_free(err);
}

/* How many processes the kernel has killed for want of memory (/proc/vmstat). */
static uint64_t count_oom_kills(void) {
    char line[128];
    uint64_t count = 0;
    FILE *file = fopen("/proc/vmstat", "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "oom_kill %" SCNu64, &count) == 1)
            break;
    if (file)
        fclose(file);
    return count;
}

/* ---- a crash ---- */

static void tell(const struct crash_event *event, const char *name, const struct crash_outcome *outcome) {
    if (outcome->count > 1)
        say("%s (%d) crashed: %s; the same as before, %" PRIu64 " times by now, in %s", name, event->pid,
            outcome->summary, outcome->count, outcome->folder);
    else
        say("%s (%d) crashed: %s; report in %s", name, event->pid, outcome->summary, outcome->folder);
    if (outcome->problem)
        say("%s: no core; %s", outcome->folder, outcome->problem);
}

static void report(struct watch *watch, const struct crash_event *event, const char *name,
                   const struct halt *halt) {
    struct crash_outcome outcome = {0};
    struct error *err = crash_capture(&watch->options->crash, event, halt, &outcome);
    set_reported(watch, event->pid);
    if (!err)
        tell(event, name, &outcome);
    else
        say_error(error_context(err, "%s (%d) crashes, and there is no report", name, event->pid));
    crash_outcome_deinit(&outcome);
}

/* The thread that crashes goes first: then the others have no time for anything. */
static struct error *release(const struct stop *stop, struct halt *halt) {
    struct error *err = engine_pass(stop);
    for (size_t i = 0; i < halt->count; i++)
        if (halt->stops[i].task == stop->task)
            halt->stops[i].kind = STOP_NONE; /* resumed already */
    struct error *others = attach_resume(halt);
    if (!err)
        return others;
    error_free(others);
    return err;
}

/* A thread that does not stop (it waits for a disk) is left out; that is no reason to have no report. */
static struct error *capture(struct watch *watch, const struct stop *stop, const struct crash_event *event,
                             bool halts) {
    struct halt halt = {0};
    struct process_status status = {.name = "?"};
    const char *name = status.name;
    error_free(process_status(event->pid, &status)); /* its threads may have other names */
    struct error *err = halt_add(&halt, stop);
    if (!err && halts)
        error_free(halt_process(&watch->engine, event->pid, &halt));
    if (!err && process_is_32_bit(event->pid))
        say("%s (%d) crashes: no report, it is a 32-bit program", name, event->pid);
    else if (!err)
        report(watch, event, name, &halt);
    if (err)
        say_error(err);
    return release(stop, &halt);
}

/* ---- signals ---- */

/* Signals that a program may handle and that are about what it has done itself. */
static bool is_about_itself(int signo) {
    return signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE || signo == SIGILL || signo == SIGTRAP ||
           signo == SIGABRT || signo == SIGSYS;
}

/* The kernel forces SIGSEGV when it cannot write the handler's frame: nothing has moved then. Nothing has
 * moved either when the handler has raised the signal, which waits for its end: it would be met again. */
static void find_handler(const struct watch *watch, struct crash_event *event) {
    const struct fault *fault = table_find(&watch->faults, (uint32_t)event->task->tid);
    struct user_regs_struct regs;
    if (!fault)
        return;
    struct error *err = trace_get_registers(event->task->tid, &regs);
    bool same_place = !err && regs.rip == fault->rip && regs.rsp == fault->rsp;
    error_free(err);
    event->first = fault->info;
    if (same_place && event->info.si_code == SI_KERNEL && event->info.si_signo == SIGSEGV)
        event->handler = HANDLER_NOT_RUN;
    else if (same_place && event->info.si_code <= 0 && event->info.si_signo == fault->info.si_signo &&
             event->info.si_pid == event->pid)
        event->handler = HANDLER_RAISED;
    else
        event->handler = HANDLER_BEFORE;
}

static struct error *on_signal(struct watch *watch, const struct stop *stop) {
    struct process_status status;
    int signo = stop->signo;
    if (signo == SIGCHLD || signo == SIGCONT || signo == SIGURG || signo == SIGWINCH)
        return engine_pass(stop);
    struct error *err = process_status(stop->task->tid, &status);
    if (err) {
        error_free(err);
        return engine_pass(stop);
    }
    enum disposition disposition = process_disposition(&status, signo);
    if (disposition == DISPOSITION_HANDLED && is_about_itself(signo))
        remember_fault(watch, stop->task);
    if (disposition != DISPOSITION_FATAL || is_reported(watch, status.tgid))
        return engine_pass(stop);
    struct crash_event event = {.pid = status.tgid, .task = stop->task};
    err = trace_get_siginfo(stop->task->tid, &event.info);
    if (err) { /* killed just now */
        error_free(err);
        return engine_pass(stop);
    }
    event.info.si_signo = signo;
    find_handler(watch, &event);
    return capture(watch, stop, &event, true);
}

/* ---- ends ---- */

static size_t count_threads(pid_t pid) {
    struct process_status status = {0};
    error_free(process_status(pid, &status));
    return status.threads;
}

/* exit() of a thread is not that of its process, unless it is the last one. */
static bool ends_process(const struct task *task, pid_t pid) {
    enum { EXIT_GROUP = 231 };
    struct user_regs_struct regs;
    struct error *err = trace_get_registers(task->tid, &regs);
    bool is_group = !err && regs.orig_rax == EXIT_GROUP;
    error_free(err);
    return is_group || count_threads(pid) == 1;
}

/* About to end, all still there: with a status that counts as a crash, or of a signal that stopped nobody. */
static struct error *on_exiting(struct watch *watch, const struct stop *stop) {
    struct process_status status;
    int signo = (int)(stop->message & 0x7f), code = (int)(stop->message >> 8 & 0xff);
    if (signo == SIGKILL || (!signo && !watch->options->exit_statuses[code]))
        return engine_pass(stop);
    struct error *err = process_status(stop->task->tid, &status);
    if (err || is_reported(watch, status.tgid) || (!signo && !ends_process(stop->task, status.tgid))) {
        error_free(err);
        return engine_pass(stop);
    }
    struct crash_event event = {.pid = status.tgid, .task = stop->task, .exit_status = code, .unseen = signo};
    event.info.si_signo = signo;
    return capture(watch, stop, &event, false);
}

/* Its zombie is still there. */
static void on_end(struct watch *watch, const struct stop *stop) {
    struct process_status status = {0};
    pid_t tid = stop->task->tid;
    bool killed = stop->kind == STOP_KILLED;
    if (killed)
        error_free(process_status(tid, &status));
    if (killed && status.tgid == tid && stop->status == SIGKILL)
        say("%s (%d) was killed by SIGKILL%s: nothing could be kept of it", status.name, tid,
            count_oom_kills() > watch->oom_kills ? ", maybe by the kernel for want of memory" : "");
    else if (killed && status.tgid == tid && !is_reported(watch, tid))
        say("%s (%d) was killed by %s, which was not seen coming: there is no report%s", status.name, tid,
            signal_name(stop->status),
            stop->status == SIGSYS ? " (a filter has done it: --exits sees that)" : "");
    if (tid == watch->pid) {
        watch->ended = true;
        watch->status = killed ? 128 + stop->status : stop->status;
    }
    forget_fault(watch, tid);
    table_remove(&watch->reported, (uint32_t)tid);
    engine_bury(&watch->engine, stop);
}

/* ---- the loop ---- */

/* clone() makes processes, too, that PTRACE_O_TRACECLONE tells of. */
static struct error *on_born(struct watch *watch, const struct stop *stop) {
    struct process_status status = {0};
    pid_t tid = stop->task->tid;
    if (!watch->options->no_follow || tid == watch->pid)
        return engine_pass(stop);
    error_free(process_status(tid, &status));
    if (status.tgid != tid)
        return engine_pass(stop);
    struct error *err = trace_detach(tid, 0);
    if (!err)
        engine_forget(&watch->engine, stop->task);
    return err;
}

/* A filter kills without a stop: only the end can be seen. (Not that of a filter that only makes calls fail,
 * but nothing tells the two apart.) */
static unsigned flags_for(const struct watch *watch, pid_t tid) {
    struct process_status status = {0};
    const struct watch_options *options = watch->options;
    if (!options->exits)
        error_free(process_status(tid, &status));
    return (options->no_follow ? 0 : WATCH_PROCESSES) |
           (options->exits || status.has_filter ? WATCH_EXITS : 0);
}

/* The thread that called exec has its leader's number now. */
static struct error *on_exec(struct watch *watch, const struct stop *stop) {
    pid_t former = (pid_t)stop->message;
    if (former != stop->task->tid && engine_traces(&watch->engine, former)) {
        forget_fault(watch, former);
        engine_forget(&watch->engine, engine_task(&watch->engine, former));
    }
    forget_fault(watch, stop->task->tid);
    task_memory_reset(stop->task);
    TRY(trace_watch(stop->task->tid, flags_for(watch, stop->task->tid)));
    return engine_pass(stop);
}

static struct error *on_group_stop(const struct stop *stop) {
    TRY(engine_pass(stop));
    if (stopped_by_terminal) {
        stopped_by_terminal = 0;
        raise(SIGSTOP);
    }
    return NULL;
}

static struct error *on_stop(struct watch *watch, const struct stop *stop) {
    switch (stop->kind) {
    case STOP_SIGNAL:
        return on_signal(watch, stop);
    case STOP_EXITING:
        return on_exiting(watch, stop);
    case STOP_EXITED:
    case STOP_KILLED:
        on_end(watch, stop);
        return NULL;
    case STOP_EXEC:
        return on_exec(watch, stop);
    case STOP_BORN:
        return on_born(watch, stop);
    case STOP_GROUP:
        return on_group_stop(stop);
    default:
        return engine_pass(stop);
    }
}

static bool is_to_leave(struct watch *watch) {
    int signo = stop_asked;
    stop_asked = 0;
    if (!signo)
        return false;
    if (!watch->launched || watch->ended)
        return true;
    if (!asked_by_kernel)
        kill(watch->pid, signo);
    return false;
}

/* What fails about one task that is gone is no failure. */
static struct error *loop(struct watch *watch) {
    for (;;) {
        struct stop stop;
        if (is_to_leave(watch))
            return NULL;
        TRY(engine_peek(&watch->engine, &stop));
        if (stop.kind == STOP_NONE)
            return NULL;
        if (stop.kind == STOP_TICK)
            continue;
        struct error *err = on_stop(watch, &stop);
        if (error_is(err, ERROR_TASK_GONE)) {
            error_free(err);
            err = NULL;
        }
        TRY(err);
    }
}

/* ---- beginning ---- */

static struct error *begin(struct watch *watch) {
    const struct watch_options *options = watch->options;
    struct task *task;
    TRY(engine_check_proc());
    if (!watch->launched) {
        watch->pid = options->pid;
        prepare_signals(watch);
        TRY(attach_running(&watch->engine, options->pid, flags_for(watch, options->pid)));
        return engine_set_tick(TICK);
    }
    launch_save_signals();
    prepare_signals(watch);
    TRY(launch(&watch->engine, options->argv, false, &task));
    watch->pid = task->tid;
    TRY(engine_set_tick(TICK));
    struct error *err = trace_watch(task->tid, flags_for(watch, task->tid));
    if (!err)
        err = task_resume(task, RESUME_CONT, 0);
    if (!error_is(err, ERROR_TASK_GONE))
        return err;
    error_free(err); /* killed just now: its end is the next stop */
    return NULL;
}

static void deinit(struct watch *watch) {
    for (size_t i = 0; i < watch->faults.room; i++)
        free(watch->faults.slots[i].id ? watch->faults.slots[i].value : NULL);
    table_deinit(&watch->faults);
    table_deinit(&watch->reported);
    engine_deinit(&watch->engine);
}

struct error *watch_run(const struct watch_options *options, int *ret_status) {
    struct watch watch = {
        .options = options, .launched = options->argv != NULL, .oom_kills = count_oom_kills()};
    engine_init(&watch.engine);
    struct error *err = begin(&watch);
    if (!err && !watch.launched)
        say_verbose("watching process %d", watch.pid);
    if (!err)
        err = loop(&watch);
    if (!err)
        *ret_status = watch.launched ? watch.status : 0;
    deinit(&watch);
    return err;
}
