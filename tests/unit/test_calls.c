/* dwarf/abi for languages other than C and C++: what Rust and Fortran functions get and return, fetched at
 * their first instruction and at their ret, is what the program says that it passed. */
#include "dwarf/abi.h"

#include "dwarf/value.h"
#include "typed.h"

#define CALLS_MAX 32
#define PARTS_MAX 16

static struct typed victim;
static const char *failing;
static char *expected[CALLS_MAX][PARTS_MAX]; /* arguments, then the result */
static unsigned compared;

static void say(int number, int index, const char *text) {
    ck_assert_msg(number >= 0 && number < CALLS_MAX && index >= 0 && index < PARTS_MAX, "%d %d", number,
                  index);
    free(expected[number][index]);
    expected[number][index] = strdup(text);
}

static char *render(const struct type *type, const void *bytes) {
    static const struct value_options options = {.max_string = 64, .max_depth = 8, .max_elements = 32};
    const struct type *whole;
    struct buffer text = {0};
    CHECK_OK(type_resolve(type, &whole));
    value_render(type, bytes, (size_t)whole->size, &self, &options, &text);
    buffer_put_u8(&text, 0);
    return (char *)text.data;
}

static void compare(int number, size_t index, const struct abi_place *place, const struct type *type,
                    const struct frame_registers *registers) {
    uint8_t bytes[256];
    char *wanted = expected[number][index];
    ck_assert_ptr_nonnull(wanted);
    if (!place->known) { /* how optimised Fortran gets its arguments need not be said: location lists */
        bool may = strstr(failing, "gfortran") && strstr(failing, "-O2");
        ck_assert_msg(may || !strcmp(wanted, "?"), "%s: f_%d: %zu (%s) is not known: %s", failing, number,
                      index, type->name, place->why);
        return;
    }
    ck_assert_msg(abi_fetch(place, registers, &self, bytes, sizeof(bytes)), "%s: f_%d: %zu cannot be fetched",
                  failing, number, index);
    char *found = render(type, bytes);
    ck_assert_msg(!strcmp(found, wanted), "%s: f_%d: %zu (%s):\n found    %s\n expected %s", failing, number,
                  index, type->name, found, wanted);
    free(found);
    compared++;
}

static void caught(const unsigned long *general, const void *floats, int number, bool is_entry) {
    char name[32];
    struct abi_call call;
    struct frame_registers registers = {
        .known = (1u << FRAME_REGISTERS) - 1, .xstate = floats, .xstate_size = 512};
    memcpy(registers.value, general, sizeof(registers.value));
    snprintf(name, sizeof(name), "f_%d", number);
    const struct type *function = typed_type(&victim, DW_TAG_subprogram, name);
    CHECK_OK(abi_call_init(&call, function));
    for (size_t i = 0; is_entry && i < call.argument_count; i++)
        if (!function->parameters[i].artificial)
            compare(number, i, &call.arguments[i], function->parameters[i].type, &registers);
    if (!is_entry && function->target->kind != TYPE_VOID)
        compare(number, call.argument_count, &call.result, function->target, &registers);
    abi_call_deinit(&call);
}

static void entered(const unsigned long *general, const void *floats, int number) {
    caught(general, floats, number, true);
}

static void returned(const unsigned long *general, const void *floats, int number) {
    caught(general, floats, number, false);
}

/* ---- the stub between caller and function ---- */

typedef void (*function)(void);
typedef void (*event)(const unsigned long *, const void *, int);
typedef void (*set_function)(function, int);

struct stub {
    struct scratch scratch;
    void *library;
    function capture;
    set_function set;
};

static void find(void *library, const char *name, void *ret) {
    void *found = dlsym(library, name);
    ck_assert_msg(found != NULL, "%s", name);
    memcpy(ret, &found, sizeof(found));
}

static void stub_init(struct stub *stub) {
    char path[256];
    function (*capture_address)(void);
    event *on_entry, *on_return;
    stub->scratch = scratch_create();
    snprintf(path, sizeof(path), "%s/stub.so", stub->scratch.path);
    ck_assert(typed_run("gcc -O1 -fPIC -shared -o %s %s/capture.c", path, typed_folder()));
    stub->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(stub->library != NULL, "%s", dlerror());
    find(stub->library, "set_capture", &stub->set);
    find(stub->library, "capture_address", &capture_address);
    find(stub->library, "on_entry", &on_entry);
    find(stub->library, "on_return", &on_return);
    *on_entry = entered;
    *on_return = returned;
    stub->capture = capture_address();
}

static void stub_deinit(struct stub *stub) {
    dlclose(stub->library);
    scratch_remove(&stub->scratch);
}

static void run_calls(const char *command, const char *source, unsigned least) {
    struct stub stub;
    void (*run)(function, set_function, void (*)(int, int, const char *));
    failing = command;
    compared = 0;
    stub_init(&stub);
    typed_init(&victim, command, source);
    find(victim.library, "run_calls", &run);
    run(stub.capture, stub.set, say);
    ck_assert_uint_ge(compared, least);
    typed_deinit(&victim);
    stub_deinit(&stub);
    for (int i = 0; i < CALLS_MAX * PARTS_MAX; i++) {
        free(expected[i / PARTS_MAX][i % PARTS_MAX]);
        expected[i / PARTS_MAX][i % PARTS_MAX] = NULL;
    }
}

static const char *const rust_commands[] = {
    "rustc --edition 2021 -C debuginfo=2 -C opt-level=0",
    "rustc --edition 2021 -C debuginfo=2 -C opt-level=2",
};

START_TEST(rust_calls) {
    if (typed_find_compiler("rustc"))
        run_calls(rust_commands[_i], "calls.rs", 45);
}
END_TEST

static const char *const fortran_commands[] = {
    "gfortran -g -gdwarf-5 -O0 -fPIC -shared -w",
    "gfortran -g -gdwarf-4 -O2 -fPIC -shared -w",
};

START_TEST(fortran_calls) {
    if (typed_find_compiler("gfortran"))
        run_calls(fortran_commands[_i], "formula.f90", _i ? 5 : 9);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("calls");
    TCase *tc = tcase_create("languages");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, rust_calls, 0, sizeof(rust_commands) / sizeof(rust_commands[0]));
    tcase_add_loop_test(tc, fortran_calls, 0, sizeof(fortran_commands) / sizeof(fortran_commands[0]));
    suite_add_tcase(s, tc);
    return s;
}

int main(void) {
    return scratch_run(suite());
}
