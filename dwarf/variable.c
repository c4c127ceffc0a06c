#include "dwarf/variable.h"

#include "dwarf/function_private.h"
#include "dwarf/list.h"
#include "dwarf/subtree.h"
#include "dwarf/variable_private.h"

#include <stdlib.h>
#include <string.h>

/* Where the name is known: the ranges of a block or inlined instance. */
struct block {
    const struct address_range *ranges;
    size_t range_count;
};

struct collected {
    struct variable variable;
    struct die_place origin; /* the abstract DIE that it is an instance of, or nothing */
};

struct collector {
    struct module *module;
    const struct function *function;
    const struct inlined *inlined;
    size_t inlined_count;
    struct array variables, blocks; /* struct collected, struct block */
    bool variadic, failed;
};

struct location_collector {
    struct array locations;
    bool failed;
};

static bool add_location(const struct list_entry *entry, void *context) {
    struct location_collector *collector = context;
    struct variable_location *item = array_add(&collector->locations, sizeof(*item));
    collector->failed = !item;
    if (item)
        *item = (struct variable_location){entry->low, entry->high, entry->expression.data,
                                           entry->expression.size};
    return item != NULL;
}

static bool set_locations(struct arena *arena, const struct attribute *attribute, struct variable *ret) {
    struct location_collector collector = {0};
    struct list_entry everywhere = {0, UINT64_MAX, {0}};
    if (attribute_expression(attribute, &everywhere.expression)) {
        if (everywhere.expression.size)
            add_location(&everywhere, &collector);
    } else
        location_list(attribute, add_location, &collector);
    ret->locations =
        arena_copy(arena, collector.locations.items, collector.locations.count * sizeof(*ret->locations));
    ret->location_count = collector.locations.count;
    array_deinit(&collector.locations);
    return ret->locations && !collector.failed;
}

static bool set_constant(struct arena *arena, const struct attribute *attribute, struct variable *ret) {
    uint64_t number;
    if (attribute_number(attribute, &number)) {
        ret->constant = arena_copy(arena, &number, sizeof(number));
        ret->constant_size = sizeof(number);
        ret->constant_is_number = true;
        ret->constant_is_signed =
            attribute->form == DW_FORM_sdata || attribute->form == DW_FORM_implicit_const;
        ret->has_constant = true;
        return ret->constant != NULL;
    }
    const char *text = attribute_string(attribute);
    struct bytes bytes = attribute->block;
    if (text)
        bytes = (struct bytes){(const uint8_t *)text, strlen(text) + 1};
    ret->constant = bytes.data;
    ret->constant_size = bytes.size;
    ret->has_constant = bytes.data != NULL;
    return true;
}

/* One address for all calls: DW_OP_addr, DW_OP_addrx, DW_OP_GNU_addr_index; or thread-local. */
static bool is_fixed(const struct variable *variable) {
    if (variable->parameter || variable->location_count != 1 || !variable->locations[0].size)
        return false;
    switch (variable->locations[0].expression[0]) {
    case DW_OP_addr:
    case DW_OP_addrx:
    case DW_OP_GNU_addr_index:
        return true;
    case DW_OP_const8u: /* offset in the thread's block */
    case DW_OP_constx:
    case DW_OP_GNU_const_index:
        return true;
    default:
        return false;
    }
}

bool variable_read(struct arena *arena, const struct die *die, struct variable *ret) {
    struct attribute attribute;
    uint64_t index;
    struct variable made = {.inlined = -1, .place = die_place(die), .type = die_type(die), .unit = die->unit};
    const char *name = die_string(die, DW_AT_name);
    made.name = name ? name : "";
    made.parameter = die_tag(die) == DW_TAG_formal_parameter;
    made.artificial = die_flag(die, DW_AT_artificial);
    made.line = (unsigned)die_unsigned(die, DW_AT_decl_line, 0);
    if (die_find_attribute(die, DW_AT_decl_file, &attribute) && attribute_number(&attribute, &index))
        made.file = unit_file_name(attribute.unit, index);
    if (die_find_attribute(die, DW_AT_location, &attribute)) {
        made.unit = attribute.unit;
        if (!set_locations(arena, &attribute, &made))
            return false;
    } else if (die_find_attribute(die, DW_AT_const_value, &attribute) &&
               !set_constant(arena, &attribute, &made))
        return false;
    made.is_static = is_fixed(&made);
    *ret = made;
    return true;
}

static bool same_place(const struct die_place *a, const struct die_place *b) {
    return a->file == b->file && a->offset == b->offset && a->in_types == b->in_types;
}

static const struct block *block_of(const struct collector *collector, int index) {
    return (const struct block *)collector->blocks.items + index;
}

static bool add_variable(struct collector *collector, const struct subtree *tree, const struct die *die) {
    struct collected made = {0};
    struct die origin;
    if (!variable_read(&collector->module->arena, die, &made.variable))
        return false;
    struct variable *variable = &made.variable;
    if (!variable->location_count && !variable->has_constant && die_flag(die, DW_AT_declaration))
        return true; /* an `extern` in a function */
    if (die_origin(die, &origin))
        made.origin = die_place(&origin);
    const struct block *block = block_of(collector, tree->block);
    variable->scope = block->ranges;
    variable->scope_count = block->range_count;
    variable->depth = tree->depth;
    variable->inlined = tree->inlined;
    struct collected *item = array_add(&collector->variables, sizeof(*item));
    if (item)
        *item = made;
    return item != NULL;
}

static bool add_block(struct collector *collector, const struct die *die, int around, int *ret) {
    struct array ranges = {0};
    struct block made = {0};
    bool good = die_ranges(die, &ranges);
    if (ranges.count) {
        made.ranges =
            arena_copy(&collector->module->arena, ranges.items, ranges.count * sizeof(*made.ranges));
        made.range_count = ranges.count;
        good = good && made.ranges;
    } else
        made = *block_of(collector, around);
    array_deinit(&ranges);
    struct block *item = good ? array_add(&collector->blocks, sizeof(*item)) : NULL;
    if (!item)
        return false;
    *item = made;
    *ret = (int)(collector->blocks.count - 1);
    return true;
}

static int inlined_index(const struct collector *collector, const struct die *die) {
    struct die_place place = die_place(die);
    for (size_t i = 0; i < collector->inlined_count; i++)
        if (same_place(&collector->inlined[i].place, &place))
            return (int)i;
    return -1;
}

static bool visit(struct subtree *tree, const struct die *die, void *context) {
    struct collector *collector = context;
    bool good = true;
    if (tree->block < 0)
        tree->block = 0; /* the function's own */
    switch (die_tag(die)) {
    case DW_TAG_formal_parameter:
    case DW_TAG_variable:
        good = tree->is_lost || add_variable(collector, tree, die);
        break;
    case DW_TAG_unspecified_parameters:
        collector->variadic |= tree->depth == 0;
        break;
    case DW_TAG_inlined_subroutine: {
        int index = inlined_index(collector, die);
        tree->is_lost = index < 0;
        tree->inlined = index >= 0 ? index : tree->inlined;
        good = add_block(collector, die, tree->block, &tree->block);
        break;
    }
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
        good = add_block(collector, die, tree->block, &tree->block);
        break;
    }
    collector->failed = !good;
    return good;
}

/* The own parameters in the order of the abstract instance; one that the concrete instance leaves out is
 * optimized away. */
static bool order_parameters(struct collector *collector, const struct die *function, struct array *ret) {
    struct die origin, child;
    struct attribute attribute;
    struct collected *all = collector->variables.items;
    /* A mere declaration (DW_AT_specification) has parameters of its own, which nothing refers to. */
    if (!die_attribute(function, DW_AT_abstract_origin, &attribute) ||
        !attribute_reference(&attribute, &origin) || !origin.abbreviation->children)
        return true;
    for (uint64_t at = die_end(&origin); at && die_read(origin.unit, at, &child) && child.abbreviation;
         at = die_sibling(&child)) {
        if (die_tag(&child) != DW_TAG_formal_parameter)
            continue;
        struct die_place place = die_place(&child);
        struct collected *found = NULL;
        for (size_t i = 0; i < collector->variables.count && !found; i++)
            if (all[i].variable.parameter && all[i].variable.inlined < 0 &&
                same_place(&all[i].origin, &place))
                found = &all[i];
        struct variable *item = array_add(ret, sizeof(*item));
        if (!item)
            return false;
        if (found) {
            *item = found->variable;
            found->variable.name = NULL; /* taken */
        } else if (die_flag(function, DW_AT_artificial) ||
                   !variable_read(&collector->module->arena, &child, item))
            ret->count--;
        else {
            item->scope = collector->function->ranges;
            item->scope_count = collector->function->range_count;
        }
    }
    return true;
}

static bool take(struct collector *collector, struct array *ret, bool parameters) {
    struct collected *all = collector->variables.items;
    for (size_t i = 0; i < collector->variables.count; i++) {
        bool own = all[i].variable.parameter && all[i].variable.inlined < 0;
        if (!all[i].variable.name || own != parameters)
            continue;
        struct variable *item = array_add(ret, sizeof(*item));
        if (!item)
            return false;
        *item = all[i].variable;
    }
    return true;
}

static struct error *collect(struct collector *collector, struct array *ret) {
    const struct function *function = collector->function;
    struct die die;
    struct block *whole = array_add(&collector->blocks, sizeof(*whole));
    if (!whole)
        return &error_no_memory;
    *whole = (struct block){function->ranges, function->range_count};
    if (!die_read(function->unit, function->die, &die) || !die.abbreviation)
        return unit_damaged(function->unit, function->die);
    subtree_walk(function->unit, function->die, visit, collector);
    if (collector->failed || !order_parameters(collector, &die, ret) || !take(collector, ret, true) ||
        !take(collector, ret, false))
        return &error_no_memory;
    return NULL;
}

struct error *function_variables(struct module *module, const struct function *function,
                                 struct variables *ret) {
    struct function_details *details;
    TRY(function_details(module, function, &details));
    if (!details->variables_read && function->unit) {
        struct collector collector = {.module = module,
                                      .function = function,
                                      .inlined = details->inlined,
                                      .inlined_count = details->inlined_count};
        struct array variables = {0};
        struct error *err = collect(&collector, &variables);
        const struct variable *copy =
            err ? NULL : arena_copy(&module->arena, variables.items, variables.count * sizeof(*copy));
        details->variables =
            (struct variables){copy, variables.count, collector.variadic || function->variadic};
        array_deinit(&variables);
        array_deinit(&collector.variables);
        array_deinit(&collector.blocks);
        if (err || !copy)
            return err ? err : &error_no_memory;
    }
    details->variables_read = true;
    *ret = details->variables;
    return NULL;
}

bool variable_in_scope(const struct variable *variable, uint64_t vaddr) {
    if (!variable->scope_count)
        return true;
    for (size_t i = 0; i < variable->scope_count; i++)
        if (vaddr >= variable->scope[i].low && vaddr < variable->scope[i].high)
            return true;
    return false;
}

static const struct variable_location *location_at(const struct variable_location *locations, size_t count,
                                                   uint64_t vaddr) {
    const struct variable_location *otherwise = NULL;
    for (size_t i = 0; i < count; i++) {
        if (locations[i].low == 0 && locations[i].high == UINT64_MAX)
            otherwise = &locations[i]; /* a default entry holds where no other does */
        else if (vaddr >= locations[i].low && vaddr < locations[i].high)
            return &locations[i];
    }
    return otherwise;
}

const struct variable_location *variable_location_at(const struct variable *variable, uint64_t vaddr) {
    return location_at(variable->locations, variable->location_count, vaddr);
}

struct at_address {
    uint64_t vaddr;
    struct variable_location *found;
    bool done;
};

static bool take_at(const struct list_entry *entry, void *context) {
    struct at_address *at = context;
    if (at->vaddr < entry->low || at->vaddr >= entry->high)
        return true;
    *at->found =
        (struct variable_location){entry->low, entry->high, entry->expression.data, entry->expression.size};
    at->done = true;
    return entry->low == 0 && entry->high == UINT64_MAX;
}

bool attribute_location_at(const struct attribute *attribute, uint64_t vaddr, struct variable_location *ret) {
    struct bytes expression;
    if (attribute_expression(attribute, &expression)) {
        *ret = (struct variable_location){0, UINT64_MAX, expression.data, expression.size};
        return true;
    }
    struct at_address at = {vaddr, ret, false};
    location_list(attribute, take_at, &at);
    return at.done;
}

bool function_frame_base(struct module *module, const struct function *function, uint64_t vaddr,
                         struct variable_location *ret) {
    struct attribute attribute;
    struct die die;
    (void)module;
    return function->unit && die_read(function->unit, function->die, &die) &&
           die_find_attribute(&die, DW_AT_frame_base, &attribute) &&
           attribute_location_at(&attribute, vaddr, ret);
}
