/* dwarf/module: debug information is found wherever it may be, and that of another build is not taken. */
#include "compiled.h"

#include <ctype.h>

static struct scratch built(const char *flags) {
    struct scratch scratch = sources();
    ck_assert(build(&scratch, &(struct way){"gcc", "g++", flags}));
    return scratch;
}

/* The module knows functions by DWARF, from a file whose path ends so. */
static void check_found(struct module *module, const char *path_end) {
    ck_assert_msg(module_debug_path(module) != NULL, "%s", module_problem(module));
    ck_assert_msg(line_file_matches(module_debug_path(module), path_end), "%s", module_debug_path(module));
    const struct function *work = function_named(module, "work");
    ck_assert_int_eq(work->source, FUNCTION_DWARF);
    ck_assert_uint_eq(work->line, 13);
    ck_assert_msg(!module_problem(module), "%s", module_problem(module));
    ck_assert_ptr_nonnull(module_dwarf(module));
    CHECK_OK(module_check_die(module, &work->place));
    module_close(module);
}

static void check_missing(struct module *module, const char *problem) {
    ck_assert_ptr_null(module_debug_path(module));
    ck_assert_msg(strstr(module_problem(module), problem) != NULL, "%s", module_problem(module));
    ck_assert_ptr_null(module_dwarf(module));
    module_close(module);
}

START_TEST(in_itself) {
    struct scratch scratch = built("-O2 -g");
    size_t size;
    struct module *module = module_in(&scratch, "app", NULL);
    ck_assert_ptr_null(module_debug_image(module));
    ck_assert_ptr_nonnull(module_build_id(module, &size));
    ck_assert_uint_eq(size, 20);
    check_found(module, "app");
    scratch_remove(&scratch);
}
END_TEST

START_TEST(by_debug_link) {
    static const char *const places[] = {"app.debug", ".debug/app.debug", "elsewhere/app.debug"};
    struct scratch scratch = built("-O2 -g");
    char folder[128];
    snprintf(folder, sizeof(folder), "%s/elsewhere", scratch.path);
    ck_assert(
        run(&scratch,
            "mkdir .debug elsewhere && objcopy --only-keep-debug app app.debug && objcopy "
            "--strip-all --remove-section=.note.gnu.build-id --add-gnu-debuglink=app.debug app stripped"));
    if (_i)
        ck_assert(run(&scratch, "mv app.debug %s", places[_i]));
    struct module *module = module_in(&scratch, "stripped", &(struct module_search){.debug_dir = folder});
    ck_assert_ptr_nonnull(module_debug_image(module));
    check_found(module, places[_i]);
    scratch_remove(&scratch);
}
END_TEST

START_TEST(of_another_build) {
    struct scratch scratch = built("-O2 -g");
    ck_assert(run(&scratch, "objcopy --only-keep-debug app app.debug && objcopy --strip-all "
                            "--add-gnu-debuglink=app.debug app stripped && printf x >> app.debug"));
    check_missing(module_in(&scratch, "stripped", NULL), "CRC differs");
    ck_assert(run(&scratch, "rm app.debug"));
    check_missing(module_in(&scratch, "stripped", NULL), "no debug information");
    ck_assert(run(&scratch, "echo no ELF file > app.debug"));
    check_missing(module_in(&scratch, "stripped", NULL), "not an ELF file");
    scratch_remove(&scratch);
}
END_TEST

START_TEST(by_build_id) {
    struct scratch scratch = built("-O2 -g");
    char folder[128], hex[64] = "";
    size_t size;
    struct module *module = module_in(&scratch, "app", NULL);
    const uint8_t *id = module_build_id(module, &size);
    for (size_t i = 0; i < size && i < 20; i++)
        snprintf(hex + 2 * i, 3, "%02x", id[i]);
    module_close(module);
    snprintf(folder, sizeof(folder), "%s/debug", scratch.path);
    ck_assert(
        run(&scratch,
            "mkdir -p debug/.build-id/%.2s && objcopy --only-keep-debug app debug/.build-id/%.2s/%s.debug "
            "&& strip app -o stripped",
            hex, hex, hex + 2));
    struct module_search search = {.debug_dir = folder};
    module = module_in(&scratch, "stripped", &search);
    char end[80];
    snprintf(end, sizeof(end), "%s.debug", hex + 2);
    check_found(module, end);
    /* The same name, but another program. */
    ck_assert(run(&scratch,
                  "echo 'int main(void){return 1;}' > b.c && gcc -g b.c -o debug/.build-id/%.2s/%s.debug",
                  hex, hex + 2));
    check_missing(module_in(&scratch, "stripped", &search), "build-id differs");
    scratch_remove(&scratch);
}
END_TEST

START_TEST(what_dwz_moved_out) {
    struct scratch scratch = built("-O2 -g");
    if (installed("dwz")) {
        ck_assert(run(&scratch, "cp app app2 && dwz -m common.debug app app2"));
        check_found(module_in(&scratch, "app", NULL), "app");
        struct module *module = module_in(&scratch, "app", NULL);
        ck_assert_str_eq(function_named(module, "total")->name, "shop::Cart::total");
        ck_assert(run(&scratch, "rm common.debug"));
        module_close(module);
        module = module_in(&scratch, "app", NULL);
        ck_assert_str_eq(function_named(module, "work")->name, "work"); /* what is left is used */
        module_close(module);
    }
    scratch_remove(&scratch);
}
END_TEST

START_TEST(split) {
    /* binutils' dwp packs version 4 only, and llvm-dwp 14 hangs on what gcc writes for version 5. */
    static const struct way split_ways[] = {{"gcc", "g++", "-O2 -gdwarf-4 -gsplit-dwarf"},
                                            {"gcc", "g++", "-O2 -gdwarf-5 -gsplit-dwarf"},
                                            {"clang", "clang++", "-O2 -gdwarf-5 -gsplit-dwarf"}};
    const char *packer = ((const char *[]){"dwp", "false", "llvm-dwp"})[_i];
    struct scratch scratch = sources();
    if (!build(&scratch, &split_ways[_i])) {
        scratch_remove(&scratch);
        return;
    }
    check_found(module_in(&scratch, "app", NULL), "app");
    /* Moved together to another place. */
    ck_assert(run(&scratch, "mkdir moved && mv app *.dwo moved"));
    check_found(module_in(&scratch, "moved/app", NULL), "app");
    /* In a package. */
    if (_i != 1 && installed(packer)) {
        ck_assert(run(&scratch, "cd moved && %s -o app.dwp *.dwo && rm *.dwo", packer));
        check_found(module_in(&scratch, "moved/app", NULL), "app");
        ck_assert(run(&scratch, "rm moved/app.dwp"));
    } else
        ck_assert(run(&scratch, "rm moved/*.dwo"));
    struct module *module = module_in(&scratch, "moved/app", NULL);
    ck_assert_int_eq(function_named(module, "work")->source, FUNCTION_SYMBOL);
    ck_assert_ptr_nonnull(strstr(module_problem(module), ".dwo is not there"));
    module_close(module);
    scratch_remove(&scratch);
}
END_TEST

START_TEST(not_an_elf_file) {
    struct scratch scratch = scratch_create();
    struct module *module;
    scratch_write(scratch.fd, "text", "#!/bin/sh\n", 10);
    int fd = openat(scratch.fd, "text", O_RDONLY | O_CLOEXEC);
    CHECK_FAILS(module_open(fd, "text", NULL, &module), ERROR_BAD_DATA, "text: not an ELF file");
    CHECK_FAILS(module_open(scratch.fd, "folder", NULL, &module), ERROR_BAD_DATA, "folder: not an ELF file");
    close(fd);
    scratch_remove(&scratch);
}
END_TEST

START_TEST(damaged) {
    struct scratch scratch = built("-O2 -g");
    struct buffer bytes = {0};
    struct elf_image image;
    struct elf_section section;
    struct function_list list;
    scratch_read(scratch.fd, "app", &bytes);
    CHECK_OK(elf_image_init(&image, bytes.data, bytes.size, "app"));
    ck_assert(elf_find_section(&image, _i ? ".debug_abbrev" : ".debug_info", &section));
    memset(bytes.data + section.offset, 0xff, section.size);
    scratch_write(scratch.fd, "bad", bytes.data, bytes.size);
    struct module *module = module_in(&scratch, "bad", NULL);
    CHECK_OK(module_functions(module, &(struct function_query){0}, &list));
    ck_assert_uint_gt(list.count, 5); /* by their symbols */
    ck_assert_int_eq(list.functions[0]->source, FUNCTION_SYMBOL);
    ck_assert_ptr_nonnull(strstr(module_problem(module), "damaged .debug_info"));
    function_list_deinit(&list);
    module_close(module);
    elf_image_deinit(&image);
    buffer_deinit(&bytes);
    scratch_remove(&scratch);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("module");
    TCase *search = tcase_create("search");
    tcase_set_timeout(search, 120);
    tcase_add_test(search, in_itself);
    tcase_add_loop_test(search, by_debug_link, 0, 3);
    tcase_add_test(search, of_another_build);
    tcase_add_test(search, by_build_id);
    tcase_add_test(search, what_dwz_moved_out);
    tcase_add_loop_test(search, split, 0, 3);
    suite_add_tcase(suite, search);
    TCase *bad = tcase_create("bad");
    tcase_set_timeout(bad, 120);
    tcase_add_test(bad, not_an_elf_file);
    tcase_add_loop_test(bad, damaged, 0, 2);
    suite_add_tcase(suite, bad);
    return scratch_run(suite);
}
