#include "dwarf/symbol.h"

#include "dwarf/module_private.h"

#include <ctype.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

struct symbol_index {
    struct array symbols, parts;
};

void symbol_index_destroy(struct symbol_index *index) {
    if (!index)
        return;
    array_deinit(&index->symbols);
    array_deinit(&index->parts);
    free(index);
}

bool symbol_is_part(const char *name) {
    const char *cold = strstr(name, ".cold");
    if (!cold)
        return false;
    cold += strlen(".cold");
    return !*cold || (*cold == '.' && isdigit((unsigned char)cold[1]));
}

static bool is_wanted(const struct module *module, uint8_t type, uint8_t binding, uint64_t value) {
    /* Assembly often has no type; local labels of that kind are too many, and no functions. */
    bool code = type == STT_FUNC || type == STT_GNU_IFUNC || (type == STT_NOTYPE && binding == STB_GLOBAL);
    return code && module_is_code(module, value);
}

static bool add(struct array *symbols, const char *name, uint64_t value, uint64_t size, uint8_t type,
                uint8_t binding) {
    struct symbol *symbol = array_add(symbols, sizeof(*symbol));
    uint64_t high;
    if (!symbol)
        return false;
    if (__builtin_add_overflow(value, size, &high))
        high = value;
    *symbol = (struct symbol){name, value, high, type, binding};
    return true;
}

static struct error *read_table(const struct module *module, const struct elf_image *image,
                                const Elf64_Shdr *section, struct array *ret) {
    struct elf_section names;
    const uint8_t *bytes = elf_bytes(image, section->sh_offset, section->sh_size);
    if (!bytes || !elf_section(image, section->sh_link, &names) || names.type != SHT_STRTAB)
        return NULL;
    const char *strings = elf_bytes(image, names.offset, names.size);
    size_t size = names.size;
    while (strings && size && strings[size - 1])
        size--; /* names must end inside */
    for (size_t i = 0; strings && i < section->sh_size / sizeof(Elf64_Sym); i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, bytes + i * sizeof(symbol), sizeof(symbol));
        uint8_t type = ELF64_ST_TYPE(symbol.st_info), binding = ELF64_ST_BIND(symbol.st_info);
        if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx == SHN_ABS || symbol.st_name >= size ||
            !strings[symbol.st_name] || !is_wanted(module, type, binding, symbol.st_value))
            continue;
        if (!add(ret, strings + symbol.st_name, symbol.st_value, symbol.st_size, type, binding))
            return &error_no_memory;
    }
    return NULL;
}

static struct error *read_file(const struct module *module, const struct elf_image *image,
                               struct array *ret) {
    Elf64_Ehdr header;
    memcpy(&header, image->data, sizeof(header));
    for (size_t i = 0; i < elf_section_count(image); i++) {
        Elf64_Shdr section;
        memcpy(&section, image->data + header.e_shoff + i * sizeof(section), sizeof(section));
        if (section.sh_type == SHT_SYMTAB || section.sh_type == SHT_DYNSYM)
            TRY(read_table(module, image, &section, ret));
    }
    return NULL;
}

/* Without section headers the dynamic symbols are all there is. */
static struct error *read_dynamic(const struct module *module, struct array *ret) {
    struct elf_symbol *symbols;
    size_t count;
    struct error *err = elf_dynamic_symbols(&module->own->image, &symbols, &count);
    if (err) {
        error_free(err);
        return NULL;
    }
    bool good = true;
    for (size_t i = 0; i < count && good; i++)
        if (*symbols[i].name && is_wanted(module, symbols[i].type, STB_GLOBAL, symbols[i].value))
            good = add(ret, symbols[i].name, symbols[i].value, symbols[i].size, symbols[i].type, STB_GLOBAL);
    free(symbols);
    return good ? NULL : &error_no_memory;
}

static int rank(const struct symbol *symbol) {
    int binding = symbol->binding == STB_GLOBAL ? 0 : symbol->binding == STB_WEAK ? 1 : 2;
    return (symbol->type == STT_NOTYPE ? 4 : 0) + binding;
}

static int compare(const void *a, const void *b) {
    const struct symbol *left = a, *right = b;
    if (left->low != right->low)
        return left->low < right->low ? -1 : 1;
    if (rank(left) != rank(right))
        return rank(left) - rank(right);
    size_t left_length = strlen(left->name), right_length = strlen(right->name);
    if (left_length != right_length)
        return left_length < right_length ? -1 : 1;
    return strcmp(left->name, right->name);
}

/* Drop what stands in both tables, and give a size to what has none: up to the next symbol, or to the end of
 * the code. */
static void tidy(const struct module *module, struct array *array) {
    struct symbol *symbols = array->items;
    size_t count = 0;
    for (size_t i = 0; i < array->count; i++)
        if (!count || symbols[count - 1].low != symbols[i].low ||
            strcmp(symbols[count - 1].name, symbols[i].name))
            symbols[count++] = symbols[i];
    array->count = count;
    uint64_t next = UINT64_MAX, here = UINT64_MAX; /* address behind the current one */
    for (size_t i = count; i--;) {
        if (symbols[i].low != here) {
            next = here;
            here = symbols[i].low;
        }
        if (symbols[i].high != symbols[i].low)
            continue;
        uint64_t end = next;
        for (size_t k = 0; k < module->code_count; k++) {
            const struct elf_range *code = &module->code[k];
            if (here >= code->vaddr && here - code->vaddr < code->size && code->vaddr + code->size < end)
                end = code->vaddr + code->size;
        }
        symbols[i].high = end;
    }
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct symbol *)a)->name, ((const struct symbol *)b)->name);
}

static struct error *collect_parts(const struct array *symbols, struct array *ret) {
    const struct symbol *all = symbols->items;
    for (size_t i = 0; i < symbols->count; i++) {
        struct symbol *part = symbol_is_part(all[i].name) ? array_add(ret, sizeof(*part)) : NULL;
        if (part)
            *part = all[i];
        else if (symbol_is_part(all[i].name))
            return &error_no_memory;
    }
    if (ret->count)
        qsort(ret->items, ret->count, sizeof(struct symbol), compare_names);
    return NULL;
}

static struct error *build(struct module *module, struct array *ret, struct array *ret_parts) {
    TRY(read_file(module, &module->own->image, ret));
    if (!elf_section_count(&module->own->image))
        TRY(read_dynamic(module, ret));
    if (module->debug && module->debug != module->own)
        TRY(read_file(module, &module->debug->image, ret));
    if (ret->count)
        qsort(ret->items, ret->count, sizeof(struct symbol), compare);
    tidy(module, ret);
    return collect_parts(ret, ret_parts);
}

struct error *module_symbols(struct module *module, struct symbols *ret) {
    if (!module->symbols) {
        struct symbol_index *index = calloc(1, sizeof(*index));
        if (!index)
            return &error_no_memory;
        struct error *err = build(module, &index->symbols, &index->parts);
        if (err) {
            symbol_index_destroy(index);
            return err;
        }
        module->symbols = index;
    }
    const struct symbol_index *index = module->symbols;
    *ret =
        (struct symbols){index->symbols.items, index->symbols.count, index->parts.items, index->parts.count};
    return NULL;
}

/* Number of symbols at or below the address. */
static size_t upper_bound(const struct symbols *symbols, uint64_t vaddr) {
    size_t low = 0, high = symbols->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (symbols->symbols[middle].low <= vaddr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct symbol *symbols_at(const struct symbols *symbols, uint64_t vaddr, size_t *ret_count) {
    size_t end = upper_bound(symbols, vaddr), first = end;
    while (first && symbols->symbols[first - 1].low == vaddr)
        first--;
    *ret_count = end - first;
    return end > first ? &symbols->symbols[first] : NULL;
}

const struct symbol *symbols_covering(const struct symbols *symbols, uint64_t vaddr) {
    const struct symbol *found = NULL;
    size_t at = upper_bound(symbols, vaddr);
    for (size_t tries = 0; at-- && tries < 64; tries++) {
        const struct symbol *symbol = &symbols->symbols[at];
        if (found && symbol->low != found->low)
            break; /* the best of the innermost address comes last here */
        if (vaddr < symbol->high)
            found = symbol;
    }
    return found;
}
