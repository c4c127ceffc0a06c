/* tracer/plan: each step notes what it says, and what cannot be had is said. */
#include "tracer/plan.h"

#include "scratch.h"
#include "self.h"

#include <sys/user.h>

static enum plan_state answer(void *context, uint32_t item, void *ret, size_t size) {
    (void)context;
    memset(ret, (int)item, size);
    return item == 99 ? NOTE_OPTIMIZED_OUT : NOTE_OK;
}

static struct plan plan_of(const struct plan_step *steps, size_t count) {
    struct plan plan = {0};
    for (size_t i = 0; i < count; i++)
        CHECK_OK(plan_add(&plan, &steps[i]));
    return plan;
}

static void check_note(const struct plan_notes *notes, size_t index, uint32_t item, enum plan_state state,
                       const void *bytes, size_t size) {
    ck_assert_uint_lt(index, notes->count);
    const struct plan_note *note = &notes->notes[index];
    ck_assert_uint_eq(note->item, item);
    ck_assert_int_eq(note->state, state);
    ck_assert_uint_eq(note->size, size);
    if (bytes)
        ck_assert_mem_eq(notes->bytes + note->offset, bytes, size);
}

START_TEST(steps) {
    static const uint64_t words[] = {0x1122334455667788, 2, 3};
    struct user_regs_struct regs = {.rbx = 0x0102030405060708, .rbp = address(words) + 8};
    struct frame_registers registers;
    frame_from_user_regs(&regs, &registers);
    const struct plan_target target = {
        .registers = &registers, .memory = &self, .bias = address(words) - 0x4000, .ask = answer};
    const struct plan_step all[] = {
        {.operation = PLAN_REGISTER, .item = 1, .reg = 3, .size = 4},
        {.operation = PLAN_MEMORY, .item = 2, .reg = 6, .offset = 8, .size = 8},
        {.operation = PLAN_MEMORY, .item = 3, .reg = 6, .offset = -8, .size = 8},
        {.operation = PLAN_ABSOLUTE, .item = 4, .offset = 0x4008, .size = 8},
        {.operation = PLAN_CONSTANT, .item = 5, .size = 3, .value = {7, 8, 9}},
        {.operation = PLAN_NOTHING, .item = 6, .size = 4},
        {.operation = PLAN_ASK, .item = 7, .size = 2},
        {.operation = PLAN_ASK, .item = 99, .size = 2},
        {.operation = PLAN_ABSOLUTE, .item = 8, .offset = -(int64_t)address(words) + 0x4000, .size = 8},
        {.operation = PLAN_REGISTER, .item = 9, .reg = 17, .size = 8}, /* xmm0 without xstate */
        {.operation = PLAN_END},
        {.operation = PLAN_CONSTANT, .item = 10, .size = 1},
    };
    struct plan plan = plan_of(all, sizeof(all) / sizeof(all[0]));
    struct plan_notes notes = {0};
    for (int round = 0; round < 2; round++) { /* notes are reused */
        CHECK_OK(plan_run(&plan, &target, &notes));
        ck_assert_uint_eq(notes.count, 10);
        check_note(&notes, 0, 1, NOTE_OK, "\x08\x07\x06\x05", 4);
        check_note(&notes, 1, 2, NOTE_OK, &words[2], 8);
        check_note(&notes, 2, 3, NOTE_OK, &words[0], 8);
        check_note(&notes, 3, 4, NOTE_OK, &words[1], 8);
        check_note(&notes, 4, 5, NOTE_OK, "\x07\x08\x09", 3);
        check_note(&notes, 5, 6, NOTE_OPTIMIZED_OUT, NULL, 4);
        check_note(&notes, 6, 7, NOTE_OK, "\x07\x07", 2);
        check_note(&notes, 7, 99, NOTE_OPTIMIZED_OUT, NULL, 2);
        check_note(&notes, 8, 8, NOTE_UNREADABLE, NULL, 8);
        check_note(&notes, 9, 9, NOTE_UNREADABLE, NULL, 8);
    }
    plan_notes_deinit(&notes);
    plan_deinit(&plan);
}
END_TEST

/* Several steps of one item are one note; one that fails spoils it. */
START_TEST(parts_of_an_item) {
    struct user_regs_struct regs = {.rax = 0x11, .rdx = 0x22};
    struct frame_registers registers;
    frame_from_user_regs(&regs, &registers);
    const struct plan_target target = {.registers = &registers, .memory = &self};
    const struct plan_step parts[] = {
        {.operation = PLAN_REGISTER, .item = 1, .reg = 0, .size = 1},
        {.operation = PLAN_REGISTER, .item = 1, .reg = 1, .size = 1},
        {.operation = PLAN_REGISTER, .item = 2, .reg = 0, .size = 1},
        {.operation = PLAN_NOTHING, .item = 2, .size = 1},
        {.operation = PLAN_ASK, .item = 3, .size = 1}, /* nobody to ask */
        {.operation = PLAN_END},
    };
    struct plan plan = plan_of(parts, sizeof(parts) / sizeof(parts[0]));
    struct plan_notes notes = {0};
    CHECK_OK(plan_run(&plan, &target, &notes));
    ck_assert_uint_eq(notes.count, 3);
    check_note(&notes, 0, 1, NOTE_OK, "\x11\x22", 2);
    check_note(&notes, 1, 2, NOTE_OPTIMIZED_OUT, NULL, 2);
    check_note(&notes, 2, 3, NOTE_UNREADABLE, NULL, 1);
    plan_notes_deinit(&notes);
    plan_deinit(&plan);
}
END_TEST

/* Much room is made as it is needed. */
START_TEST(many_items) {
    struct plan plan = {0};
    struct plan_notes notes = {0};
    struct frame_registers registers = {0};
    const struct plan_target target = {.registers = &registers, .memory = &self, .ask = answer};
    for (uint32_t i = 0; i < 500; i++)
        CHECK_OK(plan_add(&plan, &(struct plan_step){.operation = PLAN_ASK, .item = i, .size = 100}));
    CHECK_OK(plan_run(&plan, &target, &notes)); /* without an END, too */
    ck_assert_uint_eq(notes.count, 500);
    for (uint32_t i = 0; i < 500; i++) {
        uint8_t bytes[100];
        memset(bytes, (int)i, sizeof(bytes));
        check_note(&notes, i, i, i == 99 ? NOTE_OPTIMIZED_OUT : NOTE_OK, bytes, sizeof(bytes));
    }
    plan_notes_deinit(&notes);
    plan_deinit(&plan);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("plan");
    TCase *plan = tcase_create("plan");
    tcase_add_test(plan, steps);
    tcase_add_test(plan, parts_of_an_item);
    tcase_add_test(plan, many_items);
    suite_add_tcase(suite, plan);
    return scratch_run(suite);
}
