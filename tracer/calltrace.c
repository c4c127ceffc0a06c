#include "tracer/calltrace.h"

#include "base/say.h"
#include "tracer/calltrace_state.h"
#include "tracer/process.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- beginning and end ---- */

struct error *calltrace_create(const struct trace_options *options, const struct calltrace_host *host,
                               struct calltrace **ret) {
    struct calltrace *calltrace = calloc(1, sizeof(*calltrace));
    if (!calltrace)
        return &error_no_memory;
    calltrace->options = options;
    calltrace->host = *host;
    calltrace->values = value_default_options;
    calltrace->values.max_string = options->max_string_length;
    calltrace->values.max_depth = (unsigned)options->max_value_depth;
    calltrace->values.max_elements = (unsigned)options->max_elements;
    const struct module_search search = {.debug_dir = options->debug_dir, .debuginfod = options->debuginfod};
    module_cache_init(&calltrace->cache, &search);
    struct error *err = selection_create(options, &calltrace->selection);
    if (err) {
        calltrace_destroy(calltrace);
        return err;
    }
    *ret = calltrace;
    return NULL;
}

static void thread_destroy(struct traced_thread *thread) {
    thread_frames_deinit(&thread->frames);
    free(thread);
}

static struct error *close_writer(struct traced_process *process) {
    struct calltrace *calltrace = process->calltrace;
    if (!process->writer)
        return NULL;
    const struct trace_totals totals = trace_writer_totals(process->writer);
    calltrace->totals.events += totals.events;
    calltrace->totals.dropped += totals.dropped;
    struct error *err = trace_writer_close(process->writer);
    process->writer = NULL;
    return err;
}

static struct error *process_destroy(struct traced_process *process) {
    struct error *err = close_writer(process);
    if (!process->traps_borrowed)
        trap_set_destroy(process->traps);
    process_modules_deinit(&process->modules);
    free(process->planted);
    free(process->program);
    free(process);
    return err;
}

static void keep_first(struct error **kept, struct error *err) {
    if (*kept)
        error_free(err);
    else
        *kept = err;
}

/* What the user asked for and nothing had. */
static void warn_unmatched(const struct calltrace *calltrace) {
    const struct selection *selection = calltrace->selection;
    const struct trace_options *options = calltrace->options;
    if ((options->trace_functions || options->trace_variables || options->trace_control_flow) &&
        !calltrace->totals.functions && !selection->probe_count)
        say("no function was traced: none is selected by --function, --module and the like (or the program "
            "has none that can be found)");
    for (size_t i = 0; i < selection->probe_count; i++)
        if (!selection->probes[i].found)
            say("--at '%s': no traced module has code at %s:%u", selection->probes[i].text,
                selection->probes[i].file, selection->probes[i].line);
    for (size_t i = 0; i < selection->condition_count; i++)
        if (!selection->conditions[i].matched)
            say("--when '%s': no traced function has this name", selection->options->conditions.items[i]);
}

struct error *calltrace_finish(struct calltrace *calltrace) {
    struct error *kept = NULL;
    for (size_t i = 0; i < calltrace->thread_count; i++)
        thread_destroy(calltrace->threads[i]);
    calltrace->thread_count = 0;
    for (size_t i = 0; i < calltrace->process_count; i++)
        keep_first(&kept, process_destroy(calltrace->processes[i]));
    calltrace->process_count = 0;
    if (calltrace->any_selected)
        warn_unmatched(calltrace);
    calltrace->any_selected = false;
    return kept;
}

void calltrace_destroy(struct calltrace *calltrace) {
    if (!calltrace)
        return;
    error_free(calltrace_finish(calltrace));
    for (struct module_sites *sites = calltrace->sites, *next; sites; sites = next) {
        next = sites->next;
        module_sites_destroy(sites);
    }
    module_cache_deinit(&calltrace->cache);
    selection_destroy(calltrace->selection);
    trace_event_deinit(&calltrace->event);
    plan_notes_deinit(&calltrace->notes);
    buffer_deinit(&calltrace->text);
    free(calltrace->threads);
    free(calltrace->processes);
    free(calltrace->path);
    free(calltrace);
}

struct calltrace_totals calltrace_totals(const struct calltrace *calltrace) {
    struct calltrace_totals totals = calltrace->totals;
    totals.path = calltrace->path;
    return totals;
}

bool calltrace_full(const struct calltrace *calltrace) {
    return calltrace->full;
}

struct error *calltrace_flush(struct calltrace *calltrace) {
    struct error *kept = NULL;
    for (size_t i = 0; i < calltrace->process_count; i++)
        if (calltrace->processes[i]->writer)
            keep_first(&kept, trace_writer_flush(calltrace->processes[i]->writer));
    return kept;
}

/* ---- tables ---- */

/* Index of the first thread with this tid or a higher one. */
static size_t find_place(const struct calltrace *calltrace, pid_t tid) {
    size_t low = 0, high = calltrace->thread_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (calltrace->threads[middle]->tid < tid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct traced_thread *calltrace_find_thread(const struct calltrace *calltrace, pid_t tid) {
    size_t i = find_place(calltrace, tid);
    return i < calltrace->thread_count && calltrace->threads[i]->tid == tid ? calltrace->threads[i] : NULL;
}

bool calltrace_borrows(const struct calltrace *calltrace) {
    for (size_t i = 0; i < calltrace->process_count; i++)
        if (calltrace->processes[i]->traps_borrowed)
            return true;
    return false;
}

bool calltrace_knows(const struct calltrace *calltrace, pid_t tid) {
    return calltrace_find_thread(calltrace, tid) != NULL;
}

struct trap_set *calltrace_traps(struct calltrace *calltrace, pid_t tid) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, tid);
    return thread && !thread->process->traps_borrowed ? thread->process->traps : NULL;
}

static struct error *grow(void ***items, size_t count, size_t *room) {
    if (count < *room)
        return NULL;
    size_t wanted = *room ? 2 * *room : 16;
    void **grown = realloc(*items, wanted * sizeof(*grown));
    if (!grown)
        return &error_no_memory;
    *items = grown;
    *room = wanted;
    return NULL;
}

static void insert_thread(struct calltrace *calltrace, struct traced_thread *thread) {
    size_t i = find_place(calltrace, thread->tid);
    memmove(calltrace->threads + i + 1, calltrace->threads + i,
            (calltrace->thread_count - i) * sizeof(struct traced_thread *));
    calltrace->threads[i] = thread;
    calltrace->thread_count++;
}

static void remove_thread(struct calltrace *calltrace, const struct traced_thread *thread) {
    size_t i = find_place(calltrace, thread->tid);
    calltrace->thread_count--;
    memmove(calltrace->threads + i, calltrace->threads + i + 1,
            (calltrace->thread_count - i) * sizeof(struct traced_thread *));
}

static struct error *add_thread(struct traced_process *process, struct task *task, pid_t shown_tid,
                                struct traced_thread **ret) {
    struct calltrace *calltrace = process->calltrace;
    void **threads = (void **)calltrace->threads;
    struct error *err = grow(&threads, calltrace->thread_count, &calltrace->thread_room);
    calltrace->threads = (struct traced_thread **)threads;
    TRY(err);
    struct traced_thread *thread = calloc(1, sizeof(*thread));
    if (!thread)
        return &error_no_memory;
    *thread =
        (struct traced_thread){.process = process, .task = task, .tid = task->tid, .shown_tid = shown_tid};
    insert_thread(calltrace, thread);
    process->threads++;
    *ret = thread;
    return NULL;
}

static void drop_thread(struct calltrace *calltrace, struct traced_thread *thread) {
    remove_thread(calltrace, thread);
    thread->process->threads--;
    thread_destroy(thread);
}

static struct error *add_process(struct calltrace *calltrace, pid_t pid, pid_t shown_pid,
                                 struct traced_process **ret) {
    void **processes = (void **)calltrace->processes;
    struct error *err = grow(&processes, calltrace->process_count, &calltrace->process_room);
    calltrace->processes = (struct traced_process **)processes;
    TRY(err);
    struct traced_process *process = calloc(1, sizeof(*process));
    if (!process)
        return &error_no_memory;
    *process = (struct traced_process){.calltrace = calltrace, .pid = pid, .shown_pid = shown_pid};
    calltrace->processes[calltrace->process_count++] = process;
    *ret = process;
    return NULL;
}

static struct error *drop_process(struct calltrace *calltrace, struct traced_process *process) {
    for (size_t i = 0; i < calltrace->process_count; i++)
        if (calltrace->processes[i] == process)
            calltrace->processes[i--] = calltrace->processes[--calltrace->process_count];
    return process_destroy(process);
}

/* ---- files ---- */

/* "trace.json", "trace.PID.json" for the others. */
static struct error *output_path(struct calltrace *calltrace, const struct traced_process *process,
                                 bool first, char **ret) {
    const struct trace_options *options = calltrace->options;
    const char *name = options->output                   ? options->output
                       : options->format == FORMAT_JSONL ? "trace.jsonl"
                                                         : "trace.json";
    const char *slash = strrchr(name, '/'), *dot = strrchr(slash ? slash : name, '.');
    int stem = dot && dot != name ? (int)(dot - name) : (int)strlen(name);
    int done = first || strcmp(name, "-") == 0
                   ? asprintf(ret, "%s", name)
                   : asprintf(ret, "%.*s.%d%s", stem, name, (int)process->shown_pid, name + stem);
    return done < 0 ? &error_no_memory : NULL;
}

static const char *level_name(const struct trace_options *options) {
    if (options->trace_control_flow)
        return "full";
    return options->trace_variables ? "standard" : "minimal";
}

static struct error *open_writer(struct traced_process *process) {
    struct calltrace *calltrace = process->calltrace;
    const struct trace_options *options = calltrace->options;
    bool first = calltrace->totals.files == 0 && !calltrace->host.one_of_many;
    char *path, *extra = NULL;
    TRY(output_path(calltrace, process, first, &path));
    if (asprintf(&extra, "\"source\": \"%s\"", calltrace->host.source) < 0)
        extra = NULL;
    const struct trace_writer_options writer = {
        .path = path,
        .format = options->format == FORMAT_JSONL ? TRACE_JSONL : TRACE_JSON,
        .buffer_size = options->buffer_size,
        .async_write = options->async_write,
        .guard = true,
        .max_size = options->max_trace_size_mb << 20,
        .facts = {.program = process->program,
                  .arguments = first ? calltrace->host.arguments : NULL,
                  .pid = process->shown_pid,
                  .level = level_name(options),
                  .extra_json = extra},
    };
    struct error *err = trace_writer_create(&writer, &process->writer);
    free(extra);
    if (err || calltrace->totals.files) {
        free(path);
    } else {
        free(calltrace->path);
        calltrace->path = path;
    }
    calltrace->totals.files += !err;
    return err;
}

/* ---- events ---- */

uint64_t calltrace_now(const struct calltrace *calltrace) {
    return calltrace->host.now(calltrace->host.context);
}

/* Recorded frames of all stacks: those of the stack in use lie on top of the others. */
uint32_t thread_depth(const struct traced_thread *thread) {
    uint32_t depth = 0;
    for (size_t i = 0; i < thread->frames.count; i++) {
        const struct frame_stack *stack = &thread->frames.stacks[i];
        for (size_t k = stack->count; k > 0; k--)
            if (!stack->frames[k - 1].silent) {
                if (stack->frames[k - 1].depth + 1 > depth)
                    depth = stack->frames[k - 1].depth + 1;
                break;
            }
    }
    return depth;
}

struct trace_event *calltrace_event(struct calltrace *calltrace, const struct traced_thread *thread,
                                    enum trace_type type, uint64_t now, uint32_t depth) {
    struct trace_event *event = &calltrace->event;
    trace_event_reset(event);
    event->type = type;
    event->timestamp_ns = now;
    event->depth = depth;
    event->pid = thread->process->shown_pid;
    event->tid = thread->shown_tid;
    return event;
}

void calltrace_put_inlined(struct trace_event *event, const struct traced_function *function, int inlined,
                           const char *file) {
    const char *name = traced_inlined_name(function, inlined), *slash = file ? strrchr(file, '/') : NULL;
    if (!name)
        return;
    trace_data_string(&event->data, "inlined", name);
    if (file)
        trace_data_string(&event->data, "file", slash ? slash + 1 : file);
}

struct error *calltrace_write(struct calltrace *calltrace, struct traced_process *process) {
    if (!process->writer)
        return NULL;
    struct error *err = trace_writer_write(process->writer, &calltrace->event);
    if (trace_writer_full(process->writer))
        calltrace->full = true;
    return err;
}

struct error *calltrace_note(struct calltrace *calltrace, struct traced_process *process, const char *format,
                             ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    say_verbose("%s", text);
    struct trace_event *event = &calltrace->event;
    trace_event_reset(event);
    event->type = TRACE_NOTE;
    event->timestamp_ns = calltrace_now(calltrace);
    event->pid = event->tid = process->shown_pid;
    trace_data_string(&event->data, "kind", "not_traced");
    trace_data_string(&event->data, "text", text);
    return calltrace_write(calltrace, process);
}

/* ---- processes and threads ---- */

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
    struct calltrace *calltrace = thread->process->calltrace;
    struct traced_process *process = thread->process;
    for (size_t i = 0; i < calltrace->thread_count;)
        if (calltrace->threads[i]->process == process && calltrace->threads[i] != thread)
            drop_thread(calltrace, calltrace->threads[i]);
        else
            i++;
    thread_frames_deinit(&thread->frames);
    remove_thread(calltrace, thread);
    thread->task = task;
    thread->tid = process->pid = task->tid; /* a puppet's changes */
    insert_thread(calltrace, thread);
    forget_program(process);
    return make_traps(process);
}

static struct error *begin_process(struct calltrace *calltrace, struct task *task, pid_t pid,
                                   struct traced_thread **ret) {
    struct traced_process *process;
    TRY(add_process(calltrace, task->tid, pid, &process));
    TRY(make_traps(process));
    return add_thread(process, task, pid, ret);
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
    if (!process->writer)
        TRY(open_writer(process));
    TRY(process_event(thread, names[origin]));
    struct error *err = process_is_32_bit(task->tid)
                            ? error_new(ERROR_UNSUPPORTED, "process %d: a 32-bit program", task->tid)
                            : plant_process(process, task);
    calltrace->any_selected |= !err;
    if (!err && origin == ORIGIN_ATTACH)
        return trace_adopt(thread);
    if (!err || origin != ORIGIN_EXEC || error_is(err, ERROR_TASK_GONE) || error_is(err, ERROR_NO_MEMORY))
        return err;
    struct error *note = calltrace_note(calltrace, process, "not traced after exec: %s", err->message);
    error_free(err);
    return note;
}

void calltrace_exec_begins(struct calltrace *calltrace, pid_t tid) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, tid);
    if (thread)
        forget_program(thread->process);
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
    if (!of)
        return error_new(ERROR_NOT_FOUND, "process %d: its parent is not traced", task->tid);
    TRY(add_process(calltrace, task->tid, shown_pid, &process));
    TRY(copy_modules(of->process, process));
    process->program = of->process->program ? strdup(of->process->program) : NULL;
    process->entry = of->process->entry;
    process->traps_borrowed = shares_memory;
    if (shares_memory)
        process->traps = of->process->traps;
    else
        TRY(trap_set_clone(of->process->traps, &process->traps));
    TRY(add_thread(process, task, shown_pid, &thread));
    TRY(copy_frames(of, thread));
    TRY(open_writer(process));
    return process_event(thread, shares_memory ? "vfork" : "fork");
}

struct error *calltrace_thread(struct calltrace *calltrace, struct task *task, pid_t of, pid_t shown_tid,
                               bool is_new) {
    struct traced_thread *known = calltrace_find_thread(calltrace, of), *thread;
    if (!known)
        return error_new(ERROR_NOT_FOUND, "thread %d: its process is not traced", task->tid);
    TRY(add_thread(known->process, task, shown_tid, &thread));
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
    bool last = process_too || process->threads == 1;
    struct error *err = end_event(thread, last ? TRACE_PROCESS_EXIT : TRACE_THREAD_EXIT, status, signo);
    drop_thread(calltrace, thread);
    if (!last)
        return err;
    for (size_t i = 0; i < calltrace->thread_count;)
        if (calltrace->threads[i]->process == process)
            drop_thread(calltrace, calltrace->threads[i]);
        else
            i++;
    keep_first(&err, drop_process(calltrace, process));
    return err;
}

/* ---- hits ---- */

static void read_xstate(struct hit_context *context) {
    size_t size;
    context->xstate = malloc(XSTATE_MAX);
    if (!context->xstate)
        return;
    struct error *err = trace_get_xstate(context->thread->task->tid, context->xstate, &size);
    if (!err) {
        context->registers.xstate = context->xstate;
        context->registers.xstate_size = size;
    }
    error_free(err);
}

/* A statement of a function whose entry was met. */
static struct error *on_statement(struct hit_context *context) {
    struct frame *frame = trace_current_frame(context);
    if (!frame || frame->silent)
        return NULL;
    TRY(trace_variables(context, frame));
    frame->statement = context->site;
    return NULL;
}

static struct error *on_branch(struct hit_context *context) {
    struct branch_outcome outcome;
    uint64_t destination;
    struct frame *frame = trace_current_frame(context);
    const struct site *site = context->site;
    if (!frame || frame->silent || !site->branch || !trace_destination(context, &destination) ||
        !branches_outcome(&site->function->branches, site->branch, destination - context->bias, &outcome))
        return NULL;
    struct trace_event *event = calltrace_event(context->calltrace, context->thread, TRACE_CONTROL_FLOW,
                                                context->now, frame->depth + 1);
    trace_data_string(&event->data, "kind", outcome.kind);
    trace_data_bool(&event->data, "taken", outcome.taken);
    trace_data_unsigned(&event->data, "line", outcome.line);
    trace_data_unsigned(&event->data, "to_line", outcome.to_line);
    calltrace_put_inlined(event, site->function, site->inlined, NULL);
    return calltrace_write(context->calltrace, context->thread->process);
}

/* In the order in which things happen: what was before this instruction, then what it does. */
static struct error *dispatch(struct hit_context *context) {
    const struct site *site = context->site;
    if (site->kinds & SITE_ENTRY)
        TRY(trace_entry(context));
    else
        TRY(trace_unwound(context->calltrace, context->thread, context->stack, context->hit->regs.rsp, true,
                          context->now));
    if (site->kinds & SITE_STATEMENT)
        TRY(on_statement(context));
    if (site->kinds & SITE_PLACE)
        TRY(trace_places(context));
    if (site->kinds & SITE_SPECIAL)
        TRY(trace_special(context));
    if (site->kinds & SITE_BRANCH)
        TRY(on_branch(context));
    if (site->kinds & SITE_EXIT)
        return trace_exit(context);
    return site->kinds & SITE_JUMP ? trace_jump(context) : NULL;
}

static struct error *on_hit(struct traced_thread *thread, const struct trap_hit *hit) {
    struct site *site = hit->trap->user;
    struct hit_context context = {
        .calltrace = thread->process->calltrace, .thread = thread, .site = site, .hit = hit};
    if (!site)
        return NULL;
    context.bias = hit->regs.rip - site->vaddr;
    context.now = calltrace_now(context.calltrace);
    context.trap_memory = (struct trap_memory){.set = thread->process->traps, .task = thread->task};
    context.memory = trap_memory_reader(&context.trap_memory);
    frame_from_user_regs(&hit->regs, &context.registers);
    if (site->kinds & ~(unsigned)(SITE_SPECIAL | SITE_BRANCH))
        read_xstate(&context);
    struct error *err = thread_frames_stack(&thread->frames, thread->tid, hit->regs.rsp, &context.stack);
    if (!err)
        err = dispatch(&context);
    trace_counted_deinit(&context);
    free(context.xstate);
    return err;
}

/* What the kernel will do with the signal; from /proc/PID/status (proc(5)). */
static void find_disposition(pid_t tid, int signo, bool *ret_handled, bool *ret_fatal) {
    char path[64], line[256];
    unsigned long long caught = 0, ignored = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", tid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file)) {
        sscanf(line, "SigCgt: %llx", &caught);
        sscanf(line, "SigIgn: %llx", &ignored);
    }
    if (file)
        fclose(file);
    unsigned long long bit = 1ull << (signo - 1);
    bool harmless = signo == SIGCHLD || signo == SIGCONT || signo == SIGURG || signo == SIGWINCH ||
                    signo == SIGSTOP || signo == SIGTSTP || signo == SIGTTIN || signo == SIGTTOU;
    *ret_handled = caught & bit;
    *ret_fatal = !*ret_handled && !(ignored & bit) && !harmless;
}

struct error *calltrace_signal(struct calltrace *calltrace, pid_t tid, const siginfo_t *info, bool handled,
                               bool fatal) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, tid);
    return thread && (handled || fatal) ? trace_signal_event(thread, info, handled, fatal) : NULL;
}

struct error *calltrace_trap(struct calltrace *calltrace, struct stop *stop, bool *ret_done) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, stop->task->tid);
    struct trap_hit hit;
    *ret_done = false;
    if (!thread || !thread->process->traps)
        return NULL;
    TRY(trap_handle(thread->process->traps, stop, &hit));
    *ret_done = hit.event != TRAP_NONE;
    if (hit.event != TRAP_HIT)
        return NULL;
    struct error *err = on_hit(thread, &hit);
    struct error *step_err = trap_step_past(thread->process->traps, stop->task, &hit);
    if (!err)
        return step_err;
    error_free(step_err);
    return err;
}

struct error *calltrace_signal_stop(struct calltrace *calltrace, struct stop *stop, bool *ret_done) {
    siginfo_t info;
    bool handled, fatal;
    TRY(calltrace_trap(calltrace, stop, ret_done));
    if (*ret_done || !calltrace->options->trace_exceptions)
        return NULL;
    TRY(trace_get_siginfo(stop->task->tid, &info));
    find_disposition(stop->task->tid, stop->signo, &handled, &fatal);
    return calltrace_signal(calltrace, stop->task->tid, &info, handled, fatal);
}

/* ---- other events ---- */

struct error *calltrace_call(struct calltrace *calltrace, pid_t tid, const struct syscall_call *call,
                             const struct memory_reader *memory) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, tid);
    const struct syscall_row *row = syscall_find(call->number);
    if (!thread || !calltrace->options->trace_syscalls)
        return NULL;
    struct trace_event *event =
        calltrace_event(calltrace, thread, TRACE_SYSCALL, calltrace_now(calltrace), thread_depth(thread));
    if (row)
        trace_data_string(&event->data, "name", row->name);
    trace_data_unsigned(&event->data, "number", call->number);
    buffer_clear(&calltrace->text);
    syscall_print(call, memory, calltrace->options->max_string_length, &calltrace->text);
    TRY(buffer_check(&calltrace->text));
    trace_data_string(&event->data, "call", (const char *)calltrace->text.data);
    trace_data_signed(&event->data, "result", call->result);
    return calltrace_write(calltrace, thread->process);
}

struct error *calltrace_mappings_changed(struct calltrace *calltrace, pid_t tid) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, tid);
    return thread && thread->process->traps ? plant_process(thread->process, thread->task) : NULL;
}

void calltrace_unmapped(struct calltrace *calltrace, pid_t tid, uint64_t start, uint64_t end) {
    struct traced_thread *thread = calltrace_find_thread(calltrace, tid);
    if (thread && thread->process->traps)
        trap_forget_range(thread->process->traps, start, end);
}
