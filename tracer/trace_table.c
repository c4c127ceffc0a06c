/* trace_table: the processes that are traced, and their threads. */
#include "tracer/calltrace_state.h"

#include <stdlib.h>
#include <string.h>

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

struct error *traced_thread_add(struct traced_process *process, struct task *task, pid_t shown_tid,
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

void traced_thread_drop(struct traced_thread *thread) {
    remove_thread(thread->process->calltrace, thread);
    thread->process->threads--;
    thread_frames_deinit(&thread->frames);
    trace_ring_end(thread);
    free(thread);
}

void traced_threads_drop(struct traced_process *process, const struct traced_thread *but) {
    struct calltrace *calltrace = process->calltrace;
    for (size_t i = 0; i < calltrace->thread_count;)
        if (calltrace->threads[i] != but && calltrace->threads[i]->process == process)
            traced_thread_drop(calltrace->threads[i]);
        else
            i++;
}

void traced_thread_renumber(struct traced_thread *thread, pid_t tid) {
    struct calltrace *calltrace = thread->process->calltrace;
    remove_thread(calltrace, thread);
    thread->tid = tid;
    insert_thread(calltrace, thread);
}

struct error *traced_process_add(struct calltrace *calltrace, pid_t pid, pid_t shown_pid,
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

struct error *traced_process_drop(struct traced_process *process) {
    struct calltrace *calltrace = process->calltrace;
    traced_threads_drop(process, NULL);
    for (size_t i = 0; i < calltrace->process_count; i++)
        if (calltrace->processes[i] == process)
            calltrace->processes[i--] = calltrace->processes[--calltrace->process_count];
    struct error *err = trace_output_close(process);
    trace_jumps_forget(process);
    if (!process->traps_borrowed)
        trap_set_destroy(process->traps);
    process_modules_deinit(&process->modules);
    free(process->planted);
    free(process->program);
    free(process);
    return err;
}
