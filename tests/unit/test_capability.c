/* tracer/capability: every probe ends in time, says the same twice, leaves nothing behind, and cannot hurt
 * its caller. */
#include "tracer/capability.h"

#include "tests/unit/scratch.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

/* Most milliseconds that a probe may take, of which the header promises "a few seconds". */
#define MOST_MS 7000

static long long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

static void check_no_children(const char *name) {
    errno = 0;
    ck_assert_msg(waitpid(-1, NULL, __WALL | WNOHANG) == -1 && errno == ECHILD, "%s: a child is left", name);
}

/* Descriptors that are open, as a bit mask. */
static uint64_t open_files(void) {
    uint64_t ret = 0;
    for (int fd = 0; fd < 64; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            ret |= UINT64_C(1) << fd;
    return ret;
}

START_TEST(the_table_is_complete) {
    const struct capability_row *rows = capability_rows();
    ck_assert_uint_ge(capability_count(), 20);
    for (size_t i = 0; i < capability_count(); i++) {
        ck_assert(rows[i].name && rows[i].what && rows[i].use && rows[i].probe);
        ck_assert_msg(!rows[i].need || rows[i].instead, "%s: what happens without it?", rows[i].name);
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(rows[i].name, rows[k].name);
    }
}
END_TEST

/* Once for each row. */
START_TEST(a_probe_ends_in_time_and_leaves_nothing) {
    const char *name = capability_rows()[_i].name;
    uint64_t files = open_files();
    struct capability_result first = {0};
    for (int round = 0; round < 2; round++) {
        long long start = now_ms();
        struct capability_result got = capability_probe((size_t)_i);
        ck_assert_msg(now_ms() - start < MOST_MS, "%s: took %lld ms", name, now_ms() - start);
        check_no_children(name);
        ck_assert_msg(open_files() == files, "%s: leaves a descriptor open", name);
        ck_assert_msg(got.state == CAPABILITY_WORKS || got.detail[0], "%s: does not say what was seen", name);
        ck_assert_ptr_nonnull(memchr(got.detail, 0, sizeof(got.detail)));
        if (round == 0)
            first = got;
        ck_assert_msg(got.state == first.state && !strcmp(got.detail, first.detail),
                      "%s: first %d (%s), then %d (%s)", name, (int)first.state, first.detail, (int)got.state,
                      got.detail);
    }
}
END_TEST

START_TEST(what_record_and_replay_need_works_here) {
    size_t needed = 0;
    for (size_t i = 0; i < capability_count(); i++) {
        if (!(capability_rows()[i].need & (CAPABILITY_RECORD | CAPABILITY_REPLAY)))
            continue;
        struct capability_result got = capability_probe(i);
        ck_assert_msg(got.state == CAPABILITY_WORKS, "%s: %d (%s)", capability_rows()[i].name, (int)got.state,
                      got.detail);
        needed++;
    }
    ck_assert_uint_ge(needed, 5);
}
END_TEST

START_TEST(a_row_is_found_by_name) {
    ck_assert_int_eq(capability_check("ptrace"), CAPABILITY_WORKS);
    ck_assert_int_eq(capability_check("sysemu"), CAPABILITY_WORKS);
    ck_assert_int_eq(capability_check("seccomp"), CAPABILITY_WORKS);
    ck_assert_int_eq(capability_check("proc-mem"), CAPABILITY_WORKS);
    ck_assert_int_eq(capability_check("no such thing"), CAPABILITY_MISSING);
    check_no_children("capability_check");
}
END_TEST

/* ---- probes that misbehave ---- */

/* Shared with the workers: the pid of a process that a probe made. */
static volatile pid_t *grandchild;

static struct capability_result wait_forever(void) {
    while (pause() < 0)
        ;
    return (struct capability_result){.state = CAPABILITY_WORKS};
}

/* Deaf to everything that can be refused, and with a child that has inherited the pipe of the result. */
static struct capability_result hang_with_child(void) {
    pid_t worker = getpid();
    for (int signo = 1; signo < NSIG; signo++)
        signal(signo, SIG_IGN);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != worker)
            _exit(0);
        *grandchild = getpid();
    }
    return wait_forever();
}

static struct capability_result crash(void) {
    raise(SIGSEGV);
    return (struct capability_result){.state = CAPABILITY_WORKS};
}

static struct capability_result be_filtered(void) {
    raise(SIGSYS);
    return (struct capability_result){.state = CAPABILITY_WORKS};
}

static struct capability_result leave(void) {
    _exit(0);
}

static void check_result(struct capability_result got, enum capability state, const char *text) {
    ck_assert_int_eq(got.state, state);
    ck_assert_msg(strstr(got.detail, text), "'%s' does not tell '%s'", got.detail, text);
    check_no_children(text);
}

START_TEST(a_probe_that_hangs_is_ended) {
    long long start = now_ms();
    check_result(capability_run(wait_forever, 50), CAPABILITY_BROKEN, "did not end within 50 ms");
    ck_assert_int_lt(now_ms() - start, 3000);

    grandchild = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne((void *)grandchild, MAP_FAILED);
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* so that the grandchild becomes our child */
    struct capability_result got = capability_run(hang_with_child, 1000);
    int status;
    ck_assert_int_gt(*grandchild, 0);
    ck_assert_int_eq(waitpid(*grandchild, &status, 0), *grandchild);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    check_result(got, CAPABILITY_BROKEN, "did not end within 1000 ms");
    munmap((void *)grandchild, 4096);
}
END_TEST

START_TEST(a_probe_that_dies_is_reported) {
    check_result(capability_run(crash, 3000), CAPABILITY_BROKEN, "signal 11");
    check_result(capability_run(be_filtered, 3000), CAPABILITY_MISSING, "seccomp");
    check_result(capability_run(leave, 3000), CAPABILITY_BROKEN, "without a result");
}
END_TEST

/* ---- callers in odd states ---- */

START_TEST(the_callers_signals_do_not_matter) {
    sigset_t all, after;
    sigfillset(&all);
    ck_assert_int_eq(sigprocmask(SIG_SETMASK, &all, NULL), 0);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGSEGV, SIG_IGN);
    ck_assert_int_eq(capability_check("ptrace"), CAPABILITY_WORKS);
    ck_assert_int_eq(capability_check("sysemu"), CAPABILITY_WORKS);
    ck_assert_int_eq(capability_check("seccomp"), CAPABILITY_WORKS);
    ck_assert_int_ne(capability_check("tsc-trap"), CAPABILITY_MISSING);
    check_no_children("ignored SIGCHLD");
    sigprocmask(SIG_SETMASK, NULL, &after);
    ck_assert_msg(sigismember(&after, SIGCHLD), "the caller's signal mask was changed");
}
END_TEST

/* A probe's own files must not land on the numbers 0 to 2. */
START_TEST(closed_standard_files_do_not_matter) {
    enum capability kcmp = capability_check("kcmp"), getfd = capability_check("pidfd-getfd");
    int kept[3];
    for (int fd = 0; fd < 3; fd++)
        kept[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    enum capability kcmp_after = capability_check("kcmp"), getfd_after = capability_check("pidfd-getfd");
    for (int fd = 0; fd < 3; fd++)
        if (kept[fd] >= 0)
            dup2(kept[fd], fd);
    ck_assert_int_eq(kcmp, kcmp_after);
    ck_assert_int_eq(getfd, getfd_after);
}
END_TEST

/* What a probe does to its own process stays there. */
START_TEST(the_caller_is_left_as_it_was) {
    for (size_t i = 0; i < capability_count(); i++)
        capability_probe(i);
    int tsc = 0;
    ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_GET_TSC, &tsc), 0);
    ck_assert_int_eq(tsc, PR_TSC_ENABLE);
    ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 1);
    struct sigaction action;
    sigaction(SIGSYS, NULL, &action);
    ck_assert_ptr_eq((void *)action.sa_handler, (void *)SIG_DFL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("capability");
    TCase *rows = tcase_create("rows");
    tcase_set_timeout(rows, 120);
    tcase_add_test(rows, the_table_is_complete);
    tcase_add_loop_test(rows, a_probe_ends_in_time_and_leaves_nothing, 0, (int)capability_count());
    tcase_add_test(rows, what_record_and_replay_need_works_here);
    tcase_add_test(rows, a_row_is_found_by_name);
    suite_add_tcase(suite, rows);

    TCase *run = tcase_create("run");
    tcase_set_timeout(run, 120);
    tcase_add_test(run, a_probe_that_hangs_is_ended);
    tcase_add_test(run, a_probe_that_dies_is_reported);
    tcase_add_test(run, the_callers_signals_do_not_matter);
    tcase_add_test(run, closed_standard_files_do_not_matter);
    tcase_add_test(run, the_caller_is_left_as_it_was);
    suite_add_tcase(suite, run);
    return scratch_run(suite);
}
