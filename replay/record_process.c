/* record_process: calls that make and end processes, and those that change what the processor does. */
#include "replay/record_hooks.h"
#include "replay/record_sysbuf.h"

#include "base/say.h"
#include "tracer/maps.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- processes ---- */

/* The flags of any of the fork family, as clone takes them. */
struct error *record_clone_flags(struct recorder *recorder, uint64_t *ret) {
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

struct error *record_entry_clone(struct recorder *recorder) {
    uint64_t flags;
    enum untraced_outcome untraced;
    TRY(record_clone_flags(recorder, &flags));
    TRY(record_untraced_entry(recorder->session, recorder->thread->task, &recorder->thread->entry,
                              &untraced));
    recorder->thread->refused = untraced == UNTRACED_UNWRITABLE;
    recorder->thread->clone_flags = flags;
    recorder->thread->joins = false;
    if (flags & CLONE_THREAD)
        return NULL;
    if (flags & CLONE_VM && !(flags & CLONE_VFORK)) {
        recorder_stop(recorder,
                      "the program starts a process that shares its memory, which cannot be recorded yet");
        return NULL;
    }
    if (flags & CLONE_VM)
        record_sysbuf_pause(recorder, true);
    if (flags & CLONE_VM) { /* vfork: the child will write to this very memory */
        recorder->thread->before = calloc(1, sizeof(*recorder->thread->before));
        if (!recorder->thread->before)
            return &error_no_memory;
        TRY(maps_read_stopped(record_tid(recorder), &recorder->thread->maps_before));
        return record_sysbuf_image(recorder, recorder->thread->before);
    }
    TRY(record_has_shared_memory(recorder, &recorder->thread->joins));
    if (recorder->thread->joins && flags & CLONE_VFORK) /* the domain would wait for the child */
        recorder_stop(recorder, "the program waits for the exec of a process with which it shares memory, "
                                "which cannot be recorded yet");
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
    TRY(maps_read_stopped(record_tid(recorder), &maps));
    bool same = maps.count == recorder->thread->maps_before.count;
    for (size_t i = 0; same && i < maps.count; i++)
        same = same_mapping(&recorder->thread->maps_before.mappings[i], &maps.mappings[i]);
    maps_deinit(&maps);
    if (!same)
        recorder_stop(recorder,
                      "a child of vfork changed what memory is mapped, which cannot be recorded yet");
    return NULL;
}

struct error *record_exit_clone(struct recorder *recorder) {
    record_sysbuf_pause(recorder, false);
    if (!recorder->thread->before)
        return NULL;
    struct image after;
    TRY(check_same_maps(recorder));
    if (recorder->mode != RECORDER_RECORDING) {
        record_drop_before(recorder);
        return NULL;
    }
    struct error *err = record_sysbuf_image(recorder, &after);
    if (!err) {
        err = image_compare(recorder->thread->before, &after, add_difference, recorder);
        image_deinit(&after);
    }
    record_drop_before(recorder);
    return err;
}

struct error *record_entry_execve(struct recorder *recorder) {
    if (recorder->thread_count > 1) { /* what calls of the others have written is in the image below */
        effects_clear(&recorder->effects);
        TRY(record_turn_add_outputs(recorder));
        TRY(record_turn_blocked(recorder));
    }
    if (!recorder->session->options->check_memory)
        return NULL;
    recorder->thread->before = calloc(1, sizeof(*recorder->thread->before));
    return recorder->thread->before ? record_sysbuf_image(recorder, recorder->thread->before)
                                    : &error_no_memory;
}

struct error *record_exit_execve(struct recorder *recorder) {
    record_drop_before(recorder); /* it failed: the program lives on */
    return NULL;
}

/* A call that does not come back: its event is logged now. */
struct error *record_entry_exit(struct recorder *recorder) {
    effects_clear(&recorder->effects);
    struct process *process = recorder->thread->process;
    if (recorder->thread->call.number == SYS_exit && process->thread_count > 1) {
        TRY(record_thread_note_end(recorder));
    } else {
        process->exiting = true;
        recorder->ending = recorder->thread_count > 1 ? process : NULL;
        TRY(record_joined_note_end(recorder, process));
        TRY(record_turn_add_outputs(recorder));
        TRY(record_end_memory(recorder));
    }
    return recorder_append_syscall(recorder, 0, STREAM_NONE);
}

/* ---- processor state ---- */

struct error *record_exit_sigreturn(struct recorder *recorder) {
    struct user_regs_struct regs;
    TRY(trace_get_registers(recorder->thread->task->tid, &regs));
    TRY(effects_add_registers(&recorder->effects, &regs));
    TRY(effects_add_xstate(&recorder->effects, recorder->thread->task));
    TRY(record_bad_frame(recorder));
    return record_signal_changed(recorder);
}

struct error *record_exit_signal_state(struct recorder *recorder) {
    return record_succeeded(recorder) ? record_signal_changed(recorder) : NULL;
}

struct error *record_entry_prctl(struct recorder *recorder) {
    switch (recorder->thread->call.args[0]) {
    case PR_SET_DUMPABLE: /* /proc is closed then to all but root: reel could not see what it maps or writes
                           */
        if (recorder->thread->call.args[1] == 0 && geteuid() != 0)
            recorder_stop(recorder, "the program forbids others to look at it (PR_SET_DUMPABLE), which only "
                                    "root can record");
        return NULL;
    case PR_SET_SECCOMP:
        return record_entry_seccomp(recorder);
    case PR_SET_TSC: /* would change what reel's own traps do; the program's rdtsc is answered either way */
    case PR_SET_SYSCALL_USER_DISPATCH:
    case PR_SET_MM:
        recorder->thread->refused = true;
        return NULL;
    default:
        return NULL;
    }
}

/* Shadow stacks, CPUID faulting and tagged addresses change what plain instructions do. */
struct error *record_entry_arch_prctl(struct recorder *recorder) {
    uint64_t code = recorder->thread->call.args[0];
    bool segment_bases = code >= 0x1001 && code <= 0x1004; /* ARCH_SET_GS, SET_FS, GET_FS, GET_GS */
    recorder->thread->refused = !segment_bases && code != 0x1011 && !(code >= 0x1021 && code <= 0x1025);
    return NULL;
}

struct error *record_exit_process_vm_writev(struct recorder *recorder) {
    const struct thread *target = record_find_named(recorder, (pid_t)recorder->thread->call.args[0]);
    if (!record_succeeded(recorder) || !target)
        return NULL;
    if (target->process != recorder->thread->process)
        record_shared_poked(recorder, target->process->pid);
    else
        recorder_stop(recorder, "process_vm_writev to itself cannot be recorded yet");
    return NULL;
}
