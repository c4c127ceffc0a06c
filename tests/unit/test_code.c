/* tracer/code: what is read from instructions; tracer/branches: what conditional jumps decide, by hand-made
 * code. */
#include "tracer/branches.h"
#include "tracer/code.h"

#include "scratch.h"

/* ---- code ---- */

struct assembled {
    struct scratch scratch;
    struct buffer file;
    struct elf_image image;
};

static struct assembled assemble(const char *text) {
    struct assembled made = {.scratch = scratch_create()};
    char command[256];
    scratch_write(made.scratch.fd, "code.s", text, strlen(text));
    snprintf(command, sizeof(command), "cd %s && gcc -shared -nostdlib -o code.so code.s", made.scratch.path);
    ck_assert_int_eq(system(command), 0);
    scratch_read(made.scratch.fd, "code.so", &made.file);
    CHECK_OK(elf_image_init(&made.image, made.file.data, made.file.size, "code.so"));
    return made;
}

static void forget(struct assembled *made) {
    elf_image_deinit(&made->image);
    buffer_deinit(&made->file);
    scratch_remove(&made->scratch);
}

static uint64_t label(const struct assembled *made, const char *name) {
    uint64_t vaddr;
    CHECK_OK(elf_dynamic_symbol(&made->image, name, &vaddr));
    return vaddr;
}

static const char source[] = ".text\n"
                             ".globl begin, over, back, table, leave, finish\n"
                             "begin: push %rbp\n"
                             "  mov %rsp, %rbp\n"
                             "  movl $5, -20(%rbp)\n"
                             "  mov %rax, 8(%rsp)\n"
                             "  mov %rax, (%rsp,%rcx,8)\n"
                             "  addl $1, -24(%rbp)\n"
                             "  cmpl $5, -28(%rbp)\n"
                             "back: je over\n"
                             "  call finish\n"
                             "  jne back\n"
                             "over: jmp back\n"
                             "table: jmp *(%rax,%rcx,8)\n"
                             "leave: jmp finish\n"
                             "  ret\n"
                             "finish: nop\n";

START_TEST(transfers_and_stores) {
    struct assembled made = assemble(source);
    uint64_t begin = label(&made, "begin"), back = label(&made, "back"), over = label(&made, "over"),
             table = label(&made, "table"), leave = label(&made, "leave"), end = label(&made, "finish");
    const struct address_range range = {begin, end};
    struct function_code code;
    CHECK_OK(function_code_read(&made.image, &range, 1, &code));

    const struct code_transfer expected[] = {
        {back, 0, CODE_BRANCH, over, 0, false},   {0, over, CODE_BRANCH, back, 0, false},
        {over, table, CODE_JUMP, back, 0, false}, {table, leave, CODE_JUMP_INDIRECT, 0, 0, false},
        {leave, 0, CODE_JUMP, end, 0, false},     {0, end, CODE_RETURN, 0, 0, false},
    };
    ck_assert_uint_eq(code.count, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < code.count; i++) {
        ck_assert_int_eq(code.transfers[i].kind, expected[i].kind);
        ck_assert_uint_eq(code.transfers[i].target, expected[i].target);
        if (expected[i].vaddr)
            ck_assert_uint_eq(code.transfers[i].vaddr, expected[i].vaddr);
        if (expected[i].next)
            ck_assert_uint_eq(code.transfers[i].next, expected[i].next);
    }

    /* rbp is 6, rsp is 7; neither what has an index, nor what is only read; push writes to the stack
     * implicitly */
    const struct code_store stores[] = {{0, 6, -20, 4}, {0, 7, 8, 8}, {0, 6, -24, 4}};
    size_t found = 0;
    for (size_t i = 0; i < code.store_count; i++)
        for (size_t k = 0; k < 3; k++)
            found += code.stores[i].reg == stores[k].reg && code.stores[i].offset == stores[k].offset &&
                     code.stores[i].size == stores[k].size;
    ck_assert_uint_eq(found, 3);
    for (size_t i = 0; i < code.store_count; i++)
        ck_assert_int_ne(code.stores[i].offset, -28);

    ck_assert(function_code_is_start(&code, begin));
    ck_assert(function_code_is_start(&code, begin + 1));
    ck_assert(!function_code_is_start(&code, begin + 2));
    ck_assert(!function_code_is_start(&code, end));
    ck_assert_ptr_eq(function_code_before(&code, table), &code.transfers[2]);
    ck_assert_ptr_null(function_code_before(&code, begin));
    function_code_deinit(&code);
    forget(&made);
}
END_TEST

START_TEST(ranges_in_any_order) {
    struct assembled made = assemble(source);
    uint64_t begin = label(&made, "begin"), over = label(&made, "over"), end = label(&made, "finish");
    const struct address_range ranges[] = {{over, end}, {begin, over}};
    struct function_code code;
    CHECK_OK(function_code_read(&made.image, ranges, 2, &code));
    for (size_t i = 1; i < code.count; i++)
        ck_assert_uint_lt(code.transfers[i - 1].vaddr, code.transfers[i].vaddr);
    for (size_t i = 1; i < code.start_count; i++)
        ck_assert_uint_lt(code.starts[i - 1], code.starts[i]);
    function_code_deinit(&code);
    forget(&made);
}
END_TEST

START_TEST(what_is_no_code) {
    struct assembled made = assemble(".text\n.globl begin, cut, end\nbegin: nop\n.byte 6\nnop\n"
                                     "cut: .byte 0x48, 0xb8, 0\nend:\n");
    uint64_t begin = label(&made, "begin"), cut = label(&made, "cut"), end = label(&made, "end");
    struct function_code code;
    CHECK_FAILS(function_code_read(&made.image, &(struct address_range){begin, end}, 1, &code),
                ERROR_BAD_DATA, "is no instruction");
    CHECK_FAILS(function_code_read(&made.image, &(struct address_range){cut, end}, 1, &code), ERROR_BAD_DATA,
                "is no instruction");
    CHECK_FAILS(
        function_code_read(&made.image, &(struct address_range){1ull << 40, (1ull << 40) + 1}, 1, &code),
        ERROR_BAD_DATA, "is not in the file");
    CHECK_FAILS(function_code_read(&made.image, &(struct address_range){end, begin}, 1, &code),
                ERROR_BAD_DATA, "is not in the file");
    forget(&made);
}
END_TEST

/* ---- branches ---- */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char file[] = "a.c";

struct made {
    struct function_code code;
    struct line_row rows[16];
    struct line_rows lines;
    struct branches branches;
};

struct place {
    uint64_t address;
    unsigned line, column;
};

/* Code from 0x100 to 0x1ff. */
static void make(struct made *made, const struct code_transfer *transfers, size_t count,
                 const struct place *places, size_t place_count, bool optimized) {
    static const struct address_range range = {0x100, 0x200};
    *made = (struct made){.code = {.transfers = (struct code_transfer *)transfers, .count = count}};
    for (size_t i = 0; i < place_count; i++)
        made->rows[i] = (struct line_row){.address = places[i].address,
                                          .line = places[i].line,
                                          .column = places[i].column,
                                          .file = file,
                                          .is_stmt = true};
    made->lines = (struct line_rows){made->rows, place_count};
    CHECK_OK(branches_find(&made->code, &range, 1, &made->lines, optimized, &made->branches));
}

/* From the jump at vaddr to the destination; kind NULL: nothing is decided. */
static void decides(const struct made *made, uint64_t vaddr, uint64_t destination, const char *kind,
                    bool taken, unsigned to_line) {
    struct branch_outcome outcome;
    const struct branch *branch = branches_at(&made->branches, vaddr);
    ck_assert_msg(branch != NULL, "0x%x is no branch", (unsigned)vaddr);
    bool decided = branches_outcome(&made->branches, branch, destination, &outcome);
    ck_assert_msg(decided == (kind != NULL), "0x%x to 0x%x: decided: %d", (unsigned)vaddr,
                  (unsigned)destination, decided);
    if (!kind)
        return;
    ck_assert_str_eq(outcome.kind, kind);
    ck_assert_int_eq(outcome.taken, taken);
    ck_assert_uint_eq(outcome.to_line, to_line);
}

/* if (a && b) { 2 } else { 4 } 6; } */
START_TEST(if_with_else) {
    static const struct code_transfer transfers[] = {{0x100, 0x102, CODE_BRANCH, 0x130, 0, false},
                                                     {0x108, 0x10a, CODE_BRANCH, 0x130, 0, false},
                                                     {0x12b, 0x130, CODE_JUMP, 0x140, 0, false},
                                                     {0x150, 0x151, CODE_RETURN, 0, 0, false}};
    static const struct place places[] = {
        {0x100, 1, 1}, {0x10a, 2, 1}, {0x130, 4, 1}, {0x140, 6, 1}, {0x150, 7, 1}};
    struct made made;
    make(&made, transfers, COUNT(transfers), places, COUNT(places), false);
    decides(&made, 0x100, 0x102, NULL, false, 0);
    decides(&made, 0x100, 0x130, "else", true, 4);
    decides(&made, 0x108, 0x10a, "if", true, 2);
    decides(&made, 0x108, 0x130, "else", true, 4);
    ck_assert_ptr_null(branches_at(&made.branches, 0x12b));
    branches_deinit(&made.branches);
}
END_TEST

/* if (a) { 2; return; } 4; } looks alike, but its jump leads to the function's end. */
START_TEST(if_that_returns) {
    static const struct code_transfer transfers[] = {{0x100, 0x102, CODE_BRANCH, 0x130, 0, false},
                                                     {0x12b, 0x130, CODE_JUMP, 0x140, 0, false},
                                                     {0x150, 0x151, CODE_RETURN, 0, 0, false}};
    static const struct place places[] = {{0x100, 1, 1}, {0x102, 2, 1}, {0x130, 4, 1}, {0x140, 6, 1}};
    struct made made;
    make(&made, transfers, COUNT(transfers), places, COUNT(places), false);
    decides(&made, 0x100, 0x102, "if", true, 2);
    decides(&made, 0x100, 0x130, "if", false, 4);
    branches_deinit(&made.branches);
}
END_TEST

/* if (a) b; else c; on one line; and the same with the parts in the other order */
START_TEST(if_on_one_line) {
    static const struct code_transfer transfers[] = {{0x100, 0x102, CODE_BRANCH, 0x130, 0, false},
                                                     {0x12b, 0x130, CODE_JUMP, 0x140, 0, false},
                                                     {0x150, 0x151, CODE_RETURN, 0, 0, false}};
    static const struct place places[] = {{0x100, 1, 4}, {0x102, 1, 10}, {0x130, 1, 20}, {0x140, 2, 1}};
    static const struct place swapped[] = {{0x100, 1, 4}, {0x102, 1, 20}, {0x130, 1, 10}, {0x140, 2, 1}};
    static const struct place unknown[] = {{0x100, 1, 0}, {0x102, 1, 0}, {0x130, 1, 0}, {0x140, 2, 0}};
    struct made made;
    make(&made, transfers, COUNT(transfers), places, COUNT(places), false);
    decides(&made, 0x100, 0x102, "if", true, 1);
    decides(&made, 0x100, 0x130, "if", false, 1);
    branches_deinit(&made.branches);
    make(&made, transfers, COUNT(transfers), swapped, COUNT(swapped), false);
    decides(&made, 0x100, 0x102, "if", false, 1);
    decides(&made, 0x100, 0x130, "if", true, 1);
    branches_deinit(&made.branches);
    make(&made, transfers, COUNT(transfers), unknown, COUNT(unknown), false);
    decides(&made, 0x100, 0x102, NULL, false, 0);
    decides(&made, 0x100, 0x130, NULL, false, 0);
    branches_deinit(&made.branches);
}
END_TEST

/* Conditions of two lines, the jumps of which stand between each other; each jump is found, and what is none
 * is not. */
START_TEST(conditions_in_each_other) {
    static const struct code_transfer transfers[] = {{0x100, 0x102, CODE_BRANCH, 0x140, 0, false},
                                                     {0x108, 0x10a, CODE_BRANCH, 0x150, 0, false},
                                                     {0x110, 0x112, CODE_BRANCH, 0x140, 0, false},
                                                     {0x118, 0x11a, CODE_BRANCH, 0x150, 0, false},
                                                     {0x160, 0x161, CODE_RETURN, 0, 0, false}};
    static const struct place places[] = {{0x100, 1, 1}, {0x106, 2, 1}, {0x10c, 1, 1}, {0x112, 2, 1},
                                          {0x11a, 3, 1}, {0x140, 8, 1}, {0x150, 9, 1}};
    struct made made;
    make(&made, transfers, COUNT(transfers), places, COUNT(places), false);
    ck_assert_uint_eq(made.branches.group_count, 2);
    for (size_t i = 0; i < 4; i++) {
        const struct branch *branch = branches_at(&made.branches, transfers[i].vaddr);
        ck_assert(branch && branch->vaddr == transfers[i].vaddr && branch->group == i % 2);
        ck_assert_uint_eq(branch->later, i < 2 ? i + 2 : 0);
        ck_assert_ptr_null(branches_at(&made.branches, transfers[i].vaddr + 1));
    }
    ck_assert_uint_eq(made.branches.groups[0].last, 0x110);
    ck_assert_uint_eq(made.branches.groups[1].last, 0x118);
    ck_assert_ptr_null(branches_at(&made.branches, 0x160));
    branches_deinit(&made.branches);
}
END_TEST

/* What is searched by address, at both of its ends. */
START_TEST(places_in_code) {
    struct code_transfer transfers[] = {{0x100, 0x102, CODE_BRANCH, 0x140, 0, false},
                                        {0x108, 0x10a, CODE_RETURN, 0, 0, false}};
    struct code_store stores[] = {{0x101, 6, -8, 4}, {0x101, 6, -16, 4}, {0x109, 6, -8, 4}};
    const struct function_code code = {
        .transfers = transfers, .count = 2, .stores = stores, .store_count = 3};
    ck_assert_uint_eq(function_code_transfer_from(&code, 0), 0);
    ck_assert_uint_eq(function_code_transfer_from(&code, 0x100), 0);
    ck_assert_uint_eq(function_code_transfer_from(&code, 0x101), 1);
    ck_assert_uint_eq(function_code_transfer_from(&code, 0x109), 2);
    ck_assert_uint_eq(function_code_store_from(&code, 0x101), 0);
    ck_assert_uint_eq(function_code_store_from(&code, 0x102), 2);
    ck_assert_uint_eq(function_code_store_from(&code, UINT64_MAX), 3);
    ck_assert_ptr_null(function_code_before(&code, 0x100));
    ck_assert_ptr_eq(function_code_before(&code, 0x101), &transfers[0]);
    ck_assert_ptr_eq(function_code_before(&code, UINT64_MAX), &transfers[1]);
}
END_TEST

/* while (a || b) 2; with the condition at its end, as gcc has it: jmp to it, two jumps back */
START_TEST(loop_with_condition_at_its_end) {
    static const struct code_transfer transfers[] = {{0x100, 0x102, CODE_JUMP, 0x120, 0, false},
                                                     {0x124, 0x126, CODE_BRANCH, 0x102, 0, false},
                                                     {0x128, 0x12a, CODE_BRANCH, 0x102, 0, false},
                                                     {0x150, 0x151, CODE_RETURN, 0, 0, false}};
    static const struct place places[] = {{0x100, 1, 1}, {0x102, 2, 1}, {0x120, 1, 1}, {0x12a, 3, 1}};
    struct made made;
    for (int optimized = 0; optimized < 2; optimized++) {
        make(&made, transfers, COUNT(transfers), places, COUNT(places), optimized);
        decides(&made, 0x124, 0x102, "loop", true, 2);
        decides(&made, 0x124, 0x126, NULL, false, 0);
        decides(&made, 0x128, 0x102, "loop", true, 2);
        decides(&made, 0x128, 0x12a, "loop", false, 3);
        branches_deinit(&made.branches);
    }
}
END_TEST

/* while (a) 2; with the condition in front, as clang has it */
START_TEST(loop_with_condition_in_front) {
    static const struct code_transfer transfers[] = {{0x104, 0x106, CODE_BRANCH, 0x130, 0, false},
                                                     {0x12b, 0x130, CODE_JUMP, 0x100, 0, false},
                                                     {0x150, 0x151, CODE_RETURN, 0, 0, false}};
    static const struct place places[] = {{0x100, 1, 1}, {0x106, 2, 1}, {0x130, 3, 1}};
    struct made made;
    make(&made, transfers, COUNT(transfers), places, COUNT(places), false);
    decides(&made, 0x104, 0x106, "loop", true, 2);
    decides(&made, 0x104, 0x130, "loop", false, 3);
    branches_deinit(&made.branches);
    make(&made, transfers, COUNT(transfers), places, COUNT(places), true); /* or if (a) break; */
    decides(&made, 0x104, 0x106, NULL, false, 0);
    branches_deinit(&made.branches);
}
END_TEST

/* Optimised: a guard in front of the loop, which is entered when it does not jump. */
START_TEST(rotated_loop) {
    static const struct code_transfer transfers[] = {{0x100, 0x102, CODE_BRANCH, 0x140, 0, false},
                                                     {0x130, 0x132, CODE_BRANCH, 0x110, 0, false},
                                                     {0x150, 0x151, CODE_RETURN, 0, 0, false}};
    static const struct place places[] = {{0x100, 1, 1}, {0x102, 2, 1}, {0x12c, 1, 1}, {0x132, 3, 1}};
    struct made made;
    make(&made, transfers, COUNT(transfers), places, COUNT(places), true);
    decides(&made, 0x100, 0x102, "loop", true, 2);
    decides(&made, 0x100, 0x140, "loop", false, 3);
    decides(&made, 0x130, 0x110, "loop", true, 2);
    decides(&made, 0x130, 0x132, "loop", false, 3);
    branches_deinit(&made.branches);
}
END_TEST

/* Optimised: what jumps back to where another jump goes back to may be `continue`; a part that was moved in
 * front is no loop. */
START_TEST(jumps_back_that_are_no_loops) {
    static const struct code_transfer again[] = {{0x120, 0x122, CODE_BRANCH, 0x100, 0, false},
                                                 {0x130, 0x132, CODE_BRANCH, 0x100, 0, false},
                                                 {0x150, 0x151, CODE_RETURN, 0, 0, false}};
    static const struct code_transfer moved[] = {{0x110, 0x112, CODE_JUMP, 0x140, 0, false},
                                                 {0x120, 0x122, CODE_BRANCH, 0x100, 0, false},
                                                 {0x150, 0x151, CODE_RETURN, 0, 0, false}};
    static const struct place places[] = {{0x100, 2, 1}, {0x11c, 1, 1}, {0x122, 3, 1}, {0x140, 4, 1}};
    struct made made;
    make(&made, again, COUNT(again), places, COUNT(places), true);
    decides(&made, 0x120, 0x100, NULL, false, 0);
    branches_deinit(&made.branches);
    make(&made, moved, COUNT(moved), places, COUNT(places), true);
    decides(&made, 0x120, 0x100, NULL, false, 0);
    decides(&made, 0x120, 0x122, NULL, false, 0);
    branches_deinit(&made.branches);
}
END_TEST

START_TEST(switches) {
    static const struct code_transfer table[] = {{0x100, 0x102, CODE_BRANCH, 0x140, 0, false},
                                                 {0x108, 0x10a, CODE_JUMP_INDIRECT, 0, 0, false},
                                                 {0x150, 0x151, CODE_RETURN, 0, 0, false}};
    static const struct code_transfer chain[] = {{0x100, 0x102, CODE_BRANCH, 0x110, 0, false},
                                                 {0x104, 0x106, CODE_BRANCH, 0x120, 0, false},
                                                 {0x106, 0x108, CODE_JUMP, 0x140, 0, false},
                                                 {0x150, 0x151, CODE_RETURN, 0, 0, false}};
    static const struct place places[] = {{0x100, 1, 1}, {0x110, 3, 1}, {0x120, 5, 1}, {0x140, 7, 1}};
    struct made made;
    for (int optimized = 0; optimized < 2; optimized++) {
        make(&made, table, COUNT(table), places, COUNT(places), optimized);
        decides(&made, 0x100, 0x102, NULL, false, 0);
        decides(&made, 0x100, 0x140, "switch", true, 7);
        decides(&made, 0x108, 0x120, "switch", true, 5);
        branches_deinit(&made.branches);
    }
    make(&made, chain, COUNT(chain), places, COUNT(places), false);
    decides(&made, 0x100, 0x102, NULL, false, 0);
    decides(&made, 0x104, 0x120, "switch", true, 5);
    decides(&made, 0x104, 0x106, NULL, false, 0);
    decides(&made, 0x106, 0x140, "switch", true, 7);
    branches_deinit(&made.branches);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("code");
    TCase *code = tcase_create("code");
    tcase_set_timeout(code, 60);
    tcase_add_test(code, transfers_and_stores);
    tcase_add_test(code, ranges_in_any_order);
    tcase_add_test(code, what_is_no_code);
    suite_add_tcase(suite, code);
    TCase *branches = tcase_create("branches");
    tcase_add_test(branches, if_with_else);
    tcase_add_test(branches, if_that_returns);
    tcase_add_test(branches, if_on_one_line);
    tcase_add_test(branches, conditions_in_each_other);
    tcase_add_test(branches, places_in_code);
    tcase_add_test(branches, loop_with_condition_at_its_end);
    tcase_add_test(branches, loop_with_condition_in_front);
    tcase_add_test(branches, rotated_loop);
    tcase_add_test(branches, jumps_back_that_are_no_loops);
    tcase_add_test(branches, switches);
    suite_add_tcase(suite, branches);
    return scratch_run(suite);
}
