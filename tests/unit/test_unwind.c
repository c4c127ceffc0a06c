/* dwarf/unwind: this program's own stack, unwound step by step, is what the compiler and backtrace(3) say it
 * is. */
#include "dwarf/cfi.h"
#include "dwarf/unwind.h"
#include "scratch.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <ucontext.h>

#define MODULES_MAX 16
#define FRAMES_MAX  128

/* ---- the modules of this process ---- */

struct module {
    char path[256];
    uint64_t bias, low, high;
    void *data;
    size_t size;
    struct elf_image image;
    struct unwind_table *table;
};

static struct module modules[MODULES_MAX];
static size_t module_count;

static int add_module(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size, (void)context;
    struct module module = {.bias = info->dlpi_addr, .low = UINT64_MAX};
    snprintf(module.path, sizeof(module.path), "%s", *info->dlpi_name ? info->dlpi_name : "/proc/self/exe");
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uint64_t low = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type != PT_LOAD)
            continue;
        module.low = low < module.low ? low : module.low;
        module.high = low + segment->p_memsz > module.high ? low + segment->p_memsz : module.high;
    }
    if (module_count < MODULES_MAX)
        modules[module_count++] = module;
    return 0;
}

static bool map_file(const char *path, void **ret, size_t *ret_size) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info)) /* the vdso is no file */
        return false;
    *ret_size = (size_t)info.st_size;
    *ret = mmap(NULL, *ret_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return *ret != MAP_FAILED;
}

static void open_modules(void) {
    module_count = 0;
    dl_iterate_phdr(add_module, NULL);
    for (size_t i = 0; i < module_count; i++) {
        struct module *module = &modules[i];
        if (!map_file(module->path, &module->data, &module->size))
            continue;
        CHECK_OK(elf_image_init(&module->image, module->data, module->size, module->path));
        CHECK_OK(unwind_table_create(&module->image, NULL, &module->table));
    }
}

static void close_modules(void) {
    for (size_t i = 0; i < module_count; i++) {
        if (!modules[i].table)
            continue;
        unwind_table_destroy(modules[i].table);
        elf_image_deinit(&modules[i].image);
        munmap(modules[i].data, modules[i].size);
    }
}

static const struct module *module_at(uint64_t address) {
    for (size_t i = 0; i < module_count; i++)
        if (address >= modules[i].low && address < modules[i].high && modules[i].table)
            return &modules[i];
    return NULL;
}

static const struct module *module_named(const char *part) {
    for (size_t i = 0; i < module_count; i++)
        if (strstr(modules[i].path, part))
            return &modules[i];
    ck_abort_msg("no module %s", part);
}

/* ---- walking ---- */

/* Own memory through the kernel, so that a wrong address is an answer and no crash. */
static size_t read_own(void *context, uint64_t address, void *ret, size_t size) {
    (void)context;
    struct iovec to = {ret, size}, from = {(void *)address, size};
    ssize_t count = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
    return count > 0 ? (size_t)count : 0;
}

static const struct memory_reader own_memory = {.read = read_own};

struct walk {
    struct frame_registers frames[FRAMES_MAX];
    uint64_t cfa[FRAMES_MAX]; /* of frames[i]; of the last frame none */
    bool is_signal[FRAMES_MAX];
    size_t count;
};

/* From frames[0] to the outermost frame. */
static void walk_on(struct walk *walk) {
    uint64_t pc;
    for (walk->count = 1; walk->count < FRAMES_MAX; walk->count++) {
        struct frame_registers *frame = &walk->frames[walk->count - 1];
        if (!frame_pc(frame, &pc)) {
            walk->count--; /* that was none */
            return;
        }
        const struct module *module = module_at(pc);
        ck_assert_msg(module != NULL, "frame %zu: no module at 0x%llx", walk->count - 1,
                      (unsigned long long)pc);
        struct error *err =
            unwind_step(module->table, module->bias, frame, &own_memory, &walk->cfa[walk->count - 1],
                        &frame[1], &walk->is_signal[walk->count - 1]);
        ck_assert_msg(!err, "frame %zu, %s+0x%llx: %s", walk->count - 1, module->path,
                      (unsigned long long)(pc - module->bias), err ? err->message : "");
    }
    ck_abort_msg("no end of the stack");
}

static void frame_from_context(const ucontext_t *context, struct frame_registers *ret) {
    static const int order[FRAME_REGISTERS] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                               REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                               REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    *ret = (struct frame_registers){.known = 0};
    for (unsigned i = 0; i < FRAME_REGISTERS; i++)
        frame_set_register(ret, i, (uint64_t)context->uc_mcontext.gregs[order[i]]);
}

/* Walk from here; of the place in this function where getcontext() was called. Also what backtrace(3) says,
 * from our caller on. The walk and the numbers must agree: that is the test. */
static __attribute__((noinline)) void compare_with_backtrace(struct walk *walk) {
    ucontext_t context;
    void *addresses[FRAMES_MAX];
    ck_assert_int_eq(getcontext(&context), 0);
    int count = backtrace(addresses, FRAMES_MAX);
    frame_from_context(&context, &walk->frames[0]);
    walk_on(walk);
    ck_assert_uint_eq(walk->cfa[0], (uint64_t)__builtin_frame_address(0) + 16);
    ck_assert_ptr_eq((void *)walk->frames[1].value[FRAME_RIP], __builtin_return_address(0));
    int skip = 0; /* a sanitizer puts a frame of its own before this function's */
    while (skip < count && addresses[skip] != __builtin_return_address(0))
        skip++;
    ck_assert_int_eq((int)walk->count - 1, count - skip);
    for (int i = 1; i < (int)walk->count; i++)
        ck_assert_msg((void *)walk->frames[i].value[FRAME_RIP] == addresses[skip + i - 1],
                      "frame %d: 0x%llx, not %p", i, (unsigned long long)walk->frames[i].value[FRAME_RIP],
                      addresses[skip + i - 1]);
}

static size_t count_signal_frames(const struct walk *walk) {
    size_t count = 0;
    for (size_t i = 0; i < walk->count; i++)
        count += walk->is_signal[i];
    return count;
}

/* ---- chains of calls: with and without optimisation, of frames of many kinds ---- */

#ifdef __clang__ /* has no such options for one function, and other names: its frames have a frame pointer   \
                    here */
#define OPTIMIZE(level)
#define FRAME_CFA() ((uint64_t)__builtin_frame_address(0) + 16)
#else
#define OPTIMIZE(level) , optimize(level)
#define FRAME_CFA()     ((uint64_t)__builtin_dwarf_cfa())
#endif

/* What a function of a chain knows about itself. */
struct link {
    uint64_t cfa, return_address, marker;
};

static struct link links[32];
static size_t link_count;
static struct walk last_walk;

/* The CFA is where the return address lies, and one word on. */
#define NOTE_LINK(number)                                                                                    \
    (links[link_count++] = (struct link){FRAME_CFA(), (uint64_t)__builtin_return_address(0), (number)})

#define CHAIN(name, optimisation)                                                                            \
    static __attribute__((noinline OPTIMIZE(optimisation))) int name(int depth, int *sum);                   \
    static __attribute__((noinline OPTIMIZE(optimisation))) int name##_arguments(                            \
        int depth, int a, int b, int c, int d, int e, int f, int g, int *sum) {                              \
        NOTE_LINK(3);                                                                                        \
        int result = name(depth - 1, sum) + a + b + c + d + e + f + g;                                       \
        return result ^ *sum;                                                                                \
    }                                                                                                        \
    static __attribute__((noinline OPTIMIZE(optimisation))) int name##_alloca(int depth, int *sum) {         \
        volatile char *room = __builtin_alloca((size_t)depth * 40);                                          \
        room[0] = (char)depth;                                                                               \
        NOTE_LINK(2);                                                                                        \
        int result = name##_arguments(depth - 1, depth, 2, 3, 4, 5, 6, 7, sum);                              \
        return result + room[0];                                                                             \
    }                                                                                                        \
    static __attribute__((noinline OPTIMIZE(optimisation))) int name(int depth, int *sum) {                  \
        NOTE_LINK(1);                                                                                        \
        *sum += depth;                                                                                       \
        if (depth <= 0)                                                                                      \
            compare_with_backtrace(&last_walk);                                                              \
        int result = depth > 0 ? name##_alloca(depth - 1, sum) : 0;                                          \
        return result + *sum;                                                                                \
    }

CHAIN(chain_plain, "O0")
CHAIN(chain_fast, "O2")
CHAIN(chain_size, "Os")

/* The frames of the walk that lie above the comparing one are the links, backwards. */
static void check_links(void) {
    ck_assert_uint_ge(link_count, 7);
    for (size_t i = 0; i < link_count; i++) {
        const struct link *link = &links[link_count - 1 - i];
        ck_assert_msg(last_walk.cfa[1 + i] == link->cfa, "link %zu of kind %d: CFA 0x%llx, not 0x%llx", i,
                      (int)link->marker, (unsigned long long)last_walk.cfa[1 + i],
                      (unsigned long long)link->cfa);
        ck_assert_uint_eq(last_walk.frames[2 + i].value[FRAME_RIP], link->return_address);
        ck_assert_uint_eq(last_walk.frames[2 + i].value[FRAME_RSP], link->cfa);
    }
}

START_TEST(chains_of_calls) {
    static int (*const chains[])(int, int *) = {chain_plain, chain_fast, chain_size};
    int sum = 0;
    link_count = 0;
    open_modules();
    chains[_i](6, &sum);
    check_links();
    ck_assert_uint_eq(count_signal_frames(&last_walk), 0);
    close_modules();
}
END_TEST

/* Callee-saved registers that were changed in between come back. The callee changes them all. */
static __attribute__((noinline)) void spoil_registers(void) {
    __asm__ volatile("mov $1, %%ebx; mov $2, %%r12d; mov $3, %%r13d; mov $4, %%r14d; mov $5, %%r15d" ::
                         : "rbx", "r12", "r13", "r14", "r15");
    compare_with_backtrace(&last_walk);
    __asm__ volatile("" ::: "rbx", "r12", "r13", "r14", "r15");
}

START_TEST(saved_registers_come_back) {
    open_modules();
    register uint64_t b __asm__("rbx") = 0x1111111111111111, c __asm__("r12") = 0x2222222222222222,
                        d __asm__("r13") = 0x3333333333333333;
    __asm__ volatile("" : "+r"(b), "+r"(c), "+r"(d));
    spoil_registers();
    __asm__ volatile("" : "+r"(b), "+r"(c), "+r"(d));
    const struct frame_registers *here = &last_walk.frames[2];
    ck_assert_uint_eq(here->value[3], 0x1111111111111111);
    ck_assert_uint_eq(here->value[12], 0x2222222222222222);
    ck_assert_uint_eq(here->value[13], 0x3333333333333333);
    ck_assert_uint_eq(here->known & (1 << 3 | 1 << 12 | 1 << 13), 1 << 3 | 1 << 12 | 1 << 13);
    /* What belongs to the callee is not known to have any value in the caller. */
    ck_assert_uint_eq(here->known & (1 << 0 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5), 0);
    ck_assert(here->is_return_address);
    ck_assert_uint_eq(last_walk.frames[1].value[3], 1);
    close_modules();
}
END_TEST

/* ---- through libc and through signals ---- */

static bool compared;

static int compare_once(const void *a, const void *b) {
    if (!compared)
        compare_with_backtrace(&last_walk);
    compared = true;
    return *(const int *)a - *(const int *)b;
}

START_TEST(through_qsort) {
    int numbers[40];
    for (int i = 0; i < 40; i++)
        numbers[i] = i * 7 % 40;
    compared = false;
    open_modules();
    qsort(numbers, 40, sizeof(numbers[0]), compare_once);
    ck_assert(compared);
    /* The frame above is not ours. */
    ck_assert_ptr_ne(module_at(last_walk.frames[2].value[FRAME_RIP]), module_named("/proc/self/exe"));
    close_modules();
}
END_TEST

static ucontext_t interrupted;

static void on_signal(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)info;
    interrupted = *(const ucontext_t *)context;
    compare_with_backtrace(&last_walk);
}

static void handle_signals(int flags) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | flags};
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
}

/* The frame that the signal interrupted is known to the last register. */
static void check_interrupted(void) {
    struct frame_registers expected;
    size_t signal_frame = 0;
    frame_from_context(&interrupted, &expected);
    ck_assert_uint_eq(count_signal_frames(&last_walk), 1);
    while (!last_walk.is_signal[signal_frame])
        signal_frame++;
    const struct frame_registers *found = &last_walk.frames[signal_frame + 1];
    ck_assert_uint_eq(found->known, (1u << FRAME_REGISTERS) - 1);
    ck_assert(!found->is_return_address);
    for (unsigned i = 0; i < FRAME_REGISTERS; i++)
        ck_assert_uint_eq(found->value[i], expected.value[i]);
}

START_TEST(through_a_signal_from_libc) {
    open_modules();
    handle_signals(0);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    check_interrupted();
    close_modules();
}
END_TEST

START_TEST(through_a_signal_on_another_stack) {
    static char room[1 << 17];
    stack_t stack = {.ss_sp = room, .ss_size = sizeof(room)};
    open_modules();
    ck_assert_int_eq(sigaltstack(&stack, NULL), 0);
    handle_signals(SA_ONSTACK);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    check_interrupted();
    close_modules();
}
END_TEST

/* ---- each instruction: the trap flag makes this process step through itself ---- */

static size_t step_count, step_failures;
static uint64_t step_low, step_high, step_cfa, step_return;

/* At each instruction of the stepped functions: the frame's address and where it returns to are the same. */
static void on_step(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)info;
    struct frame_registers frame, caller;
    uint64_t cfa = 0;
    bool is_signal;
    frame_from_context(context, &frame);
    uint64_t pc = frame.value[FRAME_RIP];
    if (pc < step_low || pc >= step_high)
        return;
    const struct module *module = module_at(pc);
    struct error *err =
        unwind_step(module->table, module->bias, &frame, &own_memory, &cfa, &caller, &is_signal);
    step_count++;
    step_failures += err || cfa != step_cfa || caller.value[FRAME_RIP] != step_return || is_signal;
    error_free(err);
}

static __attribute__((noinline)) int callee(volatile int *n) {
    return *n;
}

__attribute__((noinline OPTIMIZE("O2"))) static int stepped(volatile int *n) {
    int a = callee(n), b = callee(n), c = callee(n), d = callee(n);
    if (a > 100)
        return a;
    volatile char room[64];
    room[a & 63] = (char)b;
    for (int i = 0; i < 3; i++)
        d += room[a & 63] * callee(n) + c;
    return a + b * c - d;
}

static __attribute__((noinline)) int step_through(volatile int *n) {
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
    int result = stepped(n);
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
    return result;
}

/* The frame of stepped() begins at the address where the call puts it: the first instruction tells. */
static void on_first_step(int signo, siginfo_t *info, void *context) {
    const ucontext_t *at = context;
    uint64_t pc = (uint64_t)at->uc_mcontext.gregs[REG_RIP], sp = (uint64_t)at->uc_mcontext.gregs[REG_RSP];
    if (pc == step_low && !step_cfa) {
        step_cfa = sp + 8;
        memcpy(&step_return, (const void *)sp, sizeof(step_return));
    }
    if (step_cfa)
        on_step(signo, info, context);
}

START_TEST(at_each_instruction) {
    struct sigaction action = {.sa_sigaction = on_first_step, .sa_flags = SA_SIGINFO};
    volatile int n = 5;
    int (*function)(volatile int *) = stepped;
    uint64_t address;
    open_modules();
    memcpy(&address, &function, sizeof(address));
    const struct module *module = module_at(address);
    ck_assert(unwind_function_range(module->table, address - module->bias, &step_low, &step_high));
    ck_assert_uint_eq(step_low + module->bias, address);
    step_low += module->bias;
    step_high += module->bias;
    ck_assert_int_eq(sigaction(SIGTRAP, &action, NULL), 0);
    step_through(&n);
    ck_assert_uint_gt(step_count, 30);
    ck_assert_uint_eq(step_failures, 0);
    close_modules();
}
END_TEST

/* At each instruction, also of libc and the dynamic linker: the walk leads back to the function where it
 * began. The handler must not allocate, as it may have interrupted malloc(); a walk that succeeds does not.
 */
static uint64_t way_cfa;
static size_t way_steps, way_lost, way_modules;
static uint64_t way_lost_at;
static uint64_t way_low, way_high; /* the function itself, whose pushfq the compiler knows nothing of */

static bool leads_back(struct frame_registers *frame) {
    for (size_t i = 0; i < FRAMES_MAX; i++) {
        struct frame_registers caller;
        uint64_t pc, cfa;
        bool is_signal;
        const struct module *module = frame_pc(frame, &pc) ? module_at(pc) : NULL;
        if (!module)
            return false;
        struct error *err =
            unwind_step(module->table, module->bias, frame, &own_memory, &cfa, &caller, &is_signal);
        error_free(err);
        if (err || cfa == way_cfa)
            return !err;
        *frame = caller;
    }
    return false;
}

static void on_way(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)info;
    struct frame_registers frame;
    frame_from_context(context, &frame);
    uint64_t pc = frame.value[FRAME_RIP];
    const struct module *module = module_at(pc);
    if (module && !way_high) /* the first step is there */
        unwind_function_range(module->table, pc - module->bias, &way_low, &way_high);
    if (!module || (pc - module->bias >= way_low && pc - module->bias < way_high && module == &modules[0]))
        return;
    way_steps++;
    way_modules |= (size_t)1 << (module - modules);
    if (leads_back(&frame))
        return;
    way_lost++;
    way_lost_at = pc;
}

static int compare_numbers(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

static __attribute__((noinline)) void walk_the_way(char *text, size_t size) {
    int numbers[12] = {5, 3, 9, 1, 12, 4, 0, 8, 2, 7, 11, 6};
    way_cfa = FRAME_CFA();
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
    qsort(numbers, 12, sizeof(numbers[0]), compare_numbers);
    snprintf(text, size, "%s %d %.3f", "text", numbers[3], 2.5);
    double number = strtod("12.25", NULL);
    free(strdup(text));
    void *symbol = dlsym(RTLD_DEFAULT, "qsort"); /* through the linker, when this is bound late, twice */
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
    ck_assert_double_eq(number, 12.25);
    ck_assert_ptr_nonnull(symbol);
}

START_TEST(at_each_instruction_of_libraries) {
    struct sigaction action = {.sa_sigaction = on_way, .sa_flags = SA_SIGINFO};
    char text[64];
    open_modules();
    compare_with_backtrace(&last_walk); /* what is made when it is first needed is there now */
    ck_assert_int_eq(sigaction(SIGTRAP, &action, NULL), 0);
    walk_the_way(text, sizeof(text));
    ck_assert_str_eq(text, "text 3 2.500");
    ck_assert_uint_gt(way_steps, 2000);
    const struct module *lost = way_lost ? module_at(way_lost_at) : NULL;
    ck_assert_msg(!way_lost, "%zu of %zu steps are lost, the last at %s+0x%llx", way_lost, way_steps,
                  lost ? lost->path : "", (unsigned long long)(way_lost_at - (lost ? lost->bias : 0)));
    ck_assert_int_ge(__builtin_popcountll(way_modules), 2); /* this program and libc */
    close_modules();
}
END_TEST

/* ---- ends and failures ---- */

START_TEST(the_outermost_frame_has_no_caller) {
    open_modules();
    compare_with_backtrace(&last_walk);
    const struct module *self = module_named("/proc/self/exe");
    ck_assert_ptr_eq(module_at(last_walk.frames[last_walk.count - 1].value[FRAME_RIP]), self); /* _start */
    close_modules();
}
END_TEST

START_TEST(what_cannot_be_unwound_says_so) {
    struct frame_registers frame = {.known = 0}, caller;
    struct cfi_row row;
    uint64_t cfa, low, high;
    bool is_signal;
    open_modules();
    const struct module *libc = module_named("libc.so");
    CHECK_FAILS(unwind_step(libc->table, libc->bias, &frame, &own_memory, &cfa, &caller, &is_signal),
                ERROR_NOT_FOUND, "not known");
    frame_set_register(&frame, FRAME_RIP, libc->bias + 1);
    CHECK_FAILS(unwind_step(libc->table, libc->bias, &frame, &own_memory, &cfa, &caller, &is_signal),
                ERROR_NOT_FOUND, "no call frame information");
    CHECK_FAILS(unwind_row(libc->table, UINT64_MAX, &row), ERROR_NOT_FOUND, "no call frame information");
    ck_assert(!unwind_function_range(libc->table, 0, &low, &high));
    struct unwind_range *ranges;
    size_t count;
    CHECK_OK(unwind_ranges(libc->table, &ranges, &count));
    frame_set_register(&frame, FRAME_RIP, libc->bias + ranges[count / 2].low);
    free(ranges);
    CHECK_FAILS(unwind_step(libc->table, libc->bias, &frame, &own_memory, &cfa, &caller, &is_signal),
                ERROR_BAD_DATA, "register 7");
    frame_set_register(&frame, FRAME_RSP, 8);
    CHECK_FAILS(unwind_step(libc->table, libc->bias, &frame, &own_memory, &cfa, &caller, &is_signal),
                ERROR_BAD_DATA, "cannot be read");
    close_modules();
}
END_TEST

START_TEST(ranges_are_those_of_the_lookups) {
    struct unwind_range *ranges;
    size_t count;
    uint64_t low, high;
    open_modules();
    const struct module *self = module_named("/proc/self/exe"), *libc = module_named("libc.so");
    const struct module *both[] = {self, libc};
    for (size_t m = 0; m < 2; m++) {
        CHECK_OK(unwind_ranges(both[m]->table, &ranges, &count));
        ck_assert_uint_gt(count, 20);
        for (size_t i = 0; i < count; i++) {
            ck_assert(i == 0 || ranges[i - 1].low < ranges[i].low);
            ck_assert(unwind_function_range(both[m]->table, ranges[i].high - 1, &low, &high));
            ck_assert_uint_eq(low, ranges[i].low);
            ck_assert_uint_eq(high, ranges[i].high);
            ck_assert(!unwind_function_range(both[m]->table, ranges[i].high, &low, &high) ||
                      low == ranges[i].high);
        }
        free(ranges);
    }
    close_modules();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("unwind");
    TCase *own = tcase_create("own stack");
    tcase_add_loop_test(own, chains_of_calls, 0, 3);
    tcase_add_test(own, saved_registers_come_back);
    tcase_add_test(own, through_qsort);
    tcase_add_test(own, through_a_signal_from_libc);
    tcase_add_test(own, through_a_signal_on_another_stack);
    tcase_add_test(own, at_each_instruction);
    tcase_add_test(own, at_each_instruction_of_libraries);
    tcase_add_test(own, the_outermost_frame_has_no_caller);
    suite_add_tcase(suite, own);
    TCase *tables = tcase_create("tables");
    tcase_add_test(tables, what_cannot_be_unwound_says_so);
    tcase_add_test(tables, ranges_are_those_of_the_lookups);
    suite_add_tcase(suite, tables);
    return scratch_run(suite);
}
