#include "dwarf/line.h"

#include "dwarf/function_private.h"
#include "dwarf/line_table.h"
#include "dwarf/scan.h"

#include <stdlib.h>
#include <string.h>

static struct error *unit_rows(struct module *module, struct dwarf_unit *unit, struct line_rows *ret) {
    struct line_table *table = unit ? unit_line_table(unit) : NULL;
    *ret = (struct line_rows){0};
    if (!table)
        return NULL;
    if (!line_table_run(module, table))
        return &error_no_memory;
    *ret = table->rows;
    return NULL;
}

struct error *function_unit_lines(struct module *module, const struct function *function,
                                  struct line_rows *ret) {
    return unit_rows(module, function->unit, ret);
}

/* The number of rows at or below the address. */
static size_t upper_bound(const struct line_rows *rows, uint64_t vaddr) {
    size_t low = 0, high = rows->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (rows->rows[middle].address <= vaddr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first row at or above the address. */
static size_t lower_bound(const struct line_rows *rows, uint64_t vaddr) {
    return vaddr ? upper_bound(rows, vaddr - 1) : 0;
}

static int compare_rows(const void *a, const void *b) {
    const struct line_row *left = *(const struct line_row *const *)a,
                          *right = *(const struct line_row *const *)b;
    if (left->address != right->address)
        return left->address < right->address ? -1 : 1;
    return (left > right) - (left < right);
}

struct error *function_lines(struct module *module, const struct function *function, struct line_rows *ret) {
    struct line_rows all;
    struct array found = {0};
    TRY(function_unit_lines(module, function, &all));
    for (size_t i = 0; i < function->range_count; i++) {
        const struct address_range *range = &function->ranges[i];
        for (size_t k = lower_bound(&all, range->low); k < all.count && all.rows[k].address < range->high;
             k++) {
            if (all.rows[k].end_sequence)
                continue;
            const struct line_row **item = array_add(&found, sizeof(*item));
            if (!item) {
                array_deinit(&found);
                return &error_no_memory;
            }
            *item = &all.rows[k];
        }
    }
    const struct line_row **pointers = found.items;
    struct line_row *rows = calloc(found.count ? found.count : 1, sizeof(*rows));
    if (found.count)
        qsort(pointers, found.count, sizeof(*pointers), compare_rows);
    for (size_t i = 0; rows && i < found.count; i++)
        rows[i] = *pointers[i];
    *ret = (struct line_rows){rows, found.count};
    array_deinit(&found);
    return rows ? NULL : &error_no_memory;
}

struct error *module_line_at(struct module *module, uint64_t vaddr, struct line_row *ret) {
    struct dwarf_unit *unit;
    struct line_rows rows;
    TRY(module_unit_at(module, vaddr, &unit));
    TRY(unit_rows(module, unit, &rows));
    size_t count = upper_bound(&rows, vaddr);
    if (!count || rows.rows[count - 1].end_sequence)
        return error_new(ERROR_NOT_FOUND, "%s: no line is known for 0x%llx", module->name,
                         (unsigned long long)vaddr);
    *ret = rows.rows[count - 1];
    return NULL;
}

uint64_t function_body(struct module *module, const struct function *function) {
    struct line_rows rows;
    struct error *err = function_unit_lines(module, function, &rows);
    if (err || !function->range_count) {
        error_free(err);
        return function->entry;
    }
    size_t first = lower_bound(&rows, function->entry), end = lower_bound(&rows, function->ranges[0].high);
    for (size_t i = first; i < end; i++)
        if (rows.rows[i].prologue_end)
            return rows.rows[i].address;
    if (function->optimized)
        return function
            ->entry; /* optimized code has no prologue to speak of, and locations hold from the entry on */
    for (size_t i = first + 1; i < end; i++)
        if (rows.rows[i].address > function->entry && rows.rows[i].line && !rows.rows[i].end_sequence)
            return rows.rows[i].address;
    return function->entry;
}

bool line_file_matches(const char *path, const char *pattern) {
    if (!path || !*pattern)
        return false;
    if (!strncmp(pattern, "./", 2))
        pattern += 2;
    size_t length = strlen(path), wanted = strlen(pattern);
    if (wanted > length || strcmp(path + length - wanted, pattern))
        return false;
    return wanted == length || *pattern == '/' || path[length - wanted - 1] == '/';
}

/* A run of code of the wanted line, and the instance of the code that it is in. */
struct place {
    uint64_t address;
    const struct function *function;
    int inlined;
};

struct place_search {
    struct module *module;
    const char *file;
    unsigned asked, line; /* the line that is wanted, and the best one that has code */
    struct array places;  /* of that line */
};

static bool table_has_file(const struct line_table *table, const char *file) {
    for (size_t i = 0; i < table->file_count; i++)
        if (line_file_matches(table->files[i].path, file))
            return true;
    return false;
}

/* The innermost inlined instance at the address, or -1. */
static struct error *inlined_at(struct module *module, const struct function *function, uint64_t vaddr,
                                int *ret) {
    const struct inlined *inlined;
    size_t count;
    TRY(function_inlined(module, function, &inlined, &count));
    *ret = -1;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < inlined[i].range_count; k++)
            if (vaddr >= inlined[i].ranges[k].low && vaddr < inlined[i].ranges[k].high)
                *ret = (int)i; /* inner ones come later */
    return NULL;
}

static struct error *add_place(struct place_search *search, const struct line_row *row) {
    struct place made = {.address = row->address, .inlined = -1};
    struct error *err = module_function_at(search->module, row->address, &made.function);
    if (err && !error_is(err, ERROR_NOT_FOUND))
        return err;
    error_free(err);
    if (made.function)
        TRY(inlined_at(search->module, made.function, row->address, &made.inlined));
    if (made.function && made.address == made.function->entry)
        made.address = function_body(search->module, made.function);
    struct place *places = search->places.items;
    for (size_t i = 0; i < search->places.count; i++)
        if (made.function && places[i].function == made.function && places[i].inlined == made.inlined) {
            if (made.address < places[i].address)
                places[i].address = made.address;
            return NULL;
        }
    struct place *place = array_add(&search->places, sizeof(*place));
    if (!place)
        return &error_no_memory;
    *place = made;
    return NULL;
}

static struct error *search_rows(struct place_search *search, const struct line_rows *rows) {
    for (size_t i = 0; i < rows->count; i++) {
        const struct line_row *row = &rows->rows[i];
        if (row->end_sequence || !row->is_stmt || row->line < search->asked || row->line > search->line)
            continue;
        if (i && !row[-1].end_sequence && row[-1].line == row->line && row[-1].file == row->file &&
            row[-1].is_stmt)
            continue; /* the same statement goes on */
        if (!line_file_matches(row->file, search->file))
            continue;
        if (row->line < search->line)
            search->places.count = 0;
        search->line = row->line;
        TRY(add_place(search, row));
    }
    return NULL;
}

static struct error *search_units(struct place_search *search) {
    const struct unit_list *list;
    TRY(module_units(search->module, &list));
    for (size_t i = 0; i < list->count; i++) {
        struct line_table *table = unit_line_table(list->units[i]);
        if (!table || !table_has_file(table, search->file))
            continue;
        if (!line_table_run(search->module, table))
            return &error_no_memory;
        TRY(search_rows(search, &table->rows));
    }
    return NULL;
}

static int compare_addresses(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static struct error *take_addresses(const struct place_search *search, uint64_t **ret, size_t *ret_count) {
    const struct place *places = search->places.items;
    uint64_t *addresses = calloc(search->places.count, sizeof(*addresses));
    size_t count = 0;
    if (!addresses)
        return &error_no_memory;
    for (size_t i = 0; i < search->places.count; i++)
        addresses[i] = places[i].address;
    qsort(addresses, search->places.count, sizeof(*addresses), compare_addresses);
    for (size_t i = 0; i < search->places.count; i++)
        if (!count || addresses[count - 1] != addresses[i])
            addresses[count++] = addresses[i];
    *ret = addresses;
    *ret_count = count;
    return NULL;
}

struct error *module_line_addresses(struct module *module, const char *file, unsigned line, uint64_t **ret,
                                    size_t *ret_count, unsigned *ret_line) {
    struct place_search search = {.module = module, .file = file, .asked = line, .line = UINT32_MAX};
    struct error *err = line ? search_units(&search) : NULL;
    if (!err && !search.places.count)
        err = error_new(ERROR_NOT_FOUND, "%s: no code at %s:%u", module->name, file, line);
    if (!err)
        err = take_addresses(&search, ret, ret_count);
    if (!err)
        *ret_line = search.line;
    array_deinit(&search.places);
    return err;
}
