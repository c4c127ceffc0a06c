#include "tracer/patch_copy.h"
#include "tracer/patch_state.h"
#include "tracer/process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT     16
#define SITE_ESTIMATE 192 /* bytes of a trampoline and what belongs to it, about */
#define INT3          0xcc

/* A window while it is built; of the same index in the plan. */
struct pending {
    const char *obstacle;
    bool is_built;
    uint32_t trampoline;
    uint64_t at; /* of the trampoline */
};

/* One patch_build(). */
struct build {
    struct patch_set *set;
    struct task *task;
    patch_emit *emit;
    void *context;
    struct patch_place place; /* of what is emitted now */
    struct patch_module *module;
    struct patch_record **records; /* pending ones of the module, by `where` */
    struct patch_wish *wishes;     /* of the same index */
    size_t count;
    struct pending *pending; /* of the windows of the module's plan */
    struct buffer code;      /* of one trampoline */
    struct buffer unwritten; /* trampolines that the task has not got yet, */
    uint64_t unwritten_at;   /* which belong there */
    uint64_t page;           /* the page of the task that was read last, plus 1 */
    size_t page_size;
    uint8_t bytes[PATCH_PAGE];
    struct patch_write *fresh; /* writes made by this build */
    size_t fresh_count, fresh_room;
};

/* ---- the process ---- */

static struct error *check_process(struct patch_set *set, struct task *task) {
    struct process_status status;
    if (set->checked)
        return NULL;
    TRY(process_status(task->tid, &status));
    if (status.has_shadow_stack)
        return error_new(ERROR_UNSUPPORTED, "process %d: it has a shadow stack, which probes would upset",
                         status.tgid);
    set->checked = true;
    return NULL;
}

/* The byte of the task at address; false when there is none. */
static bool byte_at(struct build *build, uint64_t address, uint8_t *ret) {
    uint64_t page = address & ~(PATCH_PAGE - 1);
    if (build->page != page + 1) {
        build->page_size = task_read(build->task, page, build->bytes, PATCH_PAGE);
        build->page = page + 1;
    }
    *ret = build->bytes[address - page];
    return address - page < build->page_size;
}

/* Why the code of [low, high) cannot be patched in this process, or NULL. */
static const char *check_code(struct build *build, uint64_t low, uint64_t high) {
    const struct patch_module *module = build->module;
    const struct mapping *mapping = maps_find(&build->set->maps, low + module->bias);
    size_t size;
    const uint8_t *bytes = patch_code_bytes(module->code, low, &size);
    if (!mapping || !(mapping->protection & PROT_EXEC))
        return "no code is mapped there";
    if (mapping->shared)
        return "a shared mapping, others would be probed too";
    for (uint64_t i = 0; i < high - low; i++) {
        uint8_t byte;
        if (!bytes || i >= size || !byte_at(build, low + module->bias + i, &byte) || byte != bytes[i])
            return "the code is not that of its file: it has been changed";
    }
    return NULL;
}

/* ---- one trampoline ---- */

/* An edge of a branch, which is emitted at the end. */
struct edge {
    const struct patch_record *record;
    size_t place; /* of the displacement that leads to it */
    uint64_t target;
};

/* The trampoline of a window, which is being made at `at`. */
struct making {
    struct build *build;
    const struct patch_window *window;
    size_t first, last; /* records [first, last) are in it */
    uint64_t at;
    struct edge *edges;
    size_t edge_count, edge_room;
    struct patch_step steps[2 * PATCH_WINDOW_MAX + 1];
    size_t step_count, moved;
    bool ended; /* behind an instruction that never goes on */
    bool is_far;
};

/* Where a jump to `target` has to go: to the copy of a block, when there is one. */
static uint64_t resolve(const struct making *making, uint64_t target) {
    const struct build *build = making->build;
    const struct patch_plan *plan = &build->module->plan;
    const struct patch_window *window = patch_plan_find(plan, target - build->module->bias);
    if (!window || window->shape != PATCH_COPY || !window->is_new ||
        window->low != target - build->module->bias)
        return target;
    if (window == making->window)
        return making->at;
    const struct pending *pending = &build->pending[window - plan->windows];
    return pending->is_built ? pending->at : target;
}

static struct error *emit(struct making *making, const struct patch_record *record, enum patch_edge edge) {
    struct build *build = making->build;
    bool is_boundary = edge == PATCH_BEFORE && record->site.kinds & (PATCH_ENTRY | PATCH_EXIT);
    build->place = (struct patch_place){
        .site = &record->site, .edge = edge, .flags_are_dead = is_boundary, .red_zone_is_dead = is_boundary};
    return build->emit(build->context, &build->place, making->at + build->code.size, &build->code);
}

static bool is_branch(const struct displaced *displaced) {
    return displaced->operation == DISPLACED_BRANCH || displaced->operation == DISPLACED_LOOP;
}

/* What is noted before the instruction, and at its edges when it is a branch: the copy is then made here. */
static struct error *put_branch(struct making *making, const struct patch_record *record,
                                const struct displaced *displaced) {
    struct buffer *code = &making->build->code;
    TRY(patch_grow(&making->edges, making->edge_count, &making->edge_room, sizeof(*making->edges)));
    struct edge *edge = &making->edges[making->edge_count++];
    *edge = (struct edge){.record = record, .target = displaced->target};
    patch_copy_put_branch(displaced, code, &edge->place);
    return emit(making, record, PATCH_NOT_TAKEN);
}

static struct patch_step *add_step(struct making *making, uint64_t original) {
    struct patch_step *step = &making->steps[making->step_count++];
    step->emitted = step->copy = (uint32_t)making->build->code.size;
    step->original = original;
    return step;
}

static struct error *put_instruction(struct making *making, const struct displaced *displaced) {
    struct build *build = making->build;
    struct patch_step *step = add_step(making, displaced->address);
    const struct patch_record *branch = NULL;
    for (size_t i = making->first; i < making->last; i++) {
        const struct patch_record *record = build->records[i];
        if (record->where != displaced->address)
            continue;
        bool has_edges = record->site.kinds & PATCH_BRANCH && is_branch(displaced);
        if (has_edges)
            branch = record;
        if (!has_edges || record->site.kinds & ~(unsigned)PATCH_BRANCH)
            TRY(emit(making, record, PATCH_BEFORE));
    }
    step->copy = (uint32_t)build->code.size;
    step->leads = true;
    if (branch)
        return put_branch(making, branch, displaced);
    struct displaced led = *displaced;
    if (led.operation == DISPLACED_JUMP || is_branch(&led))
        led.target = resolve(making, led.target);
    step->leads = led.target != displaced->target;
    if (!patch_copy_put(&led, making->at, &build->code))
        making->is_far = true;
    return NULL;
}

static struct error *put_edges(struct making *making) {
    struct buffer *code = &making->build->code;
    for (size_t i = 0; i < making->edge_count; i++) {
        const struct edge *edge = &making->edges[i];
        if (!patch_copy_set_target(code, making->at, edge->place, making->at + code->size))
            making->is_far = true;
        struct patch_step *step = add_step(making, edge->target);
        TRY(emit(making, edge->record, PATCH_TAKEN));
        step->copy = (uint32_t)code->size;
        step->leads = resolve(making, edge->target) != edge->target;
        if (!patch_copy_put_jump(resolve(making, edge->target), making->at, code))
            making->is_far = true;
    }
    return NULL;
}

/* All code of the trampoline, for the place `at`. */
static struct error *write_code(struct making *making, uint64_t at) {
    struct build *build = making->build;
    uint64_t bias = build->module->bias;
    making->at = at;
    making->step_count = making->edge_count = 0;
    making->ended = making->is_far = false;
    buffer_clear(&build->code);
    for (uint64_t vaddr = making->window->low; vaddr < making->window->high && !making->ended;) {
        struct displaced displaced;
        size_t size;
        const uint8_t *bytes = patch_code_bytes(build->module->code, vaddr, &size);
        TRY(displaced_decode(bytes, size, vaddr + bias, &displaced));
        TRY(put_instruction(making, &displaced));
        making->ended = patch_copy_ends(&displaced);
        vaddr += displaced.length;
    }
    making->moved = making->step_count;
    uint64_t behind = making->window->high + bias;
    if (!making->ended)
        add_step(making, behind)->leads = resolve(making, behind) != behind;
    if (!making->ended && !patch_copy_put_jump(resolve(making, behind), at, &build->code))
        making->is_far = true;
    TRY(put_edges(making));
    return buffer_check(&build->code);
}

/* ---- keeping it ---- */

static struct error *flush(struct build *build) {
    if (build->unwritten.size)
        TRY(task_write(build->task, build->unwritten_at, build->unwritten.data, build->unwritten.size));
    buffer_clear(&build->unwritten);
    return NULL;
}

/* Bytes that are to lie at `at`, behind all that were given before. */
static struct error *append(struct build *build, uint64_t at, const struct buffer *code) {
    if (build->unwritten.size && (at < build->unwritten_at + build->unwritten.size ||
                                  at - build->unwritten_at > build->unwritten.size + ALIGNMENT))
        TRY(flush(build));
    if (!build->unwritten.size)
        build->unwritten_at = at;
    while (build->unwritten_at + build->unwritten.size < at && !build->unwritten.failed)
        buffer_put_u8(&build->unwritten, INT3);
    buffer_put(&build->unwritten, code->data, code->size);
    return buffer_check(&build->unwritten);
}

/* [vaddr, vaddr + length) becomes `patched`, for the trampoline that was made last. */
static struct error *add_write(struct build *build, uint64_t vaddr, uint8_t length, const uint8_t *patched,
                               uint32_t host) {
    size_t size;
    const uint8_t *original = patch_code_bytes(build->module->code, vaddr, &size);
    TRY(patch_grow(&build->fresh, build->fresh_count, &build->fresh_room, sizeof(*build->fresh)));
    struct patch_write *write = &build->fresh[build->fresh_count++];
    *write = (struct patch_write){.address = vaddr + build->module->bias,
                                  .trampoline = (uint32_t)build->set->trampoline_count - 1,
                                  .host = host,
                                  .length = length};
    memcpy(write->original, original, length);
    memcpy(write->patched, patched, length);
    return NULL;
}

static struct error *write_jump(struct build *build, uint64_t vaddr, uint64_t target, uint32_t host) {
    uint8_t jump[PATCH_JUMP] = {0xe9};
    int32_t distance = (int32_t)(target - (vaddr + build->module->bias + PATCH_JUMP));
    memcpy(jump + 1, &distance, sizeof(distance));
    return add_write(build, vaddr, sizeof(jump), jump, host);
}

static struct error *write_short(struct build *build, const struct patch_window *window, uint64_t at) {
    const struct patch_plan *plan = &build->module->plan;
    const uint8_t jump[PATCH_SHORT_JUMP] = {0xeb, (uint8_t)(window->hole - (window->low + PATCH_SHORT_JUMP))};
    uint32_t host = PATCH_NO_HOST;
    if (window->host)
        host = build->pending[patch_plan_find(plan, window->host) - plan->windows].trampoline;
    TRY(write_jump(build, window->hole, at, host));
    return add_write(build, window->low, sizeof(jump), jump, PATCH_NO_HOST);
}

static struct error *write_redirects(struct build *build, const struct patch_window *window, uint64_t at) {
    const struct patch_plan *plan = &build->module->plan;
    size_t first, count = patch_plan_redirects(plan, window->low, &first);
    for (size_t i = first; i < first + count; i++) {
        const struct patch_redirect *redirect = &plan->redirects[i];
        uint8_t bytes[sizeof(int32_t)];
        int32_t distance = (int32_t)(at - (redirect->place + build->module->bias + sizeof(bytes)));
        memcpy(bytes, &distance, sizeof(bytes));
        TRY(add_write(build, redirect->place, sizeof(bytes), bytes, PATCH_NO_HOST));
    }
    return NULL;
}

/* How the program comes to the trampoline. */
static struct error *lead(struct build *build, const struct patch_window *window, uint64_t at) {
    switch (window->shape) {
    case PATCH_LONG:
        return write_jump(build, window->low, at, PATCH_NO_HOST);
    case PATCH_SHORT:
        return write_short(build, window, at);
    case PATCH_COPY:
        return write_redirects(build, window, at);
    }
    return NULL;
}

static struct error *keep(struct making *making, struct patch_arena *arena) {
    struct build *build = making->build;
    struct patch_set *set = build->set;
    const struct patch_window *window = making->window;
    size_t size, length = window->high - window->low;
    const uint8_t *bytes = patch_code_bytes(build->module->code, window->low, &size);
    TRY(patch_grow(&set->trampolines, set->trampoline_count, &set->trampoline_room,
                   sizeof(*set->trampolines)));
    struct patch_trampoline *trampoline = &set->trampolines[set->trampoline_count++];
    *trampoline = (struct patch_trampoline){.at = making->at,
                                            .low = window->low + build->module->bias,
                                            .size = (uint32_t)build->code.size,
                                            .first_step = (uint32_t)set->step_count,
                                            .step_count = (uint32_t)making->step_count,
                                            .moved = (uint8_t)making->moved,
                                            .bytes = (uint32_t)set->bytes.size,
                                            .length = (uint8_t)length};
    arena->count++;
    arena->used = making->at + build->code.size - arena->start;
    buffer_put(&set->bytes, bytes, length);
    for (size_t i = 0; i < making->step_count; i++) {
        TRY(patch_grow(&set->steps, set->step_count, &set->step_room, sizeof(*set->steps)));
        set->steps[set->step_count++] = making->steps[i];
    }
    TRY(append(build, making->at, &build->code));
    struct pending *pending = &build->pending[window - build->module->plan.windows];
    pending->is_built = true;
    pending->trampoline = (uint32_t)set->trampoline_count - 1;
    pending->at = making->at;
    TRY(lead(build, window, making->at));
    return buffer_check(&set->bytes);
}

static uint64_t next_place(const struct patch_arena *arena) {
    return (arena->start + arena->used + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
}

/* Write the code where there is room for it. */
static struct error *place(struct making *making, const char **ret_obstacle) {
    struct build *build = making->build;
    struct patch_arena *arena;
    uint64_t address = making->window->low + build->module->bias, size = SITE_ESTIMATE;
    for (;;) {
        TRY(patch_arena_get(build->set, build->task, address, size + ALIGNMENT, build->count * SITE_ESTIMATE,
                            &arena));
        uint64_t at = next_place(arena);
        TRY(write_code(making, at));
        if (at + build->code.size <= arena->start + arena->size)
            break;
        size = build->code.size;
    }
    *ret_obstacle = making->is_far ? "an operand is out of reach" : NULL;
    return making->is_far ? NULL : keep(making, arena);
}

/* Records [*ret_first, *ret_last) are in the window. */
static void find_records(const struct build *build, const struct patch_window *window, size_t *ret_first,
                         size_t *ret_last) {
    uint64_t bias = build->module->bias;
    size_t low = 0, high = build->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (build->records[middle]->where < window->low + bias)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_first = low;
    while (high < build->count && build->records[high]->where < window->high + bias)
        high++;
    *ret_last = high;
}

static struct error *make_trampoline(struct build *build, const struct patch_window *window) {
    struct pending *pending = &build->pending[window - build->module->plan.windows];
    struct making *making = calloc(1, sizeof(*making));
    if (!making)
        return &error_no_memory;
    *making = (struct making){.build = build, .window = window};
    find_records(build, window, &making->first, &making->last);
    struct error *err = pending->obstacle ? NULL : place(making, &pending->obstacle);
    for (size_t i = making->first; !err && i < making->last; i++) {
        build->records[i]->site.obstacle = pending->obstacle;
        build->records[i]->site.is_built = !pending->obstacle;
    }
    free(making->edges);
    free(making);
    return err;
}

/* ---- what depends on what ---- */

static const char *check_hole(struct build *build, const struct patch_window *window) {
    const struct patch_plan *plan = &build->module->plan;
    const struct patch_window *host = window->host ? patch_plan_find(plan, window->host) : NULL;
    if (host)
        return build->pending[host - plan->windows].obstacle;
    return check_code(build, window->hole, window->hole + PATCH_JUMP);
}

/* Does the window that holds the instruction at vaddr, if any does, exist? */
static const char *check_source(const struct build *build, uint64_t vaddr) {
    const struct patch_plan *plan = &build->module->plan;
    const struct patch_window *window = patch_plan_find(plan, vaddr);
    return window ? build->pending[window - plan->windows].obstacle : NULL;
}

/* All ways to a block must lead to its copy. */
static const char *check_sources(struct build *build, const struct patch_window *window) {
    const struct patch_plan *plan = &build->module->plan;
    size_t first, count = patch_code_branches_to(plan->code, window->low, &first);
    const char *obstacle = check_source(build, patch_code_before(plan->code, window->low));
    for (size_t i = 0; i < count && !obstacle; i++)
        obstacle = check_source(build, plan->code->low + plan->code->branches[first + i].source);
    count = patch_plan_redirects(plan, window->low, &first);
    for (size_t i = first; i < first + count && !obstacle; i++)
        obstacle = check_code(build, plan->redirects[i].source, plan->redirects[i].place + sizeof(int32_t));
    return obstacle;
}

static void check_windows(struct build *build) {
    const struct patch_plan *plan = &build->module->plan;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->windows[i].is_new)
            build->pending[i].obstacle = check_code(build, plan->windows[i].low, plan->windows[i].high);
    for (size_t i = 0; i < plan->count; i++)
        if (plan->windows[i].is_new && plan->windows[i].shape == PATCH_SHORT && !build->pending[i].obstacle)
            build->pending[i].obstacle = check_hole(build, &plan->windows[i]);
    for (size_t i = 0; i < plan->count; i++)
        if (plan->windows[i].is_new && plan->windows[i].shape == PATCH_COPY && !build->pending[i].obstacle)
            build->pending[i].obstacle = check_sources(build, &plan->windows[i]);
}

/* ---- all of a module ---- */

static int compare_where(const void *a, const void *b) {
    const struct patch_record *left = *(struct patch_record *const *)a;
    const struct patch_record *right = *(struct patch_record *const *)b;
    if (left->where != right->where)
        return left->where < right->where ? -1 : 1;
    return (left->site.address > right->site.address) - (left->site.address < right->site.address);
}

static struct error *collect(struct build *build, uint32_t module) {
    struct patch_set *set = build->set;
    build->records = calloc(set->record_count, sizeof(struct patch_record *));
    build->wishes = calloc(set->record_count, sizeof(*build->wishes));
    build->count = 0;
    if (!build->records || !build->wishes)
        return &error_no_memory;
    for (size_t i = 0; i < set->record_count; i++) {
        struct patch_record *record = set->records[i];
        bool is_wanted = record->module == module && record->is_pending;
        record->is_pending = record->is_pending && !is_wanted;
        if (is_wanted && !record->site.obstacle)
            build->records[build->count++] = record;
    }
    qsort(build->records, build->count, sizeof(struct patch_record *), compare_where);
    for (size_t i = 0; i < build->count; i++)
        build->wishes[i].vaddr = build->records[i]->where - build->module->bias;
    return NULL;
}

/* What others jump to first: copies; then hosts of holes. */
static struct error *make_trampolines(struct build *build) {
    static const enum patch_shape order[] = {PATCH_COPY, PATCH_LONG, PATCH_SHORT};
    const struct patch_plan *plan = &build->module->plan;
    for (size_t i = 0; i < build->count; i++)
        build->records[i]->site.obstacle = build->wishes[i].obstacle;
    for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++)
        for (size_t i = 0; i < plan->count; i++) {
            const struct patch_window *window = &plan->windows[i];
            if (!window->is_new || window->shape != order[k])
                continue;
            if (window->shape == PATCH_SHORT && !build->pending[i].obstacle)
                build->pending[i].obstacle = check_hole(build, window);
            TRY(make_trampoline(build, window));
        }
    return NULL;
}

static struct error *build_windows(struct build *build) {
    struct patch_plan *plan = &build->module->plan;
    TRY(patch_plan_add(plan, build->wishes, build->count));
    build->pending = calloc(plan->count + 1, sizeof(*build->pending));
    if (!build->pending)
        return &error_no_memory;
    check_windows(build);
    struct error *err = make_trampolines(build);
    free(build->pending);
    build->pending = NULL;
    return err;
}

static struct error *build_module(struct build *build, uint32_t index) {
    build->module = &build->set->modules[index];
    struct error *err = collect(build, index);
    if (!err && build->count)
        err = build_windows(build);
    free(build->records);
    free(build->wishes);
    build->records = NULL;
    build->wishes = NULL;
    return err;
}

/* ---- all ---- */

static int compare_addresses(const void *a, const void *b) {
    const struct patch_record *left = *(struct patch_record *const *)a;
    const struct patch_record *right = *(struct patch_record *const *)b;
    return (left->site.address > right->site.address) - (left->site.address < right->site.address);
}

static int compare_writes(const void *a, const void *b) {
    const struct patch_write *left = a, *right = b;
    return (left->address > right->address) - (left->address < right->address);
}

/* The new writes become part of the set when the task has all that they lead to. */
static struct error *take_writes(struct build *build) {
    struct patch_set *set = build->set;
    for (size_t i = 0; i < build->fresh_count; i++) {
        TRY(patch_grow(&set->writes, set->write_count, &set->write_room, sizeof(*set->writes)));
        set->writes[set->write_count++] = build->fresh[i];
    }
    if (set->write_count)
        qsort(set->writes, set->write_count, sizeof(*set->writes), compare_writes);
    return NULL;
}

static struct error *run(struct build *build) {
    struct patch_set *set = build->set;
    TRY(check_process(set, build->task));
    TRY(patch_read_maps(set, build->task));
    if (!set->is_sorted && set->record_count)
        qsort(set->records, set->record_count, sizeof(struct patch_record *), compare_addresses);
    set->is_sorted = true;
    for (uint32_t i = 0; i < set->module_count; i++)
        if (set->modules[i].code)
            TRY(build_module(build, i));
    TRY(flush(build));
    if (build->fresh_count)
        qsort(build->fresh, build->fresh_count, sizeof(*build->fresh), compare_writes);
    if (!set->is_puppet && build->fresh_count)
        TRY(patch_ledger_write(set, build->task, build->fresh, build->fresh_count));
    return take_writes(build);
}

struct error *patch_build(struct patch_set *set, struct task *task, patch_emit *emitter, void *context) {
    struct build *build = calloc(1, sizeof(*build));
    if (!build)
        return &error_no_memory;
    *build = (struct build){.set = set, .task = task, .emit = emitter, .context = context};
    struct error *err = run(build);
    buffer_deinit(&build->code);
    buffer_deinit(&build->unwritten);
    free(build->fresh);
    free(build);
    return err;
}
