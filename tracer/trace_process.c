/* trace_process: processes and threads come, become others, and go. */
#include "tracer/calltrace_state.h"

#include "tracer/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* AT_ENTRY of the auxiliary vector, which tells the executable from its interpreter. At the first instruction
 * it lies on the stack, behind argc, argv and envp (System V ABI, "Process Initialization"); later the
 * kernel's copy is asked. */
static uint64_t entry_on_stack(struct task *task) {
    enum { AUXV_ENTRY = 9, WORDS_MOST = 1 << 20 };
    struct user_regs_struct regs;
    uint64_t word, pair[2], at;
    struct error *err = trace_get_registers(task->tid, &regs);
    if (err || !task_read(task, regs.rsp, &word, sizeof(word))) {
        error_free(err);
        return 0;
    }
    at = regs.rsp + 8 * (word + 2); /* behind argv and its NULL */
    for (int i = 0; i < WORDS_MOST && task_read(task, at, &word, sizeof(word)) == sizeof(word) && word; i++)
        at += 8;
    at += 8;
    for (int i = 0; i < WORDS_MOST && task_read(task, at, pair, sizeof(pair)) == sizeof(pair) && pair[0];
         i++) {
        if (pair[0] == AUXV_ENTRY)
            return pair[1];
        at += sizeof(pair);
    }
    return 0;
}

static uint64_t entry_of_process(pid_t pid) {
    enum { AUXV_ENTRY = 9 };
    char path[64];
    uint64_t pair[2], entry = 0;
    snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
    FILE *file = fopen(path, "re");
    while (file && fread(pair, sizeof(pair), 1, file) == 1 && pair[0])
        if (pair[0] == AUXV_ENTRY)
            entry = pair[1];
    if (file)
        fclose(file);
    return entry;
}

/* The path of the executable: that of the module that holds its entry. */
static struct error *find_program(struct traced_process *process, struct task *task, bool begins) {
    struct calltrace *calltrace = process->calltrace;
    struct maps maps;
    process->entry = begins                  ? entry_on_stack(task)
                     : calltrace->host.entry ? calltrace->host.entry(calltrace->host.context)
                                             : entry_of_process(process->pid);
    TRY(maps_read(task->tid, &maps));
    const struct mapping *mapping = maps_find(&maps, process->entry);
    char *name = NULL;
    int fd = mapping && mapping->inode
                 ? calltrace->host.opener.open(calltrace->host.opener.context, task->tid, mapping, &name)
                 : -1;
    if (fd >= 0)
        close(fd);
    process->program = name;
    maps_deinit(&maps);
    return NULL;
}

static struct error *process_event(struct traced_thread *thread, const char *how) {
    struct calltrace *calltrace = thread->process->calltrace;
    struct trace_event *event =
        calltrace_event(calltrace, thread, TRACE_PROCESS_START, calltrace_now(calltrace), 0);
    trace_data_string(&event->data, "how", how);
    trace_data_string(&event->data, "program", thread->process->program);
    return calltrace_write(calltrace, thread->process);
}

static struct error *make_traps(struct traced_process *process) {
    const struct calltrace_host *host = &process->calltrace->host;
    TRY(trap_set_create(&process->traps));
    if (host->instruction)
        trap_set_reserve(process->traps, host->reserved, host->reserved_count, host->instruction);
    return NULL;
}

/* What belonged to the memory that an exec has replaced. */
static void forget_program(struct traced_process *process) {
    struct calltrace *calltrace = process->calltrace;
    for (size_t i = 0; i < calltrace->thread_count; i++)
        if (calltrace->threads[i]->process == process)
            ring_close(&calltrace->threads[i]->ring);
    trace_jumps_forget(process);
    if (!process->traps_borrowed)
        trap_set_destroy(process->traps);
    process->traps = NULL;
    process->traps_borrowed = false;
    process->planted_count = 0;
    process_modules_deinit(&process->modules);
    free(process->program);
    process->program = NULL;
}

/* All but this thread are gone, and the memory is a new one. */
static struct error *become(struct traced_thread *thread, struct task *task) {
    struct traced_process *process = thread->process;
    traced_threads_drop(process, thread);
    thread_frames_deinit(&thread->frames);
    thread->task = task;
    process->pid = task->tid; /* a puppet's changes */
    traced_thread_renumber(thread, task->tid);
    forget_program(process);
    return make_traps(process);
}

static struct error *begin_process(struct calltrace *calltrace, struct task *task, pid_t pid,
                                   struct traced_thread **ret) {
    struct traced_process *process;
    TRY(traced_process_add(calltrace, task->tid, pid, &process));
    TRY(make_traps(process));
    return traced_thread_add(process, task, pid, ret);
}

/* A program at its beginning: there is one thread. */
static struct error *arm_single(struct traced_process *process, struct task *task) {
    struct stop stop = {.kind = STOP_BORN, .task = task};
    struct halt halt = {.stops = &stop, .count = 1};
    return process->jumps ? trace_jumps_arm(process, &halt) : NULL;
}

/* An attached one. */
struct error *calltrace_arm(struct calltrace *calltrace, struct halt *halt) {
    for (size_t i = 0; i < calltrace->process_count; i++)
        if (calltrace->processes[i]->jumps && !calltrace->processes[i]->jumps->is_active)
            TRY(trace_jumps_arm(calltrace->processes[i], halt));
    return NULL;
}

struct error *calltrace_prepare(struct calltrace *calltrace, pid_t pid) {
    struct traced_process process = {
        .calltrace = calltrace, .pid = pid, .shown_pid = pid, .entry = entry_of_process(pid)};
    calltrace->is_preparing = true;
    struct error *err = plant_prepare(&process);
    calltrace->is_preparing = false;
    process_modules_deinit(&process.modules);
    return err;
}

struct error *calltrace_process(struct calltrace *calltrace, struct task *task, pid_t pid,
                                enum process_origin origin) {
    static const char *const names[] = {"launch", "attach", "fork", "exec"};
    struct traced_thread *thread = calltrace_find_thread(calltrace, task->tid);
    for (size_t i = 0; !thread && origin == ORIGIN_EXEC && i < calltrace->thread_count; i++)
        if (calltrace->threads[i]->shown_tid == pid)
            thread = calltrace->threads[i];
    if (thread)
        TRY(become(thread, task));
    else
        TRY(begin_process(calltrace, task, pid, &thread));
    struct traced_process *process = thread->process;
    TRY(find_program(process, task, origin == ORIGIN_LAUNCH || origin == ORIGIN_EXEC));
    process->is_attached |= origin == ORIGIN_ATTACH;
    if (!process->writer)
        TRY(trace_output_open(process));
    TRY(process_event(thread, names[origin]));
    TRY(calltrace_tell_held(calltrace, process));
    struct error *err = process_is_32_bit(task->tid)
                            ? error_new(ERROR_UNSUPPORTED, "process %d: a 32-bit program", task->tid)
                            : trace_jumps_begin(process, task);
    if (!err)
        err = trace_ring_begin(thread, task);
    if (!err)
        err = plant_process(process, task);
    if (!err && origin != ORIGIN_ATTACH)
        err = arm_single(process, task);
    calltrace->any_selected |= !err;
    if (!err && origin == ORIGIN_ATTACH)
        return trace_adopt(thread);
    if (!err || origin != ORIGIN_EXEC || error_is(err, ERROR_TASK_GONE) || error_is(err, ERROR_NO_MEMORY))
        return err;
    struct error *note = calltrace_note(calltrace, process, "not traced after exec: %s", err->message);
    error_free(err);
    return note;
}

/* All its threads have come to an end. */
static struct error *drain_process(struct traced_process *process) {
    struct calltrace *calltrace = process->calltrace;
    for (size_t i = 0; i < calltrace->thread_count; i++)
        if (calltrace->threads[i]->process == process)
            TRY(trace_rings_drain(calltrace, calltrace->threads[i]));
    return NULL;
}

struct error *calltrace_exec_begins(struct calltrace *calltrace, pid_t tid) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, tid);
    if (!thread)
        return NULL;
    struct error *err = drain_process(thread->process);
    forget_program(thread->process);
    return err;
}

static struct error *copy_entry(struct frame *frame) {
    const struct entry_registers *from = frame->entry;
    frame->entry = from ? malloc(sizeof(*frame->entry)) : NULL;
    if (!from)
        return NULL;
    if (!frame->entry)
        return &error_no_memory;
    *frame->entry = *from;
    return NULL;
}

/* A fork child goes on in the frames of its parent. */
static struct error *copy_frames(const struct traced_thread *from, struct traced_thread *to) {
    for (size_t i = 0; i < from->frames.count; i++) {
        const struct frame_stack *stack = &from->frames.stacks[i];
        struct frame_stack *copy;
        TRY(thread_frames_stack(&to->frames, to->tid, stack->low, &copy));
        copy->low = stack->low;
        copy->high = stack->high;
        for (size_t k = 0; k < stack->count; k++) {
            struct frame *frame;
            TRY(frame_stack_push(copy, stack->frames[k].address, &frame));
            *frame = stack->frames[k];
            frame->shadows = NULL; /* the next look sets the base */
            TRY(copy_entry(frame));
        }
    }
    to->frames.current = from->frames.current;
    return NULL;
}

static struct error *copy_modules(const struct traced_process *from, struct traced_process *to) {
    to->modules.modules = malloc((from->modules.count + 1) * sizeof(*to->modules.modules));
    to->planted = malloc((from->planted_count + 1) * sizeof(*to->planted));
    if (!to->modules.modules || !to->planted)
        return &error_no_memory;
    if (from->modules.count)
        memcpy(to->modules.modules, from->modules.modules,
               from->modules.count * sizeof(*to->modules.modules));
    if (from->planted_count)
        memcpy(to->planted, from->planted, from->planted_count * sizeof(*to->planted));
    to->modules.count = from->modules.count;
    to->planted_count = from->planted_count;
    return NULL;
}

struct error *calltrace_fork(struct calltrace *calltrace, struct task *task, pid_t parent, pid_t shown_pid,
                             bool shares_memory) {
    struct traced_thread *of = calltrace_find_thread(calltrace, parent), *thread;
    struct traced_process *process;
    if (of)
        TRY(trace_rings_drain(calltrace, of));
    if (!of)
        return error_new(ERROR_NOT_FOUND, "process %d: its parent is not traced", task->tid);
    TRY(traced_process_add(calltrace, task->tid, shown_pid, &process));
    TRY(copy_modules(of->process, process));
    process->program = of->process->program ? strdup(of->process->program) : NULL;
    process->entry = of->process->entry;
    process->traps_borrowed = shares_memory;
    process->is_attached = of->process->is_attached;
    if (shares_memory) {
        process->traps = of->process->traps;
        process->jumps = of->process->jumps;
    } else {
        TRY(trap_set_clone(of->process->traps, &process->traps));
        TRY(trace_jumps_clone(of->process, process));
    }
    TRY(traced_thread_add(process, task, shown_pid, &thread));
    if (task->stopped)
        TRY(trace_ring_begin(thread, task));
    TRY(copy_frames(of, thread));
    TRY(trace_output_open(process));
    return process_event(thread, shares_memory ? "vfork" : "fork");
}

struct error *calltrace_thread(struct calltrace *calltrace, struct task *task, pid_t of, pid_t shown_tid,
                               bool is_new) {
    struct traced_thread *known = calltrace_find_thread(calltrace, of), *thread;
    TRY(trace_rings_drain(calltrace, known));
    if (!known)
        return error_new(ERROR_NOT_FOUND, "thread %d: its process is not traced", task->tid);
    TRY(traced_thread_add(known->process, task, shown_tid, &thread));
    TRY(trace_ring_begin(thread, is_new ? task : known->task));
    if (!is_new)
        return trace_adopt(thread);
    calltrace_event(calltrace, thread, TRACE_THREAD_START, calltrace_now(calltrace), 0);
    return calltrace_write(calltrace, thread->process);
}

static struct error *end_event(struct traced_thread *thread, enum trace_type type, int status, int signo) {
    struct calltrace *calltrace = thread->process->calltrace;
    struct trace_event *event = calltrace_event(calltrace, thread, type, calltrace_now(calltrace), 0);
    if (type == TRACE_PROCESS_EXIT) {
        if (signo)
            trace_data_string(&event->data, "signal", signal_name(signo));
        else
            trace_data_signed(&event->data, "status", status);
    }
    return calltrace_write(calltrace, thread->process);
}

struct error *calltrace_gone(struct calltrace *calltrace, pid_t tid, bool process_too, int status,
                             int signo) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, tid);
    if (!thread)
        return NULL;
    struct traced_process *process = thread->process;
    struct error *err = trace_rings_drain(calltrace, thread);
    bool last = process_too || process->threads == 1;
    keep_first(&err, end_event(thread, last ? TRACE_PROCESS_EXIT : TRACE_THREAD_EXIT, status, signo));
    traced_thread_drop(thread);
    if (last)
        keep_first(&err, traced_process_drop(process));
    return err;
}
