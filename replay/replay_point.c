/* replay_point: finding the arbitrary points of a recording again, and undoing it when one was taken too
 * early. record_point.c is the twin.
 *
 * The matcher runs to the first state that agrees with a point's description (point.h). Where the program
 * repeats itself, it may not be the right one. If it makes no difference, so be it. Else a later event is not
 * what was recorded; then the replay goes back in front of the last point and takes the next match, and when
 * there is none before the next system call, in front of the point before that, and so on. Only when no
 * choice leads on, the divergence is reported.
 *
 * To go back there are checkpoints, frozen twins of the puppet, taken every now and then in front of a point;
 * what lies before the oldest is reached from the beginning of the segment, as is everything when the puppet
 * has shared memory, which twins would share, too. Events that were shown or observed are not so again. */
#include "replay/replayer_state.h"

#include "base/clock.h"

#include "base/say.h"
#include "tracer/engine.h"

#include <stdlib.h>
#include <string.h>

#define MILLISECOND 1000000ull
/* Checkpoints are this far apart, and so many times what taking one costs. */
#define CHECKPOINT_INTERVAL (200 * MILLISECOND)
#define CHECKPOINT_COST     20
/* So many events later they are given up. */
#define CHECKPOINT_EVENTS 5000
/* A search may take so long, and so many times what it took when it was recorded. */
#define SEARCH_LEAST (30 * CLOCK_SECOND)
#define SEARCH_TIMES 200
/* Ways that are tried before a divergence is reported. */
#define ATTEMPTS_MOST 4096

/* ---- checkpoints ---- */

static void drop_checkpoint(struct replayer *replayer, size_t index) {
    replay_checkpoint_drop(&replayer->checkpoints[index]);
    replayer->checkpoint_count--;
    memmove(&replayer->checkpoints[index], &replayer->checkpoints[index + 1],
            (replayer->checkpoint_count - index) * sizeof(replayer->checkpoints[0]));
}

void replay_drop_checkpoints(struct replayer *replayer) {
    while (replayer->checkpoint_count)
        drop_checkpoint(replayer, replayer->checkpoint_count - 1);
    replayer->checkpoint_after = clock_now() + CHECKPOINT_INTERVAL;
}

/* The state in front of event `number`. Where none can be made, there is none. */
static struct error *take_checkpoint(struct replayer *replayer, uint64_t number) {
    struct checkpoint checkpoint;
    uint64_t before = clock_now();
    if (replayer->processes->next) /* they share memory */
        return NULL;
    struct error *err = replay_checkpoint_take(replayer, &checkpoint);
    uint64_t after = clock_now(), wait = (after - before) * CHECKPOINT_COST;
    replayer->checkpoint_after = after + (wait > CHECKPOINT_INTERVAL ? wait : CHECKPOINT_INTERVAL);
    if (error_is(err, ERROR_UNSUPPORTED) || error_is(err, ERROR_SYSTEM)) {
        error_free(err);
        return NULL;
    }
    if (err)
        return err;
    checkpoint.number = number - 1;
    if (replayer->checkpoint_count == CHECKPOINTS)
        drop_checkpoint(replayer, 0);
    replayer->checkpoints[replayer->checkpoint_count++] = checkpoint;
    return NULL;
}

static struct error *return_to(struct replayer *replayer, struct checkpoint *checkpoint) {
    TRY(replay_checkpoint_return(replayer, checkpoint));
    return tape_seek(&replayer->tape, checkpoint->number);
}

static struct error *return_to_segment(struct replayer *replayer) {
    TRY(tape_seek(&replayer->tape, replayer->tape.number_before));
    return replay_begin_segment(replayer);
}

/* ---- choices ---- */

uint64_t replay_point_skip(const struct replayer *replayer, uint64_t number) {
    for (size_t i = replayer->passed_count; i-- > 0;)
        if (replayer->passed[i].number == number)
            return replayer->passed[i].skip;
    return 0;
}

static struct passed_point *find_passed(const struct replayer *replayer, uint64_t number) {
    for (size_t i = replayer->passed_count; i-- > 0;)
        if (replayer->passed[i].number == number)
            return &replayer->passed[i];
    return NULL;
}

static struct error *add_passed(struct replayer *replayer, uint64_t number) {
    if (replayer->passed_count == replayer->passed_room) {
        size_t room = replayer->passed_room ? 2 * replayer->passed_room : 64;
        struct passed_point *passed = realloc(replayer->passed, room * sizeof(*passed));
        if (!passed)
            return &error_no_memory;
        replayer->passed = passed;
        replayer->passed_room = room;
    }
    replayer->passed[replayer->passed_count++] = (struct passed_point){.number = number};
    return NULL;
}

/* ---- the way there ---- */

static bool is_probed(void *context, uint64_t address, size_t size) {
    const struct replayer *replayer = context;
    const struct replay_hooks *hooks = replayer->options->hooks;
    return hooks && hooks->is_probed(hooks->context, address, size);
}

static struct error *find(struct replayer *replayer, const struct event *event, const struct point *point,
                          uint64_t skip) {
    const struct matcher_host host = {.puppet = replayer->puppet,
                                      .run = replay_run,
                                      .offer = replay_offer,
                                      .is_probed = is_probed,
                                      .context = replayer};
    struct stop stop = {0};
    bool found = false;
    uint64_t elapsed = point->elapsed < UINT32_MAX ? point->elapsed : UINT32_MAX;
    if (!replayer->fixed) { /* else it has been found before, and whoever takes part may need any time */
        TRY(engine_set_tick(1000));
        replayer->deadline = clock_now() + SEARCH_LEAST + elapsed * 1000 * SEARCH_TIMES;
    }
    struct error *err = matcher_find(replayer->matcher, &host, point, skip, &found, &stop);
    bool late = replayer->deadline && clock_now() > replayer->deadline;
    replayer->deadline = 0;
    if (!err && !replayer->fixed)
        err = engine_set_tick(0);
    if (!err)
        err = trace_get_registers(replayer->puppet->task->tid, &replayer->regs);
    if (err || found)
        return err;
    if (!late)
        return replay_unexpected(replayer, event, &stop);
    replayer->attempts += ATTEMPTS_MOST / 4; /* or going back would take forever */
    return replay_diverged(replayer, event, "its point was not found in a long time");
}

struct error *replay_to_point(struct replayer *replayer, const struct event *event, const void *bytes,
                              size_t size) {
    static struct point point;
    struct cursor cursor;
    if (replayer->arrived) {
        replayer->arrived = false;
        return NULL;
    }
    cursor_init(&cursor, bytes, size, "point");
    TRY(point_decode(&cursor, &point));
    if (!replayer->fixed && clock_now() > replayer->checkpoint_after)
        TRY(take_checkpoint(replayer, event->number));
    if (!find_passed(replayer, event->number) && !replayer->fixed)
        TRY(add_passed(replayer, event->number));
    const struct passed_point *passed = find_passed(replayer, event->number);
    return find(replayer, event, &point, passed ? passed->skip : 0);
}

struct error *replay_leave_point(struct replayer *replayer) {
    return matcher_leave(replayer->matcher, replayer->puppet);
}

void replay_point_passed_event(struct replayer *replayer, const struct event *event) {
    if (event->number <= replayer->told)
        return;
    replayer->told = event->number;
    replayer->attempts = 0;
    error_free(replayer->diverged);
    replayer->diverged = NULL;
    if (replayer->checkpoint_count &&
        event->number - replayer->checkpoints[replayer->checkpoint_count - 1].number > CHECKPOINT_EVENTS)
        replay_drop_checkpoints(replayer);
}

/* ---- the way back ---- */

/* The last point passed whose choice led here, with its next match chosen; NULL when there is none. */
static struct passed_point *choose(struct replayer *replayer) {
    /* the event that failed may be a point itself: all its matches have been tried */
    while (replayer->passed_count &&
           replayer->passed[replayer->passed_count - 1].number >= replayer->tape.number)
        replayer->passed_count--;
    if (replayer->fixed || !replayer->passed_count || ++replayer->attempts > ATTEMPTS_MOST)
        return NULL;
    struct passed_point *last = &replayer->passed[replayer->passed_count - 1];
    if (last->number <= replayer->tape.number_before)
        return NULL;
    last->skip++;
    return last;
}

struct error *replay_go_back(struct replayer *replayer, struct error *err, bool *ret_again) {
    const struct passed_point *last = choose(replayer);
    *ret_again = false;
    if (last)
        say_verbose("event %llu: match %llu of its point did not lead on (%s)",
                    (unsigned long long)last->number, (unsigned long long)last->skip, err->message);
    if (!replayer->diverged)
        replayer->diverged = err;
    else
        error_free(err);
    if (!last) {
        err = replayer->diverged;
        replayer->diverged = NULL;
        return err;
    }
    *ret_again = true;
    while (replayer->checkpoint_count &&
           replayer->checkpoints[replayer->checkpoint_count - 1].number >= last->number)
        drop_checkpoint(replayer, replayer->checkpoint_count - 1);
    if (replayer->checkpoint_count)
        return return_to(replayer, &replayer->checkpoints[replayer->checkpoint_count - 1]);
    return return_to_segment(replayer);
}

void replay_points_deinit(struct replayer *replayer) {
    struct matcher_counts counts = {0};
    if (replayer->matcher)
        counts = matcher_counts(replayer->matcher);
    if (counts.points)
        say_verbose("%llu points found, with %llu stops (%llu by breakpoint; %llu jumps into windows)",
                    (unsigned long long)counts.points, (unsigned long long)counts.candidates,
                    (unsigned long long)counts.trapped, (unsigned long long)counts.inside);
    replay_drop_checkpoints(replayer);
    matcher_destroy(replayer->matcher);
    free(replayer->passed);
    error_free(replayer->diverged);
}
