/* tracer/ring, emit_record, record_view and the agent: records are what the registers and the memory were; a
 * full ring drops and counts; a signal handler that records in the midst of a record tears nothing. The
 * emitted code is executed here, in the test's own process. */
#include "tracer/agent_image.h"
#include "tracer/emit_record.h"
#include "tracer/record_view.h"
#include "tracer/ring.h"
#include "tracer/ring_mover.h"

#include "scratch.h"
#include "self.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

#define ARCH_SET_GS 0x1001

static struct ring_pool *pool;
static struct ring ring;
static uint8_t *code_page;
static size_t code_used;
static uint64_t agent;

/* The test is tracer and tracee in one. */
static void set_up(void) {
    CHECK_OK(ring_pool_create(memfd_create("rings", 0), &pool));
    CHECK_OK(ring_open(pool, &ring));
    code_page = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t size;
    const struct agent_image *image = agent_image(&size);
    agent = (uint64_t)code_page;
    memcpy(code_page, image, size);
    code_used = (size + 63) & ~(size_t)63;
    ring.block->ring = (uint64_t)ring.bytes;
    ring.block->full = agent + image->drop;
    ring.block->text = agent + image->text;
    ring.block->pid = (uint64_t)getpid();
    ck_assert_int_eq(syscall(SYS_arch_prctl, ARCH_SET_GS, ring.block), 0);
}

static void tear_down(void) {
    syscall(SYS_arch_prctl, ARCH_SET_GS, 0);
    ring_close(&ring);
    ring_pool_release(pool);
    munmap(code_page, 1 << 16);
}

/* A function that records and returns. */
static void *make_at(const struct record_layout *layout, uint32_t id, const struct emit_place *place) {
    struct buffer code = {0};
    emit_record(layout, id, place, &code);
    buffer_put_u8(&code, 0xc3);
    CHECK_OK(buffer_check(&code));
    uint8_t *at = code_page + code_used;
    memcpy(at, code.data, code.size);
    code_used += (code.size + 63) & ~(size_t)63;
    ck_assert_uint_lt(code_used, 1 << 16);
    buffer_deinit(&code);
    return at;
}

static void *make(const struct record_layout *layout, uint32_t id, bool dead) {
    const struct emit_place place = {.flags_are_dead = dead, .red_zone_is_dead = dead};
    return make_at(layout, id, &place);
}

#define BIT(n) (UINT64_C(1) << (n))

static const uint8_t *next(void) {
    bool begun;
    const uint8_t *record = ring_peek(&ring, &begun);
    ck_assert(!begun);
    return record;
}

static uint32_t id_of(const uint8_t *record) {
    uint32_t id;
    memcpy(&id, record, sizeof(id));
    return id;
}

/* Registers in the order of encodings, flags; the code under test is called with them. */
struct state {
    uint64_t r[16], flags;
};

/* All general registers but rsp are loaded from the state, the function called, and all stored back. */
static void call_with(void *function, struct state *state) {
    static struct state *now;
    static void *target;
    static uint64_t stack;
    now = state;
    target = function;
    __asm__ volatile("push %%rbp\n push %%rbx\n push %%r12\n push %%r13\n push %%r14\n push %%r15\n"
                     "mov %%rsp, %2\n mov %0, %%rax\n"
                     "pushq 128(%%rax)\n popfq\n"
                     "mov 8(%%rax), %%rcx\n mov 16(%%rax), %%rdx\n mov 24(%%rax), %%rbx\n"
                     "mov 40(%%rax), %%rbp\n mov 48(%%rax), %%rsi\n mov 56(%%rax), %%rdi\n"
                     "mov 64(%%rax), %%r8\n mov 72(%%rax), %%r9\n mov 80(%%rax), %%r10\n"
                     "mov 88(%%rax), %%r11\n mov 96(%%rax), %%r12\n mov 104(%%rax), %%r13\n"
                     "mov 112(%%rax), %%r14\n mov 120(%%rax), %%r15\n mov 0(%%rax), %%rax\n"
                     "call *%1\n"
                     "mov %2, %%rsp\n push %%rax\n pushfq\n mov %0, %%rax\n popq 128(%%rax)\n popq 0(%%rax)\n"
                     "mov %%rcx, 8(%%rax)\n mov %%rdx, 16(%%rax)\n mov %%rbx, 24(%%rax)\n"
                     "mov %%rbp, 40(%%rax)\n mov %%rsi, 48(%%rax)\n mov %%rdi, 56(%%rax)\n"
                     "mov %%r8, 64(%%rax)\n mov %%r9, 72(%%rax)\n mov %%r10, 80(%%rax)\n"
                     "mov %%r11, 88(%%rax)\n mov %%r12, 96(%%rax)\n mov %%r13, 104(%%rax)\n"
                     "mov %%r14, 112(%%rax)\n mov %%r15, 120(%%rax)\n"
                     "pop %%r15\n pop %%r14\n pop %%r13\n pop %%r12\n pop %%rbx\n pop %%rbp\n"
                     : "+m"(now), "+m"(target), "+m"(stack)
                     :
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
}

static struct state some_state(unsigned round) {
    struct state state = {.flags = 0x202 | (round & 1 ? 0x8d5 : 0) | (round & 2 ? 0x800 : 0)};
    for (unsigned i = 0; i < 16; i++)
        state.r[i] = UINT64_C(0x0101010101010101) * (i + 1) + round;
    state.r[4] = 0;
    return state;
}

START_TEST(registers) {
    static const unsigned encodings[] = {0, 2, 1, 3, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15};
    for (unsigned timed = 0; timed < 2; timed++) {
        struct record_layout layout = {.registers = 0xffff};
        struct record_view view;
        CHECK_OK(record_layout_place(&layout, timed ? RECORD_TIME_FULL : RECORD_TIME_NONE));
        void *code = make(&layout, 7, false);
        for (unsigned round = 0; round < 4; round++) {
            struct state state = some_state(round), before = state;
            call_with(code, &state);
            ck_assert_mem_eq(&state, &before, sizeof(state));
            const uint8_t *record = next();
            ck_assert_uint_eq(id_of(record), 7);
            record_view_init(&view, &layout, record);
            for (unsigned reg = 0; reg < 16; reg++) {
                uint64_t value;
                ck_assert(frame_register(&view.registers, reg, &value));
                if (reg != 7)
                    ck_assert_uint_eq(value, before.r[encodings[reg]]);
            }
            ck_assert_uint_eq(record_view_time(&view) != 0, timed);
            ck_assert(!record_view_is_incomplete(&view));
            ring_take(&ring, layout.size);
            ck_assert_ptr_null(next());
        }
        record_layout_deinit(&layout);
    }
}
END_TEST

/* ---- the puppet's way ---- */

static unsigned stops_full, stops_text;

static void on_stop(int signo, siginfo_t *info, void *context) {
    ucontext_t *stopped = context;
    const uint8_t *behind = (const uint8_t *)stopped->uc_mcontext.gregs[REG_RIP];
    uint8_t *text = (uint8_t *)stopped->uc_mcontext.gregs[REG_R11];
    (void)signo, (void)info;
    switch (emit_stop_of(behind)) {
    case EMIT_STOP_FULL:
        stops_full++;
        ring_reset(&ring);
        ring_give_back(&ring);
        break;
    case EMIT_STOP_TEXT:
        stops_text++;
        memcpy(text, "\3\0\0\0\0\0\0\0ab", 11);
        break;
    case EMIT_STOP_NONE:
        abort();
    }
}

/* No GS base, all registers and flags as they were, and a stop where there is no room. */
START_TEST(puppet) {
    const struct sigaction action = {.sa_sigaction = on_stop, .sa_flags = SA_SIGINFO},
                           normal = {.sa_handler = SIG_DFL};
    struct record_layout layout = {.registers = 0xffff};
    struct record_view view;
    void *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_32BIT, pool->fd, 0);
    ck_assert_ptr_ne(low, MAP_FAILED);
    const struct emit_place place = {.block = (uint32_t)((uint64_t)low + ring_block_offset(ring.slot))};
    syscall(SYS_arch_prctl, ARCH_SET_GS, 0);
    sigaction(SIGTRAP, &action, NULL);
    CHECK_OK(record_layout_add_text(&layout, SIZE_MAX, 5, 0, 16));
    CHECK_OK(record_layout_place(&layout, RECORD_TIME_FULL));
    void *code = make_at(&layout, 9, &place);
    stops_full = stops_text = 0;
    for (unsigned round = 0; round < 2 * AGENT_RING_SIZE / layout.size; round++) {
        struct state state = some_state(round), before = state;
        call_with(code, &state);
        ck_assert_mem_eq(&state, &before, sizeof(state));
        if (round >= 4)
            continue;
        const uint8_t *record = next();
        uint64_t value;
        ck_assert_uint_eq(id_of(record), 9);
        record_view_init(&view, &layout, record);
        ck_assert(frame_register(&view.registers, 0, &value) && value == before.r[0]);
        ck_assert(frame_register(&view.registers, 11, &value) && value == before.r[11]);
        ring_take(&ring, layout.size);
    }
    ck_assert_uint_ge(stops_full, 1);
    ck_assert_uint_ge(stops_text, 4);
    sigaction(SIGTRAP, &normal, NULL);
    munmap(low, 4096);
    record_layout_deinit(&layout);
}
END_TEST

START_TEST(dead_places) {
    struct record_layout layout = {.registers = BIT(7) | BIT(5)};
    struct record_view view;
    CHECK_OK(record_layout_place(&layout, RECORD_TIME_FULL));
    struct state state = some_state(1), before = state;
    call_with(make(&layout, 3, true), &state);
    before.flags = state.flags;
    ck_assert_mem_eq(&state, &before, sizeof(state));
    record_view_init(&view, &layout, next());
    uint64_t rsp, rdi;
    ck_assert(frame_register(&view.registers, 7, &rsp) && frame_register(&view.registers, 5, &rdi));
    ck_assert_uint_eq(rdi, before.r[7]);
    ck_assert_uint_lt(address(&state) - rsp, 65536);
    record_layout_deinit(&layout);
}
END_TEST

static uint8_t here[64];

START_TEST(memory) {
    struct record_layout layout = {.registers = BIT(6) | BIT(0)};
    struct record_view view;
    for (unsigned i = 0; i < sizeof(here); i++)
        here[i] = (uint8_t)(i + 1);
    CHECK_OK(record_layout_add(&layout, LAYOUT_REGISTER, 6, -3, 7));
    CHECK_OK(record_layout_add(&layout, LAYOUT_REGISTER, 6, 4, 13)); /* joined */
    CHECK_OK(record_layout_add(&layout, LAYOUT_REGISTER, 0, 1, 15));
    CHECK_OK(record_layout_add(&layout, LAYOUT_ABSOLUTE, 0, (int64_t)address(here) + 40, 11));
    ck_assert_uint_eq(layout.memory_count, 3);
    CHECK_OK(record_layout_place(&layout, RECORD_TIME_NONE));
    struct state state = some_state(0);
    state.r[5] = address(here) + 8; /* rbp */
    state.r[0] = address(here) + 20;
    call_with(make(&layout, 9, false), &state);
    record_view_init(&view, &layout, next());
    uint8_t bytes[64];
    ck_assert_uint_eq(memory_read(&view.memory, address(here) + 5, bytes, 20), 20);
    ck_assert_mem_eq(bytes, here + 5, 20);
    ck_assert_uint_eq(memory_read(&view.memory, address(here) + 21, bytes, 15), 15);
    ck_assert_mem_eq(bytes, here + 21, 15);
    ck_assert_uint_eq(memory_read(&view.memory, address(here) + 43, bytes, 8), 8);
    ck_assert_mem_eq(bytes, here + 43, 8);
    ck_assert(!record_view_is_incomplete(&view));
    ck_assert_uint_eq(memory_read(&view.memory, address(here) + 43, bytes, 9), 8);
    ck_assert(record_view_is_incomplete(&view));
    record_layout_deinit(&layout);
}
END_TEST

START_TEST(vectors) {
    struct record_layout layout = {.registers = BIT(17) | BIT(17 + 9)};
    struct record_view view;
    CHECK_OK(record_layout_place(&layout, RECORD_TIME_FULL));
    void *code = make(&layout, 2, false);
    double nought = 1.25, nine = -2.5, value;
    __asm__ volatile("sub $128, %%rsp\n movsd %0, %%xmm0\n movsd %1, %%xmm9\n call *%2\n add $128, %%rsp\n"
                     :
                     : "x"(nought), "x"(nine), "r"(code)
                     : "xmm0", "xmm9", "memory", "cc");
    record_view_init(&view, &layout, next());
    ck_assert(frame_register_bytes(&view.registers, 17, &value, 8));
    ck_assert(value == nought);
    ck_assert(frame_register_bytes(&view.registers, 26, &value, 8));
    ck_assert(value == nine);
    ck_assert(!record_view_is_incomplete(&view));
    ck_assert(frame_register_bytes(&view.registers, 18, &value, 8));
    ck_assert(record_view_is_incomplete(&view));
    record_layout_deinit(&layout);
}
END_TEST

/* Strings: in known memory, on the stack, elsewhere, up to where memory ends, and where there is none. */
START_TEST(texts) {
    struct record_layout layout = {0};
    struct record_view view;
    char on_stack[] = "on the stack", bytes[32];
    uint8_t *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(edge + 4096, 4096);
    memcpy(edge + 4093, "abc", 3);
    strcpy((char *)edge, "a longer one that is cut");
    const struct {
        const char *text;
        size_t size;
    } cases[] = {{on_stack, 13},
                 {"constant", 9},
                 {(char *)edge, 16},
                 {(char *)edge + 4093, 3},
                 {(char *)edge + 5000, 0},
                 {NULL, 0},
                 {"", 1},
                 {(char *)-1, 0}};
    CHECK_OK(record_layout_add_text(&layout, SIZE_MAX, 5, 0, 16));
    CHECK_OK(record_layout_place(&layout, RECORD_TIME_FULL));
    void *code = make(&layout, 2, false);
    ring.block->low = address(on_stack) - 65536;
    ring.block->high = address(on_stack) + 256;
    ring.block->constants[1].start = (uint64_t)(uintptr_t)cases[1].text & ~0xfffull;
    ring.block->constants[1].end = ring.block->constants[1].start + 8192;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct state state = some_state((unsigned)i);
        state.r[7] = address(cases[i].text);
        struct state before = state;
        call_with(code, &state);
        ck_assert_mem_eq(&state, &before, sizeof(state));
        record_view_init(&view, &layout, next());
        ck_assert_uint_eq(memory_read(&view.memory, address(cases[i].text), bytes, 32), cases[i].size);
        ck_assert_mem_eq(bytes, cases[i].text, cases[i].size);
        ck_assert(!record_view_is_incomplete(&view));
        ring_take(&ring, layout.size);
    }
    munmap(edge, 4096);
    record_layout_deinit(&layout);
}
END_TEST

/* Round and round, through the end of the ring; then until it is full. */
START_TEST(full) {
    struct record_layout layout = {.registers = BIT(5) | BIT(7) | BIT(0)};
    struct record_view view;
    uint64_t value, count = 0;
    CHECK_OK(record_layout_place(&layout, RECORD_TIME_FULL));
    void *code = make(&layout, 4, true);
    struct state state = some_state(0);
    for (uint64_t i = 0; i < 3 * AGENT_RING_SIZE / layout.size; i++) {
        state.r[7] = i;
        call_with(code, &state);
        record_view_init(&view, &layout, next());
        ck_assert(frame_register(&view.registers, 5, &value));
        ck_assert_uint_eq(value, i);
        ring_take(&ring, layout.size);
    }
    ring_give_back(&ring);
    for (; !ring.block->dropped; count++)
        call_with(code, &state);
    ck_assert_uint_eq(ring.block->gap, ring.block->head);
    ck_assert_uint_ge(count * layout.size, AGENT_RING_SIZE - AGENT_SLACK);
    ck_assert_uint_le((count - 1) * layout.size, AGENT_RING_SIZE);
    for (uint64_t i = 0; i < count - 1; i++) {
        ck_assert_ptr_nonnull(next());
        ring_take(&ring, layout.size);
    }
    ck_assert_ptr_null(next());
    call_with(code, &state);
    ck_assert_ptr_nonnull(next());
    ck_assert_uint_eq(ring.block->dropped, 1);
    record_layout_deinit(&layout);
}
END_TEST

/* ---- waiting ---- */

struct writer {
    void *code;
    uint64_t count;
};

static void *write_records(void *context) {
    struct writer *writer = context;
    syscall(SYS_arch_prctl, ARCH_SET_GS, ring.block);
    for (uint64_t i = 0; i < writer->count; i++) {
        struct state state = {.r[7] = i, .flags = 0x202};
        call_with(writer->code, &state);
    }
    return NULL;
}

START_TEST(lossless) {
    struct record_layout layout = {.registers = BIT(5)};
    struct record_view view;
    size_t size;
    uint64_t value;
    CHECK_OK(record_layout_place(&layout, RECORD_TIME_NONE));
    ring.block->full = agent + agent_image(&size)->wait;
    struct writer writer = {make(&layout, 4, false), 400000};
    pthread_t thread;
    pthread_create(&thread, NULL, write_records, &writer);
    for (uint64_t i = 0; i < writer.count; i++) {
        bool begun;
        const uint8_t *record;
        while (!(record = ring_peek(&ring, &begun)))
            ring_give_back(&ring);
        record_view_init(&view, &layout, record);
        ck_assert(frame_register(&view.registers, 5, &value));
        ck_assert_uint_eq(value, i);
        ring_take(&ring, layout.size);
    }
    pthread_join(thread, NULL);
    ck_assert_uint_eq(ring.block->dropped, 0);
    /* nobody drains any more: it goes on all the same */
    ring.block->beat = 0;
    writer.count = AGENT_RING_SIZE / 8;
    pthread_create(&thread, NULL, write_records, &writer);
    pthread_join(thread, NULL);
    ck_assert_uint_gt(ring.block->dropped, 0);
    record_layout_deinit(&layout);
}
END_TEST

/* ---- a backlog ---- */

static void take_in_order(const struct record_layout *layout, uint64_t from, uint64_t to) {
    for (uint64_t i = from; i < to;) {
        struct record_view view;
        uint64_t value;
        bool begun;
        const uint8_t *record = ring_peek(&ring, &begun);
        ck_assert(!ring.is_broken);
        if (!record)
            continue;
        record_view_init(&view, layout, record);
        ck_assert(frame_register(&view.registers, 5, &value));
        ck_assert_uint_eq(value, i++);
        ring_take(&ring, layout->size);
    }
}

/* More than a ring holds waits, and comes out in order; what goes beyond the limit stays in the ring, and the
 * program waits. */
START_TEST(backlog) {
    enum { LIMIT = 8 << 20 };
    struct record_layout layout = {.registers = BIT(5)};
    struct ring_mover *mover;
    size_t size;
    CHECK_OK(record_layout_place(&layout, RECORD_TIME_NONE));
    ring.block->full = agent + agent_image(&size)->wait;
    CHECK_OK(ring_mover_create(LIMIT, &mover));
    CHECK_OK(ring_mover_add(mover, &ring));
    const uint64_t fitting = LIMIT / layout.size, all = 3 * fitting;
    struct writer writer = {make(&layout, 4, false), fitting};
    pthread_t thread;
    pthread_create(&thread, NULL, write_records, &writer);
    pthread_join(thread, NULL); /* nobody has taken anything */
    ck_assert_uint_eq(ring_used(&ring), fitting * layout.size);
    ck_assert_uint_eq(ring.block->dropped, 0);
    take_in_order(&layout, 0, fitting);
    writer.count = all;
    pthread_create(&thread, NULL, write_records, &writer);
    while (ring_used(&ring) < LIMIT)
        sched_yield();
    ck_assert_uint_le(ring_used(&ring), LIMIT + AGENT_RING_SIZE);
    take_in_order(&layout, 0, all);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(ring.block->dropped, 0);
    ck_assert_uint_eq(ring_used(&ring), 0);
    /* all may go at any time */
    writer.count = 1000;
    pthread_create(&thread, NULL, write_records, &writer);
    pthread_join(thread, NULL);
    ring_reset(&ring);
    ck_assert_uint_eq(ring_used(&ring), 0);
    ck_assert_ptr_null(next());
    pthread_create(&thread, NULL, write_records, &writer);
    pthread_join(thread, NULL);
    take_in_order(&layout, 0, 1000);
    ring_close(&ring);
    ring_mover_destroy(mover);
    CHECK_OK(ring_open(pool, &ring));
    record_layout_deinit(&layout);
}
END_TEST

/* The program has written over a record: nothing is read beyond what is there. */
START_TEST(broken) {
    static const uint64_t words[] = {UINT64_C(0x1800000001), UINT64_C(0x800000001), UINT64_C(0x1c00000001),
                                     UINT64_C(0xffffffff00000001), UINT64_C(0x4000000001)};
    struct ring_mover *mover;
    CHECK_OK(ring_mover_create(1 << 20, &mover));
    CHECK_OK(ring_mover_add(mover, &ring));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        ring_mover_lock(mover);
        memcpy(ring.bytes + ring.moved % AGENT_RING_SIZE, &words[i], sizeof(words[i]));
        ring.block->head += 0x18;
        ring_mover_unlock(mover);
        bool begun;
        const uint8_t *record = ring_peek(&ring, &begun);
        ck_assert_int_eq(record != NULL, i == 0);
        ck_assert_int_eq(ring.is_broken, i != 0);
        ring_reset(&ring);
        ck_assert(!ring.is_broken && !ring_used(&ring));
    }
    ring_mover_lock(mover);
    ring.block->head += UINT64_C(1) << 40;
    ring_mover_unlock(mover);
    bool begun;
    ck_assert_ptr_null(ring_peek(&ring, &begun));
    ck_assert(ring.is_broken);
    ring_close(&ring);
    ring_mover_destroy(mover);
    CHECK_OK(ring_open(pool, &ring));
}
END_TEST

/* ---- which calls are noted ---- */

static bool has_next(uint32_t size) {
    bool has = next() != NULL;
    if (has)
        ring_take(&ring, size);
    return has;
}

/* Calls it with rdi; all registers and flags stay. Is it noted? */
static bool notes(const struct record_layout *layout, void *code, uint64_t argument, unsigned round) {
    struct state state = some_state(round);
    state.r[7] = argument;
    struct state before = state;
    call_with(code, &state);
    ck_assert_mem_eq(&state, &before, sizeof(state));
    return has_next(layout->size);
}

static void be_the_stack(void) {
    uint64_t frame = address(__builtin_frame_address(0));
    size_t size;
    ring.block->low = frame - 65536;
    ring.block->high = frame + 4096;
    ring.block->self = (uint64_t)(uintptr_t)ring.block;
    ring.block->frames = (uint64_t)(uintptr_t)ring_frames(pool, ring.slot);
    ring.block->counters = (uint64_t)(uintptr_t)ring_counters(pool);
    ring.block->judge = agent + agent_image(&size)->judge;
    ring.block->passed = agent + agent_image(&size)->passed;
}

START_TEST(rules) {
    struct record_layout layout = {.registers = BIT(5)};
    struct agent_rule above = {.count = 1,
                               .depth = AGENT_NO_DEPTH,
                               .comparisons = {{.source = 1,
                                                .size = 2,
                                                .is_signed = 1,
                                                .relation = AGENT_GREATER | AGENT_EQUAL,
                                                .constant = -2}}},
                      nth = {.depth = AGENT_NO_DEPTH, .sample = 3, .counter = 5};
    struct emit_place place = {.filter = EMIT_JUDGE, .rule = &above};
    CHECK_OK(record_layout_place(&layout, RECORD_TIME_NONE));
    be_the_stack();
    void *judged = make_at(&layout, 1, &place);
    place.rule = &nth;
    void *sampled = make_at(&layout, 2, &place);
    place.rule = NULL;
    void *entry = make_at(&layout, 3, &place);
    place.filter = EMIT_PASS;
    void *inside = make_at(&layout, 4, &place);
    place.filter = EMIT_LEAVE;
    void *leave = make_at(&layout, 5, &place);
    for (unsigned round = 0; round < 4; round++) {
        ck_assert(notes(&layout, judged, (uint64_t)-2, round));
        ck_assert(notes(&layout, inside, 0, round) && notes(&layout, leave, 0, round));
        ck_assert(!notes(&layout, judged, 0x12345fffd, round)); /* -3 as a short */
        ck_assert_uint_ne(ring.block->muted, 0);
        ck_assert(!notes(&layout, inside, 0, round)); /* rsp is that of the entry */
        ring.block->muted += 64;                      /* now it is what the muted one calls */
        ck_assert(!notes(&layout, entry, 0, round) && !notes(&layout, judged, 7, round));
        ck_assert(!notes(&layout, leave, 0, round));
        ring.block->muted -= 64;
        ck_assert(!notes(&layout, leave, 0, round)); /* it is left itself */
        ck_assert_uint_eq(ring.block->muted, 0);
        ck_assert(notes(&layout, entry, 0, round) && notes(&layout, inside, 0, round));
        ck_assert(!notes(&layout, judged, (uint64_t)-9, round));
        ring.block->muted -= 64; /* left by a longjmp */
        ck_assert(notes(&layout, inside, 0, round));
        ck_assert_uint_eq(ring.block->muted, 0);
        for (unsigned i = 0; i < 3; i++) {
            ck_assert_int_eq(notes(&layout, sampled, 0, round), i == 0);
            ck_assert_uint_eq(ring.block->sampled != 0, i == 0);
            ck_assert_int_eq(notes(&layout, leave, 0, round), i == 0);
        }
    }
    ck_assert_uint_eq(ring_counters(pool)[5], 12);
    ring.block->high = ring.block->low + 8; /* another stack: all is noted, and reel decides */
    ck_assert(notes(&layout, judged, (uint64_t)-9, 0) && notes(&layout, sampled, 0, 0));
    ck_assert(ring.block->muted == 0 && ring.block->sampled == 0);
    record_layout_deinit(&layout);
}
END_TEST

START_TEST(depth) {
    struct record_layout layout = {.registers = BIT(5)};
    struct agent_rule two = {.depth = 1};
    struct emit_place place = {.filter = EMIT_JUDGE, .rule = &two};
    CHECK_OK(record_layout_place(&layout, RECORD_TIME_NONE));
    be_the_stack();
    void *entry = make_at(&layout, 1, &place);
    place.filter = EMIT_LEAVE;
    void *leave = make_at(&layout, 5, &place);
    uint64_t *frames = ring_frames(pool, ring.slot);
    ck_assert(notes(&layout, entry, 0, 0));
    ck_assert_uint_eq(ring.block->depth, 1);
    frames[0] += 128; /* the next ones are calls of it */
    ck_assert(notes(&layout, entry, 0, 1));
    ck_assert_uint_eq(ring.block->depth, 2);
    frames[1] += 64;
    ck_assert(!notes(&layout, entry, 0, 2) && !notes(&layout, leave, 0, 2));
    ck_assert_uint_eq(ring.block->depth, 2);
    frames[1] -= 64;
    ck_assert(notes(&layout, leave, 0, 3));
    ck_assert_uint_eq(ring.block->depth, 1);
    ck_assert(notes(&layout, entry, 0, 0) && notes(&layout, leave, 0, 0));
    record_layout_deinit(&layout);
}
END_TEST

/* ---- a handler that records ---- */

static void *inner;
static volatile uint64_t handled;

static void on_signal(int signo) {
    (void)signo;
    struct state state = {.r[7] = ++handled, .flags = 0x202};
    static __thread struct state *kept;
    kept = &state;
    ((void (*)(uint64_t))inner)(kept->r[7]);
}

START_TEST(signals) {
    struct record_layout outer_layout = {.registers = 0xffff}, inner_layout = {.registers = BIT(5)};
    struct record_view view;
    CHECK_OK(record_layout_place(&outer_layout, RECORD_TIME_FULL));
    CHECK_OK(record_layout_place(&inner_layout, RECORD_TIME_COARSE));
    void *outer = make(&outer_layout, 1, false);
    inner = make(&inner_layout, 2, true);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGALRM, &action, NULL);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    ck_assert_int_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    const struct itimerspec often = {.it_interval.tv_nsec = 50000, .it_value.tv_nsec = 50000}, never = {0};
    timer_settime(timer, 0, &often, NULL);
    uint64_t outer_seen = 0, inner_seen = 0, written = 0;
    while (handled < 3000) {
        for (unsigned i = 0; i < 500; i++) {
            struct state state = some_state(0);
            state.r[7] = written++;
            __asm__ volatile("" ::: "memory");
            ((void (*)(uint64_t))outer)(state.r[7]);
        }
        bool begun;
        for (const uint8_t *record; (record = ring_peek(&ring, &begun));) {
            bool is_inner = id_of(record) == 2;
            const struct record_layout *layout = is_inner ? &inner_layout : &outer_layout;
            uint64_t value;
            record_view_init(&view, layout, record);
            ck_assert(frame_register(&view.registers, 5, &value));
            ck_assert_uint_eq(value, is_inner ? inner_seen + 1 : outer_seen);
            inner_seen += is_inner;
            outer_seen += !is_inner;
            ring_take(&ring, layout->size);
        }
    }
    timer_settime(timer, 0, &never, NULL);
    timer_delete(timer);
    ck_assert_uint_eq(outer_seen, written);
    ck_assert_uint_eq(ring.block->dropped, 0);
    record_layout_deinit(&outer_layout);
    record_layout_deinit(&inner_layout);
}
END_TEST

/* A GS base that is not ours is left alone. */
START_TEST(stranger) {
    struct record_layout layout = {.registers = BIT(5)};
    static uint8_t theirs[AGENT_BLOCK_SIZE];
    CHECK_OK(record_layout_place(&layout, RECORD_TIME_FULL));
    struct state state = some_state(1), before = state;
    void *code = make(&layout, 1, false);
    syscall(SYS_arch_prctl, ARCH_SET_GS, theirs);
    call_with(code, &state);
    ck_assert_mem_eq(&state, &before, sizeof(state));
    for (size_t i = 0; i < sizeof(theirs); i++)
        ck_assert_uint_eq(theirs[i], 0);
    record_layout_deinit(&layout);
}
END_TEST

START_TEST(slots) {
    struct ring rings[RING_SLOTS];
    for (unsigned i = 0; i < RING_SLOTS - 1; i++) {
        CHECK_OK(ring_open(pool, &rings[i]));
        ck_assert_uint_eq(rings[i].slot, i + 1);
    }
    struct ring one;
    CHECK_FAILS(ring_open(pool, &one), ERROR_LIMIT, "threads");
    ring_close(&rings[100]);
    CHECK_OK(ring_open(pool, &rings[100]));
    ck_assert_uint_eq(rings[100].slot, 101);
    for (unsigned i = 0; i < RING_SLOTS - 1; i++)
        ring_close(&rings[i]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ring");
    TCase *cases = tcase_create("ring");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, registers);
    tcase_add_test(cases, puppet);
    tcase_add_test(cases, dead_places);
    tcase_add_test(cases, memory);
    tcase_add_test(cases, vectors);
    tcase_add_test(cases, texts);
    tcase_add_test(cases, full);
    tcase_add_test(cases, lossless);
    tcase_add_test(cases, backlog);
    tcase_add_test(cases, broken);
    tcase_add_test(cases, rules);
    tcase_add_test(cases, depth);
    tcase_add_test(cases, signals);
    tcase_add_test(cases, stranger);
    tcase_add_test(cases, slots);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
