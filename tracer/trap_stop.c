#include "tracer/await.h"
#include "tracer/inject.h"
#include "tracer/trap_state.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define INT3 0xcc

#define BIT(signo) (1ull << ((signo)-1))
/* Signals by which an instruction itself faults. They are never blocked here: the kernel would reset the
 * program's action. */
#define FAULTS (BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGSYS))

/* Raised by the instruction at rip, and not sent by anybody? */
static bool is_fault(const siginfo_t *info) {
    return info->si_signo < 32 && (FAULTS & BIT(info->si_signo)) && info->si_code > 0;
}

static bool is_breakpoint(const siginfo_t *info) {
    return info->si_signo == SIGTRAP && info->si_code == SI_KERNEL;
}

/* ---- tasks in slots ---- */

/* Make registers those of the original place, if rip is in a slot; *ret_moved. */
static struct error *settle(struct trap_set *set, struct task *task, struct user_regs_struct *regs,
                            bool *ret_moved) {
    uint64_t slot;
    const struct displaced *displaced = trap_slot_owner(set, regs->rip, &slot);
    *ret_moved = displaced != NULL;
    if (!displaced)
        return NULL;
    const struct displaced_memory memory = trap_task_memory(task);
    if (!displaced_settle(displaced, slot, regs, &memory))
        return error_new(ERROR_OTHER, "probe at 0x%llx: the stack of task %d vanished during a call",
                         (unsigned long long)displaced->address, task->tid);
    return trace_set_registers(task->tid, regs);
}

/* Faults that tell the address of the instruction. */
static struct error *settle_siginfo(struct trap_set *set, struct task *task, siginfo_t *info) {
    if (!is_fault(info) || info->si_signo == SIGSEGV || info->si_signo == SIGBUS)
        return NULL;
    uint64_t slot,
        address = (uint64_t)(uintptr_t)(info->si_signo == SIGSYS ? info->si_call_addr : info->si_addr);
    const struct displaced *displaced = trap_slot_owner(set, address, &slot);
    if (!displaced)
        return NULL;
    bool is_after = displaced_progress_at(displaced, address - slot) == DISPLACED_AFTER;
    address = displaced->address + (is_after ? displaced->length : 0);
    if (info->si_signo == SIGSYS)
        info->si_call_addr = (void *)(uintptr_t)address;
    else
        info->si_addr = (void *)(uintptr_t)address;
    return trace_set_siginfo(task->tid, info);
}

/* Queue a signal, that has been taken out of the queue, for the task again. Only the program itself may send
 * any siginfo to itself, so it does. */
static struct error *queue_again(struct trap_set *set, struct task *task, const siginfo_t *info) {
    TRY(trap_map_data(set, task));
    TRY(trap_find_instruction(set, task));
    TRY(task_write(task, set->data, info, sizeof(*info)));
    int64_t pid, tid, result; /* as the task itself calls them: it may be in another pid namespace */
    TRY(INJECT(task, set->instruction, SYS_getpid, &pid, 0));
    TRY(INJECT(task, set->instruction, SYS_gettid, &tid, 0));
    TRY(INJECT(task, set->instruction, SYS_rt_tgsigqueueinfo, &result, (uint64_t)pid, (uint64_t)tid,
               (uint64_t)info->si_signo, set->data));
    return NULL; /* a full queue loses it, as the kernel would */
}

/* One run of a task through the second copy of its slot. */
struct run_out {
    struct task *task;
    const struct displaced *displaced;
    uint64_t slot;
    bool interrupted; /* a stop of another kind has been passed over: ask for it again */
    siginfo_t last;   /* of the stop that ended it */
    struct user_regs_struct regs;
};

/* Let it run to the next signal stop. */
static struct error *run(struct run_out *run_out) {
    for (;;) {
        int status;
        TRY(task_resume(run_out->task, RESUME_CONT, 0));
        TRY(await_stop(run_out->task, -1, &status));
        if (!(status >> 16))
            break;
        run_out->interrupted = true;
    }
    TRY(trace_get_siginfo(run_out->task->tid, &run_out->last));
    return trace_get_registers(run_out->task->tid, &run_out->regs);
}

/* Run until the int3 behind the copy, or a fault of the instruction. What others send meanwhile is queued
 * again. */
static struct error *run_to_end(struct trap_set *set, struct run_out *run_out, uint64_t mask) {
    TRY(trace_set_sigmask(run_out->task->tid, ~0ull & ~(FAULTS & ~mask)));
    run_out->regs.rip = run_out->slot + DISPLACED_SECOND;
    TRY(trace_set_registers(run_out->task->tid, &run_out->regs));
    siginfo_t held[8];
    size_t held_count = 0;
    do {
        TRY(run(run_out));
        bool is_sent = !is_fault(&run_out->last);
        if (!is_sent)
            break;
        if (held_count < sizeof(held) / sizeof(held[0]))
            held[held_count++] = run_out->last;
    } while (true);
    TRY(trace_set_sigmask(run_out->task->tid, mask));
    for (size_t i = 0; i < held_count; i++)
        TRY(queue_again(set, run_out->task, &held[i]));
    return NULL;
}

/* A signal has come before the instruction in the slot was executed, and not from it: the instruction comes
 * first. Afterwards the task is in a signal stop again, and the signal can be delivered there. When the
 * instruction faults, its signal is delivered, and the other is queued again. */
static struct error *complete(struct trap_set *set, struct stop *stop, struct run_out *run_out,
                              siginfo_t *signal) {
    struct task *task = run_out->task;
    uint64_t mask;
    TRY(trace_get_sigmask(task->tid, &mask));
    TRY(run_to_end(set, run_out, mask));
    if (run_out->interrupted)
        TRY(trace_interrupt(task->tid));
    bool moved;
    bool is_done = is_breakpoint(&run_out->last);
    TRY(settle(set, task, &run_out->regs, &moved));
    if (is_done)
        return trace_set_siginfo(task->tid, signal);
    TRY(queue_again(set, task, signal));
    stop->signo = run_out->last.si_signo;
    TRY(trace_set_siginfo(task->tid, &run_out->last));
    return settle_siginfo(set, task, &run_out->last);
}

/* A signal that is not a matter of traps is about to be delivered. */
static struct error *before_delivery(struct trap_set *set, struct stop *stop, siginfo_t *info,
                                     struct user_regs_struct *regs) {
    struct run_out run_out = {.task = stop->task, .regs = *regs};
    run_out.displaced = trap_slot_owner(set, regs->rip, &run_out.slot);
    if (!run_out.displaced)
        return NULL;
    bool is_before = displaced_progress_at(run_out.displaced, regs->rip - run_out.slot) == DISPLACED_BEFORE;
    if (is_before && !is_fault(info) && displaced_can_complete(run_out.displaced))
        return complete(set, stop, &run_out, info);
    bool moved;
    TRY(settle(set, stop->task, regs, &moved));
    return settle_siginfo(set, stop->task, info);
}

/* ---- hits ---- */

/* int3 in a slot: the second copy of a call is through. */
static struct error *after_push(struct trap_set *set, struct stop *stop, struct user_regs_struct *regs,
                                struct trap_hit *ret) {
    bool moved;
    TRY(settle(set, stop->task, regs, &moved));
    ret->event = TRAP_HANDLED;
    return NULL;
}

/* int3 at a place where a trap is or was. */
static struct error *at_trap(struct trap_set *set, struct stop *stop, struct trap *trap,
                             struct user_regs_struct *regs, struct trap_hit *ret) {
    struct task *task = stop->task;
    if (trap->uses) {
        TRY(trap_action_restore(set, task));
        regs->rip = trap->address;
        *ret = (struct trap_hit){.event = TRAP_HIT, .trap = trap, .regs = *regs};
        return NULL;
    }
    uint8_t now;
    if (task_read(task, trap->address, &now, sizeof(now)) == sizeof(now) && now == INT3)
        return NULL; /* the program's own, put there since */
    regs->rip = trap->address;
    TRY(trace_set_registers(task->tid, regs));
    TRY(trap_action_restore(set, task));
    ret->event = TRAP_HANDLED;
    return NULL;
}

/* A SIGTRAP that was sent while the task hit: the kernel keeps one of a kind, and has dropped the hit's. When
 * rip cannot be where it is by other means, the task is put back, and hits again after the signal. */
static struct error *after_lost_hit(struct stop *stop, const struct trap *trap,
                                    struct user_regs_struct *regs) {
    if (!trap || !trap->uses || trap->displaced.length == 1)
        return NULL;
    regs->rip = trap->address;
    return trace_set_registers(stop->task->tid, regs);
}

struct error *trap_handle(struct trap_set *set, struct stop *stop, struct trap_hit *ret) {
    *ret = (struct trap_hit){.event = TRAP_NONE};
    if (stop->kind != STOP_SIGNAL)
        return NULL;
    struct user_regs_struct regs;
    siginfo_t info;
    TRY(trace_get_registers(stop->task->tid, &regs));
    TRY(trace_get_siginfo(stop->task->tid, &info));
    if (stop->signo != SIGTRAP)
        return before_delivery(set, stop, &info, &regs);
    uint64_t slot;
    struct trap *trap = trap_lookup(set, regs.rip - 1);
    if (is_breakpoint(&info)) {
        if (trap_slot_owner(set, regs.rip, &slot))
            return after_push(set, stop, &regs, ret);
        if (trap)
            TRY(at_trap(set, stop, trap, &regs, ret));
        if (ret->event != TRAP_NONE)
            return NULL;
    } else {
        TRY(after_lost_hit(stop, trap, &regs));
        TRY(before_delivery(set, stop, &info, &regs));
    }
    return set->live ? trap_action_changed(set, stop->task) : NULL;
}

/* ---- going on ---- */

struct error *trap_step_past(struct trap_set *set, struct task *task, const struct trap_hit *hit) {
    (void)set;
    const struct displaced *displaced = &hit->trap->displaced;
    struct user_regs_struct regs = hit->regs;
    const struct displaced_memory memory = trap_task_memory(task);
    if (!displaced_emulate(displaced, &regs, &memory)) {
        bool is_call =
            displaced->operation == DISPLACED_CALL || displaced->operation == DISPLACED_CALL_INDIRECT;
        regs.rip = hit->trap->slot + (is_call ? DISPLACED_SECOND : 0);
    }
    return trace_set_registers(task->tid, &regs);
}

struct error *trap_rewind(struct task *task, const struct trap_hit *hit) {
    return trace_set_registers(task->tid, &hit->regs);
}

uint64_t trap_original_address(const struct trap_set *set, uint64_t rip) {
    uint64_t slot;
    const struct displaced *displaced = trap_slot_owner(set, rip, &slot);
    if (!displaced)
        return rip;
    bool is_after = displaced_progress_at(displaced, rip - slot) == DISPLACED_AFTER;
    return displaced->address + (is_after ? displaced->length : 0);
}

/* ---- leaving ---- */

/* A hit whose SIGTRAP is queued but not seen: the task stands behind an int3 at a stop that came first. */
static struct error *has_unseen_hit(struct trap_set *set, struct task *task,
                                    const struct user_regs_struct *regs, bool *ret) {
    *ret = false;
    uint64_t slot;
    if (trap_lookup(set, regs->rip - 1) || trap_slot_owner(set, regs->rip, &slot))
        return trace_has_pending(task->tid, SIGTRAP, SI_KERNEL, ret);
    return NULL;
}

/* Take the SIGTRAP out of the queue: it is what the task stops at next, before it executes anything. */
static struct error *fetch_hit(struct task *task, int *signo) {
    int status;
    do {
        TRY(task_resume(task, RESUME_CONT, 0));
        TRY(await_stop(task, -1, &status));
    } while (status >> 16);
    *signo = WSTOPSIG(status);
    return NULL;
}

struct error *trap_vacate(struct trap_set *set, struct task *task, int *signo) {
    struct user_regs_struct regs;
    bool is_unseen = false, moved;
    TRY(trace_get_registers(task->tid, &regs));
    if (!*signo)
        TRY(has_unseen_hit(set, task, &regs, &is_unseen));
    if (is_unseen)
        TRY(fetch_hit(task, signo));
    siginfo_t info = {0};
    if (*signo)
        TRY(trace_get_siginfo(task->tid, &info));
    if (is_breakpoint(&info)) {
        struct stop stop = {.kind = STOP_SIGNAL, .task = task, .signo = *signo};
        struct trap_hit hit;
        TRY(trap_handle(set, &stop, &hit));
        if (hit.event == TRAP_HIT)
            TRY(trap_rewind(task, &hit));
        if (hit.event != TRAP_NONE)
            *signo = 0;
        return NULL;
    }
    TRY(settle(set, task, &regs, &moved));
    return *signo ? settle_siginfo(set, task, &info) : NULL;
}
