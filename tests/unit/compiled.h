/* compiled: programs that the tests of dwarf/ compile when they run, in many ways, and open as modules. */
#ifndef REEL_TESTS_COMPILED_H
#define REEL_TESTS_COMPILED_H

#include "dwarf/evaluation.h"
#include "dwarf/line.h"
#include "dwarf/module.h"
#include "scratch.h"

#include <stdarg.h>

/* A program of two files. Lines matter: tests name them. */
static const char shop_cc[] =
    "#include \"shop.h\"\n"
    "#include <cstdio>\n"
    "#include <stdexcept>\n"
    "namespace shop {\n"
    "int total_count = 3;\n"
    "int Cart::made = 7;\n"
    "static int quiet = 4;\n"
    "int Cart::total(int n) const {\n"    /* 8 */
    "    int sum = quiet;\n"              /* 9 */
    "    for (int i = 0; i < n; i++) {\n" /* 10 */
    "        int price = prices[i];\n"    /* 11 */
    "        sum += price * n;\n"         /* 12 */
    "    }\n"
    "    if (n > 90)\n"
    "        throw std::runtime_error(\"no\");\n"
    "    return sum;\n" /* 16 */
    "}\n"
    "Cart &Cart::operator<<(int price) {\n"
    "    prices[made++ % 8] = price;\n"
    "    return *this;\n"
    "}\n"
    "namespace {\n"
    "__attribute__((noinline)) int hidden(int x) {\n" /* 23 */
    "    static int calls;\n"
    "    calls++;\n"
    "    auto twice = [x](int q) { return q + x + total_count; };\n"
    "    return twice(calls);\n"
    "}\n"
    "}\n"
    "int use(int n) {\n" /* 30 */
    "    Cart cart{};\n"
    "    cart << n << 2;\n"
    "    return cart.total(n) + hidden(n) + cart.convert<int>(n) + (int)cart.convert<double>(n);\n"
    "}\n"
    "}\n";

static const char shop_h[] = "namespace shop {\n"
                             "struct Cart {\n"
                             "    int prices[8];\n"
                             "    static int made;\n"
                             "    int total(int n) const;\n"
                             "    Cart &operator<<(int price);\n"
                             "    template <class T> __attribute__((noinline)) T convert(T x) {\n" /* 7 */
                             "        return x + prices[0];\n"
                             "    }\n"
                             "};\n"
                             "int use(int n);\n"
                             "}\n"
                             "extern \"C\" int work(int a, const char *format, ...);\n";

static const char main_c[] = "#include <stdio.h>\n"
                             "#include <stdlib.h>\n"
                             "int answer = 42;\n"
                             "static inline __attribute__((always_inline)) int square(int x) {\n" /* 4 */
                             "    int result = x * x;\n"                                          /* 5 */
                             "    return result;\n"
                             "}\n"
                             "static __attribute__((noinline, cold)) void refuse(int n) {\n"
                             "    fprintf(stderr, \"%d\\n\", n);\n"
                             "    exit(3);\n"
                             "}\n"
                             "int plenty(int unused) __attribute__((alias(\"work\")));\n"
                             "int work(int a, const char *format, ...) {\n" /* 13 */
                             "    static int count;\n"
                             "    int b = square(a) + 1;\n" /* 15 */
                             "    count++;\n"
                             "    {\n"
                             "        int c = b * 2;\n" /* 18 */
                             "        b += c;\n"
                             "        printf(format, c);\n" /* 20 */
                             "    }\n"
                             "    return b + count;\n" /* 22 */
                             "}\n"
                             "__attribute__((noinline)) int careful(int n) {\n" /* 24 */
                             "    if (__builtin_expect(n == 77, 0)) {\n"
                             "        refuse(n);\n"
                             "        abort();\n"
                             "    }\n"
                             "    return n + answer;\n" /* 29 */
                             "}\n"
                             "int main(int argc, char **argv) {\n" /* 31 */
                             "    (void)argv;\n"
                             "    return work(argc, \"%d\\n\") + careful(argc) == 0;\n"
                             "}\n";

/* Run a shell command in the folder; false when it fails. */
static inline bool run(const struct scratch *scratch, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline bool run(const struct scratch *scratch, const char *format, ...) {
    char *command = NULL, *whole = NULL;
    va_list args;
    va_start(args, format);
    ck_assert_int_ge(vasprintf(&command, format, args), 0);
    va_end(args);
    ck_assert_int_ge(asprintf(&whole, "cd %s && { %s ; } 2>>log", scratch->path, command), 0);
    int status = system(whole);
    free(command);
    free(whole);
    return status == 0;
}

static inline bool installed(const char *command) {
    char *text = NULL;
    ck_assert_int_ge(asprintf(&text, "command -v %s >/dev/null", command), 0);
    int status = system(text);
    free(text);
    return status == 0 || scratch_lacks(command);
}

static inline struct scratch sources(void) {
    struct scratch scratch = scratch_create();
    scratch_write(scratch.fd, "shop.cc", shop_cc, strlen(shop_cc));
    scratch_write(scratch.fd, "shop.h", shop_h, strlen(shop_h));
    scratch_write(scratch.fd, "main.c", main_c, strlen(main_c));
    return scratch;
}

/* Open PATH in the folder. */
static inline struct module *module_in(const struct scratch *scratch, const char *path,
                                       const struct module_search *search) {
    char *whole = NULL;
    struct module *module = NULL;
    ck_assert_int_ge(asprintf(&whole, "%s/%s", scratch->path, path), 0);
    int fd = open(whole, O_RDONLY | O_CLOEXEC);
    ck_assert_msg(fd >= 0, "%s is not there", whole);
    CHECK_OK(module_open(fd, whole, search, &module));
    close(fd);
    free(whole);
    return module;
}

static inline const struct function *function_named(struct module *module, const char *name) {
    struct function_list list;
    CHECK_OK(module_functions(module, &(struct function_query){.exact = name}, &list));
    ck_assert_msg(list.count == 1, "%s: %zu functions", name, list.count);
    const struct function *function = list.functions[0];
    function_list_deinit(&list);
    return function;
}

static inline size_t function_count(struct module *module, const char *name) {
    struct function_list list;
    CHECK_OK(module_functions(module, &(struct function_query){.exact = name}, &list));
    size_t count = list.count;
    function_list_deinit(&list);
    return count;
}

/* Ways to compile. */
struct way {
    const char *c, *cxx, *flags;
};

static const struct way ways[] = {
    {"gcc", "g++", "-O0 -gdwarf-2 -gstrict-dwarf"},
    {"gcc", "g++", "-O0 -gdwarf-3"},
    {"gcc", "g++", "-O0 -gdwarf-4"},
    {"gcc", "g++", "-O0 -gdwarf-5"},
    {"gcc", "g++", "-O2 -gdwarf-2 -gstrict-dwarf"},
    {"gcc", "g++", "-O2 -gdwarf-4 -no-pie -fno-pie"},
    {"gcc", "g++", "-O2 -gdwarf-5"},
    {"gcc", "g++", "-O2 -gdwarf-5 -gdwarf64"},
    {"gcc", "g++", "-O2 -gdwarf-4 -static"},
    {"gcc", "g++", "-O2 -gdwarf-5 -static-pie -fPIE"},
    {"gcc", "g++", "-O2 -gdwarf-5 -gz"},
    {"gcc", "g++", "-O2 -gdwarf-5 -gz=zlib-gnu"},
    {"gcc", "g++", "-O2 -gdwarf-4 -gsplit-dwarf"},
    {"gcc", "g++", "-O2 -gdwarf-5 -gsplit-dwarf"},
    {"gcc", "g++", "-O0 -gdwarf-4 -fdebug-types-section"},
    {"gcc", "g++", "-O0 -gdwarf-5 -fdebug-types-section"},
    {"gcc", "g++", "-O0 -gdwarf-5 -flto"},
    {"gcc", "g++", "-O0 -gdwarf-5 -ffunction-sections -Wl,--gc-sections"},
    {"clang", "clang++", "-O0 -gdwarf-2"},
    {"clang", "clang++", "-O0 -gdwarf-4"},
    {"clang", "clang++", "-O0 -gdwarf-5"},
    {"clang", "clang++", "-O2 -gdwarf-4"},
    {"clang", "clang++", "-O2 -gdwarf-5"},
    {"clang", "clang++", "-O2 -gdwarf-5 -gz"},
    {"clang", "clang++", "-O2 -gdwarf-4 -gsplit-dwarf"},
    {"clang", "clang++", "-O2 -gdwarf-5 -gsplit-dwarf"},
    {"clang", "clang++", "-O2 -gdwarf-5 -gsplit-dwarf=single"},
};
#define WAYS ((int)(sizeof(ways) / sizeof(ways[0])))

static inline bool optimized(const struct way *way) {
    return strstr(way->flags, "-O2") != NULL;
}

/* Build the program `app` in one way; false when the compiler is not there (or cannot do it). */
static inline bool build(const struct scratch *scratch, const struct way *way) {
    if (!installed(way->cxx))
        return false;
    ck_assert_msg(run(scratch, "%s %s -c main.c -o main.o && %s %s -c shop.cc -o shop.o", way->c, way->flags,
                      way->cxx, way->flags),
                  "%s %s", way->c, way->flags);
    ck_assert_msg(run(scratch,
                      "echo 'extern \"C\" int start(); namespace shop { int use(int); } int start() { return "
                      "shop::use(2); }' > start.cc && %s %s -c start.cc -o start.o",
                      way->cxx, way->flags),
                  "%s %s", way->c, way->flags);
    ck_assert_msg(run(scratch, "%s %s -Wl,-u,start main.o shop.o start.o -o app", way->cxx, way->flags),
                  "%s %s", way->c, way->flags);
    return true;
}

/* The address of a symbol as nm prints it; 0: there is none. */
static inline uint64_t symbol_address(const struct scratch *scratch, const char *path, const char *symbol) {
    char *command = NULL;
    unsigned long long address = 0;
    ck_assert_int_ge(
        asprintf(&command, "nm %s/%s | grep ' %s$' | cut -d' ' -f1", scratch->path, path, symbol), 0);
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    if (fscanf(pipe, "%llx", &address) != 1)
        address = 0;
    pclose(pipe);
    free(command);
    return address;
}

#endif
