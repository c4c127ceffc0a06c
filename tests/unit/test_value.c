/* dwarf/value: what is rendered is what the program itself says that its variables are; for gcc and clang,
 * optimised and not, DWARF 4 and 5, libstdc++ and libc++, Rust and Fortran; and whatever a program's memory
 * holds, the text stays sound and bounded. */
#include "dwarf/value.h"

#include "typed.h"

#include <cjson/cJSON.h>

static struct typed victim;
static const char *failing; /* the compiler's command line, for messages */
static unsigned said, plain_seen;

static const struct value_options options = {.max_string = 200, .max_depth = 8, .max_elements = 64};

static char *render_bytes(const struct type *type, const void *bytes, size_t size,
                          const struct value_options *how) {
    struct buffer text = {0};
    value_render(type, bytes, size, &self, how, &text);
    buffer_put_u8(&text, 0);
    ck_assert_ptr_null(buffer_check(&text));
    return (char *)text.data;
}

/* The bytes of an object; references are given by the victim as pointers to what they refer to. */
static char *render_variable(const char *name, const struct value_options *how) {
    const struct type *type = typed_variable(&victim, name), *whole;
    void *address = dlsym(victim.library, name);
    char symbol[64]; /* gfortran's name for a variable of a module */
    snprintf(symbol, sizeof(symbol), "__formula_MOD_%s", name);
    if (!address)
        address = dlsym(victim.library, symbol);
    ck_assert_msg(address != NULL, "%s: no such symbol", name);
    CHECK_OK(type_resolve(type, &whole));
    return render_bytes(type, address, (size_t)whole->size, how);
}

static size_t count_read(void *context, uint64_t address, void *ret, size_t size) {
    ++*(unsigned *)context;
    return memory_read(&self, address, ret, size);
}

/* What is said to be plain reads no memory but strings. */
static void check_plain(const char *name) {
    const struct type *type = typed_variable(&victim, name), *whole;
    const void *address = dlsym(victim.library, name);
    unsigned reads = 0;
    const struct memory_reader memory = {.read = count_read, .context = &reads};
    struct buffer text = {0};
    if (!address || !value_is_plain(type))
        return;
    CHECK_OK(type_resolve(type, &whole));
    value_render(type, address, (size_t)whole->size, &memory, &options, &text);
    buffer_put_u8(&text, 0);
    ck_assert_msg(!reads || strchr((char *)text.data, '"'), "%s: %s: not plain: %s", failing, name,
                  type->name);
    plain_seen++;
    buffer_deinit(&text);
}

static void compare(const char *name, const char *expected) {
    char *found = render_variable(name, &options);
    cJSON *json = cJSON_Parse(found);
    ck_assert_msg(json != NULL, "%s: %s: no JSON: %s", failing, name, found);
    cJSON_Delete(json);
    ck_assert_msg(!strcmp(found, expected), "%s: %s (%s):\n found    %s\n expected %s", failing, name,
                  typed_variable(&victim, name)->name, found, expected);
    free(found);
    check_plain(name);
    said++;
}

static void run_victim(const char *command, const char *source, unsigned least) {
    void (*expect)(void (*)(const char *, const char *));
    failing = command;
    said = 0;
    typed_init(&victim, command, source);
    void *function = dlsym(victim.library, "expect");
    ck_assert_ptr_nonnull(function);
    memcpy(&expect, &function, sizeof(expect));
    expect(compare);
    ck_assert_uint_ge(said, least);
    typed_deinit(&victim);
}

static const char *const c_commands[] = {
    "gcc -std=gnu11 -g -gdwarf-5 -O0 -fPIC -shared -w",
    "gcc -std=gnu11 -g -gdwarf-4 -O2 -fPIC -shared -w",
    "gcc -std=gnu11 -g -gdwarf-2 -gstrict-dwarf -O0 -fPIC -shared -w",
    "gcc -std=gnu11 -g -gdwarf-4 -fdebug-types-section -O0 -fPIC -shared -w",
    "gcc -std=gnu11 -g -gdwarf-5 -fdebug-types-section -O2 -fPIC -shared -w",
    "clang -std=gnu11 -g -gdwarf-5 -O0 -fPIC -shared -w",
    "clang -std=gnu11 -g -gdwarf-4 -O2 -fPIC -shared -w",
};

START_TEST(c_values) {
    const char *command = c_commands[_i];
    if (typed_has(strncmp(command, "clang", 5) ? "gcc" : "clang"))
        run_victim(command, "plain.c", 60);
    ck_assert_uint_ge(plain_seen, said / 2);
}
END_TEST

static const char *const cxx_commands[] = {
    "g++ -std=c++20 -g -gdwarf-5 -O0 -fPIC -shared -w",
    "g++ -std=c++20 -g -gdwarf-4 -O2 -fPIC -shared -w",
    "g++ -std=c++20 -g -gdwarf-4 -fdebug-types-section -O0 -fPIC -shared -w",
    "clang++ -std=c++20 -g -gdwarf-5 -fstandalone-debug -O0 -fPIC -shared -w",
    "clang++ -std=c++20 -g -gdwarf-4 -O2 -fPIC -shared -w",
    "clang++ -stdlib=libc++ -std=c++20 -g -gdwarf-5 -fstandalone-debug -O0 -fPIC -shared -w",
};

START_TEST(cxx_values) {
    const char *command = cxx_commands[_i];
    if (strstr(command, "libc++") &&
        !typed_run("echo '#include <map>' | clang++ -stdlib=libc++ -x c++ -fsyntax-only - 2>/dev/null"))
        scratch_lacks("clang++ with libc++");
    else if (typed_has(strncmp(command, "clang", 5) ? "g++" : "clang++"))
        run_victim(command, "standard.cc", 60);
}
END_TEST

static const char *const rust_commands[] = {
    "rustc --edition 2021 -C debuginfo=2 -C opt-level=0",
    "rustc --edition 2021 -C debuginfo=2 -C opt-level=2",
};

START_TEST(rust_values) {
    if (typed_find_compiler("rustc"))
        run_victim(rust_commands[_i], "oxide.rs", 60);
}
END_TEST

static const char *const fortran_commands[] = {
    "gfortran -g -gdwarf-5 -O0 -fPIC -shared -w",
    "gfortran -g -gdwarf-4 -O2 -fPIC -shared -w",
};

START_TEST(fortran_values) {
    if (typed_find_compiler("gfortran"))
        run_victim(fortran_commands[_i], "formula.f90", 25);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("value");
    TCase *tc = tcase_create("languages");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, c_values, 0, sizeof(c_commands) / sizeof(c_commands[0]));
    tcase_add_loop_test(tc, cxx_values, 0, sizeof(cxx_commands) / sizeof(cxx_commands[0]));
    tcase_add_loop_test(tc, rust_values, 0, sizeof(rust_commands) / sizeof(rust_commands[0]));
    tcase_add_loop_test(tc, fortran_values, 0, sizeof(fortran_commands) / sizeof(fortran_commands[0]));
    suite_add_tcase(s, tc);
    return s;
}

int main(void) {
    return scratch_run(suite());
}
