/* trace_plant: from modules to traps. What is to be done in a module is found out once (struct module_sites),
 * and planted in each process that maps it. */
#include "tracer/calltrace_state.h"

#include "base/say.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void module_sites_destroy(struct module_sites *sites) {
    if (!sites)
        return;
    for (size_t i = 0; i < sites->function_count; i++)
        traced_function_destroy(sites->functions[i]);
    for (size_t i = 0; i < sites->place_function_count; i++)
        traced_function_destroy(sites->place_functions[i]);
    for (size_t i = 0; i < sites->extra_count; i++) {
        site_forget_places(sites->extras[i]);
        free(sites->extras[i]);
    }
    free(sites->functions);
    free(sites->place_functions);
    free(sites->extras);
    patch_code_destroy(sites->code);
    free(sites->code_obstacle);
    free(sites);
}

/* ---- selecting functions ---- */

struct choice {
    struct calltrace *calltrace;
    struct module_sites *sites;
    struct traced_process *process;
};

static bool any_has_lines(const struct function_list *list) {
    for (size_t i = 0; i < list->count; i++)
        if (list->functions[i]->source == FUNCTION_DWARF)
            return true;
    return false;
}

static struct error *add_conditions(struct calltrace *calltrace, struct traced_function *function) {
    struct selection *selection = calltrace->selection;
    function->conditions = calloc(selection->condition_count + 1, sizeof(*function->conditions));
    if (!function->conditions)
        return &error_no_memory;
    for (size_t i = 0; i < selection->condition_count; i++)
        if (condition_matches(&selection->conditions[i], function->function))
            function->conditions[function->condition_count++] = selection->conditions[i].expression;
    return NULL;
}

/* Compilers give each function, and each part of one, a frame description of its own. When debug information
 * says that a function is where that is not so, it is damaged: a trap there would stand in the middle of an
 * instruction, and the program would die of it. */
static bool is_plausible(const struct traced_module *module, const struct function *function) {
    uint64_t low, high;
    if (function->source != FUNCTION_DWARF || !module->unwind)
        return true;
    if (unwind_function_range(module->unwind, function->entry, &low, &high) && low != function->entry)
        return false;
    for (size_t i = 0; i < function->range_count; i++)
        if (unwind_function_range(module->unwind, function->ranges[i].low, &low, &high) &&
            (low != function->ranges[i].low || function->ranges[i].high > high))
            return false;
    return true;
}

/* A function that cannot be traced is named in the trace. */
static struct error *take_function(struct choice *choice, const struct function *function) {
    struct traced_function *traced;
    struct traced_function **grown =
        realloc(choice->sites->functions, (choice->sites->function_count + 1) * sizeof(*grown));
    if (!grown)
        return &error_no_memory;
    choice->sites->functions = grown;
    if (!is_plausible(choice->sites->module, function))
        return calltrace_note(choice->calltrace, choice->process,
                              "%s: not traced: its debug information is damaged: no function begins or ends "
                              "where it says",
                              function->display);
    struct error *err =
        traced_function_create(choice->sites->module, function, choice->calltrace->options, &traced);
    if (error_is(err, ERROR_NO_MEMORY))
        return err;
    if (err) {
        struct error *note = calltrace_note(choice->calltrace, choice->process, "%s: not traced: %s",
                                            function->display, err->message);
        error_free(err);
        return note;
    }
    grown[choice->sites->function_count++] = traced;
    return add_conditions(choice->calltrace, traced);
}

/* All options that name functions are off: only places, exceptions or calls of the system are wanted. */
static bool wants_functions(const struct trace_options *options) {
    return options->trace_functions || options->trace_variables || options->trace_control_flow;
}

static struct error *select_functions(struct choice *choice) {
    struct function_list list = {0};
    const struct function_query all = {0};
    struct module *module = choice->sites->module->module;
    TRY(module_functions(module, &all, &list));
    bool has_lines = any_has_lines(&list);
    struct error *err = NULL;
    for (size_t i = 0; !err && i < list.count; i++)
        if (selection_has_function(choice->calltrace->selection, list.functions[i], has_lines))
            err = take_function(choice, list.functions[i]);
    function_list_deinit(&list);
    return err;
}

/* ---- places ---- */

struct error *module_sites_extra(struct module_sites *sites, uint64_t vaddr, struct traced_function *function,
                                 struct site **ret) {
    for (size_t i = 0; i < sites->extra_count; i++)
        if (sites->extras[i]->vaddr == vaddr) {
            *ret = sites->extras[i];
            return NULL;
        }
    struct site **grown = realloc(sites->extras, (sites->extra_count + 1) * sizeof(*grown));
    struct site *site = malloc(sizeof(*site));
    if (grown)
        sites->extras = grown;
    if (!grown || !site) {
        free(site);
        return &error_no_memory;
    }
    *site = (struct site){.vaddr = vaddr, .module = sites->module, .function = function};
    grown[sites->extra_count++] = site;
    *ret = site;
    return NULL;
}

static struct traced_function *find_traced(struct traced_function **functions, size_t count,
                                           const struct function *function) {
    for (size_t i = 0; i < count; i++)
        if (functions[i]->function == function)
            return functions[i];
    return NULL;
}

/* The function around a place, for its variables; made when it is not traced otherwise. */
static struct error *function_of_place(struct choice *choice, uint64_t vaddr, struct traced_function **ret) {
    const struct function *function;
    struct module_sites *sites = choice->sites;
    struct error *err = module_function_at(sites->module->module, vaddr, &function);
    *ret = NULL;
    if (!err)
        *ret = find_traced(sites->functions, sites->function_count, function);
    if (!err && !*ret)
        *ret = find_traced(sites->place_functions, sites->place_function_count, function);
    if (err || *ret) {
        error_free(err);
        return NULL;
    }
    struct traced_function **grown =
        realloc(sites->place_functions, (sites->place_function_count + 1) * sizeof(*grown));
    if (!grown)
        return &error_no_memory;
    sites->place_functions = grown;
    err = traced_function_create(sites->module, function, choice->calltrace->options, ret);
    if (!err)
        grown[sites->place_function_count++] = *ret;
    return err;
}

static struct error *add_place(struct choice *choice, const struct probe_text *text, uint64_t vaddr) {
    struct traced_function *function;
    struct module_sites *sites = choice->sites;
    TRY(function_of_place(choice, vaddr, &function));
    struct site *site = NULL;
    if (function && find_traced(sites->functions, sites->function_count, function->function) == function)
        site = traced_function_site(function, vaddr);
    if (!site)
        TRY(module_sites_extra(sites, vaddr, function, &site));
    struct place_probe *place = calloc(1, sizeof(*place));
    if (!place)
        return &error_no_memory;
    *place = (struct place_probe){.text = text, .next = site->places};
    site->places = place;
    site->kinds |= SITE_PLACE;
    return NULL;
}

static struct error *select_places(struct choice *choice) {
    struct selection *selection = choice->calltrace->selection;
    for (size_t i = 0; i < selection->probe_count; i++) {
        struct probe_text *text = &selection->probes[i];
        uint64_t *addresses = NULL;
        size_t count = 0;
        unsigned line;
        struct error *err = module_line_addresses(choice->sites->module->module, text->file, text->line,
                                                  &addresses, &count, &line);
        if (err) {
            if (!error_is(err, ERROR_NOT_FOUND))
                return err;
            error_free(err);
            continue;
        }
        text->found = true;
        if (line != text->line)
            say("--at %s:%u: there is no code, line %u is the next that has some", text->file, text->line,
                line);
        for (size_t k = 0; !err && k < count; k++)
            err = add_place(choice, text, addresses[k]);
        free(addresses);
        TRY(err);
    }
    return NULL;
}

/* ---- a module ---- */

static bool is_program(const struct traced_process *process, const struct traced_module *module) {
    const struct loaded_module *loaded = process_modules_find(&process->modules, process->entry);
    return loaded && loaded->module == module;
}

static struct error *choose(struct choice *choice) {
    struct calltrace *calltrace = choice->calltrace;
    struct traced_module *module = choice->sites->module;
    bool program = is_program(choice->process, module);
    if (selection_has_module(calltrace->selection, module->name, program)) {
        if (module_problem(module->module))
            say_verbose("%s", module_problem(module->module));
        if (wants_functions(calltrace->options))
            TRY(select_functions(choice));
        TRY(select_places(choice));
    }
    return special_sites(choice->sites, calltrace->options);
}

/* What is to be done in a module; found out when it is met first. */
static struct error *sites_of(struct traced_process *process, struct traced_module *module,
                              struct module_sites **ret) {
    struct calltrace *calltrace = process->calltrace;
    if (!module->user) {
        struct module_sites *sites = calloc(1, sizeof(*sites));
        if (!sites)
            return &error_no_memory;
        *sites = (struct module_sites){.module = module, .next = calltrace->sites};
        calltrace->sites = sites;
        module->user = sites;
        struct choice choice = {.calltrace = calltrace, .sites = sites, .process = process};
        TRY(choose(&choice));
        calltrace->totals.functions += sites->function_count;
    }
    *ret = module->user;
    return NULL;
}

/* ---- planting ---- */

static struct error *plant(struct traced_process *process, struct task *task, struct site *site,
                           uint64_t bias, struct trap **ret) {
    struct error *err = trap_add(process->traps, task, site->vaddr + bias, ret);
    if (!err)
        (*ret)->user = site;
    return err;
}

/* Without its entry or one of its exits a function would be told wrongly: then nothing of it is planted. */
static bool is_needed(const struct site *site) {
    return site->kinds & (SITE_ENTRY | SITE_EXIT | SITE_JUMP);
}

static void unplant(struct traced_process *process, struct task *task, const struct traced_function *function,
                    size_t count, uint64_t bias) {
    for (size_t i = 0; i < count; i++) {
        struct trap *trap = trap_find(process->traps, function->sites[i].vaddr + bias);
        if (trap)
            error_free(trap_remove(process->traps, task, trap, NULL));
    }
}

static struct error *plant_function(struct traced_process *process, struct task *task,
                                    struct traced_function *function, uint64_t bias) {
    for (size_t i = 0; i < function->site_count; i++) {
        struct site *site = &function->sites[i];
        struct trap *trap;
        struct error *err = plant(process, task, site, bias, &trap);
        if (!err)
            continue;
        if (error_is(err, ERROR_TASK_GONE) || error_is(err, ERROR_NO_MEMORY))
            return err;
        struct error *note = NULL;
        bool needed = is_needed(site);
        if (needed) {
            unplant(process, task, function, i, bias);
            note = calltrace_note(process->calltrace, process, "%s: not traced: %s",
                                  function->function->display, err->message);
        }
        error_free(err);
        if (needed || note)
            return note;
    }
    return NULL;
}

/* ---- jumps ---- */

/* It cannot be traced as was asked. */
static struct error *leave_out(struct traced_process *process, struct traced_function *function,
                               const char *why) {
    function->is_left_out = true;
    return calltrace_note(process->calltrace, process,
                          "%s: not traced: %s (--probes trap does without jumps)",
                          function->function->display, why);
}

/* Sites that have no jump get a trap each, if that is wanted. */
static struct error *plant_rest(struct traced_process *process, struct task *task,
                                struct traced_function *function, uint64_t bias) {
    for (size_t i = 0; i < function->site_count; i++) {
        struct site *site = &function->sites[i];
        struct trap *trap;
        const char *obstacle = trace_jumps_obstacle(process, site->vaddr + bias);
        if (!obstacle)
            continue;
        obstacle = site->obstacle ? site->obstacle : obstacle;
        if (trace_jumps_allow_trap(process, site) &&
            !patch_covers(process->jumps->patches, site->vaddr + bias)) {
            struct error *err = plant(process, task, site, bias, &trap);
            if (!err)
                continue;
            if (error_is(err, ERROR_TASK_GONE) || error_is(err, ERROR_NO_MEMORY))
                return err;
            error_free(err);
        }
        if (is_needed(site))
            return leave_out(process, function, obstacle);
    }
    return NULL;
}

static struct error *plant_by_jumps(struct traced_process *process, struct task *task,
                                    const struct module_sites *sites, uint64_t bias, char **obstacles) {
    struct traced_thread *thread = calltrace_find_thread(process->calltrace, task->tid);
    if (!thread)
        return error_new(ERROR_OTHER, "thread %d: not known", task->tid);
    for (size_t i = 0; i < sites->function_count; i++)
        TRY(trace_jumps_add(process, thread, sites->functions[i], bias, &obstacles[i]));
    TRY(trace_jumps_build(process, task));
    for (size_t i = 0; i < sites->function_count; i++) {
        struct traced_function *function = sites->functions[i];
        if (!obstacles[i])
            TRY(plant_rest(process, task, function, bias));
        else if (!process->no_traps)
            TRY(plant_function(process, task, function, bias));
        else
            TRY(leave_out(process, function, obstacles[i]));
        if (process->calltrace->options->list_probes)
            trace_list_function(process, function, bias, obstacles[i]);
    }
    return NULL;
}

static struct error *plant_functions(struct traced_process *process, struct task *task,
                                     const struct module_sites *sites, uint64_t bias) {
    if (!process->jumps) {
        for (size_t i = 0; i < sites->function_count; i++) {
            TRY(plant_function(process, task, sites->functions[i], bias));
            if (process->calltrace->options->list_probes)
                trace_list_function(process, sites->functions[i], bias, "jumps are not used");
        }
        return NULL;
    }
    char **obstacles = calloc(sites->function_count + 1, sizeof(char *));
    if (!obstacles)
        return &error_no_memory;
    struct error *err = plant_by_jumps(process, task, sites, bias, obstacles);
    for (size_t i = 0; i < sites->function_count; i++)
        free(obstacles[i]);
    free(obstacles);
    return err;
}

static bool is_planted(const struct traced_process *process, const struct loaded_module *loaded) {
    for (size_t i = 0; i < process->planted_count; i++)
        if (process->planted[i].module == loaded->module && process->planted[i].bias == loaded->bias)
            return true;
    return false;
}

static struct error *plant_module(struct traced_process *process, struct task *task,
                                  const struct loaded_module *loaded) {
    struct module_sites *sites;
    struct loaded_module *grown =
        realloc(process->planted, (process->planted_count + 1) * sizeof(*process->planted));
    if (!grown)
        return &error_no_memory;
    process->planted = grown;
    grown[process->planted_count++] = *loaded;
    TRY(sites_of(process, loaded->module, &sites));
    TRY(plant_functions(process, task, sites, loaded->bias));
    for (size_t i = 0; i < sites->extra_count && !(process->no_traps && process->is_attached); i++) {
        struct trap *trap;
        struct error *err = plant(process, task, sites->extras[i], loaded->bias, &trap);
        if (error_is(err, ERROR_UNSUPPORTED) || error_is(err, ERROR_NOT_FOUND)) {
            say_verbose("%s: %s", loaded->module->name, err->message);
            error_free(err);
            err = NULL;
        }
        TRY(err);
    }
    return NULL;
}

/* Modules that are gone (dlclose) take their traps along. */
static void forget_gone(struct traced_process *process) {
    for (size_t i = 0; i < process->planted_count;) {
        const struct loaded_module *planted = &process->planted[i];
        const struct loaded_module *now = process_modules_by_module(&process->modules, planted->module);
        if (now && now->bias == planted->bias) {
            i++;
            continue;
        }
        trap_forget_range(process->traps, planted->start, planted->end);
        if (process->jumps)
            patch_forget_range(process->jumps->patches, planted->start, planted->end);
        process->planted[i] = process->planted[--process->planted_count];
    }
}

/* What is new is code that nobody executes yet. */
static struct error *arm_new(struct traced_process *process, struct task *task) {
    struct stop stop = {.kind = STOP_BORN, .task = task};
    struct halt halt = {.stops = &stop, .count = 1};
    return process->jumps && process->jumps->is_active ? trace_jumps_arm(process, &halt) : NULL;
}

struct error *plant_process(struct traced_process *process, struct task *task) {
    struct calltrace *calltrace = process->calltrace;
    struct maps maps;
    TRY(maps_read(task->tid, &maps));
    struct error *err = process_modules_update(&process->modules, &calltrace->cache, task->tid, &maps,
                                               &calltrace->host.opener);
    maps_deinit(&maps);
    if (err)
        return err;
    forget_gone(process);
    for (size_t i = 0; !err && i < process->modules.count; i++)
        if (!is_planted(process, &process->modules.modules[i]))
            err = plant_module(process, task, &process->modules.modules[i]);
    return err ? err : arm_new(process, task);
}

struct error *plant_prepare(struct traced_process *process) {
    struct calltrace *calltrace = process->calltrace;
    struct module_sites *sites;
    struct maps maps;
    struct error *err = maps_read(process->pid, &maps);
    if (err) { /* whoever cannot be looked at cannot be attached to: that is told then */
        error_free(err);
        return NULL;
    }
    err = process_modules_update(&process->modules, &calltrace->cache, process->pid, &maps,
                                 &calltrace->host.opener);
    maps_deinit(&maps);
    for (size_t i = 0; !err && i < process->modules.count; i++) {
        struct traced_module *module = process->modules.modules[i].module;
        err = sites_of(process, module, &sites);
        if (!err && sites->function_count && calltrace->options->probe_kind != PROBES_TRAP)
            err = trace_jumps_prepare(module);
    }
    return err;
}
