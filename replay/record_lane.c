/* record_lane: the threads of the recorder.
 *
 * Only the thread that traces a task may talk to it, and a stop costs a third when that thread runs on the
 * task's own processor. So a process that is recorded by itself gets a thread of the recorder with it, a
 * lane, as long as there are several processors: tracer/handover.h. All lanes deal with their stops under one
 * lock, which they let go only while they wait for the next one: whatever is not a tracee is everybody's, and
 * nothing else need know that there are several.
 *
 * A domain's tasks are all of one lane. Children that are no domain of their own stay with their parent's.
 * The thread that reel began with launches the program and then gives it away, too, when there can be lanes:
 * to the kernel its children's stops are as much for their parent as for the thread that traces them, when
 * both are of one process (wait_consider_task() in kernel/exit.c). From then on it only takes the signals
 * that are sent to reel. */
#include "replay/recorder_state.h"

#include "tracer/handover.h"
#include "tracer/will.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More processes than this share lanes. */
#define LANES_MOST 128
#define STACK_SIZE (1u << 20)
#define TICK       250 /* milliseconds */

struct arrival {
    struct arrival *next;
    struct handover handover;
    size_t slot; /* of the will: until it is seized, nothing else kills it with reel */
    struct recorder *recorder;
    struct thread *thread;
    uint32_t joins; /* the domain that it is to join; 0: none */
};

/* ---- the lock ---- */

static void lane_lock(struct lane *lane) {
    pthread_mutex_lock(&lane->session->lock);
    lane->session->lane = lane;
}

static void lane_unlock(const struct lane *lane) {
    pthread_mutex_unlock(&lane->session->lock);
}

static void wait_begins(void *context) {
    lane_unlock(context);
}

static void wait_ends(void *context) {
    lane_lock(context);
}

/* It is woken from its wait. Should the signal come just before that, the next tick does it. */
static void wake(const struct lane *lane) {
    if (lane->tid && !pthread_equal(lane->thread, pthread_self()))
        pthread_kill(lane->thread, SIGALRM);
}

/* ---- who is where ---- */

struct thread *record_lane_find(const struct session *session, pid_t tid) {
    struct thread *thread = table_find(&session->first.threads, (uint32_t)tid);
    for (const struct lane *lane = session->lanes; lane && !thread; lane = lane->next)
        thread = table_find(&lane->threads, (uint32_t)tid);
    for (size_t i = 0; i < session->recorder_count && !thread; i++) /* it has one thread then */
        if (session->recorders[i]->moving && session->recorders[i]->threads->tid == tid)
            thread = session->recorders[i]->threads;
    return thread;
}

bool record_lane_traces(const struct session *session, pid_t tid) {
    bool traces = engine_traces(&session->first.engine, tid);
    for (const struct lane *lane = session->lanes; lane && !traces; lane = lane->next)
        traces = engine_traces(&lane->engine, tid);
    return traces;
}

/* ---- arrivals ---- */

static struct recorder *find_domain(const struct session *session, uint32_t number) {
    for (size_t i = 0; i < session->recorder_count; i++)
        if (session->recorders[i]->info.domain == number)
            return session->recorders[i];
    return NULL;
}

static struct error *join(struct recorder *recorder, uint32_t number) {
    struct recorder *domain = find_domain(recorder->session, number);
    if (domain && domain->lane == recorder->lane && record_late_can(recorder, domain))
        return record_late_join(recorder, domain);
    if (domain && domain->mode != RECORDER_OVER)
        recorder_stop(recorder, "it shares memory with process %d, which it cannot be joined with any more",
                      domain->info.pid);
    return task_resume_later(recorder->thread->task, RESUME_CONT, 0);
}

static struct error *go_on(const struct arrival *arrival) {
    struct recorder *recorder = arrival->recorder;
    if (arrival->joins && recorder->mode == RECORDER_RECORDING)
        return join(recorder, arrival->joins);
    return task_resume_later(arrival->thread->task, RESUME_CONT, 0);
}

static struct error *arrive(struct lane *lane, const struct arrival *arrival) {
    struct recorder *recorder = arrival->recorder;
    struct stop stop;
    TRY(handover_take(&lane->engine, &arrival->handover, &stop));
    will_remove(lane->session->will, arrival->slot);
    TRY(table_put(&lane->threads, (uint32_t)stop.task->tid, arrival->thread));
    arrival->thread->task = stop.task;
    recorder->thread = arrival->thread;
    recorder->moving = false;
    if (stop.kind == STOP_BORN) {
        struct error *err = go_on(arrival);
        if (!error_is(err, ERROR_TASK_GONE))
            return err;
        error_free(err); /* its end is the next stop */
        return NULL;
    }
    struct error *err = NULL; /* its end, or job control */
    record_handle(lane->session, &stop, &err);
    return err;
}

struct error *record_lane_arrivals(struct session *session) {
    struct lane *lane = session->lane;
    struct error *err = NULL;
    while (lane->arrivals && !err) {
        struct arrival *arrival = lane->arrivals;
        lane->arrivals = arrival->next;
        err = arrive(lane, arrival);
        free(arrival);
    }
    return err;
}

/* ---- departures ---- */

static void add_arrival(struct lane *lane, struct arrival *arrival) {
    struct arrival **last = &lane->arrivals;
    while (*last)
        last = &(*last)->next;
    *last = arrival;
    wake(lane);
}

/* The only task of the domain goes to the other lane. */
static struct error *send(struct recorder *recorder, struct lane *from, struct lane *to, uint32_t joins,
                          bool *ret_moved) {
    struct thread *thread = recorder->thread;
    struct arrival *arrival = calloc(1, sizeof(*arrival));
    pid_t tid = thread->task->tid;
    if (!arrival)
        return &error_no_memory;
    *arrival = (struct arrival){.recorder = recorder, .thread = thread, .joins = joins};
    struct will *will = recorder->session->will;
    if (!will_add(will, tid, &arrival->slot)) {
        free(arrival);
        return NULL;
    }
    struct error *err = handover_give(&from->engine, thread->task, thread->process->loop, &arrival->handover);
    if (err) {
        will_remove(will, arrival->slot);
        free(arrival);
        return err;
    }
    table_remove(&from->threads, (uint32_t)tid);
    thread->task = NULL;
    recorder->lane = to;
    recorder->moving = true;
    add_arrival(to, arrival);
    *ret_moved = true;
    return NULL;
}

/* With the first that parts. */
static bool has_will(struct session *session) {
    if (session->will)
        return true;
    struct error *err = will_create(&session->will);
    if (!err)
        return true;
    error_free(err); /* limits: then there is one lane */
    session->may_part = false;
    return false;
}

static bool may_part(const struct recorder *recorder) {
    const struct thread *thread = recorder->thread;
    return recorder->session->may_part && has_will(recorder->session) &&
           recorder->mode == RECORDER_RECORDING && recorder->thread_count == 1 &&
           recorder->process_count == 1 && handover_is_possible(thread->task, thread->process->loop);
}

struct error *record_lane_move(struct recorder *recorder, struct recorder *domain, bool *ret_moved) {
    *ret_moved = false;
    return may_part(recorder) ? send(recorder, recorder->lane, domain->lane, domain->info.domain, ret_moved)
                              : NULL;
}

/* ---- lanes ---- */

static struct error *run(struct lane *lane) {
    struct session *session = lane->session;
    const struct consumer consumer = {.handle = record_handle, .context = session};
    struct error *err = NULL;
    do {
        err = record_lane_arrivals(session);
        if (!err)
            err = engine_run(&lane->engine, &consumer, 1, &session->failed);
    } while (!err && !session->failed && lane->arrivals);
    return err;
}

/* With a failure nothing is as it should be: all give up, and take their tracees with them. */
static void fail(struct session *session, struct error *err) {
    if (!err)
        return;
    if (session->failed)
        error_free(err);
    else
        session->failure = err;
    session->failed = true;
    wake(&session->first);
    for (const struct lane *lane = session->lanes; lane; lane = lane->next)
        wake(lane);
}

static void *lane_main(void *context) {
    struct lane *lane = context;
    sigset_t ticks;
    sigemptyset(&ticks); /* all else is for the first thread, as before: see create() */
    sigaddset(&ticks, SIGALRM);
    lane_lock(lane);
    lane->tid = gettid();
    record_place_lane(lane);
    struct error *err = engine_set_tick(TICK);
    pthread_sigmask(SIG_UNBLOCK, &ticks, NULL);
    if (!err)
        err = run(lane);
    error_free(engine_set_tick(0));
    fail(lane->session, err);
    lane->ended = true;
    lane->tid = 0;
    lane->session->lane_count--;
    wake(&lane->session->first);
    lane_unlock(lane);
    return NULL;
}

static void lane_init(struct lane *lane, struct session *session) {
    *lane = (struct lane){.session = session};
    engine_init(&lane->engine);
    lane->engine.wait_begins = wait_begins;
    lane->engine.wait_ends = wait_ends;
    lane->engine.wait_context = lane;
}

static void lane_deinit(struct lane *lane) {
    while (lane->arrivals) {
        struct arrival *next = lane->arrivals->next;
        free(lane->arrivals);
        lane->arrivals = next;
    }
    table_deinit(&lane->threads);
    record_sharing_deinit(lane);
    record_tree_deinit(lane);
    record_untraced_deinit(lane);
    engine_deinit(&lane->engine);
}

/* Those whose threads have ended, and which no domain refers to any more. */
static void sweep(struct session *session, bool wait) {
    for (struct lane **at = &session->lanes, *lane; (lane = *at);) {
        if (!lane->ended && !wait) {
            at = &lane->next;
            continue;
        }
        *at = lane->next;
        pthread_join(lane->thread, NULL);
        lane_deinit(lane);
        free(lane);
    }
}

static bool start_thread(struct lane *lane) {
    sigset_t all, before;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    sigfillset(&all);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&lane->thread, &attributes, lane_main, lane) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

struct error *record_lane_part(struct recorder *recorder, bool *ret_moved) {
    struct session *session = recorder->session;
    struct lane *from = recorder->lane, *lane;
    *ret_moved = false;
    sweep(session, false);
    if (session->lane_count >= LANES_MOST || !may_part(recorder) || !(lane = calloc(1, sizeof(*lane))))
        return NULL;
    lane_init(lane, session);
    if (!start_thread(lane)) { /* it waits for the lock */
        lane_deinit(lane);
        free(lane);
        return NULL;
    }
    lane->next = session->lanes;
    session->lanes = lane;
    session->lane_count++;
    recorder->lane = lane;
    record_place_new(recorder);
    struct error *err = send(recorder, from, lane, 0, ret_moved);
    recorder->lane = *ret_moved ? lane : from;
    return err;
}

struct error *record_lane_init(struct session *session) {
    pthread_mutexattr_t attributes;
    lane_init(&session->first, session);
    session->lane = &session->first;
    session->first.tid = gettid();
    session->first.thread = pthread_self();
    if (pthread_mutexattr_init(&attributes) != 0)
        return &error_no_memory;
    pthread_mutexattr_settype(&attributes,
                              PTHREAD_MUTEX_ADAPTIVE_NP); /* it is mostly held for microseconds */
    int failed = pthread_mutex_init(&session->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    if (failed)
        return error_system(failed, "lock");
    pthread_mutex_lock(&session->lock);
    return NULL;
}

void record_lane_deinit(struct session *session) {
    lane_deinit(&session->first);
    pthread_mutex_unlock(&session->lock);
    pthread_mutex_destroy(&session->lock);
    error_free(session->failure);
    will_destroy(session->will);
}

/* Signals that are sent to reel come to this thread. That of wake() is not missed. */
static void wait_for_others(struct session *session) {
    sigset_t ticks, before;
    sigemptyset(&ticks);
    sigaddset(&ticks, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &ticks, &before);
    lane_unlock(&session->first);
    sigsuspend(&before);
    lane_lock(&session->first);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    record_forward_signals(session);
}

struct error *record_lane_run(struct session *session) {
    struct lane *first = &session->first;
    struct error *err;
    do {
        err = run(first);
        if (!err && !session->failed && session->lane_count)
            wait_for_others(session);
    } while (!err && !session->failed && session->lane_count);
    fail(session, err);
    lane_unlock(first);
    sweep(session, true);
    lane_lock(first);
    err = session->failure;
    session->failure = NULL;
    return err;
}
