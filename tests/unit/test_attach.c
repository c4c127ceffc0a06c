/* tracer/attach: running processes are attached to and left without noticing; what cannot be is refused. */
#include "tracer/attach.h"

#include "tracer/inject.h"
#include "tracer/maps.h"
#include "tracer/process.h"
#include "trapping.h"

#include <elf.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

/* Words of struct shared */
enum { GO_END, PROGRESS, READY, SIGNALS, SENT, STAGE };

LOCAL static uint64_t work(uint64_t n) {
    uint64_t sum = n;
    for (int i = 0; i < 100; i++) {
        sum = sum * 31 + (uint64_t)i;
        asm volatile("" : "+r"(sum));
    }
    return sum;
}

static uint64_t work_by_hand(uint64_t n) {
    uint64_t sum = n;
    for (int i = 0; i < 100; i++)
        sum = sum * 31 + (uint64_t)i;
    return sum;
}

/* ---- the tracer's side ---- */

static void start(struct subject *subject, int (*body)(struct shared *)) {
    start_subject(subject, body, false);
    while (!subject->shared->word[READY])
        usleep(1000);
}

static bool is_in_halt(const struct halt *halt, pid_t tid) {
    for (size_t i = 0; i < halt->count; i++)
        if (halt->stops[i].task->tid == tid)
            return true;
    return false;
}

/* Fork children that the stops of a halt tell of. */
static void note_children(struct subject *subject, const struct halt *halt) {
    for (size_t i = 0; i < halt->count; i++)
        if (halt->stops[i].kind == STOP_NEW_TASK && !is_in_halt(halt, (pid_t)halt->stops[i].message))
            on_new_task(subject, &halt->stops[i]);
}

/* Attach, with a probe at each address of `at` (NULL ends them). */
static struct trap_set *attach_with(struct subject *subject, const void *const *at) {
    struct halt halt = {0};
    struct trap_set *set;
    CHECK_OK(attach(&subject->engine, subject->pid, &halt));
    ck_assert_uint_ge(halt.count, 1);
    CHECK_OK(trap_set_create(&set));
    note_children(subject, &halt); /* before a stop is given up, and before there are probes */
    CHECK_OK(inject_prepare(&halt.stops[0]));
    for (; *at; at++) {
        struct trap *trap;
        CHECK_OK(trap_add(set, halt.stops[0].task, (uint64_t)(uintptr_t)*at, &trap));
    }
    for (size_t i = 0; i < halt.count; i++) {
        struct member *member = member_of(subject, halt.stops[i].task);
        member->set = set;
        member->told = true;
    }
    CHECK_OK(attach_resume(&halt));
    return set;
}

static void run_hits(struct subject *subject, uint64_t count) {
    for (uint64_t until = subject->hits + count; subject->hits < until;) {
        struct stop stop;
        CHECK_OK(engine_next(&subject->engine, &stop));
        ck_assert_msg(stop.kind != STOP_NONE, "ended with status 0x%x", (unsigned)subject->status);
        dispatch(subject, &stop);
    }
}

static void leave(struct subject *subject, struct trap_set *set) {
    struct halt halt = {0};
    size_t patched_away = 77;
    for (size_t i = 0; i < subject->count; i++) {
        struct member *member = &subject->members[i];
        struct process_status status;
        struct error *err = process_status(member->task->tid, &status);
        if (!err && member->held && status.tgid == subject->pid)
            CHECK_OK(halt_add(&halt, &(struct stop){.kind = STOP_BORN, .task = member->task}));
        error_free(err);
    }
    CHECK_OK(halt_process(&subject->engine, subject->pid, &halt));
    note_children(subject, &halt); /* while the traps are there */
    CHECK_OK(detach(&subject->engine, subject->pid, set, &halt, &patched_away));
    ck_assert_uint_eq(patched_away, 0);
    trap_set_destroy(set);
    size_t kept = 0; /* fork children are traced on */
    for (size_t i = 0; i < subject->count; i++)
        if (subject->members[i].set != set)
            subject->members[kept++] = subject->members[i];
    subject->count = kept;
}

/* The subject has ended by itself, well. */
static void expect_success(struct subject *subject) {
    int status;
    ck_assert_int_eq(waitpid(subject->pid, &status, 0), subject->pid);
    ck_assert_msg(status == 0, "status 0x%x", (unsigned)status);
    end_subject(subject);
}

static char state_of(pid_t pid) {
    struct process_status status;
    CHECK_OK(process_status(pid, &status));
    return status.state;
}

static void await_state(pid_t pid, char state) {
    for (int i = 0; i < 5000 && state_of(pid) != state; i++)
        usleep(1000);
    ck_assert_int_eq(state_of(pid), state);
}

/* ---- a busy process ---- */

static struct shared *shared;

static void *busy_thread(void *argument) {
    (void)argument;
    for (uint64_t n = 0; !shared->word[GO_END]; n++) {
        MUST(work(n) == work_by_hand(n));
        __atomic_fetch_add(&shared->word[PROGRESS], 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void *short_thread(void *argument) {
    MUST(work(1) == work_by_hand(1));
    return argument;
}

static void *making_thread(void *argument) {
    (void)argument;
    while (!shared->word[GO_END]) {
        pthread_t thread;
        MUST(!pthread_create(&thread, NULL, short_thread, NULL));
        MUST(!pthread_join(thread, NULL));
    }
    return NULL;
}

static void run_threads(void *(*const *bodies)(void *), size_t count) {
    pthread_t threads[16];
    for (size_t i = 0; i < count; i++)
        MUST(!pthread_create(&threads[i], NULL, bodies[i], NULL));
    shared->word[READY] = 1;
    for (size_t i = 0; i < count; i++)
        MUST(!pthread_join(threads[i], NULL));
}

static int busy_body(struct shared *with) {
    shared = with;
    void *(*const bodies[])(void *) = {busy_thread, busy_thread, busy_thread, making_thread};
    run_threads(bodies, 4);
    return 0;
}

#define CODE_BYTES 64

START_TEST(fifty_times_to_a_busy_process) {
    struct subject subject;
    start(&subject, busy_body);
    const void *at[] = {(void *)(uintptr_t)work, (void *)(uintptr_t)short_thread, NULL};
    for (int round = 0; round < 50; round++) {
        uint64_t progress = subject.shared->word[PROGRESS];
        struct trap_set *set = attach_with(&subject, at);
        run_hits(&subject, 40);
        leave(&subject, set);
        uint8_t code[CODE_BYTES];
        struct iovec local = {code, sizeof(code)}, remote = {(void *)(uintptr_t)work, sizeof(code)};
        ck_assert_int_eq(process_vm_readv(subject.pid, &local, 1, &remote, 1, 0), sizeof(code));
        ck_assert_mem_eq(code, (void *)(uintptr_t)work, sizeof(code));
        for (int i = 0; i < 1000 && subject.shared->word[PROGRESS] < progress + 100; i++)
            usleep(1000);
        ck_assert_uint_ge(subject.shared->word[PROGRESS], progress + 100);
    }
    struct maps maps;
    CHECK_OK(maps_read(subject.pid, &maps)); /* no slots are left */
    for (size_t i = 0; i < maps.count; i++)
        ck_assert(maps.mappings[i].protection != (PROT_READ | PROT_EXEC) || maps.mappings[i].name[0]);
    maps_deinit(&maps);
    subject.shared->word[GO_END] = 1;
    expect_success(&subject);
}
END_TEST

/* ---- signals ---- */

static atomic_uint_fast64_t received;

static void on_queued(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)context;
    received += info->si_value.sival_int == 99 && info->si_code == SI_QUEUE;
    work(1);
}

static void *sending_thread(void *argument) {
    (void)argument;
    while (!shared->word[GO_END])
        if (sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 99}) == 0)
            shared->word[SENT]++;
    return NULL;
}

static int signals_body(struct shared *with) {
    shared = with;
    struct sigaction action = {.sa_sigaction = on_queued, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGRTMIN + 1, &action, NULL);
    void *(*const bodies[])(void *) = {busy_thread, busy_thread, sending_thread};
    run_threads(bodies, 3);
    usleep(50000);
    MUST(received == shared->word[SENT]);
    return 0;
}

START_TEST(no_signal_is_lost) {
    struct subject subject;
    start(&subject, signals_body);
    const void *at[] = {(void *)(uintptr_t)work, NULL};
    for (int round = 0; round < 20; round++) {
        struct trap_set *set = attach_with(&subject, at);
        run_hits(&subject, 50);
        leave(&subject, set);
    }
    subject.shared->word[GO_END] = 1;
    expect_success(&subject);
}
END_TEST

/* ---- calls that wait ---- */

static int pipes[8][2];
static int sockets[2];

static void *in_read(void *argument) {
    char byte = 0;
    MUST(read(pipes[0][0], &byte, 1) == 1 && byte == 'x');
    return argument;
}

static void *in_epoll(void *argument) {
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    MUST(!epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[1][0], &event));
    MUST(epoll_wait(epoll, &event, 1, -1) == 1);
    return argument;
}

static void *in_poll(void *argument) {
    struct pollfd poll_fd = {.fd = pipes[2][0], .events = POLLIN};
    MUST(poll(&poll_fd, 1, 60000) == 1);
    return argument;
}

static void *in_select(void *argument) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipes[3][0], &set);
    MUST(select(pipes[3][0] + 1, &set, NULL, NULL, &(struct timeval){60, 0}) == 1);
    return argument;
}

static void *in_nanosleep(void *argument) {
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    MUST(nanosleep(&(struct timespec){.tv_nsec = 900000000}, NULL) == 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    MUST((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 900);
    return argument;
}

static void *in_sigtimedwait(void *argument) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    MUST(sigtimedwait(&set, NULL, &(struct timespec){60, 0}) == SIGUSR2);
    return argument;
}

static void *in_recv(void *argument) {
    char byte = 0;
    MUST(!setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){60, 0}, sizeof(struct timeval)));
    MUST(recv(sockets[0], &byte, 1, 0) == 1 && byte == 'y');
    return argument;
}

static void *in_semop(void *argument) {
    int semaphore = semget(IPC_PRIVATE, 1, 0600);
    MUST(semaphore >= 0);
    shared->word[STAGE] = (uint64_t)semaphore;
    int result = semop(semaphore, &(struct sembuf){.sem_op = -1}, 1);
    semctl(semaphore, 0, IPC_RMID);
    MUST(result == 0);
    return argument;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static bool is_set;

static void *in_futex(void *argument) {
    pthread_mutex_lock(&mutex);
    while (!is_set)
        MUST(pthread_cond_wait(&cond, &mutex) == 0);
    pthread_mutex_unlock(&mutex);
    return argument;
}

static void *wake_all(void *argument) {
    while (!shared->word[GO_END])
        usleep(10000);
    for (int i = 0; i < 4; i++)
        MUST(write(pipes[i][1], "x", 1) == 1);
    MUST(write(sockets[1], "y", 1) == 1);
    MUST(!semop((int)shared->word[STAGE], &(struct sembuf){.sem_op = 1}, 1));
    pthread_mutex_lock(&mutex);
    is_set = true;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
    kill(getpid(), SIGUSR2);
    return argument;
}

static int waiting_body(struct shared *with) {
    shared = with;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 4; i++)
        MUST(!pipe(pipes[i]));
    MUST(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
    void *(*const bodies[])(void *) = {in_read,         in_epoll, in_poll,  in_select, in_nanosleep,
                                       in_sigtimedwait, in_recv,  in_semop, in_futex,  wake_all};
    run_threads(bodies, sizeof(bodies) / sizeof(bodies[0]));
    return 0;
}

START_TEST(waiting_calls_go_on_waiting) {
    struct subject subject;
    start(&subject, waiting_body);
    usleep(100000);
    const void *at[] = {(void *)(uintptr_t)work, (void *)(uintptr_t)wake_all, NULL};
    for (int round = 0; round < 8; round++) {
        struct trap_set *set = attach_with(&subject, at);
        usleep(10000);
        leave(&subject, set);
        usleep(20000);
    }
    subject.shared->word[GO_END] = 1;
    expect_success(&subject);
}
END_TEST

/* ---- stopped processes ---- */

START_TEST(a_stopped_process_stays_stopped) {
    struct subject subject;
    start(&subject, busy_body);
    const void *at[] = {(void *)(uintptr_t)work, NULL};
    for (int round = 0; round < 5; round++) {
        int status;
        kill(subject.pid, SIGSTOP);
        ck_assert_int_eq(waitpid(subject.pid, &status, WUNTRACED), subject.pid);
        ck_assert(WIFSTOPPED(status));
        uint64_t progress = subject.shared->word[PROGRESS];
        struct trap_set *set = attach_with(&subject, at);
        usleep(5000);
        ck_assert_uint_eq(subject.shared->word[PROGRESS], progress);
        if (round & 1) { /* continued while attached */
            kill(subject.pid, SIGCONT);
            run_hits(&subject, 50);
            leave(&subject, set);
        } else {
            leave(&subject, set);
            await_state(subject.pid, 'T');
            usleep(5000);
            ck_assert_uint_eq(subject.shared->word[PROGRESS], progress);
            kill(subject.pid, SIGCONT);
        }
        for (int i = 0; i < 2000 && subject.shared->word[PROGRESS] < progress + 100; i++)
            usleep(1000);
        ck_assert_uint_gt(subject.shared->word[PROGRESS], progress);
    }
    subject.shared->word[GO_END] = 1;
    for (int status;;) {
        ck_assert_int_eq(waitpid(subject.pid, &status, 0), subject.pid);
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            ck_assert_int_eq(status, 0);
            break;
        }
    }
    end_subject(&subject);
}
END_TEST

/* ---- children of an attached process ---- */

static int forking_body(struct shared *with) {
    shared = with;
    shared->word[READY] = 1;
    while (!shared->word[GO_END]) {
        pid_t child = fork();
        if (!child)
            _exit(work(5) == work_by_hand(5) ? 7 : 8);
        int status;
        MUST(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
        __atomic_fetch_add(&shared->word[PROGRESS], 1, __ATOMIC_RELAXED);
    }
    return 0;
}

START_TEST(children_of_an_attached_process) {
    struct subject subject;
    start(&subject, forking_body);
    const void *at[] = {(void *)(uintptr_t)work, NULL};
    for (int round = 0; round < 10; round++) {
        struct trap_set *set = attach_with(&subject, at);
        run_hits(&subject, 5);
        leave(&subject, set);
        while (subject.engine.count) { /* the child that is left */
            struct stop stop;
            CHECK_OK(engine_next(&subject.engine, &stop));
            dispatch(&subject, &stop);
        }
    }
    subject.shared->word[GO_END] = 1;
    expect_success(&subject);
}
END_TEST

/* The tracer goes, without a word and without live probes: the process does not mind. */
START_TEST(the_process_outlives_its_tracer) {
    struct subject subject;
    start(&subject, busy_body);
    pid_t tracer = fork();
    if (!tracer) {
        struct halt halt = {0};
        CHECK_OK(attach(&subject.engine, subject.pid, &halt));
        CHECK_OK(attach_resume(&halt));
        kill(getpid(), SIGKILL);
    }
    int status;
    ck_assert_int_eq(waitpid(tracer, &status, 0), tracer);
    ck_assert_int_eq(WTERMSIG(status), SIGKILL);
    uint64_t progress = subject.shared->word[PROGRESS];
    for (int i = 0; i < 2000 && subject.shared->word[PROGRESS] < progress + 1000; i++)
        usleep(1000);
    ck_assert_uint_ge(subject.shared->word[PROGRESS], progress + 1000);
    subject.shared->word[GO_END] = 1;
    expect_success(&subject);
}
END_TEST

/* One that is killed at any moment of it all. */
START_TEST(killed_while_attached_to) {
    for (int round = 0; round < 15; round++) {
        struct subject subject;
        start(&subject, busy_body);
        pid_t killer = fork();
        if (!killer) {
            usleep((unsigned)(round * 700));
            kill(subject.pid, SIGKILL);
            _exit(0);
        }
        struct halt halt = {0};
        struct error *err = attach(&subject.engine, subject.pid, &halt);
        ck_assert_msg(!err || err->code == ERROR_NOT_FOUND || err->code == ERROR_UNSUPPORTED, "%s",
                      err ? err->message : "");
        if (!err)
            CHECK_OK(detach(&subject.engine, subject.pid, NULL, &halt, NULL));
        error_free(err);
        halt_deinit(&halt);
        while (waitpid(-1, NULL, __WALL) > 0) /* its threads, too: they are ours */
            ;
        end_subject(&subject);
    }
}
END_TEST

/* ---- refusals ---- */

static struct engine engine;

static pid_t start_sleeper(void) {
    pid_t pid = fork();
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return pid;
}

static void end_sleeper(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

START_TEST(who_cannot_be_attached_to) {
    struct halt halt = {0};
    CHECK_FAILS(attach(&engine, 0, &halt), ERROR_NOT_FOUND, "no such process");
    CHECK_FAILS(attach(&engine, -5, &halt), ERROR_NOT_FOUND, "no such process");
    CHECK_FAILS(attach(&engine, 0x7ffffff0, &halt), ERROR_NOT_FOUND, "no such process");
    CHECK_FAILS(attach(&engine, getpid(), &halt), ERROR_UNSUPPORTED, "reel itself");
    pid_t zombie = fork();
    if (!zombie)
        _exit(0);
    await_state(zombie, 'Z');
    CHECK_FAILS(attach(&engine, zombie, &halt), ERROR_UNSUPPORTED, "zombie");
    waitpid(zombie, NULL, 0);
}
END_TEST

START_TEST(a_traced_process_is_refused) {
    struct halt halt = {0};
    int ready[2];
    char byte;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t sleeper = start_sleeper();
    pid_t tracer = fork();
    if (!tracer) {
        CHECK_OK(trace_seize(sleeper, false));
        if (write(ready[1], "r", 1) == 1)
            pause();
        _exit(1);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    char text[64];
    snprintf(text, sizeof(text), "traced by process %d", tracer);
    CHECK_FAILS(attach(&engine, sleeper, &halt), ERROR_UNSUPPORTED, text);
    end_sleeper(tracer);
    end_sleeper(sleeper);
}
END_TEST

START_TEST(a_kernel_thread_is_refused) {
    struct halt halt = {0};
    struct process_status status;
    struct error *err = process_status(2, &status);
    bool is_kthreadd = !err && !strcmp(status.name, "kthreadd");
    error_free(err);
    if (is_kthreadd)
        CHECK_FAILS(attach(&engine, 2, &halt), ERROR_UNSUPPORTED, "kernel thread");
}
END_TEST

START_TEST(a_thread_is_refused) {
    struct subject subject;
    start(&subject, signals_body);
    struct halt halt = {0};
    pid_t tid = 0;
    char path[64];
    for (pid_t guess = subject.pid + 1; guess < subject.pid + 100 && !tid; guess++) {
        snprintf(path, sizeof(path), "/proc/%d/task/%d", subject.pid, guess);
        if (!access(path, F_OK))
            tid = guess;
    }
    if (tid)
        CHECK_FAILS(attach(&subject.engine, tid, &halt), ERROR_USAGE, "a thread of process");
    subject.shared->word[GO_END] = 1;
    expect_success(&subject);
}
END_TEST

START_TEST(others_processes_are_refused_with_a_hint) {
    if (geteuid() != 0)
        return;
    pid_t sleeper = start_sleeper();
    fflush(NULL);
    pid_t stranger = fork();
    if (!stranger) {
        struct halt halt = {0};
        if (setgid(65534) || setuid(65534))
            _exit(1);
        struct error *err = attach(&engine, sleeper, &halt);
        _exit(!err                                                    ? 2
              : err->errnum != EPERM                                  ? 3
              : !err->hint || !strstr(err->hint, "belongs to user 0") ? 4
                                                                      : 0);
    }
    int status;
    waitpid(stranger, &status, 0);
    ck_assert_int_eq(status, 0);
    end_sleeper(sleeper);
}
END_TEST

/* A 32-bit program that waits: pause() by int $0x80, for ever. */
static void write_32_bit_program(int dirfd) {
    static const uint8_t code[] = {0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7};
    uint8_t file[sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr) + sizeof(code)];
    uint32_t base = 0x8048000, size = sizeof(file), start = sizeof(file) - sizeof(code);
    Elf32_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_EXEC,
                         .e_machine = EM_386,
                         .e_version = EV_CURRENT,
                         .e_entry = base + start,
                         .e_phoff = sizeof(Elf32_Ehdr),
                         .e_ehsize = sizeof(Elf32_Ehdr),
                         .e_phentsize = sizeof(Elf32_Phdr),
                         .e_phnum = 1};
    Elf32_Phdr segment = {.p_type = PT_LOAD,
                          .p_vaddr = base,
                          .p_paddr = base,
                          .p_filesz = size,
                          .p_memsz = size,
                          .p_flags = PF_R | PF_X,
                          .p_align = 4096};
    memcpy(file, &header, sizeof(header));
    memcpy(file + sizeof(header), &segment, sizeof(segment));
    memcpy(file + start, code, sizeof(code));
    scratch_write(dirfd, "program", file, sizeof(file));
    fchmodat(dirfd, "program", 0700, 0);
}

START_TEST(a_32_bit_program_is_refused) {
    struct scratch scratch = scratch_create();
    struct halt halt = {0};
    write_32_bit_program(scratch.fd);
    char path[128];
    snprintf(path, sizeof(path), "%s/program", scratch.path);
    pid_t pid = fork();
    if (!pid) {
        execl(path, path, NULL);
        _exit(9); /* this kernel has no 32-bit programs */
    }
    int status = 0;
    for (int i = 0; i < 200 && !process_is_32_bit(pid) && !waitpid(pid, &status, WNOHANG); i++)
        usleep(5000);
    if (!status) {
        CHECK_FAILS(attach(&engine, pid, &halt), ERROR_UNSUPPORTED, "32-bit");
        end_sleeper(pid);
    }
    scratch_remove(&scratch);
}
END_TEST

/* A case each, so that CK_RUN_CASE=name runs one. */
#define ADD(name)                                                                                            \
    do {                                                                                                     \
        TCase *tcase = tcase_create(#name);                                                                  \
        tcase_set_timeout(tcase, 120);                                                                       \
        tcase_add_test(tcase, name);                                                                         \
        suite_add_tcase(suite, tcase);                                                                       \
    } while (0)

int main(void) {
    Suite *suite = suite_create("attach");
    ADD(fifty_times_to_a_busy_process);
    ADD(no_signal_is_lost);
    ADD(waiting_calls_go_on_waiting);
    ADD(a_stopped_process_stays_stopped);
    ADD(children_of_an_attached_process);
    ADD(the_process_outlives_its_tracer);
    ADD(killed_while_attached_to);
    ADD(who_cannot_be_attached_to);
    ADD(a_traced_process_is_refused);
    ADD(a_kernel_thread_is_refused);
    ADD(a_thread_is_refused);
    ADD(others_processes_are_refused_with_a_hint);
    ADD(a_32_bit_program_is_refused);
    return scratch_run(suite);
}
