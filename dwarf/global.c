/* Globals by name. */
#include "dwarf/function_private.h"
#include "dwarf/scan.h"
#include "dwarf/variable_private.h"

#include <stdlib.h>
#include <string.h>

struct search {
    struct module *module;
    const char *name, *plain; /* plain: its last component */
    struct arena scratch;
    struct variable found;
    bool done;
};

static struct error *judge(struct search *search, const struct die *die) {
    const char *name = die_string(die, DW_AT_name);
    struct names names;
    if (!name || strcmp(name, search->plain))
        return NULL;
    if (search->plain != search->name) {
        if (!names_from_die(&search->scratch, die, false, &names))
            return &error_no_memory;
        if (!names.name || strcmp(names.name, search->name))
            return NULL;
    }
    if (!variable_read(&search->module->arena, die, &search->found))
        return &error_no_memory;
    search->done = search->found.location_count || search->found.has_constant;
    return NULL;
}

static struct error *search_unit(struct search *search, struct dwarf_unit *unit) {
    const struct unit_scan *scan;
    TRY(unit_scan(unit, &scan));
    for (size_t i = 0; i < scan->global_count && !search->done; i++) {
        struct die die;
        if (die_read(unit, scan->globals[i], &die) && die.abbreviation)
            TRY(judge(search, &die));
    }
    return NULL;
}

static struct error *search_units(struct search *search) {
    const struct unit_list *list;
    TRY(module_units(search->module, &list));
    for (size_t i = 0; i < list->count && !search->done; i++)
        TRY(search_unit(search, unit_contents(list->units[i])));
    return NULL;
}

struct error *module_global(struct module *module, const char *name, const struct variable **ret) {
    struct search search = {.module = module, .name = name, .plain = name};
    const char *colons;
    while ((colons = strstr(search.plain, "::")))
        search.plain = colons + 2;
    struct error *err = search_units(&search);
    arena_deinit(&search.scratch);
    TRY(err);
    if (!search.done)
        return error_new(ERROR_NOT_FOUND, "%s: no global variable %s", module->name, name);
    struct variable *copy = arena_copy(&module->arena, &search.found, sizeof(search.found));
    if (!copy)
        return &error_no_memory;
    *ret = copy;
    return NULL;
}
