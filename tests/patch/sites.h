/* sites: all functions of a module, with their entries, exits and branches, for tests of patching. */
#ifndef REEL_TESTS_PATCH_SITES_H
#define REEL_TESTS_PATCH_SITES_H

#include "dwarf/module.h"
#include "tracer/code.h"
#include "tracer/patch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct listed_site {
    uint64_t vaddr;
    unsigned kinds; /* enum patch_kind */
};

struct listed {
    struct module *module;
    struct patch_code *code;
    struct listed_site *sites;
    size_t count, room;
    size_t functions;
};

static inline void must(struct error *err) {
    if (!err)
        return;
    fprintf(stderr, "%s\n", err->message);
    exit(125);
}

static inline void list_site(struct listed *listed, uint64_t vaddr, unsigned kinds) {
    if (listed->count == listed->room) {
        listed->room = listed->room ? listed->room * 2 : 1024;
        listed->sites = realloc(listed->sites, listed->room * sizeof(*listed->sites));
    }
    listed->sites[listed->count++] = (struct listed_site){vaddr, kinds};
}

static inline bool in_plt(const struct elf_image *image, uint64_t vaddr) {
    static const char *const names[] = {".plt", ".plt.got", ".plt.sec", ".init", ".fini"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct elf_section section;
        if (elf_find_section(image, names[i], &section) && vaddr - section.vaddr < section.size)
            return true;
    }
    return false;
}

static inline unsigned kinds_of(const struct code_transfer *transfer, const struct patch_function *function,
                                uint64_t base) {
    bool leaves = transfer->target < base + function->low || transfer->target >= base + function->high;
    switch (transfer->kind) {
    case CODE_RETURN:
        return PATCH_EXIT;
    case CODE_JUMP:
        return leaves ? PATCH_TAIL : 0;
    case CODE_JUMP_INDIRECT:
        return function->has_table ? 0 : PATCH_TAIL;
    case CODE_BRANCH:
        return leaves ? PATCH_TAIL | PATCH_BRANCH : PATCH_BRANCH;
    }
    return 0;
}

static inline void list_function(struct listed *listed, const struct patch_function *function) {
    const struct elf_image *image = module_image(listed->module);
    uint64_t base = listed->code->low;
    struct address_range range = {base + function->low, base + function->high};
    struct function_code code;
    struct error *err = function_code_read(image, &range, 1, &code);
    if (err) {
        error_free(err);
        return;
    }
    listed->functions++;
    list_site(listed, range.low, PATCH_ENTRY);
    for (size_t i = 0; i < code.count; i++) {
        unsigned kinds = kinds_of(&code.transfers[i], function, base);
        if (kinds)
            list_site(listed, code.transfers[i].vaddr, kinds);
    }
    function_code_deinit(&code);
}

static inline int compare_listed(const void *a, const void *b) {
    const struct listed_site *left = a, *right = b;
    return (left->vaddr > right->vaddr) - (left->vaddr < right->vaddr);
}

/* A site that is both an entry and another is listed once. */
static inline void merge_sites(struct listed *listed) {
    size_t kept = 0;
    if (listed->count)
        qsort(listed->sites, listed->count, sizeof(*listed->sites), compare_listed);
    for (size_t i = 0; i < listed->count; i++) {
        if (kept && listed->sites[kept - 1].vaddr == listed->sites[i].vaddr)
            listed->sites[kept - 1].kinds |= listed->sites[i].kinds;
        else
            listed->sites[kept++] = listed->sites[i];
    }
    listed->count = kept;
}

/* False: no ELF file. */
static inline bool list_module(const char *path, struct listed *ret) {
    const struct unwind_table *unwind;
    *ret = (struct listed){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    struct error *err = module_open(fd, path, NULL, &ret->module);
    close(fd);
    if (err) {
        error_free(err);
        return false;
    }
    must(module_unwind_table(ret->module, &unwind));
    err = patch_code_create(module_image(ret->module), unwind, &ret->code);
    if (err) {
        error_free(err);
        module_close(ret->module);
        return false;
    }
    for (size_t i = 0; i < ret->code->function_count; i++)
        if (!in_plt(module_image(ret->module), ret->code->low + ret->code->functions[i].low))
            list_function(ret, &ret->code->functions[i]);
    merge_sites(ret);
    return true;
}

static inline void unlist_module(struct listed *listed) {
    patch_code_destroy(listed->code);
    module_close(listed->module);
    free(listed->sites);
}

#endif
