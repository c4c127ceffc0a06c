#include "dwarf/subtree.h"

#define DEPTH_MAX 512

static bool is_block(unsigned tag) {
    switch (tag) {
    case DW_TAG_lexical_block:
    case DW_TAG_inlined_subroutine:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
    case DW_TAG_with_stmt:
    case DW_TAG_common_block:
        return true;
    default:
        return false;
    }
}

bool subtree_walk(struct dwarf_unit *unit, uint64_t offset,
                  bool (*visit)(struct subtree *, const struct die *, void *), void *context) {
    struct subtree stack[DEPTH_MAX] = {{.inlined = -1, .block = -1}};
    struct die die;
    size_t depth = 0;
    if (!die_read(unit, offset, &die) || !die.abbreviation)
        return false;
    if (!die.abbreviation->children)
        return true;
    for (uint64_t at = die_end(&die); at;) {
        if (at >= unit->end)
            return true; /* the last ends may be left out */
        if (!die_read(unit, at, &die))
            return false;
        if (!die.abbreviation) {
            if (!depth--)
                return true;
            at = die_end(&die);
            continue;
        }
        struct subtree here = stack[depth];
        if (!visit(&here, &die, context))
            return false;
        if (!die.abbreviation->children || !is_block(die_tag(&die))) {
            at = die_sibling(&die);
            continue;
        }
        if (++depth == DEPTH_MAX)
            return false;
        here.depth++;
        stack[depth] = here;
        at = die_end(&die);
    }
    return false;
}
