#include "dwarf/function_private.h"
#include "dwarf/list.h"

#include <ctype.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* -O1 or more in DW_AT_producer. */
static bool is_optimized(const char *producer) {
    for (const char *at = producer; at && (at = strstr(at, " -O")); at += 3)
        if (at[3] != '0' && at[3] != 'g')
            return true;
    return false;
}

static bool is_entry_range(const struct address_range *range, uint64_t entry) {
    return range->low <= entry && entry < range->high;
}

/* The entry's range first; the others stay in order. */
static void order_ranges(struct address_range *ranges, size_t count, uint64_t entry) {
    for (size_t i = 1; i < count; i++)
        if (is_entry_range(&ranges[i], entry)) {
            struct address_range found = ranges[i];
            memmove(ranges + 1, ranges, i * sizeof(*ranges));
            ranges[0] = found;
            return;
        }
}

static bool covers(const struct array *ranges, uint64_t vaddr) {
    const struct address_range *all = ranges->items;
    for (size_t i = 0; i < ranges->count; i++)
        if (vaddr >= all[i].low && vaddr < all[i].high)
            return true;
    return false;
}

static bool add_range(struct array *ranges, uint64_t low, uint64_t high) {
    struct address_range *range = array_add(ranges, sizeof(*range));
    if (range)
        *range = (struct address_range){low, high};
    return range != NULL;
}

/* Add the parts that were split off, where they are not known yet: symbols of the same name with .cold behind
 * it. */
static bool add_parts(struct array *ranges, const struct symbols *symbols, const struct symbol *symbol) {
    size_t length = strlen(symbol->name), low = 0, high = symbols->part_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(symbols->parts[middle].name, symbol->name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < symbols->part_count && !strncmp(symbols->parts[low].name, symbol->name, length); low++) {
        const struct symbol *part = &symbols->parts[low];
        if (!strncmp(part->name + length, ".cold", 5) && !covers(ranges, part->low) &&
            !add_range(ranges, part->low, part->high))
            return false;
    }
    return true;
}

static bool take_ranges(struct function *function, struct arena *arena, struct array *array) {
    struct address_range *ranges = arena_copy(arena, array->items, array->count * sizeof(*ranges));
    if (ranges)
        order_ranges(ranges, array->count, function->entry);
    function->ranges = ranges;
    function->range_count = array->count;
    array_deinit(array);
    return ranges != NULL;
}

static bool set_ranges(struct function *function, struct module *module, const struct die *die,
                       const struct symbols *symbols, const struct symbol *symbol) {
    struct array ranges = {0};
    bool good = die_ranges(die, &ranges);
    /* DWARF 2 has no ranges. */
    if (good && symbol && die->unit->version == 2)
        good = add_parts(&ranges, symbols, symbol);
    return take_ranges(function, &module->arena, &ranges) && good;
}

static void set_declaration(struct function *function, const struct die *die) {
    struct attribute attribute;
    uint64_t index;
    if (die_find_attribute(die, DW_AT_decl_file, &attribute) && attribute_number(&attribute, &index))
        function->file = unit_file_name(attribute.unit, index);
    function->line = (unsigned)die_unsigned(die, DW_AT_decl_line, 0);
}

/* Are there unspecified parameters among the children? */
static bool is_variadic(const struct die *die) {
    struct die child;
    if (!die->abbreviation->children)
        return false;
    for (uint64_t at = die_end(die); at && die_read(die->unit, at, &child) && child.abbreviation;
         at = die_sibling(&child))
        if (die_tag(&child) == DW_TAG_unspecified_parameters)
            return true;
    return false;
}

static void set_traits(struct function *function, const struct die *die) {
    struct die declared;
    function->return_type = die_type(die);
    function->language = unit_addresses(die->unit)->language;
    if (!function->language)
        function->language = die->unit->language;
    const char *producer = die->unit->producer ? die->unit->producer : unit_addresses(die->unit)->producer;
    function->optimized = is_optimized(producer) || die_flag(die, DW_AT_APPLE_optimized);
    function->prototyped = die_flag(die, DW_AT_prototyped);
    function->noreturn = die_flag(die, DW_AT_noreturn);
    function->external = die_flag(die, DW_AT_external);
    function->artificial = die_flag(die, DW_AT_artificial);
    function->variadic = is_variadic(die) || (die_origin(die, &declared) && is_variadic(&declared));
}

static bool is_ifunc(const struct symbol *symbols, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (symbols[i].type == STT_GNU_IFUNC)
            return true;
    return false;
}

static bool set_names(struct function *function, struct arena *arena, const struct names *names) {
    function->name = names->name;
    function->base = names->base;
    function->display = names->display ? names->display : names->name;
    function->linkage_name = names->linkage ? names->linkage : names->name;
    if (!function->name) {
        function->name = arena_printf(arena, "sub_%llx", (unsigned long long)function->entry);
        function->base = function->display = function->linkage_name = function->name;
    }
    return function->name != NULL;
}

struct error *function_from_die(struct module *module, struct dwarf_unit *unit,
                                const struct scanned_function *scanned, struct function **ret) {
    struct function *function = arena_alloc(&module->arena, sizeof(*function));
    struct symbols symbols;
    struct names names, symbol_names;
    struct die die;
    size_t count;
    if (!die_read(unit, scanned->die, &die) || !die.abbreviation)
        return unit_damaged(unit, scanned->die);
    TRY(module_symbols(module, &symbols));
    if (!function || !names_from_die(&module->arena, &die, true, &names))
        return &error_no_memory;
    function->entry = scanned->entry;
    const struct symbol *symbol = symbols_at(&symbols, scanned->entry, &count);
    if (symbol) { /* it has the suffixes of clones, which DWARF does not know */
        if (!names_from_symbol(&module->arena, symbol->name, true, &symbol_names))
            return &error_no_memory;
        const char *own_linkage = names.linkage;
        names.linkage = symbol_names.linkage;
        /* gcc gives local functions no linkage name; but their symbols tell parameters, too. */
        if (!names.name || (!own_linkage && strcmp(symbol_names.name, symbol_names.linkage) &&
                            !strcmp(symbol_names.base, names.base)))
            names = symbol_names;
    }
    if (!set_names(function, &module->arena, &names) || !set_ranges(function, module, &die, &symbols, symbol))
        return &error_no_memory;
    function->ifunc = is_ifunc(symbol, count);
    function->source = FUNCTION_DWARF;
    function->unit = unit;
    function->die = scanned->die;
    function->place = die_place(&die);
    set_declaration(function, &die);
    set_traits(function, &die);
    *ret = function->range_count ? function : NULL;
    return NULL;
}

struct error *function_from_symbol(struct module *module, const struct symbol *symbol,
                                   struct function **ret) {
    struct function *function = arena_alloc(&module->arena, sizeof(*function));
    struct symbols symbols;
    struct names names;
    size_t count;
    TRY(module_symbols(module, &symbols));
    if (!function || !names_from_symbol(&module->arena, symbol->name, true, &names))
        return &error_no_memory;
    function->entry = symbol->low;
    function->source = FUNCTION_SYMBOL;
    struct array ranges = {0};
    bool good = add_range(&ranges, symbol->low, symbol->high) && add_parts(&ranges, &symbols, symbol);
    if (!take_ranges(function, &module->arena, &ranges) || !good ||
        !set_names(function, &module->arena, &names))
        return &error_no_memory;
    const struct symbol *all = symbols_at(&symbols, symbol->low, &count);
    function->ifunc = is_ifunc(all, count);
    function->external = symbol->binding != STB_LOCAL;
    *ret = function;
    return NULL;
}

struct error *function_from_start(struct module *module, uint64_t entry, uint64_t end,
                                  struct function **ret) {
    struct function *function = arena_alloc(&module->arena, sizeof(*function));
    struct address_range range = {entry, end};
    if (!function)
        return &error_no_memory;
    function->entry = entry;
    function->source = FUNCTION_FRAME;
    function->ranges = arena_copy(&module->arena, &range, sizeof(range));
    function->range_count = 1;
    if (!function->ranges || !set_names(function, &module->arena, &(struct names){0}))
        return &error_no_memory;
    *ret = function;
    return NULL;
}
