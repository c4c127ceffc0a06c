#include "tracer/engine.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void engine_init(struct engine *engine) {
    memset(engine, 0, sizeof(*engine));
}

static void task_destroy(struct task *task) {
    if (!task)
        return;
    task_deinit(task);
    free(task);
}

void engine_deinit(struct engine *engine) {
    for (size_t i = 0; i < engine->count; i++)
        task_destroy(engine->tasks[i]);
    task_destroy(engine->gone);
    free(engine->tasks);
    table_deinit(&engine->by_tid);
    memset(engine, 0, sizeof(*engine));
}

struct task *engine_task(struct engine *engine, pid_t tid) {
    struct task *task = table_find(&engine->by_tid, (uint32_t)tid);
    if (task)
        return task;
    if (engine->count == engine->room) {
        size_t room = engine->room ? engine->room * 2 : 16;
        struct task **tasks = realloc(engine->tasks, room * sizeof(*tasks));
        if (!tasks)
            return NULL;
        engine->tasks = tasks;
        engine->room = room;
    }
    task = calloc(1, sizeof(*task));
    struct error *err = task ? table_put(&engine->by_tid, (uint32_t)tid, task) : NULL;
    if (!task || err) {
        error_free(err);
        free(task);
        return NULL;
    }
    task_init(task, tid);
    task->engine = engine;
    task->index = engine->count;
    engine->tasks[engine->count++] = task;
    return task;
}

static void drop_pending(struct engine *engine, struct task *task) {
    struct task **at = &engine->pending;
    if (!task->pending)
        return;
    while (*at != task)
        at = &(*at)->next_pending;
    *at = task->next_pending;
    task->pending = false;
}

static struct error *resume_pending(struct task *task) {
    struct error *err = trace_resume(task->tid, task->pending_how, task->pending_signo);
    if (!error_is(err, ERROR_TASK_GONE))
        return err;
    error_free(err);
    return NULL;
}

static struct error *resume_all(struct engine *engine) {
    struct error *err = NULL;
    while (engine->pending && !err) {
        struct task *task = engine->pending;
        drop_pending(engine, task);
        err = resume_pending(task);
    }
    return err;
}

struct error *task_resume_later(struct task *task, enum resume how, int signo) {
    struct engine *engine = task->engine;
    if (!engine || !engine->wait_begins)
        return task_resume(task, how, signo);
    if (how == RESUME_CONT && task->watched)
        how = RESUME_SYSCALL;
    drop_pending(engine, task);
    task->stopped = false;
    task->resumed_by = task->pending_how = how;
    task->pending_signo = signo;
    task->pending = true;
    task->next_pending = engine->pending;
    engine->pending = task;
    return NULL;
}

static void forget(struct engine *engine, struct task *task) {
    drop_pending(engine, task);
    engine->tasks[task->index] = engine->tasks[--engine->count];
    engine->tasks[task->index]->index = task->index;
    table_remove(&engine->by_tid, (uint32_t)task->tid);
    task_destroy(engine->gone);
    engine->gone = task;
}

void engine_forget(struct engine *engine, struct task *task) {
    forget(engine, task);
    task_destroy(engine->gone);
    engine->gone = NULL;
}

/* The timer fired: seen at once when engine_next() waits (waitpid() is interrupted), else when it is called
 * next. */
static _Thread_local volatile sig_atomic_t ticked;

static void on_tick(int signo) {
    (void)signo;
    ticked = 1;
}

static bool knows(const struct engine *engine, pid_t tid) {
    return table_find(&engine->by_tid, (uint32_t)tid) != NULL;
}

bool engine_traces(const struct engine *engine, pid_t tid) {
    return knows(engine, tid);
}

/* A task that its parent's stop speaks of counts as traced from then on, unless its end has been reported
 * already. */
static struct error *expect(struct engine *engine, pid_t tid) {
    for (size_t i = 0; i < ENGINE_ENDED; i++)
        if (engine->ended[i] == tid) {
            engine->ended[i] = 0;
            return NULL;
        }
    return engine_task(engine, tid) ? NULL : &error_no_memory;
}

/* Filters are inherited. */
static void inherit(struct engine *engine, const struct task *parent, pid_t tid) {
    struct task *child = table_find(&engine->by_tid, (uint32_t)tid);
    if (child)
        child->filtered = parent->filtered;
}

/* What waitpid() has said of tid. *ret_mine is false for processes that this one merely inherited (a shell's
 * background job before an exec): they are no concern of the engine. */
static struct error *take_status(struct engine *engine, pid_t tid, int status, struct stop *ret,
                                 bool *ret_mine) {
    *ret_mine = WIFSTOPPED(status) || knows(engine, tid);
    if (!*ret_mine) {
        engine->ended[engine->ended_next++ % ENGINE_ENDED] = tid;
        return NULL;
    }
    struct task *task = engine_task(engine, tid);
    if (!task)
        return &error_no_memory;
    *ret = stop_classify(task, status);
    if (ret->kind == STOP_EXITED || ret->kind == STOP_KILLED)
        forget(engine, task);
    if (ret->kind != STOP_NEW_TASK)
        return NULL;
    TRY(expect(engine, (pid_t)ret->message));
    inherit(engine, task, (pid_t)ret->message);
    return NULL;
}

/* Other threads of reel trace other tasks: not theirs. */
static struct error *wait_for_any(struct engine *engine, pid_t *ret, int *ret_status) {
    if (engine->wait_begins)
        engine->wait_begins(engine->wait_context);
    struct error *err = resume_all(engine);
    *ret = err ? 0 : waitpid(-1, ret_status, __WALL | __WNOTHREAD);
    int number = errno;
    if (engine->wait_ends)
        engine->wait_ends(engine->wait_context);
    errno = number;
    return err;
}

void engine_lost(struct engine *engine, struct task *task, struct stop *ret) {
    *ret = (struct stop){.kind = STOP_KILLED, .task = task, .status = SIGKILL};
    forget(engine, task);
}

struct error *engine_next(struct engine *engine, struct stop *ret) {
    task_destroy(engine->gone);
    engine->gone = NULL;
    for (bool mine = false; !mine;) {
        int status;
        pid_t tid = -1;
        *ret = (struct stop){.kind = STOP_NONE};
        if (!engine->count)
            return NULL;
        errno = EINTR;
        if (!ticked) /* a tick after this is for the next call: a stop that has been consumed must be returned
                      */
            TRY(wait_for_any(engine, &tid, &status));
        if (tid < 0 && errno == EINTR) {
            ticked = 0;
            *ret = (struct stop){.kind = STOP_TICK};
            return NULL;
        }
        if (tid < 0 && errno == ECHILD)
            return NULL;
        if (tid < 0)
            return error_system(errno, "waiting for the program");
        TRY(take_status(engine, tid, status, ret, &mine));
    }
    return NULL;
}

struct error *engine_next_of(struct engine *engine, struct task *task, bool wait, struct stop *ret) {
    int status;
    bool mine;
    pid_t tid;
    TRY(resume_all(engine));
    while ((tid = waitpid(task->tid, &status, __WALL | (wait ? 0 : WNOHANG))) < 0 && errno == EINTR)
        ;
    *ret = (struct stop){.kind = STOP_NONE};
    if (tid < 0)
        return error_system(errno == ECHILD ? ESRCH : errno, "waiting for task %d", task->tid);
    return tid ? take_status(engine, tid, status, ret, &mine) : NULL;
}

/* The status that waitpid() would give. */
static int wait_status(const siginfo_t *info) {
    switch (info->si_code) {
    case CLD_EXITED:
        return info->si_status << 8;
    case CLD_KILLED:
        return info->si_status;
    case CLD_DUMPED:
        return info->si_status | 0x80;
    default:
        return info->si_status << 8 | 0x7f;
    }
}

struct error *engine_peek(struct engine *engine, struct stop *ret) {
    task_destroy(engine->gone);
    engine->gone = NULL;
    for (;;) {
        siginfo_t info = {0};
        *ret = (struct stop){.kind = STOP_NONE};
        if (!engine->count)
            return NULL;
        if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOWAIT | __WALL | __WNOTHREAD) < 0) {
            if (errno != EINTR && errno != ECHILD)
                return error_system(errno, "waiting for the program");
            ret->kind = errno == EINTR ? STOP_TICK : STOP_NONE;
            return NULL;
        }
        if (info.si_code != CLD_TRAPPED && !knows(engine, info.si_pid)) { /* merely inherited */
            if (info.si_code != CLD_STOPPED)
                engine->ended[engine->ended_next++ % ENGINE_ENDED] = info.si_pid;
            waitpid(info.si_pid, NULL, __WALL | WNOHANG | WUNTRACED);
            continue;
        }
        struct task *task = engine_task(engine, info.si_pid);
        if (!task)
            return &error_no_memory;
        /* A thread that has got its leader's number by an exec is not to be talked to before this is taken.
         */
        if (info.si_code == CLD_TRAPPED && info.si_status >> 8 == PTRACE_EVENT_EXEC)
            waitpid(info.si_pid, NULL, __WALL | WNOHANG);
        *ret = stop_classify(task, wait_status(&info));
        return ret->kind == STOP_NEW_TASK ? expect(engine, (pid_t)ret->message) : NULL;
    }
}

void engine_bury(struct engine *engine, const struct stop *stop) {
    while (waitpid(stop->task->tid, NULL, __WALL | WNOHANG) < 0 && errno == EINTR)
        ;
    forget(engine, stop->task);
}

/* The thread's own: a child that was forked has none of it, whatever this says. */
static _Thread_local struct {
    pid_t owner; /* 0: there is none */
    timer_t timer;
} ticker;

static struct error *own_timer(void) {
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    pid_t tid = gettid();
    if (ticker.owner == tid)
        return NULL;
    event._sigev_un._tid = tid; /* timer_create(2); glibc has no name for it */
    if (timer_create(CLOCK_MONOTONIC, &event, &ticker.timer) < 0)
        return error_system(errno, "timer");
    ticker.owner = tid;
    return NULL;
}

struct error *engine_set_tick(unsigned milliseconds) {
    struct sigaction action = {.sa_handler = on_tick}; /* no SA_RESTART: waitpid() must return EINTR */
    struct timespec interval = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000l};
    struct itimerspec timer = {.it_interval = interval, .it_value = interval};
    if (!milliseconds) {
        if (ticker.owner == gettid())
            timer_delete(ticker.timer);
        ticker.owner = 0;
        return NULL;
    }
    if (sigaction(SIGALRM, &action, NULL) < 0)
        return error_system(errno, "timer");
    TRY(own_timer());
    if (timer_settime(ticker.timer, 0, &timer, NULL) < 0)
        return error_system(errno, "timer");
    return NULL;
}

struct error *engine_check_proc(void) {
    char self[32] = "";
    if (readlink("/proc/self", self, sizeof(self) - 1) < 0)
        return error_system(errno, "/proc/self");
    if (strtol(self, NULL, 10) == getpid())
        return NULL;
    return error_hint(error_new(ERROR_UNSUPPORTED, "/proc: belongs to another PID namespace"),
                      "mount one of this namespace: unshare --mount-proc");
}

void engine_pin(void) {
    cpu_set_t one;
    int processor = sched_getcpu();
    if (processor < 0)
        return;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    (void)sched_setaffinity(0, sizeof(one), &one);
}

void engine_pin_to(int processor) {
    cpu_set_t one;
    CPU_ZERO(&one);
    if (processor >= 0 && processor < CPU_SETSIZE)
        CPU_SET(processor, &one);
    if (!CPU_COUNT(&one) || sched_setaffinity(0, sizeof(one), &one) < 0)
        engine_pin();
}

struct error *engine_pass(const struct stop *stop) {
    struct error *err = NULL;
    switch (stop->kind) {
    case STOP_EXITED:
    case STOP_KILLED:
    case STOP_TICK:
    case STOP_NONE:
        return NULL;
    case STOP_SIGNAL:
        err = task_resume(stop->task, RESUME_CONT, stop->signo);
        break;
    case STOP_GROUP:
        err = task_resume(stop->task, RESUME_LISTEN, 0);
        break;
    default:
        err = task_resume(stop->task, RESUME_CONT, 0);
        break;
    }
    if (error_is(err, ERROR_TASK_GONE)) {
        error_free(err);
        return NULL;
    }
    return err;
}

struct error *engine_run(struct engine *engine, const struct consumer *consumers, size_t count,
                         const bool *done) {
    while (!*done) {
        struct stop stop;
        TRY(engine_next(engine, &stop));
        if (stop.kind == STOP_NONE)
            return NULL;
        bool handled = false;
        for (size_t i = 0; i < count && !handled; i++) {
            struct error *err = NULL;
            handled = consumers[i].handle(consumers[i].context, &stop, &err);
            if (err)
                return err;
        }
        if (!handled)
            TRY(engine_pass(&stop));
    }
    return NULL;
}
