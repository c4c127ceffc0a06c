/* replay_event: signals, trapped instructions, checks, and the effects of all events. record_signal.c is the
 * twin. */
#include "replay/replayer_state.h"

#include "base/say.h"
#include "replay/image.h"
#include "tracer/insn.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* ---- effects ---- */

static struct error *set_registers(struct replayer *replayer, const struct effect *effect) {
    if (effect->size != sizeof(replayer->regs))
        return error_new(ERROR_BAD_DATA, "recording: registers of %u bytes", effect->size);
    memcpy(&replayer->regs, effect->bytes, sizeof(replayer->regs));
    replayer->regs.orig_rax = (unsigned long long)-1;
    return trace_set_registers(replayer->puppet->task->tid, &replayer->regs);
}

/* What cannot be written (shared read-only memory) is right when it is there already. */
static struct error *write_memory(struct puppet *puppet, const struct effect *effect) {
    struct error *err = puppet_write(puppet, effect->address, effect->bytes, effect->size);
    uint8_t *found = err && error_is(err, ERROR_SYSTEM) ? malloc(effect->size + 1) : NULL;
    if (found && task_read(puppet->task, effect->address, found, effect->size) == effect->size &&
        memcmp(found, effect->bytes, effect->size) == 0) {
        error_free(err);
        err = NULL;
    }
    free(found);
    return err;
}

static struct error *apply(struct replayer *replayer, const struct effect *effect) {
    struct puppet *puppet = replayer->puppet;
    switch (effect->kind) {
    case EFFECT_MEMORY:
    case EFFECT_PATCH:
        return write_memory(puppet, effect);
    case EFFECT_FILE:
        return puppet_file_write(puppet, effect->file, effect->address, effect->bytes, effect->size);
    case EFFECT_FILE_SIZE:
        return puppet_file_resize(puppet, effect->file, effect->address);
    case EFFECT_REGISTERS:
        return set_registers(replayer, effect);
    case EFFECT_SEGMENT:
        return replay_segment(replayer, effect);
    case EFFECT_XSTATE:
        return trace_set_xstate(puppet->task->tid, effect->bytes, effect->size);
    case EFFECT_MAP_FILE:
    case EFFECT_SHOW:
    case EFFECT_STACK:
    case EFFECT_ORDER:
    case EFFECT_ANSWERED:
    case EFFECT_KIND_END:
        break;
    }
    return NULL;
}

struct error *replay_effects(struct replayer *replayer, const struct event *event) {
    for (uint32_t i = 0; i < event->effect_count; i++) {
        struct error *err = apply(replayer, &event->effects[i]);
        if (err && !error_is(err, ERROR_BAD_DATA) && !error_is(err, ERROR_TASK_GONE)) {
            struct error *diverged = replay_diverged(replayer, event, "cannot apply %s: %s",
                                                     effect_kind_name(event->effects[i].kind), err->message);
            error_free(err);
            return diverged;
        }
        if (err)
            return err;
    }
    return NULL;
}

/* ---- signals ---- */

static struct error *check_place(struct replayer *replayer, const struct event *event, uint64_t rip,
                                 uint32_t hash) {
    if (replayer->regs.rip != rip)
        return replay_diverged(replayer, event, "expected at 0x%llx, found at 0x%llx",
                               (unsigned long long)rip, (unsigned long long)replayer->regs.rip);
    if (registers_hash(&replayer->regs) != hash)
        return replay_diverged(replayer, event, "registers differ from the recorded ones");
    return NULL;
}

/* The program is about to make a call: put it back in front of the instruction. */
static struct error *step_back(struct replayer *replayer, const struct event *event) {
    TRY(replay_run_to(replayer, event, STOP_SYSCALL_ENTRY, 0));
    replayer->regs.rip -= 2;
    replayer->regs.rax = replayer->regs.orig_rax;
    replayer->regs.orig_rax = (unsigned long long)-1;
    return trace_set_registers(replayer->puppet->task->tid, &replayer->regs);
}

static struct error *replay_signal(struct replayer *replayer, const struct event *event) {
    bool placed = true;
    switch (event->signal.place) {
    case SIGNAL_SYNCHRONOUS:
        TRY(replay_run_to(replayer, event, STOP_SIGNAL, event->signal.signo));
        break;
    case SIGNAL_BEFORE_SYSCALL:
        TRY(step_back(replayer, event));
        break;
    case SIGNAL_AFTER_EVENT:
        placed = !replayer->restarting;
        break;
    case SIGNAL_AT_POINT:
        TRY(replay_to_point(replayer, event, event->signal.point, event->signal.point_size));
        break;
    }
    if (placed)
        TRY(check_place(replayer, event, event->signal.rip, event->signal.registers_hash));
    if (event->signal.outcome == SIGNAL_HANDLED)
        replayer->restarting = false;
    TRY(replay_effects(replayer, event));
    return event->signal.outcome == SIGNAL_FATAL ? replay_check_memory(replayer, event) : NULL;
}

/* ---- a thread is interrupted ---- */

static struct error *replay_switch(struct replayer *replayer, const struct event *event) {
    TRY(replay_to_point(replayer, event, event->turn.point, event->turn.point_size));
    replayer->restarting = false;
    return replay_effects(replayer, event);
}

/* ---- trapped instructions ---- */

static struct error *replay_instruction(struct replayer *replayer, const struct event *event) {
    TRY(replay_run_to(replayer, event, STOP_SIGNAL, SIGILL));
    TRY(check_place(replayer, event, event->instruction.rip, event->instruction.registers_hash));
    replayer->restarting = false;
    return replay_effects(replayer, event);
}

/* ---- checks ---- */

static struct error *replay_check(struct replayer *replayer, const struct event *event) {
    enum { MOST = 1 << 24 };
    if (event->check.size > MOST)
        return error_new(ERROR_BAD_DATA, "recording: a check of %llu bytes",
                         (unsigned long long)event->check.size);
    uint8_t *bytes = malloc(event->check.size + 1);
    if (!bytes)
        return &error_no_memory;
    size_t got = task_read(replayer->puppet->task, event->check.address, bytes, event->check.size);
    bool same = got == event->check.size && XXH3_64bits(bytes, got) == event->check.hash;
    free(bytes);
    if (same)
        return NULL;
    return replay_diverged(replayer, event, "memory 0x%llx-0x%llx differs from the recorded",
                           (unsigned long long)event->check.address,
                           (unsigned long long)(event->check.address + event->check.size));
}

struct error *replay_check_memory(struct replayer *replayer, const struct event *event) {
    struct image recorded, replayed;
    char name[32];
    if (!replayer->options->check_memory)
        return NULL;
    TRY(replay_leave_point(replayer));
    recording_member_name(replayer->tape.segment, replayer->process->number, "memory", name);
    TRY(image_read(replayer->tape.recording.domainfd, name, &recorded));
    struct error *err =
        image_take(replayer->puppet->task, PUPPET_STUB, PUPPET_STUB + PUPPET_STUB_SIZE, &replayed);
    if (!err) {
        /* a call that will be restarted has changed the registers already */
        if (replayer->restarting)
            replayed.registers = recorded.registers;
        err = image_check(&recorded, &replayed);
        image_deinit(&replayed);
    }
    image_deinit(&recorded);
    if (error_is(err, ERROR_DIVERGED)) {
        struct error *diverged = replay_diverged(replayer, event, "%s", err->message);
        error_free(err);
        return diverged;
    }
    if (!err)
        say_verbose("segment %u: all writable memory is identical", replayer->tape.segment);
    return err;
}

/* ---- ends ---- */

struct error *replay_begin_segment(struct replayer *replayer) {
    char name[32];
    int32_t tid;
    replay_drop_checkpoints(replayer);
    matcher_forget(replayer->matcher);
    TRY(replay_process_first(replayer));
    for (size_t i = 0; i < replayer->tape.file_count; i++) {
        const struct tape_file *file = &replayer->tape.files[i];
        TRY(puppet_add_file(replayer->puppet, file->id, file->size, file->changes));
    }
    recording_segment_name(replayer->tape.segment, "snapshot", name);
    TRY(puppet_load(replayer->puppet, replayer->tape.recording.domainfd, name, &tid));
    replayer->restarting = false;
    replayer->process->pid = tid;
    TRY(replay_threads_reset(replayer, tid));
    const struct replay_hooks *hooks = replayer->options->hooks;
    if (hooks)
        TRY(hooks->begin(hooks->context, replayer->puppet, tid));
    return trace_get_registers(replayer->puppet->task->tid, &replayer->regs);
}

static struct error *replay_exec(struct replayer *replayer) {
    bool more;
    TRY(tape_next_segment(&replayer->tape, &more));
    if (more)
        return replay_begin_segment(replayer);
    if (!replayer->hidden)
        say_always("%sthe recording ends here, at an exec (event %llu): the recorder was killed",
                   replayer->whose, (unsigned long long)replayer->tape.number);
    replayer->over = true;
    return NULL;
}

int32_t replay_wanted(const struct replayer *replayer) {
    return replayer->options->pid ? replayer->options->pid : replayer->tape.process.pid;
}

static void note_status(struct replayer *replayer, const struct event *event) {
    bool own = event->tid == replay_wanted(replayer);
    if (replayer->status_known && !own)
        return;
    replayer->status = event->exit.how == EXIT_STATUS ? event->exit.status : 128 + event->exit.status;
    replayer->status_known = own;
}

static struct error *replay_exit(struct replayer *replayer, const struct event *event) {
    note_status(replayer, event);
    TRY(replay_process_end(replayer, event));
    bool first = replayer->process->number == 0;
    if (event->exit.how == EXIT_KILLED && first && !replayer->options->brief && !replayer->hidden)
        say("%sthe recorded program was killed by %s some time after event %llu", replayer->whose,
            signal_name(event->exit.status), (unsigned long long)event->number - 1);
    return NULL;
}

/* Those that are a step of their thread; the others are of the process. */
static bool is_step(enum event_kind kind) {
    return kind == EVENT_SYSCALL || kind == EVENT_BLOCKED || kind == EVENT_SIGNAL ||
           kind == EVENT_INSTRUCTION || kind == EVENT_THREAD_EXIT || kind == EVENT_SWITCH ||
           kind == EVENT_CHECK || kind == EVENT_MEMORY;
}

struct error *replay_event(struct replayer *replayer, const struct event *event) {
    if (is_step(event->kind))
        TRY(replay_turn(replayer, event));
    switch (event->kind) {
    case EVENT_BLOCKED:
        return replay_blocked(replayer, event);
    case EVENT_SWITCH:
        return replay_switch(replayer, event);
    case EVENT_THREAD:
        return replay_thread_begin(replayer, event);
    case EVENT_THREAD_EXIT:
        return replay_thread_end(replayer, event);
    case EVENT_SYSCALL:
        return replay_syscall(replayer, event);
    case EVENT_SIGNAL:
        return replay_signal(replayer, event);
    case EVENT_INSTRUCTION:
        return replay_instruction(replayer, event);
    case EVENT_CHECK:
        return replay_check(replayer, event);
    case EVENT_EXEC:
        return replay_exec(replayer);
    case EVENT_PROCESS:
        return replay_process_begin(replayer, event);
    case EVENT_JOIN:
        return replay_process_join(replayer, event);
    case EVENT_JOINED:
        replayer->over = true;
        replayer->next = event->left.number;
        return NULL;
    case EVENT_LEFT:
        if (event->tid == replay_wanted(replayer))
            replayer->next = event->left.number;
        return replay_process_end(replayer, event);
    case EVENT_MEMORY:
        return replay_effects(replayer, event);
    case EVENT_EXIT:
        return replay_exit(replayer, event);
    case EVENT_STOPPED:
        if (!replayer->hidden)
            say_always("%sthe recording ends here, at event %llu: %.*s", replayer->whose,
                       (unsigned long long)event->number, (int)event->stopped.why_size, event->stopped.why);
        replayer->over = true;
        return NULL;
    case EVENT_FILE:
    case EVENT_KIND_END:
        break;
    }
    return NULL;
}
