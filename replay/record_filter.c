/* record_filter: seccomp filters that the program installs.
 *
 * They are really installed and stand beside reel's. The kernel asks all filters about a call, and the
 * strongest answer counts: KILL, TRAP and ERRNO before reel's TRACE, ALLOW and LOG behind it. A call that
 * such a filter has answered never comes to reel's filter. So the tasks of such a program are watched: the
 * stop at the entry of a call comes before the filters. What follows tells what they said:
 *
 *     seccomp stop of reel's    the call is made, as always
 *     seccomp stop, other data  the filter says TRACE: no tracer of its own is there, so the answer is ENOSYS
 *     exit stop                 it was answered, by ERRNO or TRAP (SIGSYS follows); EFFECT_ANSWERED
 *     the end                   KILL. Of a thread, or of the process
 *
 * Strict mode is refused by the kernel to who has a filter; reel imitates it. The vdso makes system calls
 * under reel, which filters must not see: they become traps (record_guard_vdso()). */
#include "replay/record_hooks.h"

#include "tracer/launch.h"
#include "tracer/process.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- which calls install what ---- */

enum install { INSTALL_NOTHING, INSTALL_STRICT, INSTALL_FILTER };

static enum install what_installs(uint64_t number, const uint64_t args[6]) {
    if (number == SYS_prctl && args[0] == PR_SET_SECCOMP)
        return args[1] == SECCOMP_MODE_STRICT   ? INSTALL_STRICT
               : args[1] == SECCOMP_MODE_FILTER ? INSTALL_FILTER
                                                : INSTALL_NOTHING;
    if (number != SYS_seccomp)
        return INSTALL_NOTHING;
    if ((uint32_t)args[0] == SECCOMP_SET_MODE_STRICT && !args[1] && !args[2])
        return INSTALL_STRICT;
    return (uint32_t)args[0] == SECCOMP_SET_MODE_FILTER ? INSTALL_FILTER : INSTALL_NOTHING;
}

/* The filter asks another process, whose answers reel would not see. */
static bool asks_others(uint64_t number, const uint64_t args[6]) {
    return number == SYS_seccomp && args[1] & SECCOMP_FILTER_FLAG_NEW_LISTENER;
}

static bool is_allowed_strictly(uint64_t number) {
    return number == SYS_read || number == SYS_write || number == SYS_exit || number == SYS_rt_sigreturn;
}

/* Has the process other threads? */
static bool has_company(const struct thread *thread) {
    return record_living_thread(thread->process, thread) != NULL;
}

struct error *record_entry_seccomp(struct recorder *recorder) {
    struct thread *thread = recorder->thread;
    enum install install = what_installs(thread->call.number, thread->call.args);
    if (install == INSTALL_FILTER)
        thread->refused = asks_others(thread->call.number, thread->call.args);
    if (install == INSTALL_STRICT && !thread->task->filtered) {
        thread->refused = true;
        thread->granted = !has_company(thread); /* it would kill a thread alone */
    }
    return NULL;
}

struct error *record_exit_seccomp(struct recorder *recorder) {
    struct thread *thread = recorder->thread;
    enum install install = what_installs(thread->call.number, thread->call.args);
    if (install == INSTALL_NOTHING || thread->call.result != 0) /* positive: the thread that is in the way */
        return NULL;
    bool all = thread->call.number == SYS_seccomp && thread->call.args[1] & SECCOMP_FILTER_FLAG_TSYNC;
    for (struct thread *other = recorder->threads; other; other = other->next) {
        if (!other->task || other->process != thread->process || (other != thread && !all))
            continue;
        other->task->strict = install == INSTALL_STRICT;
        other->task->filtered = other->task->watched = install == INSTALL_FILTER;
    }
    return record_guard_vdso(thread->task, &recorder->thread->process->sites, &recorder->effects);
}

void record_filter_begin(struct recorder *recorder) {
    recorder->thread->task->watched = recorder->thread->task->filtered;
}

/* ---- calls that are judged ---- */

static uint64_t robust_list(pid_t tid) {
    void *address = NULL;
    size_t size;
    return syscall(SYS_get_robust_list, tid, &address, &size) < 0 ? 0 : (uint64_t)address;
}

struct error *record_filter_entry(struct recorder *recorder) {
    struct thread *thread = recorder->thread;
    bool foreign;
    thread->phase = PHASE_RUNNING;
    TRY(record_note_entry(recorder, &foreign));
    if (foreign)
        return task_resume_later(thread->task, RESUME_CONT, 0);
    thread->judging = true;
    thread->robust_list = recorder->thread_count > 1 ? robust_list(thread->task->tid) : 0;
    return task_resume_later(thread->task, RESUME_SYSCALL, 0);
}

static struct error *skip(struct task *task, struct user_regs_struct *regs, int64_t result) {
    regs->orig_rax = (unsigned long long)-1;
    regs->rax = (unsigned long long)result;
    return trace_set_registers(task->tid, regs);
}

struct error *record_filter_passed(struct recorder *recorder, const struct stop *stop, bool *ret_made) {
    struct thread *thread = recorder->thread;
    struct user_regs_struct regs;
    TRY(trace_get_registers(stop->task->tid, &regs));
    if (stop->task->strict && !is_allowed_strictly(regs.orig_rax)) {
        bool foreign;
        *ret_made = false;
        TRY(record_note_entry(recorder, &foreign));
        effects_clear(&recorder->effects);
        TRY(record_turn_blocked(recorder));
        recorder->thread->process->dying = recorder->process_count == 1;
        syscall(SYS_tgkill, recorder->thread->process->pid, stop->task->tid, SIGKILL);
        return NULL;
    }
    *ret_made = !stop->task->filtered || stop->message == LAUNCH_FILTER_DATA;
    thread->judging = !*ret_made;
    if (*ret_made)
        return NULL;
    TRY(skip(stop->task, &regs, -ENOSYS));
    return task_resume_later(stop->task, RESUME_SYSCALL, 0);
}

struct error *record_filter_answered(struct recorder *recorder) {
    struct thread *thread = recorder->thread;
    struct user_regs_struct regs;
    thread->judging = false;
    TRY(trace_get_registers(thread->task->tid, &regs));
    thread->call.result = (int64_t)regs.rax;
    thread->trapped = regs.rax == thread->call.number; /* TRAP puts it back, as if nothing had been called */
    effects_clear(&recorder->effects);
    TRY(effects_add(&recorder->effects, EFFECT_ANSWERED, 0, 0, NULL, 0));
    TRY(recorder_append_syscall(recorder, thread->call.result, STREAM_NONE));
    thread->last = regs;
    thread->last_is_call = true;
    thread->last_time = thread->call_time = clock_now();
    return record_turn_resume(recorder);
}

/* ---- ends ---- */

struct error *record_filter_killed(struct recorder *recorder, const struct stop *stop, bool *ret_killed) {
    struct thread *thread = recorder->thread;
    bool by_filter = stop->kind == STOP_KILLED && stop->status == SIGSYS;
    *ret_killed = by_filter && (thread->judging || thread->trapped);
    if (!by_filter || !thread->judging || recorder->mode != RECORDER_RECORDING)
        return NULL;
    effects_clear(&recorder->effects);
    TRY(record_turn_blocked(recorder));
    return thread == thread->process->leader ? NULL : record_thread_note_killed(recorder);
}

struct error *record_filter_tick(struct recorder *recorder) {
    struct thread *thread = recorder->turn;
    if (recorder->mode != RECORDER_RECORDING || !thread || !thread->judging ||
        thread != thread->process->leader || !has_company(thread) || !process_is_ended(thread->tid))
        return NULL;
    recorder->thread = thread;
    effects_clear(&recorder->effects);
    TRY(record_turn_blocked(recorder));
    return record_thread_note_killed(recorder);
}

/* ---- tasks that are not recorded ---- */

/* Its memory is its own, and not that of a recorded parent. */
static void guard(struct session *session, struct task *task) {
    const struct sharer *sharer = record_find_sharer(session->lane, task->tid);
    if (sharer && !sharer->origin_domain)
        error_free(record_guard_vdso(task, &sharer->sites, NULL));
}

struct error *record_filter_pass(struct session *session, const struct stop *stop,
                                 struct user_regs_struct *regs, bool *ret_made) {
    struct task *task = stop->task;
    const uint64_t args[6] = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9};
    enum install install = what_installs(regs->orig_rax, args);
    *ret_made = true;
    if (task->strict && !is_allowed_strictly(regs->orig_rax)) {
        syscall(SYS_tkill, task->tid, SIGKILL);
        return NULL;
    }
    if (task->filtered && stop->message != LAUNCH_FILTER_DATA) {
        *ret_made = false;
        return skip(task, regs, -ENOSYS);
    }
    if (install == INSTALL_NOTHING)
        return NULL;
    guard(session, task);
    if (install == INSTALL_FILTER && asks_others(regs->orig_rax, args)) {
        *ret_made = false;
        return skip(task, regs, -EINVAL);
    }
    if (install == INSTALL_STRICT && !task->filtered) {
        *ret_made = false;
        task->strict = true;
        return skip(task, regs, 0);
    }
    task->filtered = true;
    return NULL;
}
