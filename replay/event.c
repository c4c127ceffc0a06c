#include "replay/event.h"

#include "replay/point.h"
#include "tracer/insn.h"

#include <stdlib.h>
#include <string.h>

/* A longer instruction does not exist. */
#define INSTRUCTION_LENGTH_MAX 15
#define SIGNAL_MAX             64
#define STATUS_MAX             255
/* Paths and reasons are for messages: none that reel writes is nearly as long. */
#define TEXT_MAX 65535

/* The smallest effect: kind and one byte. */
#define EFFECT_BYTES_MIN 2

const char *event_kind_name(enum event_kind kind) {
    static const char *const names[EVENT_KIND_END] = {[EVENT_SYSCALL] = "syscall",
                                                      [EVENT_SIGNAL] = "signal",
                                                      [EVENT_INSTRUCTION] = "instruction",
                                                      [EVENT_FILE] = "file",
                                                      [EVENT_CHECK] = "check",
                                                      [EVENT_EXEC] = "exec",
                                                      [EVENT_EXIT] = "exit",
                                                      [EVENT_STOPPED] = "stopped",
                                                      [EVENT_BLOCKED] = "blocked",
                                                      [EVENT_THREAD] = "thread",
                                                      [EVENT_THREAD_EXIT] = "thread exit",
                                                      [EVENT_SWITCH] = "switch",
                                                      [EVENT_PROCESS] = "process",
                                                      [EVENT_LEFT] = "left",
                                                      [EVENT_JOIN] = "join",
                                                      [EVENT_JOINED] = "joined",
                                                      [EVENT_MEMORY] = "memory"};
    return (unsigned)kind < EVENT_KIND_END && names[kind] ? names[kind] : "unknown";
}

/* The fields that an effect has, in the order in which they are stored. */
enum effect_fields { HAS_FILE = 1, HAS_ADDRESS = 2, HAS_BYTES = 4 };

static const struct effect_row {
    const char *name;
    unsigned fields;
    uint32_t size; /* that bytes must have, 0: any */
} effect_rows[EFFECT_KIND_END] = {
    [EFFECT_MEMORY] = {"memory", HAS_ADDRESS | HAS_BYTES, 0},
    [EFFECT_FILE] = {"file", HAS_FILE | HAS_ADDRESS | HAS_BYTES, 0},
    [EFFECT_FILE_SIZE] = {"file size", HAS_FILE | HAS_ADDRESS, 0},
    [EFFECT_REGISTERS] = {"registers", HAS_BYTES, sizeof(struct user_regs_struct)},
    [EFFECT_XSTATE] = {"xstate", HAS_BYTES, 0},
    [EFFECT_PATCH] = {"patch", HAS_ADDRESS | HAS_BYTES, 0},
    [EFFECT_MAP_FILE] = {"map file", HAS_FILE, 0},
    [EFFECT_SHOW] = {"show", HAS_BYTES, 0},
    [EFFECT_STACK] = {"stack", HAS_ADDRESS, 0},
    [EFFECT_ORDER] = {"order", HAS_ADDRESS, 0},
    [EFFECT_ANSWERED] = {"answered", HAS_ADDRESS, 0},
    [EFFECT_SEGMENT] = {"segment", HAS_FILE | HAS_ADDRESS | HAS_BYTES, sizeof(uint64_t)},
};

const char *effect_kind_name(enum effect_kind kind) {
    return (unsigned)kind < EFFECT_KIND_END && effect_rows[kind].name ? effect_rows[kind].name : "unknown";
}

/* ---- writing ---- */

static void encode_syscall(const struct event *event, struct buffer *buffer) {
    buffer_put_varint(buffer, event->syscall.number);
    buffer_put_u64(buffer, event->syscall.rip);
    /* Signed: -1 and AT_FDCWD are short then, and pointers are no longer. */
    for (size_t i = 0; i < 6; i++)
        buffer_put_svarint(buffer, (int64_t)event->syscall.args[i]);
    buffer_put_svarint(buffer, event->syscall.result);
    buffer_put_u32(buffer, event->syscall.registers_hash);
    buffer_put_u8(buffer, (uint8_t)event->syscall.stream);
    buffer_put_u32(buffer, event->syscall.written_hash);
}

static void encode_signal(const struct event *event, struct buffer *buffer) {
    buffer_put_varint(buffer, (uint32_t)event->signal.signo);
    buffer_put_u8(buffer, (uint8_t)event->signal.place);
    buffer_put_u8(buffer, (uint8_t)event->signal.outcome);
    buffer_put_u64(buffer, event->signal.rip);
    buffer_put_u32(buffer, event->signal.registers_hash);
    buffer_put(buffer, event->signal.info, SIGINFO_SIZE);
    if (event->signal.place == SIGNAL_AT_POINT)
        buffer_put_blob(buffer, event->signal.point, event->signal.point_size);
}

static void encode_instruction(const struct event *event, struct buffer *buffer) {
    buffer_put_u8(buffer, event->instruction.instruction);
    buffer_put_u8(buffer, event->instruction.length);
    buffer_put_u64(buffer, event->instruction.rip);
    buffer_put_u32(buffer, event->instruction.registers_hash);
}

static void encode_file(const struct event *event, struct buffer *buffer) {
    buffer_put_varint(buffer, event->file.file);
    buffer_put_varint(buffer, event->file.size);
    buffer_put_u64(buffer, event->file.hash);
    buffer_put_blob(buffer, event->file.path, event->file.path_size);
}

static void encode_check(const struct event *event, struct buffer *buffer) {
    buffer_put_varint(buffer, event->check.address);
    buffer_put_varint(buffer, event->check.size);
    buffer_put_u64(buffer, event->check.hash);
}

static void encode_blocked(const struct event *event, struct buffer *buffer) {
    buffer_put_varint(buffer, event->syscall.number);
    buffer_put_u64(buffer, event->syscall.rip);
    for (size_t i = 0; i < 6; i++)
        buffer_put_svarint(buffer, (int64_t)event->syscall.args[i]);
    buffer_put_u32(buffer, event->syscall.registers_hash);
}

static void encode_thread(const struct event *event, struct buffer *buffer) {
    buffer_put_varint(buffer, (uint32_t)event->thread.parent);
}

static void encode_process(const struct event *event, struct buffer *buffer) {
    buffer_put_varint(buffer, (uint32_t)event->process.parent);
    buffer_put_varint(buffer, event->process.number);
}

static void encode_left(const struct event *event, struct buffer *buffer) {
    buffer_put_varint(buffer, event->left.number);
}

static void encode_switch(const struct event *event, struct buffer *buffer) {
    buffer_put_blob(buffer, event->turn.point, event->turn.point_size);
}

/* No fields. */
static void encode_nothing(const struct event *event, struct buffer *buffer) {
    (void)event;
    (void)buffer;
}

static void encode_exit(const struct event *event, struct buffer *buffer) {
    buffer_put_u8(buffer, (uint8_t)event->exit.how);
    buffer_put_svarint(buffer, event->exit.status);
    buffer_put_u8(buffer, event->exit.core);
}

static void encode_stopped(const struct event *event, struct buffer *buffer) {
    buffer_put_blob(buffer, event->stopped.why, event->stopped.why_size);
}

static void encode_effect(const struct effect *effect, struct buffer *buffer) {
    unsigned fields = effect_rows[effect->kind].fields;
    buffer_put_u8(buffer, (uint8_t)effect->kind);
    if (fields & HAS_FILE)
        buffer_put_varint(buffer, effect->file);
    if (fields & HAS_ADDRESS)
        buffer_put_varint(buffer, effect->address);
    if (fields & HAS_BYTES)
        buffer_put_blob(buffer, effect->bytes, effect->size);
}

/* ---- reading: each function mirrors the one above of the same name ---- */

/* An enum value of 0 or 1 up to, not including, end. */
static unsigned decode_enum(struct cursor *cursor, unsigned first, unsigned end) {
    unsigned value = cursor_u8(cursor);
    if (value >= first && value < end)
        return value;
    cursor_fail(cursor);
    return first;
}

static uint32_t decode_u32(struct cursor *cursor, uint32_t least, uint32_t most) {
    uint64_t value = cursor_varint(cursor);
    if (value >= least && value <= most)
        return (uint32_t)value;
    cursor_fail(cursor);
    return least;
}

static const void *decode_blob(struct cursor *cursor, uint32_t *ret_size) {
    size_t size;
    const void *bytes = cursor_blob(cursor, &size);
    if (size > UINT32_MAX) {
        cursor_fail(cursor);
        size = 0;
    }
    *ret_size = (uint32_t)size;
    return bytes;
}

/* A blob that is printed: printf(3) takes its size as an int. */
static const char *decode_text(struct cursor *cursor, uint32_t *ret_size) {
    const char *text = decode_blob(cursor, ret_size);
    if (*ret_size > TEXT_MAX)
        cursor_fail(cursor);
    return text;
}

/* A blob that is a point; it stays encoded. */
static const void *decode_point(struct cursor *cursor, uint32_t *ret_size) {
    struct cursor inner;
    const void *bytes = decode_blob(cursor, ret_size);
    cursor_init(&inner, bytes, *ret_size, cursor->what);
    struct error *err = bytes ? point_decode(&inner, NULL) : NULL;
    if (err)
        cursor_fail(cursor);
    error_free(err);
    return bytes;
}

static void decode_syscall(struct cursor *cursor, struct event *event) {
    event->syscall.number = cursor_varint(cursor);
    event->syscall.rip = cursor_u64(cursor);
    for (size_t i = 0; i < 6; i++)
        event->syscall.args[i] = (uint64_t)cursor_svarint(cursor);
    event->syscall.result = cursor_svarint(cursor);
    event->syscall.registers_hash = cursor_u32(cursor);
    event->syscall.stream = decode_enum(cursor, STREAM_NONE, STREAM_STDERR + 1);
    event->syscall.written_hash = cursor_u32(cursor);
}

static void decode_signal(struct cursor *cursor, struct event *event) {
    event->signal.signo = (int32_t)decode_u32(cursor, 1, SIGNAL_MAX);
    event->signal.place = decode_enum(cursor, SIGNAL_SYNCHRONOUS, SIGNAL_AT_POINT + 1);
    event->signal.outcome = decode_enum(cursor, SIGNAL_HANDLED, SIGNAL_IGNORED + 1);
    event->signal.rip = cursor_u64(cursor);
    event->signal.registers_hash = cursor_u32(cursor);
    const void *info = cursor_bytes(cursor, SIGINFO_SIZE);
    if (info)
        memcpy(event->signal.info, info, SIGINFO_SIZE);
    if (event->signal.place == SIGNAL_AT_POINT)
        event->signal.point = decode_point(cursor, &event->signal.point_size);
}

static void decode_instruction(struct cursor *cursor, struct event *event) {
    event->instruction.instruction = (uint8_t)decode_enum(cursor, INSN_RDTSC, INSN_KIND_END);
    event->instruction.length = (uint8_t)decode_enum(cursor, 0, INSTRUCTION_LENGTH_MAX + 1);
    event->instruction.rip = cursor_u64(cursor);
    event->instruction.registers_hash = cursor_u32(cursor);
}

static void decode_file(struct cursor *cursor, struct event *event) {
    event->file.file = decode_u32(cursor, 1, UINT32_MAX);
    event->file.size = cursor_varint(cursor);
    event->file.hash = cursor_u64(cursor);
    event->file.path = decode_text(cursor, &event->file.path_size);
}

static void decode_check(struct cursor *cursor, struct event *event) {
    event->check.address = cursor_varint(cursor);
    event->check.size = cursor_varint(cursor);
    event->check.hash = cursor_u64(cursor);
    if (event->check.size > UINT64_MAX - event->check.address)
        cursor_fail(cursor);
}

static void decode_blocked(struct cursor *cursor, struct event *event) {
    event->syscall.number = cursor_varint(cursor);
    event->syscall.rip = cursor_u64(cursor);
    for (size_t i = 0; i < 6; i++)
        event->syscall.args[i] = (uint64_t)cursor_svarint(cursor);
    event->syscall.registers_hash = cursor_u32(cursor);
}

static void decode_thread(struct cursor *cursor, struct event *event) {
    event->thread.parent = (int32_t)decode_u32(cursor, 1, INT32_MAX);
    if (event->tid == 0 || event->tid == event->thread.parent)
        cursor_fail(cursor);
}

static void decode_process(struct cursor *cursor, struct event *event) {
    event->process.parent = (int32_t)decode_u32(cursor, 1, INT32_MAX);
    event->process.number = decode_u32(cursor, 1, UINT32_MAX);
    if (event->tid == 0 || event->tid == event->process.parent)
        cursor_fail(cursor);
}

static void decode_left(struct cursor *cursor, struct event *event) {
    event->left.number = decode_u32(cursor, 1, UINT32_MAX);
}

static void decode_switch(struct cursor *cursor, struct event *event) {
    event->turn.point = decode_point(cursor, &event->turn.point_size);
}

static void decode_nothing(struct cursor *cursor, struct event *event) {
    (void)cursor;
    (void)event;
}

static void decode_exit(struct cursor *cursor, struct event *event) {
    event->exit.how = decode_enum(cursor, EXIT_STATUS, EXIT_KILLED + 1);
    int64_t status = cursor_svarint(cursor);
    bool exited = event->exit.how == EXIT_STATUS;
    if (status < (exited ? 0 : 1) || status > (exited ? STATUS_MAX : SIGNAL_MAX))
        cursor_fail(cursor);
    event->exit.status = (int32_t)status;
    event->exit.core = decode_enum(cursor, 0, 2);
}

static void decode_stopped(struct cursor *cursor, struct event *event) {
    event->stopped.why = decode_text(cursor, &event->stopped.why_size);
}

static struct effect decode_effect(struct cursor *cursor) {
    struct effect effect = {.kind = decode_enum(cursor, EFFECT_MEMORY, EFFECT_KIND_END)};
    const struct effect_row *row = &effect_rows[effect.kind];
    if (row->fields & HAS_FILE)
        effect.file = decode_u32(cursor, 1, UINT32_MAX);
    if (row->fields & HAS_ADDRESS)
        effect.address = cursor_varint(cursor);
    if (row->fields & HAS_BYTES) {
        effect.bytes = decode_blob(cursor, &effect.size);
        if (effect.size > UINT64_MAX - effect.address || (row->size && effect.size != row->size))
            cursor_fail(cursor);
    }
    return effect;
}

/* ---- the two directions side by side ---- */

static const struct {
    void (*encode)(const struct event *event, struct buffer *buffer);
    void (*decode)(struct cursor *cursor, struct event *event);
} codecs[EVENT_KIND_END] = {
    [EVENT_SYSCALL] = {encode_syscall, decode_syscall},
    [EVENT_SIGNAL] = {encode_signal, decode_signal},
    [EVENT_INSTRUCTION] = {encode_instruction, decode_instruction},
    [EVENT_FILE] = {encode_file, decode_file},
    [EVENT_CHECK] = {encode_check, decode_check},
    [EVENT_EXEC] = {encode_nothing, decode_nothing},
    [EVENT_EXIT] = {encode_exit, decode_exit},
    [EVENT_STOPPED] = {encode_stopped, decode_stopped},
    [EVENT_BLOCKED] = {encode_blocked, decode_blocked},
    [EVENT_THREAD] = {encode_thread, decode_thread},
    [EVENT_THREAD_EXIT] = {encode_nothing, decode_nothing},
    [EVENT_SWITCH] = {encode_switch, decode_switch},
    [EVENT_PROCESS] = {encode_process, decode_process},
    [EVENT_LEFT] = {encode_left, decode_left},
    [EVENT_JOIN] = {encode_left, decode_left},
    [EVENT_JOINED] = {encode_left, decode_left},
    [EVENT_MEMORY] = {encode_nothing, decode_nothing},
};

void event_encode(const struct event *event, struct buffer *buffer) {
    buffer_put_u8(buffer, (uint8_t)event->kind);
    buffer_put_varint(buffer, (uint32_t)event->tid);
    codecs[event->kind].encode(event, buffer);
    buffer_put_varint(buffer, event->effect_count);
    for (uint32_t i = 0; i < event->effect_count; i++)
        encode_effect(&event->effects[i], buffer);
}

/* Make sure that *effects has room for count entries. */
static struct error *grow_effects(struct effect **effects, size_t *room, size_t count) {
    if (count <= *room)
        return NULL;
    size_t wanted = *room ? *room : 8;
    while (wanted < count)
        wanted *= 2;
    struct effect *grown = reallocarray(*effects, wanted, sizeof(**effects));
    if (!grown)
        return &error_no_memory;
    *effects = grown;
    *room = wanted;
    return NULL;
}

struct error *event_decode(struct cursor *cursor, struct effect **effects, size_t *room, struct event *ret) {
    struct event event = {.kind = decode_enum(cursor, EVENT_SYSCALL, EVENT_KIND_END)};
    event.tid = (int32_t)decode_u32(cursor, 0, INT32_MAX);
    codecs[event.kind].decode(cursor, &event);
    uint64_t count = cursor_varint(cursor);
    if (count > UINT32_MAX || count > cursor_left(cursor) / EFFECT_BYTES_MIN)
        cursor_fail(cursor);
    TRY(cursor_check(cursor));
    TRY(grow_effects(effects, room, count));
    for (uint64_t i = 0; i < count && !cursor->failed; i++)
        (*effects)[i] = decode_effect(cursor);
    /* A record is one event and nothing else. */
    if (cursor_left(cursor))
        cursor_fail(cursor);
    TRY(cursor_check(cursor));
    event.effect_count = (uint32_t)count;
    event.effects = *effects;
    *ret = event;
    return NULL;
}
