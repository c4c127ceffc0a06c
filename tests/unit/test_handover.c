/* A task goes from one tracing thread to another and does not notice; killed or stopped in between, it is
 * told of. */
#include "tracer/handover.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t loop;

static void put_loop(void) {
    uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(page, MAP_FAILED);
    memcpy(page, handover_loop, HANDOVER_LOOP_SIZE);
    loop = (uint64_t)page;
}

/* Counts in registers that the loop spoils, and ends with what is right only if nothing was lost. */
static void count(void) {
    uint64_t rounds = 200000000, sum = 0;
    __asm__ volatile("1: add %1, %0; dec %1; jnz 1b" : "+r"(sum), "+c"(rounds));
    _exit(sum == 200000000ull * 200000001ull / 2 ? 7 : 8);
}

static pid_t begin(struct engine *engine, struct task **ret) {
    struct stop stop;
    pid_t pid = fork();
    if (pid == 0) {
        usleep(20000);
        count();
    }
    ck_assert_ptr_null(trace_seize(pid, true));
    *ret = engine_task(engine, pid);
    ck_assert_ptr_null(trace_interrupt(pid));
    ck_assert_ptr_null(engine_next_of(engine, *ret, true, &stop));
    ck_assert_int_eq(stop.kind, STOP_BORN);
    return pid;
}

struct other {
    struct handover handover;
    struct stop stop;
    struct user_regs_struct regs;
    uint64_t sigmask;
    int signo; /* with which the task goes on */
    struct stop end;
};

static void *take(void *context) {
    struct other *other = context;
    struct engine engine;
    engine_init(&engine);
    ck_assert_ptr_null(handover_take(&engine, &other->handover, &other->stop));
    struct task *task = other->stop.task;
    if (task->stopped) {
        ck_assert_ptr_null(trace_get_registers(task->tid, &other->regs));
        ck_assert_ptr_null(trace_get_sigmask(task->tid, &other->sigmask));
        ck_assert_ptr_null(task_resume(task, RESUME_CONT, other->signo));
        do {
            ck_assert_ptr_null(engine_next(&engine, &other->end));
            if (other->end.kind == STOP_GROUP)
                kill(task->tid, SIGKILL);
            else if (other->end.kind != STOP_EXITED && other->end.kind != STOP_KILLED)
                ck_assert_ptr_null(engine_pass(&other->end));
        } while (other->end.kind != STOP_EXITED && other->end.kind != STOP_KILLED);
    }
    engine_deinit(&engine);
    return NULL;
}

static void take_in_thread(struct other *other) {
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, take, other), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

START_TEST(goes_on_as_it_was) {
    struct engine engine;
    struct task *task;
    struct other other = {0};
    uint64_t sigmask;
    put_loop();
    engine_init(&engine);
    begin(&engine, &task);
    ck_assert(handover_is_possible(task, loop));
    ck_assert_ptr_null(trace_get_sigmask(task->tid, &sigmask));
    ck_assert_ptr_null(handover_give(&engine, task, loop, &other.handover));
    ck_assert_uint_eq(engine.count, 0);
    usleep(_i * 1000);
    take_in_thread(&other);
    ck_assert_int_eq(other.stop.kind, STOP_BORN);
    ck_assert_mem_eq(&other.regs, &other.handover.regs, sizeof(other.regs));
    ck_assert_uint_eq(other.sigmask, sigmask);
    ck_assert_int_eq(other.end.kind, STOP_EXITED);
    ck_assert_int_eq(other.end.status, 7);
    engine_deinit(&engine);
}
END_TEST

START_TEST(may_be_killed_in_between) {
    struct engine engine;
    struct task *task;
    struct other other = {0};
    put_loop();
    engine_init(&engine);
    pid_t pid = begin(&engine, &task);
    ck_assert_ptr_null(handover_give(&engine, task, loop, &other.handover));
    kill(pid, SIGKILL);
    usleep(_i * 500);
    take_in_thread(&other);
    struct stop *end = other.stop.kind == STOP_KILLED ? &other.stop : &other.end;
    ck_assert_int_eq(end->kind, STOP_KILLED);
    ck_assert_int_eq(end->status, SIGKILL);
    engine_deinit(&engine);
}
END_TEST

START_TEST(may_be_stopped_in_between) {
    struct engine engine;
    struct task *task;
    struct other other = {0};
    put_loop();
    engine_init(&engine);
    pid_t pid = begin(&engine, &task);
    ck_assert_ptr_null(handover_give(&engine, task, loop, &other.handover));
    kill(pid, SIGTERM); /* is blocked until it is taken */
    kill(pid, SIGSTOP);
    usleep(_i * 2000);
    take_in_thread(&other);
    ck_assert(other.stop.kind == STOP_GROUP || other.stop.kind == STOP_SIGNAL ||
              other.stop.kind == STOP_BORN);
    ck_assert_mem_eq(&other.regs, &other.handover.regs, sizeof(other.regs));
    ck_assert_int_eq(other.end.kind, STOP_KILLED);
    engine_deinit(&engine);
}
END_TEST

START_TEST(needs_the_loop) {
    struct engine engine;
    struct task *task;
    put_loop();
    engine_init(&engine);
    pid_t pid = begin(&engine, &task);
    ck_assert(!handover_is_possible(task, 0));
    ck_assert(!handover_is_possible(task, loop + 1));
    ck_assert(!handover_is_possible(task, 4096));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    engine_deinit(&engine);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("handover");
    TCase *tests = tcase_create("handover");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, goes_on_as_it_was, 0, 4);
    tcase_add_loop_test(tests, may_be_killed_in_between, 0, 4);
    tcase_add_loop_test(tests, may_be_stopped_in_between, 0, 3);
    tcase_add_test(tests, needs_the_loop);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
