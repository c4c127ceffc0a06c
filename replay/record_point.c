/* record_point: a place in the middle of a computation, such that a replay can find it again. replay_point.c
 * is the twin.
 *
 * A replay patches a jump over the instructions at the place. That costs least where nothing jumps into the
 * middle of what is covered, so a place that is better may be looked for within the next few instructions. It
 * costs too much where an instruction was interrupted in the middle of itself (rep movs): that is run to its
 * end. What may not be stepped over: system calls, what raises a signal or is trapped, what the trap flag
 * shows in. */
#include "replay/record_sysbuf.h"
#include "replay/recorder_state.h"

#include "tracer/step.h"
#include "tracer/window.h"

#include <stdlib.h>
#include <string.h>

#define LOCK       0xf0 /* the prefix */
#define STEPS_MOST 12
/* Code on both sides of the place that is searched for jumps to it. */
#define CODE_AROUND      2048
#define INSTRUCTION_MOST 15
/* So much memory is hashed for each millisecond since the last event: a tenth of the time, or less. */
#define HASHED_PER_MILLISECOND (32u << 10)
#define HASHED_LEAST           (16u << 10)
#define HASHED_MOST            (256u << 10)

/* ---- a good place ---- */

struct place {
    uint8_t code[2 * CODE_AROUND];
    uint64_t start;    /* address of code[0] */
    size_t size;       /* bytes of it */
    const uint8_t *at; /* the instruction */
    size_t left;       /* from there */
};

/* The code around, as far as it is there. False: not even that of the place. */
static bool read_place(struct recorder *recorder, uint64_t rip, struct place *ret) {
    ret->start = rip - CODE_AROUND;
    ret->size =
        rip >= CODE_AROUND ? record_sysbuf_read_code(recorder, ret->start, ret->code, sizeof(ret->code)) : 0;
    if (ret->size <= CODE_AROUND) { /* at the beginning of its mapping */
        ret->start = rip;
        ret->size = record_sysbuf_read_code(recorder, rip, ret->code, CODE_AROUND);
    }
    ret->at = ret->code + (rip - ret->start);
    ret->left = ret->size - (rip - ret->start);
    return ret->left > 0;
}

/* Can a jump be patched over it, with no system call or trap covered, into which nothing else jumps? */
static bool is_good(const struct place *place, uint64_t rip) {
    struct window window;
    if (place->at > place->code && place->at[-1] == LOCK)
        return false; /* code may jump past the prefix; other code runs through it, into what is patched */
    struct error *err = window_decode(place->at, place->left, rip, &window);
    if (err) {
        error_free(err);
        return false;
    }
    for (size_t i = 0; i < window.count; i++) {
        size_t length;
        if (step_classify(window.instructions[i].bytes, window.instructions[i].length, &length) == STEP_NEVER)
            return false;
    }
    return !window_is_target(&window, place->code, place->size, place->start);
}

/* May the program be stepped? Its SIGTRAP must not be in the way; it is unblocked for the time. */
static struct error *prepare(struct recorder *recorder, uint64_t *ret_mask, bool *ret_can) {
    const uint64_t trap = 1ull << (SIGTRAP - 1);
    struct task *task = recorder->thread->task;
    TRY(trace_get_sigmask(task->tid, ret_mask));
    TRY(record_is_ignored(recorder, SIGTRAP, ret_can));
    *ret_can = !*ret_can;
    return *ret_can && (*ret_mask & trap) ? trace_set_sigmask(task->tid, *ret_mask & ~trap) : NULL;
}

/* What prepare() has changed; err is what happened meanwhile. */
static struct error *restore(struct task *task, uint64_t mask, struct error *err) {
    if (error_is(err, ERROR_TASK_GONE))
        return err;
    struct error *mask_err = trace_set_sigmask(task->tid, mask);
    if (!err)
        return mask_err;
    error_free(mask_err);
    return err;
}

struct error *record_settle(struct recorder *recorder, bool moving, bool *ret_settled) {
    static struct place place;
    struct task *task = recorder->thread->task;
    uint64_t mask = 0;
    bool can_step = false, done = true;
    struct error *err = NULL;
    *ret_settled = false;
    for (int steps = 0; !err && done; steps++) {
        struct user_regs_struct regs;
        size_t length = 0;
        TRY(trace_get_registers(task->tid, &regs));
        if (!read_place(recorder, regs.rip, &place))
            break;
        enum step_kind kind = step_classify(place.at, place.left, &length);
        bool enough = kind != STEP_REPEATS && (steps || !moving);
        *ret_settled = enough;
        if (enough && (kind == STEP_NEVER || steps == STEPS_MOST || is_good(&place, regs.rip)))
            break;
        if (kind == STEP_NEVER)
            break;
        if (!can_step) {
            TRY(prepare(recorder, &mask, &can_step));
            if (!can_step)
                break;
        }
        *ret_settled = false;
        err = kind == STEP_REPEATS ? step_until(task, regs.rip + length, &done) : step_once(task, &done);
    }
    return can_step ? restore(task, mask, err) : err;
}

/* ---- somewhere ---- */

/* lock, or xchg with memory, behind other prefixes. */
static bool is_locked(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        bool prefix = bytes[i] == 0x66 || bytes[i] == 0xf2 || bytes[i] == 0xf3 || (bytes[i] & 0xf0) == 0x40;
        if (bytes[i] == 0xf0)
            return true;
        if (!prefix)
            return i + 1 < size && (bytes[i] == 0x86 || bytes[i] == 0x87) && bytes[i + 1] < 0xc0;
    }
    return false;
}

static struct error *wander(struct recorder *recorder, unsigned steps, struct chaos *chaos,
                            bool *ret_settled) {
    struct task *task = recorder->thread->task;
    bool done = true, left = false;
    while (!left) {
        struct user_regs_struct regs;
        uint8_t code[INSTRUCTION_MOST];
        size_t length = 0;
        TRY(trace_get_registers(task->tid, &regs));
        size_t size = record_sysbuf_read_code(recorder, regs.rip, code, sizeof(code));
        enum step_kind kind = step_classify(code, size, &length);
        if (kind == STEP_NEVER)
            return NULL;
        left = kind == STEP_PLAIN && (steps <= 1 || (is_locked(code, length) && chaos_once_in(chaos, 3)));
        steps -= steps > 1;
        TRY(kind == STEP_REPEATS ? step_until(task, regs.rip + length, &done) : step_once(task, &done));
        if (!done)
            return NULL;
    }
    *ret_settled = true;
    return NULL;
}

struct error *record_wander(struct recorder *recorder, unsigned steps, struct chaos *chaos,
                            bool *ret_settled) {
    struct task *task = recorder->thread->task;
    uint64_t mask;
    bool can_step;
    *ret_settled = false;
    TRY(prepare(recorder, &mask, &can_step));
    return can_step ? restore(task, mask, wander(recorder, steps, chaos, ret_settled)) : NULL;
}

/* ---- its description ---- */

struct error *record_take_point(struct recorder *recorder) {
    struct thread *thread = recorder->thread;
    struct maps maps;
    uint64_t elapsed = clock_now() - thread->last_time;
    uint64_t budget = elapsed / 1000000 * HASHED_PER_MILLISECOND;
    budget = budget < HASHED_LEAST ? HASHED_LEAST : budget > HASHED_MOST ? HASHED_MOST : budget;
    if (!recorder->point && !(recorder->point = calloc(1, sizeof(*recorder->point))))
        return &error_no_memory;
    TRY(record_sysbuf_maps(recorder, &maps));
    struct error *err = record_turn_leave_out(recorder, &maps);
    if (!err)
        err = point_take(thread->task, &maps, recorder->process_count > 1, budget,
                         &recorder->thread->process->point_cursor, recorder->point);
    maps_deinit(&maps);
    if (err)
        return err;
    recorder->point->elapsed = elapsed / 1000;
    buffer_clear(&thread->point);
    point_encode(recorder->point, &thread->point);
    return buffer_check(&thread->point);
}
