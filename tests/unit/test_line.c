/* dwarf/line: addresses and lines belong together as the source and addr2line say. */
#include "compiled.h"

START_TEST(lines) {
    const struct way *way = &ways[_i];
    struct scratch scratch = sources();
    if (build(&scratch, way)) {
        struct module *module = module_in(&scratch, "app", NULL);
        const struct function *work = function_named(module, "work");
        struct line_row row;
        CHECK_OK(module_line_at(module, work->entry, &row));
        ck_assert(row.line == 13 || (optimized(way) && (row.line == 5 || row.line == 16)));
        ck_assert(line_file_matches(row.file, "main.c"));
        ck_assert_int_eq(*row.file, '/');
        CHECK_FAILS(module_line_at(module, 16, &row), ERROR_NOT_FOUND, "no line");

        struct line_rows rows;
        bool seen[64] = {false};
        CHECK_OK(function_lines(module, work, &rows));
        for (size_t i = 0; i < rows.count; i++) {
            if (i)
                ck_assert_uint_le(rows.rows[i - 1].address, rows.rows[i].address);
            ck_assert(!rows.rows[i].end_sequence);
            if (rows.rows[i].line < 64 && line_file_matches(rows.rows[i].file, "main.c"))
                seen[rows.rows[i].line] = true;
        }
        ck_assert_msg(seen[13] && seen[20] && (seen[5] || seen[15]), "%s %s", way->c, way->flags);
        free((void *)rows.rows);

        uint64_t *addresses, body = function_body(module, work);
        size_t count;
        unsigned line;
        ck_assert_uint_ge(body, work->entry);
        ck_assert_uint_lt(body, work->ranges[0].high);
        CHECK_OK(module_line_addresses(module, "main.c", 20, &addresses, &count, &line));
        ck_assert_msg(count == 1 || (count == 2 && optimized(way)), "%s %s: %zu", way->c, way->flags, count);
        ck_assert_uint_eq(line, 20);
        size_t own = count == 2 && addresses[0] < work->entry; /* the other is inlined into main */
        CHECK_OK(module_line_at(module, addresses[own], &row));
        ck_assert_uint_eq(row.line, 20);
        const struct function *at;
        CHECK_OK(module_function_at(module, addresses[own], &at));
        ck_assert_ptr_eq(at, work);
        free(addresses);
        module_close(module);
    }
    scratch_remove(&scratch);
}
END_TEST

START_TEST(places) {
    struct scratch scratch = sources();
    ck_assert(build(&scratch, &(struct way){"gcc", "g++", "-O0 -g"}));
    struct module *module = module_in(&scratch, "app", NULL);
    uint64_t *addresses;
    size_t count;
    unsigned line;
    /* A template has its line twice. */
    CHECK_OK(module_line_addresses(module, "shop.h", 8, &addresses, &count, &line));
    ck_assert_uint_eq(count, 2);
    free(addresses);
    /* A loop's line is in two pieces and is one place. */
    CHECK_OK(module_line_addresses(module, "shop.cc", 10, &addresses, &count, &line));
    ck_assert_uint_eq(count, 1);
    free(addresses);
    /* A line without code: the next one. A function's own: behind its prologue. */
    CHECK_OK(module_line_addresses(module, "main.c", 12, &addresses, &count, &line));
    ck_assert_uint_eq(line, 13);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(addresses[0], function_body(module, function_named(module, "work")));
    ck_assert_uint_gt(addresses[0], function_named(module, "work")->entry);
    free(addresses);
    CHECK_FAILS(module_line_addresses(module, "ain.c", 12, &addresses, &count, &line), ERROR_NOT_FOUND,
                "no code");
    CHECK_FAILS(module_line_addresses(module, "main.c", 5000, &addresses, &count, &line), ERROR_NOT_FOUND,
                "no code");
    CHECK_FAILS(module_line_addresses(module, "main.c", 0, &addresses, &count, &line), ERROR_NOT_FOUND,
                "no code");
    module_close(module);
    scratch_remove(&scratch);
}
END_TEST

START_TEST(as_addr2line_says) {
    struct scratch scratch = sources();
    ck_assert(build(&scratch, &ways[_i]));
    struct module *module = module_in(&scratch, "app", NULL);
    const struct function *use = function_named(module, "shop::use");
    uint64_t step = (use->ranges[0].high - use->entry) / 16 + 1;
    for (uint64_t at = use->entry; at < use->ranges[0].high; at += step) {
        char command[256], text[1024];
        struct line_row row;
        unsigned line = 0;
        snprintf(command, sizeof(command), "addr2line -e %s/app 0x%llx", scratch.path,
                 (unsigned long long)at);
        FILE *pipe = popen(command, "r");
        ck_assert(fgets(text, sizeof(text), pipe) != NULL);
        pclose(pipe);
        if (strrchr(text, ':') && sscanf(strrchr(text, ':'), ":%u", &line) == 1 && line) {
            CHECK_OK(module_line_at(module, at, &row));
            ck_assert_msg(row.line == line, "0x%llx: %u, %s", (unsigned long long)at, row.line, text);
        }
    }
    module_close(module);
    scratch_remove(&scratch);
}
END_TEST

START_TEST(file_names) {
    ck_assert(line_file_matches("/home/u/src/shop.c", "shop.c"));
    ck_assert(line_file_matches("/home/u/src/shop.c", "src/shop.c"));
    ck_assert(line_file_matches("/home/u/src/shop.c", "./src/shop.c"));
    ck_assert(line_file_matches("/home/u/src/shop.c", "/home/u/src/shop.c"));
    ck_assert(line_file_matches("shop.c", "shop.c"));
    ck_assert(!line_file_matches("/home/u/src/shop.c", "hop.c"));
    ck_assert(!line_file_matches("/home/u/src/shop.c", "rc/shop.c"));
    ck_assert(!line_file_matches("shop.c", "src/shop.c"));
    ck_assert(!line_file_matches(NULL, "shop.c"));
    ck_assert(!line_file_matches("shop.c", ""));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("line");
    TCase *compiled = tcase_create("compiled");
    tcase_set_timeout(compiled, 120);
    tcase_add_loop_test(compiled, lines, 0, WAYS);
    tcase_add_test(compiled, places);
    tcase_add_loop_test(compiled, as_addr2line_says, 2, 4);
    tcase_add_test(compiled, file_names);
    suite_add_tcase(suite, compiled);
    return scratch_run(suite);
}
