/* replay/point: a point survives its encoding; it is taken of a process, and told from every other. */
#include "replay/point.h"

#include "base/registers.h"
#include "scratch.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

static uint64_t random_state = 7;

static struct point *any_point(void) {
    struct point *point = calloc(1, sizeof(*point));
    uint8_t *regs = (uint8_t *)&point->regs;
    for (size_t i = 0; i < sizeof(point->regs); i++)
        regs[i] = (uint8_t)scratch_random(&random_state);
    point->elapsed = scratch_random(&random_state);
    point->hash = scratch_random(&random_state);
    point->xstate_size = scratch_random(&random_state) % (XSTATE_MAX + 1);
    for (size_t i = 0; i < point->xstate_size; i++)
        point->xstate[i] = (uint8_t)scratch_random(&random_state);
    point->word_count = scratch_random(&random_state) % (POINT_WORDS_MAX + 1);
    for (size_t i = 0; i < point->word_count; i++)
        point->words[i] = (struct point_word){.address = scratch_random(&random_state) & ~7ull,
                                              .value = scratch_random(&random_state)};
    point->range_count = scratch_random(&random_state) % (POINT_RANGES_MAX + 1);
    for (size_t i = 0; i < point->range_count; i++)
        point->ranges[i] = (struct point_range){.address = scratch_random(&random_state) >> 1,
                                                .size = scratch_random(&random_state) % POINT_RANGE_MAX};
    return point;
}

static struct error *decode(const struct buffer *buffer, size_t size, struct point *ret) {
    struct cursor cursor;
    uint8_t *copy = malloc(size + 1); /* so that the sanitizer sees what is read behind the end */
    memcpy(copy, buffer->data, size);
    cursor_init(&cursor, copy, size, "point");
    struct error *err = point_decode(&cursor, ret);
    free(copy);
    return err;
}

START_TEST(test_round_trip) {
    for (int i = 0; i < 50; i++) {
        struct point *point = any_point(), *found = calloc(1, sizeof(*found));
        struct buffer first = {0}, second = {0};
        point_encode(point, &first);
        CHECK_OK(decode(&first, first.size, NULL));
        CHECK_OK(decode(&first, first.size, found));
        point_encode(found, &second);
        ck_assert_uint_eq(first.size, second.size);
        ck_assert_mem_eq(first.data, second.data, first.size);
        ck_assert(memcmp(point->words, found->words, point->word_count * sizeof(point->words[0])) == 0);
        ck_assert(memcmp(&point->regs, &found->regs, sizeof(point->regs)) == 0);
        buffer_deinit(&first);
        buffer_deinit(&second);
        free(point);
        free(found);
    }
}
END_TEST

START_TEST(test_hostile) {
    struct point *point = any_point(), *found = calloc(1, sizeof(*found));
    struct buffer buffer = {0};
    point_encode(point, &buffer);
    for (size_t cut = 1; cut <= buffer.size; cut += 1 + cut / 16)
        CHECK_FAILS(decode(&buffer, buffer.size - cut, found), ERROR_BAD_DATA, "point");
    buffer_put_u8(&buffer, 0);
    CHECK_FAILS(decode(&buffer, buffer.size, found), ERROR_BAD_DATA, "point");
    buffer_clear(&buffer);
    point->word_count = point->range_count = 0;
    point->xstate_size = 0;
    point_encode(point, &buffer);
    buffer.size -= 1;
    buffer_put_varint(&buffer, POINT_WORDS_MAX + 1);
    CHECK_FAILS(decode(&buffer, buffer.size, found), ERROR_BAD_DATA, "point");
    buffer_deinit(&buffer);
    free(point);
    free(found);
}
END_TEST

/* ---- of a process ---- */

#define FAR 4000 /* words: outside of what is near anything */

static uint64_t *volatile chain[2];
static volatile double number = 0.5;

static void wait_here(uint64_t *memory) {
    double in_register = number;
    chain[0] = memory;
    __asm__ volatile("movq %0, %%xmm7\n movq %1, %%rbx\n 1: pause\n jmp 1b" ::"x"(in_register), "r"(memory)
                     : "rbx", "xmm7");
}

static struct task stopped_child(uint64_t **ret_memory) {
    struct task task;
    uint64_t *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(memory != MAP_FAILED);
    memory[0] = (uint64_t)(memory + 1000); /* the second step leads there */
    pid_t pid = fork();
    if (pid == 0) {
        trace_me();
        raise(SIGSTOP);
        wait_here(memory);
        _exit(1);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    task_init(&task, pid);
    task.stopped = true;
    CHECK_OK(task_resume(&task, RESUME_CONT, 0));
    usleep(20000);
    kill(pid, SIGSTOP);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    task.stopped = true;
    *ret_memory = memory;
    return task;
}

static void end(struct task *task) {
    kill(task->tid, SIGKILL);
    waitpid(task->tid, NULL, 0);
    task_deinit(task);
}

static enum point_difference compare(const struct point *point, struct task *task, size_t *ret_index) {
    const struct memory_reader memory = task_memory(task);
    enum point_difference difference;
    CHECK_OK(point_compare(point, task, &memory, &difference, ret_index));
    return difference;
}

START_TEST(test_taken) {
    uint64_t *memory, cursor = 0, value = 99, old;
    struct point *point = calloc(1, sizeof(*point));
    struct task task = stopped_child(&memory);
    struct user_regs_struct regs;
    struct maps maps;
    size_t index;
    CHECK_OK(maps_read(task.tid, &maps));
    CHECK_OK(point_take(&task, &maps, false, 65536, &cursor, point));
    maps_deinit(&maps);
    ck_assert_uint_gt(point->word_count, 50);
    ck_assert_uint_le(point->word_count, POINT_WORDS_MAX);
    ck_assert(compare(point, &task, &index) == POINT_SAME);

    /* a word that a register points to, and one behind a pointer in it */
    for (size_t offset = 0; offset <= 1000; offset += 1000) {
        CHECK_OK(task_read_exact(&task, (uint64_t)(memory + offset), &old, 8));
        CHECK_OK(task_write(&task, (uint64_t)(memory + offset), &value, 8));
        ck_assert(compare(point, &task, &index) == POINT_WORD);
        ck_assert_uint_eq(point->words[index].address, (uint64_t)(memory + offset));
        CHECK_OK(task_write(&task, (uint64_t)(memory + offset), &old, 8));
        ck_assert(compare(point, &task, &index) == POINT_SAME);
    }
    /* what is far away is not seen */
    CHECK_OK(task_write(&task, (uint64_t)(memory + FAR), &value, 8));
    ck_assert(compare(point, &task, &index) == POINT_SAME);

    CHECK_OK(trace_get_registers(task.tid, &regs));
    regs.r12 ^= 1;
    CHECK_OK(trace_set_registers(task.tid, &regs));
    ck_assert(compare(point, &task, &index) == POINT_REGISTER && !strcmp(registers[index].name, "r12"));
    regs.r12 ^= 1;
    CHECK_OK(trace_set_registers(task.tid, &regs));

    static uint8_t xstate[XSTATE_MAX];
    size_t size;
    CHECK_OK(trace_get_xstate(task.tid, xstate, &size));
    xstate[160 + 7 * 16 + 8] ^= 1; /* upper half of xmm7 */
    CHECK_OK(trace_set_xstate(task.tid, xstate, size));
    ck_assert(compare(point, &task, &index) == POINT_XSTATE);
    ck_assert_uint_eq(index, 160 + 7 * 16 + 8);
    end(&task);
    free(point);
}
END_TEST

START_TEST(test_xstate) {
    static uint8_t a[832], b[832];
    size_t offset;
    b[8] = 1;   /* where the last x87 instruction was */
    b[464] = 1; /* for software */
    b[512] = 7; /* components in use */
    ck_assert(point_xstate_same(a, sizeof(a), b, sizeof(b), &offset));
    b[576] = 1; /* upper half of ymm0 */
    ck_assert(!point_xstate_same(a, sizeof(a), b, sizeof(b), &offset) && offset == 576);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("point");
    TCase *tests = tcase_create("point");
    tcase_add_test(tests, test_round_trip);
    tcase_add_test(tests, test_hostile);
    tcase_add_test(tests, test_taken);
    tcase_add_test(tests, test_xstate);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
