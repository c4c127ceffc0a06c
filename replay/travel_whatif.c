/* travel_whatif: what would be if a register or a word of memory were another.
 *
 * The recording cannot go on from a state that was changed: its system calls would not be the recorded ones.
 * So the state as it was is kept as a twin, and the change is made in the puppet. As long as only memory has
 * changed, it is there to be looked at, and gone when the replay goes on. When registers were changed, the
 * puppet runs from there by itself, which is how a debugger calls a function of the program. Its system calls
 * then reach nothing outside: memory calls are made, what it writes to its output is shown, and all others
 * are answered ENOSYS. */
#include "replay/travel_state.h"

#include "tracer/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct replayer *replayer_of(struct travel *travel) {
    return travel->replayer;
}

/* ---- in and out ---- */

/* The first change. */
static struct error *enter(struct travel *travel) {
    struct mark *mark;
    if (travel->truth)
        return NULL;
    struct stretch stretch = travel->stretch;
    struct user_regs_struct regs = replayer_of(travel)->regs;
    bool arrived = replayer_of(travel)->arrived;
    TRY(mark_take(travel, &mark));
    if (!mark->has_twin) {
        mark_free(mark);
        return error_new(ERROR_UNSUPPORTED,
                         "changing something: memory is shared here, and could not be put back");
    }
    travel->truth = mark;
    travel->truth_stretch = stretch;
    travel->truth_regs = regs;
    travel->truth_arrived = arrived;
    travel->truth_tid = replayer_of(travel)->thread->tid;
    return NULL;
}

struct error *whatif_leave(struct travel *travel) {
    struct mark *truth = travel->truth;
    struct replayer *replayer = replayer_of(travel);
    if (!truth)
        return NULL;
    bool anchored = travel->anchored;
    uint64_t steps = travel->steps;
    travel->truth = NULL;
    struct error *err = travel_unplant(travel);
    if (!err)
        err = mark_return(travel, truth);
    mark_free(truth);
    TRY(err);
    travel->stretch = travel->truth_stretch;
    replayer->arrived = travel->truth_arrived;
    replayer->regs = travel->truth_regs;
    travel->anchored = anchored;
    travel->steps = steps;
    return NULL;
}

bool whatif_is_free(struct travel *travel) {
    struct user_regs_struct regs;
    if (!travel->truth)
        return false;
    regs = replayer_of(travel)->regs;
    return registers_compare(&regs, &travel->truth_regs) != REGISTER_COUNT;
}

struct error *travel_write(struct travel *travel, uint64_t address, const void *bytes, size_t size) {
    TRY(enter(travel));
    return puppet_write(replayer_of(travel)->puppet, address, bytes, size);
}

static struct error *find_task(struct travel *travel, int32_t tid, struct replay_thread **ret) {
    *ret = table_find(&replayer_of(travel)->threads, (uint32_t)tid);
    return *ret ? NULL : error_new(ERROR_NOT_FOUND, "thread %d: there is none here", tid);
}

struct error *travel_set_registers(struct travel *travel, int32_t tid, const struct user_regs_struct *regs) {
    struct replay_thread *thread;
    struct replayer *replayer = replayer_of(travel);
    struct user_regs_struct set = *regs;
    TRY(find_task(travel, tid, &thread));
    TRY(enter(travel));
    set.orig_rax = (unsigned long long)-1;
    TRY(trace_set_registers(thread->task->tid, &set));
    if (thread == replayer->thread)
        replayer->regs = *regs;
    else
        thread->regs = *regs;
    return NULL;
}

struct error *travel_set_xstate(struct travel *travel, int32_t tid, const void *xstate, size_t size) {
    struct replay_thread *thread;
    TRY(find_task(travel, tid, &thread));
    TRY(enter(travel));
    return trace_set_xstate(thread->task->tid, xstate, size);
}

/* ---- running by itself ---- */

static int64_t write_out(struct travel *travel, uint64_t address, uint64_t size) {
    uint64_t most = size < 65536 ? size : 65536;
    uint8_t *bytes = malloc(most + 1);
    if (!bytes)
        return -ENOMEM;
    size_t got = task_read(replayer_of(travel)->puppet->task, address, bytes, most);
    if (got && travel->options.written)
        travel->options.written(travel->options.context, bytes, got);
    free(bytes);
    return got || !size ? (int64_t)got : -EFAULT;
}

static struct error *set_heap(struct travel *travel, uint64_t wanted, int64_t *ret) {
    struct puppet *puppet = replayer_of(travel)->puppet;
    *ret = (int64_t)puppet->brk_end;
    if (wanted < puppet->brk_start || wanted - puppet->brk_start > (1ull << 32))
        return NULL;
    struct error *err = puppet_set_brk(puppet, wanted);
    if (err) {
        error_free(err);
        return NULL;
    }
    *ret = (int64_t)wanted;
    return NULL;
}

/* What becomes of a call of a what-if run. */
static struct error *answer(struct travel *travel, const struct user_regs_struct *regs, int64_t *ret) {
    struct puppet *puppet = replayer_of(travel)->puppet;
    const uint64_t args[6] = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9};
    bool in_stub = args[0] < PUPPET_STUB + PUPPET_STUB_SIZE && args[0] + args[1] > PUPPET_STUB;
    *ret = -ENOSYS;
    switch (regs->orig_rax) {
    case SYS_write:
        if (args[0] == STDOUT_FILENO || args[0] == STDERR_FILENO)
            *ret = write_out(travel, args[1], args[2]);
        return NULL;
    case SYS_brk:
        return set_heap(travel, args[0], ret);
    case SYS_mmap:
        if (!(args[3] & MAP_ANONYMOUS) || !(args[3] & MAP_PRIVATE) || in_stub)
            return NULL;
        break;
    case SYS_munmap:
    case SYS_mprotect:
    case SYS_madvise:
        if (in_stub || args[0] + args[1] < args[0])
            return NULL;
        break;
    case SYS_mremap:
        if (in_stub || args[3] & MREMAP_FIXED)
            return NULL;
        break;
    default:
        return NULL;
    }
    return remote_syscall(puppet->task, PUPPET_STUB, (long)regs->orig_rax, args, ret);
}

static struct error *call(struct travel *travel, bool *ret_over) {
    struct replayer *replayer = replayer_of(travel);
    struct user_regs_struct regs = replayer->regs;
    int64_t result = 0;
    *ret_over =
        regs.orig_rax == SYS_exit || regs.orig_rax == SYS_exit_group || regs.orig_rax == SYS_rt_sigreturn;
    if (*ret_over)
        return NULL;
    TRY(travel_unplant(travel));
    TRY(answer(travel, &regs, &result));
    regs.rax = (uint64_t)result;
    regs.orig_rax = (unsigned long long)-1;
    replayer->regs = regs;
    return trace_set_registers(replayer->puppet->task->tid, &regs);
}

/* One stop. *ret_over: it ends the run. */
static struct error *understand(struct travel *travel, const struct stop *stop, bool step,
                                struct travel_stop *ret, bool *ret_over) {
    struct replayer *replayer = replayer_of(travel);
    const struct breakpoint *breakpoint = travel_find_break(travel, replayer->regs.rip - 1);
    *ret_over = true;
    if (stop->kind == STOP_SYSCALL_ENTRY) {
        TRY(call(travel, ret_over));
        *ret = (struct travel_stop){.kind = *ret_over ? TRAVEL_END : TRAVEL_STEPPED};
        *ret_over = *ret_over || step;
        return NULL;
    }
    *ret = (struct travel_stop){.kind = TRAVEL_SIGNAL, .signo = stop->signo};
    if (stop->signo == SIGSTOP) {
        *ret_over = travel->interrupted;
        travel->interrupted = false;
        ret->kind = TRAVEL_INTERRUPTED;
    } else if (stop->signo == SIGTRAP && !step && breakpoint && breakpoint->planted) {
        replayer->regs.rip--;
        ret->kind = TRAVEL_BREAKPOINT;
        TRY(trace_set_registers(replayer->puppet->task->tid, &replayer->regs));
    } else if (stop->signo == SIGTRAP && step) {
        ret->kind = TRAVEL_STEPPED;
    }
    return replay_drain(replayer);
}

static struct error *one(struct travel *travel, bool step, struct travel_stop *ret, bool *ret_over) {
    struct stop stop;
    TRY(step ? travel_unplant(travel) : travel_plant(travel));
    TRY(travel_arm_watches(travel, false));
    TRY(replay_run(replayer_of(travel), step ? RESUME_SYSEMU_STEP : RESUME_SYSEMU, &stop));
    return understand(travel, &stop, step, ret, ret_over);
}

struct error *whatif_run(struct travel *travel, bool step, struct travel_stop *ret) {
    bool over = false;
    TRY(replay_leave_point(replayer_of(travel)));
    if (!step && travel_find_break(travel, replayer_of(travel)->regs.rip)) {
        TRY(one(travel, true, ret, &over));
        over = ret->kind != TRAVEL_STEPPED;
    }
    while (!over)
        TRY(one(travel, step, ret, &over));
    return travel_unplant(travel);
}
