/* record_place: which processor each process runs on.
 *
 * A process and its tracer on one processor cost each other a third less a stop, and a program that sees one
 * processor mostly starts no worker threads; so the first process shares reel's. Others that have work to do
 * while it has (or while another has) are spread over the processors that reel may use, each still bound to
 * one.
 *
 * One that hardly stops, thanks to the buffer, is bound to none: the kernel knows best then. Two that hand a
 * byte to and fro are on one processor, where waking the other costs microseconds, not a hundred. The program
 * is told that it is where it was. */
#include "replay/recorder_state.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define PROCESSORS_MOST 64
/* Stops a millisecond. Without its tracer beside it a stop costs some 10 us more. */
#define STOPS_FEW  1
#define STOPS_MANY 4
/* Nanoseconds that are judged, at least: ticks may be shorter. */
#define JUDGED 8000000ull

struct places {
    int processors[PROCESSORS_MOST]; /* that reel may use */
    size_t count;
};

/* The processor that a process is bound to, as an index; places->count when it is not bound to one of ours.
 */
static size_t place_of(const struct places *places, pid_t pid) {
    cpu_set_t set;
    if (sched_getaffinity(pid, sizeof(set), &set) < 0 || CPU_COUNT(&set) != 1)
        return places->count;
    for (size_t i = 0; i < places->count; i++)
        if (CPU_ISSET(places->processors[i], &set))
            return i;
    return places->count;
}

void record_place_init(struct session *session) {
    cpu_set_t allowed;
    struct places *places = calloc(1, sizeof(*places));
    session->places = places;
    if (places && !session->options->serial && sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
        for (int i = 0; i < CPU_SETSIZE && places->count < PROCESSORS_MOST; i++)
            if (CPU_ISSET(i, &allowed))
                places->processors[places->count++] = i;
    engine_pin();
}

bool record_place_spreads(const struct session *session) {
    return session->places && session->places->count > 1;
}

void record_place_deinit(struct session *session) {
    free(session->places);
}

static void fill(const struct places *places, cpu_set_t *ret) {
    CPU_ZERO(ret);
    for (size_t i = 0; i < places->count; i++)
        CPU_SET(places->processors[i], ret);
}

/* A lane goes where its domains are: to one place, or wherever the kernel finds best. */
static void follow(const struct lane *lane) {
    const struct session *session = lane->session;
    const struct places *places = session->places;
    bool loose = false;
    cpu_set_t set;
    CPU_ZERO(&set);
    for (size_t i = 0; i < session->recorder_count; i++) {
        const struct recorder *recorder = session->recorders[i];
        if (recorder->lane != lane)
            continue;
        loose = loose || recorder->loose;
        if (recorder->place < places->count)
            CPU_SET(places->processors[recorder->place], &set);
    }
    if (loose || CPU_COUNT(&set) > 1)
        fill(places, &set);
    if (lane->tid && CPU_COUNT(&set))
        (void)sched_setaffinity(lane->tid, sizeof(set), &set);
}

void record_place_lane(const struct lane *lane) {
    if (lane->session->places)
        follow(lane);
}

static void move(const struct places *places, struct recorder *recorder, size_t place) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(places->processors[place], &set);
    for (const struct thread *thread = recorder->threads; thread; thread = thread->next)
        if (!thread->ended && thread->task && sched_setaffinity(thread->tid, sizeof(set), &set) < 0)
            return;
    recorder->place = place;
    follow(recorder->lane);
}

/* Is it computing, or in a call that needs the processor, as far as reel knows? */
static bool is_busy(const struct recorder *recorder) {
    const struct thread *thread = recorder->turn;
    return recorder->mode == RECORDER_RECORDING && thread &&
           (!thread->in_call || syscall_blocking(&thread->call) == BLOCKING_NEVER);
}

static void count_busy(const struct session *session, const struct recorder *but,
                       size_t busy[PROCESSORS_MOST]) {
    memset(busy, 0, PROCESSORS_MOST * sizeof(*busy));
    for (size_t i = 0; i < session->recorder_count; i++) {
        const struct recorder *recorder = session->recorders[i];
        if (recorder != but && is_busy(recorder) && recorder->place < session->places->count)
            busy[recorder->place]++;
    }
}

static size_t least_busy(const struct places *places, const size_t busy[PROCESSORS_MOST], size_t preferred) {
    size_t best = preferred < places->count ? preferred : 0;
    for (size_t i = 0; i < places->count; i++)
        if (busy[i] < busy[best])
            best = i;
    return best;
}

/* Is it free to run on all that are ours, as the child of a loose one is? */
static bool is_free(const struct places *places, pid_t pid) {
    cpu_set_t set, all;
    fill(places, &all);
    return sched_getaffinity(pid, sizeof(set), &set) == 0 && CPU_EQUAL(&set, &all);
}

/* A program that has chosen its processors itself (taskset) keeps them, and so do its children. */
void record_place_new(struct recorder *recorder) {
    const struct places *places = recorder->session->places;
    pid_t tid = record_living_tid(record_first(recorder));
    size_t busy[PROCESSORS_MOST];
    if (!places || places->count < 2)
        return;
    recorder->place = place_of(places, tid);
    recorder->loose = false;
    recorder->judged = clock_now();
    recorder->stops = 0;
    if (recorder->place == places->count && !is_free(places, tid))
        return;
    count_busy(recorder->session, recorder, busy);
    size_t best = least_busy(places, busy, recorder->place);
    if (best != recorder->place)
        move(places, recorder, best);
}

/* Is a task being asked to run elsewhere? Where it was is put back at the exit, and where it is then is what
 * the program is told: see record_affinity.c. */
static bool is_binding(const struct session *session) {
    for (size_t i = 0; i < session->recorder_count; i++)
        for (const struct thread *thread = session->recorders[i]->threads; thread; thread = thread->next)
            if (thread->in_call && thread->call.number == SYS_sched_setaffinity)
                return true;
    return false;
}

/* What the thread is told, from now on, is where it has been so far. */
static bool keep_told(struct thread *thread) {
    if (thread->affinity)
        return true;
    if (!(thread->affinity = malloc(sizeof(*thread->affinity))))
        return false;
    if (sched_getaffinity(thread->tid, sizeof(*thread->affinity), thread->affinity) == 0)
        return true;
    free(thread->affinity);
    thread->affinity = NULL;
    return false;
}

static void loosen(const struct places *places, struct recorder *recorder) {
    cpu_set_t all;
    fill(places, &all);
    for (struct thread *thread = recorder->threads; thread; thread = thread->next)
        if (!thread->ended && thread->task && !keep_told(thread))
            return;
    recorder->place = places->count;
    recorder->loose = true;
    for (const struct thread *thread = recorder->threads; thread; thread = thread->next)
        if (!thread->ended && thread->task)
            (void)sched_setaffinity(thread->tid, sizeof(all), &all);
    follow(recorder->lane);
}

static void bind(const struct places *places, struct recorder *recorder) {
    size_t busy[PROCESSORS_MOST];
    recorder->loose = false;
    count_busy(recorder->session, recorder, busy);
    move(places, recorder, least_busy(places, busy, 0));
}

void record_place_judge(struct recorder *recorder) {
    const struct places *places = recorder->session->places;
    uint64_t now = clock_now(), span = now - recorder->judged;
    if (!places || places->count < 2 || recorder->mode != RECORDER_RECORDING || !recorder->judged ||
        span < JUDGED || is_binding(recorder->session))
        return;
    uint64_t few = span * STOPS_FEW / 1000000, many = span * STOPS_MANY / 1000000;
    if (!recorder->loose && recorder->place < places->count && recorder->stops < few &&
        place_of(places, record_living_tid(record_first(recorder))) == recorder->place)
        loosen(places, recorder);
    else if (recorder->loose && recorder->stops > many)
        bind(places, recorder);
    recorder->judged = now;
    recorder->stops = 0;
}

void record_place_balance(struct session *session) {
    const struct places *places = session->places;
    size_t busy[PROCESSORS_MOST];
    if (!places || places->count < 2 || session->recorder_count < 2 || is_binding(session))
        return;
    count_busy(session, NULL, busy);
    for (size_t i = 0; i < session->recorder_count; i++) {
        struct recorder *recorder = session->recorders[i];
        size_t from = recorder->place, to = least_busy(places, busy, 0);
        if (!is_busy(recorder) || from >= places->count || busy[from] < busy[to] + 2)
            continue;
        if (place_of(places, record_living_tid(record_first(recorder))) != from) { /* it has other plans */
            recorder->place = places->count;
            continue;
        }
        move(places, recorder, to);
        busy[from]--;
        busy[to]++;
    }
}
