#include "dwarf/function.h"

#include "dwarf/function_private.h"
#include "dwarf/scan.h"
#include "dwarf/unwind.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* The functions that were made, by entry: a hash table with open addressing, never full. An entry without a
 * function is remembered, too. */
struct slot {
    uint64_t entry;
    const struct function *function;
    bool used;
};

struct function_index {
    struct slot *slots;
    size_t room, used; /* room is a power of two */
    uint64_t *starts;
    size_t start_count;
    bool starts_read;
};

void function_index_destroy(struct function_index *index) {
    if (!index)
        return;
    free(index->slots);
    free(index->starts);
    free(index);
}

void function_list_deinit(struct function_list *list) {
    free(list->functions);
    memset(list, 0, sizeof(*list));
}

static struct slot *find_slot(struct slot *slots, size_t room, uint64_t entry) {
    size_t at = (size_t)((entry * 0x9e3779b97f4a7c15ull) >> 20) & (room - 1);
    while (slots[at].used && slots[at].entry != entry)
        at = (at + 1) & (room - 1);
    return &slots[at];
}

static bool grow(struct function_index *index) {
    size_t room = index->room ? index->room * 2 : 256;
    struct slot *slots = calloc(room, sizeof(*slots));
    if (!slots)
        return false;
    for (size_t i = 0; i < index->room; i++)
        if (index->slots[i].used)
            *find_slot(slots, room, index->slots[i].entry) = index->slots[i];
    free(index->slots);
    index->slots = slots;
    index->room = room;
    return true;
}

/* The table's slot for an entry, used or about to be; NULL when memory is out. */
static struct slot *get_slot(struct module *module, uint64_t entry) {
    if (!module->functions && !(module->functions = calloc(1, sizeof(*module->functions))))
        return NULL;
    struct function_index *index = module->functions;
    if (index->used * 2 >= index->room && !grow(index))
        return NULL;
    return find_slot(index->slots, index->room, entry);
}

static struct error *remember(struct module *module, uint64_t entry, const struct function *function) {
    struct slot *slot = get_slot(module, entry);
    if (!slot)
        return &error_no_memory;
    module->functions->used += !slot->used;
    *slot = (struct slot){entry, function, true};
    return NULL;
}

struct error *function_of_die(struct module *module, struct dwarf_unit *unit,
                              const struct scanned_function *scanned, const struct function **ret) {
    struct slot *slot = get_slot(module, scanned->entry);
    struct function *function;
    if (!slot)
        return &error_no_memory;
    if (slot->used && slot->function && slot->function->source == FUNCTION_DWARF) {
        *ret = slot->function; /* another instance at the same address: the linker folded them */
        return NULL;
    }
    TRY(function_from_die(module, unit, scanned, &function));
    if (function)
        TRY(remember(module, scanned->entry, function));
    *ret = function;
    return NULL;
}

/* The unit and function of DWARF around an address; *ret_scanned is NULL when there is none. */
static struct error *find_dwarf(struct module *module, uint64_t vaddr, struct dwarf_unit **ret_unit,
                                const struct scanned_function **ret_scanned) {
    const struct unit_scan *scan;
    *ret_scanned = NULL;
    TRY(module_unit_at(module, vaddr, ret_unit));
    if (!*ret_unit)
        return NULL;
    TRY(unit_scan(*ret_unit, &scan));
    *ret_scanned = unit_function_at(scan, vaddr);
    return NULL;
}

/* Is the symbol a mere label inside of a function? */
static bool is_label(const struct symbols *symbols, const struct symbol *symbol) {
    if (symbol->type != STT_NOTYPE || symbol == symbols->symbols)
        return false;
    const struct symbol *before = symbols_covering(symbols, symbol->low - 1);
    return before && before->type != STT_NOTYPE && symbol->low < before->high;
}

static struct error *make_at_entry(struct module *module, uint64_t entry, const struct function **ret) {
    struct dwarf_unit *unit;
    const struct scanned_function *scanned;
    struct symbols symbols;
    size_t count;
    TRY(find_dwarf(module, entry, &unit, &scanned));
    if (scanned && scanned->entry == entry)
        return function_of_die(module, unit, scanned, ret);
    TRY(module_symbols(module, &symbols));
    const struct symbol *symbol = symbols_at(&symbols, entry, &count);
    struct function *function = NULL;
    if (symbol && !scanned && !symbol_is_part(symbol->name) && !is_label(&symbols, symbol))
        TRY(function_from_symbol(module, symbol, &function));
    TRY(remember(module, entry, function));
    *ret = function;
    return NULL;
}

struct error *function_at_entry(struct module *module, uint64_t entry, const struct function **ret) {
    struct slot *slot = get_slot(module, entry);
    if (!slot)
        return &error_no_memory;
    if (!slot->used)
        return make_at_entry(module, entry, ret);
    *ret = slot->function;
    return NULL;
}

bool module_is_stub(const struct module *module, uint64_t vaddr) {
    static const char *const names[] = {".plt", ".plt.sec", ".plt.got", ".iplt"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct elf_section section;
        if (elf_find_section(&module->own->image, names[i], &section) && vaddr >= section.vaddr &&
            vaddr - section.vaddr < section.size)
            return true;
    }
    return false;
}

struct error *module_starts(struct module *module, const uint64_t **ret, size_t *ret_count) {
    if (!get_slot(module, 0))
        return &error_no_memory;
    struct function_index *index = module->functions;
    if (!index->starts_read)
        TRY(elf_function_starts(&module->own->image, &index->starts, &index->start_count));
    index->starts_read = true;
    *ret = index->starts;
    *ret_count = index->start_count;
    return NULL;
}

struct error *function_by_frame(struct module *module, uint64_t vaddr, const struct function **ret) {
    const uint64_t *starts;
    size_t count, low = 0;
    *ret = NULL;
    TRY(module_starts(module, &starts, &count));
    for (size_t high = count; low < high;) {
        size_t middle = (low + high) / 2;
        if (starts[middle] <= vaddr)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low || module_is_stub(module, vaddr))
        return NULL;
    uint64_t entry = starts[low - 1], end = low < count ? starts[low] : UINT64_MAX;
    const struct unwind_table *unwind;
    uint64_t frame_low, frame_high;
    TRY(module_unwind_table(module, &unwind));
    if (unwind_function_range(unwind, entry, &frame_low, &frame_high) && frame_low == entry &&
        frame_high < end)
        end = frame_high;
    for (size_t i = 0; i < module->code_count; i++) {
        const struct elf_range *code = &module->code[i];
        if (entry < code->vaddr || entry - code->vaddr >= code->size)
            continue;
        if (code->vaddr + code->size < end)
            end = code->vaddr + code->size;
    }
    if (vaddr >= end)
        return NULL; /* in another section */
    struct slot *slot = get_slot(module, entry);
    struct function *function = NULL;
    if (!slot)
        return &error_no_memory;
    if (slot->used && slot->function) {
        *ret = slot->function;
        return NULL;
    }
    TRY(function_from_start(module, entry, end, &function));
    TRY(remember(module, entry, function));
    *ret = function;
    return NULL;
}

/* For "foo.cold": where foo is, or NULL. */
static const struct symbol *whole_of_part(const struct symbols *symbols, const struct symbol *part) {
    size_t length = (size_t)(strstr(part->name, ".cold") - part->name);
    for (size_t i = 0; i < symbols->count; i++)
        if (!strncmp(symbols->symbols[i].name, part->name, length) && !symbols->symbols[i].name[length])
            return &symbols->symbols[i];
    return NULL;
}

struct error *module_function_at(struct module *module, uint64_t vaddr, const struct function **ret) {
    struct dwarf_unit *unit;
    const struct scanned_function *scanned;
    const struct function *function = NULL;
    struct symbols symbols;
    TRY(find_dwarf(module, vaddr, &unit, &scanned));
    if (scanned)
        TRY(function_of_die(module, unit, scanned, &function));
    if (!function) {
        TRY(module_symbols(module, &symbols));
        const struct symbol *symbol = symbols_covering(&symbols, vaddr);
        if (symbol && symbol_is_part(symbol->name))
            symbol = whole_of_part(&symbols, symbol);
        if (symbol)
            TRY(function_at_entry(module, symbol->low, &function));
    }
    if (!function && module_is_code(module, vaddr))
        TRY(function_by_frame(module, vaddr, &function));
    if (!function)
        return error_new(ERROR_NOT_FOUND, "%s: no function at 0x%llx", module->name,
                         (unsigned long long)vaddr);
    *ret = function;
    return NULL;
}
