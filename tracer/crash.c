/* crash: the order in which a dying process is captured: what tells crashes apart first, so that one that is
 * known already is only counted; then the report is written, before more is found out that could take long,
 * and again when all is known, and the core last. Whatever happens in between, what is on disk is whole. */
#include "tracer/crash_state.h"

#include "base/clock.h"
#include "tracer/process.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

enum { HASH_FRAMES = 24 };

void crash_outcome_deinit(struct crash_outcome *outcome) {
    free(outcome->folder);
    free(outcome->summary);
    free(outcome->problem);
    *outcome = (struct crash_outcome){0};
}

bool crash_has_time(struct crash *crash) {
    if (!crash->late && (clock_now() > crash->deadline || !crash->text_left))
        crash->late = true;
    return !crash->late;
}

/* ---- the process ---- */

static int open_mapping(void *context, pid_t pid, const struct mapping *mapping, char **ret_name) {
    static const char deleted[] = " (deleted)";
    size_t size = strlen(mapping->name), tail = sizeof(deleted) - 1;
    (void)context;
    if (size > tail && strcmp(mapping->name + size - tail, deleted) == 0)
        size -= tail;
    *ret_name = strndup(mapping->name, size);
    return mapping_open(pid, mapping);
}

/* Of the thread: the leader of a process that exits may be gone already. */
static uint64_t find_entry(pid_t pid) {
    char path[64];
    uint64_t pair[2], entry = 0;
    snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
    FILE *file = fopen(path, "re");
    while (file && fread(pair, sizeof(pair), 1, file) == 1 && pair[0])
        if (pair[0] == AT_ENTRY)
            entry = pair[1];
    if (file)
        fclose(file);
    return entry;
}

static struct error *find_process(struct crash *crash) {
    const struct module_opener opener = {.open = open_mapping, .context = crash};
    const struct module_search search = {0};
    module_cache_init(&crash->cache, &search);
    TRY(crash_memory_init(&crash->memory, crash->event->task));
    crash->reader = crash_memory_reader(&crash->memory);
    TRY(maps_read(crash->event->task->tid, &crash->maps));
    crash->entry = find_entry(crash->event->task->tid);
    TRY(process_modules_update(&crash->modules, &crash->cache, crash->event->task->tid, &crash->maps,
                               &opener));
    return crash_find_facts(crash);
}

/* ---- threads ---- */

static void name_thread(const struct crash *crash, struct crash_thread *thread) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", crash->event->pid, thread->tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, thread->name, sizeof(thread->name) - 1) : 0;
    if (fd >= 0)
        close(fd);
    thread->name[size > 0 ? size : 0] = 0;
    thread->name[strcspn(thread->name, "\n")] = 0;
}

static void read_thread(const struct crash *crash, const struct stop *stop, struct crash_thread *thread) {
    struct error *err = trace_get_registers(stop->task->tid, &thread->regs);
    thread->tid = stop->task->tid;
    thread->task = stop->task;
    thread->signo = stop->kind == STOP_SIGNAL ? stop->signo : 0;
    thread->has_registers = !err;
    error_free(err);
    name_thread(crash, thread);
}

static void read_xstate(struct crash_thread *thread) {
    size_t size = 0;
    thread->xstate = calloc(1, XSTATE_MAX);
    struct error *err = thread->xstate ? trace_get_xstate(thread->tid, thread->xstate, &size) : NULL;
    if (err || !thread->xstate) {
        free(thread->xstate);
        thread->xstate = NULL;
    }
    thread->xstate_size = size;
    error_free(err);
}

static int compare_threads(const void *a, const void *b) {
    return ((const struct crash_thread *)a)->tid - ((const struct crash_thread *)b)->tid;
}

static struct error *find_threads(struct crash *crash) {
    const struct halt *halt = crash->halt;
    crash->threads = calloc(halt->count + 1, sizeof(*crash->threads));
    if (!crash->threads)
        return &error_no_memory;
    crash->thread_count = 1;
    for (size_t i = 0; i < halt->count; i++) {
        if (halt->stops[i].task == crash->event->task)
            read_thread(crash, &halt->stops[i], &crash->threads[0]);
        else if (crash->thread_count < CRASH_THREADS)
            read_thread(crash, &halt->stops[i], &crash->threads[crash->thread_count++]);
        else
            crash->threads_left_out++;
    }
    qsort(crash->threads + 1, crash->thread_count - 1, sizeof(*crash->threads), compare_threads);
    read_xstate(&crash->threads[0]);
    return NULL;
}

static struct error *find_other_stacks(struct crash *crash) {
    for (size_t i = 1; i < crash->thread_count && i < CRASH_THREADS_STACKS; i++) {
        struct crash_thread *thread = &crash->threads[i];
        if (!crash_has_time(crash))
            return NULL;
        TRY(crash_stack(crash, thread, CRASH_FRAMES_OTHERS, 8));
        TRY(crash_symbolize(crash, thread));
        if (i < CRASH_THREADS_LOCALS)
            TRY(crash_locals(crash, thread, CRASH_FRAMES_LOCALS / 4));
    }
    return NULL;
}

/* ---- which crash this is ---- */

static uint64_t mix(uint64_t hash, uint64_t value) {
    const uint64_t both[2] = {hash, value};
    return XXH3_64bits(both, sizeof(both));
}

/* The build of a file: its build-id, or else its name. */
static uint64_t hash_module(const struct loaded_module *module) {
    char id[129];
    crash_build_id(module, id);
    const char *text = *id ? id : module->module->name;
    return XXH3_64bits(text, strlen(text));
}

/* The same for two frames at the same place of the same build, wherever it was loaded. */
static uint64_t hash_frame(const struct crash_frame *frame, bool whole_function) {
    if (!frame->module)
        return 1;
    uint64_t offset = frame->pc - frame->module->bias;
    return mix(hash_module(frame->module),
               whole_function && frame->function ? frame->function->entry : offset);
}

/* The signal and the places of the innermost frames. How deep an endless recursion comes, and where in its
 * round the stack ends, is chance: there it is the set of functions. */
static uint64_t hash_crash(const struct crash *crash) {
    const struct crash_thread *thread = &crash->threads[0];
    uint64_t hash = mix((uint64_t)crash->reason.signo, (uint64_t)crash->event->exit_status),
             seen[HASH_FRAMES];
    size_t count = 0;
    for (size_t i = 0; i < thread->frame_count && count < HASH_FRAMES; i++) {
        if (thread->frames[i].inlined >= 0)
            continue;
        uint64_t frame = hash_frame(&thread->frames[i], crash->reason.stack_overflow);
        bool known = false;
        for (size_t k = 0; crash->reason.stack_overflow && k < count; k++)
            known |= seen[k] == frame;
        if (crash->reason.stack_overflow && i >= HASH_FRAMES)
            break;
        if (!known)
            seen[count++] = frame;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += mix(0, seen[i]);
        if (!crash->reason.stack_overflow)
            hash = mix(hash, seen[i]);
    }
    return crash->reason.stack_overflow ? mix(hash, sum) : hash;
}

/* ---- the core ---- */

/* Where a killed process is no more than a zombie. It stands in a ptrace stop otherwise. */
static bool is_killed(const struct crash *crash) {
    char state = process_state(crash->event->task->tid);
    return state != 't' && state != 'T';
}

static bool set_core_state(struct crash *crash, const char *text) {
    free(crash->core_state);
    crash->core_state = strdup(text);
    return crash->core_state;
}

static struct error *write_core(struct crash *crash, struct crash_folder *folder) {
    char text[128];
    if (crash->options->no_core)
        return set_core_state(crash, "not wanted") ? NULL : &error_no_memory;
    int fd = openat(folder->report, "core", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct error *err = fd < 0 ? error_system(errno, "core")
                               : crash_core(crash, fd, &crash->core_size, &crash->core_left_out);
    if (fd >= 0 && close(fd) < 0 && !err)
        err = error_system(errno, "core");
    if (!err && is_killed(crash))
        err = error_new(ERROR_TASK_GONE, "core: the process was killed meanwhile");
    if (err) {
        unlinkat(folder->report, "core", 0);
        crash->core_size = crash->core_left_out = 0;
        crash->killed |= error_is(err, ERROR_TASK_GONE);
        snprintf(text, sizeof(text), "none: %.100s", err->message);
        error_free(err);
        return set_core_state(crash, text) ? NULL : &error_no_memory;
    }
    if (crash->core_left_out)
        snprintf(text, sizeof(text),
                 "written, without %" PRIu64 " MB of memory for which it may not be large enough",
                 crash->core_left_out >> 20);
    else
        snprintf(text, sizeof(text), "written");
    return set_core_state(crash, text) ? NULL : &error_no_memory;
}

/* ---- all of it ---- */

static struct error *analyse_first(struct crash *crash) {
    TRY(find_process(crash));
    TRY(find_threads(crash));
    TRY(crash_stack(crash, &crash->threads[0], CRASH_FRAMES_FIRST, CRASH_FRAMES_LAST));
    TRY(crash_symbolize(crash, &crash->threads[0]));
    TRY(crash_find_reason(crash));
    crash->hash = hash_crash(crash);
    return set_core_state(crash, "not written yet") ? NULL : &error_no_memory;
}

static struct error *analyse_rest(struct crash *crash) {
    if (crash->threads[0].has_registers)
        crash->code = crash_disassemble(crash, &crash->threads[0].regs);
    TRY(crash_locals(crash, &crash->threads[0], CRASH_FRAMES_LOCALS));
    TRY(find_other_stacks(crash));
    crash->analysed = true;
    crash->killed = is_killed(crash);
    return NULL;
}

static char *report_path(const struct crash *crash, const struct crash_folder *folder) {
    char path[4200];
    const char *prefix = crash->options->folder ? crash->options->folder : ".";
    snprintf(path, sizeof(path), "%.3900s%s%s", strcmp(prefix, ".") ? prefix : "",
             strcmp(prefix, ".") ? "/" : "", folder->name);
    return strdup(path);
}

static struct error *write_report(struct crash *crash, struct crash_folder *folder,
                                  struct crash_outcome *ret) {
    struct crash_counts counts = {0};
    TRY(crash_folder_report(folder, crash, &counts));
    ret->count = counts.count;
    ret->folder = report_path(crash, folder);
    if (folder->report < 0)
        return NULL;
    struct error *err = analyse_rest(crash);
    if (!err)
        err = crash_folder_write(folder, crash);
    if (!err)
        err = write_core(crash, folder);
    if (!err)
        err = crash_folder_write(folder, crash);
    if (!err && crash->options->quota)
        crash_folder_quota(folder, crash->options->quota);
    if (!err && strncmp(crash->core_state, "none", 4) == 0)
        ret->problem = strdup(crash->core_state);
    return err;
}

static void crash_deinit(struct crash *crash) {
    for (size_t i = 0; i < crash->thread_count; i++)
        crash_thread_deinit(&crash->threads[i]);
    free(crash->threads);
    free(crash->code);
    free(crash->core_state);
    free(crash->reason.message);
    free(crash->reason.exception);
    free(crash->reason.what);
    crash_facts_deinit(&crash->facts);
    process_modules_deinit(&crash->modules);
    module_cache_deinit(&crash->cache);
    maps_deinit(&crash->maps);
    crash_memory_deinit(&crash->memory);
}

static uint64_t real_time(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * CLOCK_SECOND + (uint64_t)time.tv_nsec;
}

struct error *crash_capture(const struct crash_options *options, const struct crash_event *event,
                            const struct halt *halt, struct crash_outcome *ret) {
    struct crash crash = {.options = options,
                          .event = event,
                          .halt = halt,
                          .time_ns = real_time(),
                          .deadline = clock_now() + CRASH_SECONDS * CLOCK_SECOND,
                          .text_left = CRASH_TEXT};
    struct crash_folder folder = {.fd = -1, .report = -1};
    struct crash_outcome outcome = {0};
    struct error *err = analyse_first(&crash);
    if (!err)
        err = crash_folder_open(options, &folder);
    if (!err)
        err = write_report(&crash, &folder, &outcome);
    outcome.summary = *crash.reason.summary ? strdup(crash.reason.summary) : NULL;
    crash_folder_close(&folder);
    crash_deinit(&crash);
    if (err)
        crash_outcome_deinit(&outcome);
    else
        *ret = outcome;
    return err;
}
