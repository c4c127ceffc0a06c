/* replay_all: all processes of a recording. Each is replayed apart from the others, but they take turns where
 * they have shown something, so that all output comes in the order in which it came. */
#include "replay/processes.h"
#include "replay/replayer.h"
#include "replay/tape.h"

#include <stdlib.h>
#include <string.h>

/* Output number `order` is one of process `index`. */
struct turn {
    uint64_t order;
    size_t index;
};

struct all {
    const struct replayer_options *options;
    struct recording_info info;
    struct replayer_options *each; /* of each process */
    struct replayer **running;     /* NULL: not yet, or no longer */
    bool *over;
    struct turn *turns;
    size_t turn_count, turn_room;
    int status; /* of the first process, */
    bool known; /* or else of what has come of its domain */
};

static struct error *add_turn(struct all *all, uint64_t order, size_t index) {
    if (all->turn_count == all->turn_room) {
        size_t room = all->turn_room ? all->turn_room * 2 : 64;
        struct turn *turns = reallocarray(all->turns, room, sizeof(*turns));
        if (!turns)
            return &error_no_memory;
        all->turns = turns;
        all->turn_room = room;
    }
    all->turns[all->turn_count++] = (struct turn){.order = order, .index = index};
    return NULL;
}

static struct error *add_turns(struct all *all, struct tape *tape, size_t index) {
    for (bool segment = true; segment;) {
        struct event event;
        bool more;
        TRY(tape_next(tape, &event, &more));
        if (!more) {
            TRY(tape_next_segment(tape, &segment));
            continue;
        }
        for (uint32_t i = 0; i < event.effect_count; i++)
            if (event.effects[i].kind == EFFECT_ORDER)
                TRY(add_turn(all, event.effects[i].address, index));
    }
    return NULL;
}

/* Read everything before anything runs: damage is found, and who has shown what, and when. */
static struct error *survey(struct all *all) {
    for (size_t i = 0; i < all->info.processes.count; i++) {
        struct tape tape;
        all->over[i] = !all->info.processes.list[i].segments;
        if (all->over[i])
            continue;
        TRY(tape_open(all->options->path, &all->info, all->info.processes.list[i].domain, &tape));
        struct error *err = all->options->quiet ? NULL : add_turns(all, &tape, i);
        tape_close(&tape);
        if (err)
            return err;
    }
    return NULL;
}

static int compare_turns(const void *a, const void *b) {
    uint64_t x = ((const struct turn *)a)->order, y = ((const struct turn *)b)->order;
    return x < y ? -1 : x > y;
}

/* Replay process `index` up to output `order`. */
static struct error *go_on(struct all *all, size_t index, uint64_t order) {
    if (all->over[index])
        return NULL;
    if (!all->running[index]) {
        all->each[index] = *all->options;
        all->each[index].info = &all->info;
        all->each[index].domain = all->info.processes.list[index].domain;
        all->each[index].brief = all->each[index].domain > 1;
        all->each[index].pid = all->info.pid;
        TRY(replayer_open(&all->each[index], &all->running[index]));
    }
    TRY(replayer_go_on(all->running[index], order, &all->over[index]));
    if (!all->over[index])
        return NULL;
    bool known = replayer_knows_status(all->running[index]);
    if (known || (all->info.processes.list[index].domain == 1 && !all->known))
        all->status = replayer_status(all->running[index]);
    all->known = all->known || known;
    replayer_close(all->running[index]);
    all->running[index] = NULL;
    return NULL;
}

static struct error *run(struct all *all) {
    size_t *last = calloc(all->info.processes.count + 1, sizeof(*last));
    if (!last)
        return &error_no_memory;
    for (size_t i = 0; i < all->turn_count; i++)
        last[all->turns[i].index] = i;
    struct error *err = NULL;
    for (size_t i = 0; !err && i < all->turn_count; i++) { /* what shows no more need not be kept */
        size_t index = all->turns[i].index;
        err = go_on(all, index, all->turns[i].order);
        if (!err && last[index] == i)
            err = go_on(all, index, UINT64_MAX);
    }
    for (size_t i = 0; !err && i < all->info.processes.count; i++)
        err = go_on(all, i, UINT64_MAX);
    free(last);
    return err;
}

static struct error *run_all(struct all *all) {
    size_t count = all->info.processes.count + 1;
    all->each = calloc(count, sizeof(*all->each));
    all->running = calloc(count, sizeof(struct replayer *));
    all->over = calloc(count, sizeof(*all->over));
    if (!all->each || !all->running || !all->over)
        return &error_no_memory;
    TRY(survey(all));
    if (all->turn_count)
        qsort(all->turns, all->turn_count, sizeof(*all->turns), compare_turns);
    return run(all);
}

struct error *replayer_run_all(const struct replayer_options *options, int *ret_status) {
    struct all all = {.options = options};
    TRY(processes_read_info(options->path, &all.info));
    struct error *err = run_all(&all);
    for (size_t i = 0; all.running && i < all.info.processes.count; i++)
        replayer_close(all.running[i]);
    if (!err)
        *ret_status = all.status;
    free(all.each);
    free(all.running);
    free(all.over);
    free(all.turns);
    recording_info_deinit(&all.info);
    return err;
}
