/* travel_mark: states to which a replay can go back, and positions to be found again. */
#include "replay/travel_state.h"

#include "base/clock.h"
#include "replay/tape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Marks are this far apart at first, and so many times what taking one costs. */
#define INTERVAL_LEAST (25 * CLOCK_MILLISECOND)
#define INTERVAL_COST  8
#define MARKS_MOST     96

/* ---- one mark ---- */

void mark_free(struct mark *mark) {
    if (!mark)
        return;
    if (mark->has_twin)
        replay_checkpoint_drop(&mark->checkpoint);
    if (mark->image)
        image_deinit(mark->image);
    free(mark->image);
    free(mark->point);
    free(mark);
}

static struct error *take_image(struct travel *travel, struct task *task, struct image **ret) {
    struct image *image = calloc(1, sizeof(*image));
    if (!image)
        return &error_no_memory;
    TRY(replay_leave_point(travel->replayer));
    struct error *err = image_take(task, PUPPET_STUB, PUPPET_STUB + PUPPET_STUB_SIZE, image);
    if (err)
        free(image);
    else
        *ret = image;
    return err;
}

static struct error *describe(struct travel *travel, struct point **ret) {
    struct task *task = travel->replayer->puppet->task;
    struct point *point = calloc(1, sizeof(*point));
    struct maps maps;
    uint64_t cursor = 0;
    if (!point)
        return &error_no_memory;
    struct error *err = replay_leave_point(travel->replayer);
    if (!err)
        err = maps_read(task->tid, &maps);
    if (!err) {
        err = point_take(task, &maps, false, 0, &cursor, point);
        maps_deinit(&maps);
    }
    if (err)
        free(point);
    else
        *ret = point;
    return err;
}

static struct error *fill(struct travel *travel, struct mark *mark) {
    struct replayer *replayer = travel->replayer;
    struct error *err = replay_checkpoint_take(replayer, &mark->checkpoint);
    mark->has_twin = !err;
    if (error_is(err, ERROR_UNSUPPORTED)) {
        error_free(err);
        err = NULL;
    }
    TRY(err);
    if (!mark->stretch.moved)
        return NULL;
    if (!mark->has_twin)
        TRY(take_image(travel, replayer->puppet->task, &mark->image));
    return describe(travel, &mark->point);
}

static struct mark *find_serial(const struct travel *travel, uint64_t serial) {
    for (size_t i = 0; i < travel->mark_count; i++)
        if (travel->marks[i]->serial == serial)
            return travel->marks[i];
    return NULL;
}

struct error *mark_take(struct travel *travel, struct mark **ret) {
    struct replayer *replayer = travel->replayer;
    struct mark *mark = calloc(1, sizeof(*mark));
    if (!mark)
        return &error_no_memory;
    mark->segment = replayer->tape.segment;
    mark->before_segment = replayer->tape.number_before;
    mark->entry = replayer->puppet->entry;
    mark->stretch = travel->stretch;
    mark->serial = ++travel->serial;
    mark->origin = travel->origin ? travel->origin->serial : 0;
    mark->at_origin = travel->at_origin;
    struct error *err = fill(travel, mark);
    if (err)
        mark_free(mark);
    else
        *ret = mark;
    return err;
}

static struct error *go_to_segment(struct travel *travel, const struct mark *mark) {
    struct tape *tape = &travel->replayer->tape;
    tape->segment = mark->segment;
    tape->number_before = mark->before_segment;
    return tape_seek(tape, mark->stretch.number);
}

struct error *mark_return(struct travel *travel, struct mark *mark) {
    struct replayer *replayer = travel->replayer;
    if (!mark->has_twin && mark->stretch.number != mark->before_segment)
        return error_new(ERROR_UNSUPPORTED, "going back: memory is shared here");
    TRY(go_to_segment(travel, mark));
    travel->stretch = mark->stretch;
    travel->end = replayer->over = false;
    travel->anchored = false;
    travel->interrupted = false;
    replayer->arrived = false;
    travel_unpeek(travel);
    if (mark->has_twin)
        TRY(replay_checkpoint_return(replayer, &mark->checkpoint));
    else
        TRY(replay_begin_segment(replayer));
    replayer->puppet->entry = mark->entry;
    travel_forget_planted(travel);
    bool listed = find_serial(travel, mark->serial) != NULL;
    travel->origin = listed ? mark : find_serial(travel, mark->origin);
    travel->at_origin = listed || mark->at_origin;
    struct travel_stop stop;
    bool stopped;
    return travel_settle(travel, &stop, &stopped);
}

/* ---- the list ---- */

static size_t index_of(const struct travel *travel, const struct mark *mark) {
    size_t i = 0;
    while (i < travel->mark_count && travel->marks[i] != mark)
        i++;
    return i;
}

struct mark *travel_mark_preceding(struct travel *travel, const struct mark *mark) {
    size_t i = index_of(travel, mark);
    return i && i < travel->mark_count ? travel->marks[i - 1] : NULL;
}

/* Is the mark before the spot, as far as numbers tell? */
static bool is_before(const struct mark *mark, const struct stretch *stretch) {
    if (mark->stretch.number != stretch->number)
        return mark->stretch.number < stretch->number;
    return stretch->arrived || (stretch->moved && !mark->stretch.moved);
}

struct mark *travel_mark_before(struct travel *travel, const struct spot *spot) {
    struct mark *found = NULL;
    const struct mark *origin = find_serial(travel, spot->origin);
    size_t behind = origin ? index_of(travel, origin) + !spot->at_origin : 0;
    for (size_t i = 0; i < travel->mark_count; i++) {
        struct mark *mark = travel->marks[i];
        bool same = mark->stretch.number == spot->stretch.number && mark->stretch.moved && spot->mark;
        if (is_before(mark, &spot->stretch) || (same && i < behind))
            found = mark;
    }
    return found;
}

/* A mark in the middle of a stretch can only be put in order when it is known what is before it. */
static bool has_place(const struct travel *travel, size_t *ret) {
    size_t at = 0;
    for (; at < travel->mark_count; at++) {
        const struct mark *mark = travel->marks[at];
        if (mark->stretch.number > travel->stretch.number)
            break;
        if (mark->stretch.number < travel->stretch.number)
            continue;
        if (!travel->stretch.moved)
            return false; /* there is one, or one behind it */
        if (mark->stretch.moved && index_of(travel, travel->origin) < at)
            return false;
    }
    *ret = at;
    return true;
}

static struct error *insert(struct travel *travel, size_t at, struct mark *mark) {
    if (travel->mark_count == travel->mark_room) {
        size_t room = travel->mark_room ? travel->mark_room * 2 : 32;
        struct mark **marks = realloc(travel->marks, room * sizeof(struct mark *));
        if (!marks)
            return &error_no_memory;
        travel->marks = marks;
        travel->mark_room = room;
    }
    memmove(&travel->marks[at + 1], &travel->marks[at], (travel->mark_count - at) * sizeof(struct mark *));
    travel->marks[at] = mark;
    travel->mark_count++;
    return NULL;
}

static void remove_mark(struct travel *travel, size_t at) {
    struct mark *mark = travel->marks[at];
    if (travel->origin == mark) {
        travel->origin = at ? travel->marks[at - 1] : NULL;
        travel->at_origin = false;
    }
    travel->mark_count--;
    memmove(&travel->marks[at], &travel->marks[at + 1], (travel->mark_count - at) * sizeof(struct mark *));
    mark_free(mark);
}

/* Kibibytes of memory that the twin does not share, or shares with so many that its part of them is. */
static uint64_t share_of(const struct mark *mark) {
    char path[64], line[256];
    unsigned long long share = 0;
    if (!mark->has_twin)
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", mark->checkpoint.twin.tid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "Pss: %llu kB", &share) == 1)
            break;
    if (file)
        fclose(file);
    return share;
}

/* Which mark is missed least: its neighbours are near each other, compared with how far it is from the
 * latest. */
static size_t least_missed(const struct travel *travel) {
    size_t best = 0;
    double least = 0;
    for (size_t i = 1; i + 1 < travel->mark_count; i++) {
        const struct mark *const *marks = (const struct mark *const *)travel->marks;
        double gap = (double)(marks[i + 1]->time - marks[i - 1]->time),
               age = (double)(marks[travel->mark_count - 1]->time - marks[i]->time) + 1;
        if (marks[i]->kept || marks[i] == travel->origin || !marks[i]->has_twin ||
            marks[i]->stretch.number == marks[i]->before_segment)
            continue;
        if (!best || gap / age < least) {
            least = gap / age;
            best = i;
        }
    }
    return best;
}

static void thin_out(struct travel *travel) {
    bool measured = travel->mark_count % 8 == 0;
    uint64_t all = 0;
    for (size_t i = 0; measured && i < travel->mark_count; i++)
        all += share_of(travel->marks[i]) << 10;
    if (travel->mark_count <= MARKS_MOST && all <= travel->options.memory)
        return;
    size_t most = travel->mark_count <= MARKS_MOST ? travel->mark_count / 2 : MARKS_MOST;
    while (travel->mark_count > most) {
        size_t index = least_missed(travel);
        if (!index)
            return;
        remove_mark(travel, index);
    }
}

struct error *travel_add_mark(struct travel *travel, bool kept) {
    struct mark *mark;
    size_t at;
    if (travel->stretch.arrived || !has_place(travel, &at))
        return NULL;
    uint64_t before = clock_now();
    TRY(mark_take(travel, &mark));
    uint64_t after = clock_now(), interval = (after - before) * INTERVAL_COST;
    interval = interval > INTERVAL_LEAST ? interval : INTERVAL_LEAST;
    /* of a long run fewer are kept anyway */
    if (travel->mark_count > MARKS_MOST / 2)
        interval *= 4;
    travel->mark_after = after + interval;
    mark->kept = kept;
    const struct mark *last = at ? travel->marks[at - 1] : NULL;
    mark->time = (last ? last->time : 0) + (before - travel->since_mark);
    travel->since_mark = after;
    if (!mark->has_twin && mark->stretch.number != mark->before_segment) {
        mark_free(mark);
        return NULL;
    }
    struct error *err = insert(travel, at, mark);
    if (err) {
        mark_free(mark);
        return err;
    }
    travel->origin = mark;
    travel->at_origin = true;
    thin_out(travel);
    return NULL;
}

bool travel_mark_is_due(const struct travel *travel) {
    return clock_now() >= travel->mark_after;
}

struct error *travel_mark_now_and_then(struct travel *travel) {
    bool begins = travel->stretch.number == travel->replayer->tape.number_before && !travel->stretch.moved;
    if (!begins && !travel_mark_is_due(travel))
        return NULL;
    return travel_add_mark(travel, false);
}

/* ---- spots ---- */

struct error *spot_take(struct travel *travel, struct spot *ret) {
    *ret = (struct spot){.stretch = travel->stretch,
                         .origin = travel->origin ? travel->origin->serial : 0,
                         .at_origin = travel->at_origin};
    if (!travel->stretch.moved || travel->stretch.arrived)
        return NULL;
    return mark_take(travel, &ret->mark);
}

void spot_free(struct spot *spot) {
    mark_free(spot->mark);
    spot->mark = NULL;
}

struct error *spot_is_here(struct travel *travel, const struct spot *spot, bool *ret) {
    struct mark *mark = spot->mark;
    struct task *task = travel->replayer->puppet->task;
    const struct memory_reader memory = task_memory(task);
    enum point_difference difference;
    size_t index;
    struct image *image;
    *ret = false;
    /* cppcheck-suppress returnDanglingLifetime ; an error holds no reader */
    TRY(point_compare(mark->point, task, &memory, &difference, &index));
    if (difference != POINT_SAME)
        return NULL;
    TRY(travel_unplant(travel));
    TRY(travel_stop_counting(travel));
    if (!mark->image)
        TRY(take_image(travel, &mark->checkpoint.twin, &mark->image));
    TRY(take_image(travel, task, &image));
    image->registers = mark->image->registers; /* which have been compared */
    struct error *err = image_check(mark->image, image);
    image_deinit(image);
    free(image);
    if (error_is(err, ERROR_DIVERGED)) {
        error_free(err);
        return NULL;
    }
    *ret = !err;
    return err;
}

/* ---- a whole state ---- */

/* Zeros are not hashed: whether a page of them exists is no matter. */
static uint64_t hash_image(const struct image *image) {
    uint64_t hash = 0;
    for (size_t i = 0; i < image->run_count; i++) {
        const struct image_run *run = &image->runs[i];
        const uint8_t *bytes = image->bytes.data + run->offset;
        for (size_t at = 0; at + 8 <= run->size; at += 8) {
            uint64_t pair[2] = {run->address + at};
            memcpy(&pair[1], bytes + at, 8);
            if (pair[1])
                hash += XXH3_64bits(pair, sizeof(pair));
        }
    }
    return hash;
}

static struct error *hash_registers(struct travel *travel, int32_t tid, uint64_t *ret) {
    static struct {
        int64_t tid;
        uint64_t regs;
        uint8_t xstate[XSTATE_MAX];
    } state;
    struct user_regs_struct regs;
    size_t size;
    memset(&state, 0, sizeof(state));
    TRY(travel_registers(travel, tid, &regs));
    TRY(travel_xstate(travel, tid, state.xstate, &size));
    state.tid = tid;
    state.regs = registers_hash(&regs);
    memset(state.xstate + 464, 0, 112); /* for software, and which parts are in use */
    memset(state.xstate + 6, 0, 18);    /* of the last x87 instruction: it may have been a copy */
    *ret += XXH3_64bits(&state, sizeof(state));
    return NULL;
}

struct error *travel_hash(struct travel *travel, uint64_t *ret) {
    enum { MANY = 4096 };
    static int32_t tids[MANY];
    struct image *image;
    TRY(take_image(travel, travel->replayer->puppet->task, &image));
    *ret = hash_image(image);
    image_deinit(image);
    free(image);
    size_t count = travel_threads(travel, tids, MANY);
    for (size_t i = 0; i < count && i < MANY; i++)
        TRY(hash_registers(travel, tids[i], ret));
    return NULL;
}
