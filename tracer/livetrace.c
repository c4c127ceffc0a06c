#include "tracer/livetrace.h"

#include "base/clock.h"
#include "base/say.h"
#include "tracer/agent_cure.h"
#include "tracer/attach.h"
#include "tracer/calltrace.h"
#include "tracer/drainer.h"
#include "tracer/inject.h"
#include "tracer/launch.h"
#include "tracer/process.h"
#include "tracer/syscall.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
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
    bool early;        /* made before its parent got its traps */
    struct stop stop;
};

/* What is known of a task between its stops. */
struct live_task {
    pid_t tid;
    bool in_exec; /* between PTRACE_EVENT_EXEC and the exit of execve */
    bool in_call;
    struct syscall_call call; /* for the syscall event */
};

struct livetrace {
    const struct livetrace_options *options;
    struct engine engine;
    struct calltrace *calltrace;
    struct drainer *drainer;
    pid_t pid; /* of the first process */
    bool launched;
    struct birth *births;
    size_t birth_count;
    struct live_task *tasks; /* sorted by tid; those of which something is known */
    size_t task_count, task_room;
    bool ended; /* the first process has */
    int status;
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

static void keep_first(struct error **kept, struct error *err) {
    if (*kept)
        error_free(err);
    else
        *kept = err;
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

/* ---- tasks ---- */

static size_t place_of(const struct livetrace *live, pid_t tid) {
    size_t low = 0, high = live->task_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (live->tasks[middle].tid < tid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct live_task *find_task(const struct livetrace *live, pid_t tid) {
    size_t i = place_of(live, tid);
    return i < live->task_count && live->tasks[i].tid == tid ? &live->tasks[i] : NULL;
}

/* Made when it is new; NULL when memory is out. Valid until the next call. */
static struct live_task *task_of(struct livetrace *live, pid_t tid) {
    struct live_task *known = find_task(live, tid);
    if (known)
        return known;
    if (live->task_count == live->task_room) {
        size_t room = live->task_room ? 2 * live->task_room : 16;
        struct live_task *grown = realloc(live->tasks, room * sizeof(*grown));
        if (!grown)
            return NULL;
        live->tasks = grown;
        live->task_room = room;
    }
    size_t i = place_of(live, tid);
    memmove(live->tasks + i + 1, live->tasks + i, (live->task_count - i) * sizeof(*live->tasks));
    live->task_count++;
    live->tasks[i] = (struct live_task){.tid = tid};
    return &live->tasks[i];
}

static void drop_task(struct livetrace *live, pid_t tid) {
    struct live_task *task = find_task(live, tid);
    if (!task)
        return;
    live->task_count--;
    memmove(task, task + 1, (live->task_count - (size_t)(task - live->tasks)) * sizeof(*task));
}

/* ---- new tasks ---- */

static pid_t thread_group(pid_t tid) {
    struct process_status status = {0};
    error_free(process_status(tid, &status));
    return status.tgid;
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

/* A failure of the tracer's own must not hold a task up. */
static struct error *resume_all_the_same(const struct livetrace *live, struct task *task, int signo,
                                         struct error *err) {
    struct error *resume_err = error_is(err, ERROR_TASK_GONE) ? NULL : resume(live, task, signo);
    if (!err)
        return resume_err;
    error_free(resume_err);
    return err;
}

/* Both stops have come: the child may go. */
static struct error *deliver(struct livetrace *live, struct birth *birth) {
    struct stop stop = birth->stop;
    pid_t parent = birth->parent;
    bool early = birth->early;
    if (!birth->born || !parent)
        return NULL;
    forget_birth(live, stop.task->tid);
    struct error *err = early ? calltrace_process(live->calltrace, stop.task, stop.task->tid, ORIGIN_FORK)
                              : introduce(live, stop.task, parent);
    return resume_all_the_same(live, stop.task, 0, err);
}

static struct error *on_new_task(struct livetrace *live, const struct stop *stop) {
    struct birth *birth = birth_of(live, (pid_t)stop->message);
    if (!birth)
        return &error_no_memory;
    birth->parent = stop->task->tid;
    return resume_all_the_same(live, stop->task, 0, deliver(live, birth));
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
    struct live_task *task = task_of(live, stop->task->tid);
    if (!task)
        return &error_no_memory;
    task->in_exec = true;
    struct error *err = calltrace_exec_begins(live->calltrace, stop->task->tid);
    task_memory_reset(stop->task);
    struct error *resume_err = task_resume(stop->task, RESUME_SYSCALL, 0);
    keep_first(&err, resume_err);
    return err;
}

/* ---- system calls ---- */

static struct error *on_call_entry(struct livetrace *live, const struct stop *stop) {
    struct user_regs_struct regs;
    struct live_task *task = task_of(live, stop->task->tid);
    if (!task)
        return &error_no_memory;
    TRY(trace_get_registers(stop->task->tid, &regs));
    task->in_call = true;
    task->call = (struct syscall_call){.number = regs.orig_rax,
                                       .args = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9}};
    return resume(live, stop->task, 0);
}

static struct error *note_call(struct livetrace *live, const struct stop *stop, struct syscall_call *call) {
    struct user_regs_struct regs;
    const struct memory_reader memory = task_memory(stop->task);
    TRY(trace_get_registers(stop->task->tid, &regs));
    call->result = (int64_t)regs.rax;
    return calltrace_call(live->calltrace, stop->task->tid, call, &memory);
}

static struct error *on_call_exit(struct livetrace *live, const struct stop *stop) {
    struct live_task *task = find_task(live, stop->task->tid);
    struct error *err = NULL;
    if (task && task->in_exec) {
        task->in_exec = false;
        err = calltrace_process(live->calltrace, stop->task, stop->task->tid, ORIGIN_EXEC);
    }
    if (!err && task && task->in_call && live->options->trace->trace_syscalls)
        err = note_call(live, stop, &task->call);
    if (task)
        task->in_call = false;
    return resume_all_the_same(live, stop->task, 0, err);
}

/* ---- ends ---- */

static struct error *on_gone(struct livetrace *live, const struct stop *stop) {
    bool killed = stop->kind == STOP_KILLED;
    pid_t tid = stop->task->tid;
    forget_birth(live, tid);
    drop_task(live, tid);
    if (tid == live->pid) {
        live->ended = true;
        live->status = killed ? 128 + stop->status : stop->status;
    }
    return calltrace_gone(live->calltrace, tid, false, stop->status, killed ? stop->status : 0);
}

/* ---- dispatch ---- */

static struct error *on_signal(struct livetrace *live, struct stop *stop) {
    bool done;
    if (!stop->signo) /* settle() has found that there is nothing to deliver */
        return resume(live, stop->task, 0);
    struct error *err = calltrace_signal_stop(live->calltrace, stop, &done);
    return resume_all_the_same(live, stop->task, done ? 0 : stop->signo, err);
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
    case STOP_EXITING:
        return resume(live, stop->task, 0);
    case STOP_GROUP:
    case STOP_TICK:
    case STOP_NONE:
        break;
    }
    return engine_pass(stop);
}

/* What fails about one task that is gone is no failure (its memory may be gone first); a failure of the
 * tracer's own must not harm the program. */
static struct error *handle_stop(struct livetrace *live, struct stop *stop) {
    pid_t tid = stop->task->tid;
    struct error *err = on_stop(live, stop);
    if (error_is(err, ERROR_TASK_GONE) || (err && process_is_ended(tid))) {
        error_free(err);
        return NULL;
    }
    return err;
}

/* Out of the code of probes, before a signal is delivered. */
static struct error *settle(const struct livetrace *live, struct stop *stop) {
    struct error *err = stop->kind == STOP_SIGNAL ? calltrace_settle(live->calltrace, stop) : NULL;
    if (!error_is(err, ERROR_TASK_GONE))
        return err;
    error_free(err);
    return NULL;
}

/* ---- leaving ---- */

static bool is_waiting(const struct livetrace *live, pid_t tid) {
    for (size_t i = 0; i < live->birth_count; i++)
        if (live->births[i].tid == tid && live->births[i].born)
            return true;
    return false;
}

/* Stops of the process that are held already: the one in hand, and first stops that wait. */
static struct error *add_held(const struct livetrace *live, pid_t pid, const struct stop *held,
                              struct halt *halt) {
    if (held && held->task && engine_traces(&live->engine, held->task->tid) && held->task->stopped &&
        !is_waiting(live, held->task->tid) && thread_group(held->task->tid) == pid)
        TRY(halt_add(halt, held));
    for (size_t i = 0; i < live->birth_count; i++)
        if (live->births[i].born && thread_group(live->births[i].tid) == pid)
            TRY(halt_add(halt, &live->births[i].stop));
    return NULL;
}

/* Children whose making is among the stops have the bytes of the traps, which must be taken out of them, too:
 * they get a set of their own. */
static struct error *meet_children(struct livetrace *live, const struct halt *halt) {
    for (size_t i = 0; i < halt->count; i++) {
        const struct stop *stop = &halt->stops[i];
        if (stop->kind != STOP_NEW_TASK || thread_group((pid_t)stop->message) != (pid_t)stop->message)
            continue;
        struct task *child = engine_task(&live->engine, (pid_t)stop->message);
        if (!child)
            return &error_no_memory;
        TRY(introduce(live, child, stop->task->tid));
    }
    return NULL;
}

static void forget_left_births(struct livetrace *live) {
    for (size_t i = 0; i < live->birth_count;)
        if (live->births[i].born && !engine_traces(&live->engine, live->births[i].tid))
            live->births[i] = live->births[--live->birth_count];
        else
            i++;
}

/* A child that uses the memory is among those just made: its parent will wait for it in the kernel. */
static bool has_vfork(const struct halt *halt) {
    for (size_t i = 0; i < halt->count; i++) {
        pid_t child = (pid_t)halt->stops[i].message;
        if (halt->stops[i].kind == STOP_NEW_TASK && thread_group(child) == child &&
            trap_shares_memory(halt->stops[i].task->tid, child))
            return true;
    }
    return false;
}

/* Not yet: all go on as after any other stop, and leaving is tried again. First stops wait for their parents'
 * as they did. */
static struct error *leave_later(struct livetrace *live, struct halt *halt) {
    struct error *kept = NULL;
    for (size_t i = 0; i < halt->count; i++)
        if (halt->stops[i].task->stopped && !is_waiting(live, halt->stops[i].task->tid)) {
            keep_first(&kept, settle(live, &halt->stops[i]));
            keep_first(&kept, handle_stop(live, &halt->stops[i]));
        }
    halt_deinit(halt);
    return kept ? kept : error_new(ERROR_OTHER, "a process waits in the kernel and cannot be left now");
}

/* What attaching and leaving cost the process. */
static void say_pause(pid_t pid, const char *what, uint64_t began) {
    say_verbose("process %d was %s: it stood still for %.1f ms", pid, what,
                (double)(clock_now() - began) / CLOCK_MILLISECOND);
}

static struct error *leave_process(struct livetrace *live, pid_t pid, const struct stop *held) {
    struct halt halt = {0};
    size_t patched_away = 0;
    const uint64_t began = clock_now();
    struct error *err = add_held(live, pid, held, &halt);
    if (!err)
        err = halt_process(&live->engine, pid, &halt);
    if (error_is(err, ERROR_OTHER) || has_vfork(&halt)) {
        error_free(err);
        return leave_later(live, &halt);
    }
    if (error_is(err, ERROR_TASK_GONE)) {
        error_free(err);
        err = NULL;
    }
    if (!err)
        err = meet_children(live, &halt);
    keep_first(&err, calltrace_disarm(live->calltrace, pid, &halt));
    struct error *detach_err =
        detach(&live->engine, pid, calltrace_traps(live->calltrace, pid), &halt, &patched_away);
    forget_left_births(live);
    say_pause(pid, "left", began);
    if (patched_away)
        say("%zu probed instructions of process %d have been changed by the program: left as they are",
            patched_away, pid);
    if (!err)
        return detach_err;
    error_free(detach_err);
    return err;
}

/* A process that is traced, and not among those that were left already. Those that the tracer knows come
 * first, since their children may turn out to be the others. 0: none. */
static pid_t next_to_leave(const struct livetrace *live, const pid_t *left, size_t count) {
    pid_t stranger = 0;
    for (size_t i = 0; i < live->engine.count; i++) {
        pid_t group = thread_group(live->engine.tasks[i]->tid);
        bool done = !group;
        for (size_t k = 0; k < count && !done; k++)
            done = left[k] == group;
        if (!done && calltrace_knows(live->calltrace, group))
            return group;
        if (!done)
            stranger = group;
    }
    return stranger;
}

static struct error *leave_all(struct livetrace *live, const struct stop *held) {
    pid_t *left = NULL, pid;
    size_t count = 0;
    struct error *kept = NULL;
    while ((pid = next_to_leave(live, left, count))) {
        pid_t *grown = realloc(left, (count + 1) * sizeof(*grown));
        if (!grown) {
            free(left);
            error_free(kept);
            return &error_no_memory;
        }
        left = grown;
        left[count++] = pid;
        struct error *err = leave_process(live, pid, held);
        if (error_is(err, ERROR_OTHER)) { /* the others go on, too: some may use its memory */
            free(left);
            error_free(kept);
            return err;
        }
        if (error_is(err, ERROR_TASK_GONE) || kept)
            error_free(err);
        else
            kept = err;
    }
    free(left);
    return kept;
}

static void pass_on(struct livetrace *live) {
    int signo = stop_asked;
    stop_asked = 0;
    if (signo && live->launched)
        kill(live->pid, signo);
}

/* A launched program that is no longer traced: wait for its end, for its status. */
static void wait_for_end(struct livetrace *live) {
    int status;
    if (!live->launched || live->ended || !live->pid || engine_traces(&live->engine, live->pid))
        return;
    while (waitpid(live->pid, &status, 0) < 0)
        if (errno != EINTR)
            return;
        else
            pass_on(live);
    live->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Is a child whose making was told still to come? It may be a vfork child, which holds its parent up. */
static bool expects_birth(const struct livetrace *live) {
    for (size_t i = 0; i < live->birth_count; i++)
        if (!live->births[i].born && engine_traces(&live->engine, live->births[i].tid))
            return true;
    return false;
}

/* Leave when it is time to. A process whose vfork child uses its memory cannot be left: that will not take
 * long. */
static struct error *leave_if_possible(struct livetrace *live, const struct stop *stop, bool *ret_left) {
    *ret_left = false;
    if (calltrace_borrows(live->calltrace) || expects_birth(live))
        return NULL;
    struct error *err = leave_all(live, stop->kind == STOP_TICK ? NULL : stop);
    if (error_is(err, ERROR_OTHER) && live->engine.count) {
        say_verbose("%s; trying again", err->message);
        error_free(err);
        return NULL;
    }
    *ret_left = true;
    return err;
}

static struct error *loop(struct livetrace *live) {
    struct error *reason = NULL; /* why tracing has come to an end */
    for (bool left = false; !left;) {
        struct stop stop;
        struct error *err = engine_next(&live->engine, &stop);
        if (err || stop.kind == STOP_NONE) {
            keep_first(&reason, err);
            return reason;
        }
        err = settle(live, &stop);
        drainer_lock(live->drainer);
        keep_first(&reason, err);
        keep_first(&reason, drainer_error(live->drainer));
        keep_first(&reason,
                   stop.kind == STOP_TICK ? calltrace_flush(live->calltrace) : handle_stop(live, &stop));
        bool stopping = stop_asked && !live->launched;
        if (stop_asked && live->launched)
            pass_on(live);
        if (reason || stopping || calltrace_full(live->calltrace))
            keep_first(&reason, leave_if_possible(live, &stop, &left));
        drainer_unlock(live->drainer);
    }
    return reason;
}

/* ---- beginning ---- */

/* Has it failed because somebody has killed the process? Its memory is gone some moments before its end can
 * be seen. */
static bool is_end(const struct error *err, pid_t pid) {
    const struct timespec moment = {.tv_nsec = 1000000};
    if (error_is(err, ERROR_TASK_GONE))
        return true;
    for (int i = 0; error_is(err, ERROR_SYSTEM) && i < 100 && !process_is_ended(pid); i++)
        nanosleep(&moment, NULL);
    return err && process_is_ended(pid);
}

static struct error *begin_launched(struct livetrace *live) {
    struct task *task;
    launch_save_signals();
    prepare_signals(live);
    TRY(launch(&live->engine, live->options->argv, false, &task));
    live->pid = task->tid;
    struct error *err = calltrace_process(live->calltrace, task, task->tid, ORIGIN_LAUNCH);
    if (is_end(err, live->pid)) {
        error_free(err);
        return NULL;
    }
    if (err) {
        kill(task->tid, SIGKILL); /* it has not run an instruction */
        return err;
    }
    if (live->options->trace->list_probes) {
        kill(task->tid, SIGKILL);
        return NULL;
    }
    TRY(engine_set_tick(TICK));
    err = resume(live, task, 0);
    if (!error_is(err, ERROR_TASK_GONE))
        return err;
    error_free(err); /* killed just now: its end comes as the next stop */
    return NULL;
}

/* Children that were being made when all was stopped. Threads are among the stops themselves. */
static struct error *expect_children(struct livetrace *live, const struct halt *halt) {
    for (size_t i = 0; i < halt->count; i++) {
        pid_t child = (pid_t)halt->stops[i].message;
        if (halt->stops[i].kind != STOP_NEW_TASK || thread_group(child) != child)
            continue;
        struct birth *birth = birth_of(live, child);
        if (!birth || !engine_task(&live->engine, child))
            return &error_no_memory;
        birth->parent = halt->stops[i].task->tid;
        birth->early = true;
    }
    return NULL;
}

/* One that calls can be injected into, the leader if possible; or NULL. */
static struct task *first_to_begin(const struct livetrace *live, const struct halt *halt) {
    struct task *first = NULL;
    for (size_t i = 0; i < halt->count; i++)
        if (inject_is_possible(halt->stops[i].kind) && (halt->stops[i].task->tid == live->pid || !first))
            first = halt->stops[i].task;
    return first;
}

static struct error *begin_threads(struct livetrace *live, struct halt *halt) {
    TRY(expect_children(live, halt));
    TRY(attach_settle(halt));
    struct task *first = first_to_begin(live, halt);
    if (!first)
        return error_new(ERROR_NOT_FOUND, "process %d: no thread of it can be traced", live->pid);
    TRY(calltrace_process(live->calltrace, first, live->pid, ORIGIN_ATTACH));
    for (size_t i = 0; i < halt->count; i++)
        if (halt->stops[i].task != first)
            TRY(calltrace_thread(live->calltrace, halt->stops[i].task, first->tid, halt->stops[i].task->tid,
                                 false));
    return calltrace_arm(live->calltrace, halt);
}

/* Of what another reel has left in it. */
static struct error *cure(struct livetrace *live, struct halt *halt) {
    size_t restored = 0;
    struct error *err = agent_cure(&live->engine, live->pid, halt, &restored);
    if (!err && restored)
        say("process %d: a reel that was killed had left %zu probes in it: they have been taken out",
            live->pid, restored);
    if (err)
        error_free(detach(&live->engine, live->pid, NULL, halt, NULL));
    return err;
}

static struct error *resume_attached(struct livetrace *live, struct halt *halt) {
    struct error *err = NULL;
    if (how_to_resume(live) == RESUME_CONT)
        return attach_resume(halt);
    for (size_t i = 0; !err && i < halt->count; i++)
        err = halt->stops[i].kind == STOP_SIGNAL || halt->stops[i].kind == STOP_GROUP
                  ? engine_pass(&halt->stops[i])
                  : resume(live, halt->stops[i].task, 0);
    halt_deinit(halt);
    return err;
}

static struct error *begin_attached(struct livetrace *live) {
    struct halt halt = {0};
    live->pid = live->options->pid;
    prepare_signals(live);
    TRY(attach_check(live->pid));
    TRY(calltrace_prepare(live->calltrace, live->pid));
    const uint64_t began = clock_now();
    TRY(attach(&live->engine, live->pid, &halt));
    TRY(cure(live, &halt));
    struct error *err = begin_threads(live, &halt);
    if (err) {
        error_free(calltrace_disarm(live->calltrace, live->pid, &halt));
        error_free(
            detach(&live->engine, live->pid, calltrace_traps(live->calltrace, live->pid), &halt, NULL));
        return err;
    }
    TRY(engine_set_tick(TICK));
    if (live->options->trace->list_probes) /* and out again */
        stop_asked = SIGINT;
    err = resume_attached(live, &halt);
    say_pause(live->pid, "attached to", began);
    return err;
}

/* Whatever was being done when it ended says nothing to the user. */
static struct error *begin_attached_alive(struct livetrace *live) {
    struct error *err = begin_attached(live);
    if (error_is(err, ERROR_NOT_FOUND) || !is_end(err, live->pid))
        return err;
    error_free(err);
    return error_new(ERROR_NOT_FOUND, "process %d: it has ended while reel was attaching to it", live->pid);
}

static void report(const struct livetrace *live) {
    struct calltrace_totals totals = calltrace_totals(live->calltrace);
    if (totals.path && !live->options->trace->list_probes)
        say("%llu functions traced; %llu events in %s%s", (unsigned long long)totals.functions,
            (unsigned long long)totals.events, totals.path, totals.files > 1 ? " and others" : "");
    if (totals.lost)
        say("%llu records of jump probes were lost: reel could not keep up (--lossless lets the program "
            "wait)",
            (unsigned long long)totals.lost);
    if (totals.dropped > totals.lost)
        say("%llu events were dropped: the trace has reached its limit",
            (unsigned long long)(totals.dropped - totals.lost));
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
    struct error *err = live.launched ? begin_launched(&live) : begin_attached_alive(&live);
    if (!err)
        err = drainer_create(live.calltrace, &live.drainer);
    if (!err)
        err = loop(&live);
    keep_first(&err, drainer_destroy(live.drainer));
    wait_for_end(&live);
    struct error *finish_err = calltrace_finish(live.calltrace);
    if (!err && !finish_err) {
        report(&live);
        *ret_status = options->trace->list_probes ? 0 : live.status;
    }
    calltrace_destroy(live.calltrace);
    engine_deinit(&live.engine);
    free(live.births);
    free(live.tasks);
    if (err)
        error_free(finish_err);
    return err ? err : finish_err;
}
