/* config/: JSON and command line fill the same options; what is wrong is named; patterns match as pattern.h
 * says; what is printed can be read again. */
#include "config/arguments.h"
#include "config/file.h"
#include "config/nearest.h"
#include "config/pattern.h"
#include "config/place.h"
#include "config/print.h"
#include "scratch.h"

/* ---- JSON ---- */

static struct error *read_text(const char *text, struct trace_options *options) {
    return config_read_text(text, strlen(text), "c.json", options);
}

START_TEST(json_fills_options) {
    struct trace_options options;
    trace_options_init(&options);
    CHECK_OK(read_text(
        "{\"trace_syscalls\": true, \"max_call_depth\": 7, \"buffer_size\": \"64K\", \"output\": \"a "
        "b.json\","
        " \"exclude_patterns\": [\"std::*\", \"f(int, char),g\"], \"format\": \"jsonl\", \"async_write\": "
        "false,"
        " \"conditions\": [\"f: a, b\"], \"sample\": 1e2, \"debug_dir\": null, \"max_string_length\": 0}",
        &options));
    ck_assert(options.trace_syscalls && options.trace_functions && options.trace_variables &&
              !options.async_write);
    ck_assert_uint_eq(options.max_call_depth, 7);
    ck_assert_uint_eq(options.buffer_size, 65536);
    ck_assert_uint_eq(options.sample, 100);
    ck_assert_uint_eq(options.max_string_length, 0);
    ck_assert_str_eq(options.output, "a b.json");
    ck_assert_int_eq(options.format, FORMAT_JSONL);
    ck_assert_ptr_null(options.debug_dir);
    ck_assert_uint_eq(options.exclude_patterns.count, 3);
    ck_assert_str_eq(options.exclude_patterns.items[1], "f(int, char)");
    ck_assert_uint_eq(options.conditions.count, 1);
    trace_options_deinit(&options);
}
END_TEST

static const struct {
    const char *text, *why, *hint;
} bad_json[] = {
    {"{\"max_dept\": 1}", "c.json: max_dept: no such key", "max_call_depth"},
    {"{\"trace_function\": true}", "trace_function: no such key", "did you mean trace_functions?"},
    {"{\"max-depth\": 1}", "max-depth: no such key", "max_call_depth"},
    {"{\"exclude\": []}", "exclude: no such key", "exclude_patterns"},
    {"{\"Level\": \"full\"}", "Level: no such key", "level"},
    {"{\"zzzzzzzzzz\": 1}", "no such key", "reel config --list"},
    {"{\"sample\": \"5\"}", "c.json: sample: expected a number, found a string", NULL},
    {"{\"sample\": 0}", "sample: 0 is not a whole number between 1 and 4294967295", NULL},
    {"{\"sample\": 1.5}", "sample: 1.5 is not a whole number", NULL},
    {"{\"sample\": -1}", "sample: -1 is not", NULL},
    {"{\"sample\": 1e300}", "sample: 1e+300 is not", NULL},
    {"{\"max_call_depth\": 65536}", "between 0 and 65535", NULL},
    {"{\"trace_variables\": 1}", "trace_variables: expected true or false, found a number", NULL},
    {"{\"trace_variables\": \"true\"}", "expected true or false, found a string", NULL},
    {"{\"level\": true}", "level: expected a string, found true", NULL},
    {"{\"level\": \"ful\"}", "level: 'ful' is none of minimal, standard or full", "did you mean full?"},
    {"{\"level\": \"\"}", "level: '' is none of", NULL},
    {"{\"format\": \"xml\"}", "format: 'xml' is none of json or jsonl", NULL},
    {"{\"output\": \"\"}", "output: the text is empty", NULL},
    {"{\"output\": [\"x\"]}", "output: expected a string, found a list", NULL},
    {"{\"exclude_patterns\": \"std::*\"}", "exclude_patterns: expected a list of strings, found a string",
     NULL},
    {"{\"exclude_patterns\": [5]}", "expected strings in the list, found a number", NULL},
    {"{\"exclude_patterns\": [\"a,,b\"]}", "exclude_patterns: pattern: it is empty", NULL},
    {"{\"include_patterns\": [\"/a(/\"]}", "include_patterns: /a(/: not a regular expression", NULL},
    {"{\"conditions\": [\"no colon\"]}", "conditions: no colon: no colon", NULL},
    {"{\"probes\": [\"shop.c: total\"]}", "probes: shop.c: total: no ':LINE:'", NULL},
    {"{\"buffer_size\": \"64X\"}", "buffer_size: '64X' is not a size", NULL},
    {"{\"buffer_size\": \"1K\"}", "buffer_size: 1024 is not between 4096", NULL},
    {"{\"sample\": 1, \"sample\": 2}", "sample: the key is there twice", NULL},
    {"[]", "c.json: expected an object, found a list", NULL},
    {"5", "expected an object, found a number", NULL},
    {"", "c.json: line 1, column 1: a value is missing", NULL},
    {"{\"sample\": 1,}", "line 1, column 14: nothing follows the comma", NULL},
    {"{\n  // words\n}", "line 2, column 3: JSON has no comments", NULL},
    {"{\n  \"sample\": 1 # words\n}", "line 2, column 15: JSON has no comments", NULL},
    {"{\"sample\": 1} x", "line 1, column 15: there is more behind the value", NULL},
    {"{'sample': 1}", "column 2: strings are in double quotes", NULL},
    {"{\"sample\": 1", "column 13: a ',' or '}' is missing", NULL},
    {"{\"sample\": 01}", "column 12: a number does not begin with 0", NULL},
    {"{\"output\": \"a\tb\"}", "a control character", NULL},
    {"{\"output\": \"a}", "column 12: the closing quote is missing", NULL},
    {"{\"output\": \"\\x\"}", "an unknown escape", NULL},
    {"{\"sample\": 1.}", "a digit is missing", NULL},
    {"{\"sample\" 1}", "a ':' is missing", NULL},
    {"{\"sample\": tru}", "a value is missing", NULL},
    {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "too deeply nested", NULL},
    {"{\"sample\": +1}", "a value is missing", NULL},
    {"[1 2]", "a ',' or ']' is missing", NULL},
    {"{\"output\": \"a\\u0000b\"}", "a NUL in a string", NULL},
};

START_TEST(bad_json_is_named) {
    struct trace_options options;
    trace_options_init(&options);
    struct error *err = read_text(bad_json[_i].text, &options);
    ck_assert_msg(err != NULL, "%s: should have failed", bad_json[_i].text);
    ck_assert_int_eq(err->code, ERROR_USAGE);
    ck_assert_msg(strstr(err->message, bad_json[_i].why) != NULL, "%s", err->message);
    ck_assert_msg(!bad_json[_i].hint || (err->hint && strstr(err->hint, bad_json[_i].hint)), "%s: hint %s",
                  err->message, err->hint ? err->hint : "none");
    error_free(err);
    trace_options_deinit(&options);
}
END_TEST

START_TEST(files_are_read) {
    struct scratch scratch = scratch_create();
    struct trace_options options;
    char path[128];
    trace_options_init(&options);
    scratch_write(scratch.fd, "c.json", "{\"sample\": 3}", 13);
    snprintf(path, sizeof(path), "%s/c.json", scratch.path);
    CHECK_OK(config_read_file(path, &options));
    ck_assert_uint_eq(options.sample, 3);
    snprintf(path, sizeof(path), "%s/missing.json", scratch.path);
    CHECK_FAILS(config_read_file(path, &options), ERROR_SYSTEM, "missing.json");
    CHECK_FAILS(config_read_file(scratch.path, &options), ERROR_SYSTEM, scratch.path);
    CHECK_FAILS(config_read_file("/dev/zero", &options), ERROR_USAGE, "too large");
    trace_options_deinit(&options);
    scratch_remove(&scratch);
}
END_TEST

/* ---- the command line ---- */

/* Arguments as "name=value" or "name", NULL at the end. */
static struct error *apply(const char *const *words, struct trace_options *options) {
    struct option_arguments arguments = {0};
    char names[16][64];
    for (size_t i = 0; words[i]; i++) {
        const char *equal = strchr(words[i], '=');
        snprintf(names[i], sizeof(names[i]), "%.*s", (int)strcspn(words[i], "="), words[i]);
        CHECK_OK(option_arguments_add(&arguments, names[i], equal ? equal + 1 : NULL));
    }
    trace_options_init(options);
    struct error *err = option_arguments_apply(&arguments, options);
    option_arguments_deinit(&arguments);
    return err;
}
#define APPLY(options, ...) apply((const char *const[]){__VA_ARGS__, NULL}, options)

START_TEST(levels_set_switches_that_refine_them) {
    struct trace_options o;
    CHECK_OK(APPLY(&o, "level=minimal"));
    ck_assert(o.trace_functions && !o.trace_variables && !o.trace_control_flow && o.trace_exceptions);
    CHECK_OK(APPLY(&o, "level=full"));
    ck_assert(o.trace_functions && o.trace_variables && o.trace_control_flow);
    CHECK_OK(APPLY(&o, "no-variables", "level=full"));
    ck_assert(o.trace_functions && !o.trace_variables && o.trace_control_flow);
    CHECK_OK(APPLY(&o, "level=full", "no-variables", "no-functions"));
    ck_assert(!o.trace_functions && !o.trace_variables && o.trace_control_flow);
    CHECK_OK(APPLY(&o, "level=full", "level=minimal", "syscalls", "no-exceptions"));
    ck_assert(!o.trace_control_flow && o.trace_syscalls && !o.trace_exceptions);
    CHECK_OK(APPLY(&o, "variables", "no-variables", "control-flow"));
    ck_assert(!o.trace_variables && o.trace_control_flow);
}
END_TEST

START_TEST(later_sources_win) {
    struct scratch scratch = scratch_create();
    struct trace_options o;
    char first[128], second[128];
    static const char one[] =
        "{\"level\": \"full\", \"sample\": 3, \"include_patterns\": [\"a\"], \"exclude_patterns\": [\"x\"]}";
    static const char two[] = "{\"sample\": 4, \"trace_variables\": false, \"exclude_patterns\": [\"y\"]}";
    scratch_write(scratch.fd, "one", one, strlen(one));
    scratch_write(scratch.fd, "two", two, strlen(two));
    snprintf(first, sizeof(first), "config=%s/one", scratch.path);
    snprintf(second, sizeof(second), "config=%s/two", scratch.path);
    CHECK_OK(APPLY(&o, "max-depth=9", "function=p*,q", first, "function=r", second));
    ck_assert_uint_eq(o.sample, 4);
    ck_assert_uint_eq(o.max_call_depth, 9);
    ck_assert(o.trace_control_flow && !o.trace_variables);
    ck_assert_uint_eq(o.include_patterns.count, 3); /* the command line's, not the file's */
    ck_assert_str_eq(o.include_patterns.items[2], "r");
    ck_assert_uint_eq(o.exclude_patterns.count, 1);
    ck_assert_str_eq(o.exclude_patterns.items[0], "y");
    trace_options_deinit(&o);
    CHECK_OK(APPLY(&o, "level=standard", first));
    ck_assert(!o.trace_control_flow);
    trace_options_deinit(&o);
    scratch_remove(&scratch);
}
END_TEST

START_TEST(bad_arguments_are_named) {
    static const struct {
        const char *argument, *why;
    } rows[] = {{"max-depth=x", "--max-depth: 'x' is not a whole number between 0 and 65535"},
                {"max-depth=70000", "--max-depth: 70000 is not between 0 and 65535"},
                {"max-depth=5K", "--max-depth: '5K' is not a whole number"},
                {"max-depth=", "''"},
                {"max-depth=-1", "'-1'"},
                {"max-depth= 1", "' 1'"},
                {"sample=99999999999999999999", "not a whole number"},
                {"level=ful", "none of"},
                {"function=", "--function: pattern: it is empty"},
                {"function=a,", "empty"},
                {"when=f", "no colon"},
                {"when=: x", "no function"},
                {"when=f:", "no expression"},
                {"when=a::b", "no colon"},
                {"at=f.c:0: x", "lines count from 1"},
                {"at=:5: x", "no file"},
                {"at=f.c:5:", "no expression"},
                {"at=f.c:5", "no ':LINE:'"},
                {"output=", "empty"},
                {"buffer-size=99999999999G", "is not a size"},
                {"function=***a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*", "at most 16 stars"}};
    struct trace_options options;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK_FAILS(APPLY(&options, rows[i].argument), ERROR_USAGE, rows[i].why);
        trace_options_deinit(&options);
    }
    struct option_arguments arguments = {0};
    CHECK_FAILS(option_arguments_add(&arguments, "no-level", "x"), ERROR_NOT_FOUND, "--no-level");
    CHECK_FAILS(option_arguments_add(&arguments, "trace_functions", NULL), ERROR_NOT_FOUND, "no such option");
    option_arguments_deinit(&arguments);
}
END_TEST

START_TEST(sizes_have_units) {
    uint64_t size = 0;
    ck_assert(option_parse_size("4096", &size) && size == 4096);
    ck_assert(option_parse_size("64k", &size) && size == 65536);
    ck_assert(option_parse_size("3M", &size) && size == 3 << 20);
    ck_assert(option_parse_size("2G", &size) && size == UINT64_C(2) << 30);
    static const char *const bad[] = {
        "", "K", "-1", "+1", "1KB", "1T", "0x10", "1.5M", "18446744073709551616", "17179869184G"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!option_parse_size(bad[i], &size), "%s", bad[i]);
}
END_TEST

/* ---- the table and what is printed of it ---- */

START_TEST(the_table_is_sound) {
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *row = &option_rows[i];
        bool negated;
        ck_assert_ptr_eq(option_by_key(row->key), row);
        ck_assert_ptr_eq(option_by_name(row->name, &negated), row);
        ck_assert_msg(row->help && *row->help && row->help[strlen(row->help) - 1] == '.', "%s", row->key);
        ck_assert_msg(row->type == OPTION_BOOL || row->value, "%s", row->key);
        ck_assert_msg((row->type != OPTION_NUMBER && row->type != OPTION_SIZE) ||
                          (row->least <= row->fallback && row->fallback <= row->most),
                      "%s", row->key);
        ck_assert_msg((row->type == OPTION_ENUM) == (row->words != NULL), "%s", row->key);
        ck_assert_msg((row->type == OPTION_LIST) == (row->check != CHECK_NONE), "%s", row->key);
    }
    ck_assert_str_eq(option_rows[0].key, "level"); /* config/file.c applies in the order of the table */
}
END_TEST

START_TEST(what_is_printed_is_read_again) {
    struct trace_options options, again;
    struct buffer first = {0}, second = {0};
    CHECK_OK(APPLY(&options, "level=full", "no-functions", "exclude=std::*,g\"h", "function=/a,b/",
                   "max-size=5", "output=\xc3\xa4\\", "when=f: x == \"y\"", "at=a:b.c:7: x", "format=jsonl",
                   "buffer-size=1G"));
    option_print_json(&options, &first);
    trace_options_init(&again);
    CHECK_OK(config_read_text((char *)first.data, first.size, "printed", &again));
    option_print_json(&again, &second);
    ck_assert_uint_eq(first.size, second.size);
    ck_assert_int_eq(memcmp(first.data, second.data, first.size), 0);
    ck_assert_uint_eq(again.exclude_patterns.count, 2);
    ck_assert_str_eq(again.include_patterns.items[0], "/a,b/");
    trace_options_deinit(&options);
    trace_options_deinit(&again);
    buffer_deinit(&first);
    buffer_deinit(&second);
}
END_TEST

static void check_width(struct buffer *text) {
    buffer_put_u8(text, 0);
    for (char *line = strtok((char *)text->data, "\n"); line; line = strtok(NULL, "\n"))
        ck_assert_msg(strlen(line) < 80, "%s", line);
    buffer_deinit(text);
}

START_TEST(help_fits_a_terminal_and_names_all) {
    struct buffer help = {0}, list = {0};
    option_print_help(&help);
    option_print_list(&list);
    buffer_put_u8(&help, 0);
    for (size_t i = 0; i < option_count; i++)
        ck_assert_msg(strstr((char *)help.data, option_rows[i].name) != NULL, "%s", option_rows[i].name);
    check_width(&help);
    check_width(&list);
}
END_TEST

/* ---- small parts ---- */

START_TEST(distances_are_right) {
    static const struct {
        const char *a, *b;
        size_t distance;
    } rows[] = {{"", "", 0},           {"abc", "abc", 0},        {"abc", "", 3},
                {"", "ab", 2},         {"kitten", "sitting", 3}, {"ab", "ba", 1},
                {"level", "levle", 1}, {"abcd", "acbd", 1},      {"flaw", "lawn", 2},
                {"ca", "abc", 3}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(edit_distance(rows[i].a, rows[i].b) == rows[i].distance, "%s %s", rows[i].a, rows[i].b);
}
END_TEST

static const struct {
    const char *pattern, *name;
    bool matches;
} functions[] = {
    {"main", "main", true},
    {"main", "main_loop", false},
    {"parse_*", "parse_line", true},
    {"parse_?", "parse_ab", false},
    {"add", "shop::Cart::add(int)", false},
    {"*::add", "shop::Cart::add(int)", true},
    {"shop::Cart::add", "shop::Cart::add(int)", true},
    {"shop::Cart::add(int)", "shop::Cart::add(int)", true},
    {"shop::Cart::add(long)", "shop::Cart::add(int)", false},
    {"shop::*", "shop::Cart::add(int)", true},
    {"*(int)", "f(int)", true},
    {"std::max", "std::max<int>(int const&, int const&)", true},
    {"std::max<*>", "std::max<int>(int const&, int const&)", true},
    {"std::vector<int>::push_back", "std::vector<int>::push_back(int&&)", true},
    {"f", "f(int) const", true},
    {"*operator()", "A::operator()(int) const", true},
    {"A::operator[[]]", "A::operator[](int)", true},
    {"A::operator[](int)", "A::operator[](int)", true},
    {"A::operator<", "A::operator<(A const&)", true},
    {"A::operator<<", "A::operator<<(A const&)", true},
    {"A::operator->", "A::operator->()", true},
    {"A::operator bool", "A::operator bool() const", true},
    {"(anonymous namespace)::f", "(anonymous namespace)::f(int)", true},
    {"f(int)::local::g", "f(int)::local::g(char)", true},
    {"my_operator", "my_operator(int)", true},
    {"/^parse_(line|word)$/", "parse_word", true},
    {"/^parse_(line|word)$/", "parse_words", false},
    {"/[Cc]art/", "shop::Cart::add(int)", true},
    {"/^shop::Cart::add$/", "shop::Cart::add(int)", true},
    {"*", "anything", true},
    {"[a-c]x", "bx", true},
    {"[!a-c]x", "bx", false},
    {"_Z3addi", "add(int)", true},
    {"apply", "apply<void (*)(int)>(void (*)(int))", true},
};

START_TEST(function_patterns_match) {
    struct text_list texts = {0};
    struct pattern_list *patterns;
    CHECK_OK(text_list_add(&texts, functions[_i].pattern, strlen(functions[_i].pattern)));
    CHECK_OK(pattern_list_create(&texts, PATTERN_FUNCTION, &patterns));
    const char *linkage = strcmp(functions[_i].name, "add(int)") ? NULL : "_Z3addi";
    ck_assert_msg(pattern_list_matches(patterns, functions[_i].name, linkage) == functions[_i].matches,
                  "%s %s", functions[_i].pattern, functions[_i].name);
    pattern_list_destroy(patterns);
    text_list_deinit(&texts);
}
END_TEST

START_TEST(path_patterns_match) {
    static const struct {
        const char *pattern, *path;
        bool matches;
    } rows[] = {{"*.c", "/src/a.c", true},
                {"a.c", "/src/a.c", true},
                {"a.c", "/src/ba.c", false},
                {"src/*.c", "/home/src/a.c", true},
                {"rc/*.c", "/home/src/a.c", false},
                {"/home/*", "/home/src/a.c", true},
                {"/src/", "/home/src/a.c", false},
                {"libz.so*", "/usr/lib/libz.so.1", true},
                {"lib/libz.so.1", "/usr/lib/libz.so.1", true},
                {"*", "x", true},
                {"a.c", "a.c", true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct text_list texts = {0};
        struct pattern_list *patterns;
        CHECK_OK(text_list_add(&texts, rows[i].pattern, strlen(rows[i].pattern)));
        CHECK_OK(pattern_list_create(&texts, PATTERN_PATH, &patterns));
        ck_assert_msg(pattern_list_matches(patterns, rows[i].path, NULL) == rows[i].matches, "%s %s",
                      rows[i].pattern, rows[i].path);
        pattern_list_destroy(patterns);
        text_list_deinit(&texts);
    }
}
END_TEST

START_TEST(excluded_wins) {
    struct text_list include_texts = {0}, exclude_texts = {0}, none_texts = {0};
    struct pattern_list *include, *exclude, *none;
    CHECK_OK(text_list_add(&include_texts, "parse_*", 7));
    CHECK_OK(text_list_add(&exclude_texts, "*_word", 6));
    CHECK_OK(pattern_list_create(&include_texts, PATTERN_FUNCTION, &include));
    CHECK_OK(pattern_list_create(&exclude_texts, PATTERN_FUNCTION, &exclude));
    CHECK_OK(pattern_list_create(&none_texts, PATTERN_FUNCTION, &none));
    ck_assert(pattern_list_is_empty(none) && !pattern_list_matches(none, "x", NULL));
    ck_assert(pattern_selects(include, exclude, "parse_line", NULL) &&
              !pattern_selects(include, exclude, "parse_word", NULL));
    ck_assert(!pattern_selects(include, exclude, "main", NULL) &&
              pattern_selects(none, exclude, "main", NULL));
    ck_assert(!pattern_selects(none, exclude, "a_word", NULL) && pattern_selects(none, none, "a_word", NULL));
    pattern_list_destroy(include);
    pattern_list_destroy(exclude);
    pattern_list_destroy(none);
    text_list_deinit(&include_texts);
    text_list_deinit(&exclude_texts);
}
END_TEST

START_TEST(commas_split_patterns_where_they_should) {
    static const struct {
        const char *text;
        size_t length;
    } rows[] = {{"a,b", 1},
                {"f(int, char),g", 12},
                {"std::map<int, int>::find,x", 24},
                {"/a,b/,c", 5},
                {"/a\\/,b/,c", 7},
                {"[,]x,y", 4},
                {"operator<,b", 9},
                {"operator,", 9},
                {"A::operator()(int, int),b", 23},
                {"operator<<,b", 10},
                {"/usr,b", 4},
                {"a", 1},
                {"", 0},
                {",a", 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(pattern_item_length(rows[i].text, PATTERN_FUNCTION) == rows[i].length, "%s: %zu",
                      rows[i].text, pattern_item_length(rows[i].text, PATTERN_FUNCTION));
}
END_TEST

START_TEST(places_are_taken_apart) {
    struct condition_place condition;
    struct probe_place probe;
    CHECK_OK(condition_place_parse(" shop::Cart::add(std::string) :  a ? b : c::d ", &condition));
    ck_assert_str_eq(condition.function, "shop::Cart::add(std::string)");
    ck_assert_str_eq(condition.expression, "a ? b : c::d");
    condition_place_deinit(&condition);
    CHECK_OK(condition_place_parse("[[:alpha:]]*:x", &condition));
    ck_assert_str_eq(condition.function, "[[:alpha:]]*");
    condition_place_deinit(&condition);
    CHECK_OK(probe_place_parse("src/shop.c:42: total, cart->n", &probe));
    ck_assert_str_eq(probe.file, "src/shop.c");
    ck_assert_uint_eq(probe.line, 42);
    ck_assert_str_eq(probe.expressions, "total, cart->n");
    probe_place_deinit(&probe);
    CHECK_OK(probe_place_parse("odd:name.c:7:a ? 1:2", &probe));
    ck_assert_str_eq(probe.file, "odd:name.c");
    ck_assert_str_eq(probe.expressions, "a ? 1:2");
    probe_place_deinit(&probe);
}
END_TEST

static Suite *make_suite(void) {
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("config");
    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, json_fills_options);
    tcase_add_loop_test(tcase, bad_json_is_named, 0, sizeof(bad_json) / sizeof(bad_json[0]));
    tcase_add_test(tcase, files_are_read);
    tcase_add_test(tcase, levels_set_switches_that_refine_them);
    tcase_add_test(tcase, later_sources_win);
    tcase_add_test(tcase, bad_arguments_are_named);
    tcase_add_test(tcase, sizes_have_units);
    tcase_add_test(tcase, the_table_is_sound);
    tcase_add_test(tcase, what_is_printed_is_read_again);
    tcase_add_test(tcase, help_fits_a_terminal_and_names_all);
    tcase_add_test(tcase, distances_are_right);
    tcase_add_loop_test(tcase, function_patterns_match, 0, sizeof(functions) / sizeof(functions[0]));
    tcase_add_test(tcase, path_patterns_match);
    tcase_add_test(tcase, excluded_wins);
    tcase_add_test(tcase, commas_split_patterns_where_they_should);
    tcase_add_test(tcase, places_are_taken_apart);
    return suite;
}

int main(void) {
    return scratch_run(make_suite());
}
