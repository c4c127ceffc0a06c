/* Calls are injected into a process again and again by a tracer that is killed at any moment: it never
 * notices. */
#include "tracer/await.h"
#include "tracer/gate.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- who is injected into ---- */

static volatile sig_atomic_t over;

static void on_term(int signo) {
    (void)signo;
    over = 1;
}

/* Registers of all kinds, flags and the red zone: a leaf that keeps everything there. */
static __attribute__((noinline)) bool compute(void) {
    double sums[4] = {0}; /* in xmm registers when optimised */
    uint64_t hash = 1;
    for (unsigned i = 1; i <= 20000; i++) {
        sums[i % 4] += i * 0.5;
        hash = hash * 6364136223846793005ull + (hash >> 33 > i ? i : 1);
    }
    static double right[4];
    static uint64_t right_hash;
    if (!right_hash) {
        memcpy(right, sums, sizeof(right));
        right_hash = hash;
    }
    return !memcmp(right, sums, sizeof(right)) && hash == right_hash;
}

static void busy(void) {
    signal(SIGTERM, on_term);
    while (!over)
        if (!compute())
            _exit(9);
    _exit(7);
}

/* Waits in a call that is made again after it was interrupted. */
static int ends[2];
static void waiting(void) {
    char byte;
    signal(SIGTERM, SIG_IGN);
    ssize_t got = read(ends[0], &byte, 1);
    _exit(got == 1 && byte == 'x' ? 7 : 9);
}

static pid_t begin(void (*what)(void)) {
    pid_t pid = fork();
    if (pid == 0)
        what();
    usleep(20000);
    return pid;
}

static void check_end(pid_t pid) {
    int status;
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    kill(pid, SIGTERM);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status 0x%x", status);
}

/* ---- who injects ---- */

static struct error *inject_for_ever(pid_t pid) {
    struct task task;
    int status;
    task_init(&task, pid);
    TRY(trace_seize(pid, false));
    TRY(trace_interrupt(pid));
    TRY(await_stop(&task, -1, &status));
    for (;;) {
        int64_t result;
        bool done;
        TRY(gate_syscall(&task, SYS_getppid, (const uint64_t[6]){0}, &done, &result));
        if (!done || result != getppid())
            _exit(3);
        TRY(task_resume(&task, RESUME_CONT, 0));
        TRY(trace_interrupt(pid));
        TRY(await_stop(&task, -1, &status));
    }
}

static void be_killed(void (*what)(void)) {
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = begin(what);
    srand((unsigned)getpid());
    for (int i = 0; i < 60; i++) {
        int status;
        pid_t tracer = fork();
        if (tracer == 0) {
            error_free(inject_for_ever(pid));
            _exit(4);
        }
        usleep((useconds_t)(rand() % 3000));
        kill(tracer, SIGKILL);
        ck_assert_int_eq(waitpid(tracer, &status, 0), tracer);
        ck_assert_msg(WIFSIGNALED(status), "the tracer: status 0x%x in round %d", status, i);
        ck_assert_msg(waitpid(pid, &status, WNOHANG) == 0, "dead in round %d: 0x%x", i, status);
    }
    check_end(pid);
}

START_TEST(a_computation_goes_on) {
    be_killed(busy);
}
END_TEST

START_TEST(a_call_is_made_again) {
    be_killed(waiting);
}
END_TEST

/* Its remaining time, too. */
START_TEST(a_sleeper_sleeps_on) {
    struct task task;
    int64_t result;
    int status;
    bool done;
    pid_t pid = fork();
    if (pid == 0) {
        struct timespec begun, ended;
        clock_gettime(CLOCK_MONOTONIC, &begun);
        if (nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL))
            _exit(9);
        clock_gettime(CLOCK_MONOTONIC, &ended);
        long long ns = (ended.tv_sec - begun.tv_sec) * 1000000000ll + ended.tv_nsec - begun.tv_nsec;
        _exit(ns >= 300000000 ? 7 : 8);
    }
    usleep(20000);
    task_init(&task, pid);
    ck_assert_ptr_null(trace_seize(pid, false));
    for (int i = 0; i < 10; i++) {
        ck_assert_ptr_null(trace_interrupt(pid));
        ck_assert_ptr_null(await_stop(&task, -1, &status));
        ck_assert_ptr_null(gate_syscall(&task, SYS_getpid, (const uint64_t[6]){0}, &done, &result));
        ck_assert(done);
        ck_assert_int_eq(result, pid);
        ck_assert_ptr_null(task_resume(&task, RESUME_CONT, 0));
    }
    task_deinit(&task);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status 0x%x", status);
}
END_TEST

static void becomes_another(void) {
    execl("/bin/sleep", "sleep", "100", NULL);
    _exit(1);
}

/* Another program's libc lies elsewhere: what was found in one process is not taken for the other's. */
START_TEST(each_has_its_own_gate) {
    for (int i = 0; i < 3; i++) {
        pid_t pid = begin(becomes_another);
        struct task task;
        int status;
        int64_t result;
        bool done;
        task_init(&task, pid);
        ck_assert_ptr_null(trace_seize(pid, false));
        ck_assert_ptr_null(trace_interrupt(pid));
        ck_assert_ptr_null(await_stop(&task, 5000, &status));
        ck_assert_ptr_null(gate_syscall(&task, SYS_getppid, (const uint64_t[6]){0}, &done, &result));
        ck_assert(done);
        ck_assert_int_eq(result, getpid());
        task_deinit(&task);
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gate");
    TCase *tests = tcase_create("gate");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_computation_goes_on);
    tcase_add_test(tests, a_call_is_made_again);
    tcase_add_test(tests, a_sleeper_sleeps_on);
    tcase_add_test(tests, each_has_its_own_gate);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
