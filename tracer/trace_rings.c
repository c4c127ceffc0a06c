/* trace_rings: from records in rings to what is noted of them, in order.
 *
 * The records of one thread are in order by themselves. Those of several are merged by their time. A record
 * is reserved before its time is read; so what is reserved after a moment has a later time, and all records
 * up to a moment can be told without waiting for what comes: but for those that were begun and are not
 * finished, which are waited for a little. */
#include "tracer/agent/agent_mute.h"
#include "tracer/agent_puppet.h"
#include "tracer/calltrace_state.h"
#include "tracer/record_view.h"
#include "tracer/ring_mover.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE 20000 /* times to look for the end of a record: about a millisecond */

/* ---- time ---- */

static uint64_t read_ticks(void) {
    uint32_t low, high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

static void look_at_clock(struct calltrace *calltrace) {
    struct tick_clock *clock = &calltrace->clock;
    uint64_t ns = calltrace_now(calltrace), tsc = read_ticks();
    if (!clock->tsc[0]) {
        clock->tsc[0] = tsc;
        clock->ns[0] = ns;
        return;
    }
    if (clock->tsc[1] && tsc - clock->tsc[0] > (uint64_t)1 << 34) { /* some seconds: the line begins later */
        clock->tsc[0] = clock->tsc[1];
        clock->ns[0] = clock->ns[1];
    }
    clock->tsc[1] = tsc;
    clock->ns[1] = ns;
}

static uint64_t time_of(const struct calltrace *calltrace, uint64_t tsc) {
    const struct tick_clock *clock = &calltrace->clock;
    if (!tsc || clock->tsc[1] <= clock->tsc[0] || clock->ns[1] <= clock->ns[0])
        return clock->tsc[1] ? clock->ns[1] : clock->ns[0];
    __int128 ticks = (__int128)tsc - clock->tsc[0];
    __int128 ns = ticks * (clock->ns[1] - clock->ns[0]) / (clock->tsc[1] - clock->tsc[0]);
    return (uint64_t)((__int128)clock->ns[0] + ns);
}

/* ---- one record ---- */

static struct error *blame(struct traced_process *process, struct emission *emission) {
    if (emission->is_blamed)
        return NULL;
    emission->is_blamed = true;
    return calltrace_note(process->calltrace, process,
                          "%s: a value was not noted and stands there as unreadable (--probes trap has it)",
                          emission->site->function->function->display);
}

static struct error *observe(struct traced_thread *thread, struct emission *emission, const uint8_t *record) {
    struct calltrace *calltrace = thread->process->calltrace;
    struct record_view *view = &calltrace->view;
    struct site *site = emission->site;
    record_view_init(view, &emission->layout, record);
    frame_set_register(&view->registers, FRAME_RIP, site->vaddr + emission->bias);
    uint64_t now = time_of(calltrace, record_view_time(view));
    thread->last_ns = now > thread->last_ns ? now : thread->last_ns;
    struct hit_context context = {.calltrace = calltrace,
                                  .thread = thread,
                                  .site = site,
                                  .kinds = emission->kinds,
                                  .registers = view->registers,
                                  .memory = view->memory,
                                  .bias = emission->bias,
                                  .now = thread->last_ns,
                                  .displaced = emission->has_displaced ? &emission->displaced : NULL,
                                  .has_destination = emission->has_destination,
                                  .destination = emission->destination};
    frame_register(&context.registers, FRAME_RSP, &context.rsp);
    context.is_judged = emission->rule && emission->rule->sample && thread->ring.block &&
                        agent_mute_in_stack(thread->ring.block, context.rsp);
    TRY(trace_observe(&context));
    return record_view_is_incomplete(view) ? blame(thread->process, emission) : NULL;
}

/* ---- one ring ---- */

static struct error *note_loss(struct traced_thread *thread) {
    struct ring *ring = &thread->ring;
    struct traced_process *process = thread->process;
    uint64_t dropped = __atomic_load_n(&ring->block->dropped, __ATOMIC_ACQUIRE),
             count = dropped - ring->dropped;
    if (!count)
        return NULL;
    ring->dropped = dropped;
    thread->lost += count;
    thread->has_gap = true;
    thread->gap_end = __atomic_load_n(&ring->block->gap, __ATOMIC_ACQUIRE);
    if (process->writer)
        trace_writer_drop(process->writer, count);
    process->calltrace->totals.lost += count;
    return NULL;
}

static void forget_gap(struct traced_thread *thread) {
    if (thread->has_gap && thread->ring.tail > thread->gap_end)
        thread->has_gap = false;
}

static struct emission *emission_of(const struct emissions *emissions, uint32_t id) {
    uint32_t index = id - emissions->base - 1;
    return index < emissions->count ? emissions->items[index] : NULL;
}

static struct error *start_anew(struct traced_thread *thread) {
    ring_reset(&thread->ring);
    return calltrace_note(thread->process->calltrace, thread->process,
                          "the records of thread %d were overwritten: some are lost", (int)thread->shown_tid);
}

/* The first record, when it is of before `until`. */
static const uint8_t *look(struct traced_thread *thread, bool is_stopped, uint64_t until,
                           uint64_t *ret_time) {
    struct emissions *emissions = thread->process->jumps ? thread->process->jumps->emissions : NULL;
    bool begun;
    const uint8_t *record = emissions ? ring_peek(&thread->ring, &begun) : NULL;
    for (unsigned i = 0; !record && emissions && begun && i < PATIENCE && !is_stopped; i++) {
        __builtin_ia32_pause();
        record = ring_peek(&thread->ring, &begun);
    }
    if (!record && thread->ring.is_broken)
        error_free(start_anew(thread));
    if (!record)
        return NULL;
    uint32_t id;
    memcpy(&id, record, sizeof(id));
    *ret_time = 0;
    const struct emission *emission = emission_of(emissions, id);
    if (emission && emission->layout.time)
        memcpy(ret_time, record + AGENT_RECORD_TIME, sizeof(*ret_time));
    return *ret_time <= until || is_stopped ? record : NULL;
}

/* It is taken out whatever becomes of it. */
static struct error *take(struct traced_thread *thread, const uint8_t *record) {
    struct traced_process *process = thread->process;
    struct emissions *emissions = process->jumps->emissions;
    uint32_t id;
    memcpy(&id, record, sizeof(id));
    struct emission *emission = emission_of(emissions, id);
    if (!emission)
        return start_anew(thread);
    struct error *err = emission->site->function->is_left_out ? NULL : observe(thread, emission, record);
    ring_take(&thread->ring, emission->layout.size);
    forget_gap(thread);
    return err;
}

/* ---- all of them ---- */

/* A thread that has something, and the time of it. */
struct candidate {
    struct traced_thread *thread;
    const uint8_t *record;
    uint64_t time;
    bool is_stopped;
};

static bool refresh(struct candidate *candidate, uint64_t until) {
    candidate->record = look(candidate->thread, candidate->is_stopped, until, &candidate->time);
    return candidate->record != NULL;
}

static struct error *merge(struct candidate *candidates, size_t count, uint64_t until, unsigned most) {
    for (unsigned done = 0; count && done < most;) {
        size_t first = 0, second = SIZE_MAX;
        for (size_t i = 1; i < count; i++)
            if (candidates[i].time < candidates[first].time) {
                second = first;
                first = i;
            } else if (second == SIZE_MAX || candidates[i].time < candidates[second].time) {
                second = i;
            }
        struct candidate *candidate = &candidates[first];
        uint64_t next = second == SIZE_MAX ? UINT64_MAX : candidates[second].time;
        bool more = true;
        while (more && done < most && candidate->time <= next) {
            TRY(take(candidate->thread, candidate->record));
            more = refresh(candidate, until);
            done++;
        }
        if (!more)
            *candidate = candidates[--count];
    }
    return NULL;
}

static struct error *find_candidates(struct calltrace *calltrace, const struct traced_thread *stopped,
                                     uint64_t until, struct candidate **ret, size_t *ret_count) {
    size_t count = 0;
    struct candidate *candidates = calloc(calltrace->thread_count + 1, sizeof(*candidates));
    if (!candidates)
        return &error_no_memory;
    for (size_t i = 0; i < calltrace->thread_count; i++) {
        struct traced_thread *thread = calltrace->threads[i];
        if (!thread->ring.block)
            continue;
        __atomic_store_n(&thread->ring.block->clock, until, __ATOMIC_RELAXED);
        struct candidate candidate = {.thread = thread, .is_stopped = thread == stopped};
        struct error *err = note_loss(thread);
        if (err) {
            free(candidates);
            return err;
        }
        if (ring_used(&thread->ring) && refresh(&candidate, until))
            candidates[count++] = candidate;
    }
    *ret = candidates;
    *ret_count = count;
    return NULL;
}

static void give_back_all(struct calltrace *calltrace) {
    for (size_t i = 0; i < calltrace->thread_count; i++)
        if (calltrace->threads[i]->ring.block)
            ring_give_back(&calltrace->threads[i]->ring);
}

static struct error *drain(struct calltrace *calltrace, struct traced_thread *stopped, unsigned most,
                           bool *ret_more) {
    struct candidate *candidates;
    size_t count;
    look_at_clock(calltrace);
    uint64_t until = read_ticks();
    TRY(find_candidates(calltrace, stopped, until, &candidates, &count));
    *ret_more = count > 0;
    struct error *err = merge(candidates, count, until, most);
    free(candidates);
    give_back_all(calltrace);
    return err;
}

static bool has_rings(const struct calltrace *calltrace) {
    for (size_t i = 0; i < calltrace->thread_count; i++)
        if (calltrace->threads[i]->ring.block)
            return true;
    return false;
}

static bool is_puppet(const struct traced_process *process) {
    return process->jumps && process->jumps->agent->block;
}

static void pass_ring(struct traced_thread *from, struct traced_thread *to) {
    to->ring = from->ring;
    from->ring = (struct ring){0};
}

/* The one ring of a puppet: what is in it is of the thread that has just run. */
static void take_ring(struct calltrace *calltrace, struct traced_thread *thread) {
    for (size_t i = 0; !thread->ring.block && i < calltrace->thread_count; i++)
        if (calltrace->threads[i]->process == thread->process && calltrace->threads[i]->ring.block)
            pass_ring(calltrace->threads[i], thread);
}

void trace_ring_end(struct traced_thread *thread) {
    struct calltrace *calltrace = thread->process->calltrace;
    for (size_t i = 0; is_puppet(thread->process) && thread->ring.block && i < calltrace->thread_count; i++)
        if (calltrace->threads[i]->process == thread->process && calltrace->threads[i] != thread)
            pass_ring(thread, calltrace->threads[i]);
    ring_close(&thread->ring);
}

struct error *trace_rings_drain(struct calltrace *calltrace, struct traced_thread *stopped) {
    bool more;
    if (!has_rings(calltrace))
        return NULL;
    if (stopped && is_puppet(stopped->process))
        take_ring(calltrace, stopped);
    return drain(calltrace, stopped, UINT32_MAX, &more);
}

struct error *calltrace_passed(struct calltrace *calltrace, pid_t tid) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, tid);
    return thread && thread->process->jumps ? trace_rings_drain(calltrace, thread) : NULL;
}

struct error *calltrace_drain(struct calltrace *calltrace, unsigned most, bool *ret_more) {
    *ret_more = false;
    return has_rings(calltrace) ? drain(calltrace, NULL, most, ret_more) : NULL;
}

/* Without one it is looked at as fast as it can be. */
static struct error *begin_backlog(struct traced_thread *thread) {
    struct calltrace *calltrace = thread->process->calltrace;
    struct error *err = NULL;
    if (!calltrace->mover)
        err = ring_mover_create(calltrace->options->backlog, &calltrace->mover);
    if (!err)
        err = ring_mover_add(calltrace->mover, &thread->ring);
    if (!err || error_is(err, ERROR_NO_MEMORY))
        return err;
    struct error *note =
        calltrace_note(calltrace, thread->process, "thread %d: %s", (int)thread->shown_tid, err->message);
    error_free(err);
    return note;
}

struct error *trace_ring_begin(struct traced_thread *thread, struct task *by) {
    struct jump_probes *jumps = thread->process->jumps;
    if (!jumps)
        return NULL;
    if (is_puppet(thread->process)) /* the first one opens it; the others take it over */
        return jumps->agent->pool->used[0] ? NULL : agent_puppet_enter(jumps->agent, &thread->ring);
    struct error *err = agent_enter(jumps->agent, by, thread->task, &thread->ring);
    if (err && !error_is(err, ERROR_UNSUPPORTED))
        return err;
    if (!err && thread->ring.block)
        return begin_backlog(thread);
    struct error *note = calltrace_note(thread->process->calltrace, thread->process,
                                        "thread %d is not traced by jump probes: %s", (int)thread->shown_tid,
                                        err ? err->message : "there is no ring for it");
    error_free(err);
    return note;
}
