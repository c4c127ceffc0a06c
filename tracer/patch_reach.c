/* Places that no long window reaches: short blocks, mostly a `ret` that others jump to. */
#include "tracer/patch_copy.h"
#include "tracer/patch_window_state.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES  4096ull
#define SHORT_REACH 127 /* bytes of a short jump, either way */
#define HOST_BYTES  (2 * PATCH_JUMP)
#define SOURCES_MAX 64 /* jumps to a block that is copied */

/* ---- holes ---- */

/* A window that is to get a hole. */
struct shortage {
    struct patch_plan *plan;
    uint64_t low, high; /* of the window */
    uint64_t hole, host;
};

static bool is_reached(const struct shortage *shortage, uint64_t hole) {
    int64_t distance = (int64_t)(hole - (shortage->low + PATCH_SHORT_JUMP));
    return distance >= -SHORT_REACH - 1 && distance <= SHORT_REACH &&
           hole / PAGE_BYTES == (hole + PATCH_JUMP - 1) / PAGE_BYTES;
}

static bool overlaps(uint64_t low, uint64_t high, uint64_t other_low, uint64_t other_high) {
    return low < other_high && other_low < high;
}

/* Is there no window in [low, high)? */
static bool is_empty(const struct patch_plan *plan, uint64_t low, uint64_t high) {
    size_t index = patch_plan_index(plan, low);
    return index == plan->count || plan->windows[index].low >= high;
}

/* In padding from `at` on, which nothing goes on into. */
static bool find_in_padding(struct shortage *shortage, uint64_t at) {
    const struct patch_code *code = shortage->plan->code;
    uint64_t end = at;
    for (size_t size; (size = patch_padding(code, end)) && !patch_code_has_target(code, end, end + size);)
        end += size;
    for (uint64_t hole = at; hole + PATCH_JUMP <= end; hole++) {
        uint64_t high = hole + PATCH_JUMP;
        if (!is_reached(shortage, hole) || !patch_plan_is_free(shortage->plan, hole, high) ||
            overlaps(hole, high, shortage->low, shortage->high) || !is_empty(shortage->plan, hole, high))
            continue;
        shortage->hole = hole;
        return true;
    }
    return false;
}

/* Behind an instruction around that never goes on. */
static bool find_padding(struct shortage *shortage) {
    const struct patch_code *code = shortage->plan->code;
    uint64_t end = shortage->low + SHORT_REACH;
    for (uint64_t at = shortage->low - SHORT_REACH; at < end; at++) {
        struct displaced displaced;
        const char *obstacle;
        if (!patch_code_is_start(code, at))
            continue;
        size_t size = patch_decode(code, at, &displaced, &obstacle);
        if (size && patch_copy_ends(&displaced) && find_in_padding(shortage, at + size))
            return true;
    }
    return false;
}

/* Behind the jump of a long window that has the room, or gets it. */
static bool find_in_window(struct shortage *shortage, struct patch_window *window, bool may_grow) {
    struct patch_plan *plan = shortage->plan;
    uint64_t high = window->high;
    if (window->shape != PATCH_LONG || !window->is_new)
        return false;
    for (uint64_t hole = window->low + PATCH_JUMP; hole < window->low + PATCH_WINDOW_MAX - PATCH_JUMP;
         hole++) {
        if (hole + PATCH_JUMP > high) {
            if (!may_grow || patch_stretch(plan->code, window->low, hole + PATCH_JUMP, &high) ||
                overlaps(window->low, high, shortage->low, shortage->high) ||
                !is_empty(plan, window->high, high) || !patch_plan_is_free(plan, window->high, high))
                return false;
        }
        if (!is_reached(shortage, hole) || !patch_plan_is_free(plan, hole, hole + PATCH_JUMP))
            continue;
        window->high = high;
        shortage->hole = hole;
        shortage->host = window->low;
        return true;
    }
    return false;
}

static bool find_window(struct shortage *shortage, bool may_grow) {
    struct patch_plan *plan = shortage->plan;
    size_t index = patch_plan_index(plan, shortage->low - SHORT_REACH - PATCH_WINDOW_MAX);
    for (; index < plan->count && plan->windows[index].low < shortage->low + SHORT_REACH; index++)
        if (find_in_window(shortage, &plan->windows[index], may_grow))
            return true;
    return false;
}

/* Instructions around that are moved for the hole alone. */
static struct error *make_host(struct shortage *shortage, bool *ret_done) {
    struct patch_plan *plan = shortage->plan;
    const struct patch_code *code = plan->code;
    uint64_t end = shortage->low + SHORT_REACH - PATCH_JUMP;
    *ret_done = false;
    for (uint64_t at = shortage->low - SHORT_REACH; at < end && !*ret_done; at++) {
        uint64_t high;
        if (!patch_code_is_start(code, at) || patch_plan_check(plan, at) ||
            !is_empty(plan, at, at + HOST_BYTES) || !is_reached(shortage, at + PATCH_JUMP) ||
            at / PAGE_BYTES != (at + PATCH_JUMP - 1) / PAGE_BYTES ||
            patch_stretch(code, at, at + HOST_BYTES, &high))
            continue;
        if (!is_empty(plan, at, high) || !patch_plan_is_free(plan, at, high) ||
            overlaps(at, high, shortage->low, shortage->high))
            continue;
        shortage->hole = at + PATCH_JUMP;
        shortage->host = at;
        *ret_done = true;
        return patch_plan_insert(plan, &(struct patch_window){.low = at, .high = high});
    }
    return NULL;
}

static struct error *keep_short(const struct shortage *shortage) {
    const struct patch_window window = {.low = shortage->low,
                                        .high = shortage->high,
                                        .shape = PATCH_SHORT,
                                        .hole = shortage->hole,
                                        .host = shortage->host};
    TRY(patch_plan_insert(shortage->plan, &window));
    return patch_plan_take(shortage->plan, shortage->hole, shortage->hole + PATCH_JUMP);
}

/* ---- short windows ---- */

/* How much may be done for a hole. */
enum effort { USE_PADDING, MOVE_MORE };

/* A short window from low on that holds the instruction that ends at `end`. */
static struct error *try_short(struct patch_plan *plan, uint64_t low, uint64_t end, enum effort effort,
                               bool *ret_done) {
    struct shortage shortage = {.plan = plan, .low = low};
    uint64_t least = end > low + PATCH_SHORT_JUMP ? end : low + PATCH_SHORT_JUMP;
    *ret_done = false;
    if (low / PAGE_BYTES != (low + PATCH_SHORT_JUMP - 1) / PAGE_BYTES ||
        patch_stretch(plan->code, low, least, &shortage.high) || !is_empty(plan, low, shortage.high) ||
        !patch_plan_is_free(plan, low, shortage.high))
        return NULL;
    if (effort == USE_PADDING)
        *ret_done = find_padding(&shortage) || find_window(&shortage, false);
    else
        *ret_done = find_window(&shortage, true);
    if (!*ret_done && effort == MOVE_MORE)
        TRY(make_host(&shortage, ret_done));
    return *ret_done ? keep_short(&shortage) : NULL;
}

static struct error *reach_short(struct patch_plan *plan, uint64_t vaddr, uint64_t end, enum effort effort,
                                 bool *ret_done) {
    uint64_t low = vaddr;
    TRY(try_short(plan, low, end, effort, ret_done));
    while (!*ret_done && !patch_code_is_target(plan->code, low) && vaddr - low < PATCH_SHORT_JUMP) {
        low = patch_code_before(plan->code, low);
        if (!low)
            break;
        TRY(try_short(plan, low, end, effort, ret_done));
    }
    return NULL;
}

/* ---- copied blocks ---- */

/* Where the block around vaddr begins: an address that only direct jumps lead to, and the instruction in
 * front of it, *ret_before, when that goes on into it (else 0). 0: it is no such block. */
static uint64_t block_start(const struct patch_plan *plan, uint64_t vaddr, uint64_t *ret_before) {
    const struct patch_code *code = plan->code;
    struct displaced displaced;
    const char *obstacle;
    uint64_t low = vaddr;
    while (!patch_code_is_target(code, low)) {
        low = patch_code_before(code, low);
        if (!low || vaddr - low > PATCH_WINDOW_MAX || patch_plan_find(plan, low))
            return 0;
    }
    uint64_t before = patch_code_before(code, low);
    if (!before || !patch_code_is_block(code, low) || !patch_decode(code, before, &displaced, &obstacle) ||
        patch_copy_is_call(&displaced))
        return 0;
    *ret_before = patch_copy_ends(&displaced) ? 0 : before;
    return low;
}

/* Where the 32-bit displacement of the jump is; 0: it has a shorter one. */
static uint64_t displacement_place(const struct patch_code *code, uint64_t source) {
    size_t size;
    const uint8_t *bytes = patch_code_bytes(code, source, &size);
    if (bytes && *bytes == 0xe9)
        return source + 1;
    return bytes && size > 1 && bytes[0] == 0x0f && (bytes[1] & 0xf0) == 0x80 ? source + 2 : 0;
}

static struct error *note_redirect(struct patch_plan *plan, uint64_t source, uint64_t place,
                                   uint64_t target) {
    if (plan->redirect_count == plan->redirect_room) {
        size_t room = plan->redirect_room ? plan->redirect_room * 2 : 64;
        struct patch_redirect *grown = realloc(plan->redirects, room * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        plan->redirects = grown;
        plan->redirect_room = room;
    }
    plan->redirects[plan->redirect_count++] =
        (struct patch_redirect){.source = source, .place = place, .target = target};
    return patch_plan_take(plan, source, place + sizeof(int32_t));
}

/* Make sure that the jump at `source`, or the instruction there that goes on into the block, leads to the
 * copy at low. */
static struct error *lead(struct patch_plan *plan, uint64_t source, uint64_t low, bool is_jump,
                          const char **ret_obstacle) {
    const struct patch_window *window = patch_plan_find(plan, source);
    uint64_t place = is_jump ? displacement_place(plan->code, source) : 0;
    *ret_obstacle = NULL;
    if (window && (!window->is_new || window->shape == PATCH_COPY))
        *ret_obstacle = "a jump to it is in a window that cannot be changed";
    if (window)
        return NULL;
    if (place && !patch_plan_check(plan, source) && place / PAGE_BYTES == (place + 3) / PAGE_BYTES &&
        patch_plan_is_free(plan, source, place + sizeof(int32_t)))
        return note_redirect(plan, source, place, low);
    return patch_plan_grant(plan, source, ret_obstacle);
}

static void remove_window(struct patch_plan *plan, size_t index) {
    plan->count--;
    memmove(&plan->windows[index], &plan->windows[index + 1], (plan->count - index) * sizeof(*plan->windows));
}

/* Lead all ways to the block to its copy. What was made for that when it fails is of use to nobody: windows
 * around the sources that were not there before are taken away again (one that was made longer stays so). */
static struct error *lead_all(struct patch_plan *plan, uint64_t low, uint64_t before,
                              const char **ret_obstacle) {
    uint64_t sources[SOURCES_MAX + 1], made[SOURCES_MAX + 1];
    size_t first, made_count = 0, redirects = plan->redirect_count;
    size_t count = patch_code_branches_to(plan->code, low, &first);
    *ret_obstacle = count > SOURCES_MAX ? "too many jumps lead there" : NULL;
    if (*ret_obstacle)
        return NULL;
    size_t jump =
        before ? 1 : 0; /* index of the first jump: what goes on into it needs a window, and has no choice */
    sources[0] = before;
    for (size_t i = 0; i < count; i++)
        sources[jump + i] = plan->code->low + plan->code->branches[first + i].source;
    for (size_t i = 0; i < jump + count && !*ret_obstacle; i++) {
        size_t windows = plan->count;
        const struct patch_window *own = patch_plan_find(plan, sources[i]);
        if (own && own->low == low) /* it jumps to itself */
            continue;
        TRY(lead(plan, sources[i], low, i >= jump, ret_obstacle));
        if (plan->count > windows)
            made[made_count++] = sources[i];
    }
    if (!*ret_obstacle)
        return NULL;
    while (plan->redirect_count > redirects) {
        const struct patch_redirect *redirect = &plan->redirects[--plan->redirect_count];
        patch_plan_give(plan, redirect->source, redirect->place + sizeof(int32_t));
    }
    for (size_t i = 0; i < made_count; i++) {
        const struct patch_window *window = patch_plan_find(plan, made[i]);
        if (window)
            remove_window(plan, (size_t)(window - plan->windows));
    }
    return NULL;
}

static struct error *reach_copy(struct patch_plan *plan, uint64_t vaddr, uint64_t end, bool *ret_done) {
    uint64_t before, high, low = block_start(plan, vaddr, &before);
    const char *obstacle;
    *ret_done = false;
    if (!low || patch_stretch(plan->code, low, end, &high) || !is_empty(plan, low, high) ||
        !patch_plan_is_free(plan, low, high))
        return NULL;
    TRY(patch_plan_insert(plan, &(struct patch_window){.low = low, .high = high, .shape = PATCH_COPY}));
    TRY(lead_all(plan, low, before, &obstacle));
    *ret_done = !obstacle;
    if (obstacle)
        remove_window(plan, (size_t)(patch_plan_find(plan, low) - plan->windows));
    return NULL;
}

struct error *patch_plan_reach(struct patch_plan *plan, uint64_t vaddr, const char **ret_obstacle) {
    struct displaced displaced;
    const char *obstacle;
    bool done = false;
    const struct patch_window *there = patch_plan_find(plan, vaddr);
    if (there) { /* of another wish, since */
        *ret_obstacle = there->is_new ? NULL : *ret_obstacle;
        return NULL;
    }
    size_t size = patch_decode(plan->code, vaddr, &displaced, &obstacle);
    if (!size)
        return NULL;
    TRY(reach_short(plan, vaddr, vaddr + size, USE_PADDING, &done));
    if (!done)
        TRY(reach_copy(plan, vaddr, vaddr + size, &done));
    if (!done)
        TRY(reach_short(plan, vaddr, vaddr + size, MOVE_MORE, &done));
    if (done)
        *ret_obstacle = NULL;
    return NULL;
}
