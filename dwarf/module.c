#include "dwarf/module.h"

#include "dwarf/module_private.h"
#include "dwarf/unwind.h"

#include <stdlib.h>
#include <string.h>

void module_set_problem(struct module *module, struct error *err) {
    if (module && !module->problem && err)
        module->problem = strdup(err->message);
    error_free(err);
}

void module_add_file(struct module *module, struct debug_file *file) {
    file->module = module;
    file->next = module->files;
    module->files = file;
}

static struct error *open_parts(struct module *module, int fd, const char *name,
                                const struct module_search *search) {
    module->name = strdup(name);
    if (!module->name)
        return &error_no_memory;
    if (search && search->debug_dir && !(module->debug_dir = strdup(search->debug_dir)))
        return &error_no_memory;
    module->debuginfod = search && search->debuginfod;
    TRY(debug_file_open(fd, name, false, &module->own));
    module_add_file(module, module->own);
    TRY(elf_code_ranges(&module->own->image, &module->code, &module->code_count));
    elf_build_id(&module->own->image, &module->build_id);
    module_find_debug(module);
    return NULL;
}

struct error *module_open(int fd, const char *name, const struct module_search *search, struct module **ret) {
    struct module *module = calloc(1, sizeof(*module));
    if (!module)
        return &error_no_memory;
    struct error *err = open_parts(module, fd, name, search);
    if (err) {
        module_close(module);
        return err;
    }
    *ret = module;
    return NULL;
}

void module_close(struct module *module) {
    if (!module)
        return;
    for (struct debug_file *file = module->files; file; file = file->next)
        handle_close(file);                     /* handles refer to those of other files */
    unwind_table_destroy(module->unwind_table); /* it refers to the files */
    while (module->files) {
        struct debug_file *next = module->files->next;
        debug_file_close(module->files);
        module->files = next;
    }
    symbol_index_destroy(module->symbols);
    unit_index_destroy(module->unit_index);
    function_index_destroy(module->functions);
    arena_deinit(&module->arena);
    free(module->code);
    free(module->problem);
    free(module->debug_dir);
    free(module->name);
    free(module);
}

const char *module_name(const struct module *module) {
    return module->name;
}

const struct elf_image *module_image(const struct module *module) {
    return &module->own->image;
}

const struct elf_image *module_debug_image(const struct module *module) {
    return module->debug && module->debug != module->own ? &module->debug->image : NULL;
}

const char *module_debug_path(const struct module *module) {
    return module->debug ? module->debug->path : NULL;
}

const char *module_problem(const struct module *module) {
    return module->problem;
}

const uint8_t *module_build_id(const struct module *module, size_t *ret_size) {
    *ret_size = module->build_id.size;
    return module->build_id.data;
}

bool module_is_code(const struct module *module, uint64_t vaddr) {
    for (size_t i = 0; i < module->code_count; i++)
        if (vaddr >= module->code[i].vaddr && vaddr - module->code[i].vaddr < module->code[i].size)
            return true;
    return false;
}

struct error *module_unwind_table(struct module *module, const struct unwind_table **ret) {
    if (!module->unwind_table)
        TRY(unwind_table_create(module_image(module), module_debug_image(module), &module->unwind_table));
    *ret = module->unwind_table;
    return NULL;
}
