/* tracer/maps: ranges are cut out of a list of mappings. */
#include "tracer/maps.h"

#include "scratch.h"

static struct maps make(void) {
    struct maps maps = {.mappings = calloc(2, sizeof(struct mapping)), .count = 2, .room = 2};
    maps.mappings[0] =
        (struct mapping){.start = 0x1000, .end = 0x3000, .offset = 0x5000, .name = strdup("a")};
    maps.mappings[1] = (struct mapping){.start = 0x4000, .end = 0x6000, .name = strdup("b")};
    return maps;
}

static bool has(const struct maps *maps, uint64_t address) {
    return maps_find(maps, address) != NULL;
}

START_TEST(cuts_the_middle) {
    struct maps maps = make();
    CHECK_OK(maps_cut(&maps, 0x2003, 2)); /* the word of it */
    ck_assert_uint_eq(maps.count, 3);
    ck_assert(has(&maps, 0x1fff) && !has(&maps, 0x2000) && !has(&maps, 0x2007) && has(&maps, 0x2008));
    ck_assert_uint_eq(maps_find(&maps, 0x2008)->offset, 0x6008);
    ck_assert_str_eq(maps_find(&maps, 0x2008)->name, "a");
    ck_assert_uint_eq(maps_find(&maps, 0x5000)->start, 0x4000);
    maps_deinit(&maps);
}
END_TEST

START_TEST(cuts_ends) {
    struct maps maps = make();
    CHECK_OK(maps_cut(&maps, 0x800, 0x900));
    CHECK_OK(maps_cut(&maps, 0x2f00, 0x1200));
    ck_assert(!has(&maps, 0x1000) && has(&maps, 0x1100) && has(&maps, 0x2eff) && !has(&maps, 0x2f00));
    ck_assert(!has(&maps, 0x40ff) && has(&maps, 0x4100));
    ck_assert_uint_eq(maps_find(&maps, 0x1100)->offset, 0x5100);
    maps_deinit(&maps);
}
END_TEST

START_TEST(cuts_all_or_nothing) {
    struct maps maps = make();
    CHECK_OK(maps_cut(&maps, 0x3000, 0x1000));
    CHECK_OK(maps_cut(&maps, 0x1800, 0));
    CHECK_OK(maps_cut(&maps, UINT64_MAX - 4, 100));
    ck_assert(has(&maps, 0x1000) && has(&maps, 0x2fff) && has(&maps, 0x4000));
    CHECK_OK(maps_cut(&maps, 0, 0x10000));
    ck_assert(!has(&maps, 0x1000) && !has(&maps, 0x2000) && !has(&maps, 0x5fff));
    maps_deinit(&maps);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("maps");
    TCase *tests = tcase_create("maps");
    tcase_add_test(tests, cuts_the_middle);
    tcase_add_test(tests, cuts_ends);
    tcase_add_test(tests, cuts_all_or_nothing);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
