/* record_syscall: what the recorder does at the entry and the exit of each call. replay_syscall.c is the
 * twin.
 *
 * The table (tracer/syscalls.def) decides: most calls are plain, run as they are, and their result and
 * outputs are logged. The rows below are for the others: an `entry` that may change or refuse the call before
 * it runs, an `exit` that adds effects. */
#include "replay/record_hooks.h"
#include "replay/record_sysbuf.h"

#include "base/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CODE_SEGMENT_64 0x33
/* Memory is checked after every so many calls. */
#define CHECK_EVERY        256
#define PAGE               4096u
#define SYSCALL_LENGTH     2
#define RESTART_SYSCALL_NR 219

struct syscall_hooks {
    struct error *(*entry)(struct recorder *recorder);
    struct error *(*exit)(struct recorder *recorder);
};

/* ---- what several of them need ---- */

bool record_succeeded(const struct recorder *recorder) {
    return !syscall_failed(recorder->thread->call.result);
}

struct error *record_set_argument(struct recorder *recorder, size_t offset, uint64_t value) {
    return trace_set_user_word(recorder->thread->task->tid, offset, value);
}

static const struct syscall_hooks hooks[] = {
    [HANDLER_MMAP] = {.exit = record_exit_mmap},
    [HANDLER_MUNMAP] = {.exit = record_exit_munmap},
    [HANDLER_MPROTECT] = {.exit = record_exit_mprotect},
    [HANDLER_MREMAP] = {.exit = record_exit_mremap},
    [HANDLER_MADVISE] = {.entry = record_entry_madvise, .exit = record_exit_madvise},
    [HANDLER_BRK] = {.exit = record_exit_brk},
    [HANDLER_SHMAT] = {.exit = record_exit_shmat},
    [HANDLER_REMAP_FILE_PAGES] = {.entry = record_entry_unsupported},
    [HANDLER_EXECVE] = {.entry = record_entry_execve, .exit = record_exit_execve},
    [HANDLER_EXIT] = {.entry = record_entry_exit},
    [HANDLER_CLONE] = {.entry = record_entry_clone, .exit = record_exit_clone},
    [HANDLER_ARCH_PRCTL] = {.entry = record_entry_arch_prctl},
    [HANDLER_PRCTL] = {.entry = record_entry_prctl, .exit = record_exit_seccomp},
    [HANDLER_SECCOMP] = {.entry = record_entry_seccomp, .exit = record_exit_seccomp},
    [HANDLER_SETRLIMIT] = {.exit = record_exit_setrlimit},
    [HANDLER_PERSONALITY] = {.entry = record_entry_personality},
    [HANDLER_SIGRETURN] = {.exit = record_exit_sigreturn},
    [HANDLER_SIGACTION] = {.exit = record_exit_signal_state},
    [HANDLER_SIGPROCMASK] = {.exit = record_exit_signal_state},
    [HANDLER_FILE_WRITE] = {.exit = record_exit_file_write},
    [HANDLER_OPEN] = {.exit = record_exit_open},
    [HANDLER_FILE_RESIZE] = {.exit = record_exit_file_resize},
    [HANDLER_FILE_TRANSFER] = {.entry = record_entry_transfer, .exit = record_exit_transfer},
    [HANDLER_AFFINITY] = {.entry = record_entry_affinity, .exit = record_exit_affinity},
    [HANDLER_PROCESSOR] = {.exit = record_exit_processor},
    [HANDLER_PROCESS_VM_WRITEV] = {.exit = record_exit_process_vm_writev},
};

static const struct syscall_hooks *hooks_of(const struct syscall_row *row) {
    static const struct syscall_hooks none;
    return row->handler < sizeof(hooks) / sizeof(hooks[0]) ? &hooks[row->handler] : &none;
}

/* ---- entry ---- */

static void note_call(struct recorder *recorder) {
    const struct user_regs_struct *regs = &recorder->thread->entry;
    recorder->thread->call = (struct syscall_call){
        .number = regs->orig_rax,
        .args = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9},
    };
}

/* Calls that are not x86-64 calls at all. */
static struct error *find_foreign(struct recorder *recorder, bool *ret) {
    uint8_t code[SYSCALL_LENGTH] = {0};
    /* most calls come from few places: a place that was looked at is not looked at again */
    uint64_t *known =
        &recorder->thread->process->known_calls[(recorder->thread->entry.rip >> 1) % KNOWN_CALLS];
    *ret = false;
    if (*known == recorder->thread->entry.rip && recorder->thread->entry.cs == CODE_SEGMENT_64)
        return NULL;
    if (task_read(recorder->thread->task, recorder->thread->entry.rip - SYSCALL_LENGTH, code, sizeof(code)) !=
        sizeof(code)) { /* killed meanwhile, or the vsyscall page */
        struct user_regs_struct regs;
        TRY(trace_get_registers(recorder->thread->task->tid, &regs));
    }
    if (recorder->thread->entry.cs == CODE_SEGMENT_64 && code[0] == 0x0f && code[1] == 0x05) {
        *known = recorder->thread->entry.rip;
        return NULL;
    }
    if (recorder->thread->entry.cs == CODE_SEGMENT_64 &&
        record_sysbuf_covers_call(recorder, recorder->thread->entry.rip - SYSCALL_LENGTH))
        return NULL;
    recorder_stop(recorder, "the program makes a call of another kind (int 0x80 or vsyscall) at 0x%llx",
                  (unsigned long long)recorder->thread->entry.rip);
    *ret = true;
    return NULL;
}

/* Make the kernel skip the call; its result is set at the exit. */
static struct error *skip_call(struct recorder *recorder) {
    TRY(record_set_argument(recorder, ARGUMENT_REGISTER(orig_rax), (uint64_t)-1));
    return record_set_argument(recorder, ARGUMENT_REGISTER(rax), (uint64_t)-ENOSYS);
}

static void warn_refused(const struct recorder *recorder) {
    static bool warned[1024];
    uint64_t number = recorder->thread->call.number;
    const struct syscall_row *row = recorder->thread->row;
    if (number >= 1024 || warned[number] || number == SYS_rseq)
        return;
    warned[number] = true;
    const char *why =
        row->handler == HANDLER_SECCOMP ? "a filter that asks another process cannot be recorded" : row->why;
    say("%s: answered as if %s%s%s", row->name,
        number == SYS_ptrace ? "it were not permitted" : "this kernel did not have it", why ? ": " : "",
        why ? why : "");
}

/* Buffers may overwrite what names them: see syscall_vectors(). */
static struct error *save_vectors(struct recorder *recorder) {
    const struct memory_reader memory = task_memory(recorder->thread->task);
    struct memory_ranges *vectors = &recorder->thread->vectors;
    vectors->count = 0;
    buffer_clear(&recorder->thread->vector_bytes);
    TRY(syscall_vectors(&recorder->thread->call, &memory, vectors));
    for (size_t i = 0; i < vectors->count; i++) {
        struct memory_range *range = &vectors->ranges[i];
        uint8_t bytes[PAGE];
        uint64_t done = 0;
        while (done < range->size) {
            size_t part = range->size - done < PAGE ? (size_t)(range->size - done) : PAGE;
            size_t got = memory_read(&memory, range->address + done, bytes, part);
            buffer_put(&recorder->thread->vector_bytes, bytes, got);
            done += got;
            if (got < part)
                break;
        }
        range->size = done;
    }
    return buffer_check(&recorder->thread->vector_bytes);
}

/* The program's memory, except that vectors are as they were at the entry. */
static size_t read_with_vectors(void *context, uint64_t address, void *ret, size_t size) {
    const struct recorder *recorder = context;
    const struct memory_reader memory = task_memory(recorder->thread->task);
    const uint8_t *saved = recorder->thread->vector_bytes.data;
    size_t got = memory_read(&memory, address, ret, size);
    for (size_t i = 0; i < recorder->thread->vectors.count; i++) {
        const struct memory_range *range = &recorder->thread->vectors.ranges[i];
        uint64_t from = range->address > address ? range->address : address;
        uint64_t to =
            range->address + range->size < address + got ? range->address + range->size : address + got;
        if (from < to)
            memcpy((uint8_t *)ret + (from - address), saved + (from - range->address), to - from);
        saved += range->size;
    }
    return got;
}

struct error *record_note_entry(struct recorder *recorder, bool *ret_foreign) {
    struct thread *thread = recorder->thread;
    thread->in_call = thread->refused = thread->granted = thread->trapped = false;
    TRY(trace_get_registers(thread->task->tid, &thread->entry));
    TRY(record_sysbuf_entry(recorder, &thread->entry));
    note_call(recorder);
    thread->row = syscall_find(thread->call.number);
    return find_foreign(recorder, ret_foreign);
}

struct error *record_entry(struct recorder *recorder) {
    bool foreign;
    recorder->thread->phase = PHASE_RUNNING;
    recorder->thread->in_call = false;
    recorder->thread->clone_flags = 0;
    recorder->join = NULL;
    recorder->thread->joins = false;
    TRY(record_note_entry(recorder, &foreign));
    bool filtered;
    TRY(record_sysbuf_filtered(recorder, &filtered));
    if (filtered)
        return task_resume_later(recorder->thread->task, RESUME_CONT, 0);
    if (recorder->thread->deferred_count) {
        bool injected;
        TRY(record_inject(recorder, &injected));
        if (injected)
            return NULL;
    }
    if (foreign)
        return task_resume_later(recorder->thread->task, RESUME_CONT, 0);
    if (!recorder->thread->row) { /* not in the table: it may still answer ENOSYS, which is no harm */
        return task_resume_later(recorder->thread->task, RESUME_SYSCALL, 0);
    }
    TRY(record_sysbuf_shape(recorder));
    bool joins;
    TRY(record_late_entry_write(recorder, &joins));
    if (joins)
        return NULL;
    TRY(save_vectors(recorder));
    const struct syscall_hooks *row_hooks = hooks_of(recorder->thread->row);
    recorder->thread->refused = recorder->thread->row->handler == HANDLER_REFUSE;
    if (row_hooks->entry)
        TRY(row_hooks->entry(recorder));
    TRY(record_kill_entry(recorder));
    if (recorder->mode != RECORDER_RECORDING) /* its exit: what was changed for the call is put back */
        return task_resume_later(recorder->thread->task, RESUME_SYSCALL, 0);
    if (recorder->thread->refused) {
        if (!recorder->thread->granted)
            warn_refused(recorder);
        TRY(skip_call(recorder));
    }
    recorder->thread->in_call = true;
    record_turn_entered(recorder);
    return task_resume_later(recorder->thread->task, RESUME_SYSCALL, 0);
}

/* ---- exit ---- */

/* The call whose outputs these are: restart_syscall goes on with an interrupted one. */
static const struct syscall_call *output_call(struct recorder *recorder) {
    if (recorder->thread->call.number == RESTART_SYSCALL_NR && recorder->thread->restarted.number) {
        recorder->thread->restarted.result = recorder->thread->call.result;
        return &recorder->thread->restarted;
    }
    if (recorder->thread->call.result == -516) /* ERESTART_RESTARTBLOCK: restart_syscall will follow */
        recorder->thread->restarted = recorder->thread->call;
    return &recorder->thread->call;
}

/* Direct I/O reads whole blocks: at the end of a file it fills more of the buffer than its result says. Only
 * what is short can have such an end, and its size is one of blocks. */
static bool reads_direct(const struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    switch (call->number) {
    case SYS_read:
    case SYS_pread64:
        if (call->result <= 0 || (uint64_t)call->result >= call->args[2] || call->args[2] % 512)
            return false;
        break;
    case SYS_readv:
    case SYS_preadv:
    case SYS_preadv2:
        if (call->result <= 0)
            return false;
        break;
    default:
        return false;
    }
    char path[64];
    unsigned flags = 0;
    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", record_tid(recorder), (int)call->args[0]);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "pos: %*d flags: %o", &flags) != 1)
        flags = 0;
    if (file)
        fclose(file);
    return flags & O_DIRECT;
}

static struct error *add_outputs(struct recorder *recorder) {
    struct memory_ranges ranges = {0};
    recorder->thread->call.direct = reads_direct(recorder);
    const struct memory_reader memory = {read_with_vectors, recorder};
    struct error *err = syscall_outputs(output_call(recorder), &memory, &ranges);
    for (size_t i = 0; !err && i < ranges.count; i++)
        err = effects_add_memory(&recorder->effects, recorder->thread->task, ranges.ranges[i].address,
                                 ranges.ranges[i].size);
    memory_ranges_deinit(&ranges);
    if (error_is(err, ERROR_UNSUPPORTED)) {
        recorder_stop(recorder, "%s", err->message);
        error_free(err);
        err = NULL;
    }
    return err;
}

/* Did a call that reel has no row for do anything? */
static bool must_stop(struct recorder *recorder) {
    if (!recorder->thread->row && recorder->thread->call.result != -ENOSYS) {
        recorder_stop(recorder, "system call %llu is unknown to this reel",
                      (unsigned long long)recorder->thread->call.number);
        return true;
    }
    if (recorder->thread->row && recorder->thread->row->handler == HANDLER_STOP &&
        record_succeeded(recorder)) {
        record_entry_unsupported(recorder);
        return true;
    }
    return false;
}

static struct error *gather(struct recorder *recorder) {
    if (!recorder->thread->row)
        return NULL;
    TRY(add_outputs(recorder));
    const struct syscall_hooks *row_hooks = hooks_of(recorder->thread->row);
    return row_hooks->exit ? row_hooks->exit(recorder) : NULL;
}

/* What a call that was not made is answered. */
static uint64_t refusal(const struct recorder *recorder) {
    if (recorder->thread->granted)
        return 0;
    if (recorder->thread->call.number == SYS_ptrace)
        return (uint64_t)-EPERM;
    switch (recorder->thread->row->handler) {
    case HANDLER_FILE_TRANSFER:
    case HANDLER_MADVISE:
    case HANDLER_PRCTL:
    case HANDLER_ARCH_PRCTL:
    case HANDLER_SECCOMP:
        return (uint64_t)-EINVAL;
    default:
        return (uint64_t)-ENOSYS;
    }
}

struct error *record_finish_call(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    if (!recorder->thread->in_call)
        return NULL;
    recorder->thread->in_call = false;
    if (recorder->thread->row->handler == HANDLER_MADVISE && (uint32_t)call->args[2] == MADV_FREE)
        TRY(record_set_argument(recorder, ARGUMENT_REGISTER(rdx), call->args[2]));
    return recorder->thread->refused
               ? record_set_argument(recorder, ARGUMENT_REGISTER(rax), refusal(recorder))
               : NULL;
}

/* The current call has returned and left these registers: log it. */
static struct error *log_exit(struct recorder *recorder, const struct user_regs_struct *regs) {
    recorder->thread->in_call = false;
    recorder->thread->blocked = false;
    recorder->thread->call.result = (int64_t)regs->rax;
    if (recorder->thread->call.number == SYS_set_tid_address)
        recorder->thread->clear_tid = recorder->thread->call.args[0];
    effects_clear(&recorder->effects);
    TRY(record_sysbuf_hide(recorder));
    if (!must_stop(recorder))
        TRY(gather(recorder));
    enum event_stream stream = record_output_stream(recorder);
    if (stream != STREAM_NONE)
        TRY(effects_add(&recorder->effects, EFFECT_ORDER, recorder->session->shown++, 0, NULL, 0));
    TRY(recorder_append_syscall(recorder, recorder->thread->call.result, stream));
    TRY(record_thread_begin(recorder));
    TRY(record_kill_await(recorder));
    if (++recorder->calls_since_check >= CHECK_EVERY && recorder->mode == RECORDER_RECORDING &&
        !record_turn_writes(recorder)) {
        recorder->calls_since_check = 0;
        TRY(record_check(recorder));
    }
    recorder->thread->last = *regs;
    recorder->thread->last_is_call =
        !recorder->thread->row || recorder->thread->row->handler != HANDLER_SIGRETURN;
    recorder->thread->last_time = clock_now();
    if (recorder->thread->last_is_call)
        recorder->thread->call_time = recorder->thread->last_time;
    return NULL;
}

struct error *record_taken(struct recorder *recorder, const struct user_regs_struct *entry,
                           const struct user_regs_struct *regs) {
    struct thread *thread = recorder->thread;
    thread->refused = thread->granted = thread->trapped = thread->joins = false;
    recorder->join = NULL;
    thread->entry = *entry;
    note_call(recorder);
    thread->row = syscall_find(thread->call.number);
    thread->clone_flags = 0;
    thread->vectors.count = 0;
    buffer_clear(&thread->vector_bytes);
    return log_exit(recorder, regs);
}

struct error *record_exit(struct recorder *recorder) {
    struct user_regs_struct regs;
    TRY(record_untraced_exit(recorder->session, recorder->thread->task));
    TRY(trace_get_registers(recorder->thread->task->tid, &regs));
    if (recorder->thread->refused) {
        regs.rax = refusal(recorder);
        TRY(trace_set_registers(recorder->thread->task->tid, &regs));
    }
    TRY(log_exit(recorder, &regs));
    TRY(record_sysbuf_exit(recorder));
    if (recorder->join && recorder->mode == RECORDER_RECORDING)
        return record_late_join(recorder, recorder->join);
    return record_turn_resume(recorder);
}
