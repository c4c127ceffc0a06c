/* record_syscall: what the recorder does at the entry and the exit of each call. replay_syscall.c is the
 * twin.
 *
 * The table (tracer/syscalls.def) decides: most calls are plain, run as they are, and their result and
 * outputs are logged. The rows below are for the others: an `entry` that may change or refuse the call before
 * it runs, an `exit` that adds effects. */
#include "base/say.h"
#include "replay/puppet.h"
#include "replay/recorder_state.h"
#include "tracer/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CODE_SEGMENT_64 0x33
/* Memory is checked after every so many calls. */
#define CHECK_EVERY        256
#define PAGE               4096u
#define SYSCALL_LENGTH     2
#define RESTART_SYSCALL_NR 219

struct syscall_hooks {
    /* Before the call runs. May set recorder->thread->refused, change the task's registers, or stop the
     * recording. */
    struct error *(*entry)(struct recorder *recorder);
    /* After it ran, before the event is appended: add effects. */
    struct error *(*exit)(struct recorder *recorder);
};

/* ---- what several of them need ---- */

static bool succeeded(const struct recorder *recorder) {
    return !syscall_failed(recorder->thread->call.result);
}

static struct error *set_argument(struct recorder *recorder, size_t offset, uint64_t value) {
    return trace_set_user_word(recorder->thread->task->tid, offset, value);
}

#define ARGUMENT_REGISTER(name) (offsetof(struct user, regs) + offsetof(struct user_regs_struct, name))

/* ---- memory ---- */

static bool covers_stub(uint64_t address, uint64_t size) {
    return address < PUPPET_STUB + PUPPET_STUB_SIZE && address + size > PUPPET_STUB;
}

/* The recording ends when a memory call has changed, or looked at, the page that replay keeps for itself. */
static bool stop_at_stub(struct recorder *recorder, uint64_t address, uint64_t size) {
    if (!covers_stub(address, size))
        return false;
    recorder_stop(recorder, "%s of memory at 0x%llx, which replay needs", recorder->thread->row->name,
                  PUPPET_STUB);
    return true;
}

/* How much of [start, start + size) is mapped. */
static uint64_t mapped_part(const struct maps *maps, uint64_t start, uint64_t size) {
    uint64_t sum = 0;
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        uint64_t from = mapping->start > start ? mapping->start : start;
        uint64_t to = mapping->end < start + size ? mapping->end : start + size;
        sum += from < to ? to - from : 0;
    }
    return sum;
}

/* What a driver refuses at the last moment has unmapped what was there before. */
static struct error *failed_mmap(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    uint64_t size = (call->args[1] + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    struct maps maps;
    if (!(call->args[3] & MAP_FIXED) || call->args[3] & MAP_ANONYMOUS || call->args[0] % PAGE ||
        call->result == -EBADF || call->result == -EACCES)
        return NULL;
    TRY(maps_read(recorder->process->pid, &maps));
    if (mapped_part(&maps, call->args[0], size) < size)
        recorder_stop(recorder, "mmap with MAP_FIXED failed and left a hole, which cannot be recorded");
    maps_deinit(&maps);
    return NULL;
}

static struct error *exit_mmap(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    if (!succeeded(recorder))
        return failed_mmap(recorder);
    uint64_t address = (uint64_t)call->result;
    if (stop_at_stub(recorder, address, call->args[1]))
        return NULL;
    insn_sites_remove(&recorder->process->sites, address, address + call->args[1]);
    if (call->args[3] & MAP_ANONYMOUS)
        return NULL;
    return record_mapped(recorder, address, call->args[1], (int)call->args[2], (int)call->args[3],
                         (int)call->args[4], call->args[5]);
}

static struct error *exit_munmap(struct recorder *recorder) {
    if (succeeded(recorder) &&
        !stop_at_stub(recorder, recorder->thread->call.args[0], recorder->thread->call.args[1]))
        insn_sites_remove(&recorder->process->sites, recorder->thread->call.args[0],
                          recorder->thread->call.args[0] + recorder->thread->call.args[1]);
    return NULL;
}

/* Refused by one mapping (a read-only file, a sealed one), it has been done to those before. */
static struct error *failed_mprotect(struct recorder *recorder) {
    const uint64_t *args = recorder->thread->call.args;
    struct maps maps;
    TRY(maps_read(recorder->process->pid, &maps));
    const struct mapping *first = maps_find(&maps, args[0]);
    if (first && (uint64_t)first->protection == (args[2] & (PROT_READ | PROT_WRITE | PROT_EXEC)))
        recorder_stop(recorder, "mprotect failed half-way, which cannot be recorded");
    maps_deinit(&maps);
    return NULL;
}

static struct error *exit_mprotect(struct recorder *recorder) {
    const uint64_t *args = recorder->thread->call.args;
    bool partly = recorder->thread->call.result == -ENOMEM; /* up to a hole it was done */
    if (recorder->thread->call.result == -EACCES || recorder->thread->call.result == -EPERM)
        return failed_mprotect(recorder);
    if ((!succeeded(recorder) && !partly) || stop_at_stub(recorder, args[0], args[1]))
        return NULL;
    return args[2] & PROT_EXEC ? record_executable(recorder, args[0], args[1]) : NULL;
}

static struct error *exit_mremap(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    if (!succeeded(recorder) || stop_at_stub(recorder, (uint64_t)call->result, call->args[2]))
        return NULL;
    if ((uint64_t)call->result != call->args[0])
        insn_sites_remove(&recorder->process->sites, call->args[0], call->args[0] + call->args[1]);
    if (call->args[2] > call->args[1])
        return record_grown(recorder, (uint64_t)call->result, call->args[2]);
    return NULL;
}

static bool private_anonymous(const struct maps *maps, uint64_t start, uint64_t size) {
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        if (mapping->start < start + size && mapping->end > start && (mapping->shared || mapping->inode))
            return false;
    }
    return true;
}

/* MADV_FREE lets the kernel choose when pages become zero; MADV_DONTNEED is one of its choices, and always
 * the same. Of other memory than private anonymous memory the kernel refuses the one and does the other. */
static struct error *entry_madvise(struct recorder *recorder) {
    const uint64_t *args = recorder->thread->call.args;
    struct maps maps;
    if ((uint32_t)args[2] != MADV_FREE) {
        recorder->thread->refused = !memory_advice_known(args[2]);
        return NULL;
    }
    TRY(maps_read(recorder->process->pid, &maps));
    recorder->thread->refused = !private_anonymous(&maps, args[0], args[1]);
    maps_deinit(&maps);
    return recorder->thread->refused ? NULL : set_argument(recorder, ARGUMENT_REGISTER(rdx), MADV_DONTNEED);
}

/* Refused by one mapping (a locked or a sealed one), it has been done to those before: what is there now is
 * logged. */
static struct error *failed_madvise(struct recorder *recorder) {
    const uint64_t *args = recorder->thread->call.args;
    struct maps maps;
    struct error *err = NULL;
    TRY(maps_read(recorder->process->pid, &maps));
    for (size_t i = 0; !err && i < maps.count; i++) {
        const struct mapping *mapping = &maps.mappings[i];
        uint64_t from = mapping->start > args[0] ? mapping->start : args[0];
        uint64_t to = mapping->end < args[0] + args[1] ? mapping->end : args[0] + args[1];
        if (from < to && !mapping->shared)
            err = effects_add_memory(&recorder->effects, recorder->thread->task, from, to - from);
    }
    maps_deinit(&maps);
    return err;
}

static struct error *exit_madvise(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    if (succeeded(recorder) || call->result == -ENOMEM)
        stop_at_stub(recorder, call->args[0], call->args[1]);
    if ((uint32_t)call->args[2] == MADV_FREE) /* the argument register is the program's own again */
        TRY(set_argument(recorder, ARGUMENT_REGISTER(rdx), call->args[2]));
    bool failed = call->result == -EINVAL || call->result == -EPERM;
    if (failed && !recorder->thread->refused && memory_advice_discards(call->args[2]) &&
        call->args[0] % PAGE == 0)
        return failed_madvise(recorder);
    if (succeeded(recorder) || call->result == -ENOMEM)
        stop_at_stub(recorder, call->args[0], call->args[1]);
    return NULL;
}

/* How often the program itself has this System V segment attached: such mappings bear its id as their inode.
 */
static unsigned own_attachments(const struct maps *maps, uint64_t id) {
    unsigned count = 0;
    for (size_t i = 0; i < maps->count; i++)
        count += maps->mappings[i].inode == id && strncmp(maps->mappings[i].name, "/SYSV", 5) == 0;
    return count;
}

/* A segment that nobody else has attached is memory like any other; its contents are logged as they are when
 * it is attached. */
static struct error *exit_shmat(struct recorder *recorder) {
    struct shmid_ds info;
    struct maps maps;
    uint64_t address = (uint64_t)recorder->thread->call.result, id = recorder->thread->call.args[0];
    if (!succeeded(recorder))
        return NULL;
    TRY(maps_read(recorder->process->pid, &maps));
    const struct mapping *mapping = maps_find(&maps, address);
    struct error *err = NULL;
    uint64_t size = mapping ? mapping->end - mapping->start : 0;
    if (mapping && stop_at_stub(recorder, address, size))
        err = NULL;
    else if (!mapping || shmctl((int)id, IPC_STAT, &info) < 0 ||
             info.shm_nattch != own_attachments(&maps, id))
        recorder_stop(recorder, "shmat: memory shared with other processes cannot be recorded yet");
    else
        err = effects_add_memory(&recorder->effects, recorder->thread->task, address, size);
    maps_deinit(&maps);
    return err;
}

static struct error *entry_unsupported(struct recorder *recorder) {
    recorder_stop(recorder, "%s cannot be recorded%s%s", recorder->thread->row->name,
                  recorder->thread->row->why ? ": " : "",
                  recorder->thread->row->why ? recorder->thread->row->why : "");
    return NULL;
}

/* A lower stack limit takes nothing away that the stack has grown to already. */
static struct error *exit_setrlimit(struct recorder *recorder) {
    const struct syscall_call *call = &recorder->thread->call;
    bool prlimit = call->number == SYS_prlimit64;
    bool own = !prlimit || call->args[0] == 0 || (pid_t)call->args[0] == recorder->process->pid;
    if (!succeeded(recorder) || !own || call->args[prlimit ? 1 : 0] != RLIMIT_STACK ||
        !call->args[prlimit ? 2 : 1])
        return NULL;
    struct maps maps;
    struct error *err = NULL;
    TRY(maps_read(recorder->process->pid, &maps));
    for (size_t i = 0; !err && i < maps.count; i++)
        if (strcmp(maps.mappings[i].name, "[stack]") == 0)
            err = effects_add(&recorder->effects, EFFECT_STACK, maps.mappings[i].start, 0, NULL, 0);
    maps_deinit(&maps);
    return err;
}

/* With READ_IMPLIES_EXEC all that is readable becomes executable: nothing says so in the calls. */
static struct error *entry_personality(struct recorder *recorder) {
    uint64_t persona = recorder->thread->call.args[0];
    if (persona != 0xffffffff && persona & READ_IMPLIES_EXEC)
        recorder_stop(recorder, "the program sets READ_IMPLIES_EXEC, which cannot be recorded");
    return NULL;
}

/* ---- processes ---- */

/* The flags of any of the fork family, as clone takes them. */
static struct error *clone_flags(struct recorder *recorder, uint64_t *ret) {
    switch (recorder->thread->call.number) {
    case SYS_fork:
        *ret = SIGCHLD;
        return NULL;
    case SYS_vfork:
        *ret = CLONE_VM | CLONE_VFORK | SIGCHLD;
        return NULL;
    case SYS_clone:
        *ret = recorder->thread->call.args[0];
        return NULL;
    default: /* clone3: the first field of struct clone_args */
        *ret = 0;
        task_read(recorder->thread->task, recorder->thread->call.args[0], ret, sizeof(*ret));
        return NULL;
    }
}

static struct error *entry_clone(struct recorder *recorder) {
    uint64_t flags;
    TRY(clone_flags(recorder, &flags));
    if (flags & CLONE_THREAD || (flags & CLONE_VM && !(flags & CLONE_VFORK))) {
        recorder_stop(recorder, "the program starts a thread, and threads cannot be recorded yet");
        return NULL;
    }
    if (flags & CLONE_VM) { /* vfork: the child will write to this very memory */
        recorder->thread->before = calloc(1, sizeof(*recorder->thread->before));
        if (!recorder->thread->before)
            return &error_no_memory;
        TRY(maps_read(recorder->process->pid, &recorder->thread->maps_before));
        return image_take(recorder->thread->task, 0, 0, recorder->thread->before);
    }
    bool shared;
    TRY(record_has_shared_memory(recorder, &shared));
    if (shared)
        recorder_stop(recorder, "the program forks while it has shared memory, which cannot be recorded yet");
    return NULL;
}

static struct error *add_difference(void *context, uint64_t address, uint64_t size) {
    struct recorder *recorder = context;
    return effects_add_memory(&recorder->effects, recorder->thread->task, address, size);
}

void record_drop_before(struct recorder *recorder) {
    if (!recorder->thread->before)
        return;
    image_deinit(recorder->thread->before);
    free(recorder->thread->before);
    recorder->thread->before = NULL;
    maps_deinit(&recorder->thread->maps_before);
}

static bool same_mapping(const struct mapping *a, const struct mapping *b) {
    bool stack = strcmp(a->name, "[stack]") == 0; /* it may have grown */
    return (a->start == b->start || stack) && a->end == b->end && a->protection == b->protection &&
           a->shared == b->shared && a->offset == b->offset && a->device == b->device && a->inode == b->inode;
}

/* A vfork child that maps memory does so in its parent, too. */
static struct error *check_same_maps(struct recorder *recorder) {
    struct maps maps;
    TRY(maps_read(recorder->process->pid, &maps));
    bool same = maps.count == recorder->thread->maps_before.count;
    for (size_t i = 0; same && i < maps.count; i++)
        same = same_mapping(&recorder->thread->maps_before.mappings[i], &maps.mappings[i]);
    maps_deinit(&maps);
    if (!same)
        recorder_stop(recorder,
                      "a child of vfork changed what memory is mapped, which cannot be recorded yet");
    return NULL;
}

static struct error *exit_clone(struct recorder *recorder) {
    if (!recorder->thread->before)
        return NULL;
    struct image after;
    TRY(check_same_maps(recorder));
    if (recorder->mode != RECORDER_RECORDING) {
        record_drop_before(recorder);
        return NULL;
    }
    struct error *err = image_take(recorder->thread->task, 0, 0, &after);
    if (!err) {
        err = image_compare(recorder->thread->before, &after, add_difference, recorder);
        image_deinit(&after);
    }
    record_drop_before(recorder);
    return err;
}

static struct error *entry_execve(struct recorder *recorder) {
    if (!recorder->session->options->check_memory)
        return NULL;
    recorder->thread->before = calloc(1, sizeof(*recorder->thread->before));
    return recorder->thread->before ? image_take(recorder->thread->task, 0, 0, recorder->thread->before)
                                    : &error_no_memory;
}

static struct error *exit_execve(struct recorder *recorder) {
    record_drop_before(recorder); /* it failed: the program lives on */
    return NULL;
}

/* A call that does not come back: its event is logged now. */
static struct error *entry_exit(struct recorder *recorder) {
    TRY(record_end_memory(recorder));
    return recorder_append_syscall(recorder, 0, STREAM_NONE);
}

/* ---- processor state ---- */

static struct error *exit_sigreturn(struct recorder *recorder) {
    struct user_regs_struct regs;
    TRY(trace_get_registers(recorder->thread->task->tid, &regs));
    TRY(effects_add_registers(&recorder->effects, &regs));
    TRY(effects_add_xstate(&recorder->effects, recorder->thread->task));
    TRY(record_bad_frame(recorder));
    return record_signal_changed(recorder);
}

static struct error *exit_signal_state(struct recorder *recorder) {
    return succeeded(recorder) ? record_signal_changed(recorder) : NULL;
}

static struct error *entry_prctl(struct recorder *recorder) {
    switch (recorder->thread->call.args[0]) {
    case PR_SET_DUMPABLE: /* /proc is closed then to all but root: reel could not see what it maps or writes
                           */
        if (recorder->thread->call.args[1] == 0 && geteuid() != 0)
            recorder_stop(recorder, "the program forbids others to look at it (PR_SET_DUMPABLE), which only "
                                    "root can record");
        return NULL;
    case PR_SET_SECCOMP:
        recorder_stop(recorder, "the program installs a seccomp filter, which cannot be recorded yet");
        return NULL;
    case PR_SET_TSC: /* would change what reel's own traps do; the program's rdtsc is answered either way */
    case PR_SET_SYSCALL_USER_DISPATCH:
    case PR_SET_MM:
        recorder->thread->refused = true;
        return NULL;
    default:
        return NULL;
    }
}

static struct error *entry_seccomp(struct recorder *recorder) {
    if (recorder->thread->call.args[0] <= 1) /* SECCOMP_SET_MODE_STRICT, _FILTER */
        recorder_stop(recorder, "the program installs a seccomp filter, which cannot be recorded yet");
    return NULL;
}

/* Shadow stacks, CPUID faulting and tagged addresses change what plain instructions do. */
static struct error *entry_arch_prctl(struct recorder *recorder) {
    uint64_t code = recorder->thread->call.args[0];
    bool segment_bases = code >= 0x1001 && code <= 0x1004; /* ARCH_SET_GS, SET_FS, GET_FS, GET_GS */
    recorder->thread->refused = !segment_bases && code != 0x1011 && !(code >= 0x1021 && code <= 0x1025);
    return NULL;
}

static struct error *exit_process_vm_writev(struct recorder *recorder) {
    if (succeeded(recorder) && (pid_t)recorder->thread->call.args[0] == recorder->process->pid)
        recorder_stop(recorder, "process_vm_writev to itself cannot be recorded yet");
    return NULL;
}

static const struct syscall_hooks hooks[] = {
    [HANDLER_MMAP] = {.exit = exit_mmap},
    [HANDLER_MUNMAP] = {.exit = exit_munmap},
    [HANDLER_MPROTECT] = {.exit = exit_mprotect},
    [HANDLER_MREMAP] = {.exit = exit_mremap},
    [HANDLER_MADVISE] = {.entry = entry_madvise, .exit = exit_madvise},
    [HANDLER_SHMAT] = {.exit = exit_shmat},
    [HANDLER_REMAP_FILE_PAGES] = {.entry = entry_unsupported},
    [HANDLER_EXECVE] = {.entry = entry_execve, .exit = exit_execve},
    [HANDLER_EXIT] = {.entry = entry_exit},
    [HANDLER_CLONE] = {.entry = entry_clone, .exit = exit_clone},
    [HANDLER_ARCH_PRCTL] = {.entry = entry_arch_prctl},
    [HANDLER_PRCTL] = {.entry = entry_prctl},
    [HANDLER_SECCOMP] = {.entry = entry_seccomp},
    [HANDLER_SETRLIMIT] = {.exit = exit_setrlimit},
    [HANDLER_PERSONALITY] = {.entry = entry_personality},
    [HANDLER_SIGRETURN] = {.exit = exit_sigreturn},
    [HANDLER_SIGACTION] = {.exit = exit_signal_state},
    [HANDLER_SIGPROCMASK] = {.exit = exit_signal_state},
    [HANDLER_FILE_WRITE] = {.exit = record_exit_file_write},
    [HANDLER_OPEN] = {.exit = record_exit_open},
    [HANDLER_FILE_RESIZE] = {.exit = record_exit_file_resize},
    [HANDLER_FILE_TRANSFER] = {.entry = record_entry_transfer, .exit = record_exit_transfer},
    [HANDLER_PROCESS_VM_WRITEV] = {.exit = exit_process_vm_writev},
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
static bool foreign_call(struct recorder *recorder) {
    uint8_t code[SYSCALL_LENGTH] = {0};
    /* most calls come from few places: a place that was looked at is not looked at again */
    uint64_t *known = &recorder->process->known_calls[(recorder->thread->entry.rip >> 1) % KNOWN_CALLS];
    if (*known == recorder->thread->entry.rip && recorder->thread->entry.cs == CODE_SEGMENT_64)
        return false;
    task_read(recorder->thread->task, recorder->thread->entry.rip - SYSCALL_LENGTH, code, sizeof(code));
    if (recorder->thread->entry.cs == CODE_SEGMENT_64 && code[0] == 0x0f && code[1] == 0x05) {
        *known = recorder->thread->entry.rip;
        return false;
    }
    recorder_stop(recorder, "the program makes a call of another kind (int 0x80 or vsyscall) at 0x%llx",
                  (unsigned long long)recorder->thread->entry.rip);
    return true;
}

/* Make the kernel skip the call; its result is set at the exit. */
static struct error *skip_call(struct recorder *recorder) {
    TRY(set_argument(recorder, ARGUMENT_REGISTER(orig_rax), (uint64_t)-1));
    return set_argument(recorder, ARGUMENT_REGISTER(rax), (uint64_t)-ENOSYS);
}

static void warn_refused(const struct recorder *recorder) {
    static bool warned[1024];
    if (recorder->thread->call.number >= 1024 || warned[recorder->thread->call.number] ||
        recorder->thread->call.number == SYS_rseq)
        return;
    warned[recorder->thread->call.number] = true;
    say("%s: answered as if this kernel did not have it%s%s", recorder->thread->row->name,
        recorder->thread->row->why ? ": " : "", recorder->thread->row->why ? recorder->thread->row->why : "");
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

struct error *record_entry(struct recorder *recorder) {
    recorder->thread->phase = PHASE_RUNNING;
    recorder->thread->in_call = false;
    if (recorder->thread->deferred_count) {
        bool injected;
        TRY(record_inject(recorder, &injected));
        if (injected)
            return NULL;
    }
    TRY(trace_get_registers(recorder->thread->task->tid, &recorder->thread->entry));
    note_call(recorder);
    recorder->thread->refused = false;
    recorder->thread->row = syscall_find(recorder->thread->call.number);
    if (foreign_call(recorder))
        return task_resume(recorder->thread->task, RESUME_CONT, 0);
    if (!recorder->thread->row) { /* not in the table: it may still answer ENOSYS, which is no harm */
        return task_resume(recorder->thread->task, RESUME_SYSCALL, 0);
    }
    TRY(save_vectors(recorder));
    const struct syscall_hooks *row_hooks = hooks_of(recorder->thread->row);
    recorder->thread->refused = recorder->thread->row->handler == HANDLER_REFUSE;
    if (row_hooks->entry)
        TRY(row_hooks->entry(recorder));
    if (recorder->mode != RECORDER_RECORDING)
        return task_resume(recorder->thread->task, RESUME_CONT, 0);
    if (recorder->thread->refused) {
        warn_refused(recorder);
        TRY(skip_call(recorder));
    }
    recorder->thread->in_call = true;
    return task_resume(recorder->thread->task, RESUME_SYSCALL, 0);
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
    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", recorder->process->pid, (int)call->args[0]);
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
    if (recorder->thread->row && recorder->thread->row->handler == HANDLER_STOP && succeeded(recorder)) {
        entry_unsupported(recorder);
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
    switch (recorder->thread->row->handler) {
    case HANDLER_FILE_TRANSFER:
    case HANDLER_MADVISE:
    case HANDLER_PRCTL:
    case HANDLER_ARCH_PRCTL:
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
        TRY(set_argument(recorder, ARGUMENT_REGISTER(rdx), call->args[2]));
    return recorder->thread->refused ? set_argument(recorder, ARGUMENT_REGISTER(rax), refusal(recorder))
                                     : NULL;
}

struct error *record_exit(struct recorder *recorder) {
    struct user_regs_struct regs;
    recorder->thread->in_call = false;
    TRY(trace_get_registers(recorder->thread->task->tid, &regs));
    if (recorder->thread->refused) {
        regs.rax = refusal(recorder);
        TRY(trace_set_registers(recorder->thread->task->tid, &regs));
    }
    recorder->thread->call.result = (int64_t)regs.rax;
    effects_clear(&recorder->effects);
    if (!must_stop(recorder))
        TRY(gather(recorder));
    TRY(recorder_append_syscall(recorder, recorder->thread->call.result, record_output_stream(recorder)));
    if (++recorder->calls_since_check >= CHECK_EVERY && recorder->mode == RECORDER_RECORDING) {
        recorder->calls_since_check = 0;
        TRY(record_check(recorder));
    }
    recorder->thread->last = regs;
    return task_resume(recorder->thread->task, RESUME_CONT, 0);
}
