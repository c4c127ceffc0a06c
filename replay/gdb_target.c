#include "replay/gdb_target.h"

#include "base/registers.h"
#include "replay/gdb_registers.h"
#include "replay/gdb_text.h"
#include "replay/tape.h"
#include "tracer/process.h"
#include "tracer/ptrace.h"
#include "tracer/syscall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gdb_target_init(struct gdb_target *target, struct travel *travel) {
    memset(target, 0, sizeof(*target));
    target->travel = travel;
    target->told_segment = travel_place(travel).segment;
    gdb_files_init(&target->files, travel);
}

void gdb_target_deinit(struct gdb_target *target) {
    gdb_files_deinit(&target->files);
}

/* ---- threads ---- */

bool gdb_target_has_thread(const struct gdb_target *target, int32_t tid) {
    struct user_regs_struct regs;
    struct error *err = travel_registers(target->travel, tid, &regs);
    error_free(err);
    return !err;
}

int32_t gdb_target_thread(const struct gdb_target *target) {
    if (target->thread > 0 && gdb_target_has_thread(target, target->thread))
        return target->thread;
    return travel_place(target->travel).tid;
}

/* ---- signals ---- */

/* include/gdb/signals.def of gdb; those that are not here have other numbers here and there. */
static const struct {
    uint8_t number;
    int signo;
} signals[] = {
    {1, SIGHUP},     {2, SIGINT},   {3, SIGQUIT},   {4, SIGILL},   {5, SIGTRAP},  {6, SIGABRT},
    {8, SIGFPE},     {9, SIGKILL},  {10, SIGBUS},   {11, SIGSEGV}, {12, SIGSYS},  {13, SIGPIPE},
    {14, SIGALRM},   {15, SIGTERM}, {16, SIGURG},   {17, SIGSTOP}, {18, SIGTSTP}, {19, SIGCONT},
    {20, SIGCHLD},   {21, SIGTTIN}, {22, SIGTTOU},  {23, SIGIO},   {24, SIGXCPU}, {25, SIGXFSZ},
    {26, SIGVTALRM}, {27, SIGPROF}, {28, SIGWINCH}, {30, SIGUSR1}, {31, SIGUSR2}, {32, SIGPWR},
    {77, 32},        {78, 64},
};
enum { REALTIME_FIRST = 33, REALTIME_LAST = 63, GDB_REALTIME = 45, GDB_UNKNOWN = 143 };

unsigned gdb_signal(int signo) {
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        if (signals[i].signo == signo)
            return signals[i].number;
    if (signo >= REALTIME_FIRST && signo <= REALTIME_LAST)
        return (unsigned)(signo - REALTIME_FIRST) + GDB_REALTIME;
    return GDB_UNKNOWN;
}

int gdb_signal_host(unsigned number) {
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        if (signals[i].number == number)
            return signals[i].signo;
    if (number >= GDB_REALTIME && number <= GDB_REALTIME + REALTIME_LAST - REALTIME_FIRST)
        return (int)(number - GDB_REALTIME) + REALTIME_FIRST;
    return 0;
}

/* ---- running ---- */

static void say(const struct gdb_target *target, const char *text) {
    if (target->say)
        target->say(target->context, text);
}

/* Changes do not outlive the place where they were made. */
static void tell_undone(const struct gdb_target *target, bool before) {
    if (before && !travel_place(target->travel).whatif)
        say(target, "reel: what was changed is undone: the recording goes on as it was\n");
}

static void tell_end(const struct gdb_target *target) {
    const struct tape *tape = travel_tape(target->travel);
    const struct recording_process *process = &tape->process;
    char text[256];
    if (target->stop.kind != TRAVEL_END)
        return;
    if (travel_place(target->travel).whatif)
        snprintf(text, sizeof(text), "reel: this what-if run would end here\n");
    else if (process->end == END_EXITED)
        snprintf(text, sizeof(text), "reel: the recording ends here: the program exited with status %d\n",
                 process->status);
    else if (process->end == END_SIGNALED)
        snprintf(text, sizeof(text), "reel: the recording ends here: the program was killed by %s\n",
                 signal_name(process->status));
    else
        snprintf(text, sizeof(text), "reel: the recording ends here%s%.200s\n", process->stopped ? ": " : "",
                 process->stopped ? process->stopped : "");
    say(target, text);
}

struct error *gdb_target_continue(struct gdb_target *target, bool back) {
    bool whatif = travel_place(target->travel).whatif;
    TRY(travel_continue(target->travel, back, &target->stop));
    tell_undone(target, whatif);
    tell_end(target);
    return NULL;
}

struct error *gdb_target_step(struct gdb_target *target, int32_t tid, bool back) {
    bool whatif = travel_place(target->travel).whatif;
    TRY(travel_step(target->travel, tid, back, &target->stop));
    tell_undone(target, whatif);
    tell_end(target);
    return NULL;
}

struct error *gdb_target_step_range(struct gdb_target *target, int32_t tid, uint64_t start, uint64_t end) {
    struct user_regs_struct regs;
    int32_t who = tid ? tid : travel_place(target->travel).tid;
    do {
        TRY(gdb_target_step(target, who, false));
        if (target->stop.kind != TRAVEL_STEPPED || !gdb_target_has_thread(target, who))
            return NULL;
        TRY(travel_registers(target->travel, who, &regs));
    } while (regs.rip >= start && regs.rip < end);
    return NULL;
}

/* ---- why it stands ---- */

static unsigned signal_of(const struct gdb_target *target) {
    switch (target->stop.kind) {
    case TRAVEL_SIGNAL:
        return gdb_signal(target->stop.signo);
    case TRAVEL_INTERRUPTED:
        return gdb_signal(SIGINT);
    default:
        return gdb_signal(SIGTRAP);
    }
}

static void put_reason(const struct gdb_target *target, struct buffer *reply) {
    static const char *const watches[] = {
        [WATCH_NONE] = "watch", [WATCH_WRITE] = "watch", [WATCH_READ] = "rwatch", [WATCH_ACCESS] = "awatch"};
    const struct travel_stop *stop = &target->stop;
    switch (stop->kind) {
    case TRAVEL_BREAKPOINT:
        if (target->swbreak)
            gdb_text_put(reply, "swbreak:;");
        break;
    case TRAVEL_WATCHPOINT:
        gdb_text_put(reply, "%s:%llx;", watches[stop->watch], (unsigned long long)stop->address);
        break;
    case TRAVEL_CALL_ENTRY:
        gdb_text_put(reply, "syscall_entry:%llx;", (unsigned long long)stop->call);
        break;
    case TRAVEL_CALL_RETURN:
        gdb_text_put(reply, "syscall_return:%llx;", (unsigned long long)stop->call);
        break;
    case TRAVEL_BEGIN:
        gdb_text_put(reply, "replaylog:begin;");
        break;
    case TRAVEL_END:
        if (!travel_place(target->travel).whatif)
            gdb_text_put(reply, "replaylog:end;");
        break;
    default:
        break;
    }
}

/* Another program is there, whichever way one has come to it. */
static void put_program(struct gdb_target *target, struct buffer *reply) {
    char path[4096];
    uint32_t segment = travel_place(target->travel).segment;
    if (segment == target->told_segment || !target->exec_events)
        return;
    target->told_segment = segment;
    gdb_files_program(target->travel, path, sizeof(path));
    gdb_text_put(reply, "exec:");
    gdb_text_put_hex(reply, path, strlen(path));
    gdb_text_put(reply, ";");
}

struct error *gdb_target_stop_reply(struct gdb_target *target, struct buffer *reply) {
    static const unsigned told[] = {GDB_RBP, GDB_RSP, GDB_RIP};
    struct user_regs_struct regs;
    uint8_t value[GDB_REGISTER_MOST];
    int32_t tid = travel_place(target->travel).tid;
    target->thread = target->runs = 0;
    TRY(travel_registers(target->travel, tid, &regs));
    gdb_text_put(reply, "T%02x", signal_of(target));
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        size_t size = gdb_register_get(told[i], &regs, NULL, 0, value);
        gdb_text_put(reply, "%02x:", told[i]);
        gdb_text_put_hex(reply, value, size);
        gdb_text_put(reply, ";");
    }
    gdb_text_put(reply, "thread:%x;", (unsigned)tid);
    put_reason(target, reply);
    put_program(target, reply);
    return NULL;
}

/* ---- monitor ---- */

static void describe_event(const struct event *event, void *context) {
    struct buffer *text = context;
    const struct syscall_row *row;
    gdb_text_put(text, "event %llu: thread %d: ", (unsigned long long)event->number, event->tid);
    switch (event->kind) {
    case EVENT_SYSCALL:
    case EVENT_BLOCKED:
        row = syscall_find(event->syscall.number);
        gdb_text_put(text, "%s%s", row ? row->name : "unknown call",
                     event->kind == EVENT_BLOCKED ? " (begins to wait)" : "");
        if (event->kind == EVENT_SYSCALL)
            gdb_text_put(text, " = %lld", (long long)event->syscall.result);
        break;
    case EVENT_SIGNAL:
        gdb_text_put(text, "%s", signal_name(event->signal.signo));
        break;
    default:
        gdb_text_put(text, "%s", event_kind_name(event->kind));
        break;
    }
    gdb_text_put(text, "\n");
}

static struct error *monitor_when(struct gdb_target *target, const char *word, struct buffer *text) {
    struct travel_place place = travel_place(target->travel);
    const struct event *next = travel_next(target->travel);
    (void)word;
    gdb_text_put(text, "%s event %llu of %llu; thread %d runs%s\n", place.moved ? "after" : "right behind",
                 (unsigned long long)place.event, (unsigned long long)place.events, place.tid,
                 place.end ? "; the recording ends here" : "");
    if (place.whatif)
        gdb_text_put(text, "something was changed here: this is not what was recorded\n");
    if (next) {
        gdb_text_put(text, place.arrived ? "about to happen: " : "next: ");
        describe_event(next, text);
    }
    return NULL;
}

static struct error *monitor_goto(struct gdb_target *target, const char *word, struct buffer *text) {
    char *end;
    unsigned long long number = strtoull(word, &end, 10);
    if (!strcmp(word, "end"))
        return travel_to_end(target->travel, &target->stop);
    if (!strcmp(word, "start"))
        number = 0;
    else if (!*word || *end || *word == '-')
        return error_new(ERROR_USAGE, "goto: takes the number of an event, `start` or `end`");
    TRY(travel_goto(target->travel, number));
    target->stop = (struct travel_stop){.kind = TRAVEL_REACHED};
    return monitor_when(target, word, text);
}

static struct error *monitor_checkpoint(struct gdb_target *target, const char *word, struct buffer *text) {
    (void)word;
    TRY(travel_mark(target->travel));
    gdb_text_put(text, "kept; there are %zu states to go back to\n", travel_place(target->travel).marks);
    return NULL;
}

/* The next ones, without going there. */
static struct error *monitor_events(struct gdb_target *target, const char *word, struct buffer *text) {
    enum { USUALLY = 10, MOST = 1000 };
    char *end;
    unsigned long long count = *word ? strtoull(word, &end, 10) : USUALLY;
    if (*word && (*end || *word == '-' || count > MOST))
        return error_new(ERROR_USAGE, "events: takes a number up to %d", MOST);
    return travel_events(target->travel, (size_t)count, describe_event, text);
}

static struct error *monitor_state(struct gdb_target *target, const char *word, struct buffer *text) {
    uint64_t hash;
    (void)word;
    TRY(travel_hash(target->travel, &hash));
    gdb_text_put(text, "%016llx\n", (unsigned long long)hash);
    return NULL;
}

static struct error *monitor_help(struct gdb_target *target, const char *word, struct buffer *text);

static const struct {
    const char *word, *help;
    struct error *(*run)(struct gdb_target *target, const char *word, struct buffer *text);
} monitor_words[] = {
    {"when", "where in the recording this is", monitor_when},
    {"goto", "goto EVENT|start|end: go there (then `maintenance flush register-cache`)", monitor_goto},
    {"checkpoint", "keep this state, to come back to it fast", monitor_checkpoint},
    {"events", "events [COUNT]: what happens next", monitor_events},
    {"state", "a hash of all registers and writable memory: it is the same whenever one comes here",
     monitor_state},
    {"help", "this list", monitor_help},
};

static struct error *monitor_help(struct gdb_target *target, const char *word, struct buffer *text) {
    (void)target, (void)word;
    for (size_t i = 0; i < sizeof(monitor_words) / sizeof(monitor_words[0]); i++)
        gdb_text_put(text, "%-11s %s\n", monitor_words[i].word, monitor_words[i].help);
    return NULL;
}

struct error *gdb_target_monitor(struct gdb_target *target, const char *words, struct buffer *text) {
    size_t length = strcspn(words, " ");
    const char *rest = words + length + strspn(words + length, " ");
    for (size_t i = 0; i < sizeof(monitor_words) / sizeof(monitor_words[0]); i++)
        if (strlen(monitor_words[i].word) == length && !strncmp(words, monitor_words[i].word, length))
            return monitor_words[i].run(target, rest, text);
    return error_new(ERROR_USAGE, "%.*s: no such word (`monitor help` lists them)", (int)length, words);
}
