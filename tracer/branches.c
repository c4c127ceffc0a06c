/* branches: from conditional jumps to decisions of the source.
 *
 * All conditional jumps of one source line are one condition: `if (a && b)` has two jumps. What they decide
 * is known when control goes to another line, or, where the body stands on the same line, behind the last of
 * them.
 *
 * | rule | is a |
 * | --- | --- |
 * | the line has an indirect jump, or three or more other lines are jumped to | switch |
 * | a jump goes backwards, or the code in front of a jump's target jumps back to or before the line's first
 * jump | loop | | else | if |
 *
 * A jmp right behind a conditional jump of the condition belongs to it, too (clang without optimisation ends
 * each condition with one; so do chains of comparisons that gcc makes of a switch).
 *
 * taken: for a loop, whether its body is (again) entered: the jump goes backwards, or does not leave it. For
 * an if, whether control goes to the nearest following line, which is where compilers leave the body; or,
 * when the body stands on the condition's line, to the part of that line with the lowest column. An if that
 * is not taken and has an else part is called `else`, taken: the body ends with a jump over it, and between
 * the two there is a line without code, the one with the word. A body that ends with return, break or
 * continue looks alike, so this is said only where such a jump leads behind the else part to what is not the
 * function's end, a loop's end or its next round. Else it is an `if` that is not taken, which is true as
 * well.
 *
 * Optimised code moves lines about, and some conditions become instructions without a jump. There only these
 * are told: switches with an indirect jump; loops whose last jump goes back, with what jumps over them in
 * front; and ifs with the body on another line, whose jumps do not leave a loop that is around them. (A
 * switch may have become such an if.) For the rest there is no event. Conditional expressions (a ? b : c) on
 * several lines count as if.
 */
#include "tracer/branches.h"

#include "trace/intern.h"

#include <stdlib.h>
#include <string.h>

#define SWITCH_TARGETS 3

void branches_deinit(struct branches *branches) {
    free(branches->branches);
    free(branches->groups);
    *branches = (struct branches){0};
}

/* ---- lines ---- */

/* The last row at or before the address that has a line. */
static const struct line_row *row_at(const struct branches *branches, uint64_t vaddr) {
    size_t low = 0, high = branches->row_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (branches->rows[middle].address <= vaddr)
            low = middle + 1;
        else
            high = middle;
    }
    while (low && !branches->rows[low - 1].line)
        low--;
    return low ? &branches->rows[low - 1] : NULL;
}

static unsigned line_at(const struct branches *branches, uint64_t vaddr) {
    const struct line_row *row = row_at(branches, vaddr);
    return row ? row->line : 0;
}

/* ---- while they are found ---- */

/* A function may have thousands of conditions, and each asks for others: so everything is looked up. */
struct finder {
    const struct function_code *code;
    const struct address_range *ranges;
    size_t range_count;
    bool optimized;
    struct intern lines;               /* file and line, by the number of their group */
    const struct code_transfer **back; /* jumps to an address at or before them, by target */
    size_t back_count;
    const struct code_transfer **returns;
    size_t return_count;
};

static int compare_targets(const void *a, const void *b) {
    uint64_t x = (*(const struct code_transfer *const *)a)->target,
             y = (*(const struct code_transfer *const *)b)->target;
    return x < y ? -1 : x > y;
}

static bool is_known_jump(const struct code_transfer *transfer) {
    return transfer->kind == CODE_JUMP || transfer->kind == CODE_BRANCH;
}

static struct error *finder_init(struct finder *finder) {
    const struct function_code *code = finder->code;
    finder->back = calloc(code->count + 1, sizeof(*finder->back));
    finder->returns = calloc(code->count + 1, sizeof(*finder->returns));
    if (!finder->back || !finder->returns)
        return &error_no_memory;
    for (size_t i = 0; i < code->count; i++) {
        const struct code_transfer *transfer = &code->transfers[i];
        if (is_known_jump(transfer) && transfer->target <= transfer->vaddr)
            finder->back[finder->back_count++] = transfer;
        if (transfer->kind == CODE_RETURN)
            finder->returns[finder->return_count++] = transfer;
    }
    qsort(finder->back, finder->back_count, sizeof(*finder->back), compare_targets);
    return NULL;
}

static void finder_deinit(struct finder *finder) {
    intern_deinit(&finder->lines);
    free(finder->back);
    free(finder->returns);
}

/* The first of those that jump back to the address or behind it. */
static size_t back_from(const struct finder *finder, uint64_t target) {
    size_t low = 0, high = finder->back_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (finder->back[middle]->target < target)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- groups ---- */

/* Twice the room, when the items fill it. */
static struct error *make_room(void *array, size_t count, size_t *room, size_t size) {
    void **items = array;
    if (count < *room)
        return NULL;
    size_t more = *room ? *room * 2 : 16;
    void *grown = realloc(*items, more * size);
    if (!grown)
        return &error_no_memory;
    *items = grown;
    *room = more;
    return NULL;
}

/* The group of the row's line, to which the branch that comes next belongs. */
static struct error *join_group(struct finder *finder, struct branches *branches, const struct line_row *row,
                                size_t *ret) {
    const uint64_t key[2] = {(uintptr_t)row->file, row->line};
    uint32_t number;
    TRY(make_room(&branches->groups, branches->group_count, &branches->group_room,
                  sizeof(*branches->groups)));
    TRY(intern_add(&finder->lines, key, sizeof(key), &number));
    struct branch_group *group = &branches->groups[number];
    if (number == branches->group_count) {
        branches->group_count++;
        *group = (struct branch_group){.file = row->file, .line = row->line, .first_branch = branches->count};
    } else {
        branches->branches[group->last_branch].later = branches->count;
    }
    group->last_branch = branches->count;
    *ret = number;
    return NULL;
}

static struct error *add(struct finder *finder, struct branches *branches,
                         const struct code_transfer *transfer) {
    const struct line_row *row = row_at(branches, transfer->vaddr);
    size_t group;
    if (!row)
        return NULL;
    TRY(make_room(&branches->branches, branches->count, &branches->room, sizeof(*branches->branches)));
    TRY(join_group(finder, branches, row, &group));
    branches->branches[branches->count++] = (struct branch){
        .vaddr = transfer->vaddr,
        .next = transfer->next,
        .backward = transfer->kind != CODE_JUMP_INDIRECT && transfer->target <= transfer->vaddr,
        .always = transfer->kind == CODE_JUMP,
        .group = group,
    };
    branches->groups[group].last = transfer->vaddr;
    return NULL;
}

/* The next jump of a group behind this one (NULL: its first), or NULL. */
static const struct branch *next_of(const struct branches *branches, const struct branch_group *group,
                                    const struct branch *branch) {
    if (!branch)
        return &branches->branches[group->first_branch];
    return branch->later ? &branches->branches[branch->later] : NULL;
}

/* ---- classification ---- */

/* What the jumps of one group look like. */
struct shape {
    uint64_t first; /* address of its first jump */
    bool indirect, backward;
    uint64_t exit;                    /* behind the jump that closes a loop around it, or 0 */
    unsigned outside[SWITCH_TARGETS]; /* other lines that are jumped or fallen to */
    size_t outside_count;
    uint64_t far_target; /* highest target of its jumps */
    uint64_t near;       /* where it goes on its own line behind its last jump: lowest column */
    unsigned near_column;
    bool ambiguous; /* two such places of one column */
};

static void note_line(struct shape *shape, unsigned line, unsigned own) {
    if (!line || line == own)
        return;
    for (size_t i = 0; i < shape->outside_count; i++)
        if (shape->outside[i] == line)
            return;
    if (shape->outside_count < SWITCH_TARGETS)
        shape->outside[shape->outside_count++] = line;
}

/* Does the code in front of the target jump back to `first` or before it? Then a loop ends there. */
static bool ends_loop(const struct function_code *code, uint64_t target, uint64_t first) {
    const struct code_transfer *before = function_code_before(code, target);
    return before && before->next == target && before->kind == CODE_JUMP && before->target <= first &&
           before->vaddr > first;
}

/* A place that a jump leads to, or that is behind it. */
static void note_place(const struct branches *branches, const struct branch_group *group, uint64_t vaddr,
                       struct shape *shape) {
    const struct line_row *row = row_at(branches, vaddr);
    if (!row)
        return;
    note_line(shape, row->line, group->line);
    if (row->line != group->line || vaddr <= group->last || vaddr == shape->near)
        return;
    if (!shape->near || row->column < shape->near_column) {
        shape->near = vaddr;
        shape->near_column = row->column;
        shape->ambiguous = false;
    } else if (row->column == shape->near_column) {
        shape->ambiguous = true;
    }
}

static void look(const struct branches *branches, const struct function_code *code,
                 const struct code_transfer *transfer, const struct branch_group *group,
                 struct shape *shape) {
    if (!shape->first)
        shape->first = transfer->vaddr;
    if (transfer->kind == CODE_JUMP_INDIRECT) {
        shape->indirect = true;
        return;
    }
    note_place(branches, group, transfer->target, shape);
    if (transfer->kind == CODE_BRANCH)
        note_place(branches, group, transfer->next, shape);
    if (transfer->target <= transfer->vaddr)
        shape->backward = true;
    else if (ends_loop(code, transfer->target, shape->first))
        shape->exit = transfer->target;
    if (transfer->target > shape->far_target)
        shape->far_target = transfer->target;
}

/* The first transfer at the address or behind it, which ends the block of straight code there; or NULL. */
static const struct code_transfer *block_end(const struct function_code *code, uint64_t vaddr) {
    size_t index = function_code_transfer_from(code, vaddr);
    return index < code->count ? &code->transfers[index] : NULL;
}

/* The transfer that a branch was made of. */
static const struct code_transfer *transfer_of(const struct function_code *code,
                                               const struct branch *branch) {
    return block_end(code, branch->vaddr);
}

/* The nearest line behind the condition's own. */
static unsigned nearest_following(const struct shape *shape, unsigned own) {
    unsigned best = 0;
    for (size_t i = 0; i < shape->outside_count; i++)
        if (shape->outside[i] > own && (!best || shape->outside[i] < best))
            best = shape->outside[i];
    return best;
}

/* Does a jump from the end of the body to `join` jump over an else part? Not when it may as well be a return,
 * break or continue, see above. */
static bool joins(const struct branches *branches, const struct finder *finder, uint64_t far_target,
                  uint64_t join, uint64_t condition) {
    const struct function_code *code = finder->code;
    unsigned line = line_at(branches, join), else_line = line_at(branches, far_target);
    if (line <= else_line)
        return false;
    for (size_t i = function_code_transfer_from(code, far_target);
         i < code->count && code->transfers[i].vaddr < join; i++)
        if (is_known_jump(&code->transfers[i]) && code->transfers[i].target <= condition)
            return false;
    for (size_t i = 0; i < finder->return_count; i++)
        if (line_at(branches, finder->returns[i]->vaddr) == line)
            return false;
    return true;
}

/* One outside line only: the body is on the condition's own line. */
static void classify_if(const struct branches *branches, const struct finder *finder,
                        const struct shape *shape, struct branch_group *group) {
    group->kind = BRANCH_IF;
    group->then_line = shape->outside_count > 1 ? nearest_following(shape, group->line) : 0;
    group->then_address = shape->ambiguous ? 0 : shape->near;
    const struct code_transfer *before = function_code_before(finder->code, shape->far_target);
    if (before && before->next == shape->far_target && before->kind == CODE_JUMP &&
        before->target > shape->far_target && before->vaddr > group->last &&
        line_at(branches, shape->far_target) > line_at(branches, before->vaddr) + 1 &&
        joins(branches, finder, shape->far_target, before->target, shape->first))
        group->else_address = shape->far_target;
}

/* Does straight code from `top` come to the jump at `last`, without leaving what is between them? Loops with
 * inner jumps go there by some way, so all that stay inside are followed, forwards only. */
static bool comes_to(const struct function_code *code, uint64_t top, uint64_t last) {
    for (uint64_t at = top; at <= last;) {
        const struct code_transfer *transfer = block_end(code, at);
        if (!transfer || transfer->vaddr > last)
            return false;
        if (transfer->vaddr == last)
            return true;
        bool jumps = transfer->kind == CODE_JUMP;
        if (transfer->kind == CODE_RETURN || transfer->kind == CODE_JUMP_INDIRECT ||
            (jumps && (transfer->target > last || transfer->target <= transfer->vaddr)))
            return false;
        at = jumps ? transfer->target : transfer->next;
    }
    return false;
}

/* Does a jump from vaddr to target leave a loop around it: code that a later jump goes back in front of? */
static bool leaves_loop(const struct finder *finder, const struct branch *branch) {
    const struct code_transfer *jump = transfer_of(finder->code, branch);
    for (size_t i = 0; i < finder->back_count && finder->back[i]->target <= branch->vaddr; i++) {
        const struct code_transfer *back = finder->back[i];
        if (back->vaddr < branch->vaddr)
            continue;
        if (back->vaddr == branch->vaddr || jump->target > back->vaddr || jump->target < back->target)
            return true;
    }
    return false;
}

/* Does a jump of another line go back to the same place? Then one of them may be `continue`. */
static bool has_other_way_back(const struct branches *branches, const struct finder *finder,
                               const struct code_transfer *jump, size_t group) {
    for (size_t i = back_from(finder, jump->target);
         i < finder->back_count && finder->back[i]->target == jump->target; i++) {
        const struct code_transfer *other = finder->back[i];
        const struct branch *branch = branches_at(branches, other->vaddr);
        if (other->vaddr > jump->target && (!branch || branch->group != group))
            return true;
    }
    return false;
}

/* A loop when the last jump of the line goes back to what comes to it again. */
static bool is_rotated(const struct branches *branches, const struct finder *finder, size_t index,
                       struct branch_group *group) {
    const struct branch *last = &branches->branches[group->last_branch], *branch = NULL;
    const struct code_transfer *jump = transfer_of(finder->code, last);
    if (jump->kind != CODE_BRANCH || !last->backward || has_other_way_back(branches, finder, jump, index) ||
        !comes_to(finder->code, jump->target, last->vaddr))
        return false;
    group->loop_top = jump->target;
    while ((branch = next_of(branches, group, branch)) != last) {
        if (branch->backward && transfer_of(finder->code, branch)->target < jump->target)
            return false;
        if (branch->vaddr < jump->target)
            group->guard = branch->vaddr;
    }
    return true;
}

static void classify_optimized(const struct branches *branches, const struct finder *finder, size_t index,
                               const struct shape *shape, struct branch_group *group) {
    group->kind = BRANCH_UNKNOWN;
    if (shape->indirect) {
        group->kind = BRANCH_SWITCH;
        return;
    }
    if (is_rotated(branches, finder, index, group)) {
        group->kind = BRANCH_ROTATED;
        return;
    }
    if (shape->outside_count != 2 || shape->backward)
        return;
    for (const struct branch *branch = NULL; (branch = next_of(branches, group, branch));)
        if (leaves_loop(finder, branch))
            return;
    classify_if(branches, finder, shape, group);
}

static void classify(struct branches *branches, const struct finder *finder, size_t index) {
    struct branch_group *group = &branches->groups[index];
    struct shape shape = {0};
    for (const struct branch *branch = NULL; (branch = next_of(branches, group, branch));)
        look(branches, finder->code, transfer_of(finder->code, branch), group, &shape);
    if (finder->optimized)
        classify_optimized(branches, finder, index, &shape, group);
    else if (shape.indirect || shape.outside_count >= SWITCH_TARGETS)
        group->kind = BRANCH_SWITCH;
    else if (shape.backward || shape.exit) {
        group->kind = BRANCH_LOOP;
        group->loop_exit = shape.exit;
    } else
        classify_if(branches, finder, &shape, group);
}

/* Is this a jmp that ends the condition of the conditional jump before it? */
static bool goes_with(const struct branches *branches, const struct finder *finder, size_t index) {
    const struct code_transfer *transfer = &finder->code->transfers[index];
    if (!index || transfer->kind != CODE_JUMP ||
        !ranges_contain(finder->ranges, finder->range_count, transfer->target))
        return false;
    const struct code_transfer *before = transfer - 1;
    return before->kind == CODE_BRANCH && before->next == transfer->vaddr &&
           line_at(branches, before->vaddr) == line_at(branches, transfer->vaddr);
}

static struct error *find_all(struct finder *finder, struct branches *ret) {
    const struct function_code *code = finder->code;
    TRY(finder_init(finder));
    for (size_t i = 0; i < code->count; i++) {
        const struct code_transfer *transfer = &code->transfers[i];
        bool inside = transfer->kind == CODE_BRANCH &&
                      ranges_contain(finder->ranges, finder->range_count, transfer->target);
        if (inside || transfer->kind == CODE_JUMP_INDIRECT || goes_with(ret, finder, i))
            TRY(add(finder, ret, transfer));
    }
    for (size_t i = 0; i < ret->group_count; i++)
        classify(ret, finder, i);
    return NULL;
}

struct error *branches_find(const struct function_code *code, const struct address_range *ranges,
                            size_t range_count, const struct line_rows *rows, bool optimized,
                            struct branches *ret) {
    struct finder finder = {
        .code = code, .ranges = ranges, .range_count = range_count, .optimized = optimized};
    *ret = (struct branches){.rows = rows->rows, .row_count = rows->count};
    struct error *err = find_all(&finder, ret);
    finder_deinit(&finder);
    if (err)
        branches_deinit(ret);
    return err;
}

const struct branch *branches_at(const struct branches *branches, uint64_t vaddr) {
    size_t low = 0, high = branches->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (branches->branches[middle].vaddr < vaddr)
            low = middle + 1;
        else
            high = middle;
    }
    return low < branches->count && branches->branches[low].vaddr == vaddr ? &branches->branches[low] : NULL;
}

/* ---- at run time ---- */

/* A condition at the loop's end jumps back, one in front of it jumps behind it. */
static bool loop_outcome(const struct branch_group *group, const struct branch *branch, uint64_t destination,
                         bool other_line, struct branch_outcome *ret) {
    ret->kind = "loop";
    if (branch->backward && destination == branch->next && branch->vaddr != group->last)
        return false; /* a || b: the other part is asked next */
    if (branch->backward)
        ret->taken = destination != branch->next;
    else if (group->loop_exit && destination == group->loop_exit)
        ret->taken = false;
    else if (other_line)
        ret->taken = group->loop_exit != 0;
    else if (group->loop_exit && branch->vaddr == group->last)
        ret->taken = true;
    else
        return false;
    return true;
}

/* Jumps over the loop or out of it, into it, or by not jumping over it. */
static bool rotated_outcome(const struct branch_group *group, const struct branch *branch,
                            uint64_t destination, struct branch_outcome *ret) {
    ret->kind = "loop";
    if (destination > group->last)
        ret->taken = false;
    else if (destination >= group->loop_top && destination != branch->next)
        ret->taken = true;
    else if (branch->vaddr == group->guard && destination == branch->next)
        ret->taken = true;
    else
        return false;
    return branch->vaddr == group->last || destination != branch->next || branch->vaddr == group->guard;
}

static bool if_outcome(const struct branch_group *group, uint64_t destination, bool other_line,
                       unsigned to_line, struct branch_outcome *ret) {
    if (!other_line && (group->then_line || destination <= group->last))
        return false;
    if (!group->then_line && !group->then_address)
        return false;
    ret->kind = "if";
    ret->taken = group->then_line ? to_line == group->then_line : destination == group->then_address;
    if (!ret->taken && group->else_address && destination == group->else_address) {
        ret->kind = "else";
        ret->taken = true;
    }
    return true;
}

bool branches_outcome(const struct branches *branches, const struct branch *branch, uint64_t destination,
                      struct branch_outcome *ret) {
    const struct branch_group *group = &branches->groups[branch->group];
    unsigned to_line = line_at(branches, destination);
    bool other_line = to_line != group->line;
    *ret = (struct branch_outcome){.line = group->line, .to_line = to_line};
    switch (group->kind) {
    case BRANCH_SWITCH:
        ret->kind = "switch";
        ret->taken = true;
        return other_line;
    case BRANCH_LOOP:
        return loop_outcome(group, branch, destination, other_line, ret);
    case BRANCH_ROTATED:
        return rotated_outcome(group, branch, destination, ret);
    case BRANCH_UNKNOWN:
        return false;
    case BRANCH_IF:
        return if_outcome(group, destination, other_line, to_line, ret);
    }
    return false;
}
