#include "replay/replayer.h"

#include "base/clock.h"
#include "base/say.h"
#include "replay/cpu_features.h"
#include "replay/replay_sysbuf.h"
#include "replay/replayer_state.h"
#include "tracer/engine.h"
#include "tracer/maps.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process goes on in so many other domains, at the most. */
#define DOMAINS_MOST 10000

/* ---- telling where a replay went wrong ---- */

/* "libc.so.6+0x1234": the stored file that is mapped there is named by its id, the last part of its path. */
static void describe_place(struct replayer *replayer, uint64_t rip, char *ret, size_t size) {
    struct maps maps;
    snprintf(ret, size, "0x%llx", (unsigned long long)rip);
    struct error *err = maps_read(replayer->puppet->task->tid, &maps);
    if (err) {
        error_free(err);
        return;
    }
    const struct mapping *mapping = maps_find(&maps, rip);
    const char *slash = mapping ? strrchr(mapping->name, '/') : NULL;
    uint32_t id = slash ? (uint32_t)strtoul(slash + 1, NULL, 10) : 0;
    for (size_t i = 0; id && i < replayer->tape.file_count; i++)
        if (replayer->tape.files[i].id == id)
            snprintf(ret, size, "0x%llx (%s+0x%llx)", (unsigned long long)rip, replayer->tape.files[i].path,
                     (unsigned long long)(rip - mapping->start + mapping->offset));
    maps_deinit(&maps);
}

/* "read", "SIGSEGV", "rdtsc", ... */
static const char *event_name(const struct event *event) {
    const struct syscall_row *row;
    switch (event->kind) {
    case EVENT_SYSCALL:
    case EVENT_BLOCKED:
        row = syscall_find(event->syscall.number);
        return row ? row->name : "unknown call";
    case EVENT_SIGNAL:
        return signal_name(event->signal.signo);
    default:
        return event_kind_name(event->kind);
    }
}

struct error *replay_diverged(struct replayer *replayer, const struct event *event, const char *format, ...) {
    char text[1024], place[4200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    describe_place(replayer, replayer->regs.rip, place, sizeof(place));
    return error_hint(error_new(ERROR_DIVERGED, "replay diverged at event %llu, expected %s: %s; at %s",
                                (unsigned long long)event->number, event_name(event), text, place),
                      "`reel dump` shows the events around it; please report this as a bug of reel");
}

/* ---- running ---- */

/* A search that has taken too long is ended by a stop. */
static void check_deadline(struct replayer *replayer) {
    const struct replayer_options *options = replayer->options;
    if (replayer->stop_sent)
        return;
    if ((replayer->deadline && clock_now() > replayer->deadline) ||
        (options->interrupted && options->interrupted(options->context)))
        replayer->stop_sent =
            syscall(SYS_tgkill, replayer->puppet->tasks[0]->tid, replayer->puppet->task->tid, SIGSTOP) == 0;
}

static struct error *wait_stop(struct replayer *replayer, struct stop *ret) {
    int status;
    pid_t tid = replayer->puppet->task->tid;
    while (waitpid(tid, &status, __WALL) < 0) {
        if (errno != EINTR)
            return error_system(errno, "waiting for the puppet");
        check_deadline(replayer);
    }
    *ret = stop_classify(replayer->puppet->task, status);
    if (ret->kind == STOP_SIGNAL && ret->signo == SIGSTOP)
        replayer->stop_sent = false;
    if (ret->kind == STOP_EXITED || ret->kind == STOP_KILLED) {
        replayer->puppet->alive = false;
        return error_new(ERROR_OTHER, "puppet: was killed (signal %d) by somebody else", ret->status);
    }
    TRY(trace_get_registers(tid, &replayer->regs));
    return replay_sysbuf_stopped(replayer);
}

struct error *replay_run(void *context, enum resume how, struct stop *ret) {
    struct replayer *replayer = context;
    if (replayer->has_stop) {
        replayer->has_stop = false;
        *ret = replayer->stop;
        return NULL;
    }
    TRY(replay_sysbuf_resume(replayer));
    TRY(task_resume(replayer->puppet->task, how, 0));
    return wait_stop(replayer, ret);
}

struct error *replay_drain(struct replayer *replayer) {
    const struct user_regs_struct regs = replayer->regs;
    struct stop stop;
    if (!replayer->stop_sent)
        return NULL;
    TRY(replay_run(replayer, RESUME_SYSEMU, &stop));
    if (replayer->stop_sent || registers_compare(&regs, &replayer->regs) != REGISTER_COUNT)
        return error_new(ERROR_OTHER, "puppet: does not stop");
    replayer->regs = regs;
    return NULL;
}

struct error *replay_offer(void *context, struct stop *stop, bool *ret_taken) {
    struct replayer *replayer = context;
    const struct replay_hooks *hooks = replayer->options->hooks;
    *ret_taken = false;
    if (!hooks || stop->kind != STOP_SIGNAL)
        return NULL;
    /* cppcheck-suppress returnDanglingLifetime ; an error holds no pointer to it */
    TRY(hooks->signal_stop(hooks->context, stop, ret_taken));
    return trace_get_registers(replayer->puppet->task->tid, &replayer->regs); /* it may have put them right */
}

struct error *replay_unexpected(struct replayer *replayer, const struct event *event,
                                const struct stop *stop) {
    if (stop->kind == STOP_SIGNAL) {
        siginfo_t info = {0};
        error_free(trace_get_siginfo(replayer->puppet->task->tid, &info));
        return replay_diverged(replayer, event, "found %s (address %p)", signal_name(stop->signo),
                               info.si_addr);
    }
    const struct syscall_row *row = syscall_find(replayer->regs.orig_rax);
    return replay_diverged(replayer, event, "found %s of %s", stop_name(stop->kind), row ? row->name : "?");
}

struct error *replay_run_to(struct replayer *replayer, const struct event *event, enum stop_kind kind,
                            int signo) {
    struct stop stop = replayer->arrival;
    for (bool taken = !replayer->arrived; taken;) {
        TRY(replay_run(replayer, RESUME_SYSEMU, &stop));
        TRY(replay_offer(replayer, &stop, &taken));
    }
    replayer->arrived = false;
    return stop.kind == kind && stop.signo == signo ? NULL : replay_unexpected(replayer, event, &stop);
}

static struct error *observe(struct replayer *replayer, const struct event *event) {
    if (!replayer->options->observe || event->number <= replayer->told)
        return NULL;
    const struct memory_reader memory = task_memory(replayer->puppet->task);
    /* cppcheck-suppress returnDanglingLifetime ; an error holds no reader */
    return replayer->options->observe(replayer->options->context, event, &memory);
}

/* Has the event shown output number `order`? */
static bool shows(const struct event *event, uint64_t order) {
    for (uint32_t i = 0; i < event->effect_count; i++)
        if (event->effects[i].kind == EFFECT_ORDER && event->effects[i].address == order)
            return true;
    return false;
}

/* One event. *ret_shown: it has shown output number `order`. */
static struct error *run_event(struct replayer *replayer, uint64_t order, bool *ret_shown) {
    struct event event;
    bool more, taken;
    TRY(tape_next(&replayer->tape, &event, &more));
    if (!more) {
        TRY(replay_sysbuf_finish(replayer, NULL));
        if (!replayer->hidden)
            say_always(
                "%sthe recording ends here, after event %llu: the recorder was killed, or is still at work",
                replayer->whose, (unsigned long long)replayer->tape.number);
        replayer->over = true;
        return NULL;
    }
    TRY(replay_sysbuf_take(replayer, &event, &taken));
    if (taken)
        return NULL;
    TRY(replay_sysbuf_finish(replayer, &event));
    TRY(replay_event(replayer, &event));
    TRY(replay_sysbuf_met(replayer, &event));
    TRY(observe(replayer, &event));
    TRY(replay_process_sweep(replayer));
    replay_point_passed_event(replayer, &event);
    if (event.number == replayer->options->to && !replayer->over) {
        char place[4200];
        describe_place(replayer, replayer->regs.rip, place, sizeof(place));
        say("stopped after event %llu (%s) of %llu, at %s", (unsigned long long)event.number,
            event_name(&event), (unsigned long long)replayer->tape.events, place);
        replayer->over = true;
    }
    *ret_shown = shows(&event, order);
    return NULL;
}

static struct error *run_events(struct replayer *replayer, uint64_t order) {
    for (bool shown = false; !replayer->over && !shown;) {
        bool again = false;
        struct error *err = run_event(replayer, order, &shown);
        if (error_is(err, ERROR_DIVERGED))
            err = replay_go_back(replayer, err, &again);
        if (err)
            return err;
    }
    return NULL;
}

/* What takes part in a replay cannot go back. So which match is the right one at each point is found before,
 * by a replay that nobody sees. */
static struct error *find_choices(struct replayer *replayer) {
    const struct replayer_options *options = replayer->options;
    const struct replayer_options quiet = {.path = options->path, .domain = options->domain, .quiet = true};
    replayer->options = &quiet;
    replayer->hidden = true;
    struct error *err = replay_begin_segment(replayer);
    if (!err)
        err = run_events(replayer, UINT64_MAX);
    replayer->options = options;
    replayer->hidden = replayer->over = replayer->status_known = false;
    replayer->told = 0;
    if (error_is(err, ERROR_DIVERGED)) { /* it will diverge again, and be seen up to there */
        error_free(err);
        err = NULL;
    }
    replay_drop_checkpoints(replayer);
    replayer->fixed = true;
    TRY(err);
    return tape_rewind(&replayer->tape);
}

static struct error *begin(struct replayer *replayer) {
    if (replayer->options->check_memory && !replayer->tape.info.check_memory)
        return error_hint(error_new(ERROR_USAGE, "%s: holds no image of its memory", replayer->options->path),
                          "record it with --check-memory");
    if (replayer->options->to > replayer->tape.events)
        return error_new(ERROR_USAGE, "--to %llu: the recording has %llu events",
                         (unsigned long long)replayer->options->to,
                         (unsigned long long)replayer->tape.events);
    if ((replayer->options->hooks || replayer->options->choices_first) && replayer->tape.points)
        TRY(find_choices(replayer));
    return replay_begin_segment(replayer);
}

struct error *replayer_open(const struct replayer_options *options, struct replayer **ret) {
    TRY(engine_check_proc());
    if (!options->quiet)
        signal(SIGPIPE, SIG_IGN); /* who reads the output may go; the replay goes on */
    struct replayer *replayer = calloc(1, sizeof(*replayer));
    if (!replayer)
        return &error_no_memory;
    replayer->options = options;
    struct error *err =
        tape_open(options->path, options->info, options->domain ? options->domain : 1, &replayer->tape);
    if (err) {
        free(replayer);
        return err;
    }
    err = cpu_features_check(replayer->tape.info.cpu_features, options->path);
    if (err) {
        replayer_close(replayer);
        return err;
    }
    engine_pin_to(replayer->tape.info.processor); /* generated code may have asked which it is */
    if (options->domain > 1)
        snprintf(replayer->whose, sizeof(replayer->whose), "process %d: ", replayer->tape.process.pid);
    err = matcher_create(&replayer->matcher);
    if (!err && options->hooks)
        err = options->hooks->opened(options->hooks->context, &replayer->tape);
    if (!err)
        err = begin(replayer);
    if (err) {
        replayer_close(replayer);
        return err;
    }
    *ret = replayer;
    return NULL;
}

struct error *replayer_go_on(struct replayer *replayer, uint64_t order, bool *ret_over) {
    struct error *err = run_events(replayer, order);
    if (err && replayer->whose[0])
        err = error_context(err, "process %d", replayer->tape.process.pid);
    *ret_over = replayer->over;
    return err;
}

int replayer_status(const struct replayer *replayer) {
    return replayer->status;
}

void replayer_close(struct replayer *replayer) {
    if (!replayer)
        return;
    replay_processes_deinit(replayer);
    replay_points_deinit(replayer);
    replay_sysbuf_reset(replayer);
    tape_close(&replayer->tape);
    free(replayer);
}

bool replayer_knows_status(const struct replayer *replayer) {
    return replayer->status_known;
}

/* Is there nobody to whom another domain would be something else? */
static bool may_follow(const struct replayer_options *options) {
    return !options->hooks && !options->observe && !options->to;
}

/* *ret_next: the domain in which the process goes on, 0: none. */
static struct error *run_domain(const struct replayer_options *options, int *ret_status, uint32_t *ret_next,
                                int32_t *ret_pid) {
    struct replayer *replayer;
    bool over;
    TRY(replayer_open(options, &replayer));
    struct error *err = replayer_go_on(replayer, UINT64_MAX, &over);
    if (!err)
        *ret_status = replayer_status(replayer);
    *ret_next = err ? 0 : replayer->next;
    *ret_pid = replay_wanted(replayer);
    replayer_close(replayer);
    return err;
}

struct error *replayer_run(const struct replayer_options *options, int *ret_status) {
    struct replayer_options each = *options;
    uint32_t next, before = 0;
    TRY(run_domain(&each, ret_status, &next, &each.pid));
    /* each domain is a later one, or one that was joined and is left for a later one */
    for (int turns = 0; next && turns < DOMAINS_MOST; turns++) {
        if (!may_follow(options)) {
            say("process %d goes on in d%u", each.pid, next);
            return NULL;
        }
        if (next == before)
            return error_new(ERROR_BAD_DATA, "recording: process %d goes on where it comes from", each.pid);
        before = each.domain = next;
        TRY(run_domain(&each, ret_status, &next, &each.pid));
    }
    return NULL;
}
