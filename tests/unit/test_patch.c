/* tracer/patch: programs behave with patched code as without, and get their bytes back. */
#include "scratch.h"

#include "dwarf/module.h"
#include "tracer/attach.h"
#include "tracer/engine.h"
#include "tracer/patch.h"
#include "tracer/patch_window.h"

#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define SITES 64

/* In the subject, which fails with the line. */
#define MUST(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            _exit(50);                                                                                       \
        }                                                                                                    \
    } while (0)

/* Code that is patched: sanitizers put nothing into it. */
#define LOCAL __attribute__((noinline, noclone, no_sanitize("address", "undefined")))

/* ---- what subject and tracer say to each other ---- */

enum request { ASK_ADD, ASK_ARM, ASK_DISARM, ASK_RECOVER, ASK_STATE };

struct shared {
    volatile enum request request;
    volatile uint64_t address, kinds;
    volatile uint64_t
        result; /* add: the site's number; arm: windows that wait; recover: places; state: see there */
    volatile uint64_t counts[SITES][3]; /* by site and edge */
    volatile uint64_t arena;            /* a trampoline, roughly */
};

static struct shared *shared;

/* In the subject: ask the tracer, and wait until it is done. */
static uint64_t ask(enum request request, const void *address, unsigned kinds) {
    shared->request = request;
    shared->address = (uint64_t)(uintptr_t)address;
    shared->kinds = kinds;
    syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGURG);
    return shared->result;
}

static uint64_t add(const void *address, unsigned kinds) {
    return ask(ASK_ADD, address, kinds);
}

static uint64_t arm(void) {
    return ask(ASK_ARM, NULL, 0);
}

static void disarm(void) {
    MUST(ask(ASK_DISARM, NULL, 0) == 0);
}

/* 0: not built; 1: built; 2: given up */
static uint64_t state(const void *address) {
    return ask(ASK_STATE, address, 0);
}

/* ---- the tracer ---- */

struct member {
    struct task *task;
    struct patch_set *set;
};

static struct tracer {
    struct engine engine;
    struct module *module;
    struct patch_code *code;
    uint64_t bias;
    struct member members[64];
    size_t count;
    pid_t pid;
    int status;
} tracer;

static int find_bias(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    *(uint64_t *)context = info->dlpi_addr;
    return 1;
}

static void open_self(void) {
    const struct unwind_table *unwind;
    int fd = open("/proc/self/exe", O_RDONLY);
    dl_iterate_phdr(find_bias, &tracer.bias);
    CHECK_OK(module_open(fd, "self", NULL, &tracer.module));
    close(fd);
    CHECK_OK(module_unwind_table(tracer.module, &unwind));
    CHECK_OK(patch_code_create(module_image(tracer.module), unwind, &tracer.code));
}

static void close_self(void) {
    patch_code_destroy(tracer.code);
    module_close(tracer.module);
}

static struct member *member_of(struct task *task) {
    for (size_t i = 0; i < tracer.count; i++)
        if (tracer.members[i].task == task)
            return &tracer.members[i];
    tracer.members[tracer.count] = (struct member){.task = task};
    return &tracer.members[tracer.count++];
}

static void forget(struct task *task) {
    struct member *member = member_of(task);
    struct patch_set *set = member->set;
    *member = tracer.members[--tracer.count];
    for (size_t i = 0; i < tracer.count; i++)
        if (tracer.members[i].set == set)
            return;
    patch_set_destroy(set);
}

/* Count in shared memory; nothing is taken for dead. */
static struct error *emit_count(void *context, const struct patch_place *place, uint64_t at,
                                struct buffer *code) {
    uint64_t site = (uint64_t)(uintptr_t)place->site->user;
    uint64_t counter = (uint64_t)(uintptr_t)&shared->counts[site][place->edge];
    (void)context;
    shared->arena = at;
    buffer_put(code, "\x48\x8d\x64\x24\x80\x9c\x50\x48\xb8",
               9); /* lea -128(%rsp),%rsp; pushf; push %rax; movabs */
    buffer_put_u64(code, counter);
    buffer_put(code, "\xf0\x48\xff\x00\x58\x9d\x48\x8d\xa4\x24\x80\0\0\0",
               14); /* lock incq (%rax); and back */
    return NULL;
}

static uint64_t add_site(struct patch_set *set) {
    static uint64_t next;
    struct patch_site *site;
    struct patch_site *there = patch_find(set, shared->address);
    if (!patch_site_count(set))
        next = 0;
    uint64_t number = there ? (uint64_t)(uintptr_t)there->user : next++ % (SITES - 1);
    CHECK_OK(patch_add(set, tracer.code, tracer.bias, shared->address - tracer.bias, (unsigned)shared->kinds,
                       (void *)(uintptr_t)number, &site));
    return number;
}

/* With all threads stopped. */
static void change(struct patch_set *set, struct stop *stop, bool do_arm) {
    struct halt halt = {0};
    size_t count = 0;
    struct task *task = stop->task;
    if (do_arm)
        CHECK_OK(patch_build(set, task, emit_count, NULL));
    CHECK_OK(halt_add(&halt, &(struct stop){.kind = STOP_BORN, .task = task})); /* SIGURG is for us */
    CHECK_OK(halt_process(&tracer.engine, tracer.pid, &halt));
    if (do_arm)
        CHECK_OK(patch_arm(set, &halt, &count));
    else
        CHECK_OK(patch_disarm(set, &halt, &count));
    shared->result = count;
    for (size_t i = 0; i < halt.count; i++) {
        struct stop *other = &halt.stops[i];
        if (other->task == task || !other->task->stopped)
            continue;
        CHECK_OK(patch_handle(set, other));
        CHECK_OK(engine_pass(other));
    }
    halt_deinit(&halt);
}

static void on_request(struct stop *stop) {
    struct member *member = member_of(stop->task);
    size_t restored = 0;
    if (!member->set)
        CHECK_OK(patch_set_create(&member->set));
    switch (shared->request) {
    case ASK_ADD:
        shared->result = add_site(member->set);
        break;
    case ASK_ARM:
    case ASK_DISARM:
        change(member->set, stop, shared->request == ASK_ARM);
        break;
    case ASK_RECOVER:
        CHECK_OK(patch_recover(&(struct halt){.stops = stop, .count = 1}, &restored));
        shared->result = restored;
        break;
    case ASK_STATE: {
        const struct patch_site *site = patch_find(member->set, shared->address);
        shared->result = !site ? 9 : site->is_built ? 1 : site->obstacle == PATCH_RETIRED ? 2 : 0;
        if (site && !site->is_built && getenv("VERBOSE"))
            fprintf(stderr, "%s\n", site->obstacle);
        break;
    }
    }
    CHECK_OK(task_resume(stop->task, RESUME_CONT, 0));
}

static void on_new_task(const struct stop *stop) {
    struct patch_set *set = member_of(stop->task)->set;
    struct task *child = engine_task(&tracer.engine, (pid_t)stop->message);
    struct member *member = member_of(child);
    if (set && trap_shares_memory(stop->task->tid, child->tid))
        member->set = set;
    else if (set)
        CHECK_OK(patch_set_clone(set, &member->set));
}

static void dispatch(struct stop *stop) {
    if (stop->kind == STOP_SIGNAL && stop->signo == SIGURG) {
        on_request(stop);
        return;
    }
    if (stop->kind == STOP_SIGNAL && member_of(stop->task)->set) {
        struct error *err = patch_handle(member_of(stop->task)->set, stop);
        ck_assert_msg(!err || err->code == ERROR_TASK_GONE, "%s", err ? err->message : "");
        error_free(err);
    }
    if (stop->kind == STOP_NEW_TASK)
        on_new_task(stop);
    if (stop->kind == STOP_EXITED || stop->kind == STOP_KILLED) {
        if (stop->task->tid == tracer.pid)
            tracer.status = stop->kind == STOP_EXITED ? stop->status << 8 : stop->status;
        forget(stop->task);
        return;
    }
    CHECK_OK(engine_pass(stop));
}

static void run_body(int (*body)(void)) {
    int go[2];
    memset(&tracer, 0, sizeof(tracer));
    open_self();
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
    engine_init(&tracer.engine);
    ck_assert_int_eq(pipe(go), 0);
    fflush(NULL);
    tracer.pid = fork();
    if (!tracer.pid) {
        char c;
        close(go[1]);
        if (read(go[0], &c, 1) != 1)
            _exit(99);
        _exit(body());
    }
    member_of(engine_task(&tracer.engine, tracer.pid));
    CHECK_OK(trace_seize(tracer.pid, true));
    close(go[0]);
    ck_assert_int_eq(write(go[1], "g", 1), 1);
    close(go[1]);
    for (;;) {
        struct stop stop;
        CHECK_OK(engine_next(&tracer.engine, &stop));
        if (stop.kind == STOP_NONE)
            break;
        dispatch(&stop);
    }
    ck_assert_msg(tracer.status == 0, "status 0x%x", (unsigned)tracer.status);
    engine_deinit(&tracer.engine);
    munmap(shared, sizeof(*shared));
    close_self();
}

/* ---- the code ---- */

/* clang-format off */
#define FUNCTION(name, text)                                                                                 \
    ".pushsection .data\n.quad 7f, 8f, 9f\n.popsection\n"                                                    \
    ".balign 16\n.globl " name "\n.type " name ",@function\n" name ":\n.cfi_startproc\n7: " text "\n9:\n.cfi_endproc\n"  \
    ".size " name ", .-" name "\n.pushsection .rodata\n8: .asciz \"" name "\"\n.popsection\n"

/* A function takes two numbers; [start, end) is its code. */
struct patch_case {
    uint64_t (*function)(uint64_t a, uint64_t b);
    const char *name;
    const uint8_t *end;
};
extern struct patch_case patch_cases[], patch_cases_end[];

asm(".data\n.balign 8\npatch_word: .quad 1234567\npatch_function: .quad patch_callee\n"
    ".globl patch_cases\npatch_cases:\n.text\n"
    "patch_callee: lea 3(%rdi,%rsi), %rax\n lea patch_callee(%rip), %rdx\n sub (%rsp), %rdx\n xor %rdx, %rax\n ret\n"
    FUNCTION("patch_plain", "mov %rdi, %rax\n add %rsi, %rax\n adc $5, %rax\n ret")
    FUNCTION("patch_endbr", "endbr64\n push %rbp\n mov %rsp, %rbp\n lea (%rdi,%rsi), %rax\n leave\n ret")
    FUNCTION("patch_flags", "cmp %rsi, %rdi\n mov %rdi, %rax\n mov %rsi, %rcx\n cmovb %rcx, %rax\n ret")
    FUNCTION("patch_relative", "mov patch_word(%rip), %rax\n add %rdi, %rax\n cmpq $7, patch_word(%rip)\n ret")
    FUNCTION("patch_red_zone", "mov %rdi, -8(%rsp)\n mov %rsi, -16(%rsp)\n mov -8(%rsp), %rax\n xor -16(%rsp), %rax\n ret")
    FUNCTION("patch_branch", "xor %eax, %eax\n cmp %rsi, %rdi\n jb 2f\n mov %edi, %eax\n inc %rax\n2: add %rsi, %rax\n ret")
    FUNCTION("patch_near", "xor %eax, %eax\n cmp %rsi, %rdi\n {disp32} jae 2f\n inc %rax\n2: ret")
    FUNCTION("patch_loop", "mov %rdi, %rcx\n and $15, %ecx\n inc %rcx\n xor %eax, %eax\n2: add %rsi, %rax\n loop 2b\n"
             "imul $3, %rax, %rax\n ret")
    FUNCTION("patch_jrcxz", "mov %rdi, %rcx\n mov %rsi, %rax\n jrcxz 2f\n add $7, %rax\n2: lea 1(%rax), %rax\n ret")
    FUNCTION("patch_own_loop", "mov %rdi, %rax\n and $255, %eax\n inc %eax\n1: dec %rax\n jnz 1b\n mov %rsi, %rax\n ret")
    FUNCTION("patch_call", "sub $8, %rsp\n call patch_callee\n add $8, %rsp\n ret")
    FUNCTION("patch_call_register", "lea patch_callee(%rip), %r11\n push %rbx\n call *%r11\n pop %rbx\n ret")
    FUNCTION("patch_call_memory", "push %rbx\n call *patch_function(%rip)\n pop %rbx\n ret")
    FUNCTION("patch_call_stack", "lea patch_callee(%rip), %rax\n sub $24, %rsp\n mov %rax, 8(%rsp)\n call *8(%rsp)\n"
             "add $24, %rsp\n ret")
    FUNCTION("patch_tail", "add $5, %rdi\n jmp patch_callee")
    FUNCTION("patch_two_rets", "mov %rsi, %rax\n test %rdi, %rdi\n jz 2f\n cmp $5, %rdi\n jb 2f\n mov %rdi, %rax\n2: ret")
    FUNCTION("patch_call_leave", "push %rbp\n mov %rsp, %rbp\n sub $16, %rsp\n mov %rdi, -8(%rbp)\n mov %rsi, -16(%rbp)\n"
             "call patch_callee\n leave\n ret")
    FUNCTION("patch_table", "mov %rdi, %rax\n and $3, %eax\n lea patch_switch(%rip), %rdx\n movslq (%rdx,%rax,4), %rax\n"
             "add %rdx, %rax\n jmp *%rax\n"
             "1: mov %rsi, %rax\n ret\n2: lea 1(%rsi), %rax\n ret\n3: lea (%rsi,%rsi), %rax\n4: dec %rax\n ret\n"
             ".pushsection .rodata\n.balign 4\npatch_switch: .long 1b-patch_switch, 2b-patch_switch, 3b-patch_switch, 4b-patch_switch\n"
             ".popsection\n")
    FUNCTION("patch_lock", "mov %rdi, %rax\n test $1, %dil\n push %rsi\n je 1f\n lock\n1: incq (%rsp)\n pop %rax\n ret")
    ".pushsection .data\n.globl patch_cases_end\npatch_cases_end:\n.popsection\n");
/* clang-format on */

#define INPUTS 64

static uint64_t input(size_t i) {
    return i < 8 ? i : i * 0x9e3779b97f4a7c15ull >> (i % 60);
}

static uint64_t run_all(const struct patch_case *one) {
    uint64_t hash = 0;
    for (size_t a = 0; a < INPUTS; a++)
        for (size_t b = 0; b < 8; b++)
            hash = hash * 31 + one->function(input(a), input(b + a));
    return hash;
}

#define CALLS (INPUTS * 8)

static size_t exits_of(const struct patch_case *one, const uint8_t **ret) {
    size_t count = 0;
    for (const uint8_t *at = (const uint8_t *)one->function; at < one->end; at++)
        if (*at == 0xc3 && patch_code_is_start(tracer.code, (uint64_t)(uintptr_t)at - tracer.bias))
            ret[count++] = at;
    return count;
}

/* ---- results and counts ---- */

#define CASES_MAX 32

/* What is known of a case while it is patched. */
struct patched_case {
    uint64_t expected, entry, exits[8];
    const uint8_t *exit_at[8];
    size_t exit_count;
    uint8_t original[256];
};

static size_t size_of(const struct patch_case *one) {
    return (size_t)(one->end - (const uint8_t *)one->function);
}

static void prepare_case(const struct patch_case *one, struct patched_case *ret) {
    const uint8_t *start = (const uint8_t *)one->function;
    memcpy(ret->original, start, size_of(one));
    ret->expected = run_all(one);
    ret->exit_count = exits_of(one, ret->exit_at);
    ret->entry = add(start, PATCH_ENTRY);
    for (size_t i = 0; i < ret->exit_count; i++)
        ret->exits[i] = add(ret->exit_at[i], PATCH_EXIT);
}

static void check_case(const struct patch_case *one, const struct patched_case *known) {
    uint64_t passed = 0;
    bool built = state((const void *)one->function) == 1;
    for (size_t i = 0; i < known->exit_count; i++)
        built = built && state(known->exit_at[i]) == 1;
    memset((void *)shared->counts, 0, sizeof(shared->counts));
    MUST(run_all(one) == known->expected);
    for (size_t i = 0; i < known->exit_count; i++)
        passed += shared->counts[known->exits[i]][PATCH_BEFORE];
    uint64_t entries = shared->counts[known->entry][PATCH_BEFORE];
    if (!built || entries != CALLS || (known->exit_count && passed != CALLS))
        fprintf(stderr, "%s: built %d, %llu entries, %llu exits\n", one->name, built,
                (unsigned long long)entries, (unsigned long long)passed);
    MUST(built && entries == CALLS);
    MUST(!known->exit_count || passed == CALLS);
}

static int functions_body(void) {
    static struct patched_case known[CASES_MAX];
    size_t count = (size_t)(patch_cases_end - patch_cases);
    for (size_t i = 0; i < count; i++)
        prepare_case(&patch_cases[i], &known[i]);
    MUST(arm() == 0);
    for (size_t i = 0; i < count; i++)
        check_case(&patch_cases[i], &known[i]);
    disarm();
    for (size_t i = 0; i < count; i++) {
        MUST(!memcmp(known[i].original, (const void *)patch_cases[i].function, size_of(&patch_cases[i])));
        MUST(run_all(&patch_cases[i]) == known[i].expected);
    }
    return 0;
}

START_TEST(functions_give_the_same_and_are_counted) {
    run_body(functions_body);
}
END_TEST

#define VARIANTS 5
static unsigned variant; /* every VARIANTSth instruction from this one on; VARIANTS: all */

static int statements_body(void) {
    uint64_t expected[CASES_MAX];
    unsigned index = 0;
    for (const struct patch_case *one = patch_cases; one < patch_cases_end; one++) {
        expected[one - patch_cases] = run_all(one);
        for (const uint8_t *at = (const uint8_t *)one->function; at < one->end; at++)
            if (patch_code_is_start(tracer.code, (uint64_t)(uintptr_t)at - tracer.bias) &&
                (index++ % VARIANTS == variant || variant == VARIANTS))
                add(at, PATCH_STATEMENT | PATCH_BRANCH);
    }
    MUST(arm() == 0);
    for (const struct patch_case *one = patch_cases; one < patch_cases_end; one++)
        MUST(run_all(one) == expected[one - patch_cases]);
    disarm();
    MUST(ask(ASK_STATE, (const void *)1, 0) == 9);
    return 0;
}

START_TEST(every_instruction_can_be_a_site) {
    for (variant = 0; variant <= VARIANTS; variant++)
        run_body(statements_body);
}
END_TEST

static int all_at_once_body(void) {
    uint64_t expected[CASES_MAX];
    for (const struct patch_case *one = patch_cases; one < patch_cases_end; one++) {
        expected[one - patch_cases] = run_all(one);
        for (const uint8_t *at = (const uint8_t *)one->function; at < one->end; at++)
            if (patch_code_is_start(tracer.code, (uint64_t)(uintptr_t)at - tracer.bias) &&
                (*at >> 4 == 7 || at == (const uint8_t *)one->function || *at == 0xc3))
                add(at, *at >> 4 == 7 ? PATCH_BRANCH : *at == 0xc3 ? PATCH_EXIT : PATCH_ENTRY);
    }
    MUST(arm() == 0);
    for (const struct patch_case *one = patch_cases; one < patch_cases_end; one++)
        MUST(run_all(one) == expected[one - patch_cases]);
    return 0;
}

START_TEST(all_functions_at_once) {
    run_body(all_at_once_body);
}
END_TEST

static uint64_t branch_counts(uint64_t (*function)(uint64_t, uint64_t), const uint8_t *branch) {
    uint64_t number = add(branch, PATCH_BRANCH), taken = 0;
    MUST(arm() == 0 && state(branch) == 1);
    memset((void *)shared->counts, 0, sizeof(shared->counts));
    for (size_t a = 0; a < INPUTS; a++)
        for (size_t b = 0; b < 8; b++) {
            function(input(a), input(b));
            taken += input(a) < input(b);
        }
    MUST(shared->counts[number][PATCH_TAKEN] == taken);
    MUST(shared->counts[number][PATCH_NOT_TAKEN] == CALLS - taken);
    disarm();
    return taken;
}

uint64_t patch_branch(uint64_t, uint64_t);

static int branches_body(void) {
    const uint8_t *at = (const uint8_t *)patch_branch;
    while (*at != 0x72) /* jb */
        at++;
    MUST(branch_counts(patch_branch, at) > 0);
    return 0;
}

START_TEST(both_edges_of_a_branch_are_told) {
    run_body(branches_body);
}
END_TEST

/* ---- threads and signals ---- */

static volatile bool threads_may_end;

static void *thread_body(void *argument) {
    const uint64_t *expected = argument;
    do
        for (const struct patch_case *one = patch_cases; one < patch_cases_end; one++)
            MUST(run_all(one) == expected[one - patch_cases]);
    while (!threads_may_end);
    return NULL;
}

static volatile uint64_t alarms, bad_rips;

static void on_alarm(int signo, siginfo_t *info, void *context) {
    const ucontext_t *ucontext = context;
    uint64_t rip = (uint64_t)ucontext->uc_mcontext.gregs[REG_RIP];
    (void)signo, (void)info;
    alarms++;
    if (shared->arena && rip - (shared->arena & ~0xfffffull) < 0x200000 &&
        rip < (uint64_t)(uintptr_t)patch_cases[0].function - 0x1000)
        bad_rips++;
    patch_branch(alarms, 3);
}

static int threads_body(void) {
    static uint64_t expected[CASES_MAX];
    pthread_t threads[4];
    struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct itimerval every = {{0, 500}, {0, 500}}, none = {0};
    uint8_t original[64];
    memcpy(original, (const void *)patch_branch, sizeof(original));
    for (const struct patch_case *one = patch_cases; one < patch_cases_end; one++) {
        const uint8_t *exits[8];
        size_t count = exits_of(one, exits);
        expected[one - patch_cases] = run_all(one);
        add((const void *)one->function, PATCH_ENTRY);
        for (size_t i = 0; i < count; i++)
            add(exits[i], PATCH_EXIT);
    }
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    for (int i = 0; i < 4; i++)
        MUST(!pthread_create(&threads[i], NULL, thread_body, expected));
    for (int i = 0; i < 60; i++) {
        arm();
        usleep(2000);
        disarm();
        MUST(!memcmp(original, (const void *)patch_branch, sizeof(original)));
    }
    threads_may_end = true;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    setitimer(ITIMER_REAL, &none, NULL);
    MUST(alarms > 20 && !bad_rips);
    return 0;
}

START_TEST(threads_and_signals_while_patches_come_and_go) {
    run_body(threads_body);
}
END_TEST

/* ---- faults ---- */

static uint64_t there = 40;

static void on_fault(int signo, siginfo_t *info, void *context) {
    ucontext_t *ucontext = context;
    (void)signo, (void)info;
    shared->counts[SITES - 1][0] = (uint64_t)ucontext->uc_mcontext.gregs[REG_RIP];
    ucontext->uc_mcontext.gregs[REG_RDI] = (greg_t)(uintptr_t)&there;
}

/* Its second instruction faults, at offset 2 of the window. */
uint64_t patch_fault(const uint64_t *, uint64_t);
asm(".text\n.globl patch_fault\n.type patch_fault,@function\npatch_fault:\n.cfi_startproc\n"
    "mov %esi, %eax\nadd (%rdi), %rax\nadd $2, %rax\nret\n.cfi_endproc\n"
    ".size patch_fault, .-patch_fault\n");

static void catch_faults(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
}

static int fault_body(void) {
    catch_faults();
    add((const void *)patch_fault, PATCH_ENTRY);
    MUST(arm() == 0 && state((const void *)patch_fault) == 1);
    MUST(patch_fault(&there, 3) == 45);
    MUST(patch_fault(NULL, 4) == 46); /* the handler returns to the middle of the window */
    MUST(shared->counts[SITES - 1][0] == (uint64_t)(uintptr_t)patch_fault + 2);
    MUST(state((const void *)patch_fault) == 2);
    MUST(patch_fault(NULL, 5) == 47);
    MUST(arm() == 0 && patch_fault(NULL, 6) == 48);
    return 0;
}

START_TEST(a_handler_returns_to_what_faulted) {
    run_body(fault_body);
}
END_TEST

/* A handler that is to return into the middle of what would be a window. */
static void arming_fault(int signo, siginfo_t *info, void *context) {
    on_fault(signo, info, context);
    shared->counts[SITES - 1][1] = arm();
}

static int suspended_body(void) {
    struct sigaction action = {.sa_sigaction = arming_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    uint64_t number = add((const void *)patch_fault, PATCH_ENTRY);
    MUST(patch_fault(NULL, 4) == 46);
    MUST(shared->counts[SITES - 1][1] == 1); /* it waits */
    MUST(patch_fault(&there, 4) == 46 && shared->counts[number][0] == 0);
    MUST(arm() == 0);
    MUST(patch_fault(&there, 4) == 46 && shared->counts[number][0] == 1);
    return 0;
}

START_TEST(a_suspended_handler_keeps_its_window) {
    run_body(suspended_body);
}
END_TEST

/* ---- the life of address spaces ---- */

static int children_body(void) {
    uint64_t expected = run_all(&patch_cases[0]);
    uint64_t number = add((const void *)patch_cases[0].function, PATCH_ENTRY);
    MUST(arm() == 0);
    MUST(run_all(&patch_cases[0]) == expected && shared->counts[number][0] == CALLS);
    pid_t child = fork();
    if (!child) {
        struct itimerval every = {{0, 1000}, {0, 1000}};
        struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_RESTART};
        sigaction(SIGALRM, &action, NULL);
        setitimer(ITIMER_REAL, &every, NULL);
        for (int i = 0; i < 50 || !alarms; i++)
            MUST(run_all(&patch_cases[0]) == expected);
        _exit(0);
    }
    int status;
    MUST(waitpid(child, &status, 0) == child && status == 0);
    MUST(shared->counts[number][0] >= 51 * CALLS);
    return 0;
}

START_TEST(children_are_patched_too) {
    run_body(children_body);
}
END_TEST

static int recover_body(void) {
    uint8_t original[4096];
    const uint8_t *start = (const uint8_t *)patch_cases[0].function;
    const struct patch_case *volatile last = patch_cases_end;
    size_t size = (size_t)((last - 1)->end - start);
    MUST(size < sizeof(original));
    memcpy(original, start, size);
    for (const struct patch_case *one = patch_cases; one < patch_cases_end; one++) {
        const uint8_t *exits[8];
        size_t count = exits_of(one, exits);
        add((const void *)one->function, PATCH_ENTRY);
        for (size_t i = 0; i < count; i++)
            add(exits[i], PATCH_EXIT);
    }
    MUST(arm() == 0);
    MUST(memcmp(original, start, size));
    MUST(ask(ASK_RECOVER, NULL, 0) > 20);
    MUST(!memcmp(original, start, size));
    MUST(ask(ASK_RECOVER, NULL, 0) == 0);
    return 0;
}

START_TEST(what_a_dead_tracer_left_is_taken_back) {
    run_body(recover_body);
}
END_TEST

static int changed_body(void) {
    uint8_t *start = (uint8_t *)(uintptr_t)patch_cases[0].function;
    uintptr_t page = (uintptr_t)start & ~4095ul;
    MUST(!mprotect((void *)page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC));
    add(start, PATCH_ENTRY);
    add((const void *)patch_branch, PATCH_ENTRY);
    uint8_t first = start[0];
    start[0] = 0x90;
    MUST(arm() == 0);
    MUST(state(start) == 0 && state((const void *)patch_branch) == 1);
    start[0] = first;
    uint8_t *branch = (uint8_t *)(uintptr_t)patch_branch;
    first = branch[0];
    branch[0] = 0xc3; /* the program patches what is patched */
    MUST(ask(ASK_DISARM, NULL, 0) == 1);
    MUST(branch[0] == 0xc3);
    return first == 0;
}

START_TEST(code_that_the_program_changed_is_left) {
    run_body(changed_body);
}
END_TEST

/* ---- what is refused ---- */

static const char *obstacle_of(const uint8_t *address) {
    struct patch_plan plan = {.code = tracer.code};
    struct patch_wish wish = {.vaddr = (uint64_t)(uintptr_t)address - tracer.bias};
    CHECK_OK(patch_plan_add(&plan, &wish, 1));
    patch_plan_deinit(&plan);
    return wish.obstacle;
}

uint64_t patch_syscall(void);
uint64_t patch_opaque(uint64_t, uint64_t);
extern const uint8_t patch_opaque_end[];
asm(".text\n.globl patch_syscall, patch_opaque, patch_opaque_end\n.type patch_syscall,@function\n.type "
    "patch_opaque,@function\n"
    "patch_syscall:\n.cfi_startproc\nsyscall\nnop\nnop\nnop\nret\n.cfi_endproc\n.size patch_syscall, "
    ".-patch_syscall\n"
    /* it computes where it goes on, by a label of its own: no table tells */
    "patch_opaque:\n.cfi_startproc\nand $1, %edi\nlea 1f(%rip), %rax\nlea (%rax,%rdi,4), %rax\njmp *%rax\n"
    "1: mov %rsi, %rax\nret\nlea 1(%rsi), %rax\nret\n.cfi_endproc\n.size patch_opaque, "
    ".-patch_opaque\npatch_opaque_end:\n");

START_TEST(what_may_be_entered_is_refused) {
    memset(&tracer, 0, sizeof(tracer));
    open_self();
    ck_assert_ptr_nonnull(obstacle_of((const uint8_t *)patch_syscall));
    ck_assert_ptr_nonnull(obstacle_of((const uint8_t *)patch_cases));      /* data */
    ck_assert_ptr_nonnull(obstacle_of((const uint8_t *)patch_branch + 1)); /* the middle of an instruction */
    uint64_t opaque = (uint64_t)(uintptr_t)patch_opaque - tracer.bias;
    for (uint64_t at = opaque; at < (uint64_t)(uintptr_t)patch_opaque_end - tracer.bias; at++)
        ck_assert_int_eq(patch_code_is_target(tracer.code, at), patch_code_is_start(tracer.code, at));
    ck_assert_ptr_null(obstacle_of((const uint8_t *)patch_branch));
    close_self();
}
END_TEST

uint64_t patch_carry(uint64_t), patch_carry_user(uint64_t);
asm(".text\n.globl patch_carry, patch_carry_user\n.type patch_carry,@function\n.type "
    "patch_carry_user,@function\n"
    "patch_carry:\n.cfi_startproc\ncmp $5, %rdi\nret\n.cfi_endproc\n.size patch_carry, .-patch_carry\n"
    "patch_carry_user:\n.cfi_startproc\nxor %eax, %eax\ncall patch_carry\nadc $0, %eax\nret\n.cfi_endproc\n"
    ".size patch_carry_user, .-patch_carry_user\n");

static bool returns_flags(const void *function) {
    return patch_code_function(tracer.code, (uint64_t)(uintptr_t)function - tracer.bias)->returns_flags;
}

START_TEST(who_answers_by_flags_is_known) {
    memset(&tracer, 0, sizeof(tracer));
    open_self();
    ck_assert(returns_flags((const void *)patch_carry));
    ck_assert(!returns_flags((const void *)patch_carry_user));
    ck_assert(!returns_flags((const void *)patch_branch));
    close_self();
}
END_TEST

#define ADD(name)                                                                                            \
    do {                                                                                                     \
        TCase *tcase = tcase_create(#name);                                                                  \
        tcase_set_timeout(tcase, 120);                                                                       \
        tcase_add_test(tcase, name);                                                                         \
        suite_add_tcase(suite, tcase);                                                                       \
    } while (0)

int main(void) {
    Suite *suite = suite_create("patch");
    ADD(functions_give_the_same_and_are_counted);
    ADD(every_instruction_can_be_a_site);
    ADD(all_functions_at_once);
    ADD(both_edges_of_a_branch_are_told);
    ADD(threads_and_signals_while_patches_come_and_go);
    ADD(a_handler_returns_to_what_faulted);
    ADD(a_suspended_handler_keeps_its_window);
    ADD(children_are_patched_too);
    ADD(what_a_dead_tracer_left_is_taken_back);
    ADD(code_that_the_program_changed_is_left);
    ADD(what_may_be_entered_is_refused);
    ADD(who_answers_by_flags_is_known);
    return scratch_run(suite);
}
