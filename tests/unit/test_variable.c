/* dwarf/variable, dwarf/evaluation: the variables of a stopped program are what the program itself says they
 * are. */
#include "compiled.h"

#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* It stops where its own numbers are known to us: in `stop`, and in callers of that. */
static const char victim_c[] =
    "#include <stdint.h>\n"
    "int global = 11;\n"
    "static volatile int hidden_global = 12;\n"
    "__thread int per_thread = 13;\n"
    "#ifdef __clang__\n"
    "#define OPAQUE __attribute__((noinline))\n"
    "#else\n"
    "#define OPAQUE __attribute__((noipa))\n" /* callers must not know which registers it leaves alone */
    "#endif\n"
    "OPAQUE void stop(int reason) {\n"
    "    static int stops = 5;\n"
    "    stops += reason;\n"
    "    __asm__ volatile(\"int3\" : : : \"memory\");\n"
    "}\n"
    "OPAQUE int gone(int kept, int lost) {\n" /* lost is only in its entry value */
    "    stop(kept);\n"
    "    return kept;\n"
    "}\n"
    "static inline __attribute__((always_inline)) int twice(int value) {\n"
    "    int doubled = value * 2;\n"
    "    stop(doubled);\n"
    "    return doubled + value;\n"
    "}\n"
    "OPAQUE int scopes(int a) {\n"
    "    int b = a + 1;\n"
    "    {\n"
    "        int b = a + 2;\n"
    "        const int fixed = 77;\n"
    "        stop(b);\n"
    "        a += b + fixed;\n"
    "    }\n"
    "    return a + b;\n"
    "}\n"
    "int main(int argc, char **argv) {\n"
    "    (void)argv;\n"
    "    per_thread += argc;\n"
    "    return gone(argc + 20, argc + 30) + scopes(argc + 40) + twice(argc + 50) + hidden_global + global;\n"
    "}\n";

/* ---- a process ---- */

struct process {
    pid_t pid;
    uint64_t bias;
    struct module *module;
    struct memory_reader memory;
};

static size_t read_process(void *context, uint64_t address, void *ret, size_t size) {
    const struct process *process = context;
    struct iovec local = {ret, size}, remote = {(void *)(uintptr_t)address, size};
    ssize_t count = process_vm_readv(process->pid, &local, 1, &remote, 1, 0);
    return count < 0 ? 0 : (size_t)count;
}

static struct module *module_at(void *context, uint64_t address, uint64_t *ret_bias) {
    struct process *process = context;
    *ret_bias = process->bias;
    return module_is_code(process->module, address - process->bias) ? process->module : NULL;
}

/* The first mapping of the program; 0 as its bias when it is not relocatable. */
static uint64_t find_bias(const struct process *process) {
    char path[64], line[512];
    unsigned long long low = 0;
    bool found = false;
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)process->pid);
    FILE *maps = fopen(path, "r");
    ck_assert_ptr_nonnull(maps);
    while (!found && fgets(line, sizeof(line), maps))
        found = strstr(line, "/victim") && sscanf(line, "%llx", &low) == 1;
    ck_assert(found);
    fclose(maps);
    return module_image(process->module)->type == 3 ? low : 0;
}

static void process_start(struct process *process, const char *path) {
    process->pid = fork();
    if (process->pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execl(path, "victim", (char *)NULL);
        _exit(127);
    }
    int status;
    ck_assert_int_eq(waitpid(process->pid, &status, 0), process->pid);
    ck_assert(WIFSTOPPED(status));
    process->bias = find_bias(process);
    process->memory = (struct memory_reader){read_process, process};
}

static void process_continue(struct process *process) {
    int status;
    ck_assert_int_eq(ptrace(PTRACE_CONT, process->pid, NULL, NULL), 0);
    ck_assert_int_eq(waitpid(process->pid, &status, 0), process->pid);
    ck_assert_msg(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "status %x", (unsigned)status);
}

/* ---- frames ---- */

struct frame {
    struct frame_registers registers;
    const struct function *function;
    struct evaluation evaluation;
};

static void frame_prepare(struct process *process, struct frame *frame) {
    static struct evaluation_callbacks callbacks = {.module_at = module_at};
    uint64_t pc;
    callbacks.context = process;
    ck_assert(frame_pc(&frame->registers, &pc));
    CHECK_OK(module_function_at(process->module, pc - process->bias, &frame->function));
    CHECK_OK(evaluation_init(&frame->evaluation, process->module, frame->function, process->bias,
                             &frame->registers, &process->memory, &callbacks));
}

static void frame_innermost(struct process *process, struct frame *frame) {
    struct user_regs_struct regs;
    ck_assert_int_eq(ptrace(PTRACE_GETREGS, process->pid, NULL, &regs), 0);
    frame_from_user_regs(&regs, &frame->registers);
    frame_prepare(process, frame);
    ck_assert_str_eq(frame->function->name, "stop");
}

static void frame_caller(struct process *process, struct frame *callee, struct frame *frame) {
    evaluation_unwind(&callee->evaluation);
    ck_assert(callee->evaluation.has_caller);
    frame->registers = callee->evaluation.caller;
    frame_prepare(process, frame);
}

enum { OPTIMIZED_OUT = -1000, NOT_THERE = -1001, UNREADABLE = -1002 };

/* The value of the innermost visible variable of the name. */
static int value_of(struct process *process, struct frame *frame, const char *name) {
    struct variables variables;
    const struct variable *found = NULL;
    CHECK_OK(function_variables(process->module, frame->function, &variables));
    for (size_t i = 0; i < variables.count; i++) {
        const struct variable *variable = &variables.variables[i];
        if (!strcmp(variable->name, name) && variable_in_scope(variable, frame->evaluation.vaddr) &&
            (!found || variable->depth >= found->depth))
            found = variable;
    }
    if (!found)
        return NOT_THERE;
    struct location location;
    int value = 0;
    ck_assert_ptr_nonnull(found->type.file);
    CHECK_OK(variable_locate(&frame->evaluation, found, &location));
    enum location_state state = location_read(&location, &frame->evaluation.context, 32, &value);
    location_deinit(&location);
    return state == LOCATION_OK ? value : state == LOCATION_OPTIMIZED_OUT ? OPTIMIZED_OUT : UNREADABLE;
}

/* Never a wrong value. clang says that a parameter is still in its register while a call is being made, which
 * no caller's frame can know. */
static bool is_or_gone(int value, int wanted, const struct way *way) {
    return value == wanted || (optimized(way) && value == OPTIMIZED_OUT) ||
           (optimized(way) && !strcmp(way->c, "clang") && value == UNREADABLE);
}

#define CHECK_VALUE(process, frame, name, wanted, way)                                                       \
    do {                                                                                                     \
        int value_ = value_of(process, frame, name);                                                         \
        ck_assert_msg(is_or_gone(value_, wanted, way), "%s %s: %s is %d", (way)->c, (way)->flags, name,      \
                      value_);                                                                               \
    } while (0)

static void check_globals(struct process *process) {
    static const struct {
        const char *name;
        int value;
    } rows[] = {{"global", 11}, {"hidden_global", 12}};
    for (size_t i = 0; i < 2; i++) {
        const struct variable *variable;
        struct frame frame;
        struct location location;
        int value = 0;
        frame_innermost(process, &frame);
        CHECK_OK(module_global(process->module, rows[i].name, &variable));
        CHECK_OK(variable_locate(&frame.evaluation, variable, &location));
        ck_assert_int_eq(location_read(&location, &frame.evaluation.context, 32, &value), LOCATION_OK);
        ck_assert_int_eq(value, rows[i].value);
        location_deinit(&location);
    }
    const struct variable *variable;
    CHECK_FAILS(module_global(process->module, "nonesuch", &variable), ERROR_NOT_FOUND, "no global");
}

static void check_process(struct process *process, const struct way *way) {
    struct frame stopped, caller;
    process_continue(process);
    frame_innermost(process, &stopped);
    CHECK_VALUE(process, &stopped, "reason", 21, way);
    if (!optimized(way))
        ck_assert_int_eq(value_of(process, &stopped, "stops"), 26);
    frame_caller(process, &stopped, &caller);
    ck_assert_str_eq(caller.function->name, "gone");
    CHECK_VALUE(process, &caller, "kept", 21, way);
    int lost = value_of(process, &caller, "lost");
    ck_assert_msg(is_or_gone(lost, 31, way), "%s %s: lost is %d", way->c, way->flags, lost);
    if (optimized(way) && !strcmp(way->c, "gcc") && strstr(way->flags, "-gdwarf-5"))
        ck_assert_int_eq(lost, 31); /* by its entry value */
    check_globals(process);

    process_continue(process);
    frame_innermost(process, &stopped);
    frame_caller(process, &stopped, &caller);
    ck_assert_str_eq(caller.function->name, "scopes");
    CHECK_VALUE(process, &caller, "a", 41, way);
    CHECK_VALUE(process, &caller, "b", 43, way); /* the inner one */
    CHECK_VALUE(process, &caller, "fixed", 77, way);

    process_continue(process);
    frame_innermost(process, &stopped);
    frame_caller(process, &stopped, &caller);
    if (!optimized(way)) { /* also when it must be inlined, the instances are told apart */
        CHECK_VALUE(process, &caller, "value", 51, way);
        CHECK_VALUE(process, &caller, "doubled", 102, way);
    }
}

START_TEST(values) {
    const struct way *way = &ways[_i];
    struct scratch scratch = scratch_create();
    struct process process = {0};
    scratch_write(scratch.fd, "victim.c", victim_c, strlen(victim_c));
    if (installed(way->c)) {
        char path[128];
        snprintf(path, sizeof(path), "%s/victim", scratch.path);
        ck_assert_msg(run(&scratch, "%s %s -c victim.c && %s %s victim.o -o victim", way->c, way->flags,
                          way->c, way->flags),
                      "%s %s", way->c, way->flags);
        process.module = module_in(&scratch, "victim", NULL);
        process_start(&process, path);
        check_process(&process, way);
        kill(process.pid, SIGKILL);
        waitpid(process.pid, NULL, 0);
        module_close(process.module);
    }
    scratch_remove(&scratch);
}
END_TEST

START_TEST(names_and_kinds) {
    struct scratch scratch = sources();
    ck_assert(build(&scratch, &(struct way){"gcc", "g++", "-O0 -g"}));
    struct module *module = module_in(&scratch, "app", NULL);
    struct variables variables;
    CHECK_OK(function_variables(module, function_named(module, "shop::Cart::total"), &variables));
    ck_assert_uint_eq(variables.count, 5);
    ck_assert_str_eq(variables.variables[0].name, "this");
    ck_assert(variables.variables[0].artificial && variables.variables[0].parameter);
    ck_assert_str_eq(variables.variables[1].name, "n");
    ck_assert(variables.variables[1].parameter && !variables.variables[1].artificial);
    ck_assert_uint_eq(variables.variables[1].line, 8);
    ck_assert_str_eq(variables.variables[2].name, "sum");
    ck_assert_uint_eq(variables.variables[2].line, 9);
    ck_assert_uint_gt(variables.variables[4].depth, variables.variables[3].depth); /* price in i's block */
    ck_assert(!variables.variadic);
    CHECK_OK(function_variables(module, function_named(module, "work"), &variables));
    ck_assert(variables.variadic);
    ck_assert_str_eq(variables.variables[2].name, "count");
    ck_assert(variables.variables[2].is_static);
    const struct variable *global;
    CHECK_OK(module_global(module, "shop::total_count", &global));
    ck_assert_uint_eq(global->line, 5);
    CHECK_OK(module_global(module, "shop::Cart::made", &global));
    CHECK_OK(module_global(module, "made", &global));
    module_close(module);
    scratch_remove(&scratch);
}
END_TEST

/* Of an inlined call gcc may leave no code, but its parameters: they are none of the function's. */
static const char nothing_left_c[] =
    "struct object { long count; struct object *type; };\n"
    "static inline struct object *type_of(struct object *ob) { return ob->type; }\n"
    "__attribute__((noinline)) long release(struct object *self, long by) {\n"
    "    struct object *type = type_of(self);\n"
    "    if (by > 3)\n"
    "        by = type_of(self)->count;\n"
    "    return by - type->count;\n"
    "}\n"
    "int main(int argc, char **argv) {\n"
    "    struct object one = {argc, (struct object *)argv};\n"
    "    one.type = &one;\n"
    "    return (int)release(&one, 1);\n"
    "}\n";

START_TEST(nothing_left) {
    static const char *const flags[] = {"-O1", "-O2", "-O3", "-Og"};
    struct scratch scratch = scratch_create();
    scratch_write(scratch.fd, "left.c", nothing_left_c, strlen(nothing_left_c));
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        struct variables variables;
        unsigned own = 0;
        ck_assert(run(&scratch, "gcc -g %s left.c -o left", flags[i]));
        struct module *module = module_in(&scratch, "left", NULL);
        CHECK_OK(function_variables(module, function_named(module, "release"), &variables));
        for (size_t k = 0; k < variables.count; k++)
            own += variables.variables[k].parameter && variables.variables[k].inlined < 0;
        ck_assert_uint_eq(own, 2);
        module_close(module);
    }
    scratch_remove(&scratch);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("variable");
    TCase *compiled = tcase_create("compiled");
    tcase_set_timeout(compiled, 120);
    tcase_add_test(compiled, names_and_kinds);
    tcase_add_test(compiled, nothing_left);
    tcase_add_loop_test(compiled, values, 0, WAYS);
    suite_add_tcase(suite, compiled);
    return scratch_run(suite);
}
