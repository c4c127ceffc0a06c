/* Threads in trampolines, and the signals that find them there.
 *
 * A signal frame must not hold an address of ours: the handler may look at it, unwind through it, and the
 * program may keep it. So a thread that a signal finds in a trampoline is let out first. Where everything
 * that is left can be done on its registers, that is done; else the signal is taken from it, it runs on for
 * some microseconds until it is out, and gets the signal again (tkill, with the original siginfo put in when
 * it arrives). There is no single step and no breakpoint in this: should the tracer die meanwhile, the thread
 * just runs on. (The one signal that is then in the tracer's hands is lost.) */
#include "base/clock.h"
#include "tracer/await.h"
#include "tracer/patch_copy.h"
#include "tracer/patch_state.h"
#include "tracer/process.h"
#include "tracer/trap_state.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BIT(signo) (1ull << ((signo)-1))
#define FAULTS     (BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGSYS))

#define FIRST_RUN_NS  20000ull /* for it to run on; doubled from time to time */
#define SIGNAL_MS     100      /* for a signal to arrive that was sent; it may have become blocked */
#define HEARING_TRIES 24
#define RUNNING_TRIES 120
#define TRIES         20000 /* instructions, then */

/* ---- where ---- */

static bool is_other(const struct patch_set *set, uint64_t rip) {
    for (size_t i = 0; i < set->other_count; i++)
        if (rip >= set->others[i].start && rip < set->others[i].end)
            return true;
    return false;
}

bool patch_is_trampoline(const struct patch_set *set, uint64_t rip) {
    return patch_trampoline_at(set, rip) || patch_hole_at(set, rip) || is_other(set, rip);
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
    if (trampoline)
        return step_at(set, trampoline, rip)->original;
    trampoline = patch_hole_at(set, rip);
    return trampoline ? trampoline->low : rip;
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
    const struct patch_trampoline *ahead = patch_hole_at(set, regs->rip);
    struct user_regs_struct now = *regs;
    if (ahead)
        regs->rip = ahead->low;
    if (!trampoline)
        return ahead != NULL;
    if (now.rip == trampoline->at) { /* it has only just come */
        regs->rip = trampoline->low;
        return true;
    }
    const struct patch_step *step = step_at(set, trampoline, now.rip);
    if (now.rip != trampoline->at + step->copy)
        return false;
    for (; is_moved(set, trampoline, step); step++) {
        if (step->leads || !do_step(set, task, trampoline, step, &now))
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
    if (!step->leads)
        *regs = now;
    return !step->leads;
}

/* ---- faults ---- */

static bool is_fault(const siginfo_t *info) {
    return info->si_signo < 32 && (FAULTS & BIT(info->si_signo)) && info->si_code > 0;
}

/* A handler may go on at `original`: not in the middle of a jump of ours. */
static struct error *clear_way(struct patch_set *set, struct task *task, int signo, uint64_t original) {
    struct process_status status;
    const struct patch_write *write = patch_in_the_way(set, original, true);
    if (!write)
        return NULL;
    TRY(process_status(task->tid, &status));
    if (process_disposition(&status, signo) != DISPOSITION_HANDLED)
        return NULL;
    return patch_retire(set, task, write->host == PATCH_NO_HOST ? write->trampoline : write->host);
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
    bool has_address = info->si_signo == SIGILL || info->si_signo == SIGFPE || info->si_signo == SIGTRAP;
    if (has_address && (uint64_t)(uintptr_t)info->si_addr == regs->rip)
        info->si_addr = (void *)(uintptr_t)step->original;
    regs->rip = step->original;
    TRY(trace_set_registers(stop->task->tid, regs));
    TRY(trace_set_siginfo(stop->task->tid, info));
    return clear_way(set, stop->task, info->si_signo, regs->rip);
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

/* The signal of the stop has been held back before, as it may be: give it the siginfo it had. Of a kind that
 * queues, another may come first: it then takes the place of the older one, and is told when that one's turn
 * would be. */
static struct error *give_back(struct patch_set *set, struct task *task, siginfo_t *info) {
    size_t i = 0;
    while (i < set->held_count &&
           (set->held[i].tid != task->tid || set->held[i].info.si_signo != info->si_signo))
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

/* Wait for it to stop by itself, as long as it may run in this attempt. Not asleep at first: the next signal
 * of a fast timer must not find the task stopped for the last one each time. */
static struct error *wait_a_little(struct task *task, unsigned attempt, bool *ret_stopped, int *ret) {
    uint64_t time = FIRST_RUN_NS << (attempt / 8 < 8 ? attempt / 8 : 8), end = clock_now() + time;
    do {
        TRY(await_peek(task, ret_stopped, ret));
        if (time > 8 * FIRST_RUN_NS)
            nanosleep(&(struct timespec){.tv_nsec = (long)time / 8}, NULL);
        else
            sched_yield();
    } while (!*ret_stopped && clock_now() < end);
    return NULL;
}

/* Let it run a little. When it has stopped by itself meanwhile it must not be interrupted, too: the
 * interruption of a task that is stopped is kept for its next resume, and that goes on for ever without a
 * step. */
static struct error *run_a_little(struct stop *stop, unsigned attempt) {
    int status;
    bool has_stopped;
    TRY(task_resume(stop->task, RESUME_CONT, 0));
    TRY(wait_a_little(stop->task, attempt, &has_stopped, &status));
    if (!has_stopped) {
        TRY(trace_interrupt(stop->task->tid));
        TRY(await_stop(stop->task, -1, &status));
    }
    *stop = stop_classify(stop->task, status);
    return NULL;
}

/* The same with signals blocked: they come faster than it can be let go on. (Only then, since a tracer that
 * died now would leave them blocked.) */
static struct error *run_deaf(struct stop *stop, unsigned attempt) {
    uint64_t mask;
    pid_t tid = stop->task->tid;
    TRY(trace_get_sigmask(tid, &mask));
    TRY(trace_set_sigmask(tid, ~FAULTS | mask));
    struct error *err = run_a_little(stop, attempt);
    if (!err && stop->task->stopped)
        err = trace_set_sigmask(tid, mask);
    return err;
}

/* One instruction, when it is found in there each time: it does little else, or waits for room. (Only then,
 * since a tracer that died now would leave it with a trap.) The stop stays what it was: nothing is to be
 * delivered. */
static struct error *step_a_little(struct stop *stop) {
    const struct stop before = *stop;
    uint64_t mask;
    siginfo_t info;
    int status;
    pid_t tid = stop->task->tid;
    TRY(trace_get_sigmask(tid, &mask));
    TRY(trace_set_sigmask(tid, ~FAULTS | mask));
    TRY(task_resume(stop->task, RESUME_STEP, 0));
    TRY(await_stop(stop->task, -1, &status));
    *stop = stop_classify(stop->task, status);
    if (!stop->task->stopped)
        return NULL;
    TRY(trace_set_sigmask(tid, mask));
    if (stop->kind != STOP_SIGNAL || stop->signo != SIGTRAP)
        return NULL;
    TRY(trace_get_siginfo(tid, &info));
    if (info.si_code == TRAP_TRACE || info.si_code == TRAP_BRKPT) /* the latter behind a system call */
        *stop = before;
    return NULL;
}

static struct error *go_on_a_little(struct stop *stop, unsigned attempt) {
    if (attempt < HEARING_TRIES)
        return run_a_little(stop, attempt);
    return attempt < RUNNING_TRIES || stop->kind != STOP_BORN
               ? run_deaf(stop, attempt < RUNNING_TRIES ? attempt : RUNNING_TRIES)
               : step_a_little(stop);
}

/* Send what was held back again; a kind that does not queue once. It cannot be lost: what is pending already
 * will come. A full queue loses it, as the kernel would. */
static bool send_again(const struct patch_set *set, pid_t tid) {
    uint64_t sent = 0;
    for (size_t i = 0; i < set->held_count; i++) {
        int signo = set->held[i].info.si_signo;
        if (set->held[i].tid != tid || (signo < 32 && sent & BIT(signo)))
            continue;
        sent |= BIT(signo);
        syscall(SYS_tkill, tid, signo);
    }
    return sent != 0;
}

/* It is out, in the stop of an interruption: go to the stop of a signal that was held back, without a step
 * between. */
static struct error *go_to_signal(struct patch_set *set, struct stop *stop) {
    struct task *task = stop->task;
    siginfo_t info;
    int status;
    TRY(task_resume(task, RESUME_CONT, 0));
    struct error *err = await_stop(task, SIGNAL_MS, &status);
    if (error_is(err, ERROR_LIMIT)) { /* it is blocked now */
        error_free(err);
        TRY(trace_interrupt(task->tid));
        err = await_stop(task, -1, &status);
    }
    if (err)
        return err;
    *stop = stop_classify(task, status);
    if (stop->kind != STOP_SIGNAL)
        return NULL;
    TRY(trace_get_siginfo(task->tid, &info));
    return give_back(set, task, &info);
}

/* Is a signal of a kind that does not queue held back already? */
static bool is_held(const struct patch_set *set, pid_t tid, int signo) {
    for (size_t i = 0; i < set->held_count; i++)
        if (set->held[i].tid == tid && set->held[i].info.si_signo == signo)
            return signo < 32;
    return false;
}

/* What to do about a task that stands at a stop in a trampoline. */
static struct error *look(struct patch_set *set, struct stop *stop, bool *ret_out) {
    struct user_regs_struct regs;
    siginfo_t info;
    pid_t tid = stop->task->tid;
    *ret_out = true;
    TRY(trace_get_registers(tid, &regs));
    if (stop->kind == STOP_SIGNAL)
        TRY(trace_get_siginfo(tid, &info));
    if (!patch_is_trampoline(set, regs.rip))
        return NULL;
    if (stop->kind == STOP_SIGNAL && is_fault(&info))
        return on_fault(set, stop, &info, &regs);
    if (settle(set, stop->task, &regs))
        return trace_set_registers(tid, &regs);
    *ret_out = false;
    if (stop->kind == STOP_SIGNAL && !is_held(set, tid, info.si_signo))
        return hold(set, tid, &info);
    return NULL;
}

/* Out of trampolines; *stop may become another one. */
static struct error *let_out(struct patch_set *set, struct stop *stop) {
    for (unsigned attempt = 0; attempt < TRIES; attempt++) {
        bool is_out;
        if (!stop->task->stopped)
            return NULL;
        TRY(look(set, stop, &is_out));
        if (!is_out) {
            TRY(go_on_a_little(stop, attempt));
            continue;
        }
        bool is_sent = send_again(set, stop->task->tid);
        return is_sent && stop->kind == STOP_BORN ? go_to_signal(set, stop) : NULL;
    }
    return error_new(ERROR_OTHER, "jump probes: task %d does not come out of the code of a probe",
                     stop->task->tid);
}

/* The int3 of a window that was being given up. */
static struct error *after_int3(struct patch_set *set, struct stop *stop, struct user_regs_struct *regs) {
    siginfo_t info;
    TRY(trace_get_siginfo(stop->task->tid, &info));
    const struct patch_trampoline *trampoline = patch_retired_at(set, regs->rip - 1);
    if (info.si_code != SI_KERNEL || !trampoline)
        return NULL;
    regs->rip = trampoline->at;
    stop->signo = 0;
    return trace_set_registers(stop->task->tid, regs);
}

struct error *patch_handle(struct patch_set *set, struct stop *stop) {
    struct user_regs_struct regs;
    siginfo_t info;
    if (stop->kind != STOP_SIGNAL)
        return NULL;
    if (set->held_count) {
        TRY(trace_get_siginfo(stop->task->tid, &info));
        TRY(give_back(set, stop->task, &info));
    }
    TRY(trace_get_registers(stop->task->tid, &regs));
    if (stop->signo == SIGTRAP)
        TRY(after_int3(set, stop, &regs));
    return stop->signo && patch_is_trampoline(set, regs.rip) ? let_out(set, stop) : NULL;
}

struct error *patch_vacate(struct patch_set *set, struct stop *stop) {
    return stop->task->stopped ? let_out(set, stop) : NULL;
}
