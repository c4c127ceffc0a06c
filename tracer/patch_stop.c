/* Threads in trampolines, and the signals that find them there.
 *
 * A signal frame must not hold an address of ours: the handler may look at it, unwind through it, and the program may
 * keep it. So a thread that a signal finds in a trampoline is let out first. Where everything that is left can be
 * done on its registers, that is done; else the signal is taken from it, it runs on for some microseconds, and gets the
 * signal again (tkill, with the original siginfo put in when it arrives). There is no single step and no breakpoint in
 * this: should the tracer die meanwhile, the thread just runs on. (The one signal that is then in the tracer's hands is
 * lost.) */
#include "tracer/await.h"
#include "tracer/patch_copy.h"
#include "tracer/patch_state.h"
#include "tracer/process.h"
#include "tracer/trap_state.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BIT(signo) (1ull << ((signo)-1))
#define FAULTS     (BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGSYS))

#define FIRST_NAP_NS 20000   /* to run on; doubled from time to time */
#define LAST_NAP_NS  5000000
#define SIGNAL_MS    100     /* for a signal to arrive that was sent; it may have become blocked */
#define TRIES        2000

/* ---- where ---- */

static bool is_other(const struct patch_set *set, uint64_t rip) {
    for (size_t i = 0; i < set->other_count; i++)
        if (rip >= set->others[i].start && rip < set->others[i].end)
            return true;
    return false;
}

bool patch_is_trampoline(const struct patch_set *set, uint64_t rip) {
    return patch_trampoline_at(set, rip) || is_other(set, rip);
}

/* The part that rip is in. */
static const struct patch_step *step_at(const struct patch_set *set,
                                        const struct patch_trampoline *trampoline, uint64_t rip) {
    const struct patch_step *steps = &set->steps[trampoline->first_step];
    size_t i = trampoline->step_count;
    while (i > 1 && rip - trampoline->at < steps[i - 1].emitted)
        i--;
    return &steps[i - 1];
}

static bool is_moved(const struct patch_set *set, const struct patch_trampoline *trampoline,
                     const struct patch_step *step) {
    return (size_t)(step - &set->steps[trampoline->first_step]) < trampoline->moved;
}

uint64_t patch_original_address(const struct patch_set *set, uint64_t rip) {
    const struct patch_trampoline *trampoline = patch_trampoline_at(set, rip);
    return trampoline ? step_at(set, trampoline, rip)->original : rip;
}

/* The instruction that a step is the copy of. */
static bool decode_step(const struct patch_set *set, const struct patch_trampoline *trampoline,
                        const struct patch_step *step, struct displaced *ret) {
    uint64_t offset = step->original - trampoline->low;
    struct error *err = displaced_decode(set->bytes.data + trampoline->bytes + offset,
                                         trampoline->length - offset, step->original, ret);
    bool is_done = !err;
    error_free(err);
    return is_done;
}

/* ---- out of it without running ---- */

/* One moved instruction, on registers alone; false when that cannot be done. */
static bool do_step(const struct patch_set *set, struct task *task, const struct patch_trampoline *trampoline,
                    const struct patch_step *step, struct user_regs_struct *regs) {
    const struct displaced_memory memory = trap_task_memory(task);
    struct displaced displaced;
    return decode_step(set, trampoline, step, &displaced) && displaced_emulate(&displaced, regs, &memory);
}

/* Make regs what they are when the thread has come out; false when it has to run for that. */
static bool settle(const struct patch_set *set, struct task *task, struct user_regs_struct *regs) {
    const struct patch_trampoline *trampoline = patch_trampoline_at(set, regs->rip);
    struct user_regs_struct now = *regs;
    if (!trampoline)
        return false;
    if (now.rip == trampoline->at) { /* it has only just come */
        regs->rip = trampoline->low;
        return true;
    }
    const struct patch_step *step = step_at(set, trampoline, now.rip);
    if (now.rip != trampoline->at + step->copy)
        return false;
    for (; is_moved(set, trampoline, step); step++) {
        if (!do_step(set, task, trampoline, step, &now))
            return false;
        bool is_last = step + 1 == &set->steps[trampoline->first_step + trampoline->step_count];
        if (is_last || now.rip != step[1].original) { /* it has left the window */
            *regs = now;
            return true;
        }
        if (step[1].emitted != step[1].copy)
            return false;
    }
    now.rip = step->original;
    *regs = now;
    return true;
}

/* ---- faults ---- */

static bool is_fault(const siginfo_t *info) {
    return info->si_signo < 32 && (FAULTS & BIT(info->si_signo)) && info->si_code > 0;
}

/* A moved instruction has raised it: as if it stood in its own place. */
static struct error *on_fault(struct patch_set *set, struct stop *stop, siginfo_t *info,
                              struct user_regs_struct *regs) {
    const struct patch_trampoline *trampoline = patch_trampoline_at(set, regs->rip);
    const struct patch_step *step = trampoline ? step_at(set, trampoline, regs->rip) : NULL;
    struct displaced displaced;
    if (!step || regs->rip - trampoline->at < step->copy)
        return NULL;
    if (is_moved(set, trampoline, step) && decode_step(set, trampoline, step, &displaced))
        regs->rsp += patch_copy_pushed(&displaced, regs->rip - trampoline->at - step->copy);
    bool has_address =
        info->si_signo == SIGILL || info->si_signo == SIGFPE || info->si_signo == SIGTRAP;
    if (has_address && (uint64_t)(uintptr_t)info->si_addr == regs->rip)
        info->si_addr = (void *)(uintptr_t)step->original;
    regs->rip = step->original;
    TRY(trace_set_registers(stop->task->tid, regs));
    return trace_set_siginfo(stop->task->tid, info);
}

/* ---- signals that were held back ---- */

static struct error *hold(struct patch_set *set, pid_t tid, const siginfo_t *info) {
    TRY(patch_grow(&set->held, set->held_count, &set->held_room, sizeof(*set->held)));
    set->held[set->held_count++] = (struct patch_held){tid, *info};
    return NULL;
}

static void drop(struct patch_set *set, size_t index) {
    memmove(&set->held[index], &set->held[index + 1], (set->held_count - index - 1) * sizeof(*set->held));
    set->held_count--;
}

static bool is_sent_again(const siginfo_t *info) {
    return info->si_code == SI_TKILL && (info->si_pid == getpid() || info->si_pid == 0);
}

/* The signal of the stop has been held back before, as it may be: give it the siginfo it had. Of a kind that queues,
 * another may come first: it then takes the place of the older one, and is told when that one's turn would be. */
static struct error *give_back(struct patch_set *set, struct task *task, siginfo_t *info) {
    size_t i = 0;
    while (i < set->held_count && (set->held[i].tid != task->tid || set->held[i].info.si_signo != info->si_signo))
        i++;
    if (i == set->held_count)
        return NULL;
    siginfo_t older = set->held[i].info;
    drop(set, i);
    if (!is_sent_again(info) && info->si_signo >= 32)
        TRY(hold(set, task->tid, info));
    *info = older;
    return trace_set_siginfo(task->tid, info);
}

/* ---- out of it by running ---- */

static void nap(unsigned attempt) {
    long nanoseconds = FIRST_NAP_NS << (attempt / 8 < 8 ? attempt / 8 : 8);
    nanoseconds = nanoseconds > LAST_NAP_NS ? LAST_NAP_NS : nanoseconds;
    nanosleep(&(struct timespec){.tv_nsec = nanoseconds}, NULL);
}

static struct error *interrupt(struct task *task, int *status) {
    TRY(trace_interrupt(task->tid));
    return await_stop(task, -1, status);
}

/* Let it run a little, and stop it by signo (0: by no signal). */
static struct error *run_a_little(struct stop *stop, int signo, unsigned attempt) {
    struct task *task = stop->task;
    int status;
    TRY(task_resume(task, RESUME_CONT, 0));
    nap(attempt);
    struct error *err = NULL;
    if (signo && !syscall(SYS_tkill, task->tid, signo))
        err = await_stop(task, SIGNAL_MS, &status);
    else
        err = interrupt(task, &status);
    if (error_is(err, ERROR_LIMIT)) {
        error_free(err);
        err = interrupt(task, &status);
    }
    if (!err)
        *stop = stop_classify(task, status);
    return err;
}

/* Out of trampolines; *stop may become another one. */
static struct error *let_out(struct patch_set *set, struct stop *stop) {
    struct user_regs_struct regs;
    siginfo_t info;
    for (unsigned attempt = 0; attempt < TRIES; attempt++) {
        bool is_signal = stop->kind == STOP_SIGNAL;
        if (!stop->task->stopped)
            return NULL;
        if (is_signal) {
            TRY(trace_get_siginfo(stop->task->tid, &info));
            TRY(give_back(set, stop->task, &info));
        }
        TRY(trace_get_registers(stop->task->tid, &regs));
        if (!patch_is_trampoline(set, regs.rip))
            return NULL;
        if (is_signal && is_fault(&info))
            return on_fault(set, stop, &info, &regs);
        if (settle(set, stop->task, &regs))
            return trace_set_registers(stop->task->tid, &regs);
        if (is_signal)
            TRY(hold(set, stop->task->tid, &info));
        TRY(run_a_little(stop, is_signal ? info.si_signo : 0, attempt));
    }
    return error_new(ERROR_OTHER, "jump probes: task %d does not come out of the code of a probe",
                     stop->task->tid);
}

/* What ends the process sees the original place. */
static struct error *on_fatal(struct patch_set *set, struct task *task, struct user_regs_struct *regs) {
    uint64_t original = patch_original_address(set, regs->rip);
    if (original == regs->rip)
        return NULL;
    regs->rip = original;
    return trace_set_registers(task->tid, regs);
}

struct error *patch_handle(struct patch_set *set, struct stop *stop) {
    struct user_regs_struct regs;
    struct process_status status;
    siginfo_t info;
    if (stop->kind != STOP_SIGNAL)
        return NULL;
    TRY(trace_get_siginfo(stop->task->tid, &info));
    TRY(give_back(set, stop->task, &info));
    TRY(trace_get_registers(stop->task->tid, &regs));
    if (!patch_is_trampoline(set, regs.rip))
        return NULL;
    if (is_fault(&info))
        return on_fault(set, stop, &info, &regs);
    TRY(process_status(stop->task->tid, &status));
    switch (process_disposition(&status, stop->signo)) {
    case DISPOSITION_HANDLED:
        return let_out(set, stop);
    case DISPOSITION_FATAL:
        return on_fatal(set, stop->task, &regs);
    default:
        return NULL;
    }
}

struct error *patch_vacate(struct patch_set *set, struct stop *stop) {
    return stop->task->stopped ? let_out(set, stop) : NULL;
}
