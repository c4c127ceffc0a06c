/* trapping: what the tests of traps share: a forked subject that asks its tracer for probes, and a small
 * event loop that keeps account of address spaces. */
#ifndef REEL_TESTS_TRAPPING_H
#define REEL_TESTS_TRAPPING_H

#include "scratch.h"
#include "tracer/attach.h"
#include "tracer/engine.h"
#include "tracer/trap.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SUBJECT_TASKS 512

/* In the subject, which fails with the line. */
#define MUST(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno);                \
            _exit(50);                                                                                       \
        }                                                                                                    \
    } while (0)

/* Code that is probed: sanitizers put nothing into it. */
#define LOCAL __attribute__((noinline, no_sanitize("address", "undefined")))

/* What the subject asks for by ask(); in shared memory. */
enum request { ASK_ADD, ASK_REMOVE, ASK_WITHDRAW };

struct shared {
    volatile enum request request;
    volatile uint64_t address;
    volatile uint64_t result;   /* add: 0 or the error code + 1; remove, withdraw: patched away */
    volatile uint64_t word[16]; /* the test's own */
};

struct member {
    struct task *task;
    struct trap_set *set; /* shared by tasks of one address space */
    bool held;            /* its first stop has come before its parent told of it */
    bool told;
};

struct subject {
    struct engine engine;
    struct shared *shared;
    pid_t pid;
    int status; /* how it ended, as of waitpid() */
    struct member members[SUBJECT_TASKS];
    size_t count;
    uint64_t hits;
    bool forget_children; /* fork children are not probed: bytes are restored in them */
    void (*on_hit)(struct subject *subject, struct task *task, struct trap_hit *hit);
    void (*on_stop)(struct subject *subject, const struct stop *stop); /* before it is dealt with */
};

/* In the subject: ask the tracer, and wait until it is done. */
static inline uint64_t ask(struct shared *shared, enum request request, const void *address) {
    shared->request = request;
    shared->address = (uint64_t)(uintptr_t)address;
    syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGURG);
    return shared->result;
}

static inline struct member *member_of(struct subject *subject, struct task *task) {
    for (size_t i = 0; i < subject->count; i++)
        if (subject->members[i].task == task)
            return &subject->members[i];
    ck_assert_uint_lt(subject->count, SUBJECT_TASKS);
    subject->members[subject->count] = (struct member){.task = task};
    return &subject->members[subject->count++];
}

static inline bool is_used(const struct subject *subject, const struct trap_set *set) {
    for (size_t i = 0; i < subject->count; i++)
        if (subject->members[i].set == set)
            return true;
    return false;
}

/* The task no longer uses its set. */
static inline void leave_set(struct subject *subject, struct member *member) {
    struct trap_set *set = member->set;
    member->set = NULL;
    if (set && !is_used(subject, set))
        trap_set_destroy(set);
}

static inline void drop_member(struct subject *subject, struct task *task) {
    struct member *member = member_of(subject, task);
    leave_set(subject, member);
    *member = subject->members[--subject->count];
}

static inline void pass(const struct stop *stop) {
    CHECK_OK(engine_pass(stop));
}

static inline void on_request(struct subject *subject, struct task *task) {
    struct shared *shared = subject->shared;
    struct member *member = member_of(subject, task);
    struct trap *trap = NULL;
    bool patched = false;
    size_t patched_count = 0;
    if (!member->set)
        CHECK_OK(trap_set_create(&member->set));
    if (shared->request == ASK_ADD) {
        struct error *err = trap_add(member->set, task, shared->address, &trap);
        shared->result = err ? (uint64_t)err->code + 1 : 0;
        if (err && getenv("VERBOSE"))
            fprintf(stderr, "%s\n", err->message);
        error_free(err);
    } else if (shared->request == ASK_REMOVE) {
        trap = trap_find(member->set, shared->address);
        ck_assert_ptr_nonnull(trap);
        CHECK_OK(trap_remove(member->set, task, trap, &patched));
        shared->result = patched;
    } else {
        CHECK_OK(trap_set_withdraw(member->set, task, &patched_count));
        shared->result = patched_count;
    }
}

static inline void ignore_gone_task(struct error *err) {
    if (err && err->code != ERROR_TASK_GONE)
        ck_abort_msg("%s", err->message);
    error_free(err);
}

static inline void on_signal(struct subject *subject, struct stop *stop) {
    struct member *member = member_of(subject, stop->task);
    if (stop->signo == SIGURG && stop->task->stopped) {
        on_request(subject, stop->task);
        ignore_gone_task(task_resume(stop->task, RESUME_CONT, 0));
        return;
    }
    struct trap_hit hit = {.event = TRAP_NONE};
    struct error *err = member->set ? trap_handle(member->set, stop, &hit) : NULL;
    if (error_is(err, ERROR_TASK_GONE)) {
        error_free(err);
        return;
    }
    CHECK_OK(err);
    if (hit.event == TRAP_NONE) {
        pass(stop);
        return;
    }
    if (hit.event == TRAP_HIT) {
        subject->hits++;
        if (subject->on_hit)
            subject->on_hit(subject, stop->task, &hit);
        ignore_gone_task(trap_step_past(member->set, stop->task, &hit));
    }
    ignore_gone_task(task_resume(stop->task, RESUME_CONT, 0));
}

/* What a parent's stop tells, and nothing else. */
static inline void note_new_task(struct subject *subject, const struct stop *stop) {
    struct task *child = engine_task(&subject->engine, (pid_t)stop->message);
    struct member *added = member_of(subject, child); /* may move nothing: an array */
    struct trap_set *set = member_of(subject, stop->task)->set;
    added->told = true;
    if (set && trap_shares_memory(stop->task->tid, child->tid))
        added->set = set;
    else if (set)
        CHECK_OK(trap_set_clone(set, &added->set));
}

static inline void begin_child(struct subject *subject, struct member *member) {
    member->held = false;
    if (member->set && subject->forget_children && !trap_shares_memory(member->task->tid, subject->pid)) {
        CHECK_OK(trap_set_withdraw(member->set, member->task, NULL));
        leave_set(subject, member);
    }
    pass(&(struct stop){.kind = STOP_BORN, .task = member->task});
}

/* The child's first stop may have come before. */
static inline void on_new_task(struct subject *subject, const struct stop *stop) {
    note_new_task(subject, stop);
    struct member *member = member_of(subject, engine_task(&subject->engine, (pid_t)stop->message));
    if (member->held)
        begin_child(subject, member);
}

static inline void dispatch(struct subject *subject, struct stop *stop) {
    if (subject->on_stop)
        subject->on_stop(subject, stop);
    struct member *member = stop->task ? member_of(subject, stop->task) : NULL;
    switch (stop->kind) {
    case STOP_SIGNAL:
        on_signal(subject, stop);
        break;
    case STOP_NEW_TASK:
        on_new_task(subject, stop);
        pass(stop);
        break;
    case STOP_BORN:
        member->held = !member->told;
        if (member->told)
            begin_child(subject, member);
        break;
    case STOP_EXEC:
        leave_set(subject, member);
        task_memory_reset(stop->task);
        pass(stop);
        break;
    case STOP_EXITED:
    case STOP_KILLED:
        if (stop->task->tid == subject->pid)
            subject->status = stop->kind == STOP_EXITED ? stop->status << 8 : stop->status;
        drop_member(subject, stop->task);
        break;
    default:
        pass(stop);
        break;
    }
}

/* Until there are no tracees. */
static inline void run_subject(struct subject *subject) {
    for (;;) {
        struct stop stop;
        CHECK_OK(engine_next(&subject->engine, &stop));
        if (stop.kind == STOP_NONE)
            return;
        dispatch(subject, &stop);
    }
}

static inline struct shared *make_shared(void) {
    void *memory =
        mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    return memory;
}

/* Fork a child that runs body and exits with its result. It is traced from before body on when `traced`. */
static inline void start_subject(struct subject *subject, int (*body)(struct shared *), bool traced) {
    memset(subject, 0, sizeof(*subject));
    engine_init(&subject->engine);
    subject->shared = make_shared();
    int go[2];
    ck_assert_int_eq(pipe(go), 0);
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (!pid) {
        char c;
        close(go[1]);
        if (read(go[0], &c, 1) != 1)
            _exit(99);
        close(go[0]);
        _exit(body(subject->shared));
    }
    subject->pid = pid;
    close(go[0]);
    if (traced) {
        struct member *member = member_of(subject, engine_task(&subject->engine, pid));
        member->told = true;
        CHECK_OK(trace_seize(pid, true));
    }
    ck_assert_int_eq(write(go[1], "g", 1), 1);
    close(go[1]);
}

static inline void end_subject(struct subject *subject) {
    while (subject->count)
        drop_member(subject, subject->members[0].task);
    engine_deinit(&subject->engine);
    munmap(subject->shared, sizeof(*subject->shared));
}

/* The whole life of a subject that ends with exit status 0. */
static inline uint64_t run_body(int (*body)(struct shared *)) {
    struct subject subject;
    start_subject(&subject, body, true);
    run_subject(&subject);
    ck_assert_msg(subject.status == 0, "status 0x%x, word %llu %llu", (unsigned)subject.status,
                  (unsigned long long)subject.shared->word[0], (unsigned long long)subject.shared->word[1]);
    uint64_t hits = subject.hits;
    end_subject(&subject);
    return hits;
}

#endif
