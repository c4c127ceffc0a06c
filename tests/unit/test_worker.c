/* worker: jobs are done in order, all of them, and waited for. */
#include "base/worker.h"
#include "tests/unit/scratch.h"

#include <stdatomic.h>

struct numbered {
    struct worker_job job; /* the first member */
    unsigned number;
};

static unsigned order[1000], ran;     /* written by the thread, read behind worker_wait() */
static atomic_uint weight, most_seen; /* of what waits or runs */

static void note(struct worker_job *job) {
    struct numbered *numbered = (struct numbered *)job;
    unsigned now = weight;
    if (now > most_seen)
        most_seen = now;
    order[ran++] = numbered->number;
    weight -= (unsigned)job->weight;
    free(numbered);
}

static uint64_t put(struct worker *worker, unsigned number, size_t job_weight) {
    struct numbered *numbered = calloc(1, sizeof(*numbered));
    ck_assert_ptr_nonnull(numbered);
    *numbered = (struct numbered){.job = {.run = note, .weight = job_weight}, .number = number};
    weight += (unsigned)job_weight;
    return worker_put(worker, &numbered->job);
}

static struct worker *create(size_t most) {
    struct worker *worker;
    cpu_set_t processors;
    ck_assert_int_eq(sched_getaffinity(0, sizeof(processors), &processors), 0);
    CHECK_OK(worker_create(most, &processors, &worker));
    return worker;
}

START_TEST(test_order) {
    struct worker *worker = create(1 << 20);
    worker_wait(worker, 0);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_uint_eq(put(worker, i, 1), i + 1);
    worker_wait(worker, 1000);
    ck_assert_uint_eq(ran, 1000);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_uint_eq(order[i], i);
    worker_destroy(worker);
}
END_TEST

/* No more waits than is allowed (and the one that asks), but a job that alone weighs more is taken. */
START_TEST(test_weight) {
    struct worker *worker = create(10);
    put(worker, 0, 100);
    for (unsigned i = 1; i < 500; i++)
        put(worker, i, 3);
    worker_destroy(worker); /* does what is left */
    ck_assert_uint_eq(ran, 500);
    ck_assert_uint_le(most_seen, 100 + 3);
}
END_TEST

START_TEST(test_unused) {
    worker_destroy(create(1));
    worker_destroy(NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("worker");
    TCase *tests = tcase_create("worker");
    tcase_add_test(tests, test_order);
    tcase_add_test(tests, test_weight);
    tcase_add_test(tests, test_unused);
    suite_add_tcase(suite, tests);
    return scratch_run(suite);
}
