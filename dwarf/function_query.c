/* Functions by name: first the symbols, which are quickly looked through; then, when they do not settle it,
 * all units; then what only .eh_frame knows. */
#include "dwarf/function_private.h"
#include "dwarf/scan.h"

#include <stdlib.h>
#include <string.h>

struct query {
    struct module *module;
    const struct function_query *asked;
    const char *needle; /* what a symbol must contain to be worth demangling, or NULL */
    size_t needle_length;
    struct array found;   /* const struct function * */
    struct arena scratch; /* for names that are only judged */
};

/* Mangled names contain each identifier as it is. The last plain one of the asked name will do. */
static void set_needle(struct query *query) {
    const char *exact = query->asked->exact;
    if (!exact || strstr(exact, "operator") || strchr(exact, '~'))
        return; /* operators are spelled otherwise */
    const char *end = exact + strcspn(exact, "(<{ ");
    const char *begin = end;
    while (begin > exact && begin[-1] != ':')
        begin--;
    if (begin == end)
        return;
    query->needle = begin;
    query->needle_length = (size_t)(end - begin);
}

static bool is_exact(const struct names *names, const char *exact) {
    return (names->name && !strcmp(names->name, exact)) || (names->base && !strcmp(names->base, exact)) ||
           (names->linkage && !strcmp(names->linkage, exact)) ||
           (names->display && !strcmp(names->display, exact));
}

static bool judge(const struct query *query, const struct names *names) {
    const struct function_query *asked = query->asked;
    if (!names->name || (asked->exact && !is_exact(names, asked->exact)))
        return false;
    struct function_name offered = {names->name, names->base, names->linkage ? names->linkage : names->name};
    return !asked->match || asked->match(&offered, asked->context);
}

static struct error *add(struct query *query, const struct function *function) {
    const struct function **item = function ? array_add(&query->found, sizeof(*item)) : NULL;
    if (function && !item)
        return &error_no_memory;
    if (item)
        *item = function;
    return NULL;
}

/* *ret says whether one of the symbols at one address is asked for. */
static struct error *judge_symbols(struct query *query, const struct symbol *symbols, size_t count,
                                   bool *ret) {
    bool display = query->asked->exact && strchr(query->asked->exact, '(');
    *ret = false;
    for (size_t i = 0; i < count && !*ret; i++) {
        struct names names;
        if (symbol_is_part(symbols[i].name) ||
            (query->needle &&
             !memmem(symbols[i].name, strlen(symbols[i].name), query->needle, query->needle_length)))
            continue;
        if (!names_from_symbol(&query->scratch, symbols[i].name, display, &names))
            return &error_no_memory;
        *ret = judge(query, &names);
    }
    return NULL;
}

static struct error *query_symbols(struct query *query) {
    struct symbols symbols;
    TRY(module_symbols(query->module, &symbols));
    size_t count;
    for (size_t i = 0; i < symbols.count; i += count) {
        const struct function *function = NULL;
        bool wanted;
        for (count = 1;
             i + count < symbols.count && symbols.symbols[i + count].low == symbols.symbols[i].low;)
            count++;
        TRY(judge_symbols(query, &symbols.symbols[i], count, &wanted));
        if (wanted)
            TRY(function_at_entry(query->module, symbols.symbols[i].low, &function));
        TRY(add(query, function));
        if (i % 4096 == 0)
            arena_deinit(&query->scratch);
    }
    return NULL;
}

static struct error *query_unit(struct query *query, struct dwarf_unit *unit) {
    bool display = query->asked->exact && strchr(query->asked->exact, '(');
    const struct unit_scan *scan;
    TRY(unit_scan(unit, &scan));
    for (size_t i = 0; i < scan->function_count; i++) {
        const struct function *function = NULL;
        struct names names;
        struct die die;
        if (!die_read(unit, scan->functions[i].die, &die))
            continue;
        if (!names_from_die(&query->scratch, &die, display, &names))
            return &error_no_memory;
        if (judge(query, &names))
            TRY(function_of_die(query->module, unit, &scan->functions[i], &function));
        TRY(add(query, function));
    }
    arena_deinit(&query->scratch);
    return NULL;
}

static struct error *query_dwarf(struct query *query) {
    const struct unit_list *list;
    TRY(module_units(query->module, &list));
    for (size_t i = 0; i < list->count; i++)
        TRY(query_unit(query, unit_contents(list->units[i])));
    return NULL;
}

/* The one function that a name such as sub_401136 stands for. */
static struct error *query_frame_by_name(struct query *query) {
    const char *exact = query->asked->exact;
    const struct function *function = NULL;
    char *end;
    if (strncmp(exact, "sub_", 4))
        return NULL;
    uint64_t entry = strtoull(exact + 4, &end, 16);
    if (*end || end == exact + 4 || !module_is_code(query->module, entry))
        return NULL;
    struct error *err = module_function_at(query->module, entry, &function);
    if (error_is(err, ERROR_NOT_FOUND)) {
        error_free(err);
        return NULL;
    }
    TRY(err);
    return add(query, function->entry == entry ? function : NULL);
}

static struct error *query_frames(struct query *query) {
    const uint64_t *starts;
    size_t count;
    TRY(module_starts(query->module, &starts, &count));
    for (size_t i = 0; i < count; i++) {
        const struct function *function = NULL;
        struct error *err = module_function_at(query->module, starts[i], &function);
        if (err && !error_is(err, ERROR_NOT_FOUND))
            return err;
        error_free(err);
        if (!function || function->source != FUNCTION_FRAME || function->entry != starts[i])
            continue;
        struct names names = {function->name, function->base, NULL, NULL};
        if (judge(query, &names))
            TRY(add(query, function));
    }
    return NULL;
}

static struct error *run(struct query *query) {
    set_needle(query);
    TRY(query_symbols(query));
    if (query->asked->exact && query->found.count)
        return NULL;
    TRY(query_dwarf(query));
    if (query->asked->exact)
        return query->found.count ? NULL : query_frame_by_name(query);
    return query_frames(query);
}

static int compare(const void *a, const void *b) {
    const struct function *left = *(const struct function *const *)a,
                          *right = *(const struct function *const *)b;
    return (left->entry > right->entry) - (left->entry < right->entry);
}

struct error *module_functions(struct module *module, const struct function_query *asked,
                               struct function_list *ret) {
    struct query query = {.module = module, .asked = asked};
    struct error *err = run(&query);
    arena_deinit(&query.scratch);
    if (err) {
        array_deinit(&query.found);
        return err;
    }
    const struct function **functions = query.found.items;
    size_t count = 0;
    if (query.found.count)
        qsort(functions, query.found.count, sizeof(*functions), compare);
    for (size_t i = 0; i < query.found.count; i++)
        if (!count || functions[count - 1] != functions[i])
            functions[count++] = functions[i];
    *ret = (struct function_list){functions, count};
    return NULL;
}
