/* tracer/trap: programs behave with probes as without: threads, signals, children, faults, breakpoints of
 * their own. */
#include "trapping.h"

#include <Zydis/Zydis.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <sys/time.h>
#include <ucontext.h>

extern char **environ;

static struct shared *shared;

static uint64_t add(const void *address) {
    return ask(shared, ASK_ADD, address);
}

static uint64_t take(const void *address) {
    return ask(shared, ASK_REMOVE, address);
}

/* hot(n, table): calls, branches, a loop, memory, RIP-relative operands, a string instruction. */
uint64_t hot(uint64_t n, uint64_t *table);
extern const uint8_t hot_end[];
extern uint64_t hot_word;
asm(".text\n.globl hot\n.type hot,@function\n"
    "hot_helper: endbr64\nlea (%rdi,%rdi,4), %rax\nadd hot_word(%rip), %rax\nret\n"
    "hot: endbr64\npush %rbp\nmov %rsp, %rbp\npush %rbx\npush %r12\nsub $48, %rsp\n"
    "mov %rdi, %rbx\nmov %rsi, %r12\nxor %ecx, %ecx\nmovq $0, -40(%rbp)\n"
    "mov $3, %ecx\n"
    "1: mov %rcx, -48(%rbp)\nmov %rbx, %rdi\ncall hot_helper\nadd %rax, -40(%rbp)\n"
    "test $1, %bl\njz 2f\nlea hot_helper(%rip), %rdx\ncall *%rdx\nxor %rax, -40(%rbp)\n"
    "2: mov %rbx, %rax\nand $7, %eax\nmov (%r12,%rax,8), %rdx\nadd %rdx, -40(%rbp)\ninc %rbx\n"
    "mov -48(%rbp), %rcx\ndec %rcx\njrcxz 3f\njmp 1b\n"
    "3: lea -64(%rbp), %rdi\nmov %r12, %rsi\nmov $16, %ecx\nrep movsb\n"
    "mov -40(%rbp), %rax\nadd -64(%rbp), %rax\nadd $48, %rsp\npop %r12\npop %rbx\nleave\nret\n"
    ".globl hot_end\nhot_end:\n"
    ".data\n.globl hot_word\nhot_word: .quad 77\n.text\n");

static uint64_t hot_by_hand(uint64_t n, const uint64_t *table) {
    uint64_t sum = 0;
    for (int i = 0; i < 3; i++, n++) {
        sum += n * 5 + 77;
        if (n & 1)
            sum ^= n * 5 + 77;
        sum += table[n & 7];
    }
    return sum + table[0];
}

/* The addresses of the instructions in [start, end). */
static size_t list_instructions(const uint8_t *start, const uint8_t *end, const uint8_t **ret, size_t room) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    size_t count = 0;
    while (start < end && count < room) {
        ZydisDecodedInstruction instruction;
        MUST(ZYAN_SUCCESS(
            ZydisDecoderDecodeInstruction(&decoder, NULL, start, (size_t)(end - start), &instruction)));
        ret[count++] = start;
        start += instruction.length;
    }
    return count;
}

#define HOT_START ((const uint8_t *)hot)

static uint64_t table[8] = {11, 22, 33, 44, 55, 66, 77, 88};

/* ---- one thread ---- */

static int all_instructions_body(struct shared *with) {
    shared = with;
    const uint8_t *at[128], *original = memcpy(malloc(512), HOT_START, (size_t)(hot_end - HOT_START));
    size_t count = list_instructions(HOT_START, hot_end, at, 128);
    MUST(count > 30);
    for (size_t i = 0; i < count; i++)
        MUST(add(at[i]) == 0);
    for (uint64_t n = 0; n < 50; n++)
        MUST(hot(n, table) == hot_by_hand(n, table));
    for (size_t i = 0; i < count; i += 2)
        MUST(take(at[i]) == 0);
    MUST(hot(7, table) == hot_by_hand(7, table));
    MUST(ask(shared, ASK_WITHDRAW, NULL) == 0);
    MUST(!memcmp(original, HOT_START, (size_t)(hot_end - HOT_START)));
    MUST(hot(7, table) == hot_by_hand(7, table));
    return 0;
}

START_TEST(every_instruction_of_a_function) {
    ck_assert_uint_gt(run_body(all_instructions_body), 50 * 60);
}
END_TEST

static int uses_body(struct shared *with) {
    shared = with;
    uint8_t first = *HOT_START;
    MUST(add(hot) == 0 && add(hot) == 0);
    MUST(take(hot) == 0);
    MUST(*(volatile const uint8_t *)HOT_START == 0xcc);
    hot(1, table);
    MUST(take(hot) == 0);
    MUST(*(volatile const uint8_t *)HOT_START == first);
    hot(1, table);
    return 0;
}

START_TEST(a_trap_lives_until_its_last_use) {
    ck_assert_uint_eq(run_body(uses_body), 1);
}
END_TEST

static int refused_body(struct shared *with) {
    shared = with;
    MUST(add(table) == ERROR_NOT_FOUND + 1);          /* data */
    MUST(add((void *)0x1234) == ERROR_NOT_FOUND + 1); /* nothing */
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(page != MAP_FAILED);
    memset(page, 0x90, 4096);
    MUST(add(page) == ERROR_UNSUPPORTED + 1); /* shared */
    uint8_t *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(own, "\xcc\xc3\xcd\x80", 4);
    MUST(add(own) == ERROR_UNSUPPORTED + 1);
    MUST(add(own + 2) == ERROR_UNSUPPORTED + 1);
    MUST(own[0] == 0xcc && own[2] == 0xcd);
    return 0;
}

START_TEST(what_cannot_be_probed_is_refused) {
    ck_assert_uint_eq(run_body(refused_body), 0);
}
END_TEST

static int patched_body(struct shared *with) {
    shared = with;
    uint8_t *code = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(code, "\xb8\x05\x00\x00\x00\xc3", 6); /* mov $5, %eax; ret */
    int (*function)(void) = (int (*)(void))(uintptr_t)code;
    MUST(add(code) == 0);
    MUST(function() == 5);
    memcpy(code, "\xb8\x06\x00\x00\x00\xc3", 6); /* the program patches its code */
    MUST(function() == 6);
    MUST(take(code) == 1);
    MUST(code[0] == 0xb8 && function() == 6);
    MUST(add(code) == 0); /* with the new instruction */
    MUST(function() == 6);
    memcpy(code + 4096, "\xc3", 1);
    MUST(add(code + 4096) == 0);
    munmap(code, 8192);
    MUST(ask(shared, ASK_WITHDRAW, NULL) == 2);
    return 0;
}

START_TEST(code_that_the_program_changed_is_left) {
    ck_assert_uint_eq(run_body(patched_body), 2);
}
END_TEST

/* ---- threads ---- */

#define THREADS 4
static uint64_t thread_calls = 300;

static volatile bool threads_may_end;

static void *thread_body(void *argument) {
    (void)argument;
    for (uint64_t n = 0; n < thread_calls || !threads_may_end; n++)
        MUST(hot(n, table) == hot_by_hand(n, table));
    return NULL;
}

/* A function that counts, probed all the time. */
LOCAL static uint64_t counted(uint64_t n) {
    asm volatile("" : "+r"(n));
    return n + 1;
}

static void *counting_body(void *argument) {
    (void)argument;
    for (uint64_t n = 0; n < thread_calls; n++)
        MUST(counted(n) == n + 1);
    return NULL;
}

#define TOGGLES 50

static int threads_body(struct shared *with) {
    shared = with;
    const uint8_t *at[128];
    size_t size = (size_t)(hot_end - HOT_START);
    uint8_t *original = memcpy(malloc(512), HOT_START, size);
    size_t count = list_instructions(HOT_START, hot_end, at, 128);
    pthread_t threads[THREADS * 2];
    MUST(add(counted) == 0);
    for (int i = 0; i < THREADS * 2; i++)
        MUST(!pthread_create(&threads[i], NULL, i < THREADS ? thread_body : counting_body, NULL));
    for (int toggle = 0; toggle < TOGGLES; toggle++) {
        for (size_t i = 0; i < count; i++)
            MUST(add(at[i]) == 0);
        usleep(1000);
        for (size_t i = 0; i < count; i++)
            MUST(take(at[i]) == 0);
        MUST(!memcmp(original, HOT_START, size));
    }
    threads_may_end = true;
    for (int i = 0; i < THREADS * 2; i++)
        pthread_join(threads[i], NULL);
    MUST(!memcmp(original, HOT_START, size));
    return 0;
}

static void count_counted(struct subject *subject, struct task *task, struct trap_hit *hit) {
    (void)task;
    if (hit->trap->address == (uint64_t)(uintptr_t)counted)
        subject->shared->word[5]++;
}

START_TEST(threads_run_while_probes_come_and_go) {
    struct subject subject;
    start_subject(&subject, threads_body, true);
    subject.on_hit = count_counted;
    run_subject(&subject);
    ck_assert_int_eq(subject.status, 0);
    ck_assert_uint_eq(subject.shared->word[5], THREADS * thread_calls); /* none is missed */
    ck_assert_uint_gt(subject.hits, THREADS * thread_calls + 1000);
    end_subject(&subject);
}
END_TEST

/* ---- signals ---- */

static volatile uint64_t alarms, bad_rips, in_hot;

static void on_alarm(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)info;
    const ucontext_t *ucontext = context;
    uint64_t rip = (uint64_t)ucontext->uc_mcontext.gregs[REG_RIP];
    uint64_t code = (uint64_t)(uintptr_t)hot, libc = (uint64_t)(uintptr_t)&on_alarm;
    alarms++;
    if (rip - (code - 64) < 1024)
        in_hot++;
    else if (rip >> 32 != libc >> 32 &&
             rip >> 40 != 0x7f) /* neither program nor libraries: slots are near the program */
        bad_rips++;
    if (shared->word[2] && rip - shared->word[2] < 0x10000)
        bad_rips++;
    counted(alarms);
}

static void start_alarms(void) {
    struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval every = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &every, NULL);
}

static int signals_body(struct shared *with) {
    shared = with;
    const uint8_t *at[128];
    size_t count = list_instructions(HOT_START, hot_end, at, 128);
    for (size_t i = 0; i < count; i++)
        MUST(add(at[i]) == 0);
    MUST(add(counted) == 0);
    start_alarms();
    uint64_t n = 0;
    for (; n < 200 || (alarms < 300 && n < 20000); n++)
        MUST(hot(n, table) == hot_by_hand(n, table));
    struct itimerval none = {0};
    setitimer(ITIMER_REAL, &none, NULL);
    MUST(alarms >= 100);
    MUST(in_hot > 20);
    MUST(!bad_rips);
    shared->word[3] = n;
    shared->word[4] = alarms;
    return 0;
}

/* Hits of the instructions of hot for one call, by single stepping in the mind: the loop is run three times.
 */
static uint64_t first_hits, ret_hits, alarm_hits;

static void count_some(struct subject *subject, struct task *task, struct trap_hit *hit) {
    (void)task;
    if (!subject->shared->word[2] && hit->trap->slot)
        subject->shared->word[2] = hit->trap->slot & ~0xffffull;
    if (hit->trap->address == (uint64_t)(uintptr_t)hot)
        first_hits++;
    if (hit->trap->address == (uint64_t)(uintptr_t)hot_end - 1)
        ret_hits++;
    if (hit->trap->address == (uint64_t)(uintptr_t)counted)
        alarm_hits++;
}

START_TEST(signals_find_no_slot_and_cost_no_hit) {
    struct subject subject;
    start_subject(&subject, signals_body, true);
    subject.on_hit = count_some;
    run_subject(&subject);
    ck_assert_int_eq(subject.status, 0);
    ck_assert_uint_eq(first_hits, subject.shared->word[3]);
    ck_assert_uint_eq(ret_hits, subject.shared->word[3]);
    ck_assert_uint_eq(alarm_hits, subject.shared->word[4]);
    end_subject(&subject);
}
END_TEST

/* ---- the program's own traps ---- */

static volatile int own_traps, own_code;
static volatile uint64_t own_rip;

static void on_trap(int signo, siginfo_t *info, void *context) {
    (void)signo;
    const ucontext_t *ucontext = context;
    own_traps++;
    own_code = info->si_code;
    own_rip = (uint64_t)ucontext->uc_mcontext.gregs[REG_RIP];
    counted(1); /* a hit while SIGTRAP is blocked: the kernel resets the action */
}

void own_int3(void);
asm(".text\n.globl own_int3\nown_int3: int3\nret\n");

static int own_trap_body(struct shared *with) {
    shared = with;
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO}, now;
    sigaction(SIGTRAP, &action, NULL);
    MUST(add(hot) == 0 && add(counted) == 0);
    for (int i = 0; i < 5; i++) {
        own_int3();
        MUST(own_traps == 3 * i + 1 && own_code == SI_KERNEL);
        MUST(own_rip == (uint64_t)(uintptr_t)own_int3 + 1);
        raise(SIGTRAP);
        MUST(own_traps == 3 * i + 2 && own_code == SI_TKILL);
        kill(getpid(), SIGTRAP);
        MUST(own_traps == 3 * i + 3 && own_code == SI_USER);
        hot(1, table);
        MUST(own_traps == 3 * i + 3);
    }
    sigaction(SIGTRAP, NULL, &now);
    MUST(now.sa_sigaction == on_trap);
    /* blocked and hit: still blocked afterwards */
    sigset_t trap, mask;
    sigemptyset(&trap);
    sigaddset(&trap, SIGTRAP);
    sigprocmask(SIG_BLOCK, &trap, NULL);
    hot(1, table);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    MUST(sigismember(&mask, SIGTRAP));
    sigprocmask(SIG_UNBLOCK, &trap, NULL);
    /* the default, by its own will: not put back */
    signal(SIGTRAP, SIG_DFL);
    hot(1, table);
    sigaction(SIGTRAP, NULL, &now);
    MUST(now.sa_handler == SIG_DFL);
    return 0;
}

START_TEST(own_breakpoints_reach_the_program) {
    ck_assert_uint_eq(run_body(own_trap_body), 7 + 15);
}
END_TEST

static int default_trap_body(struct shared *with) {
    shared = with;
    MUST(add(hot) == 0);
    hot(1, table);
    own_int3();
    return 0;
}

START_TEST(an_own_breakpoint_kills_as_ever) {
    struct subject subject;
    start_subject(&subject, default_trap_body, true);
    run_subject(&subject);
    ck_assert_int_eq(subject.status, SIGTRAP);
    end_subject(&subject);
}
END_TEST

/* ---- faults ---- */

static sigjmp_buf back;
static volatile uint64_t fault_rip, fault_rsp, fault_address;
static volatile int fault_signal;

static void on_fault(int signo, siginfo_t *info, void *context) {
    const ucontext_t *ucontext = context;
    fault_signal = signo;
    fault_rip = (uint64_t)ucontext->uc_mcontext.gregs[REG_RIP];
    fault_rsp = (uint64_t)ucontext->uc_mcontext.gregs[REG_RSP];
    fault_address = (uint64_t)(uintptr_t)info->si_addr;
    siglongjmp(back, 1);
}

/* Each faults at its first instruction, with rdi as given. */
#define ENTRY(name, code)                                                                                    \
    ".globl " name "\n" name ": push %rbx\nmov %rsp, %rbx\nmov %rdi, %rsp\n" name "_at: " code               \
    "\nmov %rbx, %rsp\npop %rbx\nret\n.globl " name "_at\n"
void fault_load(uint64_t), fault_divide(uint64_t), fault_undefined(uint64_t), fault_push(uint64_t),
    fault_call(uint64_t), fault_call_memory(uint64_t), fault_jump_memory(uint64_t), fault_ret(uint64_t),
    fault_leave(uint64_t), fault_privileged(uint64_t), fault_jump_wild(uint64_t);
extern const uint8_t fault_push_at[], fault_call_at[], fault_ret_at[];
asm(".text\n.globl fault_load, fault_divide, fault_undefined, fault_call_memory, fault_jump_memory, "
    "fault_leave, "
    "fault_privileged, fault_jump_wild\n"
    "fault_load: mov (%rdi), %rax\nret\n"
    "fault_divide: div %rdi\nret\n"
    "fault_undefined: ud2\nret\n"
    "fault_call_memory: call *(%rdi)\nret\n"
    "fault_jump_memory: jmp *(%rdi)\n"
    "fault_privileged: hlt\nret\n"
    "fault_jump_wild: jmp *%rdi\n" ENTRY("fault_push", "push %rbp") ENTRY("fault_call", "call own_int3")
        ENTRY("fault_ret", "ret"));

static const struct fault_row {
    void (*function)(uint64_t);
    const void *at;
    int signo;
    bool moves_stack;
} fault_rows[] = {
    {fault_load, (void *)(uintptr_t)fault_load, SIGSEGV, false},
    {fault_divide, (void *)(uintptr_t)fault_divide, SIGFPE, false},
    {fault_undefined, (void *)(uintptr_t)fault_undefined, SIGILL, false},
    {fault_call_memory, (void *)(uintptr_t)fault_call_memory, SIGSEGV, false},
    {fault_jump_memory, (void *)(uintptr_t)fault_jump_memory, SIGSEGV, false},
    {fault_privileged, (void *)(uintptr_t)fault_privileged, SIGSEGV, false},
    {fault_push, fault_push_at, SIGSEGV, true},
    {fault_call, fault_call_at, SIGSEGV, true},
    {fault_ret, fault_ret_at, SIGSEGV, true},
    {fault_jump_wild, (void *)(uintptr_t)fault_jump_wild, SIGSEGV, false},
};

static void fault(const struct fault_row *row, uint64_t argument) {
    fault_signal = 0;
    if (!sigsetjmp(back, 1))
        row->function(argument);
}

static int faults_body(struct shared *with) {
    shared = with;
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    static const int signals[] = {SIGSEGV, SIGFPE, SIGILL, SIGBUS};
    for (size_t i = 0; i < 4; i++)
        sigaction(signals[i], &action, NULL);
    char *none = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < sizeof(fault_rows) / sizeof(fault_rows[0]); i++) {
        const struct fault_row *row = &fault_rows[i];
        uint64_t argument = row->signo == SIGFPE               ? 0
                            : row->function == fault_jump_wild ? 0x1234567812345678
                                                               : (uint64_t)(uintptr_t)none + 4096;
        shared->word[0] = i;
        fault(row, argument);
        uint64_t rip = fault_rip, rsp = fault_rsp, address = fault_address;
        MUST(fault_signal == row->signo);
        MUST(add(row->at) == 0);
        fault(row, argument);
        MUST(fault_signal == row->signo && fault_rip == rip && fault_rsp == rsp);
        MUST(fault_address == address);
        MUST(take(row->at) == 0);
        MUST(rip == (uint64_t)(uintptr_t)row->at);
    }
    return 0;
}

START_TEST(faults_are_those_of_the_original) {
    ck_assert_uint_eq(run_body(faults_body), sizeof(fault_rows) / sizeof(fault_rows[0]));
}
END_TEST

/* A stack that has to grow under a push and a call. */
uint64_t deep_push(uint64_t), deep_call(uint64_t);
extern const uint8_t deep_push_at[], deep_call_at[];
asm(".text\n.globl deep_push, deep_call, deep_push_at, deep_call_at\n"
    "deep_push: push %rbx\nmov %rsp, %rbx\nsub %rdi, %rsp\ndeep_push_at: push %rbp\nmov (%rsp), %rax\nsub "
    "%rbp, %rax\n"
    "mov %rbx, %rsp\npop %rbx\nret\n"
    "deep_call: push %rbx\nmov %rsp, %rbx\nsub %rdi, %rsp\ndeep_call_at: call 1f\nmov %rbx, %rsp\npop "
    "%rbx\nret\n"
    "1: lea deep_call_at+5(%rip), %rax\nsub (%rsp), %rax\nret\n");

static int growing_body(struct shared *with) {
    shared = with;
    MUST(add(deep_push_at) == 0 && add(deep_call_at) == 0);
    MUST(deep_push(1 << 20) == 0);
    MUST(deep_call(2 << 20) == 0);
    MUST(deep_call(2 << 20) == 0);
    return 0;
}

START_TEST(stacks_grow_under_probed_pushes) {
    ck_assert_uint_eq(run_body(growing_body), 3);
}
END_TEST

/* A fault and a signal at once: both arrive, the fault at its own place. */
static volatile int usr1s;

static void on_usr1(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)context;
    usr1s += info->si_value.sival_int == 4711;
}

static int fault_and_signal_body(struct shared *with) {
    shared = with;
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    struct sigaction other = {.sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGUSR1, &other, NULL);
    MUST(add((void *)(uintptr_t)fault_load) == 0 &&
         add((void *)(uintptr_t)own_int3) == ERROR_UNSUPPORTED + 1);
    MUST(add((void *)(uintptr_t)((uintptr_t)hot_end - 1)) == 0);
    for (int i = 0; i < 10; i++) {
        shared->word[6] = 1; /* the tracer sends SIGUSR1 at the next hit */
        fault(&fault_rows[0], 0);
        MUST(fault_signal == SIGSEGV && fault_rip == (uint64_t)(uintptr_t)fault_load);
        MUST(usr1s == 2 * i + 1);
        shared->word[6] = 1;
        hot(i, table);
        MUST(usr1s == 2 * i + 2);
    }
    return 0;
}

static void send_usr1(struct subject *subject, struct task *task, struct trap_hit *hit) {
    (void)hit;
    if (subject->shared->word[6])
        sigqueue(task->tid, SIGUSR1, (union sigval){.sival_int = 4711});
    subject->shared->word[6] = 0;
}

START_TEST(a_fault_and_a_signal_at_once) {
    struct subject subject;
    start_subject(&subject, fault_and_signal_body, true);
    subject.on_hit = send_usr1;
    run_subject(&subject);
    ck_assert_int_eq(subject.status, 0);
    ck_assert_uint_eq(subject.hits, 20);
    end_subject(&subject);
}
END_TEST

/* Job control in the middle of a slot. */
static int stops_body(struct shared *with) {
    shared = with;
    const uint8_t *at[128];
    size_t count = list_instructions(HOT_START, hot_end, at, 128);
    for (size_t i = 0; i < count; i++)
        MUST(add(at[i]) == 0);
    pid_t self = getpid();
    pid_t helper = fork();
    if (!helper) {
        for (int i = 0; i < 30; i++) {
            kill(self, SIGSTOP);
            usleep(3000);
            kill(self, SIGCONT);
            usleep(3000);
        }
        _exit(0);
    }
    uint64_t n = 0;
    for (int status; waitpid(helper, &status, WNOHANG) == 0; n++)
        MUST(hot(n, table) == hot_by_hand(n, table));
    shared->word[3] = n;
    return 0;
}

START_TEST(stopped_and_continued) {
    struct subject subject;
    first_hits = ret_hits = 0;
    start_subject(&subject, stops_body, true);
    subject.on_hit = count_some;
    subject.forget_children = true;
    run_subject(&subject);
    ck_assert_int_eq(subject.status, 0);
    ck_assert_uint_eq(first_hits, subject.shared->word[3]);
    ck_assert_uint_eq(ret_hits, subject.shared->word[3]);
    end_subject(&subject);
}
END_TEST

/* A syscall instruction under a probe, and calls that are interrupted and restarted there. */
long probed_syscall(long number, long a, long b, long c);
extern const uint8_t probed_syscall_at[];
asm(".text\n.globl probed_syscall, probed_syscall_at\nprobed_syscall: mov %rdi, %rax\nmov %rsi, %rdi\nmov "
    "%rdx, %rsi\n"
    "mov %rcx, %rdx\nprobed_syscall_at: syscall\nret\n");

static int syscall_body(struct shared *with) {
    shared = with;
    MUST(add(probed_syscall_at) == 0);
    MUST(probed_syscall(SYS_getpid, 0, 0, 0) == getpid());
    MUST(probed_syscall(SYS_close, -1, 0, 0) == -EBADF);
    start_alarms();
    struct timespec time = {.tv_nsec = 20000000}, rest;
    long result = probed_syscall(SYS_nanosleep, (long)&time, (long)&rest, 0);
    MUST(result == -EINTR && alarms >= 1);
    int pipes[2];
    char byte = 0;
    MUST(!pipe(pipes));
    if (!fork()) {
        usleep(20000);
        _exit(write(pipes[1], "x", 1) != 1);
    }
    MUST(probed_syscall(SYS_read, pipes[0], (long)&byte, 1) == 1 && byte == 'x'); /* SA_RESTART */
    struct itimerval none = {0};
    setitimer(ITIMER_REAL, &none, NULL);
    MUST(!bad_rips);
    pid_t child = (pid_t)probed_syscall(SYS_fork, 0, 0, 0);
    if (!child)
        _exit((int)probed_syscall(SYS_getppid, 0, 0, 0) == getppid() ? 3 : 4);
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        ;
    MUST(WEXITSTATUS(status) == 3);
    while (wait(NULL) > 0)
        ;
    return 0;
}

START_TEST(a_probed_syscall_instruction) {
    ck_assert_uint_ge(run_body(syscall_body), 6);
}
END_TEST

/* ---- children ---- */

LOCAL static int in_child(int n) {
    asm volatile("" : "+r"(n));
    return n * 2;
}

static int fork_body(struct shared *with) {
    shared = with;
    int status;
    MUST(add(in_child) == 0 && add(hot) == 0);
    for (int i = 0; i < 10; i++) {
        pid_t child = fork();
        if (!child) {
            MUST(hot(3, table) == hot_by_hand(3, table));
            _exit(in_child(7));
        }
        MUST(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 14);
        child = vfork();
        if (!child)
            _exit(in_child(8));
        MUST(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 16);
        child = vfork();
        if (!child) {
            in_child(1);
            execl("/bin/true", "true", NULL);
            _exit(9);
        }
        MUST(waitpid(child, &status, 0) == child && status == 0);
        char *const argv[] = {"sh", "-c", "exit 5", NULL};
        MUST(!posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ));
        MUST(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
        in_child(1);
    }
    execl("/bin/true", "true", NULL);
    return 1;
}

START_TEST(children_are_probed_too) {
    ck_assert_uint_eq(run_body(fork_body), 10 * 5);
}
END_TEST

START_TEST(children_get_their_bytes_back) {
    struct subject subject;
    start_subject(&subject, fork_body, true);
    subject.forget_children = true;
    run_subject(&subject);
    ck_assert_int_eq(subject.status, 0);
    ck_assert_uint_eq(subject.hits, 10 * 3); /* vfork children share memory */
    end_subject(&subject);
}
END_TEST

/* A process that dies while it is dealt with is no error. */
static int killed_body(struct shared *with) {
    shared = with;
    const uint8_t *at[128];
    size_t count = list_instructions(HOT_START, hot_end, at, 128);
    for (size_t i = 0; i < count; i++)
        MUST(add(at[i]) == 0);
    pid_t self = getpid();
    pthread_t thread;
    pthread_create(&thread, NULL, thread_body, NULL);
    if (!fork()) {
        usleep(20000);
        kill(self, SIGKILL);
        _exit(0);
    }
    thread_body(NULL);
    return 0;
}

START_TEST(killed_in_the_middle) {
    struct subject subject;
    start_subject(&subject, killed_body, true);
    subject.forget_children = true;
    run_subject(&subject);
    ck_assert_int_eq(subject.status, SIGKILL);
    end_subject(&subject);
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
    Suite *suite = suite_create("trap");
    ADD(every_instruction_of_a_function);
    ADD(a_trap_lives_until_its_last_use);
    ADD(what_cannot_be_probed_is_refused);
    ADD(code_that_the_program_changed_is_left);
    ADD(threads_run_while_probes_come_and_go);
    ADD(signals_find_no_slot_and_cost_no_hit);
    ADD(own_breakpoints_reach_the_program);
    ADD(an_own_breakpoint_kills_as_ever);
    ADD(faults_are_those_of_the_original);
    ADD(stacks_grow_under_probed_pushes);
    ADD(a_fault_and_a_signal_at_once);
    ADD(stopped_and_continued);
    ADD(a_probed_syscall_instruction);
    ADD(children_are_probed_too);
    ADD(children_get_their_bytes_back);
    ADD(killed_in_the_middle);
    return scratch_run(suite);
}
