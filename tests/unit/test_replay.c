/* A replay that differs must say so, whatever differs; a recording that lies about memory must not get at
 * reel. Each test records a real program, changes its log the way a bug (or an enemy) would, with right
 * checksums, and replays it. */
#include "base/say.h"
#include "replay/chunk.h"
#include "replay/event.h"
#include "replay/puppet.h"
#include "replay/recorder.h"
#include "replay/recording.h"
#include "replay/replayer.h"
#include "tests/unit/scratch.h"
#include "tracer/remote.h"
#include "tracer/syscall.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct scratch scratch;
static char path[512];

static void setup(void) {
    scratch = scratch_create();
}

static void teardown(void) {
    scratch_remove(&scratch);
}

/* Record `date +%N` in a process of its own: the recorder changes signals, timers and affinity for good. */
static void record_date(void) {
    snprintf(path, sizeof(path), "%s/date.reel", scratch.path);
    pid_t pid = fork();
    if (pid == 0) {
        char *const argv[] = {"date", "+%N", NULL};
        const struct recorder_options options = {.output = path, .argv = argv, .check_memory = true};
        int status = 1;
        say_level = SAY_QUIET;
        if (!freopen("/dev/null", "w", stdout))
            _exit(1);
        struct error *err = recorder_run(&options, &status);
        say_error(err);
        _exit(err ? 125 : status);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

/* Replay; the error is returned. */
static struct error *replay(uint64_t to) {
    int status = -1;
    const struct replayer_options options = {.path = path, .quiet = true, .to = to};
    say_level = SAY_QUIET;
    struct error *err = replayer_run(&options, &status);
    if (!err)
        ck_assert_int_eq(status, 0);
    return err;
}

/* ---- changing a log ---- */

/* Gets each event of the log, may change it, and says whether to keep it. */
typedef bool change(struct event *event, struct effect *effects);

static struct error *copy_events(struct chunk_reader *reader, struct chunk_writer *writer, change *alter) {
    struct effect *effects = NULL;
    size_t room = 0;
    struct buffer record = {0};
    struct error *err = NULL;
    for (uint64_t number = 1; !err; number++) {
        const uint8_t *bytes;
        size_t size;
        struct event event;
        struct cursor cursor;
        err = chunk_reader_next(reader, &bytes, &size);
        if (err || !bytes)
            break;
        cursor_init(&cursor, bytes, size, "log");
        err = event_decode(&cursor, &effects, &room, &event);
        event.number = number;
        if (err || !alter(&event, effects))
            continue;
        buffer_clear(&record);
        event_encode(&event, &record);
        err = chunk_writer_append(writer, record.data, record.size);
    }
    buffer_deinit(&record);
    free(effects);
    return err;
}

static int changes_made;

static void change_log(change *alter) {
    struct recording recording;
    struct recording_info info;
    struct chunk_reader *reader;
    struct chunk_writer *writer;
    struct size_budget budget = {0};
    changes_made = 0;
    ck_assert_ptr_null(recording_open(path, &recording, &info));
    ck_assert_ptr_null(chunk_reader_open(recording.domainfd, "1.log", CHUNK_FILE_LOG, &reader));
    ck_assert_ptr_null(chunk_writer_create(recording.domainfd, "new", CHUNK_FILE_LOG, &budget, &writer));
    ck_assert_ptr_null(copy_events(reader, writer, alter));
    chunk_reader_close(reader);
    ck_assert_ptr_null(chunk_writer_flush(writer));
    info.events = chunk_writer_records(writer);
    ck_assert_ptr_null(chunk_writer_close(writer));
    ck_assert_int_eq(renameat(recording.domainfd, "new", recording.domainfd, "1.log"), 0);
    ck_assert_ptr_null(recording_write_info(&recording, &info));
    recording_info_deinit(&info);
    recording_deinit(&recording);
    ck_assert_int_gt(changes_made, 0);
}

static void expect_divergence(change *alter) {
    record_date();
    ck_assert_ptr_null(replay(0));
    change_log(alter);
    struct error *err = replay(0);
    ck_assert_ptr_nonnull(err);
    ck_assert_msg(error_is(err, ERROR_DIVERGED), "%s", err->message);
    ck_assert_msg(strstr(err->message, "event ") && strstr(err->message, " at 0x"), "%s", err->message);
    error_free(err);
}

static bool is_call(const struct event *event, long number) {
    return event->kind == EVENT_SYSCALL && event->syscall.number == (uint64_t)number;
}

static bool once(bool condition) {
    if (!condition || changes_made)
        return false;
    changes_made++;
    return true;
}

/* ---- what a bug would do ---- */

static bool change_result(struct event *event, struct effect *effects) {
    (void)effects;
    if (once(is_call(event, SYS_openat) && event->syscall.result > 2))
        event->syscall.result++;
    return true;
}

static bool change_number(struct event *event, struct effect *effects) {
    (void)effects;
    if (once(is_call(event, SYS_close)))
        event->syscall.number = SYS_getpid;
    return true;
}

static bool change_place(struct event *event, struct effect *effects) {
    (void)effects;
    if (once(is_call(event, SYS_write)))
        event->syscall.rip += 2;
    return true;
}

static bool change_argument(struct event *event, struct effect *effects) {
    (void)effects;
    if (once(is_call(event, SYS_write)))
        event->syscall.args[2]++;
    return true;
}

static bool change_clock(struct event *event, struct effect *effects) {
    if (once(is_call(event, SYS_clock_gettime) && event->effect_count))
        effects[0].address += 8; /* the seconds go where the nanoseconds belong */
    return true;
}

static bool change_mapping(struct event *event, struct effect *effects) {
    (void)effects;
    if (once(is_call(event, SYS_mmap) && event->syscall.args[0] == 0))
        event->syscall.result += 4096;
    return true;
}

static bool drop_call(struct event *event, struct effect *effects) {
    (void)effects;
    return !once(is_call(event, SYS_brk) && event->number > 20);
}

static bool drop_instruction(struct event *event, struct effect *effects) {
    (void)effects;
    return !once(event->kind == EVENT_INSTRUCTION && event->number > 5);
}

static bool change_check(struct event *event, struct effect *effects) {
    (void)effects;
    static struct event check;
    if (once(
            is_call(event, SYS_exit_group))) { /* there are too few calls for a check of its own: claim one */
        check = (struct event){.kind = EVENT_CHECK, .tid = event->tid};
        check.check.address = event->syscall.rip & ~4095ull;
        check.check.size = 4096;
        check.check.hash = 1;
        *event = check;
    }
    return true;
}

static change *const bugs[] = {change_result,  change_number, change_place,     change_argument, change_clock,
                               change_mapping, drop_call,     drop_instruction, change_check};

START_TEST(test_divergence) {
    if (bugs[_i] == change_clock) { /* the output differs but not the calls: only the memory can tell */
        record_date();
        change_log(change_clock);
        int status = -1;
        const struct replayer_options options = {.path = path, .quiet = true, .check_memory = true};
        struct error *err = replayer_run(&options, &status);
        ck_assert(error_is(err, ERROR_DIVERGED));
        error_free(err);
        return;
    }
    expect_divergence(bugs[_i]);
}
END_TEST

/* ---- what an enemy would do ---- */

static bool aim_at_stub(struct event *event, struct effect *effects) {
    if (once(event->kind == EVENT_SYSCALL && event->effect_count && effects[0].kind == EFFECT_MEMORY))
        effects[0].address = PUPPET_STUB;
    return true;
}

static bool map_over_stub(struct event *event, struct effect *effects) {
    (void)effects;
    if (once(is_call(event, SYS_mmap)))
        event->syscall.result = PUPPET_STUB;
    return true;
}

static bool protect_stub(struct event *event, struct effect *effects) {
    (void)effects;
    if (once(is_call(event, SYS_mprotect)))
        event->syscall.args[0] = PUPPET_STUB;
    return true;
}

static bool by_a_stranger(struct event *event, struct effect *effects) {
    (void)effects;
    if (once(event->kind == EVENT_SYSCALL))
        event->tid ^= 1;
    return true;
}

static bool begin_twice(struct event *event, struct effect *effects) {
    (void)effects;
    if (once(event->kind == EVENT_SYSCALL)) {
        int32_t tid = event->tid;
        event->kind = EVENT_THREAD;
        event->tid = tid;
        event->thread.parent = tid ^ 1;
    }
    return true;
}

static bool end_as_the_last(struct event *event, struct effect *effects) {
    (void)effects;
    if (once(event->kind == EVENT_SYSCALL))
        event->kind = EVENT_THREAD_EXIT;
    return true;
}

static bool never_leave_a_call(struct event *event, struct effect *effects) {
    (void)effects;
    changes_made += event->kind == EVENT_SYSCALL;
    if (event->kind == EVENT_SYSCALL)
        event->kind = EVENT_BLOCKED;
    return true;
}

static change *const attacks[] = {aim_at_stub, map_over_stub,   protect_stub,      by_a_stranger,
                                  begin_twice, end_as_the_last, never_leave_a_call};

START_TEST(test_attack) {
    record_date();
    change_log(attacks[_i]);
    struct error *err = replay(0);
    ck_assert_ptr_nonnull(err);
    error_free(err);
}
END_TEST

/* A task that dies in an injected call is not waited for twice: whoever waits for tasks hears of its end. */
START_TEST(test_end_in_remote_call) {
    struct puppet puppet;
    int64_t result = -1;
    int status = -1;
    ck_assert_ptr_null(puppet_create(&puppet, -1));
    struct error *err = REMOTE_SYSCALL(puppet.task, PUPPET_STUB, SYS_exit_group, &result, 7, 0, 0, 0, 0, 0);
    ck_assert(error_is(err, ERROR_TASK_GONE));
    error_free(err);
    ck_assert_int_eq(waitpid(puppet.task->tid, &status, __WALL), puppet.task->tid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    puppet.alive = false;
    puppet_destroy(&puppet);
}
END_TEST

/* Threads of the puppet come and go; the first one stays, whatever is asked for. */
START_TEST(test_threads_of_a_puppet) {
    struct puppet puppet;
    ck_assert_ptr_null(puppet_create(&puppet, -1));
    struct task *first = puppet.task, *made[5];
    for (int i = 0; i < 5; i++) {
        ck_assert_ptr_null(puppet_add_task(&puppet, &made[i]));
        puppet.task = made[i]; /* the next one is made by this one */
    }
    ck_assert_uint_eq(puppet.task_count, 6);
    int64_t result;
    ck_assert_ptr_null(REMOTE_SYSCALL(made[4], PUPPET_STUB, SYS_gettid, &result, 0, 0, 0, 0, 0, 0));
    ck_assert_int_eq(result, made[4]->tid);
    puppet.task = made[0];
    ck_assert_ptr_null(puppet_end_task(&puppet, made[3]));
    ck_assert_ptr_null(puppet_end_task(&puppet, made[1]));
    ck_assert_ptr_null(puppet_end_task(&puppet, first));
    ck_assert_uint_eq(puppet.task_count, 4);
    ck_assert_ptr_null(REMOTE_SYSCALL(first, PUPPET_STUB, SYS_getpid, &result, 0, 0, 0, 0, 0, 0));
    ck_assert_int_eq(result, first->tid);
    puppet_destroy(&puppet);
    ck_assert_int_eq(waitpid(-1, NULL, __WALL | WNOHANG), -1); /* nobody is left */
}
END_TEST

#define SHARED_AT  0x10000000ull
#define PRIVATE_AT 0x20000000ull

static uint64_t word_at(struct puppet *puppet, uint64_t address) {
    uint64_t word = 0;
    ck_assert_uint_eq(task_read(puppet->task, address, &word, sizeof(word)), sizeof(word));
    return word;
}

static void put_word(struct puppet *puppet, uint64_t address, uint64_t word) {
    ck_assert_ptr_null(puppet_write(puppet, address, &word, sizeof(word)));
}

/* Two processes of a domain share what is mapped shared, and segments, and nothing else; each ends by itself.
 */
START_TEST(test_processes_of_a_domain) {
    struct puppet first, second, third;
    ck_assert_ptr_null(puppet_create(&first, -1));
    ck_assert_ptr_null(puppet_map(&first, SHARED_AT, 4096, 3, true, 0, 0));
    ck_assert_ptr_null(puppet_map(&first, PRIVATE_AT, 4096, 3, false, 0, 0));
    put_word(&first, SHARED_AT, 1);
    put_word(&first, PRIVATE_AT, 2);
    ck_assert_ptr_null(puppet_split(&first, &second));
    ck_assert_uint_eq(word_at(&second, SHARED_AT), 1);
    ck_assert_uint_eq(word_at(&second, PRIVATE_AT), 2);
    put_word(&second, SHARED_AT, 3);
    put_word(&second, PRIVATE_AT, 4);
    ck_assert_uint_eq(word_at(&first, SHARED_AT), 3);
    ck_assert_uint_eq(word_at(&first, PRIVATE_AT), 2);

    ck_assert_ptr_null(puppet_create_beside(&third, &first));
    ck_assert_ptr_null(puppet_attach(&first, 7, SHARED_AT + 0x10000, 4096));
    ck_assert_ptr_null(puppet_attach(&third, 7, PRIVATE_AT, 4096));
    put_word(&first, SHARED_AT + 0x10000, 5);
    puppet_destroy(&first);
    ck_assert_uint_eq(word_at(&third, PRIVATE_AT), 5);
    ck_assert_uint_eq(word_at(&second, SHARED_AT), 3);
    ck_assert_ptr_null(puppet_attach(&second, 7, PRIVATE_AT, 8192)); /* another one with that number */
    ck_assert_uint_eq(word_at(&second, PRIVATE_AT), 0);
    puppet_destroy(&second);
    puppet_destroy(&third);
    ck_assert_int_eq(waitpid(-1, NULL, __WALL | WNOHANG), -1); /* nobody is left */
}
END_TEST

START_TEST(test_to) {
    record_date();
    ck_assert_ptr_null(replay(10));
    struct error *err = replay(1000000);
    ck_assert(error_is(err, ERROR_USAGE));
    error_free(err);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("replay");
    TCase *tests = tcase_create("replay");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, test_divergence, 0, sizeof(bugs) / sizeof(bugs[0]));
    tcase_add_loop_test(tests, test_attack, 0, sizeof(attacks) / sizeof(attacks[0]));
    tcase_add_test(tests, test_end_in_remote_call);
    tcase_add_test(tests, test_threads_of_a_puppet);
    tcase_add_test(tests, test_processes_of_a_domain);
    tcase_add_test(tests, test_to);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
