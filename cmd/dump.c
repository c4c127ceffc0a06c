/* reel dump: the log of a recording in words, from the same table that recorded it. */
#include "base/registers.h"
#include "base/say.h"
#include "cmd/verb.h"
#include "replay/processes.h"
#include "replay/replayer.h"
#include "replay/tape.h"
#include "tracer/insn.h"
#include "tracer/syscall.h"

#include <cjson/cJSON.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STRING = 64 };

/* Where the events come from and how they are printed. */
struct dump {
    bool json;
    struct buffer text;
    const struct memory_reader *memory; /* the program's, at the event being printed */
};

/* Without a replay the only memory known is what an event's effects hold: what the kernel wrote. */
static size_t read_effects(void *context, uint64_t address, void *ret, size_t size) {
    const struct event *event = context;
    for (uint32_t i = 0; i < event->effect_count; i++) {
        const struct effect *effect = &event->effects[i];
        if (effect->kind != EFFECT_MEMORY || address < effect->address ||
            address - effect->address >= effect->size)
            continue;
        uint64_t at = address - effect->address;
        size_t part = effect->size - at < size ? (size_t)(effect->size - at) : size;
        memcpy(ret, (const char *)effect->bytes + at, part);
        return part;
    }
    return 0;
}

/* ---- in words ---- */

static void describe_syscall(const struct event *event, const struct memory_reader *memory,
                             struct buffer *text) {
    struct syscall_call call = {.number = event->syscall.number, .result = event->syscall.result};
    memcpy(call.args, event->syscall.args, sizeof(call.args));
    syscall_print(&call, memory, MAX_STRING, text);
}

/* Without its result. */
static void describe_blocked(const struct event *event, const struct memory_reader *memory,
                             struct buffer *text) {
    static const char waits[] = ") ... waits";
    describe_syscall(event, memory, text);
    for (size_t i = text->size; i-- > 0;)
        if (text->data[i] == ')') {
            text->size = i;
            break;
        }
    buffer_put(text, waits, sizeof(waits) - 1);
}

static void describe_signal(const struct event *event, struct buffer *text) {
    static const char *const places[] = {"?", "raised here", "after the event before", "before the next call",
                                         "at this point"};
    static const char *const outcomes[] = {"?", "handled", "fatal", "ignored"};
    siginfo_t info;
    char line[256];
    memcpy(&info, event->signal.info, sizeof(info));
    snprintf(line, sizeof(line), "--- %s {si_code=%d, si_addr=%p} at 0x%llx, %s, %s ---",
             signal_name(event->signal.signo), info.si_code, info.si_addr,
             (unsigned long long)event->signal.rip, places[event->signal.place],
             outcomes[event->signal.outcome]);
    buffer_put(text, line, strlen(line));
}

static void describe_instruction(const struct event *event, struct buffer *text) {
    char line[256];
    const struct user_regs_struct *regs = NULL;
    for (uint32_t i = 0; i < event->effect_count; i++)
        if (event->effects[i].kind == EFFECT_REGISTERS && event->effects[i].size == sizeof(*regs))
            regs = event->effects[i].bytes;
    struct user_regs_struct after = {0};
    if (regs)
        memcpy(&after, regs, sizeof(after));
    snprintf(line, sizeof(line), "%s at 0x%llx: rax=0x%llx rbx=0x%llx rcx=0x%llx rdx=0x%llx",
             trapped_instruction_name(event->instruction.instruction),
             (unsigned long long)event->instruction.rip, (unsigned long long)after.rax,
             (unsigned long long)after.rbx, (unsigned long long)after.rcx, (unsigned long long)after.rdx);
    buffer_put(text, line, strlen(line));
}

static void describe_exit(const struct event *event, char *line, size_t size) {
    if (event->exit.how == EXIT_STATUS)
        snprintf(line, size, "+++ exited with %d +++", event->exit.status);
    else
        snprintf(line, size, "+++ killed by %s%s%s +++", signal_name(event->exit.status),
                 event->exit.core ? " (core dumped)" : "",
                 event->exit.how == EXIT_KILLED ? ", some time after the event before" : "");
}

/* One line without its end. */
static void describe(const struct event *event, const struct memory_reader *memory, struct buffer *text) {
    char line[4400] = "";
    switch (event->kind) {
    case EVENT_SYSCALL:
        describe_syscall(event, memory, text);
        return;
    case EVENT_BLOCKED:
        describe_blocked(event, memory, text);
        return;
    case EVENT_SIGNAL:
        describe_signal(event, text);
        return;
    case EVENT_INSTRUCTION:
        describe_instruction(event, text);
        return;
    case EVENT_FILE:
        snprintf(line, sizeof(line), "file %u: %.*s, %llu bytes", event->file.file,
                 (int)event->file.path_size, event->file.path, (unsigned long long)event->file.size);
        break;
    case EVENT_CHECK:
        snprintf(line, sizeof(line), "check of memory 0x%llx-0x%llx: %016llx",
                 (unsigned long long)event->check.address,
                 (unsigned long long)(event->check.address + event->check.size),
                 (unsigned long long)event->check.hash);
        break;
    case EVENT_EXEC:
        snprintf(line, sizeof(line), "+++ became another program +++");
        break;
    case EVENT_EXIT:
        describe_exit(event, line, sizeof(line));
        break;
    case EVENT_STOPPED:
        snprintf(line, sizeof(line), "+++ recording stopped: %.*s +++", (int)event->stopped.why_size,
                 event->stopped.why);
        break;
    case EVENT_THREAD:
        snprintf(line, sizeof(line), "+++ thread made by %d +++", event->thread.parent);
        break;
    case EVENT_PROCESS:
        snprintf(line, sizeof(line), "+++ process made by %d, which shares memory +++",
                 event->process.parent);
        break;
    case EVENT_LEFT:
        snprintf(line, sizeof(line), "+++ became another program, see --pid d%u +++", event->left.number);
        break;
    case EVENT_JOIN:
        snprintf(line, sizeof(line), "+++ joins, see --pid d%u for what was before +++", event->left.number);
        break;
    case EVENT_JOINED:
        snprintf(line, sizeof(line), "+++ goes on together with others, see --pid d%u +++",
                 event->left.number);
        break;
    case EVENT_MEMORY:
        snprintf(line, sizeof(line), "+++ shared memory after the end of a process +++");
        break;
    case EVENT_SWITCH:
        snprintf(line, sizeof(line), "+++ interrupted in its computation +++");
        break;
    case EVENT_THREAD_EXIT:
        snprintf(line, sizeof(line), "+++ thread ended +++");
        break;
    case EVENT_KIND_END:
        break;
    }
    buffer_put(text, line, strlen(line));
}

static struct error *print_words(const struct event *event, const struct memory_reader *memory,
                                 struct buffer *text) {
    buffer_clear(text);
    describe(event, memory, text);
    TRY(buffer_check(text));
    for (size_t i = 0; i < text->size;
         i++) /* names in a recording may hold anything: keep the terminal safe */
        if (text->data[i] < ' ' || text->data[i] == 127)
            text->data[i] = '?';
    printf("%7llu %d %.*s\n", (unsigned long long)event->number, event->tid, (int)text->size,
           (const char *)text->data);
    return NULL;
}

/* ---- as JSON: an object a line ---- */

static void add_hex(cJSON *object, const char *key, uint64_t value) {
    char text[32];
    snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
    cJSON_AddStringToObject(object, key, text);
}

static void add_syscall(cJSON *object, const struct event *event) {
    const struct syscall_row *row = syscall_find(event->syscall.number);
    cJSON_AddNumberToObject(object, "syscall", (double)event->syscall.number);
    cJSON_AddStringToObject(object, "name", row ? row->name : "?");
    cJSON *args = cJSON_AddArrayToObject(object, "args");
    for (int i = 0; i < (row ? row->arg_count : 6); i++) {
        char text[32];
        snprintf(text, sizeof(text), "0x%llx", (unsigned long long)event->syscall.args[i]);
        cJSON_AddItemToArray(args, cJSON_CreateString(text));
    }
    if (event->kind == EVENT_SYSCALL)
        cJSON_AddNumberToObject(object, "result", (double)event->syscall.result);
    add_hex(object, "rip", event->syscall.rip);
    if (event->syscall.stream != STREAM_NONE)
        cJSON_AddStringToObject(object, "stream",
                                event->syscall.stream == STREAM_STDOUT ? "stdout" : "stderr");
}

static void add_details(cJSON *object, const struct event *event) {
    switch (event->kind) {
    case EVENT_SYSCALL:
    case EVENT_BLOCKED:
        add_syscall(object, event);
        break;
    case EVENT_PROCESS:
        cJSON_AddNumberToObject(object, "parent", event->process.parent);
        cJSON_AddNumberToObject(object, "domain", event->process.number);
        break;
    case EVENT_LEFT:
    case EVENT_JOIN:
    case EVENT_JOINED:
        cJSON_AddNumberToObject(object, "domain", event->left.number);
        break;
    case EVENT_THREAD:
        cJSON_AddNumberToObject(object, "parent", event->thread.parent);
        break;
    case EVENT_SIGNAL:
        cJSON_AddStringToObject(object, "signal", signal_name(event->signal.signo));
        add_hex(object, "rip", event->signal.rip);
        if (event->signal.place == SIGNAL_AT_POINT)
            cJSON_AddNumberToObject(object, "point_bytes", event->signal.point_size);
        break;
    case EVENT_INSTRUCTION:
        cJSON_AddStringToObject(object, "instruction",
                                trapped_instruction_name(event->instruction.instruction));
        add_hex(object, "rip", event->instruction.rip);
        break;
    case EVENT_EXIT:
        cJSON_AddNumberToObject(object, event->exit.how == EXIT_STATUS ? "status" : "killed_by",
                                event->exit.status);
        break;
    default:
        break;
    }
}

/* JSON is UTF-8; bytes of a recording are not always. */
static void keep_ascii(struct buffer *text) {
    for (size_t i = 0; i < text->size; i++)
        if (text->data[i] < ' ' || text->data[i] > 126)
            text->data[i] = '?';
}

static struct error *print_json(const struct event *event, const struct memory_reader *memory,
                                struct buffer *text) {
    buffer_clear(text);
    describe(event, memory, text);
    keep_ascii(text);
    buffer_put_u8(text, 0);
    TRY(buffer_check(text));
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "event", (double)event->number);
    cJSON_AddNumberToObject(object, "tid", event->tid);
    cJSON_AddStringToObject(object, "kind", event_kind_name(event->kind));
    add_details(object, event);
    cJSON_AddStringToObject(object, "text", (const char *)text->data);
    cJSON_AddNumberToObject(object, "effects", event->effect_count);
    char *line = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    if (!line)
        return &error_no_memory;
    puts(line);
    free(line);
    return NULL;
}

/* ---- the verb ---- */

static struct error *print_event(void *context, const struct event *event,
                                 const struct memory_reader *memory) {
    struct dump *dump = context;
    return dump->json ? print_json(event, memory, &dump->text) : print_words(event, memory, &dump->text);
}

/* From the log alone. */
static struct error *dump_log(struct dump *dump, struct tape *tape) {
    for (bool segment = true; segment;) {
        for (;;) {
            struct event event;
            bool more;
            TRY(tape_next(tape, &event, &more));
            if (!more)
                break;
            const struct memory_reader memory = {.read = read_effects, .context = &event};
            TRY(print_event(dump, &event, &memory));
        }
        TRY(tape_next_segment(tape, &segment));
    }
    if (tape->cut)
        say("the recording ends after event %llu: the recorder was killed", (unsigned long long)tape->events);
    return NULL;
}

static struct error *run(int argc, char **argv, int *ret_status) {
    int first, replayed_status;
    bool help, raw = false;
    char *path;
    const char *who = NULL;
    struct tape tape;
    struct dump dump = {0};
    const struct verb_option rows[] = {
        {"json", 'j', VERB_FLAG, &dump.json}, {"raw", 'r', VERB_FLAG, &raw}, {"pid", 'p', VERB_VALUE, &who}};
    TRY(verb_options(&verb_dump, argc, argv, rows, sizeof(rows) / sizeof(rows[0]), false, &first, &help));
    if (help)
        return NULL;
    TRY(verb_recording(argc, argv, first, &path));
    struct replayer_options options = {.path = path, .quiet = true, .observe = print_event, .context = &dump};
    struct process_place place;
    struct error *err = processes_find(path, who, &place);
    options.domain = place.domain;
    if (!err)
        err = raw ? tape_open(path, NULL, options.domain, &tape) : replayer_run(&options, &replayed_status);
    if (raw && !err) {
        err = dump_log(&dump, &tape);
        tape_close(&tape);
    }
    free(path);
    buffer_deinit(&dump.text);
    *ret_status = 0;
    return err;
}

const struct verb verb_dump = {
    .name = "dump",
    .arguments = "[--json] [--raw] [--pid PID] [RECORDING]",
    .summary = "print the events of a recording",
    .help =
        "Prints each event of RECORDING (default: the newest in the current folder): its number, the task,\n"
        "and what happened. What the program handed to the kernel (names, bytes written) is not in the log;\n"
        "the recording is replayed to show it.\n"
        "\n"
        "  -j, --json         one JSON object a line\n"
        "  -p, --pid PID      of the process PID, or dN, the Nth (default: the first; `reel ps` lists them)\n"
        "  -r, --raw          do not replay: print what is in the log, other memory as addresses\n"
        "  -q, --quiet        say nothing but failures\n",
    .run = run,
};
