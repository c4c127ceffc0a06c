#include "replay/travel.h"

#include "replay/tape.h"
#include "replay/travel_state.h"
#include "tracer/engine.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often a replay that runs is asked whether it should stop. */
#define TICK_MILLISECONDS 10

/* ---- beginning and end ---- */

static bool interrupted(void *context) {
    struct travel *travel = context;
    if (travel->options.interrupted && travel->options.interrupted(travel->options.context))
        travel->interrupted = true;
    return travel->interrupted || (travel->marking && travel_mark_is_due(travel));
}

/* What kind each event is. */
static struct error *read_kinds(struct travel *travel) {
    struct tape *tape = &travel->replayer->tape;
    travel->kinds = calloc(tape->events + 1, 1);
    if (!travel->kinds)
        return &error_no_memory;
    TRY(tape_rewind(tape));
    for (bool more = true; more;) {
        struct event event;
        TRY(tape_next(tape, &event, &more));
        if (more && event.number <= tape->events)
            travel->kinds[event.number] = (uint8_t)event.kind;
        else if (!more)
            TRY(tape_next_segment(tape, &more));
    }
    return tape_rewind(tape);
}

static uint64_t memory_budget(void) {
    long pages = sysconf(_SC_AVPHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages / 4 * (uint64_t)size : 256u << 20;
}

static struct error *begin(struct travel *travel) {
    TRY(replayer_open(&travel->replay, &travel->replayer));
    travel->replayer->fixed = true;
    TRY(read_kinds(travel));
    TRY(engine_set_tick(TICK_MILLISECONDS));
    TRY(travel_add_mark(travel, true));
    struct travel_stop stop;
    bool stopped;
    return travel_settle(travel, &stop, &stopped);
}

struct error *travel_open(const struct travel_options *options, struct travel **ret) {
    struct travel *travel = calloc(1, sizeof(*travel));
    if (!travel)
        return &error_no_memory;
    travel->options = *options;
    if (!travel->options.memory)
        travel->options.memory = memory_budget();
    travel->replay = (struct replayer_options){.path = options->path,
                                               .domain = options->domain,
                                               .pid = options->pid,
                                               .quiet = true,
                                               .brief = true,
                                               .choices_first = true,
                                               .interrupted = interrupted,
                                               .context = travel};
    travel->next_point = calloc(1, sizeof(*travel->next_point));
    struct error *err = travel->next_point ? begin(travel) : &error_no_memory;
    if (err) {
        travel_close(travel);
        return err;
    }
    *ret = travel;
    return NULL;
}

void travel_close(struct travel *travel) {
    if (!travel)
        return;
    error_free(engine_set_tick(0));
    mark_free(travel->truth);
    mark_free(travel->anchor);
    for (size_t i = 0; i < travel->mark_count; i++)
        mark_free(travel->marks[i]);
    free(travel->marks);
    for (size_t i = 0; i < COUNTERS_MOST; i++)
        matcher_destroy(travel->counters[i]);
    replayer_close(travel->replayer);
    free(travel->breakpoints);
    free(travel->next_point);
    free(travel->kinds);
    free(travel);
}

/* ---- moving ---- */

struct error *travel_continue(struct travel *travel, bool back, struct travel_stop *ret) {
    const struct goal goal = {.reports = true, .fresh = true, .marks = true};
    if (!back && whatif_is_free(travel))
        return whatif_run(travel, false, ret);
    TRY(whatif_leave(travel));
    return back ? travel_continue_back(travel, ret) : travel_forward(travel, &goal, ret);
}

struct error *travel_step(struct travel *travel, int32_t tid, bool back, struct travel_stop *ret) {
    if (!back && whatif_is_free(travel))
        return whatif_run(travel, true, ret);
    TRY(whatif_leave(travel));
    const struct goal goal = {.reports = true,
                              .fresh = true,
                              .marks = true,
                              .step = true,
                              .step_tid = tid ? tid : travel_place(travel).tid};
    return back ? travel_step_back(travel, ret) : travel_forward(travel, &goal, ret);
}

struct error *travel_goto(struct travel *travel, uint64_t number) {
    struct travel_stop stop;
    const struct goal goal = {.to_event = true, .event = number, .marks = true};
    const struct spot behind = {.stretch = {.number = number, .moved = true, .arrived = true}};
    if (number > travel->replayer->tape.events)
        return error_new(ERROR_USAGE, "event %llu: the recording has %llu", (unsigned long long)number,
                         (unsigned long long)travel->replayer->tape.events);
    TRY(whatif_leave(travel));
    if (travel->stretch.number < number && !travel->end)
        return travel_forward(travel, &goal, &stop);
    struct mark *mark = travel_mark_before(travel, &behind);
    for (; mark && mark->stretch.moved && mark->stretch.number == number;)
        mark = travel_mark_preceding(travel, mark);
    TRY(mark_return(travel, mark ? mark : travel->marks[0]));
    return travel->stretch.number < number ? travel_forward(travel, &goal, &stop) : NULL;
}

struct error *travel_to_end(struct travel *travel, struct travel_stop *ret) {
    const struct goal goal = {.crash = true, .marks = true, .fresh = true};
    TRY(whatif_leave(travel));
    do {
        TRY(travel_forward(travel, &goal, ret));
    } while (ret->kind == TRAVEL_EXEC);
    return NULL;
}

struct error *travel_mark(struct travel *travel) {
    TRY(whatif_leave(travel));
    return travel_add_mark(travel, true);
}

struct error *travel_catch_calls(struct travel *travel, bool on, const uint64_t *numbers, size_t count) {
    if (count > CAUGHT_MOST)
        return error_new(ERROR_UNSUPPORTED, "catch: more than %d system calls", CAUGHT_MOST);
    travel->catching = on;
    travel->caught_count = on ? count : 0;
    for (size_t i = 0; i < travel->caught_count; i++)
        travel->caught[i] = numbers[i];
    return NULL;
}

void travel_pass_signals(struct travel *travel, const bool passed[NSIG]) {
    memcpy(travel->passed, passed, sizeof(travel->passed));
}

/* ---- looking ---- */

struct travel_place travel_place(const struct travel *travel) {
    return (struct travel_place){
        .event = travel->stretch.number,
        .events = travel->replayer->tape.events,
        .segment = travel->replayer->tape.segment,
        .tid = travel->replayer->thread ? travel->replayer->thread->tid : 0,
        .moved = travel->stretch.moved,
        .end = travel->end,
        .arrived = travel->stretch.arrived,
        .whatif = travel->truth != NULL,
        .marks = travel->mark_count,
    };
}

struct error *travel_events(struct travel *travel, size_t count, travel_event *show, void *context) {
    struct tape *tape = &travel->replayer->tape;
    struct event event;
    bool more = true;
    TRY(tape_seek(tape, travel->stretch.number));
    for (size_t i = 0; i < count && more; i++) {
        TRY(tape_next(tape, &event, &more));
        if (more)
            show(&event, context);
    }
    travel_unpeek(travel);
    TRY(tape_seek(tape, travel->stretch.number));
    struct travel_stop stop;
    bool stopped;
    return travel->end ? NULL : travel_settle(travel, &stop, &stopped);
}

struct tape *travel_tape(struct travel *travel) {
    return &travel->replayer->tape;
}

struct puppet *travel_puppet(struct travel *travel) {
    return travel->replayer->puppet;
}

static int compare_tids(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

size_t travel_threads(const struct travel *travel, int32_t *ret, size_t room) {
    const struct table *threads = &travel->replayer->threads;
    size_t count = 0, all = 0;
    for (size_t i = 0; i < threads->room; i++) {
        const struct replay_thread *thread = threads->slots[i].value;
        if (!thread)
            continue;
        all++;
        if (count < room)
            ret[count++] = thread->tid;
    }
    qsort(ret, count, sizeof(*ret), compare_tids);
    return all;
}

static struct error *find_thread(const struct travel *travel, int32_t tid, struct replay_thread **ret) {
    *ret = table_find(&travel->replayer->threads, (uint32_t)tid);
    return *ret ? NULL : error_new(ERROR_NOT_FOUND, "thread %d: there is none here", tid);
}

struct error *travel_registers(struct travel *travel, int32_t tid, struct user_regs_struct *ret) {
    struct replay_thread *thread;
    TRY(find_thread(travel, tid, &thread));
    *ret = thread == travel->replayer->thread ? travel->replayer->regs : thread->regs;
    return NULL;
}

struct error *travel_xstate(struct travel *travel, int32_t tid, void *ret, size_t *ret_size) {
    struct replay_thread *thread;
    TRY(find_thread(travel, tid, &thread));
    return trace_get_xstate(thread->task->tid, ret, ret_size);
}

size_t travel_read(struct travel *travel, uint64_t address, void *ret, size_t size) {
    return task_read(travel->replayer->puppet->task, address, ret, size);
}
