/* process: what a signal would do, and who is who in namespaces. */
#include "tests/unit/scratch.h"
#include "tracer/process.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(init_is_spared) {
    struct process_status status = {.is_init = true, .caught = 1ull << (SIGHUP - 1)};
    ck_assert_int_eq(process_disposition(&status, SIGTERM), DISPOSITION_IGNORED);
    ck_assert_int_eq(process_disposition(&status, SIGTSTP), DISPOSITION_IGNORED);
    ck_assert_int_eq(process_disposition(&status, SIGHUP), DISPOSITION_HANDLED);
    ck_assert_int_eq(process_disposition(&status, SIGKILL), DISPOSITION_FATAL);
    ck_assert_int_eq(process_disposition(&status, SIGSTOP), DISPOSITION_STOPS);
    status.is_init = false;
    ck_assert_int_eq(process_disposition(&status, SIGTERM), DISPOSITION_FATAL);
    ck_assert_int_eq(process_disposition(&status, SIGTSTP), DISPOSITION_STOPS);
    ck_assert_int_eq(process_disposition(&status, SIGCHLD), DISPOSITION_IGNORED);
}
END_TEST

START_TEST(a_process_of_this_namespace) {
    struct process_status status;
    CHECK_OK(process_status(getpid(), &status));
    ck_assert_int_eq(status.inner_tid, getpid());
    ck_assert_int_eq(status.is_init, getpid() == 1);
    ck_assert_int_eq(process_inner_tid(getpid()), getpid());
    ck_assert(process_same_namespace(getpid(), getppid(), "pid"));
    ck_assert(process_same_namespace(getpid(), getpid(), "no such kind"));
    ck_assert_int_eq(process_inner_tid(0x7fffffff), 0);
}
END_TEST

START_TEST(a_process_of_another_namespace) {
    int pipefd[2], status;
    struct process_status found;
    ck_assert_int_eq(pipe(pipefd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pid_t child = unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0 ? fork() : -1;
        if (child == 0) {
            pause();
            _exit(0);
        }
        if (write(pipefd[1], &child, sizeof(child)) != sizeof(child) || child < 0)
            _exit(1);
        _exit(waitpid(child, &status, 0) == child ? 0 : 1);
    }
    pid_t inner;
    ck_assert_int_eq(read(pipefd[0], &inner, sizeof(inner)), sizeof(inner));
    if (inner > 0) {
        CHECK_OK(process_status(inner, &found));
        ck_assert(found.is_init);
        ck_assert_int_eq(found.inner_tid, 1);
        ck_assert(!process_same_namespace(getpid(), inner, "pid"));
        kill(inner, SIGKILL);
    } else {
        printf("skip: no PID namespaces here\n");
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("process");
    TCase *tests = tcase_create("process");
    tcase_add_test(tests, init_is_spared);
    tcase_add_test(tests, a_process_of_this_namespace);
    tcase_add_test(tests, a_process_of_another_namespace);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
