/* dwarf/type: sizes, alignments, offsets, bit fields and names of types are what the compiler says that they
 * are, for gcc and clang and DWARF 2 to 5; arrays get counts; what is no type, or no sound one, is refused.
 */
#include "dwarf/type.h"

#include "typed.h"

static struct typed victim;
static const char *failing;
static unsigned said;

static const struct type_member *member_named(const struct type *type, const char *name) {
    for (size_t i = 0; i < type->member_count; i++)
        if (type->members[i].name && !strcmp(type->members[i].name, name))
            return &type->members[i];
    ck_abort_msg("%s: %s has no member %s", failing, type->name, name);
}

/* What the victim said, "KIND VARIABLE [MEMBER]", as the type has it. */
static void describe(const char *kind, const char *variable, const char *member, char *ret, size_t size) {
    const struct type *type = typed_variable(&victim, variable), *whole;
    CHECK_OK(type_resolve(type, &whole));
    if (!strcmp(kind, "size"))
        snprintf(ret, size, "%lu/%lu", (unsigned long)whole->size, (unsigned long)type_alignment(type));
    else if (!strcmp(kind, "name"))
        snprintf(ret, size, "%s", type->name);
    else if (!strcmp(kind, "member"))
        snprintf(ret, size, "%lu", (unsigned long)member_named(whole, member)->offset);
    else
        snprintf(ret, size, "%lu+%lu", (unsigned long)member_named(whole, member)->bit_offset,
                 (unsigned long)member_named(whole, member)->bit_size);
}

static void compare(const char *what, const char *expected) {
    char kind[16] = "", variable[32] = "", member[32] = "", found[256];
    ck_assert_int_ge(sscanf(what, "%15s %31s %31s", kind, variable, member), 2);
    describe(kind, variable, member, found, sizeof(found));
    if (strstr(failing, "strict-dwarf") && !strcmp(variable, "v_aligned") && !strcmp(kind, "size"))
        expected = "64/4"; /* DWARF 2 cannot say that a member is aligned */
    ck_assert_msg(!strcmp(found, expected), "%s: %s: found %s, expected %s", failing, what, found, expected);
    said++;
}

static const char *const commands[] = {
    "gcc -std=gnu11 -g -gdwarf-5 -O0 -fPIC -shared -w",
    "gcc -std=gnu11 -g -gdwarf-4 -O2 -fPIC -shared -w",
    "gcc -std=gnu11 -g -gdwarf-4 -fdebug-types-section -O0 -fPIC -shared -w",
    "gcc -std=gnu11 -g -gdwarf-2 -gstrict-dwarf -O0 -fPIC -shared -w",
    "clang -std=gnu11 -g -gdwarf-5 -O0 -fPIC -shared -w",
    "clang -std=gnu11 -g -gdwarf-4 -O2 -fPIC -shared -w",
};

static void begin(const char *command) {
    failing = command;
    typed_init(&victim, command, "types.c");
}

START_TEST(as_the_compiler_says) {
    void (*expect)(void (*)(const char *, const char *));
    const char *command = commands[_i];
    if (!typed_has(strncmp(command, "clang", 5) ? "gcc" : "clang"))
        return;
    begin(command);
    void *function = dlsym(victim.library, "expect");
    ck_assert_ptr_nonnull(function);
    memcpy(&expect, &function, sizeof(expect));
    expect(compare);
    ck_assert_uint_ge(said, 30);
    typed_deinit(&victim);
}
END_TEST

START_TEST(layers) {
    begin(commands[0]);
    const struct type *pointer = typed_variable(&victim, "v_pointer"), *whole;
    ck_assert_int_eq(pointer->kind, TYPE_TYPEDEF);
    ck_assert_ptr_eq(pointer, typed_variable(&victim, "v_pointer")); /* loaded once */
    const struct type *stripped = type_strip(pointer);
    ck_assert_int_eq(stripped->kind, TYPE_POINTER);
    ck_assert_int_eq(stripped->target->kind, TYPE_QUALIFIED);
    ck_assert_uint_eq(stripped->target->qualifiers, QUALIFIER_CONST);
    CHECK_OK(type_resolve(stripped->target, &whole));
    ck_assert_int_eq(whole->kind, TYPE_STRUCT);
    ck_assert_uint_eq(whole->member_count, 4);
    const struct type *volatile_int = typed_variable(&victim, "v_qualified");
    ck_assert_int_eq(type_strip(volatile_int)->kind, TYPE_INTEGER);
    ck_assert(type_strip(volatile_int)->is_signed);
    ck_assert_int_eq(type_strip(typed_variable(&victim, "v_truth"))->kind, TYPE_BOOL);
    ck_assert_int_eq(type_strip(typed_variable(&victim, "v_extended"))->kind, TYPE_FLOAT);
    /* anonymous members have no name, and are not taken apart */
    CHECK_OK(type_resolve(typed_variable(&victim, "v_inside"), &whole));
    ck_assert_uint_eq(whole->member_count, 3);
    ck_assert_ptr_null(whole->members[0].name);
    ck_assert_uint_eq(whole->members[1].offset, 8);
    typed_deinit(&victim);
}
END_TEST

START_TEST(incomplete) {
    begin(commands[0]);
    const struct type *hidden = typed_variable(&victim, "v_hidden")->target, *whole;
    ck_assert(hidden->is_declaration && !hidden->has_size);
    CHECK_OK(type_resolve(hidden, &whole));
    ck_assert(whole->is_declaration);
    CHECK_OK(type_resolve(typed_variable(&victim, "v_flexible"), &whole));
    const struct type *items = member_named(whole, "items")->type;
    ck_assert_int_eq(items->kind, TYPE_ARRAY);
    ck_assert(!items->dimensions[0].known);
    const struct type *nothing = typed_variable(&victim, "v_empty");
    ck_assert(nothing->has_size && nothing->dimensions[0].known);
    ck_assert_uint_eq(nothing->size, 0);
    ck_assert_int_eq(type_void(victim.types)->kind, TYPE_VOID);
    typed_deinit(&victim);
}
END_TEST

START_TEST(functions) {
    begin(commands[0]);
    const struct type *function = type_strip(typed_variable(&victim, "v_function"))->target;
    ck_assert_int_eq(function->kind, TYPE_FUNCTION);
    CHECK_OK(type_complete(function));
    ck_assert_uint_eq(function->parameter_count, 2);
    ck_assert_str_eq(function->parameters[1].type->name, "int (*)[4]");
    ck_assert_str_eq(function->target->name, "int *");
    ck_assert(function->prototyped && !function->variadic);
    const struct type *expect = typed_type(&victim, DW_TAG_subprogram, "expect");
    ck_assert_int_eq(expect->kind, TYPE_FUNCTION);
    CHECK_OK(type_complete(expect));
    ck_assert_str_eq(expect->parameters[0].name, "say");
    ck_assert_int_eq(expect->target->kind, TYPE_VOID);
    typed_deinit(&victim);
}
END_TEST

START_TEST(with_counts) {
    struct type_counted counted;
    begin(commands[0]);
    const struct type *matrix = typed_variable(&victim, "v_matrix");
    ck_assert(type_counted_init(&counted, matrix, (const uint64_t[]){7, 5}, 2));
    ck_assert_uint_eq(counted.type.size, 7 * 5 * sizeof(int));
    ck_assert_uint_eq(counted.type.dimensions[0].count, 7);
    ck_assert_uint_eq(matrix->dimensions[0].count, 2); /* a copy */
    ck_assert(type_counted_init(&counted, matrix, (const uint64_t[]){0, 5}, 2));
    ck_assert(counted.type.has_size && counted.type.size == 0);
    ck_assert(!type_counted_init(&counted, matrix, (const uint64_t[]){7}, 1));
    ck_assert(!type_counted_init(&counted, matrix, (const uint64_t[]){TYPE_SIZE_MAX, 1}, 2));
    ck_assert(!type_counted_init(&counted, matrix, (const uint64_t[]){UINT64_MAX, UINT64_MAX}, 2));
    ck_assert(!type_counted_init(&counted, typed_variable(&victim, "v_plain"), (const uint64_t[]){1}, 1));
    typed_deinit(&victim);
}
END_TEST

static struct error *refuse(void *context, uint64_t die) {
    (void)die;
    ++*(unsigned *)context;
    return error_new(ERROR_BAD_DATA, "refused");
}

START_TEST(refused) {
    const struct type *type;
    unsigned asked = 0;
    begin(commands[0]);
    CHECK_FAILS(type_load(victim.types, 3, &type), ERROR_BAD_DATA, "");
    CHECK_FAILS(type_load(victim.types, UINT64_C(1) << 40, &type), ERROR_BAD_DATA, "");
    CHECK_FAILS(type_load(victim.types, typed_find(&victim, DW_TAG_variable, "v_plain", false), &type),
                ERROR_BAD_DATA, "");
    uint64_t die = typed_find(&victim, DW_TAG_structure_type, "aligned", false);
    types_set_check(victim.types, refuse, &asked);
    CHECK_FAILS(type_load(victim.types, die, &type), ERROR_BAD_DATA, "refused");
    ck_assert_uint_ge(asked, 1);
    typed_deinit(&victim);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("type");
    TCase *tc = tcase_create("C");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, as_the_compiler_says, 0, sizeof(commands) / sizeof(commands[0]));
    tcase_add_test(tc, layers);
    tcase_add_test(tc, incomplete);
    tcase_add_test(tc, functions);
    tcase_add_test(tc, with_counts);
    tcase_add_test(tc, refused);
    suite_add_tcase(s, tc);
    return s;
}

int main(void) {
    return scratch_run(suite());
}
