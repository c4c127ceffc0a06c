/* dwarf/expression: what C makes of an expression is what gcc makes of it. Each expression is compiled into a
 * library that is loaded here, and evaluated over the library's own variables: kind, size, sign and value
 * must be the same. */
#include "dwarf/expression_operand.h"
#include "dwarf/value.h"
#include "library.h"

/* What the library says of an expression. */
struct computed {
    int is_float, is_pointer, is_signed;
    unsigned long size;
    __int128 integer;
    long double real;
};

static const char variables[] =
    "struct computed { int is_float, is_pointer, is_signed; unsigned long size; __int128 integer; long "
    "double real; };\n"
    "#define POINTER(e) (__builtin_classify_type(e) == 5)\n"
    "#define NUMBER(e) __builtin_choose_expr(POINTER(e), 0, (e))\n"
    "#define ADDRESS(e) __builtin_choose_expr(POINTER(e), (e), (void *)0)\n"
    "#define IS_FLOAT(e) _Generic((e), float: 1, double: 1, long double: 1, default: 0)\n"
    "#define R(i, e) void result_##i(struct computed *r) { r->size = sizeof(__typeof__(e)); r->is_float = "
    "IS_FLOAT(e); "
    "r->is_pointer = POINTER(e); r->integer = (unsigned long)ADDRESS(e); r->is_signed = "
    "(__typeof__(NUMBER(e)))-1 < 0; "
    "r->real = NUMBER(e); if (!r->is_float && !r->is_pointer) r->integer = NUMBER(e); }\n"
    "signed char sc = -5; unsigned char uc = 250; char c = 'x'; short s = -300; unsigned short us = 65000;\n"
    "int i = -7; unsigned u = 4000000000u; long l = -5000000000L; unsigned long ul = "
    "18000000000000000000UL;\n"
    "long long ll = 77; unsigned long long ull = 1ULL << 63; __int128 big = (__int128)1 << 100; _Bool b = "
    "1;\n"
    "float f = 1.1f; double d = -2.75; long double ld = 3.3L; int zero = 0, one = 1, many = 123456;\n"
    "enum color { RED, GREEN = 5, BLUE } color = GREEN; enum level { LOW = -1, HIGH } level = LOW;\n"
    "struct point { int x, y; struct { short deep; union { int as_int; float as_float; }; }; int list[4]; "
    "struct point *next;\n"
    "  unsigned low : 3, high : 7; int sign : 5; unsigned wide : 32; _Bool flag : 1; } \n"
    "  other = {.x = 9}, point = {1, 2, {3, {.as_float = 1.5f}}, {10, 20, 30, 40}, &other, 5, 100, -3, "
    "4000000000u, 1};\n"
    "struct point in_register_point = {11, 12, {13, {.as_int = 14}}, {15, 16, 17, 18}, &other, 2, 3, -4, 5, "
    "0};\n"
    "int in_register_int = -12345; double in_register_double = 0.1;\n"
    "int array[4] = {1, -2, 3, -4}, grid[3][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}}; int *p = "
    "array + 1;\n"
    "struct point *pp = &point; int **ppi = &p; void *nothing = 0; char *text = \"hello\"; char buffer[8] = "
    "\"abc\";\n"
    "short shorts[3] = {-1, 500, 7}; struct point points[2] = {{1}, {2, 3}}; void *at = shorts;\n";

static const char *const written[] = {
    /* literals and their types */
    "1", "0x7fffffff", "0x80000000", "2147483648", "4294967296", "0xffffffffffffffff", "1u", "1l", "1ul",
    "1ll", "1ull", "1LU", "077", "0b101", "0777777777777777777777", "'a'", "'\\n'", "'\\xff'", "'\\0'",
    "'\\''", "1.5", "1.5f", "1.5L", ".5", "1e3", "1e-3f", "0x1.8p3", "5.", "0.1", "0.1f", "3.4e38f", "1e400L",
    "0", "00", "9223372036854775807",
    /* promotions and conversions */
    "+c", "-sc", "~uc", "sc + uc", "us + s", "u + i", "i + ul", "l + u", "ll + ul", "ul + ll", "c + 1l",
    "b + b", "-b", "!i", "!d", "!p", "i < u", "l < u", "-1 < 1u", "-1l < 1u", "sc < uc", "f == 1.1",
    "f == 1.1f", "d + f", "ld + d", "f * f", "i / 2", "i % 3", "-i / 2u", "d / 4", "i * d", "big * 3",
    "big + ul", "big > ul", "-big >> 3", "u * u", "ul + ul", "many * many", "many * many * many", "l * l",
    "ul * 3", "1 / 3.0f", "1 / 3.0", "i ? 1 : 2.5", "b ? i : u", "b ? sc : uc", "color + 1", "level + 0",
    "level < color", "color == 5", "ull", "f", "sc", "c", "b", "us",
    /* shifts */
    "i << 3", "i >> 1", "u >> 1", "1u << 31", "1 << 30", "sc << 4", "uc << 4", "1l << 40", "ul >> 63",
    "l >> 3", "s >> uc % 8", "1ull << 63", "i << 2l", "(char)1 << 20",
    /* precedence */
    "1 + 2 * 3", "1 - 2 - 3", "8 / 4 / 2", "1 << 2 + 1", "1 | 2 ^ 3 & 4", "1 < 2 == 1", "5 & 3 == 3",
    "1 || 0 && 0", "!0 + 1", "-1 * -2", "~1 + 1", "- - 1", "!!5", "1 ? 2 : 3 ? 4 : 5", "0 ? 2 : 0 ? 4 : 5",
    "1 ? 0 ? 2 : 3 : 4", "1 == 1 != 0", "7 % 4 * 2", "2 + 3 << 1", "1 < 2 < 3", "3 > 2 > 1", "i + +1",
    "i - -1", "6 & 5 | 8 ^ 1", "1 || one / zero", "0 && one / zero", "1 ? 2 : one / zero", "sizeof i + 1",
    "sizeof(i) + 1", "sizeof(int) * 2", "-sizeof(char) < 0",
    /* casts */
    "(char)300", "(unsigned char)-1", "(short)70000", "(unsigned)-1", "(long)i", "(unsigned long)i",
    "(float)0.1", "(double)f", "(long double)d", "(int)2.9", "(int)-2.9", "(_Bool)0.5", "(_Bool)0",
    "(int)(char)200", "(unsigned)sc", "(unsigned long long)big", "(long)d * 2", "(int)d + 0.5", "-(int)d",
    "(double)ul", "(float)ul", "(float)ull", "(float)many", "(long double)ul",
    "(unsigned long)p == (unsigned long)&array[1]", "(long int)1", "(unsigned short int)1",
    "(long unsigned int)1", "(long long)1", "(signed)1", "(signed char)200", "(enum color)6", "(int const)4",
    "(unsigned)(i)", "(long)-i", "(long)~i", "(char)+1", "(int)*p", "(double)(1 / 3.0f)",
    /* places */
    "array[2]", "*array", "*(array + 3)", "2[array]", "p[-1]", "p[1] + *p", "**ppi", "ppi[0][1]",
    "&array[3] - &array[0]", "&array[3] - p", "p + 1 == &array[2]", "p < &array[3]", "p != 0", "p == nothing",
    "!nothing", "nothing == 0", "point.x", "pp->y", "(*pp).y", "pp->next->x", "point.deep", "point.as_float",
    "point.as_int", "point.list[2]", "pp->list[1] + 1", "*pp->list", "+point.low", "+point.high",
    "+point.sign", "+point.wide", "+point.flag", "point.low - 6", "point.wide + 0", "point.sign * 2",
    "~point.low", "points[1].y", "(points + 1)->x", "&points[1] - points", "grid[1][2]", "*grid[2]", "**grid",
    "*(*(grid + 1) + 3)", "grid[2] - grid[0]", "sizeof grid", "sizeof grid[0]", "sizeof(grid[0][0])",
    "sizeof array", "sizeof(array) / sizeof(array[0])", "sizeof point", "sizeof(struct point)", "sizeof pp",
    "sizeof *pp", "sizeof(struct point *)", "sizeof text", "sizeof buffer", "sizeof(\"abc\")", "sizeof 'a'",
    "sizeof 1.5f", "sizeof(1 / zero)", "sizeof(char)", "sizeof c + c", "sizeof(long double)",
    "sizeof pp->next->next->list", "text[1]", "*text", "text[0] == 'h'", "buffer[3]", "*(short *)at",
    "((short *)at)[1]", "*(unsigned short *)at", "(char *)pp == (char *)&point",
    "((struct point *)(void *)&points[1])->y", "in_register_int + 1", "in_register_double * 3",
    "in_register_point.list[3]", "+in_register_point.sign", "in_register_point.next->x",
    "in_register_point.as_int", "point.next == &other", "&*p == p", "*&i", "&point.list[1] == point.list + 1",
    "color == GREEN", "BLUE > color", "level != HIGH", "p - 1", "&array[1]", "pp", "text + 1", "grid + 1",
    "(int *)0", "at", "shorts + 2", "&pp->x"};

#define WRITTEN_COUNT (sizeof(written) / sizeof(written[0]))
enum { RANDOM_COUNT = 1000, TEXT_MOST = 512 };

static bool evaluate(struct compiled *compiled, const char *text, struct scalar *ret,
                     struct expression_trouble *ret_trouble) {
    struct expression_scope scope = compiled_scope(compiled);
    struct evaluation evaluation = {.scope = &scope, .trouble = ret_trouble};
    struct expression *expression;
    struct operand operand;
    CHECK_OK(expression_parse(text, &expression));
    bool good = evaluate_node(&evaluation, expression->root, &operand) &&
                operand_scalar(&evaluation, expression->root, &operand, ret);
    evaluation_deinit(&evaluation);
    expression_destroy(expression);
    return good;
}

static bool same_float(long double a, long double b) {
    return a == b || (a != a && b != b);
}

static void compare(struct compiled *compiled, size_t index, const char *text) {
    char name[32];
    struct computed wanted = {0};
    struct scalar found = {0};
    struct expression_trouble trouble = {0};
    void (*compute)(struct computed *);
    snprintf(name, sizeof(name), "result_%zu", index);
    *(void **)&compute = dlsym(compiled->library, name);
    compute(&wanted);
    ck_assert_msg(evaluate(compiled, text, &found, &trouble), "%s: column %u: %s", text, trouble.column,
                  trouble.why);
    if (wanted.is_pointer) {
        ck_assert_msg(found.kind == SCALAR_POINTER && found.integer == wanted.integer,
                      "%s: 0x%llx instead of 0x%llx", text, (unsigned long long)found.integer,
                      (unsigned long long)wanted.integer);
        return;
    }
    const struct type *type = basic_type(found.basic);
    ck_assert_msg(found.kind == (wanted.is_float ? SCALAR_FLOAT : SCALAR_INTEGER) &&
                      type->size == wanted.size && type->is_signed == wanted.is_signed,
                  "%s: '%s' instead of a %s %s of %lu bytes", text, type->name,
                  wanted.is_signed ? "signed" : "unsigned", wanted.is_float ? "float" : "integer",
                  wanted.size);
    ck_assert_msg(wanted.is_float ? same_float(found.real, wanted.real) : found.integer == wanted.integer,
                  "%s: %lld (%La) instead of %lld (%La)", text, (long long)found.integer, found.real,
                  (long long)wanted.integer, wanted.real);
}

static void put(struct buffer *buffer, const char *text) {
    buffer_put(buffer, text, strlen(text));
}

static void put_result(struct buffer *source, size_t index, const char *text) {
    char start[32];
    snprintf(start, sizeof(start), "R(%zu, ", index);
    put(source, start);
    put(source, text);
    put(source, ")\n");
}

START_TEST(written_expressions_are_what_gcc_makes_of_them) {
    struct buffer source = {0};
    put(&source, variables);
    for (size_t i = 0; i < WRITTEN_COUNT; i++)
        put_result(&source, i, written[i]);
    buffer_put_u8(&source, 0);
    struct compiled *compiled = compiled_create("gcc", "c", (const char *)source.data);
    for (size_t i = 0; i < WRITTEN_COUNT; i++)
        compare(compiled, i, written[i]);
    compiled_destroy(compiled);
    buffer_deinit(&source);
}
END_TEST

/* ---- random ones: operators of all precedences beside each other, with few parentheses ---- */

static uint64_t state = 88172645463325252u;

static const char *pick(const char *const *words, size_t count) {
    return words[scratch_random(&state) % count];
}
#define PICK(words) pick(words, sizeof(words) / sizeof(words[0]))

/* Nothing that C leaves undefined: divisors and widths are small and positive. */
static void put_random(struct buffer *text, int depth, bool integer) {
    static const char *const integers[] = {"sc",
                                           "uc",
                                           "c",
                                           "s",
                                           "us",
                                           "i",
                                           "u",
                                           "l",
                                           "ul",
                                           "ll",
                                           "ull",
                                           "big",
                                           "b",
                                           "color",
                                           "level",
                                           "zero",
                                           "one",
                                           "many",
                                           "array[1]",
                                           "point.low",
                                           "point.high",
                                           "point.sign",
                                           "point.wide",
                                           "pp->y",
                                           "*p",
                                           "7",
                                           "100u",
                                           "3l",
                                           "0x80000000",
                                           "'z'",
                                           "1ull",
                                           "sizeof s",
                                           "points[one].y",
                                           "in_register_int"};
    static const char *const floats[] = {"f",    "d",    "ld",    "1.5",
                                         "0.1f", "2e10", "3.25L", "in_register_double"};
    static const char *const both[] = {
        " + ", " - ", " * ", " < ", " > ", " <= ", " >= ", " == ", " != ", " && ", " || "};
    static const char *const only_integers[] = {" & ", " | ", " ^ "};
    static const char *const prefixes[] = {
        "-", "+", "!", "~", "(char)", "(unsigned)", "(long)", "(short)", "(unsigned long)"};
    uint64_t dice = scratch_random(&state) % 20;
    if (depth <= 0 || dice == 0) {
        put(text, integer || scratch_random(&state) % 3 ? PICK(integers) : PICK(floats));
    } else if (dice < 3) {
        put(text, PICK(prefixes));
        put(text, "(");
        put_random(text, depth - 1, true);
        put(text, ")");
    } else if (dice < 5 || (dice < 9 && !integer)) { /* floats must not get beside a % or a shift */
        put(text, "(");
        put_random(text, depth - 1, integer || dice >= 5);
        put(text, ")");
    } else if (dice < 7) {
        put_random(text, depth - 1, true);
        put(text, scratch_random(&state) & 1 ? " / (1 | 7 & (" : " % (1 | 7 & (");
        put_random(text, depth - 2, true);
        put(text, "))");
    } else if (dice < 9) { /* in parentheses: nothing may be added to the width */
        put(text, "(");
        put_random(text, depth - 1, true);
        put(text, scratch_random(&state) & 1 ? " << (7 & (" : " >> (7 & (");
        put_random(text, depth - 2, true);
        put(text, ")))");
    } else if (dice < 10) {
        put_random(text, depth - 1, integer);
        put(text, " ? ");
        put_random(text, depth - 1, integer);
        put(text, " : ");
        put_random(text, depth - 1, integer);
    } else {
        put_random(text, depth - 1, integer);
        put(text, integer && dice < 14 ? PICK(only_integers) : PICK(both));
        put_random(text, depth - 1, integer);
    }
}

START_TEST(random_expressions_are_what_gcc_makes_of_them) {
    struct buffer source = {0};
    static struct buffer texts[RANDOM_COUNT];
    put(&source, variables);
    for (size_t i = 0; i < RANDOM_COUNT; i++) {
        put(&texts[i], "1 * ");
        put_random(&texts[i], 2 + (int)(i % 4), i % 2);
        buffer_put_u8(&texts[i], 0);
        put_result(&source, i, (const char *)texts[i].data);
    }
    buffer_put_u8(&source, 0);
    struct compiled *compiled = compiled_create("gcc", "c", (const char *)source.data);
    for (size_t i = 0; i < RANDOM_COUNT; i++) {
        compare(compiled, i, (const char *)texts[i].data);
        buffer_deinit(&texts[i]);
    }
    compiled_destroy(compiled);
    buffer_deinit(&source);
}
END_TEST

/* ---- what is refused ---- */

static const struct {
    const char *text, *why;
} refused[] = {
    {"", "empty"},
    {"  ", "empty"},
    {"a = 1", "column 3: '=' changes a variable"},
    {"a == (b = 1)", "column 9: '=' changes"},
    {"a += 1", "column 3: '+='"},
    {"a <<= 1", "column 3: '<<='"},
    {"a++", "column 2: '++'"},
    {"--a", "column 1: '--'"},
    {"f(1)", "column 2: functions cannot be called"},
    {"p->f()", "column 5: functions cannot be called"},
    {"(f)(x)", "column 4: functions cannot be called"},
    {"a, b", "column 2: the comma operator"},
    {"(a, b)", "column 3: the comma operator"},
    {"a[1, 2]", "column 4: the comma operator"},
    {"len > 80 &&", "column 12: an operand is missing at the end"},
    {"1 + * ", "column 7: an operand is missing"},
    {"(1 + 2", "column 7: ')' is missing for the '(' at column 1"},
    {"a[3", "column 4: ']' is missing for the '[' at column 2"},
    {"1 ? 2", "column 6: ':' is missing for the '?' at column 3"},
    {"1 2", "column 3: an operator is missing before '2'"},
    {"a b", "column 3: an operator is missing before 'b'"},
    {"a)", "column 2: an operator is missing"},
    {")", "column 1: an operand is missing before ')'"},
    {"a.", "column 3: the name of a member"},
    {"a->5", "column 4: the name of a member"},
    {"a.*b", "column 3: the name of a member"},
    {"'ab'", "column 1: more than one byte"},
    {"''", "column 1: an empty character"},
    {"'a", "column 1: the closing quote"},
    {"\"abc", "column 1: the closing quote"},
    {"\"\\q\"", "column 1: an unknown escape"},
    {"'\\x'", "column 1: \\x needs digits"},
    {"'\\777'", "more than a byte"},
    {"\"\\ud800\"", "no such character"},
    {"L\"abc\"", "column 1: strings and characters have no prefix"},
    {"0x", "column 1: this is no number"},
    {"12abc", "this is no number"},
    {"09", "this is no number"},
    {"1.5x", "this is no number"},
    {"0x1.8", "needs an exponent"},
    {"1e", "this is no number"},
    {"1ulu", "this is no number"},
    {"0b", "this is no number"},
    {"9223372036854775808", "too large for a long"},
    {"99999999999999999999u", "too large"},
    {"0x+1", "this is no number"},
    {"a @ b", "column 3: a character that C does not know"},
    {"a # b", "column 3: a character"},
    {"new int", "'new' cannot be used"},
    {"static_cast<int>(x)", "cannot be used"},
    {"a::", "column 1: a name is missing"},
    {"::", "a name is missing"},
    {"(long long long)1", "column 16: the words before are no type"},
    {"(unsigned float)1", "no type together"},
    {"a ; b", "column 3"},
    {"{1}", "column 1"},
    {"sizeof", "an operand is missing"},
    {"sizeof(int", "column"},
    {"(int)", "column 6: an operand is missing"},
    {"a ? : b", "column 5"},
};

START_TEST(what_is_no_expression_is_refused_with_its_column) {
    struct expression *expression = NULL;
    CHECK_FAILS(expression_parse(refused[_i].text, &expression), ERROR_USAGE, refused[_i].why);
    ck_assert_ptr_null(expression);
}
END_TEST

static void fill(char *text, size_t size, const char *part) {
    *text = 0;
    for (size_t at = 0; at + strlen(part) < size; at += strlen(part))
        strcat(text + at, part);
}

START_TEST(depth_and_length_are_bounded) {
    static const char *const parts[] = {
        "(", "!", "-", "a[", "*", "1?", "1?1:", "sizeof ", "(int)", "1+", "a.", "a->b[", "&", "~("};
    char text[EXPRESSION_TEXT_MOST + 100];
    struct expression *expression;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        fill(text, EXPRESSION_TEXT_MOST, parts[i]);
        CHECK_FAILS(expression_parse(text, &expression), ERROR_USAGE, ":");
    }
    fill(text, EXPRESSION_TEXT_MOST + 50, "1 ");
    CHECK_FAILS(expression_parse(text, &expression), ERROR_USAGE, "longer than");
    fill(text, 100, "1+");
    strcat(text, "1");
    CHECK_OK(expression_parse(text, &expression));
    expression_destroy(expression);
}
END_TEST

/* What machine code could decide: "name relation constant ..." */
START_TEST(comparisons_are_told) {
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"n > 5", "n>5"},
        {"5 > n", "n<5"},
        {"-5 <= n", "n>=-5"},
        {"n != 'a' && m <= +7 && 0x10 == k", "n!=97 m<=7 k==16"},
        {"(n < 3) && !m && a::b", "n<3 m==0 a::b!=0"},
        {"n == true && p == 0", "n==1 p==0"},
        {"n > 9223372036854775807", "n>9223372036854775807"},
        {"n > 5u", NULL},
        {"n > -5u", NULL},
        {"n > 5 || m", NULL},
        {"n + 1 > 5", NULL},
        {"n > m", NULL},
        {"n > 5.0", NULL},
        {"p->n > 5", NULL},
        {"*p == 5", NULL},
        {"p == nullptr", NULL},
        {"(char)n > 5", NULL},
        {"n & 4", NULL},
        {"a && b && c && d && e", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct expression *expression;
        struct expression_comparison list[4];
        size_t count;
        char told[256] = "";
        CHECK_OK(expression_parse(cases[i].text, &expression));
        bool good = expression_comparisons(expression, list, 4, &count);
        for (size_t k = 0; good && k < count; k++) {
            ck_assert_int_eq(list[k].is_negative, list[k].constant < 0);
            size_t used = strlen(told);
            const char *relation = list[k].less      ? list[k].greater ? "!="
                                                       : list[k].equal ? "<="
                                                                       : "<"
                                   : list[k].greater ? list[k].equal ? ">=" : ">"
                                                     : "==";
            snprintf(told + used, sizeof(told) - used, "%s%s%s%lld", k ? " " : "", list[k].name, relation,
                     (long long)list[k].constant);
        }
        ck_assert_msg(good == (cases[i].told != NULL), "%s", cases[i].text);
        if (good)
            ck_assert_str_eq(told, cases[i].told);
        expression_destroy(expression);
    }
}
END_TEST

START_TEST(lists_are_split_at_commas) {
    struct expression **list;
    size_t count;
    CHECK_OK(expression_parse_list(" total , cart->n,f[1] ? a : \"x,y\" ", &list, &count));
    ck_assert_uint_eq(count, 3);
    ck_assert_str_eq(expression_text(list[0]), "total");
    ck_assert_str_eq(expression_text(list[1]), "cart->n");
    ck_assert_str_eq(expression_text(list[2]), "f[1] ? a : \"x,y\"");
    expression_list_destroy(list, count);
    CHECK_FAILS(expression_parse_list("a,", &list, &count), ERROR_USAGE, "column 3: an operand is missing");
    CHECK_FAILS(expression_parse_list(",a", &list, &count), ERROR_USAGE, "column 1");
    CHECK_FAILS(expression_parse_list("a, b = 2", &list, &count), ERROR_USAGE, "column 6: '='");
    CHECK_FAILS(expression_parse_list("a, b c", &list, &count), ERROR_USAGE, "column 6");
}
END_TEST

/* ---- what is unknown, and how values show ---- */

/* In the C library: expression, JSON, type; type NULL: it is unknown. */
static const struct {
    const char *text, *json, *type;
} shown_c[] = {
    {"i", "-7", "int"},
    {"u + 1", "4000000001", "unsigned int"},
    {"text", "\"hello\"", "char *"},
    {"&i == 0", "0", "int"},
    {"\"li\" \"teral\"", "\"literal\"", "const char []"},
    {"color", "\"GREEN\"", "enum color"},
    {"d", "-2.75", "double"},
    {"array", "[1, -2, 3, -4]", "int [4]"},
    {"points[1].x", "2", "int"},
    {"+point.low", "5", "int"},
    {"point.low", "5", "unsigned int"},
    {"in_register_point.list", "[15, 16, 17, 18]", "int [4]"},
    {"b", "true", "_Bool"},
    {"nothing", "null", "void *"},
    {"(char)'x'", "\"x\"", "char"},
    {"(enum color)6", "\"BLUE\"", "enum color"},
    {"1.0f / 3", "0.33333334", "float"},
    {"b ? color : color", "\"GREEN\"", "enum color"},
    {"nowhere", "\"<no variable 'nowhere' here>\"", NULL},
    {"gone", "\"<optimized out>\"", NULL},
    {"gone + 1", "\"<optimized out>\"", NULL},
    {"*(int *)16", "\"<unreadable>\"", NULL},
    {"((struct point *)0)->y", "\"<unreadable>\"", NULL},
    {"i / zero", "\"<division by zero>\"", NULL},
    {"i % zero", "\"<division by zero>\"", NULL},
    {"1 << 32", "\"<the shift is negative or as wide as the type>\"", NULL},
    {"1 << -1", "\"<the shift is negative or as wide as the type>\"", NULL},
    {"i.x", "\"<'int' has no member 'x'>\"", NULL},
    {"point.z", "\"<'struct point' has no member 'z'>\"", NULL},
    {"*i", "\"<a value of type 'int' is no pointer>\"", NULL},
    {"i[0]", "\"<a value of type 'int' has no elements>\"", NULL},
    {"*nothing", "\"<what a 'void *' points to has no type>\"", NULL},
    {"~d", "\"<'~' needs an integer>\"", NULL},
    {"d % 2", "\"<the operator needs integers>\"", NULL},
    {"d << 1", "\"<a shift needs integers>\"", NULL},
    {"point + 1", "\"<a value of type 'struct point' is no number>\"", NULL},
    {"(struct nosuch *)p", "\"<no type 'nosuch' here>\"", NULL},
    {"&in_register_int", "\"<it is not in memory and has no address>\"", NULL},
    {"(char)1e10", "\"<the float does not fit into the integer>\"", NULL},
    {"p + d", "\"<a pointer and a float do not go together>\"", NULL},
    {"p * 2", "\"<the operator needs numbers, not pointers>\"", NULL},
    {"&point.low", "\"<it is not in memory and has no address>\"", NULL},
    {"sizeof point.low", "\"<a bit field has no size>\"", NULL},
    {"\"a\" + 1", "\"<a string literal can only be compared>\"", NULL},
    {"in_register_point.list[9]", "\"<unreadable>\"", NULL},
    {"in_register_point.list[-1]", "\"<unreadable>\"", NULL},
    {"1 ? 5 : nowhere", "5", "int"},
    {"0 && nowhere", "0", "int"},
    {"1 || gone", "1", "int"},
    {"sizeof gone", "\"<optimized out>\"", NULL},
    /* strings by contents */
    {"text == \"hello\"", "1", "int"},
    {"\"hello\" == text", "1", "int"},
    {"text == \"hell\"", "0", "int"},
    {"text == \"hello!\"", "0", "int"},
    {"text != \"hello\"", "0", "int"},
    {"text < \"help\"", "1", "int"},
    {"\"help\" < text", "0", "int"},
    {"\"help\" > text", "1", "int"},
    {"text >= \"hello\"", "1", "int"},
    {"buffer == \"abc\"", "1", "int"},
    {"buffer < \"abd\"", "1", "int"},
    {"buffer + 1 == \"bc\"", "1", "int"},
    {"\"a\" < \"b\"", "1", "int"},
    {"\"b\" == \"b\"", "1", "int"},
    {"(char *)0 == \"x\"", "0", "int"},
    {"(char *)0 != \"x\"", "1", "int"},
    {"(char *)0 < \"x\"", "\"<unreadable>\"", NULL},
    {"(char *)16 == \"x\"", "\"<unreadable>\"", NULL},
    {"i == \"x\"", "\"<a value of type 'int' is no string>\"", NULL},
    {"(unsigned char *)text == \"hello\"", "1", "int"},
    {"color == \"GREEN\"", "1", "int"},
    {"color == \"RED\"", "0", "int"},
    {"point == \"x\"", "\"<it cannot be compared with a string literal>\"", NULL},
    {"color == BLUE", "0", "int"},
    {"GREEN == color", "1", "int"},
    {"color == NOSUCH", "\"<no variable 'NOSUCH' here>\"", NULL},
};

static const char source_cxx[] =
    "#include <string>\n#include <vector>\n#include <array>\n"
    /* Variables of type std::string have a mangled name otherwise. */
    "extern \"C\" {\n"
    "struct base { int from_base = 5; int *link = &from_base; }; struct other_base { long second = 6; };\n"
    "struct item : base, other_base { std::string name; int n; int &counter; item *next; };\n"
    "typedef int number; number used = 1; enum class mode { off, on }; mode how = mode::on; int count = 42; "
    "int &alias = "
    "count; const int &fixed = count;\n"
    "item tail{{}, {}, \"tail\", 1, count, nullptr}; item head{{}, {}, \"a rather long name of an item\", 2, "
    "count, &tail};\n"
    "item &head_alias = head; std::vector<int> numbers{10, 20, 30}; std::vector<item *> items{&head, "
    "&tail};\n"
    "std::array<short, 3> three{7, 8, 9}; std::string word = \"word\"; const std::string &word_alias = "
    "word;\n"
    "std::vector<std::string> words{\"x\", \"yy\"}; item *__this = &head; char32_t wide = U'w'; bool yes = "
    "true; std::string umlaut = \"\\xc3\\xa4\\x80\";\n"
    "extern const item *const fixed_pointer; const item *const fixed_pointer = &head; item grid[2][2] = "
    "{{head, tail}, {tail, head}};\n}\n";

static const struct {
    const char *text, *json, *type;
} shown_cxx[] = {
    {"alias", "42", "int"},
    {"alias + 1", "43", "int"},
    {"fixed == alias", "1", "int"},
    {"&alias == &count", "1", "int"},
    {"head.n", "2", "int"},
    {"head_alias.n", "2", "int"},
    {"head.counter", "42", "int"},
    {"head.next->n", "1", "int"},
    {"head.from_base", "5", "int"},
    {"head.next->second", "6", "long int"},
    {"*head.link", "5", "int"},
    {"fixed_pointer->n", "2", "int"},
    {"fixed_pointer.n", "2", "int"},
    {"head.name == \"a rather long name of an item\"", "1", "int"},
    {"tail.name == \"tail\"", "1", "int"},
    {"tail.name", "\"tail\"", "std::string"},
    {"word < \"worf\"", "1", "int"},
    {"word > \"worf\"", "0", "int"},
    {"word_alias == \"word\"", "1", "int"},
    {"\"word\" != word", "0", "int"},
    {"word == \"wor\"", "0", "int"},
    {"word == \"words\"", "0", "int"},
    {"word[1]", "\"o\"", "char"},
    {"numbers[1]", "20", "int"},
    {"numbers", "[10, 20, 30]", "std::vector<int>"},
    {"items[1]->name == \"tail\"", "1", "int"},
    {"three[2] * 2", "18", "int"},
    {"words[1] == \"yy\"", "1", "int"},
    {"how", "\"on\"", "mode"},
    {"how == mode::on", "1", "int"},
    {"how == \"on\"", "1", "int"},
    {"sizeof(number)", "4", "long unsigned int"},
    {"(number)count", "42", "number"},
    {"umlaut == \"\\xc3\\xa4\\x80\"", "1", "int"},
    {"umlaut == \"\\u00e4\"", "0", "int"},
    {"grid[1][0].name == \"tail\"", "1", "int"},
    {"yes", "true", "bool"},
    {"yes == true", "1", "int"},
    {"head.next == nullptr", "0", "int"},
    {"tail.next == nullptr", "1", "int"},
    {"!tail.next", "1", "int"},
    {"sizeof alias", "4", "long unsigned int"},
    {"((item *)items[0])->n", "2", "int"},
    {"sizeof(head_alias) == sizeof(item)", "1", "int"},
    {"head.nosuch", "\"<'item' has no member 'nosuch'>\"", NULL},
};

static void check_shown(struct compiled *compiled, const char *text, const char *json, const char *type) {
    struct expression_scope scope = compiled_scope(compiled);
    struct buffer value = {0}, type_name = {0};
    struct expression_trouble trouble = {0};
    struct expression *expression;
    CHECK_OK(expression_parse(text, &expression));
    bool good = expression_render(expression, &scope, &value_default_options, &value, &type_name, &trouble);
    buffer_put_u8(&value, 0);
    ck_assert_msg(good == (type != NULL), "%s: %s %s", text, (char *)value.data, trouble.why);
    ck_assert_msg(!strcmp((char *)value.data, json), "%s: %s instead of %s", text, (char *)value.data, json);
    ck_assert_msg(!type || !strcmp((char *)type_name.data, type), "%s: type '%s' instead of '%s'", text,
                  (char *)type_name.data, type);
    ck_assert_msg(good || (trouble.column >= 1 && trouble.column <= strlen(text)), "%s: column %u", text,
                  trouble.column);
    buffer_deinit(&value);
    buffer_deinit(&type_name);
    expression_destroy(expression);
}

START_TEST(c_values_show_as_json) {
    struct compiled *compiled = compiled_create("gcc", "c", variables);
    for (size_t i = 0; i < sizeof(shown_c) / sizeof(shown_c[0]); i++)
        check_shown(compiled, shown_c[i].text, shown_c[i].json, shown_c[i].type);
    compiled_destroy(compiled);
}
END_TEST

START_TEST(cxx_values_show_as_json) {
    struct compiled *compiled = compiled_create("g++", "cc", source_cxx);
    for (size_t i = 0; i < sizeof(shown_cxx) / sizeof(shown_cxx[0]); i++)
        check_shown(compiled, shown_cxx[i].text, shown_cxx[i].json, shown_cxx[i].type);
    compiled_destroy(compiled);
}
END_TEST

/* A scope in which `this` is a pointer to head. */
static enum operand_state resolve_in_member(void *context, const char *name, struct expression_operand *ret) {
    return compiled_resolve(context, !strcmp(name, "this") ? "__this" : name, ret);
}

START_TEST(conditions_are_true_false_or_unknown) {
    static const struct {
        const char *text;
        enum expression_truth truth;
    } rows[] = {{"n == 2", EXPRESSION_TRUE},
                {"n == 3", EXPRESSION_FALSE},
                {"from_base", EXPRESSION_TRUE},
                {"this->n == 2 && next", EXPRESSION_TRUE},
                {"counter == 42", EXPRESSION_TRUE},
                {"nowhere", EXPRESSION_UNKNOWN},
                {"nowhere || 1", EXPRESSION_UNKNOWN},
                {"0 && nowhere", EXPRESSION_FALSE},
                {"gone > 5", EXPRESSION_UNKNOWN},
                {"!gone", EXPRESSION_UNKNOWN},
                {"head", EXPRESSION_UNKNOWN},
                {"\"text\"", EXPRESSION_TRUE},
                {"grid", EXPRESSION_TRUE},
                {"0.0", EXPRESSION_FALSE},
                {"next->next", EXPRESSION_FALSE},
                {"next->next->n", EXPRESSION_UNKNOWN},
                {"this", EXPRESSION_TRUE},
                {"name == \"a rather long name of an item\"", EXPRESSION_TRUE},
                {"::count == 42", EXPRESSION_TRUE}};
    struct compiled *compiled = compiled_create("g++", "cc", source_cxx);
    struct expression_scope scope = compiled_scope(compiled);
    scope.resolve = resolve_in_member;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct expression *expression;
        struct expression_trouble trouble = {0};
        CHECK_OK(expression_parse(rows[i].text, &expression));
        enum expression_truth truth = expression_test(expression, &scope, &trouble);
        ck_assert_msg(truth == rows[i].truth, "%s: %d %s", rows[i].text, (int)truth, trouble.why);
        ck_assert_int_eq(*trouble.why != 0, truth == EXPRESSION_UNKNOWN);
        expression_destroy(expression);
    }
    compiled_destroy(compiled);
}
END_TEST

static Suite *make_suite(void) {
    Suite *suite = suite_create("expression");
    TCase *tcase = tcase_create("expression");
    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, written_expressions_are_what_gcc_makes_of_them);
    tcase_add_test(tcase, random_expressions_are_what_gcc_makes_of_them);
    tcase_add_loop_test(tcase, what_is_no_expression_is_refused_with_its_column, 0,
                        sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(tcase, depth_and_length_are_bounded);
    tcase_add_test(tcase, lists_are_split_at_commas);
    tcase_add_test(tcase, comparisons_are_told);
    tcase_add_test(tcase, c_values_show_as_json);
    tcase_add_test(tcase, cxx_values_show_as_json);
    tcase_add_test(tcase, conditions_are_true_false_or_unknown);
    return suite;
}

int main(void) {
    return scratch_run(make_suite());
}
