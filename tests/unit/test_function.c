/* dwarf/function: names, entries and ranges are those that nm and the source say, however it was compiled. */
#include "compiled.h"

static bool in_ranges(const struct function *function, uint64_t vaddr) {
    for (size_t i = 0; i < function->range_count; i++)
        if (vaddr >= function->ranges[i].low && vaddr < function->ranges[i].high)
            return true;
    return false;
}

static void check_c(const struct scratch *scratch, struct module *module, bool lto) {
    const struct function *work = function_named(module, "work");
    ck_assert_uint_eq(work->entry, symbol_address(scratch, "app", "work"));
    ck_assert_int_eq(work->source, FUNCTION_DWARF);
    ck_assert_str_eq(work->name, "work");
    ck_assert_uint_eq(work->line, 13);
    ck_assert(work->file && line_file_matches(work->file, "main.c"));
    ck_assert(work->variadic);
    ck_assert(work->external);
    ck_assert_uint_eq(work->ranges[0].low, work->entry);
    ck_assert_ptr_nonnull(work->return_type.file);
    if (!lto) /* which drops the alias */
        ck_assert_ptr_eq(function_named(module, "plenty"), work);
    const struct function *at;
    CHECK_OK(module_function_at(module, work->entry + 1, &at));
    ck_assert_ptr_eq(at, work);
    CHECK_OK(module_function_at(module, work->ranges[0].high - 1, &at));
    ck_assert_ptr_eq(at, work);
}

static void check_cold(const struct scratch *scratch, struct module *module) {
    const struct function *careful = function_named(module, "careful");
    uint64_t cold = symbol_address(scratch, "app", "careful.cold");
    ck_assert_uint_eq(careful->entry, symbol_address(scratch, "app", "careful"));
    if (!cold)
        return;
    const struct function *at;
    ck_assert(in_ranges(careful, cold));
    ck_assert_uint_ge(careful->range_count, 2);
    CHECK_OK(module_function_at(module, cold, &at));
    ck_assert_ptr_eq(at, careful);
    ck_assert_uint_eq(function_count(module, "careful.cold"), 0);
}

static void check_cxx(const struct scratch *scratch, struct module *module) {
    const struct function *total = function_named(module, "shop::Cart::total");
    ck_assert_uint_eq(total->entry, symbol_address(scratch, "app", "_ZNK4shop4Cart5totalEi"));
    ck_assert_str_eq(total->base, "total");
    ck_assert_str_eq(total->display, "shop::Cart::total(int) const");
    ck_assert_str_eq(total->linkage_name, "_ZNK4shop4Cart5totalEi");
    ck_assert_uint_eq(total->line, 8);
    ck_assert_ptr_eq(function_named(module, "shop::Cart::total(int) const"), total);
    const struct function *hidden = function_named(module, "hidden");
    ck_assert_str_eq(hidden->name, "shop::(anonymous namespace)::hidden");
    ck_assert_uint_eq(hidden->line, 23);
    ck_assert(!hidden->external);
    ck_assert_str_eq(function_named(module, "operator<<")->name, "shop::Cart::operator<<");
    struct function_list list;
    CHECK_OK(module_functions(module, &(struct function_query){.exact = "convert"}, &list));
    ck_assert_uint_eq(list.count, 2);
    ck_assert(!strcmp(list.functions[0]->name, "shop::Cart::convert<int>") ||
              !strcmp(list.functions[1]->name, "shop::Cart::convert<int>"));
    ck_assert(line_file_matches(list.functions[0]->file, "shop.h"));
    ck_assert_uint_eq(list.functions[0]->line, 7);
    function_list_deinit(&list);
}

/* Every function that nm knows is found, at nm's address, and each function is listed once. */
static void check_all(const struct scratch *scratch, struct module *module, const char *program) {
    struct function_list list;
    CHECK_OK(module_functions(module, &(struct function_query){0}, &list));
    for (size_t i = 1; i < list.count; i++)
        ck_assert_uint_lt(list.functions[i - 1]->entry, list.functions[i]->entry);
    char *command = NULL, name[4096];
    unsigned long long address;
    ck_assert_int_ge(
        asprintf(&command, "nm %s/%s | grep -i ' [ti] ' | cut -d' ' -f1,3", scratch->path, program), 0);
    FILE *pipe = popen(command, "r");
    free(command);
    size_t count = 0;
    while (fscanf(pipe, "%llx %4095s", &address, name) == 2) {
        size_t i = 0;
        while (i < list.count && list.functions[i]->entry != address)
            i++;
        bool known = i < list.count || strstr(name, ".cold") || !module_is_code(module, address);
        if (!known) { /* a label inside of a function */
            const struct function *at;
            CHECK_OK(module_function_at(module, address, &at));
            known = at->entry != address;
        }
        ck_assert_msg(known, "%s at %llx is missing", name, address);
        count++;
    }
    pclose(pipe);
    ck_assert_uint_gt(count, 10);
    function_list_deinit(&list);
}

START_TEST(names_and_ranges) {
    const struct way *way = &ways[_i];
    struct scratch scratch = sources();
    if (build(&scratch, way)) {
        struct module *module = module_in(&scratch, "app", NULL);
        ck_assert_msg(!module_problem(module), "%s %s: %s", way->c, way->flags, module_problem(module));
        bool lto = strstr(way->flags, "-flto");
        check_c(&scratch, module, lto);
        check_cold(&scratch, module);
        if (!lto)
            check_cxx(&scratch, module);
        if (!strstr(way->flags, "-static"))
            check_all(&scratch, module, "app");
        ck_assert_msg(!module_problem(module), "%s %s: %s", way->c, way->flags, module_problem(module));
        module_close(module);
    }
    scratch_remove(&scratch);
}
END_TEST

START_TEST(inlined_instances) {
    const struct way *way = &ways[_i];
    struct scratch scratch = sources();
    if (optimized(way) && build(&scratch, way)) {
        struct module *module = module_in(&scratch, "app", NULL);
        const struct function *work = function_named(module, "work");
        const struct inlined *inlined;
        size_t count, squares = 0;
        CHECK_OK(function_inlined(module, work, &inlined, &count));
        for (size_t i = 0; i < count; i++) {
            if (strcmp(inlined[i].name, "square"))
                continue;
            squares++;
            if (strstr(way->flags, "strict"))
                continue; /* DWARF 2 does not say from where */
            ck_assert_uint_eq(inlined[i].call_line, 15);
            ck_assert(line_file_matches(inlined[i].call_file, "main.c"));
            ck_assert_uint_eq(inlined[i].line, 4);
            ck_assert_uint_eq(inlined[i].depth, 1);
            ck_assert_int_eq(inlined[i].parent, -1);
            ck_assert(in_ranges(work, inlined[i].entry));
            ck_assert_uint_gt(inlined[i].range_count, 0);
        }
        ck_assert_msg(squares == 1, "%s %s: %zu", way->c, way->flags, squares);
        module_close(module);
    }
    scratch_remove(&scratch);
}
END_TEST

START_TEST(call_sites_are_behind_calls) {
    struct scratch scratch = sources();
    ck_assert(build(&scratch, &(struct way){"gcc", "g++", "-O2 -g"}));
    struct module *module = module_in(&scratch, "app", NULL);
    const struct function *function = function_named(module, "main");
    const struct call_site *sites;
    size_t count;
    CHECK_OK(function_call_sites(module, function, &sites, &count));
    ck_assert_uint_ge(count, 2);
    for (size_t i = 0; i < count; i++) {
        ck_assert(in_ranges(function, sites[i].return_address - 1));
        uint64_t offset;
        ck_assert(elf_vaddr_to_offset(module_image(module), sites[i].return_address, &offset));
        ck_assert_uint_eq(module_image(module)->data[offset - 5], 0xe8); /* call */
    }
    module_close(module);
    scratch_remove(&scratch);
}
END_TEST

START_TEST(without_dwarf_by_symbol) {
    struct scratch scratch = sources();
    ck_assert(build(&scratch, &(struct way){"gcc", "g++", "-O2 -g0"}));
    struct module *module = module_in(&scratch, "app", NULL);
    ck_assert_ptr_nonnull(strstr(module_problem(module), "no debug information"));
    ck_assert_ptr_null(module_debug_path(module));
    const struct function *total = function_named(module, "shop::Cart::total"), *at;
    ck_assert_int_eq(total->source, FUNCTION_SYMBOL);
    ck_assert_uint_eq(total->entry, symbol_address(&scratch, "app", "_ZNK4shop4Cart5totalEi"));
    ck_assert_str_eq(total->display, "shop::Cart::total(int) const");
    ck_assert_uint_eq(total->die, 0);
    const struct function *careful = function_named(module, "careful");
    uint64_t cold = symbol_address(&scratch, "app", "careful.cold");
    ck_assert_uint_ne(cold, 0);
    ck_assert_uint_eq(careful->range_count, 2);
    CHECK_OK(module_function_at(module, cold, &at));
    ck_assert_ptr_eq(at, careful);
    struct variables variables;
    CHECK_OK(function_variables(module, total, &variables));
    ck_assert_uint_eq(variables.count, 0);
    check_all(&scratch, module, "app");
    module_close(module);
    scratch_remove(&scratch);
}
END_TEST

START_TEST(stripped_by_frame) {
    struct scratch scratch = sources();
    ck_assert(build(&scratch, &(struct way){"gcc", "g++", "-O2 -g0"}));
    uint64_t work = symbol_address(&scratch, "app", "work"), end;
    ck_assert(run(&scratch, "strip app -o stripped"));
    struct module *module = module_in(&scratch, "stripped", NULL);
    char name[64];
    const struct function *at, *named;
    CHECK_OK(module_function_at(module, work + 3, &at));
    snprintf(name, sizeof(name), "sub_%llx", (unsigned long long)work);
    ck_assert_str_eq(at->name, name);
    ck_assert_uint_eq(at->entry, work);
    ck_assert_int_eq(at->source, FUNCTION_FRAME);
    end = at->ranges[0].high;
    CHECK_OK(module_function_at(module, end - 1, &at));
    ck_assert_uint_eq(at->entry, work);
    named = function_named(module, name);
    ck_assert_ptr_eq(named, at);
    struct elf_section plt;
    ck_assert(elf_find_section(module_image(module), ".plt", &plt));
    CHECK_FAILS(module_function_at(module, plt.vaddr + 16, &at), ERROR_NOT_FOUND, "no function");
    CHECK_FAILS(module_function_at(module, 8, &at), ERROR_NOT_FOUND, "no function");
    struct function_list list;
    CHECK_OK(module_functions(module, &(struct function_query){0}, &list));
    ck_assert_uint_gt(list.count, 8);
    for (size_t i = 0; i < list.count; i++)
        ck_assert_uint_ne(list.functions[i]->entry, plt.vaddr);
    function_list_deinit(&list);
    module_close(module);
    scratch_remove(&scratch);
}
END_TEST

static bool starts_with_c(const struct function_name *name, void *context) {
    ++*(int *)context;
    return !strcmp(name->base, "careful") || !strcmp(name->base, "convert");
}

START_TEST(matching) {
    struct scratch scratch = sources();
    ck_assert(build(&scratch, &(struct way){"gcc", "g++", "-O2 -g"}));
    struct module *module = module_in(&scratch, "app", NULL);
    struct function_list list;
    int calls = 0;
    CHECK_OK(
        module_functions(module, &(struct function_query){.match = starts_with_c, .context = &calls}, &list));
    ck_assert_uint_eq(list.count, 3);
    ck_assert_int_gt(calls, 5);
    function_list_deinit(&list);
    CHECK_OK(module_functions(module, &(struct function_query){.exact = "nonesuch"}, &list));
    ck_assert_uint_eq(list.count, 0);
    function_list_deinit(&list);
    module_close(module);
    scratch_remove(&scratch);
}
END_TEST

START_TEST(indirect_functions) {
    static const char source[] = "int real(int n) { return n; }\n"
                                 "static int (*choose(void))(int) { return real; }\n"
                                 "int chosen(int) __attribute__((ifunc(\"choose\")));\n"
                                 "int main(int n, char **v) { (void)v; return chosen(n); }\n";
    struct scratch scratch = scratch_create();
    scratch_write(scratch.fd, "a.c", source, strlen(source));
    ck_assert(run(&scratch, "gcc -g a.c -o app"));
    struct module *module = module_in(&scratch, "app", NULL);
    const struct function *chosen = function_named(module, "chosen");
    ck_assert(chosen->ifunc);
    ck_assert_str_eq(chosen->name, "choose");
    ck_assert(!function_named(module, "real")->ifunc);
    module_close(module);
    scratch_remove(&scratch);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("function");
    TCase *compiled = tcase_create("compiled");
    tcase_set_timeout(compiled, 120);
    tcase_add_loop_test(compiled, names_and_ranges, 0, WAYS);
    tcase_add_loop_test(compiled, inlined_instances, 0, WAYS);
    suite_add_tcase(suite, compiled);
    TCase *kinds = tcase_create("kinds");
    tcase_set_timeout(kinds, 120);
    tcase_add_test(kinds, call_sites_are_behind_calls);
    tcase_add_test(kinds, without_dwarf_by_symbol);
    tcase_add_test(kinds, stripped_by_frame);
    tcase_add_test(kinds, matching);
    tcase_add_test(kinds, indirect_functions);
    suite_add_tcase(suite, kinds);
    return scratch_run(suite);
}
