/* replay_checkpoint: the state of a replay between two events, or in the midst of a computation, to which it
 * can go back as often as one likes. */
#include "replay/replayer_state.h"

#include <string.h>

struct error *replay_checkpoint_take(struct replayer *replayer, struct checkpoint *ret) {
    const struct puppet *puppet = replayer->puppet;
    const struct replay_process *process = replayer->process;
    struct task twin;
    if (replayer->processes->next)
        return error_new(ERROR_UNSUPPORTED, "puppet: it shares memory with another");
    TRY(replay_leave_point(replayer));
    TRY(puppet_fork(replayer->puppet, &twin));
    *ret = (struct checkpoint){
        .pid = process->pid,
        .twin = twin,
        .brk_start = puppet->brk_start,
        .brk_end = puppet->brk_end,
        .stack_start = puppet->stack_start,
        .stack_end = puppet->stack_end,
        .attachment_count = process->attachment_count,
    };
    memcpy(ret->attachments, process->attachments, sizeof(ret->attachments));
    struct error *err = replay_threads_save(replayer, &ret->threads, &ret->thread_count);
    if (err)
        puppet_end_twin(&ret->twin);
    return err;
}

struct error *replay_checkpoint_return(struct replayer *replayer, struct checkpoint *checkpoint) {
    replay_process_alone(replayer);
    struct puppet *puppet = replayer->puppet;
    struct replay_process *process = replayer->process;
    process->pid = checkpoint->pid;
    process->number = 0;
    process->thread_count = 0;
    TRY(puppet_return_to(puppet, &checkpoint->twin));
    matcher_forget(replayer->matcher);
    puppet->brk_start = checkpoint->brk_start;
    puppet->brk_end = checkpoint->brk_end;
    puppet->stack_start = checkpoint->stack_start;
    puppet->stack_end = checkpoint->stack_end;
    process->attachment_count = checkpoint->attachment_count;
    memcpy(process->attachments, checkpoint->attachments, sizeof(process->attachments));
    return replay_threads_restore(replayer, checkpoint->threads, checkpoint->thread_count);
}

void replay_checkpoint_drop(struct checkpoint *checkpoint) {
    puppet_end_twin(&checkpoint->twin);
    replay_threads_forget(checkpoint->threads, checkpoint->thread_count);
    memset(checkpoint, 0, sizeof(*checkpoint));
}
