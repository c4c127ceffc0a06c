#include "replay/gdb_packet.h"

#include "replay/gdb_registers.h"
#include "replay/gdb_text.h"
#include "tracer/ptrace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MEMORY_MOST (GDB_PACKET_MOST / 2 - 16)
#define MANY        16384

/* args is what follows the packet's name, with a NUL behind it. */
typedef struct error *packet_handler(struct gdb_session *session, char *args, size_t size,
                                     struct buffer *reply);

/* The session that runs; there is one at a time. */
static struct gdb_session *current;

static void put_text(struct buffer *reply, const char *text) {
    buffer_put(reply, text, strlen(text));
}

static struct error *ok(struct buffer *reply) {
    put_text(reply, "OK");
    return NULL;
}

static struct error *bad_packet(void) {
    return error_new(ERROR_BAD_DATA, "packet: makes no sense");
}

/* ---- messages to the user ---- */

static void send_text(struct gdb_session *session, const void *bytes, size_t size) {
    struct buffer packet = {0};
    buffer_put_u8(&packet, 'O');
    gdb_text_put_hex(&packet, bytes, size);
    if (!packet.failed && !session->wire.gone)
        error_free(gdb_wire_send(&session->wire, packet.data, packet.size));
    buffer_deinit(&packet);
}

static void say_text(void *context, const char *text) {
    send_text(context, text, strlen(text));
}

bool gdb_interrupted(void *context) {
    (void)context;
    return current && gdb_wire_interrupted(&current->wire);
}

void gdb_written(void *context, const void *bytes, size_t size) {
    enum { PIECE = 4096 };
    (void)context;
    for (size_t at = 0; current && at < size; at += PIECE)
        send_text(current, (const char *)bytes + at, size - at < PIECE ? size - at : PIECE);
}

/* ---- running ---- */

static struct error *tell_stop(struct gdb_session *session, struct buffer *reply) {
    return gdb_target_stop_reply(&session->target, reply);
}

static struct error *why(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    (void)args, (void)size;
    return tell_stop(session, reply);
}

static struct error *resume(struct gdb_session *session, bool step, bool back, int32_t tid,
                            struct buffer *reply) {
    if (step)
        TRY(gdb_target_step(&session->target, tid, back));
    else
        TRY(gdb_target_continue(&session->target, back));
    return tell_stop(session, reply);
}

/* `c`, `s`, `C sig`, `S sig`: an address to go on from would be another run than the recorded. */
static struct error *go_on(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    (void)args, (void)size;
    return resume(session, false, false, 0, reply);
}

static struct error *step_on(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    (void)args, (void)size;
    return resume(session, true, false, session->target.runs, reply);
}

static struct error *back_on(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    (void)args, (void)size;
    return resume(session, false, true, 0, reply);
}

static struct error *step_back(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    (void)args, (void)size;
    return resume(session, true, true, 0, reply);
}

/* One action of vCont: `s:TID`, `r START,END:TID`. */
struct action {
    char kind;
    uint64_t start, end;
    int32_t tid; /* 0: all that have no other */
};

static bool parse_action(char *text, struct action *ret) {
    struct gdb_text cursor = gdb_text_of(text, strlen(text));
    uint64_t signo;
    *ret = (struct action){.kind = gdb_text_take(&cursor)};
    if (ret->kind == 'C' || ret->kind == 'S') {
        ret->kind = ret->kind == 'C' ? 'c' : 's';
        if (!gdb_text_number(&cursor, &signo))
            return false;
    } else if (ret->kind == 'r') {
        if (!gdb_text_number(&cursor, &ret->start) || !gdb_text_accept(&cursor, ',') ||
            !gdb_text_number(&cursor, &ret->end))
            return false;
    } else if (ret->kind != 'c' && ret->kind != 's') {
        return false;
    }
    return (gdb_text_accept(&cursor, ':') ? gdb_text_thread(&cursor, &ret->tid) : true) &&
           gdb_text_left(&cursor) == 0;
}

/* The thread that is to be stepped decides; that the others stand still is not in our power. */
static struct error *continue_actions(struct gdb_session *session, char *args, size_t size,
                                      struct buffer *reply) {
    struct action chosen = {.kind = 'c'};
    char *rest = args;
    (void)size;
    for (char *each = strsep(&rest, ";"); each; each = strsep(&rest, ";")) {
        struct action action;
        if (!parse_action(each, &action))
            return bad_packet();
        if (action.kind != 'c' && chosen.kind == 'c')
            chosen = action;
    }
    if (chosen.kind == 'r') {
        TRY(gdb_target_step_range(&session->target, chosen.tid > 0 ? chosen.tid : 0, chosen.start,
                                  chosen.end));
        return tell_stop(session, reply);
    }
    return resume(session, chosen.kind == 's', false, chosen.tid > 0 ? chosen.tid : 0, reply);
}

static struct error *continue_kinds(struct gdb_session *session, char *args, size_t size,
                                    struct buffer *reply) {
    (void)session, (void)args, (void)size;
    put_text(reply, "vCont;c;C;s;S;r");
    return NULL;
}

/* ---- threads ---- */

static struct error *choose_thread(struct gdb_session *session, char *args, size_t size,
                                   struct buffer *reply) {
    struct gdb_text cursor = gdb_text_of(args, size);
    char what = gdb_text_take(&cursor);
    int32_t tid;
    if (!gdb_text_thread(&cursor, &tid) || (what != 'g' && what != 'c'))
        return bad_packet();
    if (tid > 0 && !gdb_target_has_thread(&session->target, tid))
        return error_new(ERROR_NOT_FOUND, "thread %d: there is none here", tid);
    *(what == 'g' ? &session->target.thread : &session->target.runs) = tid > 0 ? tid : 0;
    return ok(reply);
}

static struct error *is_alive(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    struct gdb_text cursor = gdb_text_of(args, size);
    int32_t tid;
    if (!gdb_text_thread(&cursor, &tid))
        return bad_packet();
    put_text(reply, gdb_target_has_thread(&session->target, tid) ? "OK" : "E01");
    return NULL;
}

static struct error *current_thread(struct gdb_session *session, char *args, size_t size,
                                    struct buffer *reply) {
    (void)args, (void)size;
    gdb_text_put(reply, "QC%x", (unsigned)travel_place(session->target.travel).tid);
    return NULL;
}

static struct error *first_threads(struct gdb_session *session, char *args, size_t size,
                                   struct buffer *reply) {
    int32_t *tids = calloc(MANY, sizeof(*tids));
    (void)args, (void)size;
    if (!tids)
        return &error_no_memory;
    size_t count = travel_threads(session->target.travel, tids, MANY);
    for (size_t i = 0; i < count && i < MANY; i++)
        gdb_text_put(reply, "%c%x", i ? ',' : 'm', (unsigned)tids[i]);
    free(tids);
    return NULL;
}

static struct error *more_threads(struct gdb_session *session, char *args, size_t size,
                                  struct buffer *reply) {
    (void)session, (void)args, (void)size;
    put_text(reply, "l");
    return NULL;
}

static struct error *describe_thread(struct gdb_session *session, char *args, size_t size,
                                     struct buffer *reply) {
    struct gdb_text cursor = gdb_text_of(args, size);
    struct travel_place place = travel_place(session->target.travel);
    int32_t tid;
    if (!gdb_text_thread(&cursor, &tid))
        return bad_packet();
    const char *text = place.tid == tid ? "runs" : "waits";
    gdb_text_put_hex(reply, text, strlen(text));
    return NULL;
}

/* ---- registers ---- */

static uint8_t xstate[XSTATE_MAX];

static struct error *read_state(struct gdb_session *session, struct user_regs_struct *regs,
                                size_t *xstate_size) {
    int32_t tid = gdb_target_thread(&session->target);
    TRY(travel_registers(session->target.travel, tid, regs));
    return travel_xstate(session->target.travel, tid, xstate, xstate_size);
}

static struct error *write_state(struct gdb_session *session, const struct user_regs_struct *regs,
                                 size_t xstate_size, bool general, bool other) {
    int32_t tid = gdb_target_thread(&session->target);
    if (other)
        TRY(travel_set_xstate(session->target.travel, tid, xstate, xstate_size));
    return general ? travel_set_registers(session->target.travel, tid, regs) : NULL;
}

static struct error *read_registers(struct gdb_session *session, char *args, size_t size,
                                    struct buffer *reply) {
    struct user_regs_struct regs;
    uint8_t value[GDB_REGISTER_MOST];
    size_t xstate_size;
    (void)args, (void)size;
    TRY(read_state(session, &regs, &xstate_size));
    for (size_t i = 0; i < gdb_register_count(); i++)
        gdb_text_put_hex(reply, value, gdb_register_get(i, &regs, xstate, xstate_size, value));
    return NULL;
}

/* Put one value; notes which part of the state has changed by it. */
static bool set_register(size_t number, struct gdb_text *cursor, struct user_regs_struct *regs,
                         size_t xstate_size, bool *general, bool *other) {
    uint8_t value[GDB_REGISTER_MOST], before[GDB_REGISTER_MOST];
    const struct user_regs_struct old = *regs;
    size_t size = gdb_register_get(number, regs, xstate, xstate_size, before);
    if (!size || !gdb_text_bytes(cursor, value, size))
        return false;
    if (!memcmp(value, before, size))
        return true;
    if (!gdb_register_set(number, value, regs, xstate, xstate_size))
        return false;
    *(memcmp(&old, regs, sizeof(old)) ? general : other) = true;
    return true;
}

static struct error *write_registers(struct gdb_session *session, char *args, size_t size,
                                     struct buffer *reply) {
    struct gdb_text cursor = gdb_text_of(args, size);
    struct user_regs_struct regs;
    bool general = false, other = false;
    size_t xstate_size;
    TRY(read_state(session, &regs, &xstate_size));
    for (size_t i = 0; i < gdb_register_count(); i++)
        if (!set_register(i, &cursor, &regs, xstate_size, &general, &other))
            return bad_packet();
    TRY(write_state(session, &regs, xstate_size, general, other));
    return ok(reply);
}

static struct error *read_register(struct gdb_session *session, char *args, size_t size,
                                   struct buffer *reply) {
    struct gdb_text cursor = gdb_text_of(args, size);
    struct user_regs_struct regs;
    uint8_t value[GDB_REGISTER_MOST];
    uint64_t number;
    size_t xstate_size;
    if (!gdb_text_number(&cursor, &number) || number >= gdb_register_count())
        return bad_packet();
    TRY(read_state(session, &regs, &xstate_size));
    gdb_text_put_hex(reply, value, gdb_register_get(number, &regs, xstate, xstate_size, value));
    return NULL;
}

static struct error *write_register(struct gdb_session *session, char *args, size_t size,
                                    struct buffer *reply) {
    struct gdb_text cursor = gdb_text_of(args, size);
    struct user_regs_struct regs;
    bool general = false, other = false;
    uint64_t number;
    size_t xstate_size;
    if (!gdb_text_number(&cursor, &number) || !gdb_text_accept(&cursor, '=') ||
        number >= gdb_register_count())
        return bad_packet();
    TRY(read_state(session, &regs, &xstate_size));
    if (!set_register(number, &cursor, &regs, xstate_size, &general, &other))
        return bad_packet();
    TRY(write_state(session, &regs, xstate_size, general, other));
    return ok(reply);
}

/* ---- memory ---- */

static bool parse_range(struct gdb_text *cursor, uint64_t *address, uint64_t *length) {
    return gdb_text_number(cursor, address) && gdb_text_accept(cursor, ',') &&
           gdb_text_number(cursor, length);
}

static struct error *read_memory(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    static uint8_t bytes[MEMORY_MOST];
    struct gdb_text cursor = gdb_text_of(args, size);
    uint64_t address, length;
    if (!parse_range(&cursor, &address, &length))
        return bad_packet();
    if (length > sizeof(bytes))
        length = sizeof(bytes);
    size_t got = travel_read(session->target.travel, address, bytes, length);
    if (!got && length)
        return error_new(ERROR_NOT_FOUND, "memory 0x%llx: there is none", (unsigned long long)address);
    gdb_text_put_hex(reply, bytes, got);
    return NULL;
}

static struct error *write_memory(struct gdb_session *session, char *args, size_t size,
                                  struct buffer *reply) {
    static uint8_t bytes[MEMORY_MOST];
    struct gdb_text cursor = gdb_text_of(args, size);
    uint64_t address, length;
    if (!parse_range(&cursor, &address, &length) || !gdb_text_accept(&cursor, ':') ||
        length > sizeof(bytes) || !gdb_text_bytes(&cursor, bytes, length))
        return bad_packet();
    if (length)
        TRY(travel_write(session->target.travel, address, bytes, length));
    return ok(reply);
}

/* The same with the bytes as they are. */
static struct error *write_binary(struct gdb_session *session, char *args, size_t size,
                                  struct buffer *reply) {
    struct gdb_text cursor = gdb_text_of(args, size);
    uint64_t address, length;
    if (!parse_range(&cursor, &address, &length) || !gdb_text_accept(&cursor, ':') ||
        length != gdb_text_left(&cursor))
        return bad_packet();
    if (length)
        TRY(travel_write(session->target.travel, address, cursor.at, length));
    return ok(reply);
}

/* ---- breakpoints ---- */

static struct error *set_point(struct gdb_session *session, const char *args, size_t size, bool on,
                               struct buffer *reply) {
    static const enum travel_watch watches[] = {WATCH_WRITE, WATCH_READ, WATCH_ACCESS};
    struct gdb_text cursor = gdb_text_of(args, size);
    uint64_t kind, address, length;
    if (!gdb_text_number(&cursor, &kind) || !gdb_text_accept(&cursor, ',') ||
        !parse_range(&cursor, &address, &length))
        return bad_packet();
    if (kind > 4) /* "" says that it is not known */
        return NULL;
    if (kind < 2)
        TRY(travel_break(session->target.travel, address, on));
    else
        TRY(travel_watch(session->target.travel, watches[kind - 2], address, length, on));
    return ok(reply);
}

static struct error *insert_point(struct gdb_session *session, char *args, size_t size,
                                  struct buffer *reply) {
    return set_point(session, args, size, true, reply);
}

static struct error *remove_point(struct gdb_session *session, char *args, size_t size,
                                  struct buffer *reply) {
    return set_point(session, args, size, false, reply);
}

static struct error *catch_calls(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    enum { MOST = 64 };
    struct gdb_text cursor = gdb_text_of(args, size);
    uint64_t on, numbers[MOST];
    size_t count = 0;
    if (!gdb_text_number(&cursor, &on))
        return bad_packet();
    while (gdb_text_accept(&cursor, ';'))
        if (count == MOST || !gdb_text_number(&cursor, &numbers[count++]))
            return bad_packet();
    TRY(travel_catch_calls(session->target.travel, on != 0, numbers, count));
    return ok(reply);
}

static struct error *pass_signals(struct gdb_session *session, char *args, size_t size,
                                  struct buffer *reply) {
    struct gdb_text cursor = gdb_text_of(args, size);
    bool passed[NSIG] = {0};
    while (gdb_text_left(&cursor)) {
        uint64_t number;
        if (!gdb_text_number(&cursor, &number))
            return bad_packet();
        int signo = number < 256 ? gdb_signal_host((unsigned)number) : 0;
        if (signo > 0 && signo < NSIG)
            passed[signo] = true;
        gdb_text_accept(&cursor, ';');
    }
    travel_pass_signals(session->target.travel, passed);
    return ok(reply);
}

/* ---- what both sides can do ---- */

static struct error *supported(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    struct gdb_target *target = &session->target;
    (void)size;
    target->swbreak = strstr(args, "swbreak+") != NULL;
    target->hwbreak = strstr(args, "hwbreak+") != NULL;
    target->exec_events = strstr(args, "exec-events+") != NULL;
    gdb_text_put(reply,
                 "PacketSize=%x;QStartNoAckMode+;ReverseStep+;ReverseContinue+;QPassSignals+;"
                 "QCatchSyscalls+;swbreak+;hwbreak+;exec-events+;vContSupported+;",
                 GDB_PACKET_MOST);
    put_text(reply, "qXfer:features:read+;qXfer:auxv:read+;qXfer:exec-file:read+;qXfer:siginfo:read+;"
                    "qXfer:threads:read+;multiprocess-");
    return NULL;
}

static struct error *no_acks(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    (void)args, (void)size;
    session->wire.no_acks = true; /* gdb acknowledges this answer still, which does no harm */
    return ok(reply);
}

static struct error *attached(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    (void)session, (void)args, (void)size;
    put_text(reply, "1");
    return NULL;
}

static struct error *accept_it(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    (void)session, (void)args, (void)size;
    return ok(reply);
}

static struct error *unknown(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    (void)session, (void)args, (void)size, (void)reply;
    return NULL;
}

static struct error *detach(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    (void)args, (void)size;
    session->over = true;
    return ok(reply);
}

static struct error *kill_it(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    (void)args, (void)size;
    session->over = session->killed = true;
    return ok(reply);
}

/* ---- objects ---- */

static struct error *object_features(struct gdb_session *session, const char *annex, struct buffer *object) {
    (void)session;
    if (strcmp(annex, "target.xml") != 0)
        return error_new(ERROR_NOT_FOUND, "%s: there is none", annex);
    gdb_register_describe(object);
    return NULL;
}

static struct error *object_auxv(struct gdb_session *session, const char *annex, struct buffer *object) {
    (void)annex;
    gdb_files_auxv(session->target.travel, object);
    return NULL;
}

static struct error *object_program(struct gdb_session *session, const char *annex, struct buffer *object) {
    char path[4096];
    (void)annex;
    gdb_files_program(session->target.travel, path, sizeof(path));
    put_text(object, path);
    return NULL;
}

static struct error *object_siginfo(struct gdb_session *session, const char *annex, struct buffer *object) {
    const struct event *next = travel_next(session->target.travel);
    (void)annex;
    if (!next || next->kind != EVENT_SIGNAL || !travel_place(session->target.travel).arrived)
        return error_new(ERROR_NOT_FOUND, "siginfo: no signal has come here");
    buffer_put(object, next->signal.info, SIGINFO_SIZE);
    return NULL;
}

static struct error *object_threads(struct gdb_session *session, const char *annex, struct buffer *object) {
    struct travel *travel = session->target.travel;
    int32_t *tids = calloc(MANY, sizeof(*tids));
    (void)annex;
    if (!tids)
        return &error_no_memory;
    size_t count = travel_threads(travel, tids, MANY);
    put_text(object, "<?xml version=\"1.0\"?><threads>");
    for (size_t i = 0; i < count && i < MANY; i++)
        gdb_text_put(object, "<thread id=\"%x\">%s</thread>", (unsigned)tids[i],
                     tids[i] == travel_place(travel).tid ? "runs" : "waits");
    put_text(object, "</threads>");
    free(tids);
    return NULL;
}

static const struct {
    const char *name;
    struct error *(*make)(struct gdb_session *session, const char *annex, struct buffer *object);
} objects[] = {
    {"features", object_features}, {"auxv", object_auxv},       {"exec-file", object_program},
    {"siginfo", object_siginfo},   {"threads", object_threads},
};

static struct error *send_part(const struct buffer *object, uint64_t offset, uint64_t length,
                               struct buffer *reply) {
    TRY(buffer_check(object));
    uint64_t left = offset < object->size ? object->size - offset : 0;
    length = length < MEMORY_MOST ? length : MEMORY_MOST;
    buffer_put_u8(reply, left > length ? 'm' : 'l');
    if (left)
        buffer_put(reply, object->data + offset, left < length ? left : length);
    return NULL;
}

/* `qXfer:NAME:read:ANNEX:OFFSET,LENGTH` */
static struct error *transfer(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    const char *name = strsep(&args, ":"), *operation = strsep(&args, ":"), *annex = strsep(&args, ":");
    uint64_t offset, length;
    (void)size;
    if (!args || strcmp(operation, "read") != 0)
        return NULL;
    struct gdb_text cursor = gdb_text_of(args, strlen(args));
    if (!parse_range(&cursor, &offset, &length))
        return bad_packet();
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
        struct buffer object = {0};
        if (strcmp(objects[i].name, name) != 0)
            continue;
        struct error *err = objects[i].make(session, annex, &object);
        if (!err)
            err = send_part(&object, offset, length, reply);
        buffer_deinit(&object);
        return err;
    }
    return NULL;
}

/* ---- files: `vFile:OPERATION:ARGUMENTS` ---- */

/* errno values of the protocol: gdb's manual, "Errno Values". */
static int protocol_errno(int64_t error) {
    return error == -ENOENT || error == -EBADF || error == -EIO ? (int)-error : error == -EMFILE ? 24 : 9999;
}

static struct error *file_result(int64_t result, struct buffer *reply) {
    if (result < 0)
        gdb_text_put(reply, "F-1,%x", (unsigned)protocol_errno(result));
    else
        gdb_text_put(reply, "F%llx", (unsigned long long)result);
    return NULL;
}

static struct error *file_open(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    struct gdb_text cursor = gdb_text_of(args, size);
    char path[4096];
    size_t length = 0;
    while (length + 1 < sizeof(path) && gdb_text_bytes(&cursor, (uint8_t *)&path[length], 1))
        length++;
    path[length] = '\0';
    if (!gdb_text_accept(&cursor, ','))
        return bad_packet();
    return file_result(gdb_files_open(&session->target.files, path), reply);
}

static struct error *file_close(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    struct gdb_text cursor = gdb_text_of(args, size);
    uint64_t number;
    if (!gdb_text_number(&cursor, &number))
        return bad_packet();
    return file_result(gdb_files_close(&session->target.files, number), reply);
}

static struct error *file_read(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    static uint8_t bytes[MEMORY_MOST];
    struct gdb_text cursor = gdb_text_of(args, size);
    uint64_t number, length, offset;
    if (!gdb_text_number(&cursor, &number) || !gdb_text_accept(&cursor, ',') ||
        !parse_range(&cursor, &length, &offset))
        return bad_packet();
    if (length > sizeof(bytes))
        length = sizeof(bytes);
    int64_t got = gdb_files_read(&session->target.files, number, offset, bytes, length);
    TRY(file_result(got, reply));
    if (got >= 0) {
        put_text(reply, ";");
        buffer_put(reply, bytes, (size_t)got);
    }
    return NULL;
}

static void put_big(uint8_t *at, uint64_t value, size_t size) {
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

/* gdb's manual, "struct stat": big endian, 64 bytes. */
static struct error *file_stat(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    enum { MODE = 8, LINKS = 12, SIZE = 28, BLOCK = 36, ALL = 64 };
    struct gdb_text cursor = gdb_text_of(args, size);
    uint8_t stat[ALL] = {0};
    uint64_t number, bytes = 0;
    if (!gdb_text_number(&cursor, &number))
        return bad_packet();
    int result = gdb_files_size(&session->target.files, number, &bytes);
    if (result < 0)
        return file_result(result, reply);
    put_big(stat + MODE, S_IFREG | 0555, 4);
    put_big(stat + LINKS, 1, 4);
    put_big(stat + SIZE, bytes, 8);
    put_big(stat + BLOCK, 4096, 8);
    gdb_text_put(reply, "F%x;", ALL);
    buffer_put(reply, stat, sizeof(stat));
    return NULL;
}

static struct error *file_system(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    (void)session, (void)args, (void)size;
    return file_result(0, reply);
}

/* ---- monitor ---- */

static struct error *monitor(struct gdb_session *session, char *args, size_t size, struct buffer *reply) {
    struct gdb_text cursor = gdb_text_of(args, size);
    struct buffer text = {0};
    char words[1024];
    size_t length = 0;
    while (length + 1 < sizeof(words) && gdb_text_bytes(&cursor, (uint8_t *)&words[length], 1))
        length++;
    words[length] = '\0';
    struct error *err = gdb_target_monitor(&session->target, words, &text);
    if (err) {
        gdb_text_put(&text, "reel: %s\n", err->message);
        error_free(err);
    }
    gdb_text_put_hex(reply, text.data, text.size);
    buffer_deinit(&text);
    return reply->size ? NULL : ok(reply);
}

/* ---- the table ---- */

enum { WHOLE, BEGINS };

static const struct {
    const char *name;
    int how; /* WHOLE: the packet is this, or this and `;`, `:` or `,` with arguments; BEGINS: it begins with
                it */
    packet_handler *answer;
} packets[] = {
    {"?", BEGINS, why},
    {"g", WHOLE, read_registers},
    {"G", BEGINS, write_registers},
    {"p", BEGINS, read_register},
    {"P", BEGINS, write_register},
    {"m", BEGINS, read_memory},
    {"M", BEGINS, write_memory},
    {"X", BEGINS, write_binary},
    {"Z", BEGINS, insert_point},
    {"z", BEGINS, remove_point},
    {"H", BEGINS, choose_thread},
    {"T", BEGINS, is_alive},
    {"c", BEGINS, go_on},
    {"C", BEGINS, go_on},
    {"s", BEGINS, step_on},
    {"S", BEGINS, step_on},
    {"bc", WHOLE, back_on},
    {"bs", WHOLE, step_back},
    {"D", BEGINS, detach},
    {"k", WHOLE, kill_it},
    {"vKill", BEGINS, kill_it},
    {"vCont?", WHOLE, continue_kinds},
    {"vCont;", BEGINS, continue_actions},
    {"vFile:open:", BEGINS, file_open},
    {"vFile:close:", BEGINS, file_close},
    {"vFile:pread:", BEGINS, file_read},
    {"vFile:fstat:", BEGINS, file_stat},
    {"vFile:setfs:", BEGINS, file_system},
    {"qSupported", BEGINS, supported},
    {"QStartNoAckMode", WHOLE, no_acks},
    {"QPassSignals:", BEGINS, pass_signals},
    {"QProgramSignals:", BEGINS, accept_it},
    {"QCatchSyscalls:", BEGINS, catch_calls},
    {"qXfer:", BEGINS, transfer},
    {"qRcmd,", BEGINS, monitor},
    {"qC", WHOLE, current_thread},
    {"qfThreadInfo", WHOLE, first_threads},
    {"qsThreadInfo", WHOLE, more_threads},
    {"qThreadExtraInfo,", BEGINS, describe_thread},
    {"qAttached", BEGINS, attached},
    {"qSymbol:", BEGINS, accept_it},
    {"vMustReplyEmpty", WHOLE, unknown},
};

struct error *gdb_packet_answer(struct gdb_session *session, char *data, size_t size, struct buffer *reply) {
    for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
        size_t length = strlen(packets[i].name);
        if (size < length || memcmp(data, packets[i].name, length) != 0 ||
            (packets[i].how == WHOLE && size > length && !strchr(";:,", data[length])))
            continue;
        return packets[i].answer(session, data + length, size - length, reply);
    }
    return NULL; /* an empty answer: not known */
}

/* ---- the session ---- */

/* A wish that cannot be fulfilled is no failure of reel's; a recording that cannot be replayed is. */
static bool is_fatal(const struct error *err) {
    return error_is(err, ERROR_NO_MEMORY) || error_is(err, ERROR_TASK_GONE);
}

static struct error *answer(struct gdb_session *session, struct buffer *reply) {
    struct gdb_wire *wire = &session->wire;
    buffer_clear(reply);
    struct error *err = gdb_packet_answer(session, (char *)wire->packet.data, wire->packet.size, reply);
    if (is_fatal(err))
        return err;
    if (err) {
        buffer_clear(reply);
        /* what answers with digits is not expected to answer with words */
        if (strchr("gmp", wire->packet.data[0]))
            put_text(reply, "E01");
        else
            gdb_text_put(reply, "E.reel: %s", err->message);
        error_free(err);
    }
    TRY(buffer_check(reply));
    return gdb_wire_send(wire, reply->data, reply->size);
}

static struct error *serve(struct gdb_session *session) {
    struct buffer reply = {0};
    struct error *err = NULL;
    while (!err && !session->over && !session->wire.gone) {
        bool interrupt;
        err = gdb_wire_receive(&session->wire, &interrupt);
        if (!err && !session->wire.gone && !interrupt)
            err = answer(session, &reply);
    }
    buffer_deinit(&reply);
    return err;
}

struct error *gdb_serve(struct travel *travel, const struct travel_stop *stop, int in, int out,
                        bool *ret_killed) {
    static struct gdb_session session;
    memset(&session, 0, sizeof(session));
    gdb_wire_init(&session.wire, in, out);
    gdb_target_init(&session.target, travel);
    session.target.stop = *stop;
    session.target.say = say_text;
    session.target.context = &session;
    current = &session;
    struct error *err = serve(&session);
    current = NULL;
    *ret_killed = session.killed;
    gdb_target_deinit(&session.target);
    gdb_wire_deinit(&session.wire);
    return err;
}
