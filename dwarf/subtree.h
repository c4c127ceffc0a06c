/* subtree: a walk over what belongs to one function: its blocks and inlined instances, but neither its types
 * nor the functions nested in it. */
#ifndef REEL_DWARF_SUBTREE_H
#define REEL_DWARF_SUBTREE_H

#include "dwarf/die.h"

struct subtree {
    unsigned depth; /* of blocks and inlined instances around the DIE; 0: the function's own */
    int inlined; /* what the visitor has made of the innermost inlined instance around; -1: none. A visitor of
                    a DW_TAG_inlined_subroutine may set it: it then holds for the children */
    int block;   /* the same for blocks and inlined instances together */
    bool is_lost; /* the same: the innermost inlined instance around is none of `inlined`, as no code is left
                     of it */
};

/* Call visit for each DIE below the one at the offset, parents first, until it says false. False then, or
 * when the unit is damaged there. */
bool subtree_walk(struct dwarf_unit *unit, uint64_t offset,
                  bool (*visit)(struct subtree *, const struct die *, void *), void *context);

#endif
