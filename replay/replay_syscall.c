/* replay_syscall: what happens instead of each call of the program. record_syscall.c is the twin.
 *
 * Every call is answered from the log: result into rax, outputs into memory. The rows below are those that
 * also shape the address space, which is done in the puppet at the recorded addresses, or change registers by
 * themselves. */
#include "replay/replayer_state.h"

#include "base/say.h"
#include "replay/written.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct error *syscall_replay(struct replayer *replayer, const struct event *event);

static uint32_t mapped_file(const struct event *event) {
    for (uint32_t i = 0; i < event->effect_count; i++)
        if (event->effects[i].kind == EFFECT_MAP_FILE)
            return event->effects[i].file;
    return 0;
}

static struct error *replay_mmap(struct replayer *replayer, const struct event *event) {
    const uint64_t *args = event->syscall.args;
    uint64_t address = (uint64_t)event->syscall.result;
    /* /dev/zero and the like have no stored file: shared or not, they are anonymous memory */
    bool shared = (args[3] & MAP_TYPE) != MAP_PRIVATE;
    if (args[3] & MAP_GROWSDOWN) /* the program's own accesses will make it grow */
        return puppet_call(replayer->puppet, SYS_mmap,
                           (const uint64_t[6]){address, args[1], args[2],
                                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN,
                                               (uint64_t)-1},
                           (int64_t)address);
    return puppet_map(replayer->puppet, address, args[1],
                      (int)(args[2] & (PROT_READ | PROT_WRITE | PROT_EXEC)), shared, mapped_file(event),
                      mapped_file(event) ? args[5] : 0);
}

static struct error *replay_munmap(struct replayer *replayer, const struct event *event) {
    return puppet_unmap(replayer->puppet, event->syscall.args[0], event->syscall.args[1]);
}

/* To the beginning of a mapping that grows down; what it grows by later has the same protection. In the
 * puppet that is the mapping as far as it may ever grow. */
static struct error *protect_downwards(struct replayer *replayer, const struct event *event) {
    struct maps maps;
    const uint64_t *args = event->syscall.args;
    TRY(maps_read(replayer->puppet->task->tid, &maps));
    const struct mapping *mapping = maps_find(&maps, args[0]);
    uint64_t start = mapping ? mapping->start : args[0];
    maps_deinit(&maps);
    return puppet_call(
        replayer->puppet, SYS_mprotect,
        (const uint64_t[6]){start, args[0] + args[1] - start, args[2] & ~(uint64_t)PROT_GROWSDOWN}, 0);
}

static struct error *replay_mprotect(struct replayer *replayer, const struct event *event) {
    const uint64_t *args = event->syscall.args;
    if (args[2] & PROT_GROWSDOWN)
        return protect_downwards(replayer, event);
    return puppet_call(replayer->puppet, SYS_mprotect, (const uint64_t[6]){args[0], args[1], args[2]},
                       event->syscall.result);
}

static struct error *replay_mremap(struct replayer *replayer, const struct event *event) {
    const uint64_t *args = event->syscall.args;
    uint64_t to = (uint64_t)event->syscall.result;
    uint64_t flags = args[3] & MREMAP_DONTUNMAP;
    if (to != args[0])
        flags |= MREMAP_MAYMOVE | MREMAP_FIXED;
    return puppet_call(replayer->puppet, SYS_mremap,
                       (const uint64_t[6]){args[0], args[1], args[2], flags, to}, (int64_t)to);
}

/* Only advice that changes contents matters. MADV_FREE was made MADV_DONTNEED when it was recorded, and no
 * memory of the puppet is locked. */
static struct error *replay_madvise(struct replayer *replayer, const struct event *event) {
    const uint64_t *args = event->syscall.args;
    uint64_t advice = args[2] == MADV_REMOVE ? MADV_REMOVE : MADV_DONTNEED;
    if (!memory_advice_discards(args[2]))
        return NULL;
    return puppet_call(replayer->puppet, SYS_madvise, (const uint64_t[6]){args[0], args[1], advice},
                       event->syscall.result);
}

static struct error *replay_brk(struct replayer *replayer, const struct event *event) {
    return puppet_set_brk(replayer->puppet, (uint64_t)event->syscall.result);
}

static struct attachment *find_attachment(struct replayer *replayer, uint64_t address) {
    for (size_t i = 0; i < replayer->process->attachment_count; i++)
        if (replayer->process->attachments[i].address == address)
            return &replayer->process->attachments[i];
    return NULL;
}

static struct error *add_attachment(struct replayer *replayer, uint64_t id, uint64_t address, uint64_t size) {
    if (replayer->process->attachment_count == ATTACHMENTS_MOST)
        return error_new(ERROR_UNSUPPORTED, "replay: more than %d shared segments attached",
                         ATTACHMENTS_MOST);
    replayer->process->attachments[replayer->process->attachment_count++] =
        (struct attachment){.id = id, .address = address, .size = size};
    return NULL;
}

/* The contents that were logged tell the size of the segment. */
static struct error *replay_shmat(struct replayer *replayer, const struct event *event) {
    uint64_t size = 0, address = (uint64_t)event->syscall.result;
    int protection = PROT_READ | (event->syscall.args[2] & SHM_RDONLY ? 0 : PROT_WRITE);
    for (uint32_t i = 0; i < event->effect_count; i++)
        if (event->effects[i].kind == EFFECT_MEMORY)
            size += event->effects[i].size;
    TRY(add_attachment(replayer, event->syscall.args[0], address, size));
    TRY(puppet_attach(replayer->puppet, event->syscall.args[0], address, size));
    TRY(replay_effects(replayer, event)); /* while it can be written */
    return puppet_call(replayer->puppet, SYS_mprotect,
                       (const uint64_t[6]){address, size, (uint64_t)protection}, 0);
}

struct error *replay_segment(struct replayer *replayer, const struct effect *effect) {
    uint64_t size, id = effect->file - 1u;
    memcpy(&size, effect->bytes, sizeof(size));
    TRY(add_attachment(replayer, id, effect->address, size));
    return puppet_attach(replayer->puppet, id, effect->address, size);
}

static struct error *replay_shmdt(struct replayer *replayer, const struct event *event) {
    struct attachment *attachment = find_attachment(replayer, event->syscall.args[0]);
    if (!attachment)
        return error_new(ERROR_BAD_DATA, "recording: shmdt of what was not attached");
    uint64_t address = attachment->address, size = attachment->size;
    *attachment = replayer->process->attachments[--replayer->process->attachment_count];
    return puppet_unmap(replayer->puppet, address, size);
}

/* The stack may grow to another limit from now on; where it had grown to stays. */
static struct error *replay_setrlimit(struct replayer *replayer, const struct event *event) {
    struct rlimit limit;
    uint64_t pointer = event->syscall.args[event->syscall.number == SYS_prlimit64 ? 2 : 1];
    for (uint32_t i = 0; i < event->effect_count; i++)
        if (event->effects[i].kind == EFFECT_STACK &&
            task_read(replayer->puppet->task, pointer, &limit, sizeof(limit)) == sizeof(limit))
            return puppet_set_stack_limit(replayer->puppet, limit.rlim_cur, event->effects[i].address);
    return NULL;
}

enum { ARCH_SET_GS_CODE = 0x1001, ARCH_SET_FS_CODE = 0x1002 }; /* asm/prctl.h */

static struct error *replay_arch_prctl(struct replayer *replayer, const struct event *event) {
    if (event->syscall.args[0] == ARCH_SET_FS_CODE)
        replayer->regs.fs_base = event->syscall.args[1];
    else if (event->syscall.args[0] == ARCH_SET_GS_CODE)
        replayer->regs.gs_base = event->syscall.args[1];
    return NULL;
}

/* Called for calls that succeeded, before the event's effects. */
static syscall_replay *const actions[] = {
    [HANDLER_MMAP] = replay_mmap,
    [HANDLER_MUNMAP] = replay_munmap,
    [HANDLER_MPROTECT] = replay_mprotect,
    [HANDLER_MREMAP] = replay_mremap,
    [HANDLER_MADVISE] = replay_madvise,
    [HANDLER_BRK] = replay_brk,
    [HANDLER_SHMAT] = replay_shmat,
    [HANDLER_SHMDT] = replay_shmdt,
    [HANDLER_ARCH_PRCTL] = replay_arch_prctl,
    [HANDLER_SETRLIMIT] = replay_setrlimit,
};

/* ---- checks ---- */

static struct error *check_call(struct replayer *replayer, const struct event *event) {
    const struct user_regs_struct *regs = &replayer->regs;
    const uint64_t found[6] = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9};
    if (regs->orig_rax != event->syscall.number) {
        const struct syscall_row *row = syscall_find(regs->orig_rax);
        return replay_diverged(replayer, event, "found a call of %s (%llu)",
                               row ? row->name : "an unknown call", (unsigned long long)regs->orig_rax);
    }
    if (regs->rip != event->syscall.rip)
        return replay_diverged(replayer, event, "expected at 0x%llx, found at 0x%llx",
                               (unsigned long long)event->syscall.rip, (unsigned long long)regs->rip);
    for (size_t i = 0; i < 6; i++)
        if (found[i] != event->syscall.args[i])
            return replay_diverged(replayer, event, "argument %zu: expected 0x%llx, found 0x%llx", i + 1,
                                   (unsigned long long)event->syscall.args[i], (unsigned long long)found[i]);
    if (registers_hash(regs) != event->syscall.registers_hash)
        return replay_diverged(replayer, event, "registers differ from the recorded ones");
    return NULL;
}

/* ---- output ---- */

static void show(const void *bytes, size_t size, enum event_stream stream) {
    static bool told[3];
    int fd = stream == STREAM_STDOUT ? STDOUT_FILENO : STDERR_FILENO;
    for (size_t done = 0; done < size;) {
        ssize_t put = write(fd, (const char *)bytes + done, size - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN) { /* somebody made it non-blocking */
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        if (put <= 0) { /* the replay goes on, also when nobody reads it any more */
            if (!told[stream] && errno != EPIPE)
                say_always("output of the replay: %s (some of it is not shown)", strerror(errno));
            told[stream] = true;
            return;
        }
        done += (size_t)put;
    }
}

static void show_written(void *context, const void *bytes, size_t size) {
    show(bytes, size, *(const enum event_stream *)context);
}

/* What the call wrote to the recorded program's standard output or error. */
static void show_output(struct replayer *replayer, const struct event *event) {
    const struct memory_reader memory = task_memory(replayer->puppet->task);
    enum event_stream stream = event->syscall.stream;
    if (written_visit(&memory, event->syscall.number, event->syscall.args, (uint64_t)event->syscall.result,
                      show_written, &stream))
        return;
    for (uint32_t i = 0; i < event->effect_count; i++) /* bytes that never were in memory are in the event */
        if (event->effects[i].kind == EFFECT_SHOW)
            show(event->effects[i].bytes, event->effects[i].size, event->syscall.stream);
}

/* When the call's own effects are there: sendmmsg says in memory how much it has sent. */
static struct error *check_written(struct replayer *replayer, const struct event *event) {
    const struct memory_reader memory = task_memory(replayer->puppet->task);
    if (event->syscall.written_hash ==
        written_hash(&memory, event->syscall.number, event->syscall.args, event->syscall.result))
        return NULL;
    return replay_diverged(replayer, event, "what it writes differs from what was written");
}

/* ---- the call ---- */

static bool replaces_registers(const struct event *event) {
    for (uint32_t i = 0; i < event->effect_count; i++)
        if (event->effects[i].kind == EFFECT_REGISTERS)
            return true;
    return false;
}

/* An interrupted call that will be made again: the kernel puts the program back in front of the instruction,
 * with the number in rax, which is that of restart_syscall when the kernel keeps state of the call. When a
 * handler runs first, its event brings its own registers. */
static void restart(struct user_regs_struct *regs, const struct event *event) {
    regs->rip -= 2;
    regs->rax = event->syscall.result == -516 ? SYS_restart_syscall : event->syscall.number;
}

static struct error *set_result(struct replayer *replayer, const struct event *event) {
    struct user_regs_struct *regs = &replayer->regs;
    if (!replaces_registers(event)) {
        regs->rax = (uint64_t)event->syscall.result;
        if (syscall_restarts(event->syscall.result))
            restart(regs, event);
    }
    replayer->restarting = !replaces_registers(event) && syscall_restarts(event->syscall.result);
    regs->orig_rax = (unsigned long long)-1;
    return trace_set_registers(replayer->puppet->task->tid, regs);
}

/* A filter of the program's own gave the result, whatever it looks like. */
static bool is_answered(const struct event *event) {
    for (uint32_t i = 0; i < event->effect_count; i++)
        if (event->effects[i].kind == EFFECT_ANSWERED)
            return true;
    return false;
}

/* Over a hole these do what they can and then fail (mprotect(2), madvise(2)): so they must in the puppet. */
static bool fails_partly(const struct syscall_row *row, const struct event *event) {
    return event->syscall.result == -ENOMEM &&
           (row->handler == HANDLER_MPROTECT || row->handler == HANDLER_MADVISE);
}

/* Run to the entry of the call, unless it stands there since an EVENT_BLOCKED. */
static struct error *run_to_call(struct replayer *replayer, const struct event *event) {
    if (!replayer->thread->blocked)
        TRY(replay_run_to(replayer, event, STOP_SYSCALL_ENTRY, 0));
    replayer->thread->blocked = false;
    return check_call(replayer, event);
}

struct error *replay_blocked(struct replayer *replayer, const struct event *event) {
    if (replayer->thread->blocked)
        return error_new(ERROR_BAD_DATA, "recording: event %llu: the task is in a call already",
                         (unsigned long long)event->number);
    TRY(run_to_call(replayer, event));
    replayer->thread->blocked = true;
    return replay_effects(replayer, event);
}

/* All threads end with this exit. */
static bool ends_process(const struct replayer *replayer, const struct event *event) {
    return event->syscall.number == SYS_exit_group || replayer->process->thread_count == 1;
}

static struct error *take_answer(struct replayer *replayer, const struct event *event) {
    TRY(check_written(replayer, event));
    replayer->restarting = false;
    replayer->regs.rax = (uint64_t)event->syscall.result;
    replayer->regs.orig_rax = (unsigned long long)-1;
    return trace_set_registers(replayer->puppet->task->tid, &replayer->regs);
}

struct error *replay_syscall(struct replayer *replayer, const struct event *event) {
    TRY(run_to_call(replayer, event));
    if (is_answered(event))
        return take_answer(replayer, event);
    const struct syscall_row *row = syscall_find(event->syscall.number);
    bool failed = syscall_failed(event->syscall.result);
    if (row && (!failed || fails_partly(row, event)) && row->handler < sizeof(actions) / sizeof(actions[0]) &&
        actions[row->handler]) {
        TRY(replay_leave_point(replayer));
        TRY(actions[row->handler](replayer, event));
    }
    TRY(replay_effects(replayer, event));
    TRY(check_written(replayer, event));
    if (event->syscall.stream != STREAM_NONE && !failed && !replayer->options->quiet &&
        event->number > replayer->told)
        show_output(replayer, event);
    if (row && !failed &&
        (row->handler == HANDLER_EXECVE || (row->handler == HANDLER_EXIT && ends_process(replayer, event))))
        TRY(replay_check_memory(replayer, event));
    return set_result(replayer, event);
}
