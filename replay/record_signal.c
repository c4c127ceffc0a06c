/* record_signal: signals and trapped instructions while recording. replay_event.c is the twin.
 *
 * A signal that the program's own instruction raises comes again by itself in the replay. Any other may
 * arrive anywhere; replay must be able to find the place again. Where the program has executed no instruction
 * since the last event (it was in a system call, as programs mostly are), the place is that event. Otherwise
 * a signal that a handler will see is kept back, but for a moment only, until the next system call, which is
 * cancelled, and made again after the handler. When none comes, or none is likely to come, the signal is
 * delivered where the program is: at a point (record_point.c). So is one that kills. Signals that do nothing
 * to the process or stop it are let through at once.
 *
 * The handler's frame, written by the kernel, is logged with the registers at the handler's first
 * instruction. */
#include "replay/record_sysbuf.h"
#include "replay/recorder_state.h"

#include "base/say.h"
#include "tracer/maps.h"
#include "tracer/process.h"
#include "tracer/remote.h"
#include "tracer/step.h"
#include "tracer/vdso.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>

/* A signal waits for a system call this long, in nanoseconds; not at all when the program has made none for
 * longer than that. */
#define PATIENCE 2000000ull

/* First real-time signal as the kernel numbers them; libc keeps two for itself. */
#define SIGRTMIN_KERNEL 32

static struct error *undo_forced_signal(struct recorder *recorder, uint64_t rsp);

static uint64_t signal_bit(int signo) {
    return 1ull << (signo - 1);
}

/* ---- dispositions ---- */

static struct error *read_status(const struct recorder *recorder, struct process_status *ret) {
    struct error *err = process_status(recorder->thread->task->tid, ret);
    if (!error_is(err, ERROR_NOT_FOUND))
        return err;
    error_free(err);
    return error_system(ESRCH, "task %d", recorder->thread->task->tid);
}

struct error *record_bad_frame(struct recorder *recorder) {
    struct process_status status;
    TRY(read_status(recorder, &status));
    if (status.pending & signal_bit(SIGSEGV)) {
        recorder->thread->frame_failed = true;
        recorder->thread->delivering_place = SIGNAL_AFTER_EVENT;
    }
    return NULL;
}

static struct error *find_disposition(const struct recorder *recorder, int signo, enum disposition *ret) {
    struct process_status status;
    TRY(read_status(recorder, &status));
    *ret = process_disposition(&status, signo);
    return NULL;
}

struct error *record_is_ignored(struct recorder *recorder, int signo, bool *ret) {
    enum disposition disposition;
    TRY(find_disposition(recorder, signo, &disposition));
    *ret = disposition == DISPOSITION_IGNORED;
    return NULL;
}

static bool is_synchronous(const siginfo_t *info) {
    switch (info->si_signo) {
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
        return info->si_code >
               0; /* by the kernel, for this instruction; kill(2) and its kin give 0 or less */
    default:
        return false;
    }
}

/* ---- logging a signal ---- */

static struct error *append_signal(struct recorder *recorder, const siginfo_t *info, enum signal_place place,
                                   enum signal_outcome outcome, const struct user_regs_struct *at) {
    struct event event = {.kind = EVENT_SIGNAL};
    event.signal.signo = info->si_signo;
    event.signal.place = place;
    event.signal.outcome = outcome;
    event.signal.rip = at->rip;
    event.signal.registers_hash = registers_hash(at);
    memcpy(event.signal.info, info, sizeof(*info) < SIGINFO_SIZE ? sizeof(*info) : SIGINFO_SIZE);
    if (place == SIGNAL_AT_POINT) {
        event.signal.point = recorder->thread->point.data;
        event.signal.point_size = (uint32_t)recorder->thread->point.size;
    }
    return recorder_append(recorder, &event);
}

/* Bytes of a signal frame at rsp: return address, ucontext, siginfo, and above them the floating-point state,
 * whose end the pointer in the ucontext and the size in its software-reserved bytes tell
 * (arch/x86/include/uapi/asm/sigcontext.h). */
static uint64_t frame_size(struct recorder *recorder, uint64_t rsp) {
    enum { BASE = 1024, LEGACY = 512, MAGIC_AT = 464 };
    ucontext_t context;
    uint32_t reserved[2] = {0};
    if (task_read(recorder->thread->task, rsp + 8, &context, offsetof(ucontext_t, __fpregs_mem)) !=
        offsetof(ucontext_t, __fpregs_mem))
        return BASE;
    uint64_t fpstate = (uint64_t)context.uc_mcontext.fpregs;
    if (fpstate <= rsp || fpstate - rsp > 65536)
        return BASE;
    uint64_t size = LEGACY;
    if (task_read(recorder->thread->task, fpstate + MAGIC_AT, reserved, sizeof(reserved)) ==
            sizeof(reserved) &&
        reserved[0] == 0x46505853 && reserved[1] <= XSTATE_MAX + 64) /* FP_XSTATE_MAGIC1 */
        size = reserved[1];
    return fpstate - rsp + size;
}

static struct error *append_handled(struct recorder *recorder, const struct user_regs_struct *regs) {
    effects_clear(&recorder->effects);
    TRY(effects_add_memory(&recorder->effects, recorder->thread->task, regs->rsp,
                           frame_size(recorder, regs->rsp)));
    TRY(effects_add_registers(&recorder->effects, regs));
    TRY(effects_add_xstate(&recorder->effects, recorder->thread->task));
    return append_signal(recorder, &recorder->thread->delivering, recorder->thread->delivering_place,
                         SIGNAL_HANDLED, &recorder->thread->delivering_at);
}

/* The last event was none of a system call. */
static void note_last(struct recorder *recorder, const struct user_regs_struct *regs) {
    recorder->thread->last = *regs;
    recorder->thread->last_is_call = false;
    recorder->thread->last_time = clock_now();
}

struct error *record_delivered(struct recorder *recorder, const struct stop *stop, bool *ret_handled) {
    struct user_regs_struct regs;
    recorder->thread->phase = PHASE_RUNNING;
    TRY(trace_get_registers(recorder->thread->task->tid, &regs));
    *ret_handled = stop->signo == SIGTRAP;
    if (!*ret_handled) {
        /* There was no room for the frame: the kernel makes it a SIGSEGV, which kills, where the signal came.
         * One that the program's own instruction raised comes first, and does nothing more. */
        if (recorder->thread->delivering_place == SIGNAL_SYNCHRONOUS) {
            TRY(append_signal(recorder, &recorder->thread->delivering, SIGNAL_SYNCHRONOUS, SIGNAL_IGNORED,
                              &recorder->thread->delivering_at));
            recorder->thread->delivering_place = SIGNAL_AFTER_EVENT;
        }
        recorder->thread->frame_failed = true;
        note_last(recorder, &regs);
        return NULL;
    }
    TRY(append_handled(recorder, &regs));
    TRY(record_signal_changed(recorder));
    note_last(recorder, &regs);
    return task_resume_later(recorder->thread->task, RESUME_CONT, 0);
}

/* The kernel spares the first process of a PID namespace also what its own instruction raises, when it is
 * traced: the instruction would raise it for ever. Without a tracer the signal kills. */
static struct error *is_spared(struct recorder *recorder, const siginfo_t *info, bool *ret) {
    struct process_status status;
    *ret = false;
    if (!is_synchronous(info))
        return NULL;
    TRY(read_status(recorder, &status));
    bool is_init = status.is_init;
    status.is_init = false;
    *ret = is_init && process_disposition(&status, info->si_signo) == DISPOSITION_FATAL;
    return NULL;
}

static struct error *kill_spared(struct recorder *recorder, const siginfo_t *info) {
    say_always(
        "process %d dies of SIGKILL, and would of %s: it is the first of a PID namespace, to which the "
        "kernel delivers no such signal under a tracer",
        recorder->thread->process->pid, signal_name(info->si_signo));
    kill(recorder->thread->process->pid, SIGKILL);
    return NULL;
}

/* Let the signal of this stop through and log what it does. */
static struct error *deliver(struct recorder *recorder, const siginfo_t *info, enum signal_place place,
                             const struct user_regs_struct *at) {
    enum disposition disposition;
    bool spared;
    recorder->thread->trapped = false;
    TRY(is_spared(recorder, info, &spared));
    TRY(find_disposition(recorder, info->si_signo, &disposition));
    if (spared)
        disposition = DISPOSITION_FATAL;
    switch (disposition) {
    case DISPOSITION_HANDLED:
        recorder->thread->delivering = *info;
        recorder->thread->delivering_place = place;
        recorder->thread->delivering_at = *at;
        recorder->thread->phase = PHASE_DELIVERING;
        return task_resume_later(recorder->thread->task, RESUME_STEP, info->si_signo);
    case DISPOSITION_FATAL:
        recorder->thread->process->dying = true;
        recorder->ending = recorder->thread_count > 1 ? recorder->thread->process : NULL;
        TRY(record_joined_note_end(recorder, recorder->thread->process));
        effects_clear(&recorder->effects);
        TRY(record_turn_add_outputs(recorder));
        TRY(record_end_memory(recorder));
        TRY(append_signal(recorder, info, place, SIGNAL_FATAL, at));
        if (spared)
            return kill_spared(recorder, info);
        break;
    case DISPOSITION_IGNORED:
        TRY(append_signal(recorder, info, place, SIGNAL_IGNORED, at));
        break;
    case DISPOSITION_STOPS:
        /* others will go on meanwhile: the log must say how far it came */
        if (place == SIGNAL_BEFORE_SYSCALL || place == SIGNAL_AT_POINT)
            TRY(append_signal(recorder, info, place, SIGNAL_IGNORED, at));
        break;
    }
    return task_resume_later(recorder->thread->task, RESUME_CONT, info->si_signo);
}

/* ---- asynchronous signals ---- */

static void forget_deferred(struct thread *thread, size_t index) {
    thread->deferred_count--;
    memmove(thread->deferred + index, thread->deferred + index + 1,
            (thread->deferred_count - index) * sizeof(thread->deferred[0]));
    thread->deferred_since = clock_now();
}

/* Keep the signal back. *ret_full: no more can be kept. */
static void keep(struct thread *thread, const siginfo_t *info, bool *ret_full) {
    *ret_full = thread->deferred_count == DEFERRED_MAX;
    for (size_t i = 0; i < thread->deferred_count; i++) /* ordinary signals do not queue */
        if (info->si_signo < SIGRTMIN_KERNEL && thread->deferred[i].signo == info->si_signo) {
            *ret_full = false;
            return;
        }
    if (*ret_full)
        return;
    if (!thread->deferred_count)
        thread->deferred_since = clock_now();
    thread->deferred[thread->deferred_count++] =
        (struct deferred_signal){.signo = info->si_signo, .info = *info};
}

/* Keep it back until the next system call, or until the next tick finds that it has waited for long enough.
 */
static struct error *defer(struct recorder *recorder, const siginfo_t *info) {
    bool full;
    keep(recorder->thread, info, &full);
    if (full) {
        recorder_stop(recorder, "more than %d signals came between two system calls", DEFERRED_MAX);
        return task_resume_later(recorder->thread->task, RESUME_CONT, info->si_signo);
    }
    TRY(record_hurry(recorder->session));
    return task_resume_later(recorder->thread->task, RESUME_CONT, 0);
}

/* The first deferred signal that the program does not block now (a handler's mask may), or deferred_count. */
static struct error *first_deliverable(struct recorder *recorder, size_t *ret) {
    uint64_t mask;
    TRY(trace_get_sigmask(recorder->thread->task->tid, &mask));
    for (*ret = 0; *ret < recorder->thread->deferred_count; ++*ret)
        if (!(mask & signal_bit(recorder->thread->deferred[*ret].signo)))
            break;
    return NULL;
}

/* Deliver a deferred signal where the program stands, in a signal stop (or another, if `moving`: then it is
 * stepped, which leads to one). A signal stop delivers whatever siginfo it is given. */
static struct error *deliver_at_point(struct recorder *recorder, bool moving) {
    struct thread *thread = recorder->thread;
    bool settled;
    size_t index;
    TRY(first_deliverable(recorder, &index));
    if (index == thread->deferred_count)
        return task_resume_later(thread->task, RESUME_CONT, 0);
    TRY(record_settle(recorder, moving, &settled));
    if (!settled)
        return thread->task->stopped ? task_resume_later(thread->task, RESUME_CONT, 0) : NULL;
    struct user_regs_struct regs;
    siginfo_t info = thread->deferred[index].info;
    TRY(trace_get_registers(thread->task->tid, &regs));
    TRY(record_take_point(recorder));
    TRY(trace_set_siginfo(thread->task->tid, &info));
    forget_deferred(thread, index);
    return deliver(recorder, &info, SIGNAL_AT_POINT, &regs);
}

/* Deliver the signal of this stop where it came, if that can be found again. */
static struct error *deliver_here(struct recorder *recorder, const siginfo_t *info,
                                  const struct user_regs_struct *regs, bool fatal) {
    uint8_t code[16];
    size_t length, size = record_sysbuf_read_code(recorder, regs->rip, code, sizeof(code));
    if (step_classify(code, size, &length) == STEP_REPEATS) {
        if (!fatal)
            recorder_stop(recorder, "more than %d signals came between two system calls", DEFERRED_MAX);
        return task_resume_later(recorder->thread->task, RESUME_CONT, info->si_signo);
    }
    TRY(record_take_point(recorder));
    return deliver(recorder, info, SIGNAL_AT_POINT, regs);
}

static struct error *record_asynchronous(struct recorder *recorder, const siginfo_t *info,
                                         struct user_regs_struct *regs) {
    struct thread *thread = recorder->thread;
    enum disposition disposition;
    enum sysbuf_stand stand;
    TRY(record_sysbuf_stand(recorder, regs, &stand));
    bool full, still = registers_compare(regs, &thread->last) == REGISTER_COUNT;
    if (still && thread->last_is_call && !thread->deferred_count)
        return deliver(recorder, info, SIGNAL_AFTER_EVENT, regs);
    TRY(find_disposition(recorder, info->si_signo, &disposition));
    if (stand != SYSBUF_STANDS_OUTSIDE &&
        (disposition == DISPOSITION_FATAL || disposition == DISPOSITION_HANDLED))
        return defer(recorder, info);
    if (disposition == DISPOSITION_FATAL)
        return deliver_here(recorder, info, regs, true);
    bool stops = disposition == DISPOSITION_STOPS && recorder->thread_count > 1;
    if (disposition != DISPOSITION_HANDLED && !stops) /* nothing that replay would see */
        return task_resume_later(thread->task, RESUME_CONT, info->si_signo);
    if (stand != SYSBUF_STANDS_OUTSIDE || (!still && clock_now() - thread->call_time < PATIENCE))
        return defer(recorder, info);
    keep(thread, info, &full);
    return full ? deliver_here(recorder, info, regs, false) : deliver_at_point(recorder, false);
}

struct error *record_interrupted(struct recorder *recorder) {
    size_t index;
    struct user_regs_struct regs;
    enum sysbuf_stand stand;
    recorder->thread->interrupted = false;
    TRY(trace_get_registers(recorder->thread->task->tid, &regs));
    TRY(record_sysbuf_stand(recorder, &regs, &stand));
    if (stand == SYSBUF_STANDS_INSIDE) /* its next call stops */
        return task_resume_later(recorder->thread->task, RESUME_CONT, 0);
    TRY(first_deliverable(recorder, &index));
    if (stand == SYSBUF_STANDS_BEHIND && index < recorder->thread->deferred_count)
        return task_resume_later(recorder->thread->task, RESUME_CONT, 0);
    return index < recorder->thread->deferred_count ? deliver_at_point(recorder, true)
                                                    : record_turn_preempt(recorder);
}

struct error *record_signal_tick(struct thread *thread) {
    if (!thread->task || thread->is_ready || !thread->deferred_count || thread->interrupted ||
        thread->in_call || thread->task->in_syscall || thread->phase != PHASE_RUNNING ||
        thread->task->stopped || clock_now() - thread->deferred_since < PATIENCE)
        return NULL;
    thread->interrupted = true;
    struct error *err = trace_interrupt(thread->task->tid);
    if (error_is(err, ERROR_TASK_GONE)) {
        error_free(err);
        err = NULL;
    }
    return err;
}

/* A signal is put in by resuming the exit stop of the cancelled call with its number: the kernel then makes
 * one that bears no sender (send_sig() in kernel/signal.c), and its siginfo is replaced at the stop that
 * follows. An ordinary one may be lost in a true one that is pending, which serves as well. Real-time signals
 * queue: a true one that comes first has to wait its turn. */
static bool is_injected(const siginfo_t *info) {
    return info->si_signo < SIGRTMIN_KERNEL || (info->si_code == SI_KERNEL && info->si_pid == 0);
}

static struct error *record_injected_signal(struct recorder *recorder, const struct user_regs_struct *regs) {
    recorder->thread->phase = PHASE_RUNNING;
    TRY(trace_set_siginfo(recorder->thread->task->tid, &recorder->thread->delivering));
    siginfo_t info = recorder->thread->delivering;
    return deliver(recorder, &info, SIGNAL_BEFORE_SYSCALL, regs);
}

struct error *record_signal(struct recorder *recorder, const struct stop *stop) {
    siginfo_t info;
    struct user_regs_struct regs;
    bool imitated = false;
    (void)stop;
    TRY(trace_get_siginfo(recorder->thread->task->tid, &info));
    TRY(trace_get_registers(recorder->thread->task->tid, &regs));
    if (recorder->thread->phase == PHASE_INJECTING && info.si_signo == recorder->thread->delivering.si_signo)
        return is_injected(&info) ? record_injected_signal(recorder, &regs) : defer(recorder, &info);
    if (info.si_signo == SIGILL && info.si_code > 0) {
        TRY(record_sysbuf_trapped(recorder, &regs, &imitated));
        if (imitated) {
            TRY(undo_forced_signal(recorder, regs.rsp));
            return task_resume_later(recorder->thread->task, RESUME_CONT, 0);
        }
    }
    if (info.si_signo == SIGILL)
        TRY(record_instruction(recorder, recorder->thread->task, &recorder->thread->process->sites,
                               &imitated));
    if (imitated)
        return record_turn_resume(recorder);
    if (recorder->thread->frame_failed) {
        recorder->thread->frame_failed = false;
        return deliver(recorder, &info, recorder->thread->delivering_place, &regs);
    }
    if (recorder->thread->trapped && info.si_signo == SIGSYS && info.si_code > 0)
        return deliver(recorder, &info, SIGNAL_AFTER_EVENT, &regs);
    if (is_synchronous(&info))
        return deliver(recorder, &info, SIGNAL_SYNCHRONOUS, &regs);
    return record_asynchronous(recorder, &info, &regs);
}

/* At the entry of a call: cancel it, and go back in front of its instruction. The kernel skips a call whose
 * number is -1; its exit stop is where a signal can be put in. */
struct error *record_inject(struct recorder *recorder, bool *ret_done) {
    struct user_regs_struct regs;
    size_t index;
    *ret_done = false;
    TRY(first_deliverable(recorder, &index));
    if (index == recorder->thread->deferred_count)
        return NULL;
    TRY(trace_get_registers(recorder->thread->task->tid, &regs));
    regs.rax = regs.orig_rax;
    regs.orig_rax = (unsigned long long)-1;
    regs.rip -= 2;
    TRY(trace_set_registers(recorder->thread->task->tid, &regs));
    recorder->thread->delivering = recorder->thread->deferred[index].info;
    forget_deferred(recorder->thread, index);
    recorder->thread->phase = PHASE_INJECTING;
    *ret_done = true;
    return task_resume_later(recorder->thread->task, RESUME_SYSCALL, 0);
}

struct error *record_injected(struct recorder *recorder) {
    return task_resume_later(recorder->thread->task, RESUME_CONT, recorder->thread->delivering.si_signo);
}

/* Make the signals that wait come once more; record_late_signal() gives them their siginfo back. */
void record_signal_release(struct recorder *recorder) {
    if (recorder->thread->phase == PHASE_INJECTING && recorder->thread->deferred_count < DEFERRED_MAX)
        recorder->thread->deferred[recorder->thread->deferred_count++] = (struct deferred_signal){
            .signo = recorder->thread->delivering.si_signo, .info = recorder->thread->delivering};
    for (size_t i = 0; i < recorder->thread->deferred_count; i++)
        syscall(SYS_tgkill, recorder->thread->process->pid, recorder->thread->tid,
                recorder->thread->deferred[i].signo);
}

struct error *record_late_signal(struct thread *thread, struct task *task) {
    siginfo_t info;
    TRY(trace_get_siginfo(task->tid, &info));
    if (info.si_code != SI_TKILL || info.si_pid != getpid())
        return NULL;
    for (size_t i = 0; i < thread->deferred_count; i++) {
        if (thread->deferred[i].signo != info.si_signo)
            continue;
        siginfo_t wanted = thread->deferred[i].info;
        memmove(thread->deferred + i, thread->deferred + i + 1,
                (--thread->deferred_count - i) * sizeof(thread->deferred[0]));
        return trace_set_siginfo(task->tid, &wanted);
    }
    return NULL;
}

/* ---- trapped instructions ----
 *
 * ud2 raises SIGILL. When the program blocks or ignores SIGILL the kernel unblocks it and resets its handler
 * before the stop is seen (force_sig_info_to_task() in kernel/signal.c): both are put back from what the
 * recorder has noted. */

struct error *record_signal_changed(struct recorder *recorder) {
    TRY(trace_get_sigmask(recorder->thread->task->tid, &recorder->thread->sigmask));
    const struct syscall_call *call = &recorder->thread->call;
    if (recorder->thread->row && recorder->thread->row->handler == HANDLER_SIGACTION &&
        call->args[0] == SIGILL && call->args[1])
        task_read(recorder->thread->task, call->args[1], recorder->thread->process->sigill_action,
                  sizeof(recorder->thread->process->sigill_action));
    return NULL;
}

struct error *record_signal_reset(struct recorder *recorder) {
    enum disposition disposition;
    if (recorder->forked) /* it has its parent's handlers */
        return trace_get_sigmask(recorder->thread->task->tid, &recorder->thread->sigmask);
    memset(recorder->thread->process->sigill_action, 0, sizeof(recorder->thread->process->sigill_action));
    TRY(find_disposition(recorder, SIGILL, &disposition));
    if (disposition == DISPOSITION_IGNORED) {
        uint64_t ignore = (uint64_t)SIG_IGN;
        memcpy(recorder->thread->process->sigill_action, &ignore, sizeof(ignore));
    }
    return trace_get_sigmask(recorder->thread->task->tid, &recorder->thread->sigmask);
}

static bool is_syscall(struct recorder *recorder, uint64_t address) {
    uint8_t code[2];
    return address && task_read(recorder->thread->task, address, code, sizeof(code)) == sizeof(code) &&
           code[0] == 0x0f && code[1] == 0x05;
}

/* A syscall instruction in the program: in the vdso, or, when that is gone, where a call came from. 0 when
 * there is none. */
static uint64_t find_syscall(struct recorder *recorder) {
    if (is_syscall(recorder, recorder->thread->process->vdso_syscall))
        return recorder->thread->process->vdso_syscall;
    for (size_t i = 0; i < KNOWN_CALLS; i++)
        if (recorder->thread->process->known_calls[i] &&
            is_syscall(recorder, recorder->thread->process->known_calls[i] - 2))
            return recorder->thread->process->known_calls[i] - 2;
    return 0;
}

/* Call rt_sigaction(SIGILL) in the program with the action that it had set. The struct goes below the red
 * zone for that moment. */
static struct error *restore_action(struct recorder *recorder, uint64_t rsp) {
    uint8_t saved[sizeof(recorder->thread->process->sigill_action)];
    uint64_t place = (rsp - 512) & ~15ull;
    int64_t result;
    uint64_t instruction = find_syscall(recorder);
    if (!instruction)
        return error_new(ERROR_UNSUPPORTED, "SIGILL is blocked or ignored, and its state cannot be put back");
    TRY(task_read_exact(recorder->thread->task, place, saved, sizeof(saved)));
    TRY(task_write(recorder->thread->task, place, recorder->thread->process->sigill_action, sizeof(saved)));
    TRY(REMOTE_SYSCALL(recorder->thread->task, instruction, SYS_rt_sigaction, &result, SIGILL, place, 0, 8, 0,
                       0));
    return task_write(recorder->thread->task, place, saved, sizeof(saved));
}

static struct error *undo_forced_signal(struct recorder *recorder, uint64_t rsp) {
    uint64_t handler;
    memcpy(&handler, recorder->thread->process->sigill_action, sizeof(handler));
    bool blocked = recorder->thread->sigmask & signal_bit(SIGILL), ignored = handler == (uint64_t)SIG_IGN;
    if (ignored || (blocked && handler != (uint64_t)SIG_DFL))
        TRY(restore_action(recorder, rsp));
    if (blocked)
        TRY(trace_set_sigmask(recorder->thread->task->tid, recorder->thread->sigmask));
    return NULL;
}

static struct error *append_instruction(struct recorder *recorder, const struct insn_site *site,
                                        const struct user_regs_struct *before,
                                        const struct user_regs_struct *after,
                                        const struct memory_ranges *written) {
    effects_clear(&recorder->effects);
    for (size_t i = 0; i < written->count; i++)
        TRY(effects_add_memory(&recorder->effects, recorder->thread->task, written->ranges[i].address,
                               written->ranges[i].size));
    TRY(effects_add_registers(&recorder->effects, after));
    struct event event = {.kind = EVENT_INSTRUCTION};
    event.instruction.instruction = (uint8_t)site->kind;
    event.instruction.length = site->length;
    event.instruction.rip = site->address;
    event.instruction.registers_hash = registers_hash(before);
    return recorder_append(recorder, &event);
}

/* A copy is known by the bytes around it: so many must be the same, of those that lie this near. */
enum { CONTEXT_NEAR = 16, CONTEXT_ENOUGH = 8, TRAP_SIZE = 2 };

/* Bytes around the site and around address that are alike, without the trap itself. */
static unsigned context_alike(struct task *task, const struct insn_site *site, uint64_t address) {
    uint8_t original, copy;
    unsigned alike = 0;
    for (int way = -1; way <= 1; way += 2)
        for (int i = 1; i <= CONTEXT_NEAR; i++, alike++) {
            int64_t offset = way < 0 ? -i : TRAP_SIZE - 1 + i;
            if (task_read(task, site->address + (uint64_t)offset, &original, 1) != 1 ||
                task_read(task, address + (uint64_t)offset, &copy, 1) != 1 || original != copy)
                break;
        }
    return alike;
}

/* Code of no file: what the program made itself. */
static bool is_own_code(struct task *task, uint64_t address) {
    struct maps maps;
    struct error *err = maps_read(task->tid, &maps);
    if (err) {
        error_free(err);
        return false;
    }
    const struct mapping *mapping = maps_find(&maps, address);
    bool own = mapping && !mapping->inode;
    maps_deinit(&maps);
    return own;
}

/* The patched site that the code at address is a copy of, or NULL. */
static const struct insn_site *find_copied(struct task *task, const struct insn_sites *sites,
                                           uint64_t address) {
    const struct insn_site *best = NULL;
    unsigned most = CONTEXT_ENOUGH - 1;
    if (!is_own_code(task, address))
        return NULL;
    for (size_t i = 0; i < sites->count; i++) {
        unsigned alike = context_alike(task, &sites->sites[i], address);
        if (alike > most) {
            most = alike;
            best = &sites->sites[i];
        }
    }
    return best;
}

/* The trapped instruction at address: one that was patched there, or, in code that the program has copied,
 * the like of one that was patched elsewhere. */
static bool find_site(struct task *task, const struct insn_sites *sites, uint64_t address,
                      struct insn_site *ret) {
    static const uint8_t trap[2] = {0x0f, 0x0b}; /* ud2 */
    uint8_t code[2];
    if (task_read(task, address, code, sizeof(code)) != sizeof(code) || memcmp(code, trap, sizeof(code)) != 0)
        return false;
    const struct insn_site *site = insn_sites_find(sites, address);
    if (!site)
        site = find_copied(task, sites, address);
    if (!site)
        return false;
    *ret = *site;
    ret->address = address;
    return true;
}

static struct error *log_instruction(struct recorder *recorder, const struct insn_site *site,
                                     const struct user_regs_struct *before,
                                     const struct user_regs_struct *after,
                                     const struct memory_ranges *written) {
    TRY(undo_forced_signal(recorder, after->rsp));
    TRY(append_instruction(recorder, site, before, after, written));
    note_last(recorder, after);
    return NULL;
}

struct error *record_instruction(struct recorder *recorder, struct task *task, const struct insn_sites *sites,
                                 bool *ret_done) {
    struct user_regs_struct before, after;
    struct insn_site site;
    struct memory_ranges written = {0};
    struct error *err = NULL;
    siginfo_t info;
    *ret_done = false;
    TRY(trace_get_siginfo(task->tid, &info));
    TRY(trace_get_registers(task->tid, &before));
    if (info.si_signo != SIGILL || info.si_code <= 0 || !find_site(task, sites, before.rip, &site))
        return NULL;
    after = before;
    if (site.kind == INSN_VDSO)
        err = vdso_answer(task, &after, &written);
    else
        insn_imitate(&site, &after);
    if (!err)
        err = trace_set_registers(task->tid, &after);
    *ret_done = true;
    if (!err && recorder && recorder->mode == RECORDER_RECORDING)
        err = log_instruction(recorder, &site, &before, &after, &written);
    memory_ranges_deinit(&written);
    return err;
}
