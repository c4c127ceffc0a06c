/* travel_back: to what came before.
 *
 * Nothing runs backwards. A mark before the present position is returned to, and from there the replay runs
 * forward: once to see what there is before the present position, and once more to stop there. */
#include "replay/travel_state.h"

#include "base/clock.h"
#include "base/say.h"

#include <stdlib.h>
#include <string.h>

/* ---- one instruction ---- */

void travel_set_anchor(struct travel *travel, struct mark *mark) {
    if (travel->anchor != mark)
        mark_free(travel->anchor);
    travel->anchor = mark;
    travel->steps = 0;
    travel->anchored = mark != NULL;
}

/* So many single instructions from where it stands, within one stretch. */
static struct error *step_on(struct travel *travel, uint64_t count) {
    const struct goal goal = {.step = true, .fresh = true};
    for (uint64_t i = 0; i < count; i++) {
        struct travel_stop stop;
        TRY(travel_forward(travel, &goal, &stop));
        if (stop.kind != TRAVEL_STEPPED)
            return error_new(ERROR_OTHER, "going back: the way there is not what it was");
    }
    return NULL;
}

/* To the anchor, and `steps` instructions on. */
struct error *travel_return_to_anchor(struct travel *travel, uint64_t steps) {
    struct mark *anchor = travel->anchor;
    TRY(mark_return(travel, anchor));
    travel->anchored = true;
    travel->steps = 0;
    return step_on(travel, steps);
}

/* Count the instructions from the anchor, where it stands, to the spot, at most `most`. */
static struct error *count_to(struct travel *travel, const struct spot *spot, uint64_t most, uint64_t *ret,
                              bool *ret_reached) {
    const struct goal goal = {.step = true, .fresh = true, .spot = spot};
    *ret_reached = false;
    for (*ret = 0; *ret < most && !*ret_reached; ++*ret) {
        struct travel_stop stop;
        TRY(travel_forward(travel, &goal, &stop));
        *ret_reached = stop.kind == TRAVEL_REACHED;
        if (!*ret_reached && stop.kind != TRAVEL_STEPPED)
            return error_new(ERROR_OTHER, "going back: the way there is not what it was");
    }
    return NULL;
}

/* Make an anchor before the spot, and near: *ret instructions. */
static struct error *approach(struct travel *travel, const struct spot *spot, uint64_t *ret) {
    struct mark *mark = travel_mark_before(travel, spot), *anchor;
    struct travel_stop stop;
    bool reached = false;
    if (!mark)
        return error_new(ERROR_OTHER, "going back: there is nothing before");
    TRY(mark_return(travel, mark));
    if (travel->stretch.number < spot->stretch.number) { /* to the beginning of its stretch */
        const struct spot begin = {.stretch = {.number = spot->stretch.number}};
        const struct goal goal = {.spot = &begin};
        TRY(travel_forward(travel, &goal, &stop));
    }
    TRY(mark_take(travel, &anchor));
    travel_set_anchor(travel, anchor);
    TRY(travel_come_near(travel, spot));
    return count_to(travel, spot, UINT64_MAX, ret, &reached);
}

/* Exactly one instruction before the spot, which is in a stretch and not at its beginning. */
static struct error *one_before(struct travel *travel, const struct spot *spot) {
    uint64_t steps;
    TRY(approach(travel, spot, &steps));
    return travel_return_to_anchor(travel, steps - 1);
}

static bool is_step_event(const struct travel *travel, uint64_t number) {
    enum event_kind kind = (enum event_kind)travel->kinds[number];
    return travel_is_step(kind) || kind == EVENT_EXEC;
}

/* The position right behind an event: the one before it is in front of that event, or of its instruction. */
static struct error *before_event(struct travel *travel, struct travel_stop *ret) {
    uint64_t number = travel->stretch.number;
    struct travel_stop stop;
    while (number && !is_step_event(travel, number))
        number--;
    struct spot spot = {.stretch = {.number = number - 1, .arrived = true}};
    const struct mark *mark = number ? travel_mark_before(travel, &spot) : NULL;
    if (!mark) {
        *ret = (struct travel_stop){.kind = TRAVEL_BEGIN};
        return NULL;
    }
    if (travel->kinds[number] == EVENT_EXEC) { /* the end of the program before */
        spot.stretch = (struct stretch){.number = number - 1};
        if (!(mark = travel_mark_before(travel, &spot)))
            return error_new(ERROR_OTHER, "going back: there is nothing before");
    }
    const struct goal goal = {.spot = &spot};
    TRY(mark_return(travel, travel_mark_before(travel, &spot)));
    TRY(travel_forward(travel, &goal, &stop));
    *ret = (struct travel_stop){.kind = TRAVEL_STEPPED};
    if (!travel->stretch.arrived)
        return NULL;
    if (!travel->stretch.moved) { /* nothing is executed before it */
        travel->stretch.arrived = false;
        return NULL;
    }
    return one_before(travel, &spot);
}

static struct error *back_from(struct travel *travel, const struct spot *spot, struct travel_stop *ret) {
    *ret = (struct travel_stop){.kind = TRAVEL_STEPPED};
    if (spot->stretch.moved && !spot->stretch.arrived && travel->anchored && travel->steps > 0)
        return travel_return_to_anchor(travel, travel->steps - 1);
    if (spot->stretch.moved)
        return one_before(travel, spot);
    return before_event(travel, ret);
}

struct error *travel_step_back(struct travel *travel, struct travel_stop *ret) {
    struct spot spot;
    bool anchored = travel->anchored && travel->steps > 0 && !travel->stretch.arrived;
    if (travel->stretch.arrived && !travel->stretch.moved)
        travel->stretch.arrived = travel->replayer->arrived = false;
    if (anchored) /* nobody needs a twin of this */
        spot = (struct spot){.stretch = travel->stretch};
    else
        TRY(spot_take(travel, &spot));
    struct error *err = back_from(travel, &spot, ret);
    spot_free(&spot);
    return err;
}

/* ---- to the last stop before ---- */

struct hits {
    uint64_t count; /* since the mark */
    struct travel_stop last;
    struct mark *near; /* a mark of the hit number near_count; owned */
    uint64_t near_count;
    uint64_t near_after; /* the clock's time: take another one then */
    bool interrupted;
    uint64_t most; /* give up at so many */
};

/* With so many hits it is worth while to look right before the position first. */
#define HITS_MANY 400

#define NEAR_LEAST (30 * CLOCK_MILLISECOND)
#define NEAR_COST  10

/* A hit that took long to come to is marked, so that one need not come there once more. */
static struct error *note_hit(struct travel *travel, struct hits *hits, const struct travel_stop *stop) {
    struct mark *mark;
    hits->count++;
    hits->last = *stop;
    uint64_t before = clock_now();
    if (before < hits->near_after || travel->stretch.arrived)
        return NULL;
    TRY(mark_take(travel, &mark));
    if (!mark->has_twin) {
        mark_free(mark);
        return NULL;
    }
    mark_free(hits->near);
    hits->near = mark;
    hits->near_count = hits->count;
    uint64_t after = clock_now(), wait = (after - before) * NEAR_COST;
    hits->near_after = after + (wait > NEAR_LEAST ? wait : NEAR_LEAST);
    return NULL;
}

static struct error *count_hits(struct travel *travel, struct mark *mark, const struct spot *limit,
                                bool inclusive, struct hits *ret) {
    struct goal goal = {.reports = true, .spot = limit, .inclusive = inclusive};
    say_verbose("going back: from event %llu%s", (unsigned long long)mark->stretch.number,
                mark->stretch.moved ? " and later" : "");
    TRY(mark_return(travel, mark));
    ret->near_after = clock_now() + NEAR_LEAST;
    for (;;) {
        struct travel_stop stop;
        TRY(travel_forward(travel, &goal, &stop));
        goal.fresh = true;
        if (stop.kind == TRAVEL_REACHED)
            return NULL;
        if (stop.kind == TRAVEL_INTERRUPTED) {
            ret->interrupted = true;
            return NULL;
        }
        if (stop.kind == TRAVEL_END)
            return error_new(ERROR_OTHER, "going back: the way there is not what it was");
        TRY(note_hit(travel, ret, &stop));
        if (ret->count == ret->most)
            return NULL;
    }
}

static struct error *go_to_hit(struct travel *travel, struct mark *mark, const struct spot *limit,
                               bool inclusive, const struct hits *hits) {
    struct goal goal = {.reports = true, .spot = limit, .inclusive = inclusive, .fresh = hits->near != NULL};
    TRY(mark_return(travel, hits->near ? hits->near : mark));
    for (uint64_t i = hits->near_count; i < hits->count; i++) {
        struct travel_stop stop;
        TRY(travel_forward(travel, &goal, &stop));
        goal.fresh = true;
        if (stop.kind == TRAVEL_INTERRUPTED)
            i--;
        else if (stop.kind == TRAVEL_REACHED || stop.kind == TRAVEL_END)
            return error_new(ERROR_OTHER, "going back: the way there is not what it was");
    }
    return NULL;
}

/* Memory that changes is seen behind the instruction that does it; backwards, the stop is in front of it. */
static struct error *settle_hit(struct travel *travel, const struct hits *hits, struct travel_stop *ret) {
    struct travel_stop before;
    if (hits->last.kind == TRAVEL_WATCHPOINT)
        TRY(travel_step_back(travel, &before));
    *ret = hits->last;
    return NULL;
}

static struct spot spot_of(const struct mark *mark) {
    /* cppcheck-suppress constParameterPointer */
    return (struct spot){.stretch = mark->stretch,
                         .mark = mark->stretch.moved ? (struct mark *)(uintptr_t)mark : NULL};
}

/* From the mark to the limit: *ret_done when there was something. *ret_many: more than `most` (0: any
 * number). */
static struct error *look_from(struct travel *travel, struct mark *mark, const struct spot *limit,
                               bool inclusive, uint64_t most, struct travel_stop *ret, bool *ret_done,
                               bool *ret_many) {
    struct hits hits = {.most = most};
    struct error *err = count_hits(travel, mark, limit, inclusive, &hits);
    *ret_many = most && hits.count == most;
    *ret_done = !*ret_many && (hits.interrupted || hits.count);
    if (!err && *ret_done && hits.interrupted)
        *ret = (struct travel_stop){.kind = TRAVEL_INTERRUPTED}; /* somewhere on the way, and not lost */
    else if (!err && *ret_done)
        err = go_to_hit(travel, mark, limit, inclusive, &hits);
    if (!err && *ret_done && !hits.interrupted)
        err = settle_hit(travel, &hits, ret);
    mark_free(hits.near);
    return err;
}

/* The last few instructions before the limit. */
static struct error *look_near(struct travel *travel, const struct spot *limit, bool inclusive,
                               struct travel_stop *ret, bool *ret_done) {
    struct spot spot = *limit;
    uint64_t steps, number = limit->stretch.number;
    bool many;
    if (!spot.stretch.moved && !spot.stretch.arrived) {
        while (number > 1 && !is_step_event(travel, number))
            number--;
        spot.stretch = (struct stretch){.number = number - 1, .arrived = true};
    }
    *ret_done = false;
    if (!number || !travel_mark_before(travel, &spot) || travel->kinds[number] == EVENT_EXEC)
        return NULL;
    TRY(approach(travel, &spot, &steps));
    struct mark *near = travel->anchor; /* which a step back may replace */
    travel->anchor = NULL;
    travel->anchored = false;
    struct error *err = look_from(travel, near, limit, inclusive, 0, ret, ret_done, &many);
    mark_free(near);
    return err;
}

static struct error *look(struct travel *travel, struct mark *mark, const struct spot *limit, bool inclusive,
                          struct travel_stop *ret, bool *ret_done) {
    bool many = false;
    TRY(look_from(travel, mark, limit, inclusive, HITS_MANY, ret, ret_done, &many));
    if (!many)
        return NULL;
    TRY(look_near(travel, limit, inclusive, ret, ret_done));
    return *ret_done ? NULL : look_from(travel, mark, limit, inclusive, 0, ret, ret_done, &many);
}

/* Each time twice as many marks back: coming to a mark costs something by itself. */
static struct mark *stride_back(struct travel *travel, struct mark *mark, size_t stride) {
    for (size_t i = 0; mark && i < stride; i++) {
        struct mark *before = travel_mark_preceding(travel, mark);
        if (!before && i)
            break;
        mark = before;
    }
    return mark;
}

static struct error *back_to_hit(struct travel *travel, const struct spot *from, struct travel_stop *ret) {
    struct spot limit = *from;
    bool inclusive = false, done = false;
    struct mark *mark = travel_mark_before(travel, &limit);
    for (size_t stride = 1; mark; mark = stride_back(travel, mark, stride), stride *= 2) {
        TRY(look(travel, mark, &limit, inclusive, ret, &done));
        if (done)
            return NULL;
        limit = spot_of(mark);
        inclusive = true;
    }
    *ret = (struct travel_stop){.kind = TRAVEL_BEGIN};
    return travel->mark_count ? mark_return(travel, travel->marks[0]) : NULL;
}

struct error *travel_continue_back(struct travel *travel, struct travel_stop *ret) {
    struct spot spot;
    TRY(spot_take(travel, &spot));
    struct error *err = back_to_hit(travel, &spot, ret);
    spot_free(&spot);
    return err;
}
