/* event: every field of every kind survives; hostile bytes are refused. */
#include "replay/event.h"
#include "tests/unit/scratch.h"
#include "tracer/insn.h"

#define EFFECTS_MAX 12
#define BYTES_MAX   700

static uint64_t random_state = 42;

/* Numbers of every magnitude, edges included. */
static uint64_t any(void) {
    uint64_t value = scratch_random(&random_state);
    switch (value % 8) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return (uint64_t) - (int64_t)(value >> 56);
    default:
        return scratch_random(&random_state) >> (value >> 8) % 64;
    }
}

static uint32_t below(uint32_t end) {
    return (uint32_t)(scratch_random(&random_state) >> 16) % end;
}

static uint8_t pool[BYTES_MAX];

static struct effect any_effect(void) {
    struct effect effect = {.kind = EFFECT_MEMORY + below(EFFECT_KIND_END - EFFECT_MEMORY)};
    bool has_file = effect.kind == EFFECT_FILE || effect.kind == EFFECT_FILE_SIZE ||
                    effect.kind == EFFECT_MAP_FILE || effect.kind == EFFECT_SEGMENT;
    bool has_address = effect.kind == EFFECT_MEMORY || effect.kind == EFFECT_FILE ||
                       effect.kind == EFFECT_PATCH || effect.kind == EFFECT_FILE_SIZE ||
                       effect.kind == EFFECT_STACK || effect.kind == EFFECT_ORDER ||
                       effect.kind == EFFECT_ANSWERED || effect.kind == EFFECT_SEGMENT;
    if (effect.kind != EFFECT_FILE_SIZE && effect.kind != EFFECT_MAP_FILE && effect.kind != EFFECT_STACK &&
        effect.kind != EFFECT_ORDER && effect.kind != EFFECT_ANSWERED) {
        effect.size = effect.kind == EFFECT_REGISTERS ? sizeof(struct user_regs_struct)
                      : effect.kind == EFFECT_SEGMENT ? sizeof(uint64_t)
                                                      : below(BYTES_MAX);
        effect.bytes = pool;
    }
    if (has_file)
        effect.file = (uint32_t)any() | 1;
    if (has_address)
        effect.address = effect.kind == EFFECT_FILE_SIZE ? any() : any() >> 1;
    return effect;
}

static void fill_syscall(struct event *event) {
    event->syscall.number = any();
    event->syscall.rip = any();
    for (size_t i = 0; i < 6; i++)
        event->syscall.args[i] = any();
    event->syscall.result = (int64_t)any();
    event->syscall.registers_hash = (uint32_t)any();
    event->syscall.stream = below(STREAM_STDERR + 1);
    event->syscall.written_hash = (uint32_t)any();
}

/* The smallest: point_encode() has its own tests. */
static const void *any_point(uint32_t *ret_size) {
    static uint8_t bytes[1 + sizeof(struct user_regs_struct) + 1 + 1 + 8 + 1];
    *ret_size = sizeof(bytes);
    bytes[1] = pool[0];
    return bytes;
}

static void fill_signal(struct event *event) {
    event->signal.signo = 1 + (int32_t)below(64);
    event->signal.place = SIGNAL_SYNCHRONOUS + below(4);
    if (event->signal.place == SIGNAL_AT_POINT)
        event->signal.point = any_point(&event->signal.point_size);
    event->signal.outcome = SIGNAL_HANDLED + below(3);
    event->signal.rip = any();
    event->signal.registers_hash = (uint32_t)any();
    memcpy(event->signal.info, pool + below(BYTES_MAX - SIGINFO_SIZE), SIGINFO_SIZE);
}

static struct event any_event(enum event_kind kind, struct effect effects[EFFECTS_MAX]) {
    struct event event = {.kind = kind, .tid = (int32_t)(any() & INT32_MAX)};
    if (kind == EVENT_SYSCALL)
        fill_syscall(&event);
    if (kind == EVENT_SIGNAL)
        fill_signal(&event);
    if (kind == EVENT_INSTRUCTION) {
        event.instruction.instruction = (uint8_t)(1 + below(INSN_KIND_END - 1));
        event.instruction.length = (uint8_t)below(16);
        event.instruction.rip = any();
        event.instruction.registers_hash = (uint32_t)any();
    }
    if (kind == EVENT_FILE) {
        event.file.file = (uint32_t)any() | 1;
        event.file.size = any();
        event.file.hash = any();
        event.file.path = (const char *)pool;
        event.file.path_size = below(BYTES_MAX);
    }
    if (kind == EVENT_CHECK) {
        event.check.address = any() >> 1;
        event.check.size = any() >> 1;
        event.check.hash = any();
    }
    if (kind == EVENT_EXIT) {
        event.exit.how = EXIT_STATUS + below(3);
        event.exit.status = event.exit.how == EXIT_STATUS ? (int32_t)below(256) : 1 + (int32_t)below(64);
        event.exit.core = below(2);
    }
    if (kind == EVENT_BLOCKED) {
        fill_syscall(&event);
        event.syscall.result = 0;
        event.syscall.written_hash = 0;
        event.syscall.stream = STREAM_NONE;
    }
    if (kind == EVENT_SWITCH)
        event.turn.point = any_point(&event.turn.point_size);
    if (kind == EVENT_THREAD) {
        event.tid |= 1;
        event.thread.parent = (event.tid ^ 2) & INT32_MAX;
    }
    if (kind == EVENT_PROCESS) {
        event.tid |= 1;
        event.process.parent = (event.tid ^ 2) & INT32_MAX;
        event.process.number = 1 + below(1000);
    }
    if (kind == EVENT_LEFT || kind == EVENT_JOIN || kind == EVENT_JOINED)
        event.left.number = 1 + below(1000);
    if (kind == EVENT_STOPPED) {
        event.stopped.why = (const char *)pool;
        event.stopped.why_size = below(BYTES_MAX);
    }
    event.effect_count = below(EFFECTS_MAX + 1);
    event.effects = effects;
    for (uint32_t i = 0; i < event.effect_count; i++)
        effects[i] = any_effect();
    return event;
}

static void same_fields(const struct event *a, const struct event *b) {
    switch (a->kind) {
    case EVENT_SYSCALL:
    case EVENT_BLOCKED:
        ck_assert_uint_eq(a->syscall.number, b->syscall.number);
        ck_assert_uint_eq(a->syscall.rip, b->syscall.rip);
        ck_assert_mem_eq(a->syscall.args, b->syscall.args, sizeof(a->syscall.args));
        ck_assert_int_eq(a->syscall.result, b->syscall.result);
        ck_assert_uint_eq(a->syscall.registers_hash, b->syscall.registers_hash);
        ck_assert_int_eq(a->syscall.stream, b->syscall.stream);
        if (a->kind == EVENT_SYSCALL)
            ck_assert_uint_eq(a->syscall.written_hash, b->syscall.written_hash);
        break;
    case EVENT_SIGNAL:
        ck_assert_int_eq(a->signal.signo, b->signal.signo);
        ck_assert_int_eq(a->signal.place, b->signal.place);
        ck_assert_int_eq(a->signal.outcome, b->signal.outcome);
        ck_assert_uint_eq(a->signal.rip, b->signal.rip);
        ck_assert_uint_eq(a->signal.registers_hash, b->signal.registers_hash);
        ck_assert_mem_eq(a->signal.info, b->signal.info, SIGINFO_SIZE);
        ck_assert_uint_eq(a->signal.point_size, b->signal.point_size);
        ck_assert(!a->signal.point_size ||
                  memcmp(a->signal.point, b->signal.point, a->signal.point_size) == 0);
        break;
    case EVENT_INSTRUCTION:
        ck_assert_uint_eq(a->instruction.instruction, b->instruction.instruction);
        ck_assert_uint_eq(a->instruction.length, b->instruction.length);
        ck_assert_uint_eq(a->instruction.rip, b->instruction.rip);
        ck_assert_uint_eq(a->instruction.registers_hash, b->instruction.registers_hash);
        break;
    case EVENT_FILE:
        ck_assert_uint_eq(a->file.file, b->file.file);
        ck_assert_uint_eq(a->file.size, b->file.size);
        ck_assert_uint_eq(a->file.hash, b->file.hash);
        ck_assert_uint_eq(a->file.path_size, b->file.path_size);
        ck_assert(memcmp(a->file.path, b->file.path, a->file.path_size) == 0);
        break;
    case EVENT_CHECK:
        ck_assert_uint_eq(a->check.address, b->check.address);
        ck_assert_uint_eq(a->check.size, b->check.size);
        ck_assert_uint_eq(a->check.hash, b->check.hash);
        break;
    case EVENT_EXIT:
        ck_assert_int_eq(a->exit.how, b->exit.how);
        ck_assert_int_eq(a->exit.status, b->exit.status);
        ck_assert(a->exit.core == b->exit.core);
        break;
    case EVENT_SWITCH:
        ck_assert_uint_eq(a->turn.point_size, b->turn.point_size);
        ck_assert_mem_eq(a->turn.point, b->turn.point, a->turn.point_size);
        break;
    case EVENT_THREAD:
        ck_assert_int_eq(a->thread.parent, b->thread.parent);
        break;
    case EVENT_PROCESS:
        ck_assert_int_eq(a->process.parent, b->process.parent);
        ck_assert_uint_eq(a->process.number, b->process.number);
        break;
    case EVENT_LEFT:
    case EVENT_JOIN:
    case EVENT_JOINED:
        ck_assert_uint_eq(a->left.number, b->left.number);
        break;
    case EVENT_STOPPED:
        ck_assert_uint_eq(a->stopped.why_size, b->stopped.why_size);
        ck_assert(memcmp(a->stopped.why, b->stopped.why, a->stopped.why_size) == 0);
        break;
    default:
        ck_assert(a->kind == EVENT_EXEC || a->kind == EVENT_THREAD_EXIT || a->kind == EVENT_MEMORY);
    }
}

static void same_event(const struct event *a, const struct event *b) {
    ck_assert_int_eq(a->kind, b->kind);
    ck_assert_int_eq(a->tid, b->tid);
    same_fields(a, b);
    ck_assert_uint_eq(a->effect_count, b->effect_count);
    for (uint32_t i = 0; i < a->effect_count; i++) {
        ck_assert_int_eq(a->effects[i].kind, b->effects[i].kind);
        ck_assert_uint_eq(a->effects[i].address, b->effects[i].address);
        ck_assert_uint_eq(a->effects[i].file, b->effects[i].file);
        ck_assert_uint_eq(a->effects[i].size, b->effects[i].size);
        ck_assert(!a->effects[i].size ||
                  !memcmp(a->effects[i].bytes, b->effects[i].bytes, a->effects[i].size));
    }
}

/* Decoding works on a copy of exactly this size, so that ASAN sees a read beyond it. */
static struct error *decode(const void *bytes, size_t size, uint8_t **ret_copy, struct effect **effects,
                            size_t *room, struct event *ret) {
    *ret_copy = malloc(size ? size : 1);
    memcpy(*ret_copy, bytes, size);
    struct cursor cursor;
    cursor_init(&cursor, *ret_copy, size, "log");
    return event_decode(&cursor, effects, room, ret);
}

static void setup(void) {
    for (size_t i = 0; i < sizeof(pool); i++)
        pool[i] = (uint8_t)any();
}

START_TEST(test_round_trip) {
    struct effect effects[EFFECTS_MAX], *decoded = NULL;
    struct buffer buffer = {0};
    size_t room = 0;
    for (int round = 0; round < 200; round++) {
        struct event event = any_event((enum event_kind)_i, effects), found;
        uint8_t *copy;
        buffer_clear(&buffer);
        event_encode(&event, &buffer);
        CHECK_OK(buffer_check(&buffer));
        CHECK_OK(decode(buffer.data, buffer.size, &copy, &decoded, &room, &found));
        same_event(&event, &found);
        free(copy);
    }
    free(decoded);
    buffer_deinit(&buffer);
}
END_TEST

/* A record that is cut anywhere, or has a byte too much, is refused; outputs are left alone. */
START_TEST(test_wrong_length) {
    struct effect effects[EFFECTS_MAX], *decoded = NULL;
    struct buffer buffer = {0};
    size_t room = 0;
    for (int round = 0; round < 5; round++) {
        struct event event = any_event((enum event_kind)_i, effects), found = {.tid = -7};
        buffer_clear(&buffer);
        event_encode(&event, &buffer);
        buffer_put_u8(&buffer, 0);
        for (size_t size = 0; size <= buffer.size; size++) {
            uint8_t *copy;
            if (size == buffer.size - 1)
                continue;
            CHECK_FAILS(decode(buffer.data, size, &copy, &decoded, &room, &found), ERROR_BAD_DATA, "log");
            ck_assert_int_eq(found.tid, -7);
            free(copy);
        }
    }
    free(decoded);
    buffer_deinit(&buffer);
}
END_TEST

/* Whatever a changed record decodes to can be encoded again: nothing out of range gets through. */
START_TEST(test_damage) {
    struct effect effects[EFFECTS_MAX], *decoded = NULL;
    struct buffer buffer = {0}, again = {0};
    size_t room = 0, accepted = 0;
    for (int round = 0; round < 1000; round++) {
        struct event event = any_event((enum event_kind)_i, effects), found;
        buffer_clear(&buffer);
        buffer_clear(&again);
        event_encode(&event, &buffer);
        for (uint32_t i = below(3) + 1; i-- > 0;)
            buffer.data[below((uint32_t)buffer.size)] = (uint8_t)any();
        uint8_t *copy;
        struct error *err = decode(buffer.data, buffer.size, &copy, &decoded, &room, &found);
        if (!err) {
            accepted++;
            ck_assert(found.kind >= EVENT_SYSCALL && found.kind < EVENT_KIND_END && found.tid >= 0);
            ck_assert_uint_le(found.effect_count, buffer.size / 2);
            event_encode(&found, &again);
        }
        error_free(err);
        free(copy);
    }
    ck_assert_uint_gt(accepted, 0);
    free(decoded);
    buffer_deinit(&buffer);
    buffer_deinit(&again);
}
END_TEST

static void refuse(const void *bytes, size_t size) {
    struct effect *decoded = NULL;
    struct event found;
    size_t room = 0;
    uint8_t *copy;
    CHECK_FAILS(decode(bytes, size, &copy, &decoded, &room, &found), ERROR_BAD_DATA, "log");
    /* Nothing was allocated for what is not there. */
    ck_assert_uint_le(room, 8);
    free(copy);
    free(decoded);
}

START_TEST(test_bad_values) {
    static const struct {
        const char *bytes;
        size_t size;
    } rows[] = {
#define ROW(text) {text, sizeof(text) - 1}
        ROW(""),
        ROW("\0\1\0"),                                            /* no such kind */
        ROW("\x0a\0\1\0"),                                        /* a thread without a tid, */
        ROW("\x0a\1\1\0"),                                        /* made by itself, */
        ROW("\x0a\1\0\0"),                                        /* or by nobody */
        ROW("\x0d\1\0"),                                          /* EVENT_KIND_END */
        ROW("\6\x80\x80\x80\x80\x08\0"),                          /* tid 2^31 */
        ROW("\6\1\xff\xff\xff\xff\x0f"),                          /* 2^32 - 1 effects */
        ROW("\6\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"),        /* 2^64 - 1 effects */
        ROW("\6\1\1\0\0"),                                        /* effect of no kind */
        ROW("\6\1\1\x0c\0"),                                      /* EFFECT_KIND_END */
        ROW("\6\1\1\4\0"),                                        /* registers of 0 bytes */
        ROW("\6\1\1\7\0"),                                        /* file 0 */
        ROW("\6\1\1\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\1x"), /* memory that wraps */
        ROW("\6\1\1\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\1"),  /* 2^63 bytes */
        ROW("\7\1\0\0\0\0"),                                      /* ended in no way */
        ROW("\7\1\1\xfe\xff\xff\xff\x1f\0\0"),                    /* status 2^32 - 1 */
        ROW("\7\1\1\0\2\0"),                                      /* core: 2 */
        ROW("\7\1\1\1\0\0"),                                      /* status -1 */
        ROW("\7\1\1\x80\x04\0\0"),                                /* status 256 */
        ROW("\7\1\2\0\0\0"),                                      /* died of signal 0 */
        ROW("\7\1\3\x82\1\0\0"),                                  /* died of signal 65 */
        ROW("\4\1\0\0\0\0\0\0\0\0\0\0\0\0"),                      /* file 0 */
        ROW("\3\1\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0"),                /* no instruction */
        ROW("\3\1\x08\2\0\0\0\0\0\0\0\0\0\0\0\0\0"),              /* behind the last instruction */
        ROW("\3\1\1\x10\0\0\0\0\0\0\0\0\0\0\0\0\0"),              /* an instruction of 16 bytes */
#undef ROW
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        refuse(rows[i].bytes, rows[i].size);
}
END_TEST

/* Text is printed with its size as an int: 2^31 bytes would be none, and printf(3) would look for a NUL. */
START_TEST(test_long_text) {
    struct buffer buffer = {0};
    static const char text[65536];
    for (int more = 0; more < 2; more++) {
        struct event event = {.kind = EVENT_STOPPED,
                              .stopped = {.why = text, .why_size = 65535u + (uint32_t)more}};
        struct effect *decoded = NULL;
        struct event found;
        size_t room = 0;
        uint8_t *copy;
        buffer_clear(&buffer);
        event_encode(&event, &buffer);
        struct error *err = decode(buffer.data, buffer.size, &copy, &decoded, &room, &found);
        ck_assert(more ? error_is(err, ERROR_BAD_DATA) : !err);
        error_free(err);
        free(copy);
        free(decoded);
    }
    buffer_deinit(&buffer);
}
END_TEST

/* The bytes are a format that recordings on disk have: this must only change with the format version. */
START_TEST(test_bytes_stay) {
    static const uint8_t expected[] = {1,    7,    1,    0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xc7,
                                       0x01, 0x02, 0,    0,    0,    0,    0x0a, 0xef, 0xbe, 0xad, 0xde, 1,
                                       0x44, 0x33, 0x22, 0x11, 1,    1,    0x80, 0x20, 2,    'h',  'i'};
    const struct effect effect = {.kind = EFFECT_MEMORY, .address = 0x1000, .size = 2, .bytes = "hi"};
    const struct event event = {.kind = EVENT_SYSCALL,
                                .tid = 7,
                                .syscall = {.number = 1,
                                            .rip = 0x1122334455667788,
                                            .args = {(uint64_t)-100, 1, 0, 0, 0, 0},
                                            .result = 5,
                                            .registers_hash = 0xdeadbeef,
                                            .stream = STREAM_STDOUT,
                                            .written_hash = 0x11223344},
                                .effect_count = 1,
                                .effects = &effect};
    struct buffer buffer = {0};
    event_encode(&event, &buffer);
    ck_assert_uint_eq(buffer.size, sizeof(expected));
    ck_assert_mem_eq(buffer.data, expected, sizeof(expected));
    buffer_deinit(&buffer);
}
END_TEST

START_TEST(test_names) {
    for (enum event_kind kind = EVENT_SYSCALL; kind < EVENT_KIND_END; kind++)
        ck_assert_str_ne(event_kind_name(kind), "unknown");
    for (enum effect_kind kind = EFFECT_MEMORY; kind < EFFECT_KIND_END; kind++)
        ck_assert_str_ne(effect_kind_name(kind), "unknown");
    ck_assert_str_eq(event_kind_name(EVENT_SYSCALL), "syscall");
    ck_assert_str_eq(event_kind_name(0), "unknown");
    ck_assert_str_eq(event_kind_name(EVENT_KIND_END), "unknown");
    ck_assert_str_eq(effect_kind_name(0), "unknown");
    ck_assert_str_eq(effect_kind_name(EFFECT_KIND_END), "unknown");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("event");
    TCase *tests = tcase_create("event");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, test_round_trip, EVENT_SYSCALL, EVENT_KIND_END);
    tcase_add_loop_test(tests, test_wrong_length, EVENT_SYSCALL, EVENT_KIND_END);
    tcase_add_loop_test(tests, test_damage, EVENT_SYSCALL, EVENT_KIND_END);
    tcase_add_test(tests, test_bad_values);
    tcase_add_test(tests, test_long_text);
    tcase_add_test(tests, test_bytes_stay);
    tcase_add_test(tests, test_names);
    suite_add_tcase(suite, tests);
    return scratch_run(suite);
}
