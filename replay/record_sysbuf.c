#include "replay/record_sysbuf.h"

#include "replay/puppet.h"
#include "replay/written.h"
#include "tracer/remote.h"
#include "tracer/sysbuf_sites.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PAGE 4096u
/* A process gets the blob when it has made so many calls that could do without a stop; a site is patched when
 * it has been met so often. Short programs are not worth it. */
#ifndef SYSBUF_EAGER
#define CALLS_BEFORE 64
#define MET_BEFORE   6
#else /* for tests: at once */
#define CALLS_BEFORE 1
#define MET_BEFORE   1
#endif
#define MET_ROOM 256

struct met_site {
    uint64_t rip;
    unsigned count;
};

struct process_sysbuf {
    struct sysbuf_data *data; /* NULL: it has no blob (yet) */
    bool off;                 /* nor will it get one */
    bool inherited;           /* the memory of its parent's is mapped */
    bool paused;
    unsigned calls;
    struct met_site met[MET_ROOM];
    struct sysbuf_sites sites;
};

static struct process_sysbuf *state_of(const struct recorder *recorder) {
    return recorder->thread->process->sysbuf;
}

static bool is_on(const struct recorder *recorder) {
    return recorder->thread->process->sysbuf && recorder->thread->process->sysbuf->data;
}

/* ---- the ring ---- */

static const struct sysbuf_bytes *next_bytes(const struct sysbuf_bytes *bytes) {
    return (const struct sysbuf_bytes *)((const uint8_t *)(bytes + 1) + ((bytes->size + 7ull) & ~7ull));
}

/* What the program has written out, as if it were still in its memory. */
static size_t read_written(void *context, uint64_t address, void *ret, size_t size) {
    const struct sysbuf_record *record = context;
    const struct sysbuf_bytes *bytes = (const struct sysbuf_bytes *)(record + 1);
    for (uint32_t i = 0; i < record->count; i++, bytes = next_bytes(bytes)) {
        uint64_t offset = address - bytes->address;
        if (bytes->kind != SYSBUF_WRITTEN || offset >= bytes->size)
            continue;
        size_t got = size < bytes->size - offset ? size : (size_t)(bytes->size - offset);
        memcpy(ret, (const uint8_t *)(bytes + 1) + offset, got);
        return got;
    }
    return 0;
}

/* Is what lies within the record what it says? The ring is in the program's reach. */
static bool is_sound(const struct sysbuf_record *record, uint64_t most) {
    uint64_t at = sizeof(*record);
    if (record->size > most || record->size % 8 || record->registers.rax >= SYSBUF_CALLS)
        return false;
    for (uint32_t i = 0; i < record->count; i++) {
        if (record->size < at + sizeof(struct sysbuf_bytes))
            return false;
        const struct sysbuf_bytes *bytes = (const struct sysbuf_bytes *)((const uint8_t *)record + at);
        at += sizeof(*bytes) + ((bytes->size + 7ull) & ~7ull);
    }
    return at == record->size;
}

/* The registers at the entry of the call, as a stop there would show them. */
static void entry_registers(const struct sysbuf_record *record, struct user_regs_struct *ret) {
    const struct sysbuf_registers *regs = &record->registers;
    ret->r15 = regs->r15;
    ret->r14 = regs->r14;
    ret->r13 = regs->r13;
    ret->r12 = regs->r12;
    ret->rbp = regs->rbp;
    ret->rbx = regs->rbx;
    ret->r11 = regs->flags;
    ret->r10 = regs->r10;
    ret->r9 = regs->r9;
    ret->r8 = regs->r8;
    ret->rax = (uint64_t)-ENOSYS;
    ret->rcx = record->rip;
    ret->rdx = regs->rdx;
    ret->rsi = regs->rsi;
    ret->rdi = regs->rdi;
    ret->orig_rax = regs->rax;
    ret->rip = record->rip;
    ret->eflags = regs->flags;
    ret->rsp = record->rsp;
    if (record->fs_base || record->gs_base) {
        ret->fs_base = record->fs_base;
        ret->gs_base = record->gs_base;
    }
}

static void note_call(struct thread *thread, const struct sysbuf_record *record) {
    const struct sysbuf_registers *regs = &record->registers;
    thread->call = (struct syscall_call){
        .number = regs->rax,
        .args = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9},
        .result = record->result,
    };
    thread->row = syscall_find(regs->rax);
}

/* The event that a stop would have made, and what it would have left in the thread. */
static struct error *log_record(struct recorder *recorder, const struct sysbuf_record *record) {
    struct thread *thread = recorder->thread;
    const struct sysbuf_bytes *bytes = (const struct sysbuf_bytes *)(record + 1);
    struct event event = {.kind = EVENT_SYSCALL};
    struct sysbuf_record *context = (struct sysbuf_record *)record;
    const struct memory_reader written = {read_written, context};
    effects_clear(&recorder->effects);
    for (uint32_t i = 0; i < record->count; i++, bytes = next_bytes(bytes))
        if (bytes->kind == SYSBUF_MEMORY)
            TRY(effects_add(&recorder->effects, EFFECT_MEMORY, bytes->address, 0, bytes + 1, bytes->size));
    entry_registers(record, &thread->last);
    note_call(thread, record);
    event.syscall.number = thread->call.number;
    event.syscall.rip = record->rip;
    memcpy(event.syscall.args, thread->call.args, sizeof(event.syscall.args));
    event.syscall.result = record->result;
    event.syscall.registers_hash = registers_hash(&thread->last);
    event.syscall.written_hash =
        written_hash(&written, event.syscall.number, event.syscall.args, event.syscall.result);
    thread->last.rax = (uint64_t)record->result;
    thread->last_is_call = true;
    recorder->calls_since_check++;
    return recorder_append(recorder, &event);
}

static struct error *log_ring(struct recorder *recorder, struct sysbuf_data *data) {
    struct sysbuf_block *block = &data->block;
    uint64_t head = __atomic_load_n(&block->head, __ATOMIC_ACQUIRE), tail = block->tail;
    while (tail != head && recorder->mode == RECORDER_RECORDING) {
        uint64_t at = tail % SYSBUF_RING, left = SYSBUF_RING - at, most = head - tail;
        const struct sysbuf_record *record = (const struct sysbuf_record *)(data->ring + at);
        bool sound = most <= SYSBUF_RING && tail % 8 == 0 && left >= sizeof(record->size);
        if (sound && record->size == SYSBUF_WRAP) {
            tail += left;
            continue;
        }
        sound = sound && left >= sizeof(*record) && is_sound(record, most < left ? most : left);
        if (!sound) {
            recorder_stop(recorder,
                          "the program has written to memory at 0x%lx, which reel uses (record it "
                          "without --buffer)",
                          SYSBUF_DATA);
            break;
        }
        TRY(log_record(recorder, record));
        tail += record->size;
    }
    __atomic_store_n(&block->tail, head, __ATOMIC_RELEASE);
    return NULL;
}

struct error *record_sysbuf_drain(struct recorder *recorder) {
    struct thread *current = recorder->thread;
    struct thread *owner = recorder->turn ? recorder->turn : current;
    if (!owner->process->sysbuf || !owner->process->sysbuf->data)
        return NULL;
    struct sysbuf_data *data = owner->process->sysbuf->data;
    if (__atomic_load_n(&data->block.head, __ATOMIC_ACQUIRE) == data->block.tail)
        return NULL;
    recorder->thread = owner;
    owner->last_time = owner->call_time = clock_now();
    struct error *err = log_ring(recorder, data);
    recorder->thread = current;
    return err;
}

void record_sysbuf_update(struct recorder *recorder) {
    const struct thread *thread = recorder->turn;
    if (!thread || !thread->process->sysbuf || !thread->process->sysbuf->data)
        return;
    bool wanted = recorder->ready && clock_now() - recorder->turn_since > recorder->slice;
    thread->process->sysbuf->data->block.alone = recorder->thread_count == 1;
    /* processes that share memory wait for each other: theirs stop */
    bool enabled = recorder->mode == RECORDER_RECORDING && recorder->process_count == 1 &&
                   !recorder->session->filtered && !thread->process->sysbuf->paused &&
                   !thread->deferred_count && !wanted;
    __atomic_store_n(&thread->process->sysbuf->data->block.enabled, enabled, __ATOMIC_RELEASE);
}

void record_sysbuf_pause(struct recorder *recorder, bool paused) {
    if (!is_on(recorder))
        return;
    state_of(recorder)->paused = paused;
    if (paused)
        state_of(recorder)->data->block.enabled = 0;
}

/* ---- the program's own state ---- */

struct error *record_sysbuf_entry(struct recorder *recorder, struct user_regs_struct *regs) {
    uint64_t rip;
    if (!is_on(recorder) || !sysbuf_sites_hold(&state_of(recorder)->sites, regs->rip))
        return NULL;
    const struct sysbuf_site *site = sysbuf_sites_at(&state_of(recorder)->sites, regs->rip);
    if (!site || sysbuf_site_place(site, regs->rip, &rip) != SYSBUF_CALLED)
        return NULL;
    regs->rip = regs->rcx = rip;
    return trace_set_registers(recorder->thread->task->tid, regs);
}

/* A call that the kernel is going to make again: it will take two bytes off rip, which must be the program's
 * own then, and lead to the jump. When a handler comes between, and the call fails, the frame has the rip in
 * the middle of the patch, where record_sysbuf_trapped() meets it. */
struct error *record_sysbuf_go(struct recorder *recorder) {
    struct thread *thread = recorder->thread;
    if (!is_on(recorder) || !thread->last_is_call || syscall_restarts((int64_t)thread->last.rax))
        return NULL;
    uint64_t moved = sysbuf_sites_moved(&state_of(recorder)->sites, thread->last.rip);
    return moved ? trace_set_user_word(thread->task->tid, offsetof(struct user, regs.rip), moved) : NULL;
}

/* A call that waits, which the hook is making: it gives up, so that the call is made again with a stop. */
static struct error *abandon_call(struct recorder *recorder, struct user_regs_struct *regs) {
    if (!syscall_restarts((int64_t)regs->rax) || (int64_t)regs->orig_rax < 0)
        return NULL;
    regs->rax = (uint64_t)-EFAULT;
    regs->orig_rax = (unsigned long long)-1;
    return trace_set_registers(recorder->thread->task->tid, regs);
}

/* What the hook has on its stack; *ret_own are the program's registers. False: it is not what it should be.
 */
static bool read_stack(const struct process_sysbuf *state, const struct user_regs_struct *regs,
                       struct sysbuf_record *ret) {
    const uint8_t *top = state->data->stack + SYSBUF_STACK;
    uint64_t called;
    memcpy(&called, top - sizeof(called), sizeof(called));
    memcpy(&ret->registers, top - sizeof(called) - sizeof(ret->registers), sizeof(ret->registers));
    const struct sysbuf_site *site = sysbuf_sites_at(&state->sites, called);
    ret->rsp = state->data->block.rsp;
    ret->rip = site ? site->address + 2 : 0;
    ret->result = (int64_t)regs->rax;
    ret->fs_base = regs->fs_base;
    ret->gs_base = regs->gs_base;
    return site != NULL;
}

/* The call that the hook was making has just returned, or was interrupted: from here on it is one that has
 * been made with a stop. */
static struct error *take_over(struct recorder *recorder, struct user_regs_struct *regs, bool *ret_done) {
    struct sysbuf_record noted;
    *ret_done = read_stack(state_of(recorder), regs, &noted) && regs->orig_rax == noted.registers.rax;
    if (!*ret_done) /* or it was a call of the hook's own */
        return NULL;
    struct user_regs_struct entry = *regs;
    entry_registers(&noted, &entry);
    uint64_t origin = regs->orig_rax;
    *regs = entry;
    regs->rax = (uint64_t)noted.result;
    regs->orig_rax = origin;
    TRY(trace_set_registers(recorder->thread->task->tid, regs));
    return record_taken(recorder, &entry, regs);
}

struct error *record_sysbuf_stand(struct recorder *recorder, struct user_regs_struct *regs,
                                  enum sysbuf_stand *ret) {
    const struct process_sysbuf *state = state_of(recorder);
    struct thread *thread = recorder->thread;
    *ret = SYSBUF_STANDS_OUTSIDE;
    if (!is_on(recorder))
        return NULL;
    if (sysbuf_sites_moved(&state->sites, regs->rip)) {
        *ret = registers_compare(regs, &thread->last) == REGISTER_COUNT ? SYSBUF_STANDS_BEHIND
                                                                        : SYSBUF_STANDS_INSIDE;
        return NULL;
    }
    if (!sysbuf_sites_hold(&state->sites, regs->rip))
        return NULL;
    uint64_t rip = 0;
    const struct sysbuf_site *site = sysbuf_sites_at(&state->sites, regs->rip);
    enum sysbuf_place place = site ? sysbuf_site_place(site, regs->rip, &rip) : SYSBUF_CALLING;
    struct user_regs_struct own = *regs;
    own.rip = rip;
    if (place == SYSBUF_CALLED)
        own.rcx = rip;
    bool moved = sysbuf_sites_moved(&state->sites, rip) != 0,
         behind = registers_compare(&own, &thread->last) == REGISTER_COUNT;
    if ((place == SYSBUF_CALLED || place == SYSBUF_GOING) && (behind || !moved)) {
        *ret = moved ? SYSBUF_STANDS_BEHIND : SYSBUF_STANDS_OUTSIDE;
        *regs = own;
        return trace_set_registers(thread->task->tid, regs);
    }
    *ret = SYSBUF_STANDS_INSIDE;
    state->data->block.enabled = 0;
    if (regs->rip != SYSBUF_PASSED)
        return NULL;
    if (thread->deferred_count || regs->rax == (uint64_t)-EFAULT)
        return abandon_call(recorder, regs);
    bool done;
    TRY(take_over(recorder, regs, &done));
    if (done)
        *ret = sysbuf_sites_moved(&state->sites, regs->rip) ? SYSBUF_STANDS_BEHIND : SYSBUF_STANDS_OUTSIDE;
    return NULL;
}

struct error *record_sysbuf_trapped(struct recorder *recorder, const struct user_regs_struct *regs,
                                    bool *ret_done) {
    uint64_t moved = is_on(recorder) ? sysbuf_sites_moved(&state_of(recorder)->sites, regs->rip) : 0;
    *ret_done = moved != 0;
    return moved ? trace_set_user_word(recorder->thread->task->tid, offsetof(struct user, regs.rip), moved)
                 : NULL;
}

size_t record_sysbuf_read_code(struct recorder *recorder, uint64_t address, void *ret, size_t size) {
    static const uint8_t call[2] = {0x0f, 0x05};
    size_t got = task_read(recorder->thread->task, address, ret, size);
    const struct process_sysbuf *state = state_of(recorder);
    for (size_t i = 0; state && i < state->sites.count; i++)
        for (size_t k = 0; k < state->sites.sites[i].length; k++) {
            uint64_t offset = state->sites.sites[i].start + k - address;
            if (offset < got)
                ((uint8_t *)ret)[offset] = k < sizeof(call) ? call[k] : state->sites.sites[i].original[k];
        }
    return got;
}

bool record_sysbuf_covers_call(const struct recorder *recorder, uint64_t address) {
    static const uint8_t call[2] = {0x0f, 0x05};
    const struct process_sysbuf *state = state_of(recorder);
    for (size_t i = 0; state && i < state->sites.count; i++) {
        const struct sysbuf_site *site = &state->sites.sites[i];
        uint64_t offset = address - site->start;
        if (offset + sizeof(call) <= site->length && !memcmp(site->original + offset, call, sizeof(call)))
            return true;
    }
    return false;
}

/* ---- putting code back ---- */

/* Who is in the middle of a patch goes on from there: see record_sysbuf_trapped(). */
static void stop_process(struct process *process) {
    const struct thread *living = record_living_thread(process, NULL);
    struct task task;
    if (!process->sysbuf || !process->sysbuf->data)
        return;
    process->sysbuf->data->block.enabled = 0;
    process->sysbuf->off = true;
    if (!living)
        return;
    task_init(&task, living->tid);
    sysbuf_sites_restore(&process->sysbuf->sites, &task, 0, UINT64_MAX, false);
    task_deinit(&task);
}

void record_sysbuf_stop(struct recorder *recorder) {
    for (struct process *process = recorder->processes; process; process = process->next)
        stop_process(process);
}

/* A program's own filter would judge the calls of the blob, and kill for those that are injected. Who has it
 * now, and after a fork or an exec, is not followed: from here on all calls of all processes stop. */
static void note_filter(struct session *session) {
    if (session->filtered)
        return;
    session->filtered = true;
    for (size_t i = 0; i < session->recorder_count; i++)
        record_sysbuf_stop(session->recorders[i]);
}

struct error *record_sysbuf_filtered(struct recorder *recorder, bool *ret_done) {
    struct user_regs_struct regs = recorder->thread->entry;
    *ret_done = is_on(recorder) && regs.rip == SYSBUF_PASSED;
    if (!*ret_done)
        return NULL;
    note_filter(recorder->session);
    regs.rax = (uint64_t)-EFAULT;
    regs.orig_rax = (unsigned long long)-1;
    return trace_set_registers(recorder->thread->task->tid, &regs);
}

struct error *record_sysbuf_fork(struct recorder *recorder, pid_t tid, struct process *child) {
    struct process_sysbuf *state = state_of(recorder);
    struct task copy;
    if (!state || (!state->data && !state->inherited))
        return NULL;
    task_init(&copy, tid);
    sysbuf_sites_restore(&state->sites, &copy, 0, UINT64_MAX, false);
    task_deinit(&copy);
    if (!child)
        return NULL;
    child->sysbuf = calloc(1, sizeof(*child->sysbuf));
    if (!child->sysbuf)
        return &error_no_memory;
    child->sysbuf->inherited = true;
    for (size_t i = 0; i < state->sites.area_count; i++)
        TRY(sysbuf_sites_add_area(&child->sysbuf->sites, state->sites.areas[i].start));
    return NULL;
}

void record_sysbuf_drop(struct process *process) {
    struct process_sysbuf *state = process->sysbuf;
    process->sysbuf = NULL;
    if (!state)
        return;
    if (state->data)
        munmap(state->data, sizeof(*state->data));
    sysbuf_sites_deinit(&state->sites);
    free(state);
}

/* ---- memory that the program shapes ---- */

static bool overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size) {
    return a < b + b_size && b < a + a_size;
}

/* The kernel refuses what is not a range of pages, and does nothing. */
static bool is_range(uint64_t start, uint64_t size) {
    const uint64_t end = 0x7ffffffff000; /* of the addresses that programs have */
    return start % PAGE == 0 && size && start < end && size <= end - start;
}

/* The program is about to map something where the blob is, or the only instruction that the filter lets
 * through; or an area of ours. Nothing tells its memory from ours any more then. */
static struct error *shape(struct recorder *recorder, uint64_t start, uint64_t size) {
    struct process_sysbuf *state = state_of(recorder);
    if (!is_range(start, size))
        return NULL;
    bool ours =
        overlaps(start, size, SYSBUF_CODE, PAGE) || (state && sysbuf_sites_touch(&state->sites, start, size));
    if (ours)
        recorder_stop(recorder, "%s of memory at 0x%llx, which reel uses (record it with --no-buffer)",
                      recorder->thread->row->name, (unsigned long long)start);
    else if (is_on(recorder))
        sysbuf_sites_restore(&state->sites, recorder->thread->task, start, start + size, true);
    return NULL;
}

struct error *record_sysbuf_shape(struct recorder *recorder) {
    const uint64_t *args = recorder->thread->call.args;
    if (!recorder->session->options->buffer)
        return NULL;
    switch (recorder->thread->row->handler) {
    case HANDLER_MMAP:
        return args[3] & MAP_FIXED ? shape(recorder, args[0], args[1]) : NULL;
    case HANDLER_MREMAP:
        if (args[3] & MREMAP_FIXED)
            TRY(shape(recorder, args[4], args[2]));
        return shape(recorder, args[0], args[1]);
    case HANDLER_MUNMAP:
    case HANDLER_MPROTECT:
        return shape(recorder, args[0], args[1]);
    case HANDLER_SHMAT:
        return args[1] ? shape(recorder, args[1], PAGE) : NULL;
    default:
        return NULL;
    }
}

/* ---- beginning ---- */

/* Its call has returned: through its instruction others can be made. */
static struct error *inject(struct recorder *recorder, long number, int64_t *ret, const uint64_t args[6]) {
    return remote_syscall(recorder->thread->task, recorder->thread->last.rip - 2, number, args, ret);
}

static struct error *map_fixed(struct recorder *recorder, uint64_t address, uint64_t size, int protection,
                               int flags, int fd, bool *ret_done) {
    int64_t result;
    bool again = state_of(recorder)->inherited && address >= SYSBUF_START && address < SYSBUF_END;
    flags |= again ? MAP_FIXED : MAP_FIXED_NOREPLACE;
    TRY(inject(
        recorder, SYS_mmap, &result,
        (const uint64_t[6]){address, size, (uint64_t)protection, (uint64_t)flags, (uint64_t)(int64_t)fd, 0}));
    *ret_done = result == (int64_t)address;
    if (!*ret_done && !syscall_failed(result)) /* an older kernel takes the address for a hint */
        TRY(inject(recorder, SYS_munmap, &result, (const uint64_t[6]){(uint64_t)result, size}));
    return NULL;
}

/* A memory file of the program's, and a descriptor of ours for it. -1: none. */
static struct error *make_file(struct recorder *recorder, uint64_t name, int64_t *ret_fd, int *ret_own) {
    *ret_own = -1;
    TRY(inject(recorder, SYS_memfd_create, ret_fd, (const uint64_t[6]){name, MFD_CLOEXEC}));
    if (*ret_fd < 0)
        return NULL;
    int pidfd = (int)syscall(SYS_pidfd_open, recorder->thread->process->pid, 0);
    if (pidfd >= 0) {
        *ret_own = (int)syscall(SYS_pidfd_getfd, pidfd, (int)*ret_fd, 0);
        close(pidfd);
    }
    return NULL;
}

static struct sysbuf_data *map_data(int fd) {
    if (fd < 0 || ftruncate(fd, sizeof(struct sysbuf_data)) < 0)
        return NULL;
    void *data = mmap(NULL, sizeof(struct sysbuf_data), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return data == MAP_FAILED ? NULL : data;
}

#define HWCAP2_FSGSBASE_BIT 2u /* asm/hwcap2.h */

static void fill_data(struct sysbuf_data *data) {
    sysbuf_fill_table(data->calls);
    data->block.hook = SYSBUF_HOOK;
    data->block.has_bases = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT) != 0;
}

/* The name of the memory file stands behind the blob. */
static struct error *write_blob(struct recorder *recorder, uint64_t *ret_name) {
    static const char name[] = "reel";
    *ret_name = SYSBUF_CODE + SYSBUF_CODE_SIZE - sizeof(name);
    TRY(task_write(recorder->thread->task, SYSBUF_CODE, sysbuf_blob, sysbuf_blob_size));
    return task_write(recorder->thread->task, *ret_name, name, sizeof(name));
}

/* Give the process the blob. When something of it cannot be had, it goes on with stops. */
static struct error *begin(struct recorder *recorder) {
    struct process_sysbuf *state = state_of(recorder);
    bool done;
    uint64_t name;
    int64_t fd, result;
    int own;
    state->off = true;
    TRY(map_fixed(recorder, SYSBUF_CODE, SYSBUF_DATA - SYSBUF_CODE, PROT_READ | PROT_EXEC,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, &done));
    if (!done)
        return NULL;
    TRY(write_blob(recorder, &name));
    TRY(make_file(recorder, name, &fd, &own));
    if (fd < 0)
        return NULL;
    struct sysbuf_data *data = map_data(own);
    if (own >= 0)
        close(own);
    struct error *err = data ? map_fixed(recorder, SYSBUF_DATA, SYSBUF_DATA_SIZE, PROT_READ | PROT_WRITE,
                                         MAP_SHARED, (int)fd, &done)
                             : NULL;
    struct error *close_err = inject(recorder, SYS_close, &result, (const uint64_t[6]){(uint64_t)fd});
    if (!err)
        err = close_err;
    else
        error_free(close_err);
    if (!err && data && done && !state->inherited)
        err = sysbuf_sites_add_area(&state->sites, SYSBUF_SLOTS);
    if (err || !data || !done) {
        if (data)
            munmap(data, sizeof(*data));
        return err;
    }
    fill_data(data);
    state->data = data;
    state->off = false;
    return NULL;
}

/* ---- patching ---- */

static struct error *make_area(struct recorder *recorder, const struct maps *maps,
                               const struct sysbuf_site *site) {
    struct process_sysbuf *state = state_of(recorder);
    uint64_t start = sysbuf_sites_find_room(maps, site);
    bool done;
    if (!start || state->sites.area_count == SYSBUF_AREAS_MOST)
        return NULL;
    TRY(map_fixed(recorder, start, SYSBUF_AREA_SIZE, PROT_READ | PROT_EXEC,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, &done));
    return done ? sysbuf_sites_add_area(&state->sites, start) : NULL;
}

/* Code that cannot change without a call that reel sees. */
static bool is_code(const struct maps *maps, uint64_t start, uint64_t end) {
    const struct mapping *mapping = maps_find(maps, start);
    return mapping && mapping->end >= end && !mapping->shared && !(mapping->protection & PROT_WRITE) &&
           mapping->protection & PROT_EXEC;
}

static struct error *plant(struct recorder *recorder, struct sysbuf_site *site, const struct maps *maps) {
    struct sysbuf_sites *sites = &state_of(recorder)->sites;
    uint64_t slot = sysbuf_sites_find_slot(sites, site);
    if (!slot) {
        TRY(make_area(recorder, maps, site));
        slot = sysbuf_sites_find_slot(sites, site);
    }
    return slot ? sysbuf_sites_plant(sites, recorder->thread->task, site, slot) : NULL;
}

/* Patch the site of the call that has just returned. */
static struct error *patch(struct recorder *recorder, uint64_t rip, uint64_t number) {
    enum { BEFORE = 16, AROUND = 256 };
    uint8_t code[BEFORE + AROUND];
    struct sysbuf_site site;
    struct maps maps;
    if (sysbuf_sites_has(&state_of(recorder)->sites, rip - 2))
        return NULL;
    size_t size = task_read(recorder->thread->task, rip - 2 - BEFORE, code, sizeof(code));
    struct error *err = sysbuf_site_decode(code, size, rip - 2 - BEFORE, rip - 2, number, &site);
    if (err) {
        bool cannot = error_is(err, ERROR_UNSUPPORTED) || error_is(err, ERROR_BAD_DATA);
        if (!cannot)
            return err;
        error_free(err);
        return NULL;
    }
    TRY(maps_read(record_tid(recorder), &maps));
    if (is_code(&maps, site.start - 1, site.start + site.length))
        err = plant(recorder, &site, &maps);
    maps_deinit(&maps);
    if (error_is(err, ERROR_UNSUPPORTED)) {
        error_free(err);
        err = NULL;
    }
    return err;
}

/* ---- descriptors ---- */

/* /dev/null, zero, urandom: none of them waits. */
static bool is_memory_device(const struct stat *info) {
    unsigned number = minor(info->st_rdev);
    return S_ISCHR(info->st_mode) && major(info->st_rdev) == 1 && (number == 3 || number == 5 || number == 9);
}

static bool is_regular(const struct recorder *recorder, const char *path, struct stat *ret) {
    struct statfs system;
    return stat(path, ret) == 0 && S_ISREG(ret->st_mode) && statfs(path, &system) == 0 &&
           system.f_type != PROC_SUPER_MAGIC && system.f_type != SYSFS_MAGIC &&
           system.f_type != DEBUGFS_MAGIC && system.f_type != TRACEFS_MAGIC &&
           recorder->mode == RECORDER_RECORDING;
}

static bool is_mapped(const struct session *session, const struct stat *info) {
    for (size_t i = 0; i < session->recorder_count; i++) {
        const struct recorder *recorder = session->recorders[i];
        for (size_t k = 0; k < recorder->mapped_count; k++)
            if (recorder->mapped[k].device == info->st_dev && recorder->mapped[k].inode == info->st_ino)
                return true;
    }
    return false;
}

static bool is_output(const struct session *session, const struct stat *info) {
    for (int i = 0; i < 2; i++)
        if (session->has_output[i] && session->own_output[i].st_dev == info->st_dev &&
            session->own_output[i].st_ino == info->st_ino)
            return true;
    return false;
}

static bool is_direct(const struct recorder *recorder, uint64_t fd) {
    char path[64];
    unsigned flags = O_DIRECT;
    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", record_tid(recorder), (int)fd);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "pos: %*d flags: %o", &flags) != 1)
        flags = O_DIRECT;
    if (file)
        fclose(file);
    return flags & O_DIRECT;
}

/* What nothing but the process and others like it stand behind. */
static bool is_channel(const struct stat *info) {
    return S_ISFIFO(info->st_mode) || S_ISSOCK(info->st_mode);
}

/* Look at a descriptor that is read or written for the first time. */
static void learn_fd(struct recorder *recorder, uint64_t fd) {
    struct sysbuf_data *data = state_of(recorder)->data;
    char path[64];
    struct stat info;
    if ((uint32_t)fd >= SYSBUF_FDS || data->fds[(uint32_t)fd])
        return;
    uint8_t known = SYSBUF_FD_KNOWN;
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", record_tid(recorder), (int)fd);
    bool regular = is_regular(recorder, path, &info), found = regular || stat(path, &info) == 0;
    bool output = found && is_output(recorder->session, &info);
    if (found && is_channel(&info)) {
        known |= SYSBUF_FD_WAIT_READ | (output ? 0 : SYSBUF_FD_WAIT_WRITE);
    } else if (regular || (found && is_memory_device(&info))) {
        bool direct = is_direct(recorder, fd);
        known |= direct ? 0 : SYSBUF_FD_READ;
        known |= direct || output || is_mapped(recorder->session, &info) ? 0 : SYSBUF_FD_WRITE;
    }
    data->fds[(uint32_t)fd] = known;
}

static void forget_fd(struct sysbuf_data *data, uint64_t fd) {
    if ((uint32_t)fd < SYSBUF_FDS)
        data->fds[(uint32_t)fd] = 0;
}

static void note_fds(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    struct sysbuf_data *data = state_of(recorder)->data;
    switch (call->number) {
    case SYS_read:
    case SYS_pread64:
    case SYS_write:
    case SYS_pwrite64:
    case SYS_recvfrom:
    case SYS_sendto:
    case SYS_readv:
    case SYS_preadv:
    case SYS_writev:
    case SYS_pwritev:
        if (call->result >= 0)
            learn_fd(recorder, call->args[0]);
        break;
    case SYS_close:
        forget_fd(data, call->args[0]);
        break;
    case SYS_dup2:
    case SYS_dup3:
        forget_fd(data, call->args[1]);
        break;
    case SYS_fcntl:
        if ((uint32_t)call->args[1] == F_SETFL)
            memset(data->fds, 0, sizeof(data->fds));
        break;
    case SYS_ioctl: /* flags, too */
        if (call->result >= 0)
            memset(data->fds, 0, sizeof(data->fds));
        break;
    case SYS_close_range:
    case SYS_unshare:
        memset(data->fds, 0, sizeof(data->fds));
        break;
    default:
        break;
    }
}

static void forget_fds(struct process *process) {
    if (process->sysbuf && process->sysbuf->data)
        memset(process->sysbuf->data->fds, 0, SYSBUF_FDS);
}

void record_sysbuf_mapped(struct session *session) {
    for (size_t i = 0; i < session->recorder_count; i++)
        for (struct process *process = session->recorders[i]->processes; process; process = process->next)
            forget_fds(process);
}

/* ---- the exit of a call ---- */

static unsigned count_met(struct process_sysbuf *state, uint64_t rip) {
    struct met_site *met = &state->met[(rip >> 1) % MET_ROOM];
    if (met->rip != rip)
        *met = (struct met_site){.rip = rip};
    return ++met->count;
}

/* Results that the hook does not deal with. A file that is not there, or is no link, is as good as one that
 * is. */
static bool is_left_to_stops(int64_t result) {
    return result == -EFAULT || syscall_restarts(result);
}

struct error *record_sysbuf_exit(struct recorder *recorder) {
    struct thread *thread = recorder->thread;
    if (!recorder->session->options->buffer || recorder->mode != RECORDER_RECORDING || !thread->last_is_call)
        return NULL;
    struct process_sysbuf *state = state_of(recorder);
    if (!state && !(state = recorder->thread->process->sysbuf = calloc(1, sizeof(*state))))
        return &error_no_memory;
    if (state->data)
        note_fds(recorder);
    if (thread->call.number == SYS_seccomp ||
        (thread->call.number == SYS_prctl && (uint32_t)thread->call.args[0] == PR_SET_SECCOMP))
        note_filter(recorder->session);
    if (!sysbuf_knows(thread->call.number) || recorder->process_count > 1 || recorder->session->filtered ||
        is_left_to_stops(thread->call.result) || state->off || thread->blocked || recorder->session->chaos.on)
        return NULL;
    if (!state->data && ++state->calls >= CALLS_BEFORE)
        TRY(begin(recorder));
    if (!state->data || count_met(state, thread->last.rip) != MET_BEFORE)
        return NULL;
    return patch(recorder, thread->last.rip, thread->call.number);
}

/* ---- what is seen of it ---- */

/* "00033000-0013a000 rw-s ...": programs look there for memory to search. Lines keep their length. */
static void hide_lines(const struct process_sysbuf *state, char *text) {
    for (char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        unsigned long start, end;
        int at = 0;
        if (sscanf(line, "%lx-%lx %n", &start, &end, &at) == 2 && at && strlen(line + at) > 4 &&
            sysbuf_sites_own(&state->sites, start, end))
            memcpy(line + at, "---p", 4);
    }
}

static bool reads_maps(const struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    char path[64], target[64];
    if ((call->number != SYS_read && call->number != SYS_pread64) || call->result <= 0 ||
        ((uint32_t)call->args[0] < SYSBUF_FDS &&
         state_of(recorder)->data->fds[(uint32_t)call->args[0]] & SYSBUF_FD_READ))
        return false;
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", record_tid(recorder), (int)call->args[0]);
    ssize_t size = readlink(path, target, sizeof(target) - 1);
    target[size > 0 ? size : 0] = 0;
    const char *slash = strrchr(target, '/');
    return slash && strncmp(target, "/proc/", 6) == 0 &&
           (strcmp(slash, "/maps") == 0 || strcmp(slash, "/smaps") == 0);
}

struct error *record_sysbuf_hide(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    if (!is_on(recorder) || !reads_maps(recorder))
        return NULL;
    char *text = calloc(1, (size_t)call->result + 1);
    if (!text)
        return &error_no_memory;
    size_t got = task_read(recorder->thread->task, call->args[1], text, (size_t)call->result);
    hide_lines(state_of(recorder), text);
    struct error *err = task_write(recorder->thread->task, call->args[1], text, got);
    free(text);
    return err;
}

struct error *record_sysbuf_maps(struct recorder *recorder, struct maps *ret) {
    return record_sysbuf_maps_of(recorder->thread->process, record_tid(recorder), ret);
}

struct error *record_sysbuf_maps_of(const struct process *process, pid_t tid, struct maps *ret) {
    const struct process_sysbuf *state = process->sysbuf;
    TRY(maps_read(tid, ret));
    if (!state || (!state->data && !state->inherited))
        return NULL;
    size_t count = 0;
    for (size_t i = 0; i < ret->count; i++) {
        if (sysbuf_sites_own(&state->sites, ret->mappings[i].start, ret->mappings[i].end))
            free(ret->mappings[i].name);
        else
            ret->mappings[count++] = ret->mappings[i];
    }
    ret->count = count;
    return NULL;
}

struct error *record_sysbuf_image(struct recorder *recorder, struct image *ret) {
    const struct process_sysbuf *state = state_of(recorder);
    bool ours = state && (state->data || state->inherited);
    return image_take(recorder->thread->task, ours ? PUPPET_STUB : 0, ours ? SYSBUF_END : 0, ret);
}
