#include "dwarf/scan.h"

#include "dwarf/list.h"
#include "dwarf/module_private.h"

#include <stdlib.h>
#include <string.h>

/* Real programs nest a few dozen deep. */
#define DEPTH_MAX 1024

struct scanner {
    struct dwarf_unit *unit;
    struct array scopes, functions, ranges, globals;
    uint32_t stack[DEPTH_MAX]; /* of scopes, by depth; SCOPE_NONE for other DIEs with children */
    uint32_t depth;
    uint32_t scope;       /* innermost */
    uint32_t in_function; /* functions around */
};

static bool is_scope(unsigned tag) {
    switch (tag) {
    case DW_TAG_namespace:
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_interface_type:
    case DW_TAG_enumeration_type:
    case DW_TAG_module:
    case DW_TAG_subprogram:
    case DW_TAG_inlined_subroutine:
        return true;
    default:
        return false;
    }
}

static bool add_ranges(struct scanner *scanner, const struct die *die, uint32_t function) {
    struct array ranges = {0};
    bool good = die_ranges(die, &ranges);
    for (size_t i = 0; good && i < ranges.count; i++) {
        const struct address_range *range = (struct address_range *)ranges.items + i;
        struct scanned_range *item = array_add(&scanner->ranges, sizeof(*item));
        good = item != NULL;
        if (item)
            *item = (struct scanned_range){range->low, range->high, function};
    }
    array_deinit(&ranges);
    return good;
}

/* DWARF 2 has no DW_AT_ranges: gcc then describes the cold part as a function of its own. */
static bool is_second_section(const struct die *die) {
    static const char prefix[] = "__second_sect_of_";
    struct attribute attribute;
    const char *name = die->unit->version == 2 && die_attribute(die, DW_AT_name, &attribute)
                           ? attribute_string(&attribute)
                           : NULL;
    return name && !strncmp(name, prefix, sizeof(prefix) - 1);
}

static bool add_function(struct scanner *scanner, const struct die *die) {
    uint64_t entry;
    if (!die_entry(die, &entry) || !module_is_code(scanner->unit->file->module, entry))
        return true; /* the linker threw it away */
    if (is_second_section(die))
        return true;
    struct scanned_function *function = array_add(&scanner->functions, sizeof(*function));
    if (!function)
        return false;
    *function = (struct scanned_function){entry, die->offset};
    return add_ranges(scanner, die, (uint32_t)(scanner->functions.count - 1));
}

static bool add_global(struct scanner *scanner, const struct die *die) {
    uint64_t *global = array_add(&scanner->globals, sizeof(*global));
    if (global)
        *global = die->offset;
    return global != NULL;
}

/* Go into the children of a DIE. */
static bool enter(struct scanner *scanner, const struct die *die) {
    unsigned tag = die_tag(die);
    if (scanner->depth == DEPTH_MAX)
        return false;
    scanner->stack[scanner->depth] = SCOPE_NONE;
    if (is_scope(tag)) {
        struct scope *scope = array_add(&scanner->scopes, sizeof(*scope));
        if (!scope)
            return false;
        *scope = (struct scope){die->offset, scanner->unit->end, scanner->scope, (uint16_t)tag};
        scanner->scope = scanner->stack[scanner->depth] = (uint32_t)(scanner->scopes.count - 1);
        scanner->in_function += tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
    }
    scanner->depth++;
    return true;
}

static void leave(struct scanner *scanner, uint64_t end) {
    if (!scanner->depth)
        return; /* padding behind the root's children */
    uint32_t index = scanner->stack[--scanner->depth];
    if (index == SCOPE_NONE)
        return;
    struct scope *scope = (struct scope *)scanner->scopes.items + index;
    scope->end = end;
    scanner->scope = scope->parent;
    scanner->in_function -= scope->tag == DW_TAG_subprogram || scope->tag == DW_TAG_inlined_subroutine;
}

/* Returns the offset of what comes next, 0 when memory is out or the unit is damaged. */
static uint64_t visit(struct scanner *scanner, const struct die *die) {
    unsigned tag = die_tag(die);
    uint64_t next = die_end(die);
    if (!next)
        return 0;
    if (!die->abbreviation)
        leave(scanner, next);
    else if (tag == DW_TAG_subprogram && die->abbreviation->has_code && !add_function(scanner, die))
        return 0;
    else if (tag == DW_TAG_variable && !scanner->in_function && !add_global(scanner, die))
        return 0;
    if (die->abbreviation && die->abbreviation->children && !enter(scanner, die))
        return 0;
    return next;
}

static void scan_dies(struct scanner *scanner, struct unit_scan *scan) {
    uint64_t at = scanner->unit->first_die;
    while (at < scanner->unit->end) {
        struct die die;
        uint64_t next = die_read(scanner->unit, at, &die) ? visit(scanner, &die) : 0;
        if (!next) {
            scan->damaged = true;
            scan->damaged_at = at;
            module_set_problem(scanner->unit->file->module, unit_damaged(scanner->unit, at));
            return;
        }
        at = next;
    }
}

static int compare_ranges(const void *a, const void *b) {
    const struct scanned_range *left = a, *right = b;
    if (left->low != right->low)
        return left->low < right->low ? -1 : 1;
    return (left->function > right->function) - (left->function < right->function);
}

static bool finish(struct scanner *scanner, struct unit_scan *scan) {
    struct arena *arena = &scanner->unit->file->module->arena;
    if (scanner->ranges.count)
        qsort(scanner->ranges.items, scanner->ranges.count, sizeof(struct scanned_range), compare_ranges);
    scan->scopes = arena_copy(arena, scanner->scopes.items, scanner->scopes.count * sizeof(struct scope));
    scan->scope_count = scanner->scopes.count;
    scan->functions = arena_copy(arena, scanner->functions.items,
                                 scanner->functions.count * sizeof(struct scanned_function));
    scan->function_count = scanner->functions.count;
    scan->ranges =
        arena_copy(arena, scanner->ranges.items, scanner->ranges.count * sizeof(struct scanned_range));
    scan->range_count = scanner->ranges.count;
    scan->globals = arena_copy(arena, scanner->globals.items, scanner->globals.count * sizeof(uint64_t));
    scan->global_count = scanner->globals.count;
    return scan->scopes && scan->functions && scan->ranges && scan->globals;
}

struct error *unit_scan(struct dwarf_unit *unit, const struct unit_scan **ret) {
    if (!unit->scan) {
        struct unit_scan *scan = arena_alloc(&unit->file->module->arena, sizeof(*scan));
        struct scanner *scanner = calloc(1, sizeof(*scanner));
        bool good = scan && scanner;
        if (good) {
            scanner->unit = unit;
            scanner->scope = SCOPE_NONE;
            scan_dies(scanner, scan);
            good = finish(scanner, scan);
            array_deinit(&scanner->scopes);
            array_deinit(&scanner->functions);
            array_deinit(&scanner->ranges);
            array_deinit(&scanner->globals);
        }
        free(scanner);
        if (!good)
            return &error_no_memory;
        unit->scan = scan;
    }
    *ret = unit->scan;
    return NULL;
}

uint32_t unit_scope(const struct unit_scan *scan, uint64_t offset) {
    size_t low = 0, high = scan->scope_count;
    while (low < high) { /* the first scope at or behind the offset */
        size_t middle = (low + high) / 2;
        if (scan->scopes[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    uint32_t index = low ? (uint32_t)(low - 1) : SCOPE_NONE;
    while (index != SCOPE_NONE && scan->scopes[index].end <= offset)
        index = scan->scopes[index].parent;
    return index;
}

const struct scanned_function *unit_function_at(const struct unit_scan *scan, uint64_t vaddr) {
    size_t low = 0, high = scan->range_count;
    while (low < high) { /* the first range that begins behind the address */
        size_t middle = (low + high) / 2;
        if (scan->ranges[middle].low <= vaddr)
            low = middle + 1;
        else
            high = middle;
    }
    /* Ranges of one unit nest only for nested functions: the innermost one is close. */
    for (size_t tries = 0; low-- && tries < 8; tries++)
        if (vaddr < scan->ranges[low].high)
            return &scan->functions[scan->ranges[low].function];
    return NULL;
}
