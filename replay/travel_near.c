/* travel_near: to shortly before a position, however long the way there is.
 *
 * The instruction before a position is found by single steps, which are slow, so they have to begin near. How
 * near a state is cannot be seen from it; but a program that runs for long goes round in loops. So: some
 * steps are made, and then the addresses that were met are watched by counters in the puppet
 * (matcher_count()) while it runs at full speed to the position. The one that was passed last before it is
 * where to go on from: the passage with that number. When none of them was passed any more, the steps were a
 * way forward. Each round leaves a loop behind. */
#include "replay/travel_state.h"

#include "base/say.h"

#include <stdlib.h>

#define WINDOW      400 /* steps of a round */
#define ROUNDS_MOST 400
#define APART       32 /* bytes between two counters: the jumps must not touch */

struct search {
    const struct spot *spot;
    uint64_t rips[WINDOW];
    size_t count;
    uint64_t chosen[COUNTERS_MOST];
    size_t chosen_count;
};

/* ---- counters ---- */

static bool is_probed(void *context, uint64_t address, size_t size) {
    const struct travel *travel = context;
    for (size_t i = 0; i < travel->counter_count; i++)
        if (matcher_covers(travel->counters[i], address, size))
            return true;
    return false;
}

static struct error *no_offer(void *context, struct stop *stop, bool *ret_taken) {
    (void)context, (void)stop;
    *ret_taken = false;
    return NULL;
}

static struct error *plant_counter(struct travel *travel, uint64_t address, uint64_t stop_at,
                                   bool *ret_planted) {
    const struct matcher_host host = {.puppet = travel->replayer->puppet,
                                      .run = replay_run,
                                      .offer = no_offer,
                                      .is_probed = is_probed,
                                      .context = travel};
    struct matcher **counter = &travel->counters[travel->counter_count];
    static struct matcher_host hosts[COUNTERS_MOST];
    *ret_planted = false;
    if (!*counter)
        TRY(matcher_create(counter));
    hosts[travel->counter_count] = host;
    struct error *err =
        matcher_count(*counter, &hosts[travel->counter_count], address, stop_at, travel->counters[0]);
    if (error_is(err, ERROR_UNSUPPORTED) || error_is(err, ERROR_BAD_DATA)) {
        error_free(err);
        return NULL;
    }
    TRY(err);
    travel->counter_count++;
    *ret_planted = true;
    return trace_get_registers(travel->replayer->puppet->task->tid, &travel->replayer->regs);
}

struct error *travel_stop_counting(struct travel *travel) {
    size_t count = travel->counter_count;
    struct user_regs_struct regs;
    travel->counter_count = 0;
    for (size_t i = 0; i < count; i++) {
        TRY(matcher_count_read(travel->counters[i], &travel->counted[i].passages, &travel->counted[i].last));
        TRY(matcher_count_end(travel->counters[i]));
        TRY(matcher_leave(travel->counters[i], travel->replayer->puppet));
    }
    (void)regs;
    return NULL;
}

struct error *travel_offer_counters(struct travel *travel, const struct stop *stop, bool *ret_taken) {
    *ret_taken = false;
    for (size_t i = 0; i < travel->counter_count && !*ret_taken && !travel->counter_reached; i++)
        TRY(matcher_count_offer(travel->counters[i], stop, ret_taken, &travel->counter_reached));
    return NULL;
}

/* ---- a round ---- */

/* Some steps from the anchor on. */
static struct error *look_around(struct travel *travel, struct search *search, bool *ret_reached) {
    const struct goal goal = {.step = true, .fresh = true, .spot = search->spot};
    *ret_reached = false;
    for (search->count = 0; search->count < WINDOW && !*ret_reached; search->count++) {
        struct travel_stop stop;
        TRY(travel_forward(travel, &goal, &stop));
        *ret_reached = stop.kind == TRAVEL_REACHED;
        if (!*ret_reached && stop.kind != TRAVEL_STEPPED)
            return error_new(ERROR_OTHER, "going back: the way there is not what it was");
        search->rips[search->count] = travel->replayer->regs.rip;
    }
    return NULL;
}

static bool is_apart(const struct search *search, uint64_t address) {
    const struct spot *spot = search->spot;
    uint64_t aim = spot->mark ? spot->mark->point->regs.rip : 0;
    if (address < aim + APART && aim < address + APART)
        return false;
    for (size_t i = 0; i < search->chosen_count; i++)
        if (address < search->chosen[i] + APART && search->chosen[i] < address + APART)
            return false;
    return true;
}

/* Counters at some of the addresses that were met, the latest first. */
static struct error *plant_counters(struct travel *travel, struct search *search) {
    search->chosen_count = 0;
    for (size_t i = search->count; i-- > 0 && search->chosen_count < COUNTERS_MOST;) {
        bool planted;
        if (!is_apart(search, search->rips[i]))
            continue;
        TRY(plant_counter(travel, search->rips[i], 0, &planted));
        if (planted)
            search->chosen[search->chosen_count++] = search->rips[i];
    }
    return NULL;
}

static size_t visits(const struct search *search, uint64_t address) {
    size_t count = 0;
    for (size_t i = 0; i < search->count; i++)
        count += search->rips[i] == address;
    return count;
}

/* The place and passage to go on from; *ret_passage is 0 when there is none behind the steps. */
static void choose(const struct travel *travel, const struct search *search, uint64_t *ret_address,
                   uint64_t *ret_passage) {
    uint64_t latest = 0;
    *ret_passage = 0;
    if (search->spot->mark && travel->passages >= 2 &&
        travel->passages - 1 > visits(search, search->spot->mark->point->regs.rip)) {
        *ret_address = search->spot->mark->point->regs.rip;
        *ret_passage = travel->passages - 1;
        return;
    }
    for (size_t i = 0; i < search->chosen_count; i++)
        if (travel->counted[i].last > latest &&
            travel->counted[i].passages > visits(search, search->chosen[i])) {
            latest = travel->counted[i].last;
            *ret_address = search->chosen[i];
            *ret_passage = travel->counted[i].passages;
        }
}

static struct error *run_to_spot(struct travel *travel, const struct spot *spot) {
    const struct goal goal = {.spot = spot};
    struct travel_stop stop;
    travel->passages = 0;
    matcher_count_passages(travel->replayer->matcher, true);
    struct error *err = travel_forward(travel, &goal, &stop);
    matcher_count_passages(travel->replayer->matcher, false);
    if (!err)
        err = travel_stop_counting(travel);
    if (!err && stop.kind != TRAVEL_REACHED)
        err = error_new(ERROR_OTHER, "going back: the way there is not what it was");
    return err;
}

static struct error *run_to_passage(struct travel *travel, uint64_t address, uint64_t passage) {
    const struct goal goal = {.counters = true};
    struct travel_stop stop;
    bool planted;
    travel->counter_reached = false;
    TRY(plant_counter(travel, address, passage, &planted));
    struct error *err = planted ? travel_forward(travel, &goal, &stop) : NULL;
    if (!err)
        err = travel_stop_counting(travel);
    if (!err && !travel->counter_reached)
        err = error_new(ERROR_OTHER, "going back: a passage was not found again");
    travel->counter_reached = false;
    return err;
}

static struct error *new_anchor(struct travel *travel) {
    struct mark *mark;
    TRY(mark_take(travel, &mark));
    travel_set_anchor(travel, mark);
    return NULL;
}

static struct error *go_nearer(struct travel *travel, struct search *search) {
    uint64_t address = 0, passage;
    TRY(mark_return(travel, travel->anchor));
    TRY(plant_counters(travel, search));
    TRY(run_to_spot(travel, search->spot));
    choose(travel, search, &address, &passage);
    say_verbose("going back: %s 0x%llx, passage %llu", passage ? "on to" : "nothing is passed again after",
                (unsigned long long)(passage ? address : travel->replayer->regs.rip),
                (unsigned long long)passage);
    TRY(travel_return_to_anchor(travel, passage ? 0 : search->count));
    if (passage)
        TRY(run_to_passage(travel, address, passage));
    return new_anchor(travel);
}

struct error *travel_come_near(struct travel *travel, const struct spot *spot) {
    static struct search search;
    bool reached = false;
    search.spot = spot;
    for (unsigned round = 0; round < ROUNDS_MOST; round++) {
        TRY(look_around(travel, &search, &reached));
        if (reached)
            return travel_return_to_anchor(travel, 0);
        TRY(go_nearer(travel, &search));
    }
    return NULL; /* the rest is stepped */
}
