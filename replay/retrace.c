#include "replay/retrace.h"

#include "base/say.h"
#include "replay/pack.h"
#include "replay/processes.h"
#include "replay/puppet.h"
#include "replay/replayer.h"
#include "replay/tape.h"
#include "tracer/calltrace.h"
#include "tracer/trap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct retrace {
    const struct trace_options *options;
    struct calltrace *calltrace;
    struct puppet *puppet;
    struct tape *tape;
    struct memory_ranges reserved;
    bool only_traps; /* see needs_traps() */
    bool begun;
    bool one_of_many; /* its file is named by its process ID */
    pid_t shown;
};

/* ---- memory that the program will want ----
 *
 * The pages that probes need must not be where the recorded program maps something later. */

static struct error *reserve_call(struct retrace *retrace, const struct event *event) {
    const uint64_t *args = event->syscall.args;
    uint64_t address = (uint64_t)event->syscall.result, size = 0;
    if (syscall_failed(event->syscall.result))
        return NULL;
    switch (event->syscall.number) {
    case SYS_mmap:
        size = args[1];
        break;
    case SYS_mremap:
        size = args[2];
        break;
    case SYS_brk: /* the heap begins at some page below; its gap is kept free anyway */
        address = address > (256u << 20) ? address - (256u << 20) : 0;
        size = (uint64_t)event->syscall.result - address;
        break;
    case SYS_shmat:
        size = event->effect_count ? event->effects[event->effect_count - 1].size : 0;
        break;
    default:
        return NULL;
    }
    if (!size || address + size < address)
        return NULL;
    return memory_ranges_add(&retrace->reserved, address, (size + 4095) & ~4095ull);
}

static int compare_ranges(const void *a, const void *b) {
    uint64_t x = ((const struct memory_range *)a)->address, y = ((const struct memory_range *)b)->address;
    return x < y ? -1 : x > y;
}

/* Sorted, and disjoint. */
static void tidy(struct memory_ranges *ranges) {
    size_t kept = 0;
    if (!ranges->count)
        return;
    qsort(ranges->ranges, ranges->count, sizeof(*ranges->ranges), compare_ranges);
    for (size_t i = 1; i < ranges->count; i++) {
        struct memory_range *last = &ranges->ranges[kept], *next = &ranges->ranges[i];
        uint64_t end = last->address + last->size, next_end = next->address + next->size;
        if (next->address > end)
            ranges->ranges[++kept] = *next;
        else if (next_end > end)
            last->size = next_end - last->address;
    }
    ranges->count = kept + 1;
}

/* Points of a computation are found by the program's own code, which jump probes would replace; and forks in
 * the midst of a domain have one ring for two processes. */
static bool needs_traps(const struct event *event) {
    switch (event->kind) {
    case EVENT_SIGNAL:
        return event->signal.place == SIGNAL_AT_POINT;
    case EVENT_SWITCH:
    case EVENT_PROCESS:
    case EVENT_JOIN:
        return true;
    default:
        return false;
    }
}

static struct error *read_reserved(struct retrace *retrace) {
    for (bool segment = true; segment;) {
        struct event event;
        bool more;
        TRY(tape_next(retrace->tape, &event, &more));
        retrace->only_traps |= more && needs_traps(&event);
        if (more && event.kind == EVENT_SYSCALL)
            TRY(reserve_call(retrace, &event));
        if (!more)
            TRY(tape_next_segment(retrace->tape, &segment));
    }
    tidy(&retrace->reserved);
    return tape_rewind(retrace->tape);
}

/* ---- the host's part ---- */

static const char *path_of(const struct tape *tape, uint32_t id) {
    for (size_t i = 0; i < tape->file_count; i++)
        if (tape->files[i].id == id)
            return tape->files[i].path;
    return NULL;
}

static int open_mapping(void *context, pid_t pid, const struct mapping *mapping, char **ret_name) {
    struct retrace *retrace = context;
    uint32_t id = puppet_file_of(retrace->puppet, mapping);
    const char *path = id ? path_of(retrace->tape, id) : NULL;
    char name[16];
    (void)pid;
    if (!path)
        return -1;
    *ret_name = strdup(path);
    snprintf(name, sizeof(name), "%u", id);
    return openat(retrace->puppet->filesfd, name, O_RDONLY | O_CLOEXEC);
}

static uint64_t now(void *context) {
    struct timespec time;
    (void)context;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t entry_of(void *context) {
    const struct retrace *retrace = context;
    return retrace->puppet->entry;
}

static const char *const *arguments_of(const struct tape *tape) {
    return (const char *const *)(tape->domain > 1 ? tape->process.argv : tape->info.argv);
}

static struct error *make_calltrace(struct retrace *retrace) {
    const struct calltrace_host host = {
        .opener = {.open = open_mapping, .context = retrace},
        .now = now,
        .context = retrace,
        .arguments = arguments_of(retrace->tape),
        .source = "recording",
        .entry = entry_of,
        .one_of_many = retrace->one_of_many,
        .reserved = retrace->reserved.ranges,
        .reserved_count = retrace->reserved.count,
        .instruction = PUPPET_STUB,
        .only_traps = retrace->only_traps,
    };
    return calltrace_create(retrace->options, &host, &retrace->calltrace);
}

/* ---- hooks ---- */

static struct error *opened(void *context, struct tape *tape) {
    struct retrace *retrace = context;
    retrace->tape = tape;
    TRY(read_reserved(retrace));
    return make_calltrace(retrace);
}

static enum process_origin origin_of(const struct tape *tape) {
    switch (tape->process.start) {
    case START_FORK:
        return ORIGIN_FORK;
    case START_EXEC:
        return ORIGIN_EXEC;
    default:
        return ORIGIN_LAUNCH;
    }
}

static struct error *begin(void *context, struct puppet *puppet, int32_t tid) {
    struct retrace *retrace = context;
    enum process_origin origin = retrace->begun ? ORIGIN_EXEC : origin_of(retrace->tape);
    retrace->puppet = puppet;
    retrace->begun = true;
    retrace->shown = tid;
    return calltrace_process(retrace->calltrace, puppet->task, tid, origin);
}

static struct error *process(void *context, struct puppet *puppet, struct task *parent, int32_t pid) {
    struct retrace *retrace = context;
    return parent ? calltrace_fork(retrace->calltrace, puppet->task, parent->tid, pid, false)
                  : calltrace_process(retrace->calltrace, puppet->task, pid, ORIGIN_ATTACH);
}

static struct error *turn(void *context, struct puppet *puppet) {
    struct retrace *retrace = context;
    retrace->puppet = puppet;
    return NULL;
}

static struct error *thread(void *context, struct task *task, int32_t tid) {
    struct retrace *retrace = context;
    return calltrace_thread(retrace->calltrace, task, retrace->puppet->task->tid, tid, true);
}

static struct error *thread_exit(void *context) {
    struct retrace *retrace = context;
    return calltrace_gone(retrace->calltrace, retrace->puppet->task->tid, false, 0, 0);
}

static struct error *signal_stop(void *context, struct stop *stop, bool *ret_done) {
    struct retrace *retrace = context;
    TRY(calltrace_trap(retrace->calltrace, stop, ret_done));
    if (*ret_done)
        return NULL;
    TRY(calltrace_settle(retrace->calltrace, stop)); /* a fault in an instruction that was moved */
    *ret_done = !stop->signo;
    return NULL;
}

static bool is_probed(void *context, uint64_t address, size_t size) {
    struct retrace *retrace = context;
    const struct trap_set *traps = calltrace_traps(retrace->calltrace, retrace->puppet->task->tid);
    for (size_t i = 0; traps && i < size; i++)
        if (trap_find(traps, address + i))
            return true;
    return false;
}

static struct error *on_call(struct retrace *retrace, const struct event *event,
                             const struct memory_reader *memory) {
    struct syscall_call call = {.number = event->syscall.number, .result = event->syscall.result};
    memcpy(call.args, event->syscall.args, sizeof(call.args));
    return calltrace_call(retrace->calltrace, retrace->puppet->task->tid, &call, memory);
}

static struct error *observe(void *context, const struct event *event, const struct memory_reader *memory) {
    struct retrace *retrace = context;
    pid_t tid = retrace->puppet->task->tid;
    siginfo_t info = {0};
    TRY(calltrace_passed(retrace->calltrace, tid));
    switch (event->kind) {
    case EVENT_SYSCALL:
        return on_call(retrace, event, memory);
    case EVENT_SIGNAL:
        memcpy(&info, event->signal.info, sizeof(info) < SIGINFO_SIZE ? sizeof(info) : SIGINFO_SIZE);
        return calltrace_signal(retrace->calltrace, tid, &info, event->signal.outcome == SIGNAL_HANDLED,
                                event->signal.outcome == SIGNAL_FATAL);
    case EVENT_LEFT: /* it goes on elsewhere */
        return calltrace_gone(retrace->calltrace, tid, true, 0, 0);
    case EVENT_EXIT:
        return calltrace_gone(retrace->calltrace, tid, true, event->exit.status,
                              event->exit.how == EXIT_STATUS ? 0 : event->exit.status);
    default:
        return NULL;
    }
}

static void report(const struct retrace *retrace) {
    struct calltrace_totals totals = calltrace_totals(retrace->calltrace);
    if (totals.path)
        say("%llu functions traced; %llu events in %s", (unsigned long long)totals.functions,
            (unsigned long long)totals.events, totals.path);
    if (totals.dropped)
        say("%llu events were dropped: the trace has reached its limit", (unsigned long long)totals.dropped);
}

static struct error *run_with(const char *path, uint32_t domain, bool one_of_many,
                              const struct trace_options *options, int *ret_status) {
    struct retrace retrace = {.options = options, .one_of_many = one_of_many};
    const struct replay_hooks hooks = {.opened = opened,
                                       .begin = begin,
                                       .process = process,
                                       .turn = turn,
                                       .thread = thread,
                                       .thread_exit = thread_exit,
                                       .signal_stop = signal_stop,
                                       .is_probed = is_probed,
                                       .context = &retrace};
    const struct replayer_options replay = {.path = path,
                                            .domain = domain,
                                            .quiet = true,
                                            .brief = one_of_many,
                                            .observe = observe,
                                            .context = &retrace,
                                            .hooks = &hooks};
    struct error *err = replayer_run(&replay, ret_status);
    struct error *finish_err = retrace.calltrace ? calltrace_finish(retrace.calltrace) : NULL;
    if (!err && !finish_err)
        report(&retrace);
    calltrace_destroy(retrace.calltrace);
    memory_ranges_deinit(&retrace.reserved);
    if (err)
        error_free(finish_err);
    return err ? err : finish_err;
}

/* Debug information that has come with it counts, unless another folder is named. */
static struct error *run(const char *path, uint32_t domain, bool one_of_many,
                         const struct trace_options *options, int *ret_status) {
    struct trace_options own = *options;
    char *folder = own.debug_dir ? NULL : pack_debug_folder(path);
    if (folder)
        own.debug_dir = folder;
    struct error *err = run_with(path, domain, one_of_many, &own, ret_status);
    free(folder);
    return err;
}

struct error *retrace_run(const char *path, uint32_t domain, const struct trace_options *options,
                          int *ret_status) {
    return run(path, domain, false, options, ret_status);
}

struct error *retrace_run_all(const char *path, const struct trace_options *options, int *ret_status) {
    struct recording_processes processes;
    bool complete;
    TRY(processes_read(path, &processes, &complete));
    struct error *err = NULL;
    *ret_status = 0;
    for (size_t i = 0; !err && i < processes.count; i++) {
        const struct recording_process *process = &processes.list[i];
        int status;
        if (!process->segments)
            continue;
        err = run(path, process->domain, process->domain > 1, options,
                  process->domain > 1 ? &status : ret_status);
        if (error_is(err, ERROR_NOT_FOUND)) { /* a program without symbols among others */
            say("process %d: %s", process->pid, err->message);
            error_free(err);
            err = NULL;
        }
    }
    recording_processes_deinit(&processes);
    return err;
}
