/* Inlined instances and call sites inside of a function. */
#include "dwarf/function_private.h"
#include "dwarf/list.h"
#include "dwarf/subtree.h"

#include <stdlib.h>

/* What was read of a function, kept with it: by DIE. */
struct inlined_state {
    struct module *module;
    struct array inlined, sites;
    bool no_memory;
};

static const char *call_file(const struct die *die) {
    struct attribute attribute;
    uint64_t index;
    return die_attribute(die, DW_AT_call_file, &attribute) && attribute_number(&attribute, &index)
               ? unit_file_name(die->unit, index)
               : NULL;
}

static const char *declared_file(const struct die *die) {
    struct attribute attribute;
    uint64_t index;
    return die_find_attribute(die, DW_AT_decl_file, &attribute) && attribute_number(&attribute, &index)
               ? unit_file_name(attribute.unit, index)
               : NULL;
}

static bool copy_ranges(struct arena *arena, const struct die *die, struct inlined *ret) {
    struct array ranges = {0};
    bool good = die_ranges(die, &ranges);
    ret->ranges = good ? arena_copy(arena, ranges.items, ranges.count * sizeof(*ret->ranges)) : NULL;
    ret->range_count = ranges.count;
    array_deinit(&ranges);
    return ret->ranges != NULL;
}

static bool add_inlined(struct inlined_state *state, const struct subtree *tree, const struct die *die,
                        int *ret) {
    struct arena *arena = &state->module->arena;
    struct inlined made = {.parent = tree->inlined, .place = die_place(die)};
    struct names names;
    if (!copy_ranges(arena, die, &made) || !names_from_die(arena, die, false, &names))
        return false;
    if (!made.range_count || !die_entry(die, &made.entry))
        return true; /* nothing is left of it */
    const struct inlined *all = state->inlined.items;
    made.depth = made.parent >= 0 ? all[made.parent].depth + 1 : 1;
    made.name = names.name ? names.name : "";
    made.base = names.base ? names.base : "";
    made.call_file = call_file(die);
    made.call_line = (unsigned)die_unsigned(die, DW_AT_call_line, 0);
    made.file = declared_file(die);
    made.line = (unsigned)die_unsigned(die, DW_AT_decl_line, 0);
    struct inlined *item = array_add(&state->inlined, sizeof(*item));
    if (!item)
        return false;
    *item = made;
    *ret = (int)(state->inlined.count - 1);
    return true;
}

static bool add_site(struct inlined_state *state, const struct die *die) {
    struct attribute attribute;
    struct call_site made = {.place = die_place(die)};
    /* GNU: DW_AT_low_pc is the address behind the call. */
    if (!(die_attribute(die, DW_AT_call_return_pc, &attribute) ||
          die_attribute(die, DW_AT_low_pc, &attribute)) ||
        !attribute_address(&attribute, &made.return_address))
        return true;
    made.tail_call = die_flag(die, DW_AT_call_tail_call) || die_flag(die, DW_AT_GNU_tail_call);
    struct call_site *item = array_add(&state->sites, sizeof(*item));
    if (item)
        *item = made;
    return item != NULL;
}

static bool visit(struct subtree *tree, const struct die *die, void *context) {
    struct inlined_state *state = context;
    switch (die_tag(die)) {
    case DW_TAG_inlined_subroutine:
        state->no_memory = !add_inlined(state, tree, die, &tree->inlined);
        break;
    case DW_TAG_call_site:
    case DW_TAG_GNU_call_site:
        state->no_memory = !add_site(state, die);
        break;
    }
    return !state->no_memory;
}

static int compare_sites(const void *a, const void *b) {
    uint64_t left = ((const struct call_site *)a)->return_address;
    uint64_t right = ((const struct call_site *)b)->return_address;
    return (left > right) - (left < right);
}

/* Read both kinds; a fresh state in the arena is left with the function. */
static struct error *read_function(struct module *module, struct function *function) {
    struct inlined_state state = {.module = module};
    if (function->unit)
        subtree_walk(function->unit, function->die, visit, &state);
    if (state.sites.count)
        qsort(state.sites.items, state.sites.count, sizeof(struct call_site), compare_sites);
    struct function_details *details = arena_alloc(&module->arena, sizeof(*details));
    if (details && !state.no_memory) {
        details->inlined =
            arena_copy(&module->arena, state.inlined.items, state.inlined.count * sizeof(struct inlined));
        details->inlined_count = state.inlined.count;
        details->sites =
            arena_copy(&module->arena, state.sites.items, state.sites.count * sizeof(struct call_site));
        details->site_count = state.sites.count;
    }
    array_deinit(&state.inlined);
    array_deinit(&state.sites);
    if (!details || state.no_memory || !details->inlined || !details->sites)
        return &error_no_memory;
    function->details = details;
    return NULL;
}

struct error *function_details(struct module *module, const struct function *function,
                               struct function_details **ret) {
    if (!function->details)
        TRY(read_function(module, (struct function *)function)); /* the module's own */
    *ret = function->details;
    return NULL;
}

struct error *function_inlined(struct module *module, const struct function *function,
                               const struct inlined **ret, size_t *ret_count) {
    struct function_details *details;
    TRY(function_details(module, function, &details));
    *ret = details->inlined;
    *ret_count = details->inlined_count;
    return NULL;
}

struct error *function_call_sites(struct module *module, const struct function *function,
                                  const struct call_site **ret, size_t *ret_count) {
    struct function_details *details;
    TRY(function_details(module, function, &details));
    *ret = details->sites;
    *ret_count = details->site_count;
    return NULL;
}
