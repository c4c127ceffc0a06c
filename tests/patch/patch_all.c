/* patch_all [OPTION]... PROGRAM [ARGUMENT]...: run a program with all functions of all its modules patched.
 * patch_all [OPTION]... --attach PID: the same with a program that runs.
 *
 *   --entries --exits --branches   what is patched (default: all three)
 *   --only NAME       only in modules whose path contains NAME
 *   --count           at each site, count passages; else nothing is emitted there
 *   --toggle MS       disarm and arm again every MS milliseconds, all threads stopped
 *   --recover         when attached, first take back what a killed patch_all has left
 *   --detach MS       leave after so many milliseconds, and check that all code is that of its files again
 *   --first N --last N   only sites with these numbers (for finding a bad one)
 *
 * Modules that the program loads at its start are patched at its entry point; exits as the program does. */
#include "sites.h"

#include "tracer/attach.h"
#include "tracer/engine.h"
#include "tracer/inject.h"
#include "tracer/launch.h"
#include "tracer/maps.h"
#include "tracer/step.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define COUNTERS 0x10000000ull /* below 2 GiB: reached by absolute addresses */
#define MODULES  64

struct options {
    unsigned kinds;
    const char *only;
    bool count;
    unsigned toggle;
    size_t first, last;
    pid_t attach;
    bool recover;
    unsigned detach;
};

struct process {
    struct task *task;
    struct patch_set *set; /* of an address space */
    bool is_shared;
};

static struct options options = {.last = SIZE_MAX};
static struct engine engine;
static struct listed modules[MODULES];
static size_t module_count;
static struct process processes[4096];
static size_t process_count;
static pid_t main_pid;
static int main_status;
static size_t toggles, waited, sites_all, sites_built;
static double pause_sum, pause_most;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Count at a place: one of 8 counters by kind and edge. */
static struct error *emit(void *context, const struct patch_place *place, uint64_t at, struct buffer *code) {
    (void)context, (void)at;
    if (!options.count)
        return NULL;
    unsigned counter = place->edge == PATCH_TAKEN         ? 4
                       : place->edge == PATCH_NOT_TAKEN   ? 5
                       : place->site->kinds & PATCH_ENTRY ? 0
                       : place->site->kinds & PATCH_EXIT  ? 1
                                                          : 2;
    if (!place->flags_are_dead)
        buffer_put(code, "\x48\x8d\x64\x24\x80\x9c", 6); /* lea -128(%rsp),%rsp; pushf */
    buffer_put(code, "\x48\xff\x04\x25", 4);             /* incq counter */
    buffer_put_u32(code, (uint32_t)(COUNTERS + 8 * counter));
    if (!place->flags_are_dead)
        buffer_put(code, "\x9d\x48\x8d\xa4\x24\x80\x00\x00\x00", 9); /* popf; lea 128(%rsp),%rsp */
    return NULL;
}

static void ignore_gone(struct error *err) {
    if (err && err->code != ERROR_TASK_GONE)
        must(err);
    error_free(err);
}

/* ---- processes ---- */

static struct process *process_of(struct task *task) {
    for (size_t i = 0; i < process_count; i++)
        if (processes[i].task == task)
            return &processes[i];
    processes[process_count] = (struct process){.task = task};
    return &processes[process_count++];
}

static void forget(struct task *task) {
    struct process *process = process_of(task);
    struct patch_set *set = process->set;
    *process = processes[--process_count];
    for (size_t i = 0; i < process_count; i++)
        if (processes[i].set == set)
            return;
    patch_set_destroy(set);
}

/* ---- patching ---- */

static void add_module(struct task *task, struct patch_set *set, const struct mapping *mapping) {
    if (module_count == MODULES || !list_module(mapping->name, &modules[module_count]))
        return;
    struct listed *listed = &modules[module_count++];
    uint64_t vaddr = 0;
    const struct elf_image *image = module_image(listed->module);
    (void)task;
    if (!elf_offset_to_vaddr(image, mapping->offset, &vaddr))
        return;
    for (size_t i = 0; i < listed->count; i++) {
        unsigned kinds = listed->sites[i].kinds & options.kinds;
        if (kinds && sites_all >= options.first && sites_all <= options.last)
            must(patch_add(set, listed->code, mapping->start - vaddr, listed->sites[i].vaddr, kinds, NULL,
                           NULL));
        sites_all += kinds != 0;
    }
}

static void patch_process(struct task *task, struct patch_set *set, struct halt *halt) {
    struct maps maps;
    double start = now();
    must(maps_read(task->tid, &maps));
    for (size_t i = 0; i < maps.count; i++)
        if (maps.mappings[i].protection & PROT_EXEC && maps.mappings[i].name[0] == '/' &&
            (!options.only || strstr(maps.mappings[i].name, options.only)))
            add_module(task, set, &maps.mappings[i]);
    double listed = now();
    if (options.count) {
        int64_t result;
        uint64_t instruction = 0;
        struct user_regs_struct regs;
        must(trace_get_registers(task->tid, &regs));
        for (size_t i = 0; i < maps.count && !instruction; i++)
            if (!strcmp(maps.mappings[i].name, "[vdso]"))
                for (uint64_t at = maps.mappings[i].start; at < maps.mappings[i].end; at++) {
                    uint8_t bytes[2];
                    if (task_read(task, at, bytes, 2) == 2 && bytes[0] == 0x0f && bytes[1] == 5) {
                        instruction = at;
                        break;
                    }
                }
        must(INJECT(task, instruction, SYS_mmap, &result, COUNTERS, 4096, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1, 0));
    }
    maps_deinit(&maps);
    must(patch_build(set, task, emit, NULL));
    double built = now();
    for (size_t i = 0; i < patch_site_count(set); i++)
        sites_built += patch_site_at(set, i)->is_built;
    must(patch_arm(set, halt, NULL));
    fprintf(stderr,
            "patch_all: %zu modules, %zu of %zu sites; listed in %.2f s, built in %.3f s, armed in %.1f ms\n",
            module_count, sites_built, sites_all, listed - start, built - listed, (now() - built) * 1000);
}

static uint64_t entry_point(pid_t pid) {
    char path[64];
    uint64_t pair[2], entry = 0;
    snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
    FILE *file = fopen(path, "re");
    while (file && fread(pair, sizeof(pair), 1, file) == 1)
        if (pair[0] == AT_ENTRY)
            entry = pair[1];
    if (file)
        fclose(file);
    return entry;
}

static void start(char **argv) {
    struct task *task;
    bool done;
    must(launch(&engine, argv, false, &task));
    main_pid = task->tid;
    must(step_until(task, entry_point(task->tid), &done));
    struct process *process = process_of(task);
    must(patch_set_create(&process->set));
    struct stop stop = {.kind = STOP_BORN, .task = task};
    struct halt halt = {.stops = &stop, .count = 1};
    patch_process(task, process->set, &halt);
    must(task_resume(task, RESUME_CONT, 0));
}

static void start_attached(void) {
    struct halt halt;
    struct patch_set *set;
    double start = now();
    must(attach(&engine, options.attach, &halt));
    main_pid = options.attach;
    must(patch_set_create(&set));
    for (size_t i = 0; i < halt.count; i++)
        process_of(halt.stops[i].task)->set = set;
    struct stop *first = &halt.stops[0];
    must(inject_prepare(first));
    if (options.recover) {
        size_t restored;
        must(patch_recover(&halt, &restored));
        fprintf(stderr, "patch_all: %zu places restored\n", restored);
    }
    patch_process(first->task, set, &halt);
    fprintf(stderr, "patch_all: attached, %.1f ms\n", (now() - start) * 1000);
    ignore_gone(attach_resume(&halt));
}

/* ---- running ---- */

static bool shares(pid_t one, pid_t other) {
    return trap_shares_memory(one, other);
}

static void on_new_task(const struct stop *stop) {
    struct patch_set *set = process_of(stop->task)->set;
    struct task *child = engine_task(&engine, (pid_t)stop->message);
    struct process *process = process_of(child);
    if (!process->set && set) {
        if (shares(stop->task->tid, child->tid))
            process->set = set;
        else
            must(patch_set_clone(set, &process->set));
    }
}

static void on_exec(const struct stop *stop) {
    struct task *task = stop->task;
    forget(task);
    process_of(task);
    task_memory_reset(task);
}

static void on_stop(struct stop *stop) {
    if (stop->kind == STOP_SIGNAL && process_of(stop->task)->set) {
        struct error *err = patch_handle(process_of(stop->task)->set, stop);
        if (error_is(err, ERROR_TASK_GONE)) {
            error_free(err);
            return;
        }
        must(err);
    }
    switch (stop->kind) {
    case STOP_NEW_TASK:
        on_new_task(stop);
        break;
    case STOP_EXEC:
        on_exec(stop);
        break;
    case STOP_EXITED:
    case STOP_KILLED:
        if (stop->task->tid == main_pid)
            main_status = stop->kind == STOP_EXITED ? stop->status : 128 + stop->status;
        forget(stop->task);
        return;
    default:
        break;
    }
    ignore_gone(engine_pass(stop));
}

/* Bytes of code that are not those of their files. */
static size_t count_changed(struct task *task) {
    struct maps maps;
    size_t changed = 0;
    must(maps_read(task->tid, &maps));
    for (size_t i = 0; i < maps.count; i++) {
        const struct mapping *mapping = &maps.mappings[i];
        size_t size = mapping->end - mapping->start;
        if (!(mapping->protection & PROT_EXEC) || mapping->name[0] != '/')
            continue;
        int fd = mapping_open(task->tid, mapping);
        uint8_t *file = calloc(1, size), *memory = calloc(1, size);
        ssize_t got = pread(fd, file, size, (off_t)mapping->offset);
        task_read(task, mapping->start, memory, size);
        for (ssize_t k = 0; k < got; k++)
            changed += file[k] != memory[k];
        free(file);
        free(memory);
        close(fd);
    }
    maps_deinit(&maps);
    return changed;
}

static void leave(void) {
    struct halt halt = {0};
    struct patch_set *set = processes[0].set;
    size_t away;
    double start = now();
    must(halt_process(&engine, main_pid, &halt));
    struct task *task = halt.stops[0].task;
    must(patch_disarm(set, &halt, &away));
    for (size_t i = 0; i < halt.count; i++)
        ignore_gone(patch_vacate(set, &halt.stops[i]));
    must(inject_prepare(&halt.stops[0]));
    must(patch_set_unmap(set, task));
    size_t changed = count_changed(task);
    must(detach(&engine, main_pid, NULL, &halt, NULL));
    fprintf(stderr, "patch_all: left in %.1f ms; %zu places patched away, %zu bytes changed\n",
            (now() - start) * 1000, away, changed);
    exit(changed || away ? 1 : 0);
}

/* Stop all threads of the first process; disarm; let them run; and the other way. */
static void toggle(void) {
    struct process *process = NULL;
    for (size_t i = 0; i < process_count; i++)
        if (processes[i].task->tid == main_pid)
            process = &processes[i];
    if (!process || !process->set)
        return;
    struct halt halt = {0};
    double start = now();
    struct error *err = halt_process(&engine, main_pid, &halt);
    size_t count = 0, away = 0;
    if (!err && halt.count) {
        if (patch_is_armed(process->set))
            err = patch_disarm(process->set, &halt, &away);
        else
            err = patch_arm(process->set, &halt, &count);
        waited += count;
        if (away) {
            fprintf(stderr, "patch_all: %zu places patched away\n", away);
            exit(125);
        }
    }
    double took = now() - start;
    ignore_gone(err);
    for (size_t i = 0; i < halt.count; i++)
        if (halt.stops[i].task->stopped)
            on_stop(&halt.stops[i]);
    halt_deinit(&halt);
    toggles++;
    pause_sum += took;
    pause_most = took > pause_most ? took : pause_most;
}

static void loop(void) {
    for (;;) {
        struct stop stop;
        must(engine_next(&engine, &stop));
        if (stop.kind == STOP_NONE)
            return;
        if (stop.kind == STOP_TICK && options.detach)
            leave();
        else if (stop.kind == STOP_TICK)
            toggle();
        else
            on_stop(&stop);
    }
}

static char **read_options(char **argv) {
    for (; *argv && **argv == '-'; argv++) {
        if (!strcmp(*argv, "--entries"))
            options.kinds |= PATCH_ENTRY;
        else if (!strcmp(*argv, "--exits"))
            options.kinds |= PATCH_EXIT | PATCH_TAIL;
        else if (!strcmp(*argv, "--branches"))
            options.kinds |= PATCH_BRANCH;
        else if (!strcmp(*argv, "--count"))
            options.count = true;
        else if (!strcmp(*argv, "--only"))
            options.only = *++argv;
        else if (!strcmp(*argv, "--toggle"))
            options.toggle = (unsigned)atoi(*++argv);
        else if (!strcmp(*argv, "--attach"))
            options.attach = atoi(*++argv);
        else if (!strcmp(*argv, "--recover"))
            options.recover = true;
        else if (!strcmp(*argv, "--detach"))
            options.detach = (unsigned)atoi(*++argv);
        else if (!strcmp(*argv, "--first"))
            options.first = strtoul(*++argv, NULL, 10);
        else if (!strcmp(*argv, "--last"))
            options.last = strtoul(*++argv, NULL, 10);
    }
    if (!options.kinds)
        options.kinds = PATCH_ENTRY | PATCH_EXIT | PATCH_TAIL | PATCH_BRANCH;
    return argv;
}

int main(int argc, char **argv) {
    (void)argc;
    argv = read_options(argv + 1);
    engine_init(&engine);
    if (options.attach)
        start_attached();
    else
        start(argv);
    if (options.toggle || options.detach)
        must(engine_set_tick(options.detach ? options.detach : options.toggle));
    loop();
    if (toggles)
        fprintf(stderr,
                "patch_all: %zu times armed or disarmed, pause %.2f ms on average, %.2f ms at most; %zu "
                "windows waited\n",
                toggles, pause_sum / (double)toggles * 1000, pause_most * 1000, waited);
    return main_status;
}
