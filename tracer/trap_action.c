/* The program's handler for SIGTRAP.
 *
 * An int3 raises SIGTRAP by force: when the thread blocks it, or the program ignores it, the kernel unblocks
 * it in that thread and resets the action to the default (force_sig_info_to_task(), kernel/signal.c), before
 * the tracer sees anything. A program that uses SIGTRAP (a debugger, a sanitizer, a runtime with breakpoints)
 * would then die of its own next one, for its handlers run with SIGTRAP blocked. So its action is learnt when
 * the first trap is added, and again when a SIGTRAP of its own is seen; and while it has a handler, each hit
 * looks whether that is still there. An ignored SIGTRAP is not put back: the very call that would do it
 * resets it again. */
#include "tracer/inject.h"
#include "tracer/process.h"
#include "tracer/trap_state.h"

#include <signal.h>
#include <sys/syscall.h>

#define SIGTRAP_BIT   (1ull << (SIGTRAP - 1))
#define KERNEL_SIGSET 8 /* bytes */

static struct error *call_sigaction(struct trap_set *set, struct task *task, uint64_t new_action,
                                    uint64_t old_action) {
    int64_t result;
    TRY(trap_find_instruction(set, task));
    TRY(INJECT(task, set->instruction, SYS_rt_sigaction, &result, SIGTRAP, new_action, old_action,
               KERNEL_SIGSET));
    return result < 0 ? error_system((int)-result, "rt_sigaction in process %d", task->tid) : NULL;
}

static struct error *ask(struct trap_set *set, struct task *task, struct trap_action *ret) {
    TRY(trap_map_data(set, task));
    TRY(call_sigaction(set, task, 0, set->data));
    return task_read_exact(task, set->data, ret, sizeof(*ret));
}

/* Does the program catch it, as far as /proc tells? */
static struct error *has_action(struct task *task, bool *ret) {
    struct process_status status;
    TRY(process_status(task->tid, &status));
    *ret = status.caught & SIGTRAP_BIT;
    return NULL;
}

struct error *trap_action_changed(struct trap_set *set, struct task *task) {
    bool has = false;
    TRY(has_action(task, &has));
    set->has_action = false;
    if (has)
        TRY(ask(set, task, &set->action));
    set->has_action = has;
    return NULL;
}

/* A handler is reset only when the signal was blocked. */
static struct error *block_again(struct task *task) {
    uint64_t mask;
    TRY(trace_get_sigmask(task->tid, &mask));
    return trace_set_sigmask(task->tid, mask | SIGTRAP_BIT);
}

/* Did the kernel reset it? It leaves flags, restorer and mask as they were; a program that asks for the
 * default writes them, too. */
static bool is_kernels_doing(const struct trap_action *before, const struct trap_action *now) {
    return now->handler == (uint64_t)(uintptr_t)SIG_DFL && now->flags == before->flags &&
           now->restorer == before->restorer && now->mask == before->mask && !(now->flags & SA_RESETHAND);
}

struct error *trap_action_restore(struct trap_set *set, struct task *task) {
    bool has = true;
    if (set->has_action)
        TRY(has_action(task, &has));
    if (has)
        return NULL;
    struct trap_action now;
    TRY(ask(set, task, &now));
    set->has_action = is_kernels_doing(&set->action, &now);
    if (!set->has_action)
        return NULL;
    TRY(task_write(task, set->data, &set->action, sizeof(set->action)));
    TRY(call_sigaction(set, task, set->data, 0));
    return block_again(task);
}
