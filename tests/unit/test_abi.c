/* dwarf/abi: arguments fetched at a function's first instruction, and results at its ret, are the values that
 * the program passed: hundreds of signatures, made from a table of types by a fixed sequence of random
 * numbers, compiled by gcc and clang; the registers are caught by a stub between caller and function
 * (typed/capture.h). */
#include "dwarf/abi.h"

#include "dwarf/value.h"
#include "typed.h"

#define SIGNATURES 60
#define PARAMETERS 9

/* A type: its name, and an initializer with N for a number that differs from value to value. */
struct sample {
    const char *name, *value;
};

static const char c_definitions[] =
    "typedef enum { E1 = 1, E2 = 2 } choice;\n"
    "typedef struct { char a; } one_char;\n"
    "typedef struct { int a, b; } two_ints;\n"
    "typedef struct { float a, b; } two_floats;\n"
    "typedef struct { float a; int b; } float_int;\n"
    "typedef struct { float a[3]; } three_floats;\n"
    "typedef struct { float a[4]; } four_floats;\n"
    "typedef struct { double a, b; } two_doubles;\n"
    "typedef struct { long a; double b; } long_double_;\n"
    "typedef struct { double a; long b; } double_long;\n"
    "typedef struct { char a[3]; } three_chars;\n"
    "typedef struct { char a[16]; } sixteen;\n"
    "typedef struct { char a[17]; } seventeen;\n"
    "typedef struct { long a[3]; } three_longs;\n"
    "typedef struct { long double a; } extended;\n"
    "typedef struct { __int128 a; } wide;\n"
    "typedef struct __attribute__((packed)) { char a; int b; } packed;\n"
    "typedef struct __attribute__((packed)) { int b; char a; } packed_aligned;\n"
    "typedef union { int a; double b; } int_or_double;\n"
    "typedef union { float a; double b; } float_or_double;\n"
    "typedef struct { int a : 3; long b : 40; unsigned c : 12; } bits;\n"
    "typedef struct { struct { short s; } in; float f; double d; } nested;\n"
    "typedef struct { int a __attribute__((aligned(32))); } aligned;\n"
    "typedef int four_ints __attribute__((vector_size(16)));\n"
    "typedef float eight_bytes __attribute__((vector_size(8)));\n"
    "typedef struct { four_ints a; } boxed_vector;\n"
    "typedef struct { float _Complex a; } boxed_complex;\n"
    "typedef struct { } nothing;\n";

static const struct sample c_samples[] = {
    {"char", "N"},
    {"_Bool", "N & 1"},
    {"short", "-N"},
    {"int", "-N"},
    {"unsigned", "N"},
    {"long", "-N * 1000000007L"},
    {"__int128", "(__int128)N << 70"},
    {"float", "N + 0.5f"},
    {"double", "N + 0.25"},
    {"long double", "N + 0.125L"},
    {"float _Complex", "N + 2.0f"},
    {"double _Complex", "N + 3.0"},
    {"long double _Complex", "N + 1.0L"},
    {"__float128", "N"},
    {"choice", "E2"},
    {"void *", "(void *)(long)(N * 4096)"},
    {"one_char", "{N}"},
    {"two_ints", "{N, -N}"},
    {"two_floats", "{N, -N}"},
    {"float_int", "{N, -N}"},
    {"three_floats", "{{N, 1, 2}}"},
    {"four_floats", "{{N, 1, 2, 3}}"},
    {"two_doubles", "{N, 0.5}"},
    {"long_double_", "{N, 1.5}"},
    {"double_long", "{1.5, N}"},
    {"three_chars", "{{N, 2, 3}}"},
    {"sixteen", "{{N, 1, 2, 3, 4, 5, 6, 7, 8, 9}}"},
    {"seventeen", "{{N, 1, 2, 3, 4, 5, 6, 7, 8, 9}}"},
    {"three_longs", "{{N, 2, 3}}"},
    {"extended", "{N + 0.5L}"},
    {"wide", "{(__int128)N << 65}"},
    {"packed", "{1, N}"},
    {"packed_aligned", "{N, 1}"},
    {"int_or_double", "{.b = N}"},
    {"float_or_double", "{.b = N}"},
    {"bits", "{1, N * 100000L, N}"},
    {"nested", "{{N}, 1.5f, 2.5}"},
    {"aligned", "{N}"},
    {"four_ints", "{N, 2, 3, 4}"},
    {"eight_bytes", "{N, 2}"},
    {"boxed_vector", "{{N, 2, 3, 4}}"},
    {"boxed_complex", "{N}"},
    {"nothing", "{}"},
};

static const char cxx_definitions[] =
    "struct trivial { int a; double b; };\n"
    "struct copied { int a; copied(int n) : a(n) {} copied(const copied &other) : a(other.a) {} };\n"
    "struct destroyed { int a; ~destroyed() {} };\n"
    "struct moved { int a; moved(int n) : a(n) {} moved(const moved &) = default; moved(moved &&other) : "
    "a(other.a) {} };\n"
    "struct holder { long a; copied b; };\n"
    "struct many { destroyed a[2]; };\n"
    "struct defaulted { int a; defaulted(int n) : a(n) {} defaulted(const defaulted &) = default; "
    "~defaulted() = default; };\n"
    "struct virtual_one { int a; virtual_one(int n) : a(n) {} virtual void f() {} };\n"
    "struct base { float a; };\n"
    "struct derived : base { int b; derived(int n) { a = n; b = n; } };\n"
    "struct empty { };\n"
    "struct child_of_empty : empty { short a; child_of_empty(int n) : a(n) {} };\n"
    "template <typename T> struct generic { T value; };\n"
    "enum class level : short { low, high };\n"
    "struct method { int a; int get() const { return a; } private: int b; public: method(int n) : a(n), b(n) "
    "{} };\n";

static const struct sample cxx_samples[] = {
    {"int", "N"},
    {"double", "N + 0.5"},
    {"bool", "N & 1"},
    {"level", "level::high"},
    {"trivial", "{N, 1.5}"},
    {"copied", "{N}"},
    {"destroyed", "{N}"},
    {"moved", "{N}"},
    {"holder", "{N, {2}}"},
    {"many", "{{{N}, {2}}}"},

    {"virtual_one", "{N}"},
    {"derived", "{N}"},
    {"empty", "{}"},
    {"child_of_empty", "{N}"},
    {"generic<float>", "{N + 0.5f}"},
    {"generic<generic<copied>>", "{{{N}}}"},
    {"method", "{N}"},
    {"decltype(nullptr)", "nullptr"}, /* from here on: left out for some compilers, see cxx_calls */
    {"defaulted", "{N}"},
};

/* ---- the victim ---- */

struct plan {
    const struct sample *samples;
    size_t sample_count;
    const char *definitions;
    bool cxx;
};

/* The parameters are used: clang leaves those out of the debug information that are passed by reference and
 * not used. */
static void put_signature(FILE *file, const struct plan *plan, int number, uint64_t *random) {
    const struct sample *types[PARAMETERS + 1];
    size_t count = scratch_random(random) % (PARAMETERS + 1);
    bool variadic = count && scratch_random(random) % 8 == 0;
    for (size_t i = 0; i <= count; i++) /* the last is the result's */
        types[i] = &plan->samples[(scratch_random(random) >> 20) % plan->sample_count];
    for (size_t i = 0; i <= count; i++)
        fprintf(file, "#undef N\n#define N %d\n%s v_%d_%zu = %s;\n", (int)(scratch_random(random) % 100) + 1,
                types[i]->name, number, i, types[i]->value);
    const char *external = plan->cxx ? "extern \"C\" " : "";
    fprintf(file, "%s__attribute__((noinline)) %s f_%d(", external, types[count]->name, number);
    for (size_t i = 0; i < count; i++)
        fprintf(file, "%s%s a%zu", i ? ", " : "", types[i]->name, i);
    fprintf(file, "%s) { ", variadic ? ", ..." : count || plan->cxx ? "" : "void");
    for (size_t i = 0; i < count; i++)
        fprintf(file, "used = &a%zu; ", i);
    fprintf(file, "return v_%d_%zu; }\n", number, count);
    fprintf(file, "%s (*volatile p_%d)(", types[count]->name, number);
    for (size_t i = 0; i < count; i++)
        fprintf(file, "%s%s", i ? ", " : "", types[i]->name);
    fprintf(file, "%s) = (%s (*)(",
            variadic             ? ", ..."
            : count || plan->cxx ? ""
                                 : "void",
            types[count]->name);
    for (size_t i = 0; i < count; i++)
        fprintf(file, "%s%s", i ? ", " : "", types[i]->name);
    fprintf(file, "%s))capture;\n", variadic ? ", ..." : count || plan->cxx ? "" : "void");
    fprintf(file, "void call_%d(void) { capture_number = %d; capture_target = (void (*)(void))f_%d; p_%d(",
            number, number, number, number);
    for (size_t i = 0; i < count; i++)
        fprintf(file, "%sv_%d_%zu", i ? ", " : "", number, i);
    fprintf(file, "%s); }\n", variadic ? ", 1.5, 7, 8, 9" : "");
    fprintf(file, "%sconst void *const values_%d[] = {", external, number);
    for (size_t i = 0; i <= count; i++)
        fprintf(file, "&v_%d_%zu, ", number, i);
    fprintf(file, "};\n");
}

static void put_source(const char *path, const struct plan *plan, uint64_t seed) {
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "#include \"%s/capture.h\"\n%sconst void *volatile used;\n", typed_folder(),
            plan->definitions);
    for (int i = 0; i < SIGNATURES; i++)
        put_signature(file, plan, i, &seed);
    fprintf(
        file,
        "%svoid run(void (*entry)(const unsigned long *, const void *, int), void (*leave)(const unsigned "
        "long *, const void *, int)) { on_entry = entry; on_return = leave;\n",
        plan->cxx ? "extern \"C\" " : "");
    for (int i = 0; i < SIGNATURES; i++)
        fprintf(file, "    call_%d();\n", i);
    fprintf(file, "}\n");
    fclose(file);
}

/* ---- comparing ---- */

static struct typed victim;
static const char *failing;
static unsigned compared;

static struct frame_registers registers_of(const unsigned long *general, const void *floats, uint64_t rsp) {
    struct frame_registers registers = {
        .known = (1u << FRAME_REGISTERS) - 1, .xstate = floats, .xstate_size = 512};
    memcpy(registers.value, general, sizeof(registers.value));
    registers.value[FRAME_RSP] = rsp;
    return registers;
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

static void compare(const char *what, int number, size_t index, const struct abi_place *place,
                    const struct type *type, const struct frame_registers *registers,
                    const struct type *function) {
    char name[32];
    uint8_t bytes[256];
    snprintf(name, sizeof(name), "values_%d", number);
    const void *const *values = dlsym(victim.library, name);
    ck_assert_ptr_nonnull(values);
    ck_assert_msg(place->known, "%s: f_%d: %s %zu of %s is not known: %s", failing, number, what, index,
                  function->name, place->why);
    ck_assert_msg(abi_fetch(place, registers, &self, bytes, sizeof(bytes)),
                  "%s: f_%d: %s %zu of %s: cannot be fetched", failing, number, what, index, function->name);
    char *expected = render(type, values[index]), *found = render(type, bytes);
    ck_assert_msg(!strcmp(expected, found), "%s: f_%d: %s %zu (%s) of %s:\n found    %s\n expected %s",
                  failing, number, what, index, type->name, function->name, found, expected);
    free(expected);
    free(found);
    compared++;
}

static const struct type *function_of(int number, bool pointer) {
    char name[32];
    snprintf(name, sizeof(name), pointer ? "p_%d" : "f_%d", number);
    if (pointer)
        return type_strip(type_strip(typed_variable(&victim, name))->target);
    return typed_type(&victim, DW_TAG_subprogram, name);
}

static void entered(const unsigned long *general, const void *floats, int number) {
    struct frame_registers registers = registers_of(general, floats, general[FRAME_RSP]);
    for (int pointer = 0; pointer < 2; pointer++) {
        const struct type *function = function_of(number, pointer);
        struct abi_call call;
        CHECK_OK(abi_call_init(&call, function));
        for (size_t i = 0; i < call.argument_count; i++)
            compare("argument", number, i, &call.arguments[i], function->parameters[i].type, &registers,
                    function);
        abi_call_deinit(&call);
    }
}

static void returned(const unsigned long *general, const void *floats, int number) {
    struct frame_registers registers = registers_of(general, floats, general[FRAME_RSP] - 8);
    const struct type *function = function_of(number, false);
    struct abi_call call;
    CHECK_OK(abi_call_init(&call, function));
    compare("result", number, call.argument_count, &call.result, function->target, &registers, function);
    abi_call_deinit(&call);
}

static void run_plan(const struct plan *plan, const char *command, uint64_t seed) {
    void (*run)(void (*)(const unsigned long *, const void *, int),
                void (*)(const unsigned long *, const void *, int));
    char source[256];
    struct scratch scratch = scratch_create();
    failing = command;
    snprintf(source, sizeof(source), "%s/victim.%s", scratch.path, plan->cxx ? "cc" : "c");
    put_source(source, plan, seed);
    snprintf(victim.path, sizeof(victim.path), "%s/victim.so", scratch.path);
    ck_assert_msg(typed_run("%s -o %s %s", command, victim.path, source), "%s: does not compile", command);
    victim.scratch = scratch;
    victim.library = dlopen(victim.path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(victim.library != NULL, "%s", dlerror());
    typed_open(&victim);
    void *function = dlsym(victim.library, "run");
    memcpy(&run, &function, sizeof(run));
    compared = 0;
    run(entered, returned);
    ck_assert_uint_ge(compared, SIGNATURES * 4);
    typed_deinit(&victim);
}

static const struct plan c_plan = {c_samples, sizeof(c_samples) / sizeof(c_samples[0]), c_definitions, false};
static const struct plan cxx_plan = {cxx_samples, sizeof(cxx_samples) / sizeof(cxx_samples[0]),
                                     cxx_definitions, true};

/* Without `defaulted`, which strict DWARF 3 cannot tell from a class with constructors of its own, and
 * without nullptr_t, which clang passes in a register but does not count. */
static const struct plan plain_cxx_plan = {cxx_samples, sizeof(cxx_samples) / sizeof(cxx_samples[0]) - 2,
                                           cxx_definitions, true};

static const char *const c_commands[] = {
    "gcc -g -gdwarf-5 -O0 -fPIC -shared -w -Wno-psabi -Wl,-Bsymbolic",
    "gcc -g -gdwarf-4 -O2 -fPIC -shared -w -Wno-psabi -Wl,-Bsymbolic",
    "clang -g -gdwarf-5 -O0 -fPIC -shared -w -Wno-psabi -Wl,-Bsymbolic",
    "clang -g -gdwarf-4 -O2 -fPIC -shared -w -Wno-psabi -Wl,-Bsymbolic",
};
static const char *const cxx_commands[] = {
    "g++ -std=c++17 -g -gdwarf-5 -O0 -fPIC -shared -w -Wno-psabi -Wl,-Bsymbolic",
    "g++ -std=c++17 -g -gdwarf-4 -O2 -fPIC -shared -w -Wno-psabi -Wl,-Bsymbolic",
    "g++ -std=c++17 -g -gdwarf-3 -gstrict-dwarf -O0 -fPIC -shared -w -Wno-psabi -Wl,-Bsymbolic",
    "clang++ -std=c++17 -g -gdwarf-5 -O0 -fPIC -shared -w -Wno-psabi -Wl,-Bsymbolic",
    "clang++ -std=c++17 -g -gdwarf-4 -O2 -fPIC -shared -w -Wno-psabi -Wl,-Bsymbolic",
};

START_TEST(c_calls) {
    const char *command = c_commands[_i / 2];
    if (typed_has(strncmp(command, "clang", 5) ? "gcc" : "clang"))
        run_plan(&c_plan, command, 1000 + (uint64_t)_i);
}
END_TEST

START_TEST(cxx_calls) {
    const char *command = cxx_commands[_i];
    if (typed_has(strncmp(command, "clang", 5) ? "g++" : "clang++"))
        run_plan(strstr(command, "strict") || strstr(command, "clang") ? &plain_cxx_plan : &cxx_plan, command,
                 2000 + (uint64_t)_i);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("abi");
    TCase *tc = tcase_create("calls");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, c_calls, 0, 2 * sizeof(c_commands) / sizeof(c_commands[0]));
    tcase_add_loop_test(tc, cxx_calls, 0, sizeof(cxx_commands) / sizeof(cxx_commands[0]));
    suite_add_tcase(s, tc);
    return s;
}

int main(void) {
    return scratch_run(suite());
}
