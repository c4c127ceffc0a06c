/* travel_run: forward, to the next thing that somebody wants to see.
 *
 * The replayer runs a whole event at a time: to where it happens, then what it does. Here the way to the
 * event is walked by travel itself, since somebody may want to stop on it, and only when its place has been
 * reached
 * (`arrived`) the replayer is told to go on from there. */
#include "replay/travel_state.h"

#include "replay/tape.h"
#include "tracer/engine.h"
#include "tracer/ptrace.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TRAP_FLAG 0x100ull

/* ---- the next event ---- */

void travel_unpeek(struct travel *travel) {
    travel->peeked = travel->has_next = travel->next_has_point = false;
}

static struct error *decode_point(struct travel *travel) {
    const struct event *event = &travel->next;
    struct cursor cursor;
    travel->next_has_point = true;
    if (event->kind == EVENT_SWITCH)
        cursor_init(&cursor, event->turn.point, event->turn.point_size, "point");
    else if (event->kind == EVENT_SIGNAL && event->signal.place == SIGNAL_AT_POINT)
        cursor_init(&cursor, event->signal.point, event->signal.point_size, "point");
    else
        travel->next_has_point = false;
    return travel->next_has_point ? point_decode(&cursor, travel->next_point) : NULL;
}

static struct error *peek(struct travel *travel) {
    if (travel->peeked)
        return NULL;
    TRY(tape_next(&travel->replayer->tape, &travel->next, &travel->has_next));
    travel->peeked = true;
    return travel->has_next ? decode_point(travel) : NULL;
}

const struct event *travel_next(struct travel *travel) {
    return travel->peeked && travel->has_next && !travel->end ? &travel->next : NULL;
}

/* The event happens. */
static struct error *finish(struct travel *travel) {
    struct replayer *replayer = travel->replayer;
    uint64_t number = travel->next.number;
    struct error *err = replay_event(replayer, &travel->next);
    replayer->arrived = false;
    TRY(err);
    TRY(replay_process_sweep(replayer));
    travel->stretch = (struct stretch){.number = number};
    travel->at_origin = false;
    travel->anchored = false;
    travel_unpeek(travel);
    return NULL;
}

static bool is_last_segment(const struct travel *travel) {
    return travel->replayer->tape.segment >= travel->replayer->tape.segments;
}

/* Does nothing come after the next event? Where several processes share memory, the others go on. */
static bool is_end(const struct travel *travel) {
    if (!travel->has_next)
        return true;
    switch (travel->next.kind) {
    case EVENT_EXIT:
    case EVENT_LEFT:
        return !travel->replayer->processes->next;
    case EVENT_EXEC:
        return is_last_segment(travel);
    default:
        return travel->next.kind == EVENT_STOPPED || travel->next.kind == EVENT_JOINED;
    }
}

bool travel_is_step(enum event_kind kind) {
    return kind == EVENT_SYSCALL || kind == EVENT_BLOCKED || kind == EVENT_SIGNAL ||
           kind == EVENT_INSTRUCTION || kind == EVENT_THREAD_EXIT || kind == EVENT_SWITCH;
}

struct error *travel_settle(struct travel *travel, struct travel_stop *ret_stop, bool *ret_stopped) {
    *ret_stopped = false;
    for (;;) {
        TRY(peek(travel));
        travel->end = is_end(travel);
        if (travel->end)
            return NULL;
        if (travel_is_step(travel->next.kind))
            return replay_turn(travel->replayer, &travel->next);
        bool exec = travel->next.kind == EVENT_EXEC;
        TRY(finish(travel));
        if (!exec)
            continue;
        travel_watch_note(travel);
        *ret_stop = (struct travel_stop){.kind = TRAVEL_EXEC};
        *ret_stopped = true;
    }
}

/* Does the thread execute something on its way to the next event? */
static bool has_way(const struct travel *travel) {
    switch (travel->next.kind) {
    case EVENT_SYSCALL:
    case EVENT_BLOCKED:
        return !travel->replayer->thread->blocked;
    case EVENT_SIGNAL:
        return travel->next.signal.place != SIGNAL_AFTER_EVENT;
    case EVENT_THREAD_EXIT:
        return false;
    default:
        return true;
    }
}

/* ---- the way to it ---- */

enum outcome {
    OUT_ARRIVED,
    OUT_STEPPED,
    OUT_BREAK,
    OUT_WATCH,
    OUT_REACHED,
    OUT_INTERRUPTED,
    OUT_AGAIN, /* nothing that matters */
};

static struct user_regs_struct *current_regs(struct travel *travel) {
    return &travel->replayer->regs;
}

static struct error *set_current_regs(struct travel *travel) {
    travel->replayer->regs.orig_rax = (unsigned long long)-1;
    return trace_set_registers(travel->replayer->puppet->task->tid, &travel->replayer->regs);
}

static struct error *read_current_regs(struct travel *travel) {
    return trace_get_registers(travel->replayer->puppet->task->tid, &travel->replayer->regs);
}

/* Is the state the one that the next event's point describes, and the one that is meant? To be asked once at
 * each position where that may be so. */
static struct error *note_candidate(struct travel *travel, bool *ret_arrived) {
    struct stretch *stretch = &travel->stretch;
    const struct memory_reader memory = task_memory(travel->replayer->puppet->task);
    enum point_difference difference;
    size_t index;
    *ret_arrived = false;
    stretch->counted = false;
    if (!travel->next_has_point || current_regs(travel)->rip != travel->next_point->regs.rip)
        return NULL;
    /* cppcheck-suppress returnDanglingLifetime ; an error holds no reader */
    TRY(point_compare(travel->next_point, travel->replayer->puppet->task, &memory, &difference, &index));
    if (difference != POINT_SAME)
        return NULL;
    *ret_arrived = stretch->skip == 0;
    stretch->counted = true;
    stretch->skip -= stretch->skip != 0;
    return NULL;
}

/* The matches are counted from the beginning of a stretch. */
static struct error *begin_way(struct travel *travel, bool *ret_arrived) {
    struct stretch *stretch = &travel->stretch;
    *ret_arrived = false;
    if (stretch->started)
        return NULL;
    stretch->started = true;
    stretch->skip = replay_point_skip(travel->replayer, travel->next.number);
    return note_candidate(travel, ret_arrived);
}

/* Does the spot lie in the middle of this stretch? */
static bool aims(const struct travel *travel, const struct spot *spot) {
    return spot && spot->mark && spot->stretch.number == travel->stretch.number;
}

static struct error *at_spot(struct travel *travel, const struct spot *spot, bool *ret) {
    *ret = false;
    if (!aims(travel, spot) || !travel->stretch.moved ||
        registers_compare(current_regs(travel), &spot->mark->point->regs) != REGISTER_COUNT)
        return NULL;
    return spot_is_here(travel, spot, ret);
}

static void arrive(struct travel *travel, const struct stop *stop) {
    travel->stretch.arrived = true;
    travel->replayer->arrived = true;
    travel->replayer->arrival = *stop;
}

/* What the stop that ended a run means. */
static struct error *understand(struct travel *travel, const struct stop *stop, bool stepping,
                                enum outcome *ret) {
    siginfo_t info = {0};
    struct watch *watch = NULL;
    pid_t tid = travel->replayer->puppet->task->tid;
    bool taken = false;
    if (!travel->counter_reached)
        TRY(travel_offer_counters(travel, stop, &taken));
    *ret = OUT_AGAIN;
    if (taken || travel->counter_reached)
        return read_current_regs(travel);
    *ret = OUT_ARRIVED;
    if (stop->kind == STOP_SYSCALL_ENTRY && stepping)
        current_regs(travel)->r11 &= ~TRAP_FLAG; /* a step that ended in a call has shown the flag there */
    if (stop->kind == STOP_SIGNAL && stop->signo == SIGSTOP) {
        *ret = OUT_INTERRUPTED;
        return NULL;
    }
    if (stop->kind == STOP_SIGNAL && stop->signo == SIGTRAP) {
        TRY(trace_get_siginfo(tid, &info));
        TRY(replay_drain(travel->replayer));
        uint64_t rip = current_regs(travel)->rip;
        const struct breakpoint *breakpoint = travel_find_break(travel, rip - 1);
        if (info.si_code == SI_KERNEL && breakpoint && breakpoint->planted) {
            current_regs(travel)->rip--;
            TRY(set_current_regs(travel));
            *ret = OUT_BREAK;
            return NULL;
        }
        if (info.si_code == TRAP_TRACE || info.si_code == TRAP_HWBKPT) {
            TRY(travel_watch_hit(travel, &watch));
            *ret = watch ? OUT_WATCH : stepping ? OUT_STEPPED : OUT_AGAIN;
            return NULL;
        }
    }
    arrive(travel, stop);
    return replay_drain(travel->replayer);
}

/* The flag by which the processor steps is in what pushf has pushed. */
static struct error *hide_trap_flag(struct travel *travel, const uint8_t code[2]) {
    struct task *task = travel->replayer->puppet->task;
    uint8_t byte;
    if (code[0] != 0x9c && !((code[0] == 0x66 || (code[0] & 0xf0) == 0x40) && code[1] == 0x9c))
        return NULL;
    uint64_t at = current_regs(travel)->rsp + 1;
    TRY(task_read_exact(task, at, &byte, 1));
    byte &= (uint8_t) ~(TRAP_FLAG >> 8);
    return task_write(task, at, &byte, 1);
}

/* One instruction, with no breakpoint in the code. */
static struct error *step(struct travel *travel, enum outcome *ret) {
    struct user_regs_struct before = *current_regs(travel);
    uint8_t code[2] = {0};
    struct stop stop;
    task_read(travel->replayer->puppet->task, before.rip, code, sizeof(code));
    TRY(travel_unplant(travel));
    TRY(travel_arm_watches(travel, true));
    for (int tries = 0; tries < 2; tries++) { /* the first one after a call may not move */
        TRY(replay_run(travel->replayer, RESUME_SYSEMU_STEP, &stop));
        TRY(understand(travel, &stop, true, ret));
        if (*ret == OUT_INTERRUPTED) {
            travel->interrupted = true;
            tries--;
            continue;
        }
        if (*ret != OUT_STEPPED || registers_compare(&before, current_regs(travel)) != REGISTER_COUNT)
            break;
    }
    travel->stretch.moved = true;
    travel->at_origin = false;
    travel->steps++;
    if (*ret == OUT_ARRIVED)
        return NULL;
    TRY(hide_trap_flag(travel, code));
    bool arrived;
    TRY(note_candidate(travel, &arrived));
    if (arrived) {
        travel->stretch.arrived = travel->replayer->arrived = true;
        *ret = *ret == OUT_STEPPED ? OUT_ARRIVED : *ret;
    }
    return NULL;
}

/* A stop that is none of the matcher's. It may have to be stepped on from, and what the processor has seen is
 * forgotten by then. */
static struct error *offer(void *context, struct stop *stop, bool *ret_taken) {
    if (stop->kind == STOP_SIGNAL && stop->signo == SIGTRAP)
        TRY(travel_watch_latch(context));
    /* cppcheck-suppress returnDanglingLifetime ; an error holds no pointer to it */
    return travel_offer_counters(context, stop, ret_taken);
}

static bool is_probed(void *context, uint64_t address, size_t size) {
    struct travel *travel = context;
    for (size_t i = 0; i < size; i++) {
        const struct breakpoint *breakpoint = travel_find_break(travel, address + i);
        if (breakpoint && breakpoint->planted)
            return true;
    }
    for (size_t i = 0; i < travel->counter_count; i++)
        if (matcher_covers(travel->counters[i], address, size))
            return true;
    return false;
}

static struct error *host_run(void *context, enum resume how, struct stop *ret) {
    struct travel *travel = context;
    return replay_run(travel->replayer, how, ret);
}

/* Run to where this point (of the next event, or of a spot) may be, or to another stop. */
static struct error *run_to_point(struct travel *travel, const struct point *point, uint64_t skip,
                                  bool *ret_found, struct stop *ret_stop) {
    const struct matcher_host host = {.puppet = travel->replayer->puppet,
                                      .run = host_run,
                                      .offer = offer,
                                      .is_probed = is_probed,
                                      .context = travel};
    struct matcher *matcher = travel->replayer->matcher;
    TRY(matcher_find(matcher, &host, point, skip, ret_found, ret_stop));
    return read_current_regs(travel);
}

static struct error *run_to_spot(struct travel *travel, const struct spot *spot, enum outcome *ret) {
    bool found = false, here = false;
    struct stop stop;
    TRY(run_to_point(travel, spot->mark->point, 0, &found, &stop));
    if (!found)
        return understand(travel, &stop, false, ret);
    if (travel->counter_count) {
        uint64_t passages;
        TRY(matcher_passages(travel->replayer->matcher, &passages));
        travel->passages += passages;
    }
    TRY(travel_unplant(travel));
    TRY(spot_is_here(travel, spot, &here));
    if (here) {
        *ret = OUT_REACHED;
        return NULL;
    }
    TRY(step(travel, ret)); /* a state that looks like it */
    if (*ret == OUT_STEPPED)
        *ret = OUT_AGAIN;
    return NULL;
}

static struct error *run_to_next_point(struct travel *travel, enum outcome *ret) {
    struct stretch *stretch = &travel->stretch;
    bool found = false, arrived;
    struct stop stop;
    TRY(run_to_point(travel, travel->next_point, stretch->skip + stretch->counted, &found, &stop));
    if (found) {
        stretch->arrived = travel->replayer->arrived = true;
        *ret = OUT_ARRIVED;
        return NULL;
    }
    TRY(understand(travel, &stop, false, ret));
    if (*ret == OUT_ARRIVED)
        return NULL; /* the replayer will say that this was not to be expected */
    stretch->skip = matcher_left(travel->replayer->matcher) + 1;
    TRY(note_candidate(travel, &arrived)); /* one that it stands at has been counted already */
    stretch->skip -= !stretch->counted;
    return NULL;
}

/* Freely, to whatever comes first. */
static struct error *run(struct travel *travel, const struct goal *goal, enum outcome *ret) {
    struct stop stop;
    if (goal->reports)
        TRY(travel_plant(travel));
    TRY(travel_arm_watches(travel, goal->reports));
    travel->stretch.moved = true;
    travel->at_origin = false;
    travel->anchored = false;
    if (aims(travel, goal->spot))
        return run_to_spot(travel, goal->spot, ret);
    if (travel->next_has_point)
        return run_to_next_point(travel, ret);
    TRY(replay_run(travel->replayer, RESUME_SYSEMU, &stop));
    return understand(travel, &stop, false, ret);
}

static bool steps_now(const struct travel *travel, const struct goal *goal) {
    return goal->step && (!goal->step_tid || goal->step_tid == travel->replayer->thread->tid);
}

/* Walk on towards the next event. */
static struct error *walk(struct travel *travel, const struct goal *goal, bool fresh, enum outcome *ret) {
    bool arrived;
    TRY(begin_way(travel, &arrived));
    if (arrived) {
        travel->stretch.arrived = travel->replayer->arrived = true;
        *ret = OUT_ARRIVED;
        return NULL;
    }
    bool at_break = goal->reports && travel_find_break(travel, current_regs(travel)->rip);
    if (at_break && !fresh) {
        *ret = OUT_BREAK;
        return NULL;
    }
    if (steps_now(travel, goal))
        return step(travel, ret);
    if (!at_break)
        return run(travel, goal, ret);
    TRY(step(travel, ret));
    if (*ret == OUT_STEPPED)
        *ret = OUT_AGAIN;
    return NULL;
}

/* ---- what is told ---- */

static bool is_caught(const struct travel *travel, uint64_t number) {
    if (!travel->catching)
        return false;
    for (size_t i = 0; i < travel->caught_count; i++)
        if (travel->caught[i] == number)
            return true;
    return !travel->caught_count;
}

/* Where the next event is about to happen. */
static bool told_before(const struct travel *travel, struct travel_stop *ret) {
    const struct event *event = &travel->next;
    if (event->kind == EVENT_SIGNAL && event->signal.signo > 0 && event->signal.signo < NSIG &&
        !travel->passed[event->signal.signo]) {
        *ret = (struct travel_stop){.kind = TRAVEL_SIGNAL, .signo = event->signal.signo};
        return true;
    }
    bool entry =
        event->kind == EVENT_BLOCKED || (event->kind == EVENT_SYSCALL && !travel->replayer->thread->blocked);
    if (entry && is_caught(travel, event->syscall.number)) {
        *ret = (struct travel_stop){.kind = TRAVEL_CALL_ENTRY, .call = event->syscall.number};
        return true;
    }
    return false;
}

static bool is_spot_ahead(const struct travel *travel, const struct goal *goal) {
    const struct spot *spot = goal->spot;
    return spot && !spot->mark && spot->stretch.arrived && spot->stretch.number == travel->stretch.number;
}

static bool is_spot_behind(const struct travel *travel, const struct goal *goal) {
    const struct spot *spot = goal->spot;
    return spot && !spot->mark && !spot->stretch.arrived && travel->stretch.number >= spot->stretch.number;
}

/* The event happens, and what it brings is told. */
static struct error *pass_event(struct travel *travel, const struct goal *goal, struct travel_stop *ret,
                                bool *ret_stopped) {
    const struct event event = travel->next;
    bool caught = event.kind == EVENT_SYSCALL && is_caught(travel, event.syscall.number),
         steps = steps_now(travel, goal);
    uint64_t call = event.kind == EVENT_SYSCALL ? event.syscall.number : 0;
    TRY(travel_unplant(travel));
    TRY(finish(travel));
    struct travel_stop after;
    bool other;
    TRY(travel_settle(travel, &after, &other));
    const struct watch *changed = travel_watch_changed(travel);
    bool told = goal->reports && (!is_spot_behind(travel, goal) || goal->inclusive);
    *ret_stopped = true;
    if (told && changed)
        *ret = (struct travel_stop){
            .kind = TRAVEL_WATCHPOINT, .address = changed->whole, .watch = changed->kind};
    else if (told && caught)
        *ret = (struct travel_stop){.kind = TRAVEL_CALL_RETURN, .call = call};
    else if (other && (told || goal->step))
        *ret = after;
    else if (is_spot_behind(travel, goal) || (goal->to_event && travel->stretch.number >= goal->event))
        *ret = (struct travel_stop){.kind = TRAVEL_REACHED};
    else if (steps && event.kind != EVENT_BLOCKED)
        *ret = (struct travel_stop){.kind = TRAVEL_STEPPED};
    else
        *ret_stopped = false;
    return NULL;
}

static struct error *at_event(struct travel *travel, const struct goal *goal, bool told,
                              struct travel_stop *ret, bool *ret_stopped) {
    *ret_stopped = true;
    if (is_spot_ahead(travel, goal)) {
        *ret = (struct travel_stop){.kind = TRAVEL_REACHED};
        return NULL;
    }
    if (!told && goal->reports && told_before(travel, ret))
        return NULL;
    if (!told && goal->crash && travel->next.kind == EVENT_SIGNAL &&
        travel->next.signal.outcome == SIGNAL_FATAL) {
        *ret = (struct travel_stop){.kind = TRAVEL_SIGNAL, .signo = travel->next.signal.signo};
        return NULL;
    }
    return pass_event(travel, goal, ret, ret_stopped);
}

static bool asked_to_stop(struct travel *travel) {
    if (travel->options.interrupted && travel->options.interrupted(travel->options.context))
        travel->interrupted = true;
    return travel->interrupted;
}

static struct error *interrupted(struct travel *travel, const struct goal *goal, struct travel_stop *ret,
                                 bool *ret_stopped) {
    *ret_stopped = asked_to_stop(travel);
    travel->interrupted = false;
    if (*ret_stopped)
        *ret = (struct travel_stop){.kind = TRAVEL_INTERRUPTED};
    else if (goal->marks)
        TRY(travel_mark_now_and_then(travel));
    return NULL;
}

/* One piece of the way. */
static struct error *go(struct travel *travel, const struct goal *goal, bool fresh, struct travel_stop *ret,
                        bool *ret_stopped) {
    enum outcome outcome = OUT_ARRIVED;
    bool here = false, told = travel->stretch.arrived;
    if (!told && has_way(travel))
        TRY(walk(travel, goal, fresh, &outcome));
    else if (!told)
        travel->stretch.arrived = true;
    *ret_stopped = true;
    switch (outcome) {
    case OUT_ARRIVED:
        return at_event(travel, goal, told, ret, ret_stopped);
    case OUT_REACHED:
        *ret = (struct travel_stop){.kind = TRAVEL_REACHED};
        return NULL;
    case OUT_BREAK:
        *ret = (struct travel_stop){.kind = TRAVEL_BREAKPOINT};
        return NULL;
    case OUT_WATCH:
    case OUT_STEPPED:
        TRY(at_spot(travel, goal->spot, &here));
        if (here)
            *ret = (struct travel_stop){.kind = TRAVEL_REACHED};
        else if (outcome == OUT_WATCH && goal->reports)
            *ret = travel->watched;
        else
            *ret = (struct travel_stop){.kind = TRAVEL_STEPPED};
        *ret_stopped = here || goal->step || goal->reports;
        return NULL;
    case OUT_INTERRUPTED:
        return interrupted(travel, goal, ret, ret_stopped);
    case OUT_AGAIN:
        if (goal->counters && travel->counter_reached) {
            *ret = (struct travel_stop){.kind = TRAVEL_REACHED};
            return NULL;
        }
        TRY(at_spot(travel, goal->spot, &here));
        *ret = (struct travel_stop){.kind = TRAVEL_REACHED};
        *ret_stopped = here;
        return NULL;
    }
    return NULL;
}

static struct error *forward(struct travel *travel, const struct goal *goal, struct travel_stop *ret) {
    bool stopped = false, fresh = goal->fresh;
    TRY(travel_settle(travel, ret, &stopped));
    travel_watch_note(travel);
    for (uint64_t round = 1; !stopped; round++) {
        if (travel->end) {
            *ret = (struct travel_stop){.kind = TRAVEL_END};
            return NULL;
        }
        TRY(go(travel, goal, fresh, ret, &stopped));
        fresh = false;
        if (stopped)
            return NULL;
        if (goal->marks && !travel->stretch.moved)
            TRY(travel_mark_now_and_then(travel));
        if (round % 256 == 0 && asked_to_stop(travel)) {
            travel->interrupted = false;
            *ret = (struct travel_stop){.kind = TRAVEL_INTERRUPTED};
            return NULL;
        }
    }
    return NULL;
}

struct error *travel_forward(struct travel *travel, const struct goal *goal, struct travel_stop *ret) {
    travel->marking = goal->marks;
    struct error *err = forward(travel, goal, ret);
    travel->marking = false;
    if (!err)
        err = travel_unplant(travel);
    return err;
}
