/* trace_jumps: jump probes for what was selected, site by site. What needs a stopped task, and what code
 * cannot be patched for, is left to traps. Where these are not wanted (an attached process does not survive
 * the death of its tracer), less is noted: an argument that only a stopped task shows is unreadable, a
 * statement is left out. */
#include "tracer/calltrace_state.h"

#include "base/say.h"
#include "tracer/agent_puppet.h"
#include "tracer/emit_record.h"
#include "tracer/inject.h"
#include "tracer/trace_rules.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define KINDS_BEFORE (SITE_ENTRY | SITE_STATEMENT | SITE_EXIT)
#define KINDS_EDGE   (SITE_BRANCH | SITE_JUMP)

/* ---- the tables ---- */

static struct error *grow(void *array, size_t count, size_t *room, size_t size) {
    if (count < *room)
        return NULL;
    size_t wanted = *room ? 2 * *room : 64;
    void *grown = realloc(*(void **)array, wanted * size);
    if (!grown)
        return &error_no_memory;
    *(void **)array = grown;
    *room = wanted;
    return NULL;
}

static void release_emissions(struct emissions *emissions) {
    if (!emissions || --emissions->users)
        return;
    for (size_t i = 0; i < emissions->count; i++) {
        record_layout_deinit(&emissions->items[i]->layout);
        free(emissions->items[i]->rule);
        free(emissions->items[i]);
    }
    for (size_t i = 0; i < emissions->site_count; i++)
        free(emissions->sites[i]);
    free(emissions->items);
    free(emissions->sites);
    free(emissions);
}

static void destroy(struct jump_probes *jumps) {
    if (!jumps)
        return;
    patch_set_destroy(jumps->patches);
    agent_destroy(jumps->agent);
    release_emissions(jumps->emissions);
    free(jumps);
}

/* ---- processes ---- */

static struct error *create(struct traced_process *process, struct task *task, struct jump_probes *jumps) {
    const struct calltrace *calltrace = process->calltrace;
    const struct calltrace_host *host = &calltrace->host;
    const struct room_reserved reserved = {host->reserved, host->reserved_count};
    if (host->instruction)
        TRY(agent_puppet_create(task, host->instruction, &reserved, &jumps->agent));
    else
        /* who asks for some calls only wants all of these */
        TRY(agent_create(task, calltrace->options->lossless || calltrace->options->conditions.count,
                         &jumps->agent));
    TRY(patch_set_create(&jumps->patches));
    if (host->instruction)
        patch_set_reserve(jumps->patches, host->reserved, host->reserved_count, host->instruction);
    else
        TRY(patch_add_code(jumps->patches, jumps->agent->code, jumps->agent->code + jumps->agent->code_size));
    jumps->emissions = calloc(1, sizeof(*jumps->emissions));
    if (!jumps->emissions)
        return &error_no_memory;
    jumps->emissions->users = 1;
    /* what code of a tracer before may still write has other numbers */
    if (getrandom(&jumps->emissions->base, sizeof(jumps->emissions->base), 0) < 0)
        jumps->emissions->base = (uint32_t)getpid() << 8;
    jumps->emissions->base &= 0x7fff0000u;
    return NULL;
}

struct error *trace_jumps_begin(struct traced_process *process, struct task *task) {
    const struct calltrace *calltrace = process->calltrace;
    if (calltrace->options->probe_kind == PROBES_TRAP || calltrace->host.only_traps || process->jumps)
        return NULL;
    struct jump_probes *jumps = calloc(1, sizeof(*jumps));
    if (!jumps)
        return &error_no_memory;
    struct error *err = create(process, task, jumps);
    if (!err) {
        process->jumps = jumps;
        process->no_traps = calltrace->options->probe_kind == PROBES_JUMP;
        return NULL;
    }
    if (jumps->agent && !jumps->agent->block)
        error_free(agent_unmap(jumps->agent, task));
    destroy(jumps);
    if (calltrace->options->probe_kind == PROBES_JUMP || error_is(err, ERROR_TASK_GONE) ||
        error_is(err, ERROR_NO_MEMORY))
        return error_hint(err, "--probes trap does without");
    struct error *note =
        calltrace_note(process->calltrace, process, "traced by traps, which is slower: %s", err->message);
    error_free(err);
    return note;
}

struct error *trace_jumps_clone(const struct traced_process *parent, struct traced_process *child) {
    const struct jump_probes *from = parent->jumps;
    if (!from)
        return NULL;
    struct jump_probes *jumps = calloc(1, sizeof(*jumps));
    if (!jumps)
        return &error_no_memory;
    child->jumps = jumps;
    child->no_traps = parent->no_traps;
    jumps->is_active = from->is_active;
    jumps->emissions = from->emissions;
    jumps->emissions->users++;
    TRY(patch_set_clone(from->patches, &jumps->patches));
    return agent_clone(from->agent, child->pid, &jumps->agent);
}

void trace_jumps_forget(struct traced_process *process) {
    if (!process->traps_borrowed)
        destroy(process->jumps);
    process->jumps = NULL;
}

/* ---- one site ---- */

static bool is_conditional(const struct displaced *displaced) {
    return displaced->operation == DISPLACED_BRANCH || displaced->operation == DISPLACED_LOOP;
}

static unsigned kinds_before(const struct site *site, const struct displaced *displaced) {
    return site->kinds & (is_conditional(displaced) ? KINDS_BEFORE : KINDS_BEFORE | KINDS_EDGE);
}

/* A jump that stays in the function is of interest to branches only. */
static unsigned kinds_at_edge(const struct site *site, uint64_t destination) {
    const struct function *function = site->function->function;
    unsigned kinds = site->kinds & KINDS_EDGE;
    bool stays = destination != function->entry &&
                 ranges_contain(function->ranges, function->range_count, destination);
    return stays ? kinds & ~(unsigned)SITE_JUMP : kinds;
}

/* All that a call brings along in registers: values that lead further are missing. */
#define ALL_GENERAL    UINT64_C(0xffff)
#define VECTOR_RESULTS (UINT64_C(0xff) << LAYOUT_FIRST_VECTOR)

/* As much as can be noted of what is needed; nothing of other sites. */
static bool make_do(struct emission *emission) {
    unsigned kinds = emission->kinds & (SITE_ENTRY | SITE_EXIT | SITE_JUMP);
    if (!kinds || (kinds & SITE_JUMP && !emission->has_destination))
        return false;
    emission->kinds = kinds;
    record_layout_deinit(&emission->layout);
    emission->layout.registers = ALL_GENERAL | VECTOR_RESULTS;
    return true;
}

static struct error *lay_out(struct traced_process *process, struct traced_thread *thread,
                             struct emission *emission) {
    struct error *err = trace_needs(thread, emission, &emission->layout);
    if (error_is(err, ERROR_UNSUPPORTED) && process->no_traps && make_do(emission)) {
        error_free(err);
        err = NULL;
    }
    TRY(err);
    return record_layout_place(&emission->layout, (enum record_time)process->calltrace->options->timestamps);
}

/* The emission for one edge of a site; *ret_id stays 0 when nothing is looked at there. */
static struct error *add_emission(struct traced_process *process, struct traced_thread *thread,
                                  const struct emission *wanted, uint32_t *ret_id) {
    struct emissions *emissions = process->jumps->emissions;
    if (!wanted->kinds)
        return NULL;
    TRY(grow(&emissions->items, emissions->count, &emissions->room, sizeof(*emissions->items)));
    struct emission *emission = malloc(sizeof(*emission));
    if (!emission)
        return &error_no_memory;
    *emission = *wanted;
    struct error *err = lay_out(process, thread, emission);
    if (!err)
        err = trace_rules_set(process, emission);
    if (err) {
        record_layout_deinit(&emission->layout);
        free(emission->rule);
        free(emission);
        return err;
    }
    emissions->items[emissions->count++] = emission;
    *ret_id = emissions->base + (uint32_t)emissions->count;
    return NULL;
}

static struct error *add_edges(struct traced_process *process, struct traced_thread *thread,
                               struct emission *emission, struct emission_ids *ids) {
    const struct displaced displaced = emission->displaced;
    const uint64_t next = displaced.address + displaced.length;
    emission->kinds = kinds_before(emission->site, &displaced);
    if (!is_conditional(&displaced) && displaced.operation == DISPLACED_JUMP) {
        emission->has_destination = true;
        emission->destination = displaced.target;
    }
    TRY(add_emission(process, thread, emission, &ids->ids[PATCH_BEFORE]));
    if (!is_conditional(&displaced))
        return NULL;
    emission->has_destination = true;
    emission->destination = displaced.target;
    emission->kinds = kinds_at_edge(emission->site, displaced.target - emission->bias);
    TRY(add_emission(process, thread, emission, &ids->ids[PATCH_TAKEN]));
    emission->destination = next;
    emission->kinds = kinds_at_edge(emission->site, next - emission->bias);
    return add_emission(process, thread, emission, &ids->ids[PATCH_NOT_TAKEN]);
}

static struct error *site_ids(struct traced_process *process, struct emission_ids **ret) {
    struct emissions *emissions = process->jumps->emissions;
    TRY(grow(&emissions->sites, emissions->site_count, &emissions->site_room, sizeof(*emissions->sites)));
    struct emission_ids *ids = calloc(1, sizeof(*ids));
    if (!ids)
        return &error_no_memory;
    emissions->sites[emissions->site_count++] = ids;
    *ret = ids;
    return NULL;
}

static unsigned patch_kinds(const struct site *site, const struct displaced *displaced) {
    bool conditional = is_conditional(displaced);
    unsigned kinds = 0;
    if (site->kinds & SITE_ENTRY)
        kinds |= PATCH_ENTRY;
    if (site->kinds & SITE_EXIT)
        kinds |= PATCH_EXIT;
    if (site->kinds & SITE_STATEMENT)
        kinds |= PATCH_STATEMENT;
    if (site->kinds & KINDS_EDGE)
        kinds |= conditional ? PATCH_BRANCH : site->kinds & SITE_JUMP ? PATCH_TAIL : PATCH_STATEMENT;
    return kinds;
}

/* An argument that is a number or a pointer, and is in the record whatever the others are. */
static bool is_number(void *context, const char *name) {
    const struct traced_function *function = context;
    for (size_t k = 0; k < function->argument_count; k++) {
        size_t i = function->arguments[k];
        if (strcmp(function->variables.variables[i].name, name) != 0)
            continue;
        enum type_kind kind =
            function->variable_types[i] ? type_strip(function->variable_types[i])->kind : TYPE_VOID;
        return (kind == TYPE_INTEGER || kind == TYPE_BOOL || kind == TYPE_CHARACTER || kind == TYPE_FLOAT ||
                kind == TYPE_ENUM || kind == TYPE_POINTER) &&
               trace_argument_is_plain(function, i);
    }
    return false;
}

/* Then reel can decide on the record. */
static bool has_plain_conditions(struct traced_function *function) {
    for (size_t i = 0; i < function->condition_count; i++)
        if (!expression_is_of_values(function->conditions[i], is_number, function))
            return false;
    return true;
}

static struct error *prepare_site(struct traced_process *process, struct traced_thread *thread,
                                  const struct patch_code *code, struct site *site, uint64_t bias,
                                  struct emission_ids **ret_ids, unsigned *ret_kinds) {
    struct emission emission = {.site = site, .bias = bias, .has_displaced = true};
    size_t size;
    const uint8_t *bytes = patch_code_bytes(code, site->vaddr, &size);
    if (site->kinds & (SITE_PLACE | SITE_SPECIAL))
        return error_new(ERROR_UNSUPPORTED, "more than a record is wanted there");
    if (site->kinds & SITE_ENTRY && !has_plain_conditions(site->function))
        return error_new(ERROR_UNSUPPORTED, "it has a condition that looks at more than numbers");
    if (!bytes)
        return error_new(ERROR_UNSUPPORTED, "its code is not in the file");
    TRY(displaced_decode(bytes, size, site->vaddr + bias, &emission.displaced));
    TRY(site_ids(process, ret_ids));
    *ret_kinds = patch_kinds(site, &emission.displaced);
    return add_edges(process, thread, &emission, *ret_ids);
}

/* The loader, exceptions and --at are looked at by traps in any case. */
bool trace_jumps_allow_trap(const struct traced_process *process, const struct site *site) {
    return !process->no_traps || (site->kinds & (SITE_SPECIAL | SITE_PLACE) && !process->is_attached);
}

static struct error *add_site(struct traced_process *process, struct traced_thread *thread,
                              const struct patch_code *code, struct site *site, uint64_t bias) {
    struct emission_ids *ids;
    unsigned kinds;
    struct error *err = prepare_site(process, thread, code, site, bias, &ids, &kinds);
    if (!err)
        return patch_add(process->jumps->patches, code, bias, site->vaddr, kinds, ids, NULL);
    if (error_is(err, ERROR_NO_MEMORY) || error_is(err, ERROR_TASK_GONE))
        return err;
    free(site->obstacle);
    site->obstacle = strdup(err->message);
    error_free(err);
    return trace_jumps_allow_trap(process, site)
               ? patch_avoid(process->jumps->patches, code, bias, site->vaddr)
               : NULL;
}

/* ---- functions ---- */

/* The code of a module, decoded once. */
static struct error *code_of(struct traced_module *module, const struct patch_code **ret) {
    struct module_sites *sites = module->user;
    if (!sites->code && !sites->code_obstacle) {
        struct error *err = patch_code_create(module_image(module->module), module->unwind, &sites->code);
        if (error_is(err, ERROR_NO_MEMORY))
            return err;
        if (err)
            sites->code_obstacle = strdup(err->message);
        error_free(err);
    }
    if (!sites->code)
        return error_new(ERROR_UNSUPPORTED, "%s", sites->code_obstacle ? sites->code_obstacle : "no memory");
    *ret = sites->code;
    return NULL;
}

struct error *trace_jumps_prepare(struct traced_module *module) {
    const struct patch_code *code;
    struct error *err = code_of(module, &code);
    if (error_is(err, ERROR_NO_MEMORY))
        return err;
    error_free(err);
    return NULL;
}

/* Places of --at in the midst of it will be traps. */
static struct error *avoid_extras(struct traced_process *process, const struct patch_code *code,
                                  const struct traced_function *function, uint64_t bias) {
    const struct module_sites *sites = function->module->user;
    for (size_t i = 0; i < sites->extra_count; i++)
        if (ranges_contain(function->function->ranges, function->function->range_count,
                           sites->extras[i]->vaddr))
            TRY(patch_avoid(process->jumps->patches, code, bias, sites->extras[i]->vaddr));
    return NULL;
}

static struct error *add_function(struct traced_process *process, struct traced_thread *thread,
                                  struct traced_function *function, uint64_t bias) {
    const struct patch_code *code = NULL;
    TRY(code_of(function->module, &code));
    TRY(avoid_extras(process, code, function, bias));
    for (size_t i = 0; i < function->site_count; i++)
        TRY(add_site(process, thread, code, &function->sites[i], bias));
    return NULL;
}

struct error *trace_jumps_add(struct traced_process *process, struct traced_thread *thread,
                              struct traced_function *function, uint64_t bias, char **ret_obstacle) {
    struct error *err = add_function(process, thread, function, bias);
    *ret_obstacle = NULL;
    if (!err || error_is(err, ERROR_NO_MEMORY) || error_is(err, ERROR_TASK_GONE))
        return err;
    *ret_obstacle = strdup(err->message);
    error_free(err);
    return *ret_obstacle ? NULL : &error_no_memory;
}

/* ---- code ---- */

static struct error *emit(void *context, const struct patch_place *place, uint64_t at, struct buffer *code) {
    const struct jump_probes *jumps = context;
    const struct emissions *emissions = jumps->emissions;
    const struct emission_ids *ids = place->site->user;
    uint32_t id = ids->ids[place->edge];
    const struct emission *emission = id ? emissions->items[id - emissions->base - 1] : NULL;
    struct emit_place how = {.flags_are_dead = place->flags_are_dead,
                             .red_zone_is_dead = place->red_zone_is_dead,
                             .block = jumps->agent->block};
    (void)at;
    if (!emission)
        return NULL;
    how.filter = emission->filter;
    how.rule = emission->rule;
    emit_record(&emission->layout, id, &how, code);
    return NULL;
}

struct error *trace_jumps_build(struct traced_process *process, struct task *task) {
    return patch_build(process->jumps->patches, task, emit, process->jumps);
}

struct error *trace_jumps_arm(struct traced_process *process, struct halt *halt) {
    size_t waiting = 0;
    TRY(patch_arm(process->jumps->patches, halt, &waiting));
    process->jumps->is_active = true;
    if (!waiting)
        return NULL;
    return calltrace_note(process->calltrace, process,
                          "%zu places are not traced: a signal handler that is running will return there",
                          waiting);
}

const char *trace_jumps_obstacle(const struct traced_process *process, uint64_t address) {
    const struct patch_site *site = patch_find(process->jumps->patches, address);
    if (!site)
        return "it was not tried";
    return site->is_built ? NULL : site->obstacle ? site->obstacle : "it could not be built";
}

/* ---- stops of a puppet's probes ---- */

struct error *trace_jumps_stop(struct traced_thread *thread, const struct stop *stop, bool *ret_done) {
    const struct jump_probes *jumps = thread->process->jumps;
    uint8_t bytes[EMIT_STOP_SIZE];
    struct user_regs_struct regs;
    if (!jumps || !jumps->agent->block || stop->kind != STOP_SIGNAL || stop->signo != SIGTRAP)
        return NULL;
    TRY(trace_get_registers(stop->task->tid, &regs));
    if (!patch_is_trampoline(jumps->patches, regs.rip - 1) ||
        task_read(stop->task, regs.rip, bytes, sizeof(bytes)) != sizeof(bytes))
        return NULL;
    enum emit_stop why = emit_stop_of(bytes);
    *ret_done = why != EMIT_STOP_NONE;
    if (why == EMIT_STOP_FULL)
        return trace_rings_drain(thread->process->calltrace, thread);
    return why == EMIT_STOP_TEXT ? agent_puppet_text(stop->task, regs.rax, regs.r11) : NULL;
}

/* ---- leaving ---- */

static struct error *ignore_gone(struct error *err) {
    if (!error_is(err, ERROR_TASK_GONE))
        return err;
    error_free(err);
    return NULL;
}

static struct task *first_stopped(const struct halt *halt) {
    for (size_t i = 0; i < halt->count; i++)
        if (halt->stops[i].task->stopped)
            return halt->stops[i].task;
    return NULL;
}

static void set_unbound(struct traced_process *process, bool is_unbound) {
    const struct calltrace *calltrace = process->calltrace;
    for (size_t i = 0; i < calltrace->thread_count; i++)
        if (calltrace->threads[i]->process == process)
            ring_set_unbound(&calltrace->threads[i]->ring, is_unbound);
}

/* No thread is in code of ours any more, nor led there by its GS base; what they have noted is dealt with. */
static struct error *withdraw(struct traced_process *process, struct halt *halt) {
    TRY(trace_rings_drain(process->calltrace, NULL)); /* some may be waiting for room */
    for (size_t i = 0; i < halt->count; i++)
        if (halt->stops[i].task->stopped)
            TRY(ignore_gone(patch_vacate(process->jumps->patches, &halt->stops[i])));
    for (size_t i = 0; i < halt->count; i++) {
        struct task *task = halt->stops[i].task;
        struct traced_thread *thread = calltrace_find_thread(process->calltrace, task->tid);
        if (thread)
            TRY(trace_rings_drain(process->calltrace, thread));
        if (thread)
            ring_close(&thread->ring);
        if (task->stopped)
            TRY(ignore_gone(agent_leave(task)));
    }
    return NULL;
}

static struct error *unmap(struct traced_process *process, struct halt *halt) {
    for (size_t i = 0; i < halt->count; i++) {
        struct stop *stop = &halt->stops[i];
        if (!stop->task->stopped)
            continue;
        struct error *err = inject_prepare(stop);
        if (!err)
            err = agent_unmap(process->jumps->agent, stop->task);
        if (!error_is(err, ERROR_TASK_GONE))
            return err;
        error_free(err);
    }
    return NULL;
}

struct error *calltrace_disarm(struct calltrace *calltrace, pid_t pid, struct halt *halt) {
    struct traced_thread *known = calltrace_find_thread(calltrace, pid);
    struct task *task = first_stopped(halt);
    if (!known || !known->process->jumps || known->process->traps_borrowed || !task)
        return NULL;
    struct traced_process *process = known->process;
    set_unbound(process, true);
    struct error *err = ignore_gone(patch_disarm(process->jumps->patches, halt, NULL));
    if (!err)
        err = withdraw(process, halt);
    set_unbound(process, false);
    TRY(err);
    TRY(unmap(process, halt));
    process->jumps->is_active = false;
    return NULL;
}
