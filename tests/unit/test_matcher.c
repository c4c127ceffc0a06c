/* replay/matcher: a process is brought to the very passage of a place at which a point was taken: through a
 * window, through one that is jumped into, by a breakpoint, at a later match; and it stops for everything
 * else. */
#include "replay/matcher.h"

#include "scratch.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <xxhash.h>

/* ---- what runs: each loop counts all its rounds, out of sight, in far[0] ---- */

static uint64_t **far; /* the counter is behind pointers, further than a point looks */

#define COUNT                                                                                                \
    "mov far(%%rip), %%rsi\n mov (%%rsi), %%rsi\n mov (%%rsi), %%rsi\n mov (%%rsi), %%rsi\n incq (%%rsi)\n " \
    "xor %%esi, %%esi\n"
#define LOOP(name, text)                                                                                     \
    static void run_##name(void) {                                                                           \
        __asm__ volatile(text ::: "rax", "rcx", "rdx", "rsi", "r8", "cc", "memory");                         \
    }                                                                                                        \
    extern const uint8_t at_##name[];

LOOP(plain, "mov $1000, %%ecx\n"
            ".globl at_plain\n at_plain: dec %%rcx\n jnz at_plain\n")
LOOP(called, "mov $1000, %%ecx\n 1: call 2f\n"
             ".globl at_called\n at_called: mov %%rcx, %%rdx\n dec %%rcx\n jnz 1b\n jmp 3f\n"
             "2: lea (%%rcx,%%rcx), %%rax\n ret\n 3:\n")
/* seven times into the middle of the window for one passage of its beginning */
LOOP(middle, "mov $20000, %%edx\n 1: lea at_middle(%%rip), %%rax\n mov %%edx, %%ecx\n and $7, %%ecx\n jz "
             "2f\n mov $1, %%ecx\n"
             " 2: add %%rcx, %%rax\n jmp *%%rax\n"
             ".globl at_middle\n at_middle: nop\n inc %%r8\n inc %%r8\n dec %%edx\n jnz 1b\n")
/* past the prefix, where no instruction of the window begins */
LOOP(prefix, "mov $300, %%eax\n push $0\n"
             ".globl at_prefix\n at_prefix: test $1, %%al\n je 2f + 1\n 2: lock incl (%%rsp)\n dec %%eax\n "
             "jnz at_prefix\n pop %%rax\n")
LOOP(trap, "mov $200, %%ecx\n"
           ".globl at_trap\n at_trap: dec %%ecx\n jnz at_trap\n jmp 2f\n int3\n 2:\n")
/* all registers are the same in each round */
LOOP(again,
     "mov $100, %%r8d\n 1: push %%r8\n xor %%r8d, %%r8d\n call 3f\n"
     ".globl at_again\n at_again: nop\n nop\n nop\n nop\n nop\n pop %%r8\n dec %%r8\n jnz 1b\n jmp 4f\n"
     "3: " COUNT " ret\n 4:\n")

static void map_stub(void) {
    static const uint8_t code[] = {0x0f, 0x05, 0xcc};
    void *stub = mmap((void *)PUPPET_STUB, PUPPET_STUB_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (stub != MAP_FAILED)
        memcpy(stub, code, sizeof(code));
}

/* With the same registers, stack and memory whoever calls. */
static void run_alike(void (*run)(void)) {
    static char stack[65536] __attribute__((aligned(16)));
    __asm__ volatile(
        "mov %0, %%rsp\n mov %1, %%rax\n"
        "xor %%ebx, %%ebx\n xor %%ecx, %%ecx\n xor %%edx, %%edx\n xor %%esi, %%esi\n xor %%edi, %%edi\n"
        "xor %%ebp, %%ebp\n xor %%r8d, %%r8d\n xor %%r9d, %%r9d\n xor %%r10d, %%r10d\n"
        "xor %%r11d, %%r11d\n xor %%r12d, %%r12d\n xor %%r13d, %%r13d\n xor %%r14d, %%r14d\n"
        "xor %%r15d, %%r15d\n"
        "call *%%rax\n mov $110, %%eax\n syscall\n" /* getppid */
        ::"r"(stack + sizeof(stack) - 8192),
        "r"(run)
        : "memory");
    _exit(0);
}

static struct puppet start(void (*run)(void)) {
    struct puppet puppet = {.alive = true};
    pid_t pid = fork();
    if (pid == 0) {
        map_stub();
        trace_me();
        raise(SIGSTOP);
        run_alike(run);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    CHECK_OK(trace_set_options(pid));
    puppet.task = calloc(1, sizeof(*puppet.task));
    task_init(puppet.task, pid);
    puppet.task->stopped = true;
    static uint8_t xstate[XSTATE_MAX];
    static size_t size; /* all begin as the first one */
    if (!size)
        CHECK_OK(trace_get_xstate(pid, xstate, &size));
    CHECK_OK(trace_set_xstate(pid, xstate, size));
    return puppet;
}

static void end(struct puppet *puppet) {
    kill(puppet->task->tid, SIGKILL);
    waitpid(puppet->task->tid, NULL, 0);
    task_deinit(puppet->task);
    free(puppet->task);
}

static struct error *run(void *context, enum resume how, struct stop *ret) {
    struct puppet *puppet = context;
    int status;
    TRY(task_resume(puppet->task, how, 0));
    ck_assert_int_eq(waitpid(puppet->task->tid, &status, 0), puppet->task->tid);
    *ret = stop_classify(puppet->task, status);
    return NULL;
}

static struct error *offer(void *context, struct stop *stop, bool *ret_taken) {
    (void)context, (void)stop;
    *ret_taken = false;
    return NULL;
}

static bool probed;
static bool is_probed(void *context, uint64_t address, size_t size) {
    (void)context, (void)address;
    return probed && size > 1;
}

static uint64_t rounds(struct puppet *puppet) {
    uint64_t value;
    CHECK_OK(task_read_exact(puppet->task, (uint64_t)(far + 50000), &value, sizeof(value)));
    return value;
}

/* The point at passage number `passage` of the place, by a breakpoint. */
static void take(void (*function)(void), const uint8_t *place, unsigned passage, struct point *ret,
                 uint64_t *ret_rounds) {
    static const uint8_t trap = 0xcc;
    struct puppet puppet = start(function);
    struct user_regs_struct regs;
    struct stop stop;
    struct maps maps;
    uint64_t cursor = 0;
    for (unsigned i = 0; i < passage; i++) {
        CHECK_OK(task_write(puppet.task, (uint64_t)place, &trap, 1));
        CHECK_OK(run(&puppet, RESUME_CONT, &stop));
        ck_assert(stop.kind == STOP_SIGNAL && stop.signo == SIGTRAP);
        CHECK_OK(task_write(puppet.task, (uint64_t)place, place, 1));
        CHECK_OK(trace_get_registers(puppet.task->tid, &regs));
        regs.rip = (uint64_t)place;
        CHECK_OK(trace_set_registers(puppet.task->tid, &regs));
        if (i + 1 < passage)
            CHECK_OK(run(&puppet, RESUME_STEP, &stop));
    }
    CHECK_OK(maps_read(puppet.task->tid, &maps));
    CHECK_OK(point_take(puppet.task, &maps, false, 0, &cursor, ret));
    maps_deinit(&maps);
    *ret_rounds = rounds(&puppet);
    end(&puppet);
}

static struct matcher_counts find(void (*function)(void), const struct point *point, uint64_t skip,
                                  bool *ret_found, struct stop *ret_stop, uint64_t *ret_rounds) {
    struct puppet puppet = start(function);
    const struct matcher_host host = {
        .puppet = &puppet, .run = run, .offer = offer, .is_probed = is_probed, .context = &puppet};
    struct user_regs_struct regs;
    struct matcher *matcher;
    uint8_t code[16];
    CHECK_OK(matcher_create(&matcher));
    CHECK_OK(matcher_find(matcher, &host, point, skip, ret_found, ret_stop));
    struct matcher_counts counts = matcher_counts(matcher);
    CHECK_OK(trace_get_registers(puppet.task->tid, &regs));
    if (*ret_found)
        ck_assert_uint_eq(regs.rip, point->regs.rip);
    CHECK_OK(task_read_exact(puppet.task, point->regs.rip, code, sizeof(code)));
    ck_assert_mem_eq(code, (const void *)point->regs.rip, sizeof(code));
    *ret_rounds = rounds(&puppet);
    CHECK_OK(matcher_leave(matcher, &puppet));
    matcher_destroy(matcher);
    end(&puppet);
    return counts;
}

static struct matcher_counts exactly(void (*function)(void), const uint8_t *place, unsigned passage) {
    static struct point point;
    struct stop stop;
    bool found;
    uint64_t before, after;
    take(function, place, passage, &point, &before);
    struct matcher_counts counts = find(function, &point, 0, &found, &stop, &after);
    ck_assert(found);
    return counts;
}

START_TEST(test_windows) {
    struct matcher_counts counts = exactly(run_plain, at_plain, 700);
    ck_assert(counts.trapped == 0 && counts.candidates == 1);
    counts = exactly(run_plain, at_plain, 1);
    counts = exactly(run_called, at_called, 555);
    ck_assert(counts.trapped == 0 && counts.candidates <= 3);
}
END_TEST

START_TEST(test_middle) {
    struct matcher_counts counts = exactly(run_middle, at_middle, 100);
    ck_assert(counts.trapped == 0 && counts.inside >= 600);
    counts = exactly(run_middle, at_middle, 2000); /* so many that a breakpoint is better */
    ck_assert(counts.trapped == 1 && counts.inside == 8192);
    counts = exactly(run_prefix, at_prefix, 200);
    ck_assert(counts.inside > 90);
}
END_TEST

START_TEST(test_breakpoint) {
    struct matcher_counts counts = exactly(run_trap, at_trap, 150);
    ck_assert(counts.trapped == 0); /* the jump fits */
    probed = true;
    counts = exactly(run_trap, at_trap, 150);
    ck_assert(counts.trapped == 1 && counts.candidates == 150);
}
END_TEST

START_TEST(test_later_matches) {
    static struct point point;
    struct stop stop;
    bool found;
    uint64_t taken, reached;
    take(run_again, at_again, 40, &point, &taken);
    ck_assert_uint_eq(taken, 40);
    /* the pushed count tells the rounds apart; without the words nothing does */
    find(run_again, &point, 0, &found, &stop, &reached);
    ck_assert(found && reached == 40);
    point.word_count = point.range_count = 0;
    point.hash = XXH3_64bits("", 0);
    for (uint64_t skip = 0; skip < 100; skip += 33) {
        find(run_again, &point, skip, &found, &stop, &reached);
        ck_assert_msg(found && reached == skip + 1, "%d: %lu after %lu", found, reached, skip);
    }
    find(run_again, &point, 100, &found, &stop, &reached);
    ck_assert(!found && stop.kind == STOP_SYSCALL_ENTRY);
}
END_TEST

START_TEST(test_missed) {
    static struct point point;
    struct stop stop;
    bool found;
    uint64_t taken, reached;
    take(run_plain, at_plain, 10, &point, &taken);
    point.regs.r12 ^= 1;
    find(run_plain, &point, 0, &found, &stop, &reached);
    ck_assert(!found && stop.kind == STOP_SYSCALL_ENTRY);
    point.regs.rip = PUPPET_STUB + 2;
    struct puppet puppet = start(run_plain);
    const struct matcher_host host = {
        .puppet = &puppet, .run = run, .offer = offer, .is_probed = is_probed, .context = &puppet};
    struct matcher *matcher;
    CHECK_OK(matcher_create(&matcher));
    CHECK_FAILS(matcher_find(matcher, &host, &point, 0, &found, &stop), ERROR_BAD_DATA, "no program has");
    matcher_destroy(matcher);
    end(&puppet);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("matcher");
    TCase *tests = tcase_create("matcher");
    far = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    far[0] = (uint64_t *)(far + 10000);
    far[10000] = (uint64_t *)(far + 20000);
    far[20000] = (uint64_t *)(far + 50000);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_windows);
    tcase_add_test(tests, test_middle);
    tcase_add_test(tests, test_breakpoint);
    tcase_add_test(tests, test_later_matches);
    tcase_add_test(tests, test_missed);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
